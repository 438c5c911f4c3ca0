// What mail says is held (T14): in a frame that runs nothing, asks nobody, and is of an origin of its own.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { links, Office } from "./desk.js";

const office = await Office.open();
after(() => office.close());

test("the preview runs nothing, asks nobody and is of another origin than the office", async () => {
  const { context, page, complaints, go } = await office.desk();
  await go("/messages");
  await page.goto(`${(await links(page))[6]}/content`);
  const frame = page.frameLocator("iframe.preview");
  await frame.locator("b").waitFor();
  assert.equal(await frame.locator("b").innerText(), "Samstag um 11 Uhr");
  const preview = page.frames().find((f) => f.url().endsWith("/preview"));
  assert.equal(await preview.evaluate(() => self.origin), "null", "the preview shares an origin");
  assert.equal(await preview.evaluate(() => { try { return parent.document.title; } catch (e) { return e.name; } }), "SecurityError");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("the preview is held too when it is opened by itself", async () => {
  const { context, page, complaints, go } = await office.desk();
  await go("/messages");
  await page.goto(`${(await links(page))[6]}/preview`);
  assert.equal(await page.evaluate(() => self.origin), "null");
  assert.deepEqual(complaints, []);
  await context.close();
});
