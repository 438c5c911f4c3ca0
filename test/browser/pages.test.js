// Every page of the office, from its own map of routes: accessible by axe, as wide as the screen, small, quiet, in
// the language that was asked for, and usable without scripts. A new page is in here as soon as it is on the map.
// Pictures of all of them lie where SHOTS says.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axe, LOOKS, lookName, Office, overflow, OWNER, RULES_OF_LOOKS, shot, STAFF } from "./desk.js";

/** What a page may cost on its way to somebody who was never here, in bytes. */
const MOST = 150_000;
/** More screens nothing may be wider than: an old tablet, 1280 px at 200 %, a large one, a telephone. */
const WIDTHS = [768, 640, 1440, 360];

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

/** How a page is examined in a look: the first three look at its main part, where it is not framed like all others. */
const NOT_AT_ALL = 0, BY_RULES_OF_LOOKS = 1, MAIN_BY_ALL_RULES = 2, BY_ALL_RULES = 3;

/** Whether a page is on the map itself; the others are further states of one that is. */
const onMap = (paths, path, n) => paths.indexOf(path.split("?")[0]) === n;

/**
 * Pages of the map are asked all rules in German, with their frame, and those of looks in the dark on a small screen.
 * Further states of them stand in the same frame: they are asked in one look of German. In English the same markup
 * bears other words: pages of the map are seen there in one look, every tenth by all rules, and further states are
 * asked for without a browser, see inEnglish.
 */
function depth(paths, path, n, l) {
  const look = LOOKS[l];
  const map = onMap(paths, path, n);
  if (process.env.LOOKS === "all") return map ? BY_ALL_RULES : MAIN_BY_ALL_RULES;
  if (look.lang === "de" && map) return look.scheme === "light" ? BY_ALL_RULES : BY_RULES_OF_LOOKS;
  if (n % 2 !== l % 2) return NOT_AT_ALL;
  if (look.lang === "de") return MAIN_BY_ALL_RULES;
  if (!map) return NOT_AT_ALL;
  return n % 10 < 2 && n % 20 < 10 ? BY_ALL_RULES : BY_RULES_OF_LOOKS;
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

async function fitsAllWidths(page, widths) {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 860 });
    assert.ok((await overflow(page)) <= 0, `wider than a screen of ${width} px`);
  }
}

/** Puts a page that is open into another look of its language. */
async function wear(page, look) {
  await page.emulateMedia({ colorScheme: look.scheme });
  await page.setViewportSize({ width: look.width, height: 860 });
}

/**
 * Takes out what of the frame does not show, since axe weighs each element of a page however little of it is asked:
 * menus and overviews behind buttons are more than half of most pages.
 */
const stripFrame = (page) => page.evaluate(() => {
  const main = document.querySelector("main");
  for (const e of main ? document.querySelectorAll("body > *, .shell > *") : []) {
    if (!e.contains(main) && !e.checkVisibility()) e.remove();
  }
});

async function examine(page, look, { name, path, how }) {
  await wear(page, look);
  if (process.env.SHOTS) await shot(page, lookName(look), `${name} ${nameOf(path)}`);
  const rules = how >= MAIN_BY_ALL_RULES ? undefined : RULES_OF_LOOKS;
  if (how < BY_ALL_RULES) await stripFrame(page);
  assert.deepEqual(await axe(page, rules, how < BY_ALL_RULES ? "main" : ""), [], lookName(look));
  assert.ok((await overflow(page)) <= 0, `${lookName(look)}: wider than the screen`);
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

/**
 * A page is loaded once for each language, and seen there in all looks of it. Of the pages, every share-th from part
 * on is seen here.
 */
function inLanguage(reader, lang, part = 0, share = 1) {
  const { name, who, paths } = reader;
  describe(`${name}, ${lang}, ${part + 1} of ${share}`, { concurrency: false }, () => {
    let desk, pan;
    before(async () => {
      desk = await office.desk({ lang, who });
      pan = await scale(desk.page);
    });
    after(() => desk.context.close());
    paths.forEach((path, n) => {
      const looks = LOOKS.map((look, l) => ({ look, how: depth(paths, path, n, l) })).filter((o) => o.look.lang === lang && o.how !== NOT_AT_ALL);
      if (Math.floor(n / 2) % share !== part || !only.test(path) || looks.length === 0) return;
      test(nameOf(path), (t) => twice(t, async () => {
        const { page, complaints } = desk;
        complaints.length = pan.bytes = 0;
        await wear(page, looks[0].look);
        await desk.go(path);
        await page.evaluate(() => document.querySelectorAll("main details").forEach((d) => { d.open = true; }));
        if (lang === "de") await fitsAllWidths(page, onMap(paths, path, n) ? WIDTHS : [360]);
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
  // German takes longer: in halves, both have work until the end.
  for (const reader of readers) for (const part of [0, 1]) inLanguage(reader, "de", part, 2);
  for (const reader of readers) inLanguage(reader, "en");
  for (const reader of readers) inEnglish(reader);
  for (const reader of readers) withoutScripts(reader);
});

/** Further states of pages in English: there, and in English. */
function inEnglish({ name, who, paths }) {
  test(`${name}: further states in English`, async () => {
    for (const path of paths.filter((p, n) => only.test(p) && !onMap(paths, p, n))) {
      const { status, html } = await office.ask(path, { who, lang: "en" });
      assert.ok(status < 500, `${path} answers ${status}`);
      assert.equal(html.match(/<html[^>]* lang="([a-z]+)"/)?.[1], languageOf(path, who) ?? "en", path);
    }
  });
}

/**
 * What a page as it came from the office has against being opened without scripts: no heading, an open dialog, a
 * button that is not known to do something. That some of it may be hidden is for a browser to tell.
 */
const doubts = (html) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  return !page.querySelector("h1") || Boolean(page.querySelector("dialog[open], main button[type=button]:not([popovertarget])"));
};

/** Whether every page can be used without scripts: those in doubt and every fifth are opened so. */
function withoutScripts({ name, who, paths }) {
  test(`${name}: every page without scripts`, async () => {
    const reader = await office.desk();
    const { context, page, complaints, go } = await office.desk({ who, javaScriptEnabled: false });
    for (const [n, path] of paths.filter((p) => only.test(p)).entries()) {
      const { html } = await office.ask(path, { who });
      if (n % 5 !== 0 && !(await reader.page.evaluate(doubts, html))) continue;
      await go(path);
      assert.ok(await page.locator("h1").isVisible(), `${path} has no heading`);
      assert.equal(await page.locator("dialog[open]").count(), 0, `${path} has a dialog open`);
      for (const button of await page.locator("main button[type=button]:visible").all()) {
        assert.ok(await button.getAttribute("popovertarget"), `${path} has a button that does nothing without scripts: ${await button.innerText()}`);
      }
    }
    assert.deepEqual(complaints, []);
    await Promise.all([context.close(), reader.context.close()]);
  });
}
