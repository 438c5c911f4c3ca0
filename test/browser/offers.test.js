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

test("a file on its way tells how far it is, can be stopped, and is refused by its name", async () => {
  const { context, page, complaints, go } = await office.desk({ lang: "de", scheme: "light", width: 360, who: CLERK });
  await go("/offers");
  await page.click('tbody a:has-text("Speicherblock")');
  const edit = `${new URL(page.url()).pathname}/edit`;
  await go(edit);
  const form = page.locator("form[data-upload]");
  const choose = (name, buffer) => form.locator("input[type=file]").setInputFiles({ name, mimeType: "application/pdf", buffer });
  const send = form.locator(".btn--primary");
  const alert = form.locator("[role=alert]");
  await form.locator('select[name="kind"]').selectOption("document");

  // What the form says of the limit is made small: a file of 25 MB takes the browser long.
  const most = await form.getAttribute("data-upload-most");
  await form.evaluate((one) => { one.dataset.uploadMost = "8"; });
  await choose("riesig.pdf", Buffer.from("%PDF-1.4 und mehr"));
  await send.press("Enter");
  assert.match(await alert.innerText(), /riesig\.pdf.* zu groß: höchstens/);
  await form.evaluate((one, was) => { one.dataset.uploadMost = was; }, most);

  await choose("notiz.pdf", Buffer.from("kein PDF"));
  await send.press("Enter");
  await page.waitForFunction(() => document.querySelector("[role=alert]")?.textContent.includes("notiz.pdf"));
  assert.match(await alert.innerText(), /nicht angenommen.*als PDF/);
  assert.equal(await form.locator("input[type=file]").evaluate((field) => field.files[0].name), "notiz.pdf", "the form was lost");

  await page.route("**/files", () => {}); // never answered
  await choose("anlage.pdf", Buffer.from("%PDF-1.4\n%%EOF"));
  await send.press("Enter");
  await form.locator("progress").waitFor();
  assert.ok(await send.isDisabled());
  assert.match(await form.locator("progress").getAttribute("aria-label"), /anlage\.pdf/);
  await shot(page, "offers", "upload");
  assert.deepEqual(await axe(page), []);
  assert.ok((await overflow(page)) <= 0, "the bar is wider than the screen");
  await form.locator(".upload .btn").press("Enter");
  assert.match(await alert.innerText(), /anlage\.pdf.*abgebrochen/);
  assert.ok(!(await send.isDisabled()));
  await page.unroute("**/files");

  await send.press("Enter");
  await page.waitForFunction(() => document.querySelector("#files .rules").innerText.includes("anlage"));
  assert.deepEqual(complaints.filter((one) => !/\b422\b/.test(one)), []);
  await context.close();
});
