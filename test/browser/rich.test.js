// A text of blocks while it is written: as it will look, and with its signs; by keyboard alone, with what is pasted,
// and held to the cases that the server is held to.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { axe, CLERK, Office, overflow, RULES_OF_LOOKS, shot } from "./desk.js";

const office = await Office.open();
after(() => office.close());

const cases = JSON.parse(readFileSync(new URL("../../internal/template/blocks/testdata/markup.json", import.meta.url), "utf8"));
const FIELD = "blocks/1/text";

/** Pastes as a person who copied from another program does. */
function paste(page, data) {
  return page.evaluate((list) => {
    const transfer = new DataTransfer();
    for (const [type, text] of Object.entries(list)) transfer.setData(type, text);
    document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
  }, data);
}

/** A text area with its signs, its formatted view, and what is said about it. */
async function text(page) {
  const area = page.locator(`textarea[name='${FIELD}']`);
  const view = page.locator(`[id='${FIELD}-formatted']`);
  const root = page.locator(`[data-rich='${FIELD}']`);
  return { area, view, root, said: root.locator("[role=status]"), value: () => area.inputValue(), press: (keys) => page.keyboard.press(keys), type: (words) => page.keyboard.type(words) };
}

/** HTML by its words and what they are, as the cases have it. */
const plain = (html) => html.replaceAll(/<span class="rich-literal">([^<]*)<\/span>/g, "$1").replace(/<span[^>]*data-tag="([^"]*)"[^>]*>[^<]*<\/span>/g, (_, tag) => tag.replaceAll("&gt;", "").replaceAll("&lt;", ""))
  .replace(/<img[^>]*>|<br class="ProseMirror-trailingBreak">| (title|class|contenteditable|draggable)="[^"]*"/g, "").replaceAll(/&#34;|&quot;/g, '"').replaceAll("&#39;", "'").replaceAll("&nbsp;", "\u00a0")
  .replaceAll(/<\/(a|b|i)><\1>/g, "");

