// An offer from the office to a recipient on a phone without JavaScript, and back.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { axe, CLERK, Office, overflow, shot } from "./desk.js";

const office = await Office.open();
after(() => office.close());

test("a recipient without JavaScript confirms, downloads and likes; the office sees it", async () => {
  const { context, page, complaints, go } = await office.desk({ lang: "de", scheme: "light", width: 1280, who: CLERK });
  let n = 0;
  const look = async (where) => {
    await shot(where, "offers", `step ${++n}`);
    assert.deepEqual(await axe(where), []);
    assert.ok((await overflow(where)) <= 0, `${where.url()} is wider than the screen`);
  };
  await go("/offers");
  await page.click('tbody a:has-text("Speicherblock")');
  await page.click("a.btn--primary");
  await page.waitForURL(/\/send$/);
  await page.fill("#to", "Klara Nord <klara@kunde.example>");
  await look(page);
  await page.click("form.stack .btn--primary");
  await page.waitForURL(/\/offers\/off_[^/]+$/);
  await page.click('tbody a:has-text("Klara Nord")');
  const link = new URL(await page.inputValue("#recipient-link")).pathname;
  const back = page.url();

  const phone = await office.browser.newContext({ javaScriptEnabled: false, viewport: { width: 360, height: 740 }, locale: "de-DE", acceptDownloads: true });
  const visit = await phone.newPage();
  await visit.goto(office.origin + link);
  await shot(visit, "offers", `step ${++n}`);
  assert.equal(await visit.locator('input[name="box"]:checked').count(), 0, "a box is ticked beforehand");
  await visit.click(".gate .button");
  assert.equal(await visit.locator('[aria-invalid="true"]').count(), 1, "the needed box is not demanded");
  await visit.check('input[value="notice"]');
  await visit.click(".gate .button");
  await visit.waitForSelector(".told");
  const [download] = await Promise.all([visit.waitForEvent("download"), visit.click(".gate a.file")]);
  assert.ok(download.suggestedFilename().endsWith(".pdf"));
  await visit.click(".like");
  await visit.waitForSelector('.like[aria-pressed="true"]');
  await shot(visit, "offers", `step ${++n}`);
  assert.deepEqual(await phone.cookies(), []);
  await phone.close();

  await page.goto(back);
  const told = await page.innerText("main");
  assert.ok(told.includes("Bestätigt am") && told.includes("4.1"), told);
  await look(page);
  assert.deepEqual(complaints, []);
  await context.close();
});
