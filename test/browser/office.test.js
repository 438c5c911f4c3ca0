// The office in a real browser: accessibility by axe on every page, both languages, light and dark, wide and
// narrow; the keyboard's path; the live turn of a state; and the same without scripts.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const CLERK = "j.petersen@hafenkontor.example";
const STAFF = "betrieb@stafette.example";
const PASSWORD = "Seidenpapier-7-Anker";
const LOOKS = [
  { lang: "de", scheme: "light", width: 1280 },
  { lang: "de", scheme: "dark", width: 360 },
  { lang: "en", scheme: "dark", width: 1280 },
  { lang: "en", scheme: "light", width: 360 },
  { lang: "de", scheme: "light", width: 360 },
  { lang: "de", scheme: "dark", width: 1280 },
  { lang: "en", scheme: "light", width: 1280 },
  { lang: "en", scheme: "dark", width: 360 },
];

let folder, server, origin, browser;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "stafette-browser-"));
  const binary = join(folder, "office");
  execFileSync("go", ["build", "-o", binary, "./office"], { cwd: import.meta.dirname, stdio: "inherit" });
  server = spawn(binary, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  origin = (await lines.next()).value;
  const found = [process.env.STAFETTE_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = found.find((path) => path && existsSync(path));
  assert.ok(executablePath, "no Chromium: install it or name it in STAFETTE_CHROMIUM");
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  server?.stdin.end();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** A signed-in browser of its own; complaints of the browser (policy, script errors) are collected. */
async function desk({ lang = "de", scheme = "light", width = 1280, javaScriptEnabled = true, signIn = true } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: 860 }, colorScheme: scheme, locale: lang, javaScriptEnabled, bypassCSP: false, reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (m) => m.type() === "error" && !/status of (401|404|422)/.test(m.text()) && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => !r.url().startsWith(origin) && !/^(data|blob|about):/.test(r.url()) && complaints.push(`asked ${r.url()}`));
  if (signIn) {
    await page.goto(`${origin}/signin`);
    await page.fill("#email", CLERK);
    await page.fill("#password", PASSWORD);
    await page.click("button.btn--primary");
    await page.waitForURL(`${origin}/`);
  }
  return { context, page, complaints };
}

