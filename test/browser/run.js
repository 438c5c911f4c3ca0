// Builds the office once and runs the tests of the named subjects, or of all: npm test -- messages pages
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./desk.js";

/** What takes longest begins first: the others are done beside it. */
const LONGEST = "pages.test.js";

const wanted = process.argv.slice(2);
const files = readdirSync(import.meta.dirname).filter((f) => f.endsWith(".test.js") && (wanted.length === 0 || wanted.includes(f.replace(".test.js", ""))));
files.sort((a, b) => (b === LONGEST) - (a === LONGEST));
const folder = mkdtempSync(join(tmpdir(), "stafette-office-"));
try {
  const env = { ...process.env, STAFETTE_OFFICE: process.env.STAFETTE_OFFICE ?? build(folder) };
  const { status } = spawnSync(process.execPath, ["--test", `--test-reporter=${process.env.REPORTER ?? "spec"}`, "--test-concurrency=2", "--test-timeout=2700000", ...files], { cwd: import.meta.dirname, env, stdio: "inherit" });
  process.exitCode = files.length === 0 ? 2 : status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
