// The toolbar above a text of blocks: by keyboard alone, and what it writes can be undone.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { axe, CLERK, Office } from "./desk.js";

const office = await Office.open();
after(() => office.close());

test("a text is marked up by keyboard", async () => {
  const { context, page, complaints, go } = await office.desk({ lang: "de", scheme: "light", width: 1280, who: CLERK });
  await go("/campaigns/new");
  const area = page.locator("textarea[name='blocks/1/text']");
  const bar = page.locator("[role=toolbar]").first();
  assert.ok(await bar.isVisible());
  await area.fill("Guten Tag {{given_name}}");
  await area.press("ControlOrMeta+A");
  await area.press("Control+b");
  assert.equal(await area.inputValue(), "**Guten Tag {{given_name}}**");
  await area.press("Control+b");
  assert.equal(await area.inputValue(), "Guten Tag {{given_name}}");
  await area.press("Control+k");
  assert.equal(await area.inputValue(), "[Guten Tag {{given_name}}](https://)");
  await page.keyboard.type("https://muster.example/");
  assert.equal(await area.inputValue(), "[Guten Tag {{given_name}}](https://muster.example/)");
  await area.fill("eins\nzwei");
  await area.press("ControlOrMeta+A");
  await bar.locator("button").first().focus();
  await page.keyboard.press("End");
  assert.equal(await page.evaluate(() => document.activeElement.value), "numbers");
  await page.keyboard.press("Enter");
  assert.equal(await area.inputValue(), "1. eins\n2. zwei");
  await page.keyboard.press("ControlOrMeta+z");
  assert.equal(await area.inputValue(), "eins\nzwei");
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
  await context.close();
});
