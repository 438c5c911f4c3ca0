// Consent in the demo world, from the sign-up form to the last mail: what people decide on their pages is what the
// office knows and what the sending obeys. In German to the objection, in English on a telephone.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { setTimeout as pass } from "node:timers/promises";
import { Demo, unsubscribeLink, until } from "./demo.js";
import { axe, overflow, shot } from "./desk.js";

const CLERK = "j.petersen@hafenkontor.example", REVIEWER = "pruefung@platform.invalid";
const wizard = 'form[action*="/approval/step/"]';
const CONFIRM = /http:\/\/127\.0\.0\.1:\d+\/bestaetigen\/[\w-]+/;

const STORIES = [
  { lang: "de", scheme: "light", width: 1280, group: "Rundbrief Altona", refused: "noch nicht freigegeben", approved: "Freigegeben", off: "Abgemeldet" },
  { lang: "en", scheme: "dark", width: 360, group: "Letters to Altona", refused: "not approved yet", approved: "Approved", off: "Unsubscribed" },
];

let demo;
before(async () => { demo = await Demo.open(); });
after(() => demo.close());

/** Presses a button and waits for the page that follows. */
const press = (page, button) => Promise.all([page.waitForNavigation(), page.click(button)]);

/** What a mail provider's servers do with a link before anybody reads: nothing may come of it. */
async function scan(link) {
  for (const method of ["GET", "HEAD", "GET"]) await fetch(link, { method, headers: { "User-Agent": "Mozilla/5.0 (compatible; SafeLinks)" } });
}

