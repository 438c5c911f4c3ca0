// A page follows its message; and the same work is done without scripts.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { axe, links, LOOKS, lookName, Office, overflow, shot } from "./desk.js";

const office = await Office.open();
after(() => office.close());

test("a page watches its message arrive without a reload", async () => {
  const { context, page, complaints, go } = await office.desk();
  await go("/messages/new");
  await page.fill("#from_local", "post");
  await page.fill("#to", "Eva <eva@kunde.example>");
  await page.fill("#subject", "Live");
  await page.fill("#body", "Guten Tag");
  const streaming = page.waitForResponse((r) => r.url() === `${office.origin}/live`);
  await page.click(".compose .btn--primary");
  // Not for ?done=sent: the page's script takes that out of the address at once, and on a busy machine before
  // this process hears of the address it came with. What the reader is told stays.
  await page.waitForURL(/\/messages\/msg_/);
  await page.getByRole("status").filter({ hasText: "Angenommen und sicher gespeichert" }).waitFor();
  await streaming;
  await page.evaluate(() => { window.neverReloaded = true; });
  await page.locator(".letter summary").first().focus();
  assert.match(await page.innerText(".letter summary"), /In Warteschlange/);
  await office.order("deliver");
  await page.waitForFunction(() => document.querySelector(".letter summary").innerText.includes("Zugestellt"));
  assert.match(await page.innerText("#summary"), /1 zugestellt/);
  assert.equal(await page.evaluate(() => window.neverReloaded), true);
  assert.equal(await page.evaluate(() => document.activeElement.localName), "summary", "the focus was lost");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("without scripts: search, send, hold and resume", async () => {
  const { context, page } = await office.desk({ javaScriptEnabled: false });
  await page.goto(office.origin);
  await page.fill(".search input", "Kontaktanfrage HK");
  await page.press(".search input", "Enter");
  await page.click("[data-find] header a");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.goto(`${office.origin}/messages/new`);
  await page.fill("#from_local", "post");
  await page.fill("#to", "Eva <eva@kunde.example>");
  await page.fill("#subject", "Ohne Skript");
  await page.fill("#body", "Guten Tag");
  await page.click(".compose .btn--primary");
  await page.waitForURL(/done=sent/);
  assert.equal(await page.innerText("h1"), "Ohne Skript");
  await page.click("button[value=hold]");
  await page.waitForURL(/done=hold/);
  await page.click("button[value=resume]");
  await page.waitForURL(/done=resume/);
  await page.click("button[popovertarget^=cancel-]");
  await page.click(".ask button[value=cancel]");
  await page.waitForURL(/done=cancel/);
  assert.match(await page.innerText("#summary"), /1 abgebrochen/);
  await context.close();
});

test("a question is asked before sending is cancelled, and Escape keeps it", async () => {
  const { context, page } = await office.desk();
  await page.goto(`${office.origin}/messages?tag=speicherblock`);
  await page.goto((await links(page))[0]);
  await page.click("button[popovertarget^=cancel-]");
  await page.waitForSelector(".ask:popover-open");
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".ask:popover-open").count(), 0);
  assert.match(await page.locator("#summary").innerText(), /1 verzögert/);
  await context.close();
});

// The last of this file: the account stays locked.
test("a locked account says why, leads to the appeal and nowhere else", async () => {
  await office.order("lock");
  office.cookies.clear(); // locking ends all sessions
  for (const look of LOOKS) {
    const { context, page, complaints, go } = await office.desk(look);
    await go("/messages");
    assert.equal(new URL(page.url()).pathname, "/locked");
    await shot(page, lookName(look), "locked");
    assert.deepEqual(await axe(page), [], lookName(look));
    assert.ok((await overflow(page)) <= 0, "wider than the screen");
    assert.equal(await page.locator("nav a[href='/messages']").count(), 0, "the navigation leads to what is shut");
    assert.match(await page.innerText("main"), /Falsche Angaben zur Herkunft/);
    await page.click("main a[href='/requests/new']");
    assert.deepEqual(await axe(page), [], `appeal, ${lookName(look)}`);
    assert.deepEqual(complaints, []);
    await context.close();
  }
});
