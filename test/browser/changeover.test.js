// A changeover in the demo, from the announcement to green, as docs/changeover-demo.md tells it: the platform's
// operator, the portal, and two estate agents whose servers know the old addresses only.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
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
    await shot(one.page, `changeover-${width}`, what);
    assert.deepEqual(await axe(one.page), [], `${what} at ${one.page.url()}`);
    assert.ok((await overflow(one.page)) <= 0, `${what} at ${one.page.url()} is wider than ${width} px`);
  };
  one.press = (name, exact = true) => one.page.getByRole("button", { name, exact }).filter({ visible: true }).first().click();
  /** Presses a button that asks first, and says yes. */
  one.sure = async (name, yes) => {
    await one.press(name);
    await one.page.locator("[popover]:popover-open, dialog[open]").getByRole("button", { name: yes, exact: true }).click();
  };
  one.reads = (text) => one.page.getByText(text).filter({ visible: true }).first().waitFor({ timeout: 20_000 });
  /** Loads a page again until it shows a text. */
  one.awaits = async (path, text) => {
    for (let tries = 40; ; tries--) {
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

/** Opens the newest mail of a mailbox whose subject matches, once it is there, and returns its text. */
async function newest(one, box, subject) {
  for (let tries = 200; ; tries--) {
    await one.go(`/box/${box}`);
    const mail = one.page.locator("ol.mails a").filter({ hasText: subject }).first();
    if (await mail.count()) {
      await mail.click();
      await one.page.waitForURL(/\/mail\//);
      return (await one.page.locator("pre.paper").first().textContent()) ?? "";
    }
    assert.ok(tries > 0, `no mail ${subject} at ${box}`);
    await one.page.waitForTimeout(400);
  }
}

const files = (one) => one.page.locator(".files a").allInnerTexts();

test("from the announcement to green", async () => {
  const width = Number(process.env.WIDTH ?? 1280);
  const operator = await person(office, width, "operator@platform.invalid");
  const jan = await person(office, width, "j.petersen@hafenkontor.example");
  const mail = await person(boxes, width);
  const agent = { [BRANDT]: await person(office, width), [ALSTER]: await person(office, width) };

  await operator.go("/platform/changeovers");
  await operator.page.click("tbody a");
  const plan = new URL(operator.page.url()).pathname;
  const id = plan.split("/").at(-1);
  await operator.press("Jetzt prüfen");
  await operator.reads("Geprüft.");
  await operator.check("checked");
  await operator.sure("Umstellung starten", "Umstellung starten");
  await operator.reads("Gestartet.");
  await operator.check("started");

  await jan.go(`/affected/${id}`);
  await jan.press("Jetzt vergleichen");
  await jan.reads("Makler Brandt");
  await jan.check("compared");
  await jan.go(`/affected/${id}/announcement`);
  await jan.check("announcement");
  await jan.sure(/An alle/, /An alle/);
  await jan.check("announced");

  const link = {};
  for (const box of [BRANDT, ALSTER]) {
    const text = await newest(mail, box, /Absender|Action/i);
    await mail.check(`announcement at ${box}`);
    link[box] = new URL(text.match(/https?:\/\/\S+\/changeover\/\S+/)[0]).pathname;
  }
  await operator.go(plan);
  await operator.sure("Testphase jetzt beginnen", "Jetzt tun");
  await operator.reads("Testphase");
  await operator.check("testing");

  for (const box of [BRANDT, ALSTER]) {
    await agent[box].go(link[box]);
    await agent[box].check(`customer ${box}`);
    await agent[box].press(/Test-Kontaktanfrage/);
    await agent[box].check(`customer tests ${box}`);
  }
  await agent[BRANDT].awaits(link[BRANDT], /block list/);
  await agent[BRANDT].check("customer refused");
  console.log("codes");
  const text = await newest(mail, ALSTER, /TEST/);
  assert.deepEqual(await files(mail), ["removed.txt"]);
  await mail.check("test lead without xml");
  console.log(text);
});
