// A lead from the prospect's form to the office, and an advertiser's report to its case.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { axe, CLERK, Office, overflow, OWNER, shot } from "./desk.js";

const office = await Office.open();
after(() => office.close());

const LOOKS = [{ lang: "de", scheme: "light", width: 1280 }, { lang: "en", scheme: "dark", width: 360 }];

for (const look of LOOKS) {
  test(`a prospect asks and the office sees it, ${look.lang}`, async () => {
    const { context, page, complaints, go } = await office.desk({ ...look, who: OWNER });
    let n = 0;
    const picture = async () => {
      await shot(page, `leads-${look.lang}`, `step ${++n}`);
      assert.deepEqual(await axe(page), []);
      assert.ok((await overflow(page)) <= 0, `${page.url()} is wider than the screen`);
    };
    await go("/lead-forms");
    await page.click('tbody a:has-text("Haus am See")');
    await page.waitForURL(/\/lead-forms\/form_/);
    await picture();
    const address = await page.inputValue("#form-page");
    assert.ok(await page.frameLocator("iframe.preview").locator("h1").innerText());
    await page.goto(address);
    await picture();
    await page.click(".button");
    assert.equal(await page.getAttribute("#email", "aria-invalid"), "true");
    await page.fill("#last_name", `Sommer ${look.lang}`);
    await page.fill("#email", "eva@kunde.example");
    await page.fill("#message", "Ist es noch frei?");
    await picture();
    await page.click(".button");
    await page.waitForSelector('[role="status"] h1');
    await picture();
    // Faster than a person: it waits for a decision.
    await page.goto(`${office.origin}/lead-suspects`);
    assert.ok((await page.innerText("main")).includes(`Sommer ${look.lang}`), "the enquiry is not in the office");
    await picture();
    const card = page.locator(".section", { hasText: `Sommer ${look.lang}` });
    await card.locator('form[action$="/release"] button').click();
    await page.waitForURL(/\/lead-suspects/);
    await page.goto(`${office.origin}/leads`);
    await page.click('tbody a:has-text("MA-1024")');
    assert.ok((await page.innerText("main")).includes(`Sommer ${look.lang}`));
    const report = new URL(await page.inputValue("#report-link")).pathname;
    await page.goto(office.origin + report);
    await picture();
    await page.check('input[value="no_xml"]');
    await page.click(".button");
    await page.waitForSelector(".result");
    await picture();
    await page.goto(`${office.origin}/lead-cases?state=open`);
    await page.click("tbody a");
    await page.waitForURL(/\/lead-cases\/case_/);
    await picture();
    assert.deepEqual(complaints, []);
    await context.close();
  });
}

test("a receiver enters a wrong code", async () => {
  const { context, page, go } = await office.desk({ ...LOOKS[0], who: CLERK });
  await go("/leads?tests=1");
  await page.click('tbody a:text-is("T-1")');
  const confirm = new URL(await page.inputValue("#confirm-link")).pathname;
  await page.goto(office.origin + confirm);
  await page.fill("#body", "AAAA-BBBB");
  await page.click(".button");
  await page.waitForSelector(".trouble");
  await shot(page, "leads-de", "confirm");
  await context.close();
});
