// The keyboard: by Tab alone, the palette, shortcuts of single keys and their switch.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { axe, CLERK, Office, PASSWORD, shot, STAFF } from "./desk.js";

const office = await Office.open();
after(() => office.close());

test("the keyboard alone leads from sign-in to a message", async () => {
  const { context, page } = await office.desk({ who: "" });
  await page.goto(`${office.origin}/signin`);
  assert.equal(await page.evaluate(() => document.activeElement.id), "email");
  await page.keyboard.type(CLERK);
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${office.origin}/`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  const reach = async (wanted) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((path) => document.activeElement.getAttribute("href")?.startsWith(path), wanted)) {
        const seen = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        assert.notEqual(seen, "none", "focus cannot be seen");
        return;
      }
    }
    assert.fail(`no way by Tab to ${wanted}`);
  };
  await reach("/messages");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${office.origin}/messages`);
  // The way past the rooms is what the skip link is there for.
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  await reach("/messages/msg_");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/messages\/msg_/);
  for (let i = 0; i < 60 && !(await page.evaluate(() => document.activeElement.localName === "summary")); i++) await page.keyboard.press("Tab");
  const before = await page.evaluate(() => document.activeElement.parentElement.open);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.parentElement.open), !before);
  await context.close();
});

for (const look of [{ lang: "de", scheme: "light", width: 1280 }, { lang: "en", scheme: "dark", width: 360 }]) {
  test(`the palette opens pages and finds messages, ${look.lang}, ${look.width} px`, async () => {
    const { context, page, complaints, go } = await office.desk(look);
    await go("/");
    await page.keyboard.press("Control+k");
    await page.waitForSelector("#palette[open]");
    assert.deepEqual(await axe(page), []);
    await page.keyboard.type("reservierung");
    await page.waitForSelector("#palette [role=option] small");
    await shot(page, "keys", `palette ${look.lang}`);
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.getAttribute("#palette input", "aria-activedescendant"), await page.getAttribute("#palette [aria-selected=true]", "id"));
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/messages\/msg_/);
    assert.equal(await page.innerText("h1"), "Reservierung Wohnung 2.4");
    await page.keyboard.press("Control+k");
    await page.keyboard.type("domains");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${office.origin}/domains`);
    await page.keyboard.press("Control+k");
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("dialog[open]").count(), 0);
    assert.deepEqual(complaints, []);
    await context.close();
  });
}

test("an order's number is found from the search box", async () => {
  const { context, page, go } = await office.desk();
  await go("/");
  await page.keyboard.press("/");
  await page.keyboard.type("Kontaktanfrage HK-2214");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/search\?q=Kontaktanfrage\+HK-2214/);
  await page.click("[data-find] li a");
  await page.waitForURL(/\/messages\/msg_/);
  await context.close();
});

test("single keys move, pick and lead, never while somebody writes, and can be switched off", async () => {
  const { context, page, go } = await office.desk();
  await go("/messages");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  assert.equal(await page.evaluate(() => [...document.querySelectorAll("tbody tr")].indexOf(document.activeElement.closest("tr"))), 0);
  await page.keyboard.press("x");
  assert.equal(await page.locator("input[name=pick]:checked").count(), 1);
  assert.match(await page.innerText(".bulk-count"), /^1 /);
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  await page.waitForURL(`${office.origin}/domains`);
  await page.focus(".search input");
  await page.keyboard.type("g?n/");
  assert.equal(await page.inputValue(".search input"), "g?n/");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("?");
  await page.waitForSelector("#shortcuts[open]");
  assert.deepEqual(await axe(page), []);
  await shot(page, "keys", "shortcuts");
  await page.click("#shortcuts button[name=keys]");
  await page.waitForURL(`${office.origin}/domains`);
  await page.waitForSelector("html[data-keys=off]");
  await page.keyboard.press("n");
  await page.keyboard.press("?");
  assert.equal(page.url(), `${office.origin}/domains`);
  assert.equal(await page.locator("dialog[open]").count(), 0);
  await page.keyboard.press("Control+k");
  await page.waitForSelector("#palette[open]");
  await context.close();
});

test("staff have the palette for their pages", async () => {
  const { context, page, go } = await office.desk({ who: STAFF });
  await go("/platform");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("versandspur");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${office.origin}/platform/lanes`);
  await context.close();
});
