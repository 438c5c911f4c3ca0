// Every page of the office, from its own map of routes: accessible by axe, as wide as the screen, small, quiet, in
// the language that was asked for, and usable without scripts. A new page is in here as soon as it is on the map.
// Pictures of all of them lie where SHOTS says.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axe, LOOKS, lookName, Office, overflow, OWNER, RULES_OF_LOOKS, shot, STAFF } from "./desk.js";

/** What a page may cost on its way to somebody who was never here, in bytes. */
const MOST = 150_000;
/** More screens nothing may be wider than: an old tablet, 1280 px at 200 %, a large one. */
const WIDTHS = [768, 640, 1440];

const office = await Office.open();
const all = await office.pages();
const readers = [
  { name: "anyone", who: "", paths: all.anyone },
  { name: "tenant", who: OWNER, paths: all.tenant },
  { name: "staff", who: STAFF, paths: all.staff },
];
const only = process.env.PAGES ? new RegExp(process.env.PAGES) : /^/;

after(() => office.close());

/** A page's name without what differs from run to run. */
const nameOf = (path) => path.replaceAll(/([a-z]{3})_[0-9a-hjkmnp-tv-z]{26}/g, "$1");

/** The language of a page whose address tells it; undefined where the reader's counts. */
function languageOf(path, who) {
  if (/^\/hilfe/.test(path)) return "de";
  return /^\/help/.test(path) && !who ? "en" : undefined;
}

/** How a page is examined in a look. */
const NOT_AT_ALL = 0, BY_RULES_OF_LOOKS = 1, AND_IN_ALL_WIDTHS = 2, BY_ALL_RULES = 3;

/**
 * Pages of the map are seen in every look, further states of them in one look of each language. All rules are asked
 * once, in German; in English, on a small screen, the same markup bears other words: there they are asked of every
 * fifth page.
 */
function depth(paths, path, n, l) {
  const look = LOOKS[l];
  if (paths.indexOf(path.split("?")[0]) === n) {
    if (look.scheme !== "light") return BY_RULES_OF_LOOKS;
    return look.lang === "de" || n % 5 === 0 ? BY_ALL_RULES : AND_IN_ALL_WIDTHS;
  }
  if (n % 2 !== l % 2) return process.env.LOOKS === "all" ? BY_RULES_OF_LOOKS : NOT_AT_ALL;
  return look.lang === "de" ? BY_ALL_RULES : BY_RULES_OF_LOOKS;
}

/** Counts the bytes that a first visit moves: nothing comes out of the browser's cache. */
async function scale(page) {
  const client = await page.context().newCDPSession(page);
  const pan = { bytes: 0 };
  await client.send("Network.enable");
  await client.send("Network.setCacheDisabled", { cacheDisabled: true });
  client.on("Network.loadingFinished", (e) => { pan.bytes += e.encodedDataLength; });
  return pan;
}

async function fitsAllWidths(page) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 860 });
    assert.ok((await overflow(page)) <= 0, `wider than a screen of ${width} px`);
  }
}

/** Puts a page that is open into another look of its language. */
async function wear(page, look) {
  await page.emulateMedia({ colorScheme: look.scheme });
  await page.setViewportSize({ width: look.width, height: 860 });
}

async function examine(page, look, { name, path, how }) {
  await wear(page, look);
  if (process.env.SHOTS) await shot(page, lookName(look), `${name} ${nameOf(path)}`);
  assert.deepEqual(await axe(page, how === BY_ALL_RULES ? undefined : RULES_OF_LOOKS), [], lookName(look));
  assert.ok((await overflow(page)) <= 0, `${lookName(look)}: wider than the screen`);
  if (how >= AND_IN_ALL_WIDTHS) await fitsAllWidths(page);
}

/**
 * What is wrong with a page is wrong each time. A browser that a busy machine kept waiting gets a second chance, and
 * the first is told in the output.
 */
async function twice(t, look) {
  try {
    await look();
  } catch (e) {
    t.diagnostic(`looked at again: ${e.message}`);
    await look();
  }
}

/** A page is loaded once for each language, and seen there in all looks of it. */
function inLanguage(reader, lang) {
  const { name, who, paths } = reader;
  describe(`${name}, ${lang}`, { concurrency: false }, () => {
    let desk, pan;
    before(async () => {
      desk = await office.desk({ lang, who });
      pan = await scale(desk.page);
    });
    after(() => desk.context.close());
    paths.forEach((path, n) => {
      const looks = LOOKS.map((look, l) => ({ look, how: depth(paths, path, n, l) })).filter((o) => o.look.lang === lang && o.how !== NOT_AT_ALL);
      if (!only.test(path) || looks.length === 0) return;
      test(nameOf(path), (t) => twice(t, async () => {
        const { page, complaints } = desk;
        complaints.length = pan.bytes = 0;
        await wear(page, looks[0].look);
        await desk.go(path);
        await page.evaluate(() => document.querySelectorAll("main details").forEach((d) => { d.open = true; }));
        for (const { look, how } of looks) await examine(page, look, { name, path, how });
        assert.equal(await page.getAttribute("html", "lang"), languageOf(path, who) ?? lang);
        assert.ok(pan.bytes > 1000 && pan.bytes < MOST, `moves ${pan.bytes} bytes`);
        assert.deepEqual(complaints, []);
      }));
    });
  });
}

// Two browsers at once: a page that loads leaves the machine to one that is examined.
describe("pages", { concurrency: 2 }, () => {
  for (const reader of readers) for (const lang of ["de", "en"]) inLanguage(reader, lang);
  for (const reader of readers) withoutScripts(reader);
});

function withoutScripts({ name, who, paths }) {
  test(`${name}: every page without scripts`, async () => {
    const { context, page, complaints, go } = await office.desk({ who, javaScriptEnabled: false });
    for (const path of paths.filter((p) => only.test(p))) {
      await go(path);
      assert.ok(await page.locator("h1").isVisible(), `${path} has no heading`);
      assert.equal(await page.locator("dialog[open]").count(), 0, `${path} has a dialog open`);
      for (const button of await page.locator("main button[type=button]:visible").all()) {
        assert.ok(await button.getAttribute("popovertarget"), `${path} has a button that does nothing without scripts: ${await button.innerText()}`);
      }
    }
    assert.deepEqual(complaints, []);
    await context.close();
  });
}
