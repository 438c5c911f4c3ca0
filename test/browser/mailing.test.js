// A mailing before it is sent: built by keyboard alone, kept by itself, looked over, tried, and approved by a colleague.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { axe, CLERK, Office, overflow, OWNER, shot } from "./desk.js";

const office = await Office.open();
after(() => office.close());

const words = {
  de: { undo: "Letzten Schritt zurücknehmen", saved: "Gespeichert um", button: "3. Knopf", tried: "Die Testmails sind unterwegs.", open: "Offen", missing: "Die Freigabe durch jemand anderen fehlt", approved: "Freigegeben" },
  en: { undo: "Take the last step back", saved: "Saved at", button: "3. Button", tried: "The test mails are on their way.", open: "Open", missing: "The approval by somebody else is missing", approved: "Approved" },
};

for (const look of [{ lang: "de", scheme: "light", width: 1280 }, { lang: "en", scheme: "dark", width: 360 }]) {
  test(`a mailing is built by keyboard, tried and approved (${look.lang})`, async () => {
    const say = words[look.lang];
    const { context, page, complaints, go } = await office.desk({ ...look, who: CLERK });
    const check = async (name) => {
      await shot(page, "mailing", `${look.lang} ${name}`);
      assert.deepEqual(await axe(page), []);
      assert.ok((await overflow(page)) <= 0, `${page.url()} is wider than the screen`);
    };
    const press = async (selector) => {
      await page.focus(selector);
      await page.keyboard.press("Enter");
    };
    await go("/campaigns/new");
    await page.focus("#name");
    await page.keyboard.type(`Brief ${look.lang}`);
    // A button is added, and the step taken back and done again, by keyboard alone.
    await page.focus("#add");
    await page.selectOption("#add", "button");
    await press('button[value="add"]');
    await page.waitForSelector("#block-3");
    assert.ok((await page.innerText("#block-2")).includes(say.button));
    assert.equal(await page.evaluate(() => document.activeElement.id), "block-2");
    await press('button[value="undo"]');
    await page.waitForSelector("#block-3", { state: "detached" });
    await check("blocks");
    await page.focus("#from");
    await page.keyboard.type("news@muster.example");
    await page.focus("#subject");
    await page.keyboard.type("Neues");
    await page.locator('input[name="groups"]').first().focus();
    await page.keyboard.press("Space");
    await press('button[value="save"]');
    await page.waitForURL(/\/campaigns\/cmp_[^/]+$/);
    const one = page.url().split("?")[0];
    await check("draft");

    // What is written is kept by itself.
    await page.goto(`${one}/edit`);
    await page.fill("#subject", "Neues vom Hafen");
    await page.waitForFunction((text) => document.querySelector("[data-saved]").textContent.includes(text), say.saved);
    await page.goto(one);
    assert.ok((await page.innerText("main")).includes("Neues vom Hafen"));

    await page.fill("#to", "chefin@muster.example");
    await press('form[action$="/test"] button');
    await page.waitForSelector(".note");
    assert.ok((await page.innerText("main")).includes(say.tried));

    await page.fill("#reviewer", "H. Voss");
    await press('form[action$="/review"] button');
    await page.waitForSelector("#review-link");
    const asked = await page.innerText("main");
    assert.ok(asked.includes(say.open) && asked.includes(say.missing), asked);
    await check("asked");

    const boss = await office.desk({ ...look, who: OWNER });
    await boss.page.goto(one);
    await boss.page.focus('button[value="approved"]');
    await boss.page.keyboard.press("Enter");
    await boss.page.waitForSelector("#reviewer");
    assert.ok((await boss.page.innerText("#review")).includes(say.approved));
    await boss.page.waitForSelector('form[action$="/send"] button');
    assert.deepEqual([...complaints, ...boss.complaints], []);
    await boss.context.close();
    await context.close();
  });
}
