// Every page of the office, from its own map of routes: accessible by axe, as wide as the screen, small, quiet, in
// the language that was asked for, and usable without scripts. A new page is in here as soon as it is on the map.
// Pictures of all of them lie in shots/ afterwards.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axe, LOOKS, lookName, Office, overflow, OWNER, shot, STAFF } from "./desk.js";

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

/** Pages of the map in every look, further states of them in two. */
function due(paths, path, n, look) {
  if (process.env.LOOKS === "all" || paths.indexOf(path.split("?")[0]) === n) return true;
  return n % 2 === look % 2;
}

/** The bytes a first visit moves. */
async function weight(page, path, go) {
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  await client.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  client.on("Network.loadingFinished", (e) => { bytes += e.encodedDataLength; });
  await go(path);
  await page.waitForLoadState("networkidle", { timeout: 1500 }).catch(() => {}); // a live page never is
  await client.send("Network.setCacheDisabled", { cacheDisabled: false });
  await client.detach();
  return bytes;
}

for (const { name, who, paths } of readers) {
  LOOKS.forEach((look, l) => {
    describe(`${name}, ${lookName(look)}`, { concurrency: false }, () => {
      let desk;
      before(async () => { desk = await office.desk({ ...look, who }); });
      after(() => desk.context.close());
      paths.forEach((path, n) => {
        if (!only.test(path) || !due(paths, path, n, l)) return;
        test(nameOf(path), async () => {
          const { page, complaints } = desk;
          complaints.length = 0;
          await desk.go(path);
          await page.evaluate(() => document.querySelectorAll("main details").forEach((d) => { d.open = true; }));
          await shot(page, lookName(look), `${name} ${nameOf(path)}`);
          assert.deepEqual(await axe(page), []);
          assert.ok((await overflow(page)) <= 0, "wider than the screen");
          assert.equal(await page.getAttribute("html", "lang"), languageOf(path, who) ?? look.lang);
          if (l === 0) {
            for (const width of WIDTHS) {
              await page.setViewportSize({ width, height: 860 });
              assert.ok((await overflow(page)) <= 0, `wider than a screen of ${width} px`);
            }
            await page.setViewportSize({ width: look.width, height: 860 });
          }
          assert.deepEqual(complaints, []);
        });
      });
    });
  });

  test(`${name}: every page is light and asks no other host`, async () => {
    const { context, page, complaints, go } = await office.desk({ who });
    for (const path of paths) {
      const bytes = await weight(page, path, go);
      assert.ok(bytes > 1000 && bytes < MOST, `${path} moves ${bytes} bytes`);
    }
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test(`${name}: every page without scripts`, async () => {
    const { context, page, complaints, go } = await office.desk({ who, javaScriptEnabled: false });
    for (const path of paths) {
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
