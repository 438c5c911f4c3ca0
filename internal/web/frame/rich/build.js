// Bundles the formatted text of the office: npm ci && node build.js
// It writes ../assets/formatted.js with the licences of what is in it, and bundle.json with what
// it was made of, which a test of the package frame compares. --check writes nothing.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const hash = (data) => createHash("sha256").update(data).digest("hex");
const sources = readdirSync(".").filter((f) => /\.js$|^package(-lock)?\.json$/.test(f)).sort();

const { outputFiles, metafile } = await build({
  entryPoints: ["formatted.js"], bundle: true, minify: true, write: false, metafile: true, format: "esm",
  target: ["chrome111", "firefox113", "safari16.4"], legalComments: "none", charset: "utf8",
});
const packages = [...new Set(Object.keys(metafile.inputs).map((f) => /^node_modules\/([^/]+)/.exec(f)?.[1]).filter(Boolean))].sort();
const licences = new Map();
for (const name of packages) {
  const file = ["LICENSE", "LICENSE.md", "LICENCE"].map((f) => `node_modules/${name}/${f}`).find(existsSync);
  if (!file) throw new Error(`${name} has no licence`);
  const text = readFileSync(file, "utf8").trim();
  const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  if (license !== "MIT") throw new Error(`${name} is under ${license}`);
  licences.set(text, [...(licences.get(text) ?? []), `${name} ${version}`]);
}
const notice = [...licences].map(([text, names]) => `${names.join(", ")}:\n\n${text}`).join("\n\n").replaceAll("*/", "* /");
const bundle = `/*! Made by internal/web/frame/rich/build.js. It holds\n\n${notice}\n*/\n${new TextDecoder().decode(outputFiles[0].contents)}`;
const made = JSON.stringify({ bundle: hash(bundle), sources: Object.fromEntries(sources.map((f) => [f, hash(readFileSync(f))])) }, null, 1) + "\n";
if (process.argv.includes("--check")) {
  if (readFileSync("../assets/formatted.js", "utf8") !== bundle || readFileSync("bundle.json", "utf8") !== made) throw new Error("the bundle is not what its sources give: node build.js");
} else {
  writeFileSync("../assets/formatted.js", bundle);
  writeFileSync("bundle.json", made);
}
console.log(bundle.length, "bytes,", gzipSync(bundle, { level: 9 }).length, "by gzip,", brotliCompressSync(bundle).length, "by brotli;", packages.join(" "));
