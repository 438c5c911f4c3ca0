// The approval of a group as both sides walk it: the account describes it in the wizard, a reviewer asks, the account
// answers, the reviewer decides. In German to the approval, in English, on a telephone, from a rejection to the next.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { axe, CLERK, Office, overflow, shot } from "./desk.js";

const CHECKER = "pruefung@stafette.example";
const office = await Office.open();
after(() => office.close());

const STORIES = [
  { lang: "de", scheme: "light", width: 1280, from: "step/2", decision: "approve", told: "Freigegeben", notice: "" },
  { lang: "en", scheme: "dark", width: 360, from: "step/3", decision: "reject", told: "Declined", notice: "cannot be written to" },
];

for (const story of STORIES) {
  test(`a group is submitted, asked about, answered and decided: ${story.decision}, ${story.lang}`, async () => {
    const pages = Object.values(await office.pages()).flat();
    const start = pages.find((path) => path.startsWith("/groups/grp_") && path.endsWith(`/approval/${story.from}`));
    assert.ok(start, "no group to submit");
    const approval = start.slice(0, start.indexOf("/approval") + "/approval".length);
    const tenant = await office.desk({ ...story, who: CLERK });
    const reviewer = await office.desk({ ...story, who: CHECKER });
    let n = 0;
    const look = async (page) => {
      await shot(page, `approvals-${story.lang}`, `${story.decision} ${++n}`);
      assert.deepEqual(await axe(page), []);
      assert.ok((await overflow(page)) <= 0, `${page.url()} is wider than the screen`);
    };
    const press = (page, form) => Promise.all([page.waitForLoadState("load"), page.click(`${form} .form-foot button:not([name])`)]);
    const wizard = 'form[action*="/approval/step/"]';

    await tenant.go(`${approval}/step/1`);
    await tenant.page.check('input[name="read"]');
    await press(tenant.page, wizard);
    await tenant.page.waitForURL(/\/step\/2$/);
    await tenant.page.fill('textarea[name="double_opt_in.description"]', "Anmeldung auf der Seite, bestätigt per E-Mail.");
    await tenant.page.fill('input[name="double_opt_in.form_url"]', "https://hafenkontor.example/");
    await press(tenant.page, wizard);
    assert.equal(await tenant.page.locator('[name="double_opt_in.form_url"][aria-invalid="true"]').count(), 1, "a home page is no form");
    await look(tenant.page);
    await tenant.page.fill('input[name="double_opt_in.form_url"]', "https://hafenkontor.example/anmelden");
    await press(tenant.page, wizard);
    await tenant.page.waitForURL(/\/step\/3$/);
    await tenant.page.fill('input[name="name"]', "J. Petersen");
    await tenant.page.fill('input[name="email"]', "j@hafenkontor.example");
    await press(tenant.page, wizard);
    await tenant.page.waitForURL(`**${approval}`);
    const group = (await tenant.page.innerText("h1")).match(/Gruppe [A-Z]/)[0];
    await look(tenant.page);

    await reviewer.go("/platform/reviews");
    await reviewer.page.click(`tbody a:has-text("${group}")`);
    await reviewer.page.waitForURL(/\/platform\/reviews\/[^/]+$/);
    const decide = async (decision, reason) => {
      await reviewer.page.reload();
      await reviewer.page.check(`input[name="decision"][value="${decision}"]`);
      await reviewer.page.fill('textarea[name="reason"]', reason);
      await press(reviewer.page, "#decision");
    };
    await decide("question", "Seit wann gilt der Wortlaut?");
    await look(reviewer.page);

    await tenant.go(approval);
    assert.ok((await tenant.page.innerText("main")).includes("Seit wann gilt der Wortlaut?"), "the account does not see the question");
    await tenant.page.fill('textarea[name="text"]', "Seit März 2024.");
    await press(tenant.page, 'form[action$="/answer"]');
    await look(tenant.page);

    await reviewer.page.reload();
    assert.ok((await reviewer.page.innerText("main")).includes("Seit März 2024."), "the reviewer does not see the answer");
    await decide(story.decision, "Nach den Angaben entschieden.");

    await tenant.go(approval);
    const told = await tenant.page.innerText("main");
    assert.ok(told.includes(story.told) && told.includes("Nach den Angaben entschieden.") && told.includes(story.notice), told);
    await look(tenant.page);
    assert.deepEqual([...tenant.complaints, ...reviewer.complaints], []);
    await tenant.context.close();
    await reviewer.context.close();
  });
}
