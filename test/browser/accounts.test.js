// Accounts in a real browser: axe on their pages, and on the real program the path of a person with a passkey from a
// virtual authenticator, a visit by support and a locked account.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const PASSWORD = "Seidenpapier-7-Anker";
const LOOKS = ["de", "en"].flatMap((lang) =>
  ["light", "dark"].flatMap((scheme) => [360, 1280].map((width) => ({ lang, scheme, width }))));

let folder, browser;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "stafette-accounts-"));
  const found = [process.env.STAFETTE_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = found.find((path) => path && existsSync(path));
  assert.ok(executablePath, "no Chromium: install it or name it in STAFETTE_CHROMIUM");
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

function build(name, ...args) {
  const binary = join(folder, name);
  execFileSync("go", ["build", "-o", binary, ...args], { cwd: import.meta.dirname, stdio: "inherit" });
  return binary;
}

/** A browser of its own; complaints of the browser (policy, script errors) are collected. */
async function desk(origin, { lang = "de", scheme = "light", width = 1280 } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 860 }, colorScheme: scheme, locale: lang, reducedMotion: "reduce" });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (m) => m.type() === "error" && !/status of (401|404|422)/.test(m.text()) && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => !r.url().startsWith(origin) && !/^(data|blob|about):/.test(r.url()) && complaints.push(`asked ${r.url()}`));
  return { context, page, complaints };
}

async function signIn(page, origin, email, password) {
  await page.goto(`${origin}/signin`);
  await page.fill("#email", email);
  await page.fill("#password", password);
  await page.click("form[action='/signin'] button");
}

/** Runs axe in an isolated world, which the page's policy does not bind. */
async function axe(page) {
  for (let tries = 3; ; tries--) {
    await page.waitForLoadState("load");
    try {
      return await within(AXE_TIME, examine(page));
    } catch (e) {
      if (tries === 1) throw e; // a page that was just being left never answers: ask the next one
    }
  }
}

/** How long one examination may take, in milliseconds. */
const AXE_TIME = 30_000;

