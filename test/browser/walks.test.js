// The main paths as people walk them, in German on a desk and in English on a telephone. Each is walked on what
// the office shows, from the start page on; pictures of every step lie in shots/walks-….
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CLERK, Office, OWNER, PASSWORD, shot, STAFF, STRANGER } from "./desk.js";

const office = await Office.open();
after(() => office.close());

const WORDS = {
  de: { rejected: "Zurückgewiesen", again: "Erneut senden", held: "Angehalten", cancelled: "abgebrochen", listed: "Sperrliste", typo: "gmail.com", queued: "In Warteschlange" },
  en: { rejected: "Rejected", again: "Send again", held: "Held", cancelled: "cancelled", listed: "uppress", typo: "gmail.com", queued: "Queued" },
};
const LOOKS = [{ lang: "de", scheme: "light", width: 1280 }, { lang: "en", scheme: "dark", width: 360 }];

/** One path in both languages: steps are numbered pictures, and nothing may complain on the way. */
function walk(title, { who = CLERK, from = "/" }, steps) {
  for (const look of LOOKS) {
    test(`${title}, ${look.lang}`, async () => {
      const { context, page, complaints, go } = await office.desk({ ...look, who });
      let n = 0;
      const picture = () => shot(page, `walks-${look.lang}`, `${title} ${++n}`);
      await go(from);
      await steps({ page, go, words: WORDS[look.lang], lang: look.lang, picture, narrow: look.width < 640 });
      await picture();
      assert.equal(await page.getAttribute("html", "lang"), look.lang);
      assert.deepEqual(complaints, []);
      await context.close();
    });
  }
}

/** Opens a room from the navigation, which narrow screens keep behind a button. */
async function room(page, href, narrow) {
  if (narrow) {
    await page.click(".menu-btn");
    await page.click(`#menu a[href="${href}"]`);
  } else {
    await page.click(`.shell > .nav a[href="${href}"]`);
  }
  await page.waitForURL(`**${href}`);
}

const primary = (page) => page.click("main .btn--primary");

walk("sign in, find a message, see why, send it again elsewhere", { who: "", from: "/signin" }, async ({ page, words, picture, lang }) => {
  await page.fill("#email", CLERK);
  await page.fill("#password", PASSWORD);
  await page.click("button.btn--primary");
  await page.waitForURL(`${office.origin}/`);
  await picture();
  await page.fill(".search input", "Rechnung 2026-1184");
  await page.press(".search input", "Enter");
  await page.waitForURL(/\/search\?/);
  await picture();
  await page.click("[data-find] li a");
  await page.waitForURL(/\/messages\/msg_/);
  assert.ok((await page.innerText(".letter summary")).includes(words.rejected));
  assert.match(await page.innerText(".slip .reply"), /550 5\.1\.1/);
  await picture();
  await page.click(`.advice a:has-text("${words.again}")`);
  await page.waitForURL(/\/again\?delivery=/);
  await page.uncheck("input[name=delivery]");
  await page.fill("#other", `Kranz Büro <buero-${lang}@kranz-bau.example>`);
  await picture();
  await primary(page);
  await page.waitForURL(/\/messages\/msg_[0-9a-z]+$/); // the script takes the word "done" out of the address
  assert.ok((await page.innerText(".letter summary")).includes(words.queued));
  await page.click("#kin a");
  await page.waitForURL(/\/messages\/msg_/);
  assert.ok((await page.innerText("#kin")).includes(`buero-${lang}@kranz-bau.example`), "the first message does not lead to its repetition");
});

walk("what was deleted is not sent again", { from: "/messages?q=Zusage" }, async ({ page }) => {
  await page.click("tbody tr td > a");
  await page.waitForURL(/\/messages\/msg_/);
  await page.click(".page-head .btn--primary");
  await page.waitForSelector(".empty");
  assert.equal(await page.locator("form.compose").count(), 0);
});

walk("write with an attachment and watch it arrive", {}, async ({ page, picture, lang }) => {
  await page.click('.page-head a[href="/messages/new"]');
  await page.waitForURL("**/messages/new");
  await page.fill("#from_local", "post");
  await page.fill("#to", "Eva <eva@kunde.example>");
  await page.fill("#subject", `Mit Anhang ${lang}`);
  await page.fill("#body", "Guten Tag");
  await page.setInputFiles("#files", { name: "Exposé.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7") });
  await picture();
  const streaming = page.waitForResponse((r) => r.url() === `${office.origin}/live`);
  await page.click(".compose .btn--primary");
  await page.waitForURL(/\/messages\/msg_/);
  await streaming;
  await picture();
  await office.order("deliver");
  await page.waitForFunction(() => document.querySelector(".letter summary .is-delivered"));
});

walk("suppress an address and lift it again", {}, async ({ page, picture, lang, narrow }) => {
  await room(page, "/suppressions", narrow);
  await primary(page);
  await page.waitForURL("**/suppressions/new");
  await page.fill("#address", `weg-${lang}@kunde.example`);
  await page.fill("#note", "auf eigenen Wunsch");
  await picture();
  await page.click("form.measure .btn--primary");
  await page.waitForURL(/\/suppressions/);
  await page.goto(`${office.origin}/suppressions?q=weg-${lang}`);
  await page.click("tbody a");
  await page.waitForURL(/\/suppressions\/sup_/);
  await page.fill("#reason", "doch wieder");
  await picture();
  await page.click("form .btn--danger");
  await page.waitForURL(/\/suppressions/);
  await page.goto(`${office.origin}/suppressions?q=weg-${lang}`);
  assert.equal(await page.locator("tbody a").count(), 0, "the suppression is still there");
});

