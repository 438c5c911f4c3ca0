// Figures of ten pages by Lighthouse, against an office of its own on loopback:
//
//   npm ci --ignore-scripts && npm start
//
// It is a measurement, not a test: it prints a table and fails below the marks that hold (accessibility 100, best
// practices 95). Performance depends on the machine and is only printed. The reports lie in reports/.
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import lighthouse, { desktopConfig } from "lighthouse";
import { chromiumPath, CLERK, Office, OWNER, STAFF } from "../desk.js";

const MARKS = { accessibility: 100, "best-practices": 95 };
const PAGES = [
  ["", "/signin"], [CLERK, "/"], [CLERK, "/messages"], [CLERK, "message"], [CLERK, "/messages/new"],
  [OWNER, "/leads"], [OWNER, "/redeliveries"], [STAFF, "/platform/changeovers"], [STAFF, "/platform/published"], [STAFF, "/platform/queue"],
];

/** A port that is free now. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const office = await Office.open();
const profile = mkdtempSync(join(tmpdir(), "stafette-lighthouse-"));
const port = await freePort();
const chromium = spawn(chromiumPath(), ["--headless=new", "--no-sandbox", "--no-first-run", `--user-data-dir=${profile}`, `--remote-debugging-port=${port}`, "about:blank"], { stdio: "ignore" });
const reports = join(import.meta.dirname, "reports");
mkdirSync(reports, { recursive: true });
let low = 0;
try {
  for (let tries = 0; tries < 100; tries++) {
    if (await fetch(`http://127.0.0.1:${port}/json/version`).then((r) => r.ok, () => false)) break;
    await new Promise((next) => setTimeout(next, 100));
  }
  for (const [who, path] of PAGES) {
    const headers = {};
    if (who) {
      const { name, value } = await office.session(who);
      headers.Cookie = `${name}=${value}`;
    }
    const address = path === "message" ? await firstMessage(headers) : path;
    const { lhr, report } = await lighthouse(office.origin + address, {
      port, output: "html", logLevel: "error", extraHeaders: headers, onlyCategories: ["accessibility", "best-practices", "performance"], maxWaitForLoad: 20_000,
    }, desktopConfig);
    const score = (name) => Math.round(lhr.categories[name].score * 100);
    const failed = Object.values(lhr.categories).filter((c) => c.id in MARKS).flatMap((c) => c.auditRefs)
      .map((ref) => lhr.audits[ref.id]).filter((a) => a.score !== null && a.score < 1).map((a) => a.id);
    console.log(`${path.padEnd(26)} accessibility ${score("accessibility")}  best practices ${score("best-practices")}  performance ${score("performance")}  ${failed.join(" ")}`);
    writeFileSync(join(reports, `${path.replaceAll(/[^a-z]+/g, "-") || "start"}.html`), report);
    for (const [name, mark] of Object.entries(MARKS)) if (score(name) < mark) low++;
  }
} finally {
  chromium.kill();
  await office.close();
  await new Promise((next) => chromium.once("exit", next));
  rmSync(profile, { recursive: true, force: true });
}
process.exitCode = low > 0 ? 1 : 0;

/** The path of the newest message. */
async function firstMessage(headers) {
  const list = await (await fetch(`${office.origin}/messages`, { headers })).text();
  return list.match(/\/messages\/msg_[0-9a-z]+/)[0];
}