/** The promise's value, or an error when it takes longer than ms. */
function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function examine(page) {
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
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"],
  }).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target.join(" ") + " " + n.failureSummary).join(" | ")))`);
  await client.detach();
  return found;
}

describe("axe", () => {
  let server, origin;
  before(async () => {
    server = spawn(build("office", "./office"), { stdio: ["pipe", "pipe", "inherit"] });
    origin = (await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next()).value;
  });
  after(() => server?.stdin.end());

  for (const look of LOOKS) {
    test(`pages of accounts, ${look.lang}, ${look.scheme}, ${look.width} px`, async () => {
      const { context, page, complaints } = await desk(origin, look);
      const check = async (what) => {
        if (process.env.STAFETTE_PICTURES) {
          await page.screenshot({ path: join(process.env.STAFETTE_PICTURES, `${what}-${look.lang}-${look.scheme}-${look.width}.png`), fullPage: true });
        }
        assert.deepEqual(await axe(page), [], `${what} at ${page.url()}`);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)) <= 0, `${what} is wider than the screen`);
        assert.equal(await page.getAttribute("html", "lang"), look.lang);
      };
      for (const [what, path] of [["signin", "/signin"], ["forgotten", "/forgotten"], ["invitation", "/invitation/invitation-token"], ["over", "/password/x"], ["password", "/password/reset-token"]]) {
        await page.goto(origin + path);
        await check(what);
      }
      await signIn(page, origin, "h.voss@hafenkontor.example", PASSWORD);
      for (const [what, path] of [["people", "/people"], ["keys", "/keys"], ["newkey", "/keys/new"], ["record", "/record"], ["nothing", "/record?action=x"], ["profile", "/profile"], ["confirm", "/profile/confirm"], ["locked", "/locked"], ["overview", "/"]]) {
        await page.goto(origin + path);
        await check(what);
      }
      await page.goto(`${origin}/profile`);
      await page.click("form[action='/profile/totp'] button");
      await check("totp");
      await page.fill("#code", "123456");
      await page.click(".btn--primary");
      await check("codes");
      await page.goto(`${origin}/people`);
      await page.click("[popovertarget^='remove-']");
      await check("question");
      await page.goto(`${origin}/people`);
      await page.fill("#email", "hand@muster.example");
      await page.click(".btn--primary");
      await check("link");
      await page.goto(`${origin}/keys/new`);
      await page.fill("#name", "Kalender");
      await page.click(".btn--primary");
      await check("madekey");
      await context.clearCookies();
      await signIn(page, origin, "betrieb@stafette.example", PASSWORD);
      for (const [what, path] of [["offices", "/platform/tenants"], ["newoffice", "/platform/tenants/new"], ["staff", "/platform/people"], ["staffrecord", "/platform/record"]]) {
        await page.goto(origin + path);
        await check(what);
      }
      await page.goto(`${origin}/platform/tenants`);
      await page.click("tbody a");
      await check("office");
      await page.fill("#visit", "Anfrage 4711");
      await page.click("form[action$='/visit'] button");
      await check("visit");
      await Promise.all([page.waitForURL(/\/platform\//), page.click("form[action='/visit/end'] button")]);
      await page.waitForLoadState("load");
      assert.deepEqual(complaints, []);
      // A context whose page is on its way somewhere may never say that it is closed; the browser is closed in the end.
      await within(10_000, context.close()).catch(() => {});
    });
  }
});

/** A port that was free a moment ago. */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().on("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

describe("the real program", () => {
  let server, origin, setup;
  before(async () => {
    const binary = build("stafette", "../../cmd/stafette");
    const port = await freePort();
    origin = `http://localhost:${port}`;
    const config = join(folder, "stafette.toml");
    writeFileSync(config, `data_dir = "${join(folder, "data")}"\n[http]\nlisten = "127.0.0.1:${port}"\npublic_url = "${origin}"\n[egress]\nloopback_only = true\n[ops]\nlisten = ""\n`);
    setup = JSON.parse(execFileSync(binary, ["--config", config, "setup", "--tenant", "Muster", "--domain", "muster.example", "--trust-domain", "-o", "json"], { encoding: "utf8" }));
    server = spawn(binary, ["--config", config, "serve"], { stdio: ["ignore", "ignore", "pipe"] });
    for await (const line of createInterface({ input: server.stderr })) {
      if (line.includes("door=http")) break;
    }
    server.stderr.resume();
  });
  after(async () => {
    if (!server) return;
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await gone;
  });

  test("a passkey is made, lets in, and the record tells of it", async () => {
    const { context, page, complaints } = await desk(origin);
    const client = await context.newCDPSession(page);
    await client.send("WebAuthn.enable");
    await client.send("WebAuthn.addVirtualAuthenticator", {
      options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    });
    await signIn(page, origin, setup.admin.email, setup.admin.password);
    await page.goto(`${origin}/profile`);
    await page.fill("#name", "Diensttelefon");
    await page.click("form[data-passkey] button");
    await page.getByRole("heading", { name: "Wiederherstellungscodes" }).waitFor();
    assert.equal((await page.locator("pre").innerText()).trim().split("\n").length, 10);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("a[download]")]);
    assert.equal(download.suggestedFilename(), "stafette-codes.txt");
    await page.goto(`${origin}/profile`);
    assert.equal(await page.locator("li b", { hasText: "Diensttelefon" }).count(), 1);
    await page.click("form[action='/signout'] button");

    await signIn(page, origin, setup.admin.email, setup.admin.password);
    await page.waitForURL(/\/signin\/code/);
    await page.goto(`${origin}/messages`);
    assert.match(page.url(), /\/signin/, "the password alone must not let in");
    await page.click("form[data-passkey] button");
    await page.waitForURL(`${origin}/messages`);
    await page.goto(`${origin}/record`);
    const said = await page.locator("tbody").innerText();
    for (const act of ["Passkey hinzugefügt", "Angemeldet", "Abgemeldet"]) assert.ok(said.includes(act), `${act} in ${said}`);
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test("support visits, and a locked account is only told so", async () => {
    const { context, page, complaints } = await desk(origin);
    await signIn(page, origin, setup.operator.email, setup.operator.password);
    await page.goto(`${origin}/platform/tenants`);
    await page.click("tbody a");
    const office = page.url();
    await page.fill("#visit", "Anfrage 4711");
    await page.click("form[action$='/visit'] button");
    await page.getByText("Ansicht als Kundendienst: Muster.").waitFor();
    assert.equal((await page.goto(`${origin}/keys`)).status(), 403);
    await page.click("form[action='/visit/end'] button");
    await page.waitForURL(office);
    await page.fill("#reason", "Gekaufte Adressen");
    await page.click("form[action$='/lock'] button");
    await page.getByText("Sitzungen dieses Kontos sind beendet").waitFor();
    assert.deepEqual(complaints.filter((c) => !c.includes("403")), []);
    await context.close();
  });
});
