// Accounts in a real browser: axe on what their pages become when somebody acts, and on the real program the path of a
// person with a passkey from a virtual authenticator, a visit by support and a locked account.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { axe, desk, LOOKS, lookName, Office, overflow, OWNER, PASSWORD, shot, STAFF, within } from "./desk.js";

const office = await Office.open();
after(() => office.close());

async function signIn(page, origin, email, password) {
  await page.goto(`${origin}/signin`);
  await page.fill("#email", email);
  await page.fill("#password", password);
  await page.click("form[action='/signin'] button");
}

for (const look of LOOKS) {
  test(`accounts at work, ${lookName(look)}`, async () => {
    const { context, page, complaints, go } = await office.desk({ ...look, who: OWNER });
    const check = async (what) => {
      if (process.env.SHOTS) await shot(page, lookName(look), `accounts ${what}`);
      assert.deepEqual(await axe(page), [], `${what} at ${page.url()}`);
      assert.ok((await overflow(page)) <= 0, `${what} is wider than the screen`);
      assert.equal(await page.getAttribute("html", "lang"), look.lang);
    };
    await go("/record?action=x");
    await check("nothing");
    await go("/profile");
    await page.click("form[action='/profile/totp'] button");
    await check("totp");
    await page.fill("#code", "123456");
    await page.click(".btn--primary");
    await check("codes");
    await go("/people");
    await page.click("[popovertarget^='remove-']");
    await check("question");
    await go("/people");
    await page.fill("#email", "hand@muster.example");
    await page.click(".btn--primary");
    await check("link");
    await go("/keys/new");
    await page.fill("#name", "Kalender");
    await page.click(".btn--primary");
    await check("madekey");
    await context.clearCookies();
    await signIn(page, office.origin, STAFF, PASSWORD);
    await go("/platform/tenants");
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
    const folder = office.folder, binary = join(folder, "stafette");
    execFileSync("go", ["build", "-o", binary, "../../cmd/stafette"], { cwd: import.meta.dirname, stdio: "inherit" });
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
  after(async () => { // before the office's, which takes the folder away
    if (!server) return;
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await gone;
  });

  test("a passkey is made, lets in, and the record tells of it", async () => {
    const { context, page, complaints } = await desk(office.browser, origin);
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
    const { context, page, complaints } = await desk(office.browser, origin);
    await signIn(page, origin, setup.operator.email, setup.operator.password);
    await page.goto(`${origin}/platform/tenants`);
    await page.click("tbody a");
    const account = page.url();
    await page.fill("#visit", "Anfrage 4711");
    await page.click("form[action$='/visit'] button");
    await page.getByText("Ansicht als Kundendienst: Muster.").waitFor();
    assert.equal((await page.goto(`${origin}/keys`)).status(), 403);
    await page.click("form[action='/visit/end'] button");
    await page.waitForURL(account);
    await page.fill("#reason", "Gekaufte Adressen");
    await page.click("form[action$='/lock'] button");
    await page.getByText("Sitzungen dieses Kontos sind beendet").waitFor();
    assert.deepEqual(complaints.filter((c) => !c.includes("403")), []);
    await context.close();
  });
});
