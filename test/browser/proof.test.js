// The tests of the pages find what they are for.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { axe, Office, overflow, RULES_OF_LOOKS } from "./desk.js";

const office = await Office.open();
after(() => office.close());

for (const scheme of ["light", "dark"]) {
  test(`a bad contrast, an unlabelled control and a wide line are found, ${scheme}`, async () => {
    const { context, page, go } = await office.desk({ scheme });
    await go("/messages");
    await page.evaluate(() => {
      const p = document.createElement("p");
      p.textContent = "kaum zu lesen";
      p.style.color = "#777d";
      const wide = document.createElement("p");
      wide.textContent = "x".repeat(400);
      document.querySelector("main").append(p, document.createElement("input"), wide);
    });
    const found = await axe(page);
    assert.ok(found.some((v) => v.startsWith("color-contrast")), `contrast not found in ${found}`);
    assert.ok(found.some((v) => v.startsWith("label")), `label not found in ${found}`);
    const again = await axe(page, RULES_OF_LOOKS);
    assert.ok(again.some((v) => v.startsWith("color-contrast")) && !again.some((v) => v.startsWith("label")), `the rules of looks found ${again}`);
    assert.ok((await overflow(page)) > 0, "the wide line was not found");
    await context.close();
  });
}

test("a request to another host and an error of a script are complaints", async () => {
  const { context, page, complaints, go } = await office.desk();
  await go("/");
  await page.evaluate(() => {
    const img = new Image();
    img.src = "http://elsewhere.example/pixel.gif";
    setTimeout(() => { throw new Error("broken"); });
    return new Promise((done) => { img.onerror = done; });
  });
  assert.ok(complaints.some((c) => c.includes("broken")) && complaints.length > 1, `${complaints}`);
  await context.close();
});