for (const story of STORIES) {
  describe(`consent, ${story.lang}`, () => {
    const address = `altona.${story.lang}@posteo.example`;
    let clerk, reader, pictures = 0;
    const look = async (page) => {
      await shot(page, `consent-${story.lang}`, `step ${++pictures}`);
      assert.deepEqual(await axe(page), []);
      assert.ok((await overflow(page)) <= 0, `${page.url()} is wider than the screen`);
    };
    const words = (page) => page.innerText("main");

    before(async () => {
      clerk = await demo.desk({ ...story, who: CLERK });
      reader = await demo.desk({ ...story });
    });
    after(() => {
      assert.deepEqual([...clerk.complaints, ...reader.complaints], []);
    });

    test("signing up is confirmed by the person, not by a scanner, and proved in the office", async () => {
      await clerk.go("/signup-forms");
      await clerk.page.click("tbody a");
      await clerk.page.waitForURL(/\/signup-forms\/sgn_/);
      const form = await clerk.page.inputValue("#form-page");
      await reader.go(form);
      await look(reader.page);
      assert.equal(await reader.page.isChecked('input[name="agree"]'), false, "the box is ticked beforehand");
      await reader.page.fill("#email", address);
      await reader.page.check('input[name="agree"]');
      await pass(3_500); // as long as a person takes; who is faster waits for a look
      await press(reader.page, "button.button");
      await look(reader.page);

      const { source } = await demo.arrived(address, "");
      const link = source.replaceAll(/=\r?\n/g, "").match(CONFIRM)?.[0];
      assert.ok(link, source);
      await scan(link);
      await clerk.go(`/consents?address=${address}`);
      await clerk.page.click("tbody a");
      await clerk.page.waitForURL(/\/consents\/cns_/);
      const entry = clerk.page.url();
      const state = await clerk.page.innerText(".page-head .state, header .state");
      await reader.go(link);
      await look(reader.page);
      await clerk.page.reload();
      assert.equal(await clerk.page.innerText(".page-head .state, header .state"), state, "looking at the link changed something");
      assert.equal(await clerk.page.locator('a[href^="/contacts/address"]').count(), 1);

      await press(reader.page, "form button.button");
      await look(reader.page);
      await clerk.page.reload();
      assert.notEqual(await clerk.page.innerText(".page-head .state, header .state"), state, "the button changed nothing");
      await look(clerk.page);
      assert.ok((await words(clerk.page)).includes("Ich möchte den Neubau-Brief"), "the wording is not kept");

      await clerk.go(`/contacts/address?address=${address}&tab=data`);
      assert.ok(await clerk.page.locator(`a[href="${new URL(entry).pathname}"]`).count(), "the contact does not show its consent");
      const [pack] = await Promise.all([clerk.page.waitForEvent("download"), clerk.page.click('a[href*="/consents.zip"]')]);
      assert.match(pack.suggestedFilename(), /\.zip$/);
      await look(clerk.page);
    });

    test("a mailing goes to a group only once it is approved", async () => {
      const { page, go } = clerk;
      await go("/groups/new");
      await page.fill("#name", story.group);
      await press(page, "form.measure .btn--primary");
      await page.waitForURL(/\/groups\/grp_/);
      const group = new URL(page.url()).pathname;
      await page.fill("#email", address);
      await press(page, 'form[action$="/add"] button');

      await go(`/campaigns/new?group=${group.split("/").at(-1)}`);
      await page.fill("#name", `${story.group} 1`);
      await page.fill("#from", "Hafenkontor <brief@hafenkontor.example>");
      await page.fill("#subject", `${story.group} 1`);
      await page.locator("form[data-drawn] .form-foot .btn--primary").press("Enter");
      await page.waitForURL(/\/campaigns\/cmp_/);
      const mailing = page.url().split("?")[0];
      await look(page);
      assert.ok((await words(page)).includes(story.refused), await words(page));
      assert.equal(await page.locator('form[action$="/send"]').count(), 0, "it can be sent");
      await press(page, `main a[href="${group}/approval"]`);
      await look(page);

      await go(`${group}/approval/step/1`);
      await page.check('input[name="read"]');
      await press(page, `${wizard} .form-foot button:not([name])`);
      await page.check('input[name="kind.written"]'); // its questions follow
      await press(page, `${wizard} .form-foot button:not([name])`);
      await page.fill('textarea[name="written.description"]', "Karten, unterschrieben bei Besichtigungen in Altona.");
      await press(page, `${wizard} .form-foot button:not([name])`);
      await page.waitForSelector(`${wizard} input[name="email"]`);
      await page.fill(`${wizard} input[name="name"]`, "Jan Petersen");
      await page.fill(`${wizard} input[name="email"]`, CLERK);
      await press(page, `${wizard} .form-foot button:not([name])`);

      const reviewer = await demo.desk({ ...story, who: REVIEWER });
      await reviewer.go("/platform/reviews");
      await press(reviewer.page, `tbody a:has-text("${story.group}")`);
      await reviewer.page.check('input[name="decision"][value="approve"]');
      await reviewer.page.fill('textarea[name="reason"]', "Die Karten liegen vor.");
      await press(reviewer.page, "#decision .form-foot button:not([name])");
      assert.deepEqual(reviewer.complaints, []);
      await reviewer.context.close();

      await page.goto(mailing);
      await page.waitForSelector('form[action$="/send"]');
      await look(page);
      await page.waitForLoadState("load"); // the sample in its frame, too
      await page.locator('form[action$="/send"] .btn--primary').press("Enter");
      await page.waitForSelector('form[action$="/send"]', { state: "detached" });
      const { source } = await demo.arrived(address, `${story.group} 1`);
      assert.match(source, /^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r?$/m);
      await until("the mailing's end", async () => { await page.goto(mailing); return (await page.locator("tbody tr").count()) > 0; });
      await look(page);
    });

    test("the page of choices and one click end what they say, a scanner nothing", async () => {
      const link = unsubscribeLink(await demo.arrived(address, `${story.group} 1`));
      const standing = async () => { await clerk.go(`/contacts/address?address=${address}`); return words(clerk.page); };
      await scan(link);
      await reader.go(link);
      await look(reader.page);
      assert.equal(await reader.page.isChecked('input[value="newsletter"]'), true, "looking ended something");
      assert.ok(!(await standing()).includes(story.off));

      await reader.page.uncheck('input[value="newsletter"]');
      await press(reader.page, 'button[value="save"]');
      await look(reader.page);
      assert.ok((await standing()).includes(story.off), "the office does not know");
      await reader.page.check('input[value="newsletter"]');
      await press(reader.page, 'button[value="save"]');
      assert.ok(!(await standing()).includes(story.off), "it cannot be taken back");

      // RFC 8058, 3.1 and 3.2: no cookie, no redirect, either encoding; from a mail program that is a web site.
      const click = new FormData();
      click.set("List-Unsubscribe", "One-Click");
      const answer = await fetch(link, { method: "POST", redirect: "manual", body: click, headers: { Origin: "https://mail.example" } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("access-control-allow-origin"), "*");
      assert.deepEqual(answer.headers.getSetCookie(), []);
      assert.ok((await standing()).includes(story.off), "one click did nothing");
      await look(clerk.page);
      await clerk.go(`/consents?address=${address}`);
      await look(clerk.page);
    });
  });
}

describe("an objection", () => {
  test("stops mail that is on its way, and the office says why", async () => {
    const box = "spaeter@posteo.example"; // takes each mail at the second try only
    const { page, go, complaints } = await demo.desk({ lang: "de", who: CLERK });
    const write = async (subject) => {
      await go("/messages/new");
      await page.fill("#from_local", "brief");
      await page.fill("#to", box);
      await page.fill("#subject", subject);
      await page.fill("#body", "Guten Tag, es gibt Neues.");
      await page.selectOption("#stream", "newsletter");
      await press(page, ".compose .btn--primary");
      await page.waitForURL(/\/messages\/msg_/);
    };
    await write("Neues 1");
    const link = unsubscribeLink(await demo.arrived(box, "Neues 1"));
    await write("Neues 2");
    const message = page.url().split("?")[0];
    await press(page, 'button[value="hold"]');
    const answer = await fetch(link, { method: "POST", body: new URLSearchParams({ "List-Unsubscribe": "One-Click" }) });
    assert.equal(answer.status, 200);
    await page.goto(message);
    if (await page.locator('button[value="resume"]').count()) await press(page, 'button[value="resume"]');
    await until("the mail's stop", async () => { await page.goto(message); return (await page.innerText("main")).includes("hat sich von dieser Kategorie abgemeldet"); });
    await shot(page, "consent-de", "objection");
    assert.deepEqual(await axe(page), []);
    assert.equal(await demo.mail(box, "Neues 2"), undefined, "it arrived");
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
});

/** A site of somebody else with a piece of HTML in its page, as localhost and as 127.0.0.1. */
async function foreignSite(piece) {
  const server = createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/html; charset=utf-8");
    answer.end(`<!doctype html><html lang="de"><title>Neubau</title><h1>Neubau in der Speicherstadt</h1>${piece()}</html>`);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { server, port: server.address().port };
}

describe("a form in a page of another site", () => {
  test("signs people up there without a cookie, light as the page is, and stands nowhere else", async () => {
    const { page, go, complaints } = await demo.desk({ lang: "de", who: CLERK });
    await go("/signup-forms");
    await page.click("tbody a");
    await page.waitForURL(/\/signup-forms\/sgn_/);
    const piece = await page.inputValue("#form-frame");
    const { server, port } = await foreignSite(() => piece);
    const address = "fremde.seite@posteo.example";
    try {
      await page.fill("#origins", `http://localhost:${port}`);
      await press(page, 'form:has(#origins) button.btn--primary');
      assert.deepEqual(complaints, []);
      const context = await demo.browser.newContext({ viewport: { width: 360, height: 860 }, colorScheme: "dark", locale: "de" });
      const visitor = await context.newPage();
      await visitor.goto(`http://localhost:${port}/`);
      const form = visitor.frameLocator("iframe");
      assert.equal(await form.locator("html").evaluate((e) => getComputedStyle(e).colorScheme), "light");
      assert.ok(await form.locator("html").evaluate((e) => e.scrollWidth <= e.clientWidth), "the form is wider than its frame");
      await form.locator("#email").fill(address);
      await form.locator("input[name=agree]").check();
      await pass(3_500); // as long as a person takes
      await form.locator("button.button").press("Enter");
      const { source } = await demo.arrived(address, "");
      assert.match(source.replaceAll(/=\r?\n/g, ""), CONFIRM);
      assert.deepEqual(await context.cookies(), []);

      // The same page by another name is a site that is not on the list.
      const refused = [];
      visitor.on("console", (m) => refused.push(m.text()));
      await visitor.goto(`http://127.0.0.1:${port}/`);
      await until("the refusal", async () => refused.some((text) => text.includes("frame-ancestors")));
      await context.close();
    } finally {
      server.close();
    }
    await page.context().close();
  });
});
