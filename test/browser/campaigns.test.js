// A mailing from the first word to its report, as people of an account walk it.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { axe, CLERK, Office, overflow, shot } from "./desk.js";

const office = await Office.open();
after(() => office.close());

test("a mailing is written, looked at, sent, paused and read", async () => {
  const { context, page, complaints, go } = await office.desk({ lang: "de", scheme: "light", width: 1280, who: CLERK });
  let n = 0;
  const look = async () => {
    await shot(page, "campaigns", `step ${++n}`);
    assert.deepEqual(await axe(page), []);
    assert.ok((await overflow(page)) <= 0, `${page.url()} is wider than the screen`);
  };
  await go("/campaigns");
  await page.click("a.btn--primary");
  await page.waitForURL(/\/campaigns\/new$/);
  await page.fill("#name", "Herbst-Rundbrief");
  await page.click("form[data-drawn] .btn--primary");
  await page.waitForURL(/\/campaigns\/cmp_[^/]+$/); // with or without what was done: a script takes that away
  const missing = await page.innerText("main");
  assert.ok(missing.includes("Das fehlt noch"), missing);
  await look();

  await page.click('a[href$="/edit"]');
  await page.waitForURL(/\/edit$/);
  await page.locator('input[name="groups"]').first().check();
  await page.fill("#from", "Muster GmbH <news@muster.example>");
  await page.fill("#subject", "Neues für {{given_name}}");
  await look();
  await page.click("form[data-drawn] .btn--primary");
  await page.waitForURL(/\/campaigns\/cmp_[^/]+$/);
  const ready = await page.innerText("main");
  assert.ok(ready.includes("Neues für Eva") && ready.includes("2 von 3"), ready);
  await look();

  await page.waitForLoadState("load"); // the sample in its frame, too
  await page.locator('form[action$="/send"] .btn--primary').scrollIntoViewIfNeeded();
  await page.click('form[action$="/send"] .btn--primary');
  await page.waitForSelector('form[action$="/pause"] button');
  assert.ok((await page.innerText("main")).includes("Wird gesendet"));
  await page.click('form[action$="/pause"] button');
  await page.waitForSelector('form[action$="/resume"] button');
  assert.ok((await page.innerText("main")).includes("Pausiert"));
  await look();
  assert.deepEqual(complaints, []);
  await context.close();
});