/** Runs axe in an isolated world, which the page's policy does not bind and which leaves the policy as it is. */
async function axe(page) {
  const client = await page.context().newCDPSession(page);
  const { frameTree } = await client.send("Page.getFrameTree");
  const { executionContextId } = await client.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
  const run = async (expression) => {
    const { result, exceptionDetails } = await client.send("Runtime.evaluate", { expression, contextId: executionContextId, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await run(`${axeSource}; undefined`);
  const found = await run(`axe.run(document, {
    iframes: false,
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    resultTypes: ["violations"],
  }).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target.join(" ") + " " + n.failureSummary).join(" | ")))`);
  await client.detach();
  return found;
}

async function links(page) {
  await page.goto(`${origin}/messages`);
  return page.locator("tbody tr td > a").evaluateAll((list) => list.map((a) => a.href));
}

async function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

describe("axe", () => {
  for (const look of LOOKS) {
    test(`every page, ${look.lang}, ${look.scheme}, ${look.width} px`, async () => {
      const { context, page, complaints } = await desk({ ...look, signIn: false });
      const check = async (what) => {
        assert.deepEqual(await axe(page), [], `${what} at ${page.url()}`);
        assert.ok((await overflow(page)) <= 0, `${what} is wider than the screen`);
        assert.equal(await page.getAttribute("html", "lang"), look.lang);
      };
      await page.goto(`${origin}/signin`);
      await check("sign-in");
      await page.fill("#email", CLERK);
      await page.fill("#password", "falsch");
      await page.click("button.btn--primary");
      await check("refused sign-in");
      await page.fill("#password", PASSWORD);
      await page.click("button.btn--primary");
      await page.waitForURL(`${origin}/`);
      await check("overview");
      const messages = await links(page);
      assert.ok(messages.length >= 10, "the sample has fewer messages than expected");
      await check("list");
      await page.goto(`${origin}/domains`);
      await check("domains");
      const domains = await page.locator("tbody tr td > a").evaluateAll((list) => list.map((a) => a.href));
      assert.equal(domains.length, 4);
      for (const one of domains.slice(0, 2)) {
        await page.goto(one);
        await check("a domain");
      }
      await page.goto(`${origin}/dmarc`);
      await check("DMARC reports");
      await page.goto(`${origin}/domains/providers`);
      await check("providers");
      for (const path of ["/messages?q=gibtsnicht", "/messages?state=held&tag=x", "/no-such-page", "/queue", "/queue/preview?command=hold", "/queue/preview?command=suspend&hours=x", "/messages/new"]) {
        await page.goto(origin + path);
        await check(path);
      }
      await page.click(".compose .btn--primary");
      await page.fill("#from_local", "post");
      await page.fill("#subject", "Hallo");
      await page.fill("#body", "Guten Tag");
      await page.fill("#to", "eva");
      await page.click(".compose .btn--primary");
      await page.waitForSelector("#to-problem");
      await check("refused form");
      for (const path of ["/suppressions", "/suppressions?q=gibtsnicht", "/suppressions/new", "/suppressions/import", "/suppressions/rules"]) {
        await page.goto(origin + path);
        await check(path);
      }
      await page.goto(`${origin}/suppressions?reason=hard_bounce`);
      await page.click("tbody a");
      await check("suppression");
      await page.goto(`${origin}/suppressions/import`);
      await page.fill("#list", "eins@kunde.example\nkaputt");
      await page.click("form.measure .btn--primary");
      await check("preview of an import");
      await page.goto(`${origin}/addresses`);
      await check("address check");
      await page.fill("#address", "info@gmial.com");
      await page.click("form.measure .btn--primary");
      await check("verdict about an address");
      // waiting, held, several recipients, come back, complained of, hostile words: the other pages are made of the same parts
      for (const n of [0, 3, 6, 11, 12, 14]) {
        await page.goto(messages[n]);
        await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
        await check("message");
      }
      for (const view of ["html", "text", "headers", "source"]) {
        await page.goto(`${messages[6]}/content?view=${view}`);
        await check(`content ${view}`);
      }
      await page.goto(`${origin}/components?q=hafen&col=time&col=state&col=subject&col=host`);
      await check("components");
      for (const part of ["columns", "help-buttons", "question"]) {
        await page.click(`[popovertarget=${part}]`);
        await check(`components, ${part}`);
        await page.keyboard.press("Escape");
      }
      await page.goto(`${origin}/`);
      await page.click(".top-tools [popovertarget=look]");
      await check("language and appearance");
      assert.deepEqual(complaints, []);
      await context.close();
    });
  }

  for (const look of LOOKS) {
    test(`contacts and requests, ${look.lang}, ${look.scheme}, ${look.width} px`, async () => {
      const { context, page, complaints } = await desk(look);
      const check = async (what) => {
        assert.deepEqual(await axe(page), [], `${what} at ${page.url()}`);
        assert.ok((await overflow(page)) <= 0, `${what} is wider than the screen`);
        if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${look.lang}-${look.scheme}-${look.width}-${what.replaceAll(/[^a-z]/g, "-")}.png`, fullPage: true });
      };
      const open = async (path, what) => {
        await page.goto(origin + path);
        await check(what);
      };
      await open("/contacts", "contacts");
      const file = new URL(await page.locator("tbody a", { hasText: "Sommer" }).getAttribute("href"), origin).pathname;
      await open("/contacts?q=gibtsnicht", "nobody found");
      for (const tab of ["messages", "notifications", "history", "notes", "data"]) await open(`${file}?tab=${tab}`, `tab ${tab}`);
      await page.click("[popovertarget=delete-contact]");
      await check("question");
      await open("/contacts/address?address=nobody@x.example", "file of an address");
      for (const part of ["edit", "merge", "merge?q=kranz"]) await open(`${file}/${part}`, part);
      await page.click(".rules a");
      await check("preview of a merge");
      await open("/contacts/fields", "own fields");
      await open("/contacts/new", "new contact");
      await page.fill("#addresses", "kaputt");
      await page.click("form.measure .btn--primary");
      await check("refused contact");
      await open(file, "file again");
      await page.click("aside .btn--danger");
      await check("preview of an erasure");
      await page.fill("#address", "wer@anders.example");
      await page.click("form.measure .btn--danger");
      await check("unconfirmed erasure");
      await open("/privacy", "data protection");
      const requests = await page.locator("tbody tr td > a").evaluateAll((list) => list.map((a) => a.href));
      for (const [n, request] of requests.entries()) {
        await page.goto(request);
        await check(`request ${"abcdef"[n]}`);
      }
      assert.deepEqual(complaints, []);
      await context.close();
    });
  }

  for (const look of LOOKS) {
    test(`return mail, ${look.lang}, ${look.scheme}, ${look.width} px`, async () => {
      const { context, page, complaints } = await desk({ ...look, signIn: false });
      await page.goto(`${origin}/signin`);
      await page.fill("#email", STAFF);
      await page.fill("#password", PASSWORD);
      await page.click("button.btn--primary");
      await page.waitForURL(`${origin}/platform`);
      await page.goto(`${origin}/platform/returns`);
      const mails = await page.locator("tbody tr td > a").evaluateAll((list) => list.map((a) => a.href));
      assert.ok(mails.length >= 5, "the sample has fewer return mails than expected");
      for (const address of [`${origin}/platform/halts`, `${origin}/platform/returns`, `${origin}/platform/returns?state=unmatched&kind=dsn`, ...mails]) {
        await page.goto(address);
        assert.deepEqual(await axe(page), [], address);
        assert.ok((await overflow(page)) <= 0, `${address} is wider than the screen`);
      }
      assert.deepEqual(complaints, []);
      await context.close();
    });
  }

  for (const scheme of ["light", "dark"]) {
    test(`finds a bad contrast and an unlabelled control when there is one, ${scheme}`, async () => {
      const { context, page } = await desk({ scheme });
      await page.goto(`${origin}/messages`);
      await page.evaluate(() => {
        const p = document.createElement("p");
        p.textContent = "kaum zu lesen";
        p.style.color = "#777d";
        document.querySelector("main").append(p, document.createElement("input"));
      });
      const found = await axe(page);
      assert.ok(found.some((v) => v.startsWith("color-contrast")), `contrast not found in ${found}`);
      assert.ok(found.some((v) => v.startsWith("label")), `label not found in ${found}`);
      await context.close();
    });
  }
});

for (const look of [{ scheme: "light", width: 360 }, { scheme: "dark", width: 1280 }]) {
  test(`staff begin at their sections, ${look.scheme}, ${look.width} px`, async () => {
    const { context, page, complaints } = await desk({ ...look, signIn: false });
    await page.goto(`${origin}/signin`);
    await page.fill("#email", STAFF);
    await page.fill("#password", PASSWORD);
    await page.click("button.btn--primary");
    await page.waitForURL(`${origin}/platform`);
    for (const path of ["/platform", "/platform/queue", "/platform/queue/preview?command=suspend", "/platform/sources", "/platform/lanes", "/platform/explain?domain=gmx.example"]) {
      await page.goto(origin + path);
      assert.deepEqual(await axe(page), [], path);
      assert.ok((await overflow(page)) <= 0, `${path} is wider than the screen`);
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${look.scheme}${path.replaceAll(/[^a-z]/g, "-")}.png`, fullPage: true });
    }
    assert.deepEqual(complaints, []);
    await context.close();
  });
}

test("the keyboard alone leads from sign-in to a message", async () => {
  const { context, page } = await desk({ signIn: false });
  await page.goto(`${origin}/signin`);
  assert.equal(await page.evaluate(() => document.activeElement.id), "email");
  await page.keyboard.type(CLERK);
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${origin}/`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  const reach = async (wanted) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((path) => document.activeElement.getAttribute("href")?.startsWith(path), wanted)) {
        const seen = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        assert.notEqual(seen, "none", "focus cannot be seen");
        return;
      }
    }
    assert.fail(`no way by Tab to ${wanted}`);
  };
  await reach("/messages");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${origin}/messages`);
  await reach("/messages/msg_");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/messages\/msg_/);
  for (let i = 0; i < 60 && !(await page.evaluate(() => document.activeElement.localName === "summary")); i++) await page.keyboard.press("Tab");
  const before = await page.evaluate(() => document.activeElement.parentElement.open);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.parentElement.open), !before);
  await context.close();
});

