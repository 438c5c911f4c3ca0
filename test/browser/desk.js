// What all tests of the office in a browser share: the office itself, signed-in browsers, axe, and where
// screenshots go. Each test file is a process of its own with an office and a browser of its own.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const CLERK = "j.petersen@hafenkontor.example";
export const OWNER = "h.voss@hafenkontor.example";
export const STRANGER = "post@salon-lund.example"; // of an account that says du
export const STAFF = "betrieb@stafette.example";
export const PASSWORD = "Seidenpapier-7-Anker";

/** Every pair of language, light and width occurs in these. */
export const LOOKS = [
  { lang: "de", scheme: "light", width: 1280 },
  { lang: "de", scheme: "dark", width: 360 },
  { lang: "en", scheme: "light", width: 360 },
  { lang: "en", scheme: "dark", width: 1280 },
];

export const lookName = (look) => `${look.lang}-${look.scheme}-${look.width}`;

/** Builds the office; run.js does it once for all files. */
export function build(folder) {
  const binary = join(folder, "office");
  execFileSync("go", ["build", "-o", binary, "./office"], { cwd: import.meta.dirname, stdio: "inherit" });
  return binary;
}

export function chromiumPath() {
  const found = [process.env.STAFETTE_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const path = found.find((one) => one && existsSync(one));
  assert.ok(path, "no Chromium: install it or name it in STAFETTE_CHROMIUM");
  return path;
}

/** An office with a browser. */
export class Office {
  static async open() {
    const office = new Office();
    office.folder = mkdtempSync(join(tmpdir(), "stafette-browser-"));
    office.server = spawn(process.env.STAFETTE_OFFICE ?? build(office.folder), { stdio: ["pipe", "pipe", "inherit"] });
    office.lines = createInterface({ input: office.server.stdout })[Symbol.asyncIterator]();
    office.origin = (await office.lines.next()).value;
    office.browser = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
    office.cookies = new Map();
    return office;
  }

  async close() {
    await this.browser?.close();
    this.server?.stdin.end();
    if (this.folder) rmSync(this.folder, { recursive: true, force: true });
  }

  /** Gives the office an order and returns its answer. */
  async order(word) {
    this.server.stdin.write(`${word}\n`);
    return (await this.lines.next()).value;
  }

  /** The addresses of all pages: of strangers, of a tenant's people, of staff. */
  async pages() {
    return JSON.parse(await this.order("pages"));
  }

  /** Signs somebody in once for all browsers of this file. */
  async session(email) {
    if (!this.cookies.has(email)) {
      const answer = await fetch(`${this.origin}/signin`, {
        method: "POST", redirect: "manual", body: new URLSearchParams({ email, password: PASSWORD }), headers: { "Sec-Fetch-Site": "same-origin" },
      });
      assert.equal(answer.status, 303, `sign-in of ${email}`);
      const [name, value] = answer.headers.getSetCookie()[0].split(";")[0].split("=");
      this.cookies.set(email, { name, value, url: this.origin });
    }
    return this.cookies.get(email);
  }

  /** What the office answers without a browser: its status, and the page as text. */
  async ask(path, { who = "", lang = "de" } = {}) {
    const { name, value } = who ? await this.session(who) : {};
    const answer = await fetch(new URL(path, this.origin), { headers: { "Accept-Language": lang, ...(who && { Cookie: `${name}=${value}` }) } });
    return { status: answer.status, html: await answer.text() };
  }

  /**
   * A browser of its own, signed in as who ("" for nobody). complaints collects what must not be: errors of
   * scripts, breaches of the policy, requests to other hosts, bad answers.
   */
  async desk({ who = CLERK, ...look } = {}) {
    return desk(this.browser, this.origin, { ...look, cookies: who ? [await this.session(who)] : [] });
  }
}

/** A browser of its own before an office at an origin, see Office.desk. */
export async function desk(browser, origin, { lang = "de", scheme = "light", width = 1280, height = 860, javaScriptEnabled = true, cookies = [] } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: scheme, locale: lang, javaScriptEnabled, reducedMotion: "reduce",
  });
  await context.addCookies(cookies);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (m) => m.type() === "error" && !/status of (401|403|404|409|422)/.test(m.text()) && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => !r.url().startsWith(origin) && !/^(data|blob|about):/.test(r.url()) && complaints.push(`asked ${r.url()}`));
  page.on("response", (r) => r.status() >= 500 && complaints.push(`${r.status()} from ${r.url()}`));
  return { context, page, complaints, go: (path) => page.goto(new URL(path, origin).href) };
}

/** The rules whose findings depend on light and width. */
export const RULES_OF_LOOKS = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"];

const STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/**
 * Runs axe in an isolated world, which the page's policy does not bind and which leaves the policy as it is: all
 * rules, or only those named; on the whole page, or on the one element that a selector finds.
 */
export async function axe(page, rules, part = "") {
  const runOnly = rules ? { type: "rule", values: rules } : STANDARDS;
  for (let tries = 3; ; tries--) {
    await page.waitForLoadState("load");
    try {
      return await within(AXE_TIME, examine(page, runOnly, part));
    } catch (e) {
      if (tries === 1) throw e; // a page that was just being left never answers: ask the next one
    }
  }
}

/** How long one examination may take, in milliseconds. */
const AXE_TIME = 30_000;

/** The promise's value, or an error when it takes longer than ms. */
export function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function examine(page, runOnly, part) {
  const client = await page.context().newCDPSession(page);
  const { frameTree } = await client.send("Page.getFrameTree");
  const { executionContextId } = await client.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
  const run = async (expression) => {
    const { result, exceptionDetails } = await client.send("Runtime.evaluate", { expression, contextId: executionContextId, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  // The world stays until the page is left, and axe in it.
  if (await run("typeof axe === 'undefined'")) await run(`${axeSource}; undefined`);
  const found = await run(`axe.run(${part ? `document.querySelector(${JSON.stringify(part)}) ?? document` : "document"}, {
    iframes: false,
    runOnly: ${JSON.stringify(runOnly)},
    resultTypes: ["violations"],
  }).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target.join(" ") + " " + n.failureSummary).join(" | ")))`);
  await client.detach();
  return found;
}

/** By how many pixels the page is wider than the screen. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** The addresses of the rows' links of a list. */
export const links = (page) => page.locator("tbody tr td > a").evaluateAll((list) => list.map((a) => a.href));

/** Keeps a picture of the whole page in shots/ (or SHOTS), which git does not see. */
export async function shot(page, folder, name) {
  const path = join(process.env.SHOTS ?? join(import.meta.dirname, "shots"), folder);
  mkdirSync(path, { recursive: true });
  await page.screenshot({ path: join(path, `${name.replaceAll(/[^a-z0-9]+/gi, "-").replaceAll(/^-|-$/g, "").slice(0, 80) || "start"}.png`), fullPage: true });
}
