// Mail and offers in the demo world, with a real browser as recipient: what a person does is told at once to who sent
// it, what a scanner does is told as a machine's.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { setTimeout as pass } from "node:timers/promises";
import { chromium } from "playwright-core";
import { axe, chromiumPath, overflow, shot } from "./desk.js";

const SENDER = { email: "j.petersen@hafenkontor.example", password: "hafen-und-kontor" };
const PERSON = "mira@posteo.example", SCANNED = "gmail@posteo.example"; // both agreed to be told of
// What people use: a browser without a screen says so, and is taken for a machine.
const AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/** A port that was free a moment ago. */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().on("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Asks until the answer is truthy; the demo's servers take a moment for a mail. */
async function until(what, ask) {
  for (const end = Date.now() + 60_000; Date.now() < end; await pass(100)) {
    const answer = await ask();
    if (answer) return answer;
  }
  throw new Error(`${what} did not happen`);
}

describe("the demo world", () => {
  let folder, demo, browser, origin, mailbox, context, page;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "stafette-tracking-"));
    const binary = process.env.STAFETTE_PROGRAM ?? join(folder, "stafette");
    if (!process.env.STAFETTE_PROGRAM) execFileSync("go", ["build", "-o", binary, "../../cmd/stafette"], { cwd: import.meta.dirname, stdio: "inherit" });
    const ports = [await freePort(), await freePort(), await freePort()];
    origin = `http://127.0.0.1:${ports[0]}`;
    mailbox = `http://127.0.0.1:${ports[1]}`;
    const [office, boxes, submission] = ports.map((port) => `127.0.0.1:${port}`);
    demo = spawn(binary, ["demo", "--listen", office, "--mailbox", boxes, "--submission", submission], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: demo.stdout })) {
      if (line.includes("SMTP submission")) break;
    }
    demo.stdout.resume();
    browser = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
    context = await browser.newContext({ locale: "de-DE", viewport: { width: 1280, height: 860 } });
    page = await context.newPage();
    await page.goto(`${origin}/signin`);
    await page.fill("#email", SENDER.email);
    await page.fill("#password", SENDER.password);
    await page.click("form[action='/signin'] button");
    await page.waitForURL(`${origin}/`);
  });

  after(async () => {
    await browser?.close();
    if (demo) {
      const gone = new Promise((resolve) => demo.once("exit", resolve));
      demo.kill("SIGINT");
      await gone;
    }
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** The newest mail of a box with a subject, as its page in the mailboxes. */
  const mailOf = (box, subject) => until(`mail for ${box}`, async () => {
    const text = await (await fetch(`${mailbox}/box/${box}?lang=de`)).text();
    const found = [...text.matchAll(/<a href="(\/mail\/\d+)[^"]*">[\s\S]*?class="what">([^<]*)</g)].find((m) => m[2] === subject);
    return found && mailbox + found[1];
  });

  /** A recipient with a browser of their own. */
  const recipient = (options) => browser.newContext({ userAgent: AGENT, locale: "de-DE", viewport: { width: 360, height: 740 }, acceptDownloads: true, ...options });

  /** Makes the offer to somebody and returns the address in their mail. */
  const offerTo = async (address, subject) => {
    await page.goto(`${origin}/offers`);
    await page.click('tbody a:has-text("Speicherblock 7")');
    await page.click("a.btn--primary");
    await page.fill("#to", address);
    await page.fill("#subject", subject);
    await page.click("form.stack .btn--primary");
    await page.waitForURL(/\/offers\/off_[^/]+$/);
    const mail = await (await fetch(`${await mailOf(address, subject)}/html`)).text();
    return mail.match(/http:\/\/127\.0\.0\.1:\d+\/o\/[A-Za-z0-9_-]+/)[0];
  };

  /** What the feed tells of somebody. */
  const told = async (address, machines = "") => {
    const feed = await context.newPage();
    await feed.goto(`${origin}/blitz?q=${address}${machines}`);
    const lines = await feed.locator("#feed li").allInnerTexts();
    const tags = await feed.locator("#feed li.is-machine").count();
    await feed.close();
    return { text: lines.join("\n"), lines: lines.length, machines: tags };
  };

  test("a person opens a mail and follows its link: the sender sees it at once", async () => {
    const subject = "Grundriss für Sie";
    await page.goto(`${origin}/messages/new`);
    await page.fill("#from_local", "info");
    await page.fill("#to", PERSON);
    await page.fill("#subject", subject);
    await page.check('input[name="format"][value="html"]');
    await page.fill("#body", '<p>Guten Tag,</p><p><a href="https://hafenkontor.example/grundriss">der Grundriss</a></p>');
    await page.click(".compose .btn--primary");
    await page.waitForURL(/\/messages\/msg_/);
    const message = page.url().split("?")[0];
    const mail = await mailOf(PERSON, subject);
    await pass(9_000); // nobody reads within seconds; who does is taken for a machine

    await page.goto(`${origin}/blitz`);
    await page.evaluate(() => { window.neverReloaded = true; });
    const phone = await recipient();
    await phone.route("https://hafenkontor.example/**", (route) => route.fulfill({ body: "Grundriss" }));
    const reader = await phone.newPage();
    const loaded = reader.waitForResponse((r) => r.url().includes("/i/"));
    await reader.goto(`${mail}/open`);
    assert.equal((await loaded).status(), 200, "the picture is not loaded");
    await page.waitForFunction((s) => document.querySelector("#feed").innerText.includes(`öffnete die E-Mail „${s}“`), subject);
    await reader.click("a:has-text('der Grundriss')");
    await reader.waitForURL("https://hafenkontor.example/grundriss");
    await page.waitForFunction(() => document.querySelector("#feed").innerText.includes("den Link „der Grundriss“"));
    assert.equal(await page.evaluate(() => window.neverReloaded), true, "the page was not live");
    assert.notEqual(await page.innerText("#feed-tool .count"), "0");
    await shot(page, "tracking", "blitz");
    assert.deepEqual(await axe(page), []);
    await phone.close();

    await page.goto(message);
    const under = await page.innerText("main");
    assert.ok(/öffnete die E-Mail/.test(under) && under.includes("der Grundriss"), under);
    await shot(page, "tracking", "message");
    assert.deepEqual(await axe(page), []);
  });

  test("gateways look at mail by themselves: machines in the feed, nothing new at the bell", async () => {
    const gateways = { safelinks: "Firefox", proofpoint: "Proofpoint", mimecast: "Mimecast", barracuda: "Barracuda", cisco: "Cisco" };
    // Who reads mail of the demo by themselves is through, and what they did is read.
    const readers = [["leserin@posteo.example", 2], ["gmail@posteo.example", 1],
      ["besichtigung.6@posteo.example", 3], ["besichtigung.8@t-online.example", 4], ["besichtigung.9@posteo.example", 3], ["besichtigung.12@posteo.example", 2]]; // of the mailing, the welcome and, in zones whose time is over, the mailing at local times
    for (const [box, lines] of readers) await until(`reading by ${box}`, async () => (await told(box)).lines >= lines);
    await until("reading by one of two", async () => (await told("")).text.includes("für Sie beide“ den Link"));
    await page.goto(`${origin}/blitz`);
    await Promise.all([page.waitForNavigation(), page.click('form[action="/blitz/read"] button')]);
    const bell = async () => [await page.getAttribute("#feed-tool", "aria-label"), await page.locator("#feed-tool .count").isVisible()];
    const quiet = ["Blitz: nichts Neues", false];
    assert.deepEqual(await bell(), quiet);

    const office = await context.newPage();
    for (const who of Object.keys(gateways)) {
      await office.goto(`${origin}/messages/new`);
      await office.fill("#from_local", "info");
      await office.fill("#to", `${who}@posteo.example`);
      await office.fill("#subject", `Lageplan ${who}`);
      await office.check('input[name="format"][value="html"]');
      await office.fill("#body", '<p>Guten Tag,</p><p><a href="https://hafenkontor.example/lageplan">der Lageplan</a></p>');
      await office.click(".compose .btn--primary");
      await office.waitForURL(/\/messages\/msg_/);
    }
    for (const [who, agent] of Object.entries(gateways)) {
      const box = `${who}@posteo.example`, words = `Link in „Lageplan ${who}“ maschinell geprüft (nicht gewertet): ${agent}.`;
      await until(`a look by ${who}`, async () => (await told(box, "&machines=1")).text.includes(words));
      const seen = await told(box, "&machines=1");
      assert.equal(seen.machines, seen.lines, `not all of ${who} is a machine's: ${seen.text}`);
      assert.equal((await told(box)).lines, 0, `${who} is told as a person`);
    }
    await office.goto(`${origin}/blitz?machines=1`);
    assert.equal(await office.locator("#feed li.is-machine.is-new").count(), 0);
    await shot(office, "tracking", "gateways");
    assert.deepEqual(await axe(office), []);
    await office.close();
    assert.deepEqual(await bell(), quiet, "the bell rang while the page was open");
    await page.reload();
    assert.deepEqual(await bell(), quiet, "the bell counts machines");
  });

  test("a scanner follows every link of an offer with scripts: nobody was there", async () => {
    const link = await offerTo(SCANNED, "Angebot geprüft");
    const gateway = await recipient();
    const look = await gateway.newPage();
    await gateway.route("https://**", (route) => route.fulfill({ body: "" }));
    await look.goto(link);
    const all = await look.locator("a[href]").evaluateAll((list) => list.map((a) => a.href).filter((h) => h.startsWith("http")));
    assert.ok(all.length >= 5, `${all.length} links`);
    for (const address of all) await look.evaluate((a) => fetch(a, { mode: "no-cors" }).catch(() => {}), address).catch(() => {});
    for (const address of all) await gateway.request.get(address, { maxRedirects: 0, headers: { "User-Agent": AGENT } });
    await gateway.close();
    const people = await told(SCANNED);
    assert.ok(!people.text.includes("besuchte") && !people.text.includes("lud"), `told as a person's: ${people.text}`);
    const seen = await told(SCANNED, "&machines=1");
    assert.ok(seen.machines >= 4 && seen.text.includes("maschinell abgerufen (nicht gewertet)"), seen.text);
  });

  test("a person visits an offer, with scripts and without: each step is told, the forms as proof", async () => {
    const link = await offerTo(PERSON, "Ihr Angebot, Frau Köhler");
    await pass(9_000); // as above
    const phone = await recipient();
    await phone.route("https://rundgang.example/**", (route) => route.fulfill({ body: "Rundgang" }));
    const visit = await phone.newPage();
    const asked = [];
    visit.on("request", (r) => asked.push(r.url()));
    await visit.goto(link);
    await shot(visit, "tracking", "offer");
    assert.deepEqual(await axe(visit), []);
    assert.ok((await overflow(visit)) <= 0);
    assert.deepEqual(asked.filter((a) => !a.startsWith(origin) && !a.startsWith("data:")), [], "foreign hosts");
    assert.equal(await visit.locator('input[name="box"]:checked').count(), 0, "a box is ticked beforehand");
    const load = async (name) => (await Promise.all([visit.waitForEvent("download"), visit.click(`a.file:has-text("${name}")`)]))[0].suggestedFilename();
    assert.equal(await load("Baubeschreibung"), "Baubeschreibung.pdf");
    assert.equal(await load("Grundriss"), "Grundriss 4.2.pdf");
    await visit.click('.unit:has-text("4.2") .like');
    await visit.waitForSelector('.unit:has-text("4.2") .like[aria-pressed="true"]');
    await pass(4_500); // one paper after the other, as people do
    await visit.click('.gate a[href$="/notice"]');
    await visit.click('a:has-text("Zurück zu")');
    for (const box of await visit.locator('input[name="box"][required]').all()) await box.check();
    await visit.click(".gate .button");
    await visit.waitForSelector(".told");
    assert.match(await load("Exposé"), /\.pdf$/);
    await visit.click('a.file:has-text("Rundgang")');
    await visit.waitForURL("https://rundgang.example/**");
    assert.deepEqual(await phone.cookies(), []);

    for (const javaScriptEnabled of [true, false]) {
      const other = await recipient({ javaScriptEnabled });
      const form = await other.newPage();
      await form.goto(link);
      await form.click('footer a:has-text("Vertrag widerrufen")');
      await form.fill("#name", "Mira Köhler");
      await form.click('button[value="review"]');
      assert.match(await form.innerText("blockquote"), /Hiermit widerrufe ich, Mira Köhler/);
      await form.click('button[value="confirm"]');
      assert.match(await form.innerText('[role="status"]'), /Ihr Widerruf ist eingegangen/);
      if (javaScriptEnabled) assert.deepEqual(await axe(form), []);
      await other.close();
    }
    await phone.close();

    const { text, machines } = await told(PERSON, "&machines=1");
    for (const words of ["besuchte die Seite", "lud das Dokument „Baubeschreibung“", "lud den Grundriss", "Wohnung 4.2", "öffnete die Widerrufsbelehrung",
      "bestätigte den Erhalt der Widerrufsbelehrung", "lud das Exposé", "öffnete den Link „Rundgang am Fleet“", "widerrief den Vertrag"]) {
      assert.ok(text.includes(words), `the feed lacks ${words}: ${text}`);
    }
    assert.equal(machines, 0, text);
    await page.goto(`${origin}/offers`);
    await page.click('tbody a:has-text("Speicherblock 7")');
    await page.click(`tbody tr:has-text("${PERSON}"):has-text("iderruf") a`);
    assert.match(await page.innerText("#proofs"), /Widerruf/);
    await shot(page, "tracking", "recipient");
    assert.deepEqual(await axe(page), []);
  });
});
