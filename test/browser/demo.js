// The demo world for tests: the real program with its mailboxes, on ports of its own.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pass } from "node:timers/promises";
import { chromium } from "playwright-core";
import { chromiumPath, desk } from "./desk.js";

// The demo prints its passwords; they protect nothing.
const PASSWORDS = {
  "j.petersen@hafenkontor.example": "hafen-und-kontor",
  "pruefung@platform.invalid": "Postamt-Nachtdienst-9",
  "operator@platform.invalid": "Postamt-Nachtdienst-9",
};

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
export async function until(what, ask, ms = 60_000) {
  for (const end = Date.now() + ms; Date.now() < end; await pass(100)) {
    const answer = await ask();
    if (answer) return answer;
  }
  throw new Error(`${what} did not happen`);
}

/** A demo world with a browser. */
export class Demo {
  static async open() {
    const demo = new Demo();
    demo.folder = mkdtempSync(join(tmpdir(), "stafette-demo-test-"));
    const binary = process.env.STAFETTE_PROGRAM ?? join(demo.folder, "stafette");
    if (!process.env.STAFETTE_PROGRAM) execFileSync("go", ["build", "-o", binary, "../../cmd/stafette"], { cwd: import.meta.dirname, stdio: "inherit" });
    const ports = [await freePort(), await freePort(), await freePort()];
    const [office, boxes, submission] = ports.map((port) => `127.0.0.1:${port}`);
    demo.origin = `http://${office}`;
    demo.mailbox = `http://${boxes}`;
    demo.program = spawn(binary, ["demo", "--listen", office, "--mailbox", boxes, "--submission", submission], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: demo.program.stdout })) {
      if (line.includes("SMTP submission")) break;
    }
    demo.program.stdout.resume();
    demo.browser = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
    return demo;
  }

  async close() {
    await this.browser?.close();
    if (this.program) {
      const gone = new Promise((resolve) => this.program.once("exit", resolve));
      this.program.kill("SIGINT");
      await gone;
    }
    if (this.folder) rmSync(this.folder, { recursive: true, force: true });
  }

  /** A browser of its own at the office, signed in as who ("" for nobody); see desk. */
  async desk({ who = "", ...look } = {}) {
    const at = await desk(this.browser, this.origin, look);
    // The language of an account would go before the browser's.
    await at.context.request.post(`${this.origin}/preferences`, { form: { lang: look.lang ?? "de", back: "/signin" } });
    if (who) {
      await at.go("/signin");
      await at.page.fill("#email", who);
      await at.page.fill("#password", PASSWORDS[who]);
      await at.page.click("form[action='/signin'] button");
      await at.page.waitForURL((url) => !url.pathname.startsWith("/signin"));
    }
    return at;
  }

  /** The newest mail of a box with a subject, as it came; undefined while there is none. */
  async mail(box, subject) {
    const list = await (await fetch(`${this.mailbox}/box/${box}?lang=de`)).text();
    const found = [...list.matchAll(/<a href="(\/mail\/\d+)[^"]*">[\s\S]*?class="what">([^<]*)</g)].find((m) => m[2] === subject || m[2].startsWith(subject));
    if (!found) return undefined;
    return { page: this.mailbox + found[1], source: await (await fetch(`${this.mailbox + found[1]}/source`)).text() };
  }

  /** The mail once it has arrived. */
  arrived(box, subject) {
    return until(`mail “${subject}” for ${box}`, () => this.mail(box, subject));
  }
}

/** Where a mail's List-Unsubscribe leads by HTTP. */
export function unsubscribeLink({ source }) {
  return source.match(/^List-Unsubscribe:\s*<(http[^>]+)>/im)?.[1];
}