walk("set up a domain", { who: OWNER }, async ({ page, picture, lang, narrow }) => {
  await room(page, "/domains", narrow);
  await page.fill("#name", `neu-${lang}.example`);
  await picture();
  await primary(page);
  await page.waitForURL(/\/domains\/dom_/);
  assert.ok((await page.locator(".record input").count()) >= 4, "the records are missing");
  await picture();
  await page.click(".page-head .btn--primary");
  await page.waitForURL(/\/domains\/dom_/);
});

walk("hold and resume several messages, all of a filter", {}, async ({ page, picture, go, narrow }) => {
  await room(page, "/messages", narrow);
  await page.click('.tabs a[href*="state=queued"]');
  await page.waitForURL(/state=queued/);
  await page.locator("tbody input[name=pick]").first().check();
  await page.check("form.bulk input[name=all]");
  await picture();
  await page.click("form.bulk button[value=hold]");
  await page.waitForURL(/\/messages\/bulk\?/);
  await picture();
  await primary(page);
  await page.waitForSelector(".note.is-delivered");
  await picture();
  await go("/messages?state=queued");
  assert.equal(await page.locator("tbody input[name=pick]").count(), 0, "a message still waits");
  await go("/messages?state=held");
  await page.locator("tbody tr", { hasText: "Exposé" }).locator("input[name=pick]").first().check();
  await page.click("form.bulk button[value=resume]");
  await page.waitForURL(/\/messages\/bulk\?/);
  await primary(page);
  await page.waitForSelector(".note.is-delivered");
});

walk("send several again that came back", { from: "/messages?state=expired" }, async ({ page, picture }) => {
  await page.check("form.bulk input[name=all]", { force: true }).catch(() => page.locator("tbody input[name=pick]").first().check());
  await page.locator("tbody input[name=pick]").first().check();
  await page.click("form.bulk button[value=again]");
  await page.waitForURL(/do=again/);
  await picture();
  await primary(page);
  await page.waitForSelector(".note.is-delivered");
  await page.click(".rules a");
  await page.waitForURL(/\/messages\/msg_/);
  assert.ok(await page.locator("#kin").count(), "the new message is not linked");
});

walk("choose columns and density, and find them again", { from: "/messages" }, async ({ page, picture, go }) => {
  await page.click("[popovertarget=columns]");
  await page.check("#columns input[value=host]");
  await page.uncheck("#columns input[value=took]");
  await picture();
  await page.click("#columns .btn");
  await page.waitForURL(`${office.origin}/messages`);
  await page.click(".top-tools [popovertarget=look]");
  await page.click("#look button[value=compact]");
  await page.waitForSelector("html[data-density=compact]");
  await go("/messages?sort=time");
  const heads = await page.locator("thead th").allTextContents();
  assert.ok(heads.some((h) => /Server/.test(h)) && !heads.some((h) => /Dauer|Took/.test(h)), `${heads}`);
  assert.ok(await page.locator('th[aria-sort="ascending"]').count());
});

walk("check an address for a slip of the finger", {}, async ({ page, words, narrow }) => {
  await room(page, "/addresses", narrow);
  await page.fill("#address", "info@gmial.com");
  await page.click("form.measure .btn--primary");
  assert.ok((await page.innerText("main")).includes(words.typo));
});

walk("hold what waits and see the order", {}, async ({ page, picture, narrow }) => {
  await room(page, "/queue", narrow);
  await page.fill("#domain", "kunde.example");
  await page.fill("#reason", "Preis falsch");
  await primary(page);
  await page.waitForURL(/\/queue\/preview\?/);
  await picture();
  await primary(page);
  await page.waitForURL(/\/queue$/);
  await page.waitForSelector(".note.is-delivered");
});

walk("staff: why mail is held, release it, look at the lanes", { who: STAFF, from: "/platform" }, async ({ page, picture, narrow, go }) => {
  await room(page, "/platform/halts", narrow);
  await picture();
  const forms = await page.locator("main form[method=post]").count();
  if (forms > 0) { // the first walk releases what the second one finds released
    await page.locator("main form[method=post] input:not([type=hidden])").first().fill("Liste bereinigt");
    await page.locator("main form[method=post] .btn--primary").first().click();
    await page.waitForSelector(".note.is-delivered");
  }
  await room(page, "/platform/lanes", narrow);
  await picture();
  await go("/platform/explain?domain=gmx.example");
  await page.waitForSelector(".facts");
});

walk("staff: read a return mail", { who: STAFF, from: "/platform/returns" }, async ({ page, narrow }) => {
  assert.ok((await page.locator("tbody tr").count()) >= 5);
  if (narrow) await page.click(".fold summary");
  await page.selectOption("main select >> nth=0", { index: 1 });
  await page.click(".filters .btn");
  await page.goto(`${office.origin}/platform/returns`);
  await page.locator("tbody a").first().click();
  await page.waitForURL(/\/returns\/ret_/);
});

walk("an account that says du", { who: STRANGER, from: "/search" }, async ({ page, lang }) => {
  if (lang === "de") assert.match(await page.innerText("main"), /Wonach suchst du/);
});