test("Ctrl K leads to the search box", async () => {
  const { context, page } = await desk();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("HK-2214");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=HK-2214/);
  assert.equal(await page.locator("tbody tr").count(), 1);
  await context.close();
});

test("a question is asked before sending is cancelled, and Escape keeps it", async () => {
  const { context, page } = await desk();
  const messages = await links(page);
  await page.goto(messages[6]);
  await page.click("button[popovertarget^=cancel-]");
  await page.waitForSelector(".ask:popover-open");
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".ask:popover-open").count(), 0);
  assert.match(await page.locator("#summary").innerText(), /1 verzögert/);
  await context.close();
});

test("the preview runs nothing and asks nobody", async () => {
  const { context, page, complaints } = await desk();
  const messages = await links(page);
  await page.goto(`${messages[6]}/content`);
  const frame = page.frameLocator("iframe.preview");
  await frame.locator("b").waitFor();
  assert.equal(await frame.locator("b").innerText(), "Samstag um 11 Uhr");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("without scripts: sign in, search, send, hold and resume", async () => {
  const { context, page } = await desk({ javaScriptEnabled: false });
  await page.fill(".search input", "HK-2214");
  await page.press(".search input", "Enter");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.goto(`${origin}/messages/new`);
  await page.fill("#from_local", "post");
  await page.fill("#to", "Eva <eva@kunde.example>");
  await page.fill("#subject", "Ohne Skript");
  await page.fill("#body", "Guten Tag");
  await page.click(".compose .btn--primary");
  await page.waitForURL(/done=sent/);
  assert.equal(await page.innerText("h1"), "Ohne Skript");
  await page.click("button[value=hold]");
  await page.waitForURL(/done=hold/);
  await page.click("button[value=resume]");
  await page.waitForURL(/done=resume/);
  await page.click("button[popovertarget^=cancel-]");
  await page.click(".ask button[value=cancel]");
  await page.waitForURL(/done=cancel/);
  assert.match(await page.innerText("#summary"), /1 abgebrochen/);
  await context.close();
});

test("a page watches its message arrive without a reload", async () => {
  const { context, page, complaints } = await desk();
  await page.goto(`${origin}/messages/new`);
  await page.fill("#from_local", "post");
  await page.fill("#to", "Eva <eva@kunde.example>");
  await page.fill("#subject", "Live");
  await page.fill("#body", "Guten Tag");
  const streaming = page.waitForResponse((r) => r.url() === `${origin}/live`);
  await page.click(".compose .btn--primary");
  await page.waitForURL(/done=sent/);
  await streaming;
  await page.evaluate(() => { window.neverReloaded = true; });
  await page.locator(".letter summary").first().focus();
  assert.match(await page.innerText(".letter summary"), /In Warteschlange/);
  server.stdin.write("deliver\n");
  await page.waitForFunction(() => document.querySelector(".letter summary").innerText.includes("Zugestellt"));
  assert.match(await page.innerText("#summary"), /1 zugestellt/);
  assert.equal(await page.evaluate(() => window.neverReloaded), true);
  assert.equal(await page.evaluate(() => document.activeElement.localName), "summary", "the focus was lost");
  assert.deepEqual(complaints, []);
  await context.close();
});