test("a text is written as it will look, by keyboard", async () => {
  const { context, page, complaints, go } = await office.desk({ lang: "de", scheme: "light", width: 1280, who: CLERK });
  await go("/campaigns/new");
  const { area, view, root, said, value, press, type } = await text(page);
  await view.waitFor();
  assert.equal(await area.isVisible(), false);
  await page.locator(`label[for='${FIELD}']`).click();
  await press("ControlOrMeta+A");
  await press("Delete");
  // What keeps and draws by itself hears of changes from the text area, and of nothing else.
  await area.evaluate((a) => { a.form.addEventListener("input", (e) => { a.form.dataset.heard = `${a.form.dataset.heard ?? ""} ${e.target.name}`; }); });
  const heard = () => area.evaluate((a) => new Set((a.form.dataset.heard ?? "").trim().split(" ")).size === 1 && a.form.dataset.heard.trim().split(" ")[0]);
  await type("## Neues aus dem Hafen");
  await press("Enter");
  await type("Guten Tag {{given_name}}, ");
  await press("Control+b");
  await type("heute");
  await press("Control+b");
  await type(" ist *viel* los.");
  await press("Enter");
  await type("- eins");
  await press("Enter");
  await type("zwei");
  await press("Enter");
  await press("Enter");
  await type("1. erst");
  assert.equal(await value(), "## Neues aus dem Hafen\n\nGuten Tag {{given_name}}, **heute** ist *viel* los.\n\n- eins\n- zwei\n\n1. erst");
  assert.equal(plain(await view.innerHTML()), "<h2>Neues aus dem Hafen</h2><p>Guten Tag {{given_name}}, <b>heute</b> ist <i>viel</i> los.</p><ul><li>eins</li><li>zwei</li></ul><ol><li>erst</li></ol>");
  await press("Home");
  await page.evaluate(() => new Promise(requestAnimationFrame)); // the browser tells of a selection a moment later
  await press("Backspace");
  assert.match(await value(), /\n\nerst$/);
  await press("ControlOrMeta+z");
  assert.match(await value(), /\n\n1\. erst$/);
  // A variable is one step of the caret, and one stroke deletes it.
  const before = await value();
  await view.locator("p .rich-tag").click();
  await press("Delete");
  assert.equal(await value(), before.replace("{{given_name}}", ""));
  await press("ControlOrMeta+z");
  assert.equal(await value(), before);
  // A link of the words that are selected.
  await view.locator("li").first().click();
  await press("Home");
  await press("Shift+End");
  await page.evaluate(() => new Promise(requestAnimationFrame)); // the browser tells of a selection a moment later
  await press("Control+k");
  await type("muster");
  await press("Enter");
  assert.equal(await root.locator(".error").isVisible(), false);
  assert.match(await value(), /- \[eins\]\(https:\/\/muster\)/);
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "textbox");
  assert.equal(await heard(), FIELD);
  // The tab key leads out.
  await press("Tab");
  assert.equal(await page.evaluate((id) => document.activeElement.closest(`[id='${id}']`), `${FIELD}-formatted`), null);
  if (process.env.SHOTS) await shot(page, "de-light-1280", "rich text");
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("what is pasted is reduced to what a text can say, and told", async () => {
  const { context, page, complaints, go } = await office.desk({ lang: "de", scheme: "dark", width: 360, who: CLERK });
  await go("/campaigns/new");
  const { view, said, value, press } = await text(page);
  await view.waitFor();
  await view.focus();
  await press("ControlOrMeta+A");
  await press("Delete");
  const word = `<html><head><style>p{color:red}</style></head><body><!--[if gte mso 9]><xml></xml><![endif]--><h1>Angebot</h1><p class=MsoNormal style="margin:0"><b>Fett</b> und <span style='color:red;font-style:italic'>rot</span><o:p></o:p></p>
<p class=MsoListParagraph style='mso-list:l0 level1 lfo1'><span style='mso-list:Ignore'>·<span>&nbsp; </span></span>Punkt</p><p class=MsoListParagraph style='mso-list:l0 level1 lfo1'><span style='mso-list:Ignore'>·</span>noch einer</p>
<table><tr><td>a</td><td>b</td></tr></table><img src=x><p><a href="https://muster.example/(1)">Link</a> <a href="javascript:alert(1)">kein Link</a></p></body></html>`;
  await paste(page, { "text/html": word, "text/plain": "Angebot" });
  assert.equal(await value(), "## Angebot\n\n**Fett** und *rot*\n\n- Punkt\n- noch einer\n\na b\n\n[Link](https://muster.example/%281%29) kein Link");
  assert.equal(await said.innerText(), "Eingefügt ohne: Farben, Schriften und anderes Aussehen, Tabellen, Bilder und Links, die in E-Mails nicht gehen. Strg+Z nimmt das Einfügen zurück.");
  if (process.env.SHOTS) await shot(page, "de-dark-360", "rich text pasted");
  assert.ok((await overflow(page)) <= 0);
  assert.deepEqual(await axe(page, RULES_OF_LOOKS), []);
  await press("ControlOrMeta+z");
  assert.equal(await value(), "");
  await paste(page, { "text/html": `<b style="font-weight:normal" id="docs-internal-guid-1"><p><span style="font-weight:700">Fett</span> normal</p><ol><li><p>eins</p><ul><li>tief</li></ul></li></ol></b>` });
  assert.equal(await value(), "**Fett** normal\n\n1. eins\n\n- tief");
  await press("ControlOrMeta+A");
  await paste(page, { "text/plain": "**schon** so\n\n- eins\n- zwei" });
  assert.equal(await value(), "\\*\\*schon\\*\\* so\n\n- eins\n- zwei");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("signs that are words are typed, taken back and pasted", async () => {
  const { context, page, complaints, go } = await office.desk({ lang: "de", scheme: "light", width: 1280, who: CLERK });
  await go("/campaigns/new");
  const { view, root, said, value, press, type } = await text(page);
  await view.waitFor();
  await view.focus();
  const empty = async () => { await press("ControlOrMeta+A"); await press("Delete"); assert.equal(await value(), ""); };
  const shows = async (html, kept) => { assert.equal(plain(await view.innerHTML()), html); assert.equal(await value(), kept); };
  // What is typed marks up, as before; the key right after gives back the signs, and they stay so.
  await empty();
  await type("**fett**");
  await shows("<p><b>fett</b></p>", "**fett**");
  await press("ControlOrMeta+z");
  await shows("<p>**fett**</p>", String.raw`\*\*fett\*\*`);
  await type(" und *schräg* und 2 * 3 *");
  await press("ControlOrMeta+z");
  await shows("<p>**fett** und <i>schräg</i> und 2 * 3 *</p>", String.raw`\*\*fett\*\* und *schräg* und 2 \* 3 \*`);
  await type(" 4");
  await shows("<p>**fett** und <i>schräg</i> und 2 * 3 * 4</p>", String.raw`\*\*fett\*\* und *schräg* und 2 \* 3 \* 4`);
  // A second time is the step before, and no markup comes back.
  await empty();
  await type("*a*");
  await press("ControlOrMeta+z");
  await shows("<p>*a*</p>", String.raw`\*a\*`);
  await press("ControlOrMeta+z");
  assert.doesNotMatch(await value(), /^\*a\*$/);
  await press("ControlOrMeta+Shift+z");
  await shows("<p>*a*</p>", String.raw`\*a\*`);
  // Lists, numbers, headings and links too.
  for (const [typed, more, html, kept] of [["- ", "eins", "<p>- eins</p>", String.raw`\- eins`], ["1. ", "Mai", "<p>1. Mai</p>", String.raw`1\. Mai`], ["## ", "x", "<p>## x</p>", String.raw`\## x`],
    ["[x](https://muster.example)", "!", "<p>[x](https://muster.example)!</p>", String.raw`\[x\](https://muster.example)!`]]) {
    await empty();
    await type(typed);
    await press("ControlOrMeta+z");
    await type(more);
    await shows(html, kept);
  }
  // Not right after, the key takes back what it always did.
  await empty();
  await type("*b*");
  await press("ArrowRight");
  await type(" c");
  await press("ControlOrMeta+z");
  assert.doesNotMatch(await value(), /\\/);
  // Escapes can be typed, and a backslash is one where nothing is to be escaped.
  await empty();
  await type(String.raw`\*a\* C:\Ordner\x`);
  await shows(String.raw`<p>*a* C:\Ordner\x</p>`, String.raw`\*a\* C:\Ordner\x`);
  // A button marks up what has signs in it.
  await press("ControlOrMeta+A");
  await press("Control+b");
  await shows(String.raw`<p><b>*a* C:\Ordner\x</b></p>`, String.raw`**\*a\* C:\Ordner\x**`);
  await empty();
  await type("5 * 6");
  await press("ControlOrMeta+A");
  await press("Control+b");
  await shows("<p><b>5 * 6</b></p>", String.raw`**5 \* 6**`);
  assert.equal(await said.innerText(), "");
  // Pasted signs are words, variables stay variables.
  await empty();
  await paste(page, { "text/html": "<p>*a* und <b>b*c</b> [x](https://muster.example) {{given_name}}</p>", "text/plain": "x" });
  await shows("<p>*a* und <b>b*c</b> [x](https://muster.example) {{given_name}}</p>", String.raw`\*a\* und **b\*c** \[x\](https://muster.example) {{given_name}}`);
  await empty();
  await paste(page, { "text/plain": String.raw`2 * 3 * 4 {{default x "*"}} \*` });
  assert.equal(await value(), String.raw`2 \* 3 \* 4 {{default x "*"}} \\\*`);
  // With its signs and back nothing is another.
  await empty();
  await type("*z*");
  await press("ControlOrMeta+z");
  await root.getByRole("button", { name: "Mit Zeichen" }).press("Enter");
  assert.equal(await value(), String.raw`\*z\*`);
  await root.getByRole("button", { name: "Formatiert" }).press("Enter");
  await view.waitFor();
  await shows("<p>*z*</p>", String.raw`\*z\*`);
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("every case of the server is shown as the mail has it, and kept as it stood", async () => {
  const { context, page, complaints, go } = await office.desk({ lang: "de", who: CLERK });
  await go("/campaigns/new");
  const { view } = await text(page);
  await view.waitFor();
  for (const one of cases.filter((c) => !c.unsure && !c.text.includes("\r"))) {
    const seen = await page.evaluate(([name, value]) => {
      const area = document.getElementById(name);
      area.value = value;
      area.dispatchEvent(new Event("input", { bubbles: true }));
      return { html: document.getElementById(`${name}-formatted`).innerHTML, kept: area.value };
    }, [FIELD, one.text]);
    assert.equal(seen.kept, one.text);
    assert.equal(plain(seen.html), plain(one.html) || "<p></p>", one.name);
  }
  assert.deepEqual(complaints, []);
  await context.close();
});

test("whoever writes with signs finds them the next time, and a text that needs them keeps them", async () => {
  const { context, page, complaints, go } = await office.desk({ lang: "de", scheme: "light", width: 1280, who: CLERK });
  await go("/campaigns/new");
  const { area, view, root, said } = await text(page);
  await view.waitFor();
  await page.evaluate((id) => { const a = document.getElementById(id); a.value = "{{! a * b }} und * c"; a.dispatchEvent(new Event("input", { bubbles: true })); }, FIELD);
  assert.ok(await area.isVisible());
  assert.match(await said.innerText(), /^Dieser Text bleibt mit Zeichen/);
  await root.getByRole("button", { name: "Mit Zeichen" }).press("Enter");
  await go("/campaigns/new");
  const bar = page.locator("[role=toolbar]").first();
  assert.ok(await bar.isVisible());
  await area.fill("Guten Tag {{given_name}}");
  await area.press("ControlOrMeta+A");
  await area.press("Control+b");
  assert.equal(await area.inputValue(), "**Guten Tag {{given_name}}**");
  await area.press("Control+b");
  assert.equal(await area.inputValue(), "Guten Tag {{given_name}}");
  await area.press("Control+k");
  assert.equal(await area.inputValue(), "[Guten Tag {{given_name}}](https://)");
  await page.keyboard.type("https://muster.example/");
  assert.equal(await area.inputValue(), "[Guten Tag {{given_name}}](https://muster.example/)");
  await area.fill("eins\nzwei");
  await area.press("ControlOrMeta+A");
  await bar.locator("button").first().focus();
  await page.keyboard.press("End");
  assert.equal(await page.evaluate(() => document.activeElement.value), "numbers");
  await page.keyboard.press("Enter");
  assert.equal(await area.inputValue(), "1. eins\n2. zwei");
  await page.keyboard.press("ControlOrMeta+z");
  assert.equal(await area.inputValue(), "eins\nzwei");
  await root.getByRole("button", { name: "Formatiert" }).press("Enter");
  await view.waitFor();
  assert.equal(plain(await view.innerHTML()), "<p>eins<br>zwei</p>");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("where the formatted text cannot be loaded, the text area is what there is", async () => {
  const { context, page, go } = await office.desk({ lang: "de", who: CLERK });
  await page.route("**/assets/formatted.*", (route) => route.abort());
  await go("/campaigns/new");
  const { area, said } = await text(page);
  await page.waitForFunction((id) => document.querySelector(`[data-rich='${id}'] [role=status]`).textContent, FIELD);
  assert.match(await said.innerText(), /^Der formatierte Text ließ sich nicht laden/);
  assert.ok(await area.isVisible());
  await context.close();
});
