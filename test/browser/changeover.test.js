// A changeover in the demo, from the announcement to green, as docs/changeover-demo.md tells it: the platform's
// operator, the portal, and two estate agents whose servers know the old addresses only.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { axe, chromiumPath, desk, overflow, shot } from "./desk.js";

const BRANDT = "anfragen@makler-brandt.example"; // refuses mail from addresses it does not know
const ALSTER = "anfragen@alsterblick.example"; // takes the XML out of it
const NEXT = "127.0.0.4";
const RETEST = 21_000; // how soon the next test leads are sent, in milliseconds

const complaints = []; // of all screens: what must not be

let folder, demo, browser, office, boxes, logins;

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().on("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "stafette-changeover-"));
  const binary = process.env.STAFETTE_PROGRAM ?? join(folder, "stafette");
  if (!process.env.STAFETTE_PROGRAM) execFileSync("go", ["build", "-o", binary, "../../cmd/stafette"], { cwd: import.meta.dirname, stdio: "inherit" });
  const [listen, mailbox, submission] = await Promise.all([freePort(), freePort(), freePort()]);
  demo = spawn(binary, ["demo", "--listen", `127.0.0.1:${listen}`, "--mailbox", `127.0.0.1:${mailbox}`, "--submission", `127.0.0.1:${submission}`], { stdio: ["ignore", "pipe", "inherit"] });
  [office, boxes] = [`http://127.0.0.1:${listen}`, `http://127.0.0.1:${mailbox}`];
  logins = new Map();
  for await (const line of createInterface({ input: demo.stdout })) {
    const [, who, password] = line.match(/^\s+(\S+@\S+)\s+(\S+)\s{2,}/) ?? [];
    if (who) logins.set(who, password);
    if (line.includes("abwesend@")) break; // the last lines of the greeting
  }
  demo.stdout.resume();
  browser = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  if (demo) {
    const gone = new Promise((resolve) => demo.once("exit", resolve));
    demo.kill("SIGTERM");
    await gone;
  }
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** Somebody at a screen of their own; with a name they sign in to the office. */
async function person(origin, width, who) {
  const one = await desk(browser, origin, { width });
  one.name = who?.split("@")[0] ?? new URL(origin).port;
  one.check = async (what) => {
    if (process.env.SHOTS) await shot(one.page, `changeover-${width}`, what);
    complaints.push(...(await axe(one.page)).map((found) => `${what} at ${one.page.url()}: ${found}`));
    if ((await overflow(one.page)) > 0) complaints.push(`${what} at ${one.page.url()} is wider than ${width} px`);
  };
  /** Only looks; the page is examined elsewhere, or like another one. */
  one.look = async (what) => { if (process.env.SHOTS) await shot(one.page, `changeover-${width}`, what); };
  one.press = (name, exact = true) => one.page.getByRole("button", { name, exact }).filter({ visible: true }).first().click();
  /** Presses a button that asks first, and says yes. */
  one.sure = async (name, yes) => {
    await one.press(name);
    await one.page.locator("[popover]:popover-open, dialog[open]").getByRole("button", { name: yes, exact: true }).click();
  };
  one.reads = (text) => one.page.getByText(text).filter({ visible: true }).first().waitFor({ timeout: 20_000 });
  /** Loads a page again until it shows a text. */
  one.awaits = async (path, text) => {
    for (let tries = 120; ; tries--) {
      await one.go(path);
      if ((await one.page.locator("main").innerText()).match(text)) return;
      assert.ok(tries > 0, `${path} never shows ${text}: ${await one.page.locator("main").innerText()}`);
      await one.page.waitForTimeout(500);
    }
  };
  if (who) {
    await one.go("/signin");
    await one.page.fill("#email", who);
    await one.page.fill("#password", logins.get(who));
    await one.page.click("form[action='/signin'] button");
    await one.page.waitForURL((url) => url.pathname !== "/signin");
  }
  return one;
}

/** Opens the newest mail of a mailbox whose subject matches, once there are n such, and returns its text. */
async function newest(one, box, subject, n = 1) {
  for (let tries = 60; ; tries--) {
    await one.go(`/box/${box}`);
    const mails = one.page.locator("ol.mails a").filter({ hasText: subject });
    if ((await mails.count()) >= n) {
      await mails.first().click();
      await one.page.waitForURL(/\/mail\//);
      return (await one.page.locator("pre.paper").first().textContent()) ?? "";
    }
    assert.ok(tries > 0, `no mail ${subject} at ${box}`);
    await one.page.waitForTimeout(500);
  }
}

/** The names of the open mail's files. */
const files = (one) => one.page.locator(".files a").allInnerTexts();

/** The text of the open mail's first file. */
const file = (one) => one.page.locator(".files a").first().getAttribute("href").then((path) => fetch(new URL(path, boxes))).then((answer) => answer.text());

const code = (text) => text.match(/Prüfcode (?:im Text|in der Datei): (\w{4}-\w{4})/)?.[1] ?? assert.fail(`no code in ${text}`);

/** A prospect asks through the portal's form about an object, no faster than people do. */
async function asks(form, width, title) {
  const one = await person(office, width);
  await one.go(form);
  await one.page.fill("#first_name", "Eva");
  await one.page.fill("#last_name", "Sommer");
  await one.page.fill("#email", "eva.sommer@gmx.example");
  await one.page.fill("#message", `Ist noch frei: ${title}?`);
  await one.page.waitForTimeout(3500);
  await one.page.click(".button");
  await one.page.waitForSelector('[role="status"] h1');
  complaints.push(...one.complaints); // its context goes with the browser
}

const width = Number(process.env.WIDTH ?? 1280);

test(`from the announcement to green, ${width} px`, async () => {
  const operator = await person(office, width, "operator@platform.invalid");
  const jan = await person(office, width, "j.petersen@hafenkontor.example");
  const mail = await person(boxes, width);
  const agent = { [BRANDT]: await person(office, width), [ALSTER]: await person(office, width) };

  // The operator starts it, and the new address is published.
  await operator.go("/platform/changeovers");
  await operator.page.click("tbody a");
  await operator.page.waitForURL(/chg_/);
  const plan = new URL(operator.page.url()).pathname;
  const id = plan.split("/").at(-1);
  await operator.press("Jetzt prüfen");
  await operator.reads("Geprüft.");
  await operator.sure("Umstellung starten", "Umstellung starten");
  await operator.reads("Gestartet.");
  await operator.check("started");
  await operator.awaits("/absender-ips", new RegExp(NEXT.replaceAll(".", "\\.")));

  // The portal looks who may be affected, and tells all.
  await jan.go(`/affected/${id}`);
  await jan.press("Jetzt vergleichen");
  await jan.reads("Makler Brandt");
  await jan.look("compared");
  await jan.go(`/affected/${id}/announcement`);
  await jan.look("announcement");
  await jan.sure("An alle senden", "An alle senden");
  await jan.reads("Niemand bekommt sie zweimal");
  for (const box of [BRANDT, ALSTER]) {
    await newest(mail, box, /Absenderadressen/);
    const paper = mail.page.frameLocator("iframe.paper");
    const link = paper.locator('a[href*="/changeover/"]:not([href*="questions"])').first();
    const [opened] = await Promise.all([mail.context.waitForEvent("page"), link.click()]);
    agent[box].link = new URL(opened.url()).pathname;
  }
  await mail.check("announced");
  await jan.awaits(`/affected/${id}`, /Informiert/);

  // Test leads from the new address: one is refused, one comes without its XML.
  await operator.go(plan);
  await operator.sure("Testphase jetzt beginnen", "Jetzt tun");
  await operator.reads("Der nächste Schritt ist getan.");
  for (const one of Object.values(agent)) {
    await one.go(one.link);
    await one.press("Test-Kontaktanfrage auslösen");
    await one.reads("ist unterwegs");
  }
  const tested = Date.now();
  await agent[BRANDT].awaits(agent[BRANDT].link, /abgewiesen:[^]*block list/);
  await agent[BRANDT].check("refused");
  const half = code(await newest(mail, ALSTER, /TEST/));
  assert.deepEqual(await files(mail), ["removed.txt"]);
  await agent[ALSTER].page.fill("#codes", half);
  await agent[ALSTER].press("Bestätigen");
  await agent[ALSTER].reads("nur der Text ist bestätigt, die XML-Datei nicht");
  await agent[ALSTER].check("half");

  // All mail over the new address: what is refused falls back at once.
  await operator.go(plan);
  await operator.sure("Jetzt umschalten", "Jetzt tun");
  await operator.page.fill("#share", "100");
  await operator.press("Anteile speichern");
  await operator.reads("Anteile gespeichert.");
  await operator.look("all over the new address");
  const forms = new Map();
  for (const title of ["Haus am Fleet", "Loft an der Alster"]) {
    await jan.go("/lead-forms");
    await jan.page.locator("tbody a", { hasText: title }).click();
    await jan.page.waitForURL(/form_/);
    forms.set(title, new URL(await jan.page.inputValue("#form-page")).pathname);
  }
  await Promise.all([...forms].map(([title, form]) => asks(form, width, title)));
  await newest(mail, BRANDT, /Haus am Fleet/, 2);
  assert.deepEqual(await files(mail), ["kontaktanfrage.xml"]);
  await jan.go("/leads");
  await jan.look("leads");
  await jan.page.locator("tbody a", { hasText: "MA-1024" }).first().click();
  await jan.page.waitForURL(/lead_/);
  await jan.look("lead that fell back");
  await jan.page.locator('main a[href^="/messages/msg_"]').first().click();
  await jan.page.waitForURL(/msg_/);
  await jan.reads(/block list/);
  await jan.check("two attempts");
  await jan.awaits(`/changeovers/${id}`, /makler-brandt\.example/);
  await jan.check("marked");
  await operator.go(`${plan}/customers`);
  await operator.check("customers");

  // What came without its XML is sent once more, over an old address.
  const lacking = await newest(mail, ALSTER, /Loft an der Alster/, 2);
  assert.deepEqual(await files(mail), ["removed.txt"]);
  assert.match(lacking, /Loft an der Alster\?/);
  await jan.go("/leads");
  await jan.page.locator("tbody a", { hasText: "AB-3" }).first().click();
  await jan.page.waitForURL(/lead_/);
  await jan.page.getByRole("link", { name: "Nachliefern" }).click();
  await jan.look("redelivery tried");
  await jan.page.getByRole("link", { name: "Über die bisherigen Adressen senden" }).click();
  await jan.reads("Gesendet wird über die bisherigen");
  await jan.check("redelivery chosen");
  await jan.press(/E-Mail nachliefern/, false);
  await jan.look("redelivered");
  await newest(mail, ALSTER, /Nachlieferung/);
  assert.deepEqual(await files(mail), ["kontaktanfrage.xml"]);
  await mail.look("redelivered mail");

  // The agents' IT enters the new address, and both are green.
  await mail.go("/servers");
  for (const name of ["Makler Brandt", "Alsterblick Immobilien"]) {
    const wall = mail.page.locator(".wall", { hasText: name });
    await wall.locator("input[name=address]:not([type=hidden])").fill(NEXT);
    await wall.getByRole("button", { name: "Eintragen" }).click();
    await mail.page.locator(".wall", { hasText: name }).getByText(NEXT).first().waitFor();
  }
  await mail.check("servers");
  for (const [box, one] of Object.entries(agent)) {
    await one.go(one.link);
    await one.press("Erledigt, Adressen sind ergänzt");
    await one.reads("Danke. Ihre Antwort ist gespeichert");
    await one.page.waitForTimeout(Math.max(0, RETEST - (Date.now() - tested)));
    await one.press("Test-Kontaktanfrage auslösen");
    await one.reads("ist unterwegs");
    await one.look("tests again");
    const inText = code(await newest(mail, box, /TEST/, box === ALSTER ? 2 : 1));
    assert.deepEqual(await files(mail), ["kontaktanfrage.xml"]);
    await one.go(one.link);
    await one.page.fill("#codes", `${inText} ${code(await file(mail))}`);
    await one.press("Bestätigen");
    await one.reads("Text und XML-Datei sind bestätigt");
    await one.check("green");
  }
  await jan.go(`/affected/${id}`);
  assert.equal(await jan.page.locator("tbody td", { hasText: /^Erledigt$/ }).count(), 2);
  await jan.check("done");

  // The end: a report, and the old addresses are retired.
  await operator.awaits(plan, /Bisherige Adressen außer Betrieb nehmen/);
  await operator.check("overlap");
  const [report] = await Promise.all([operator.page.waitForEvent("download"), operator.page.getByRole("link", { name: "Bericht (PDF)" }).click()]);
  await report.saveAs(join(folder, "report.pdf"));
  assert.equal(readFileSync(join(folder, "report.pdf"), "latin1").slice(0, 5), "%PDF-");
  if (process.env.SHOTS) copyFileSync(join(folder, "report.pdf"), join(process.env.SHOTS, "report.pdf"));
  await operator.sure("Bisherige Adressen außer Betrieb nehmen", "Außer Betrieb nehmen");
  await operator.reads("Die bisherigen Adressen sind außer Betrieb.");
  await operator.check("retired");
  for (const one of [operator, jan, mail, ...Object.values(agent)]) complaints.push(...one.complaints);
  assert.deepEqual(complaints, []);
});
