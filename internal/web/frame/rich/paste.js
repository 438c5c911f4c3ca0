// What is pasted from other programs, reduced to what a text can say, and what was left out.
import { usable } from "./markup.js";
import { schema } from "./schema.js";
import { group } from "./lines.js";
import { wordsOnly } from "./literal.js";

const BLOCKS = new Set("ADDRESS ARTICLE ASIDE BLOCKQUOTE CAPTION DD DIV DL DT FIGCAPTION FIGURE FOOTER FORM HEADER MAIN NAV P PRE SECTION TABLE TBODY TFOOT THEAD TR".split(" "));
const SILENT = new Set("HEAD LINK META SCRIPT STYLE TEMPLATE TITLE".split(" "));
const LOST = { pictures: "IMG PICTURE SVG VIDEO AUDIO CANVAS OBJECT IFRAME", tables: "TABLE", looks: "U S STRIKE DEL SUP SUB CODE MARK FONT BIG SMALL HR INPUT SELECT TEXTAREA" };
const LOOKS = /(^|;)\s*(color|background(-color)?|font-family|font-size|text-decoration(-line)?|text-align)\s*:/i;
const TAG = /^\{\{\{?[^{}]*\}?\}\}$/;

const heading = (name) => ({ H1: "h2", H2: "h2", H3: "h3", H4: "h3", H5: "h3", H6: "h3" })[name];

/** The address of a link, if it may stand in a mail. */
function address(dom) {
  const href = (dom.getAttribute("href") ?? "").trim().replace(/[()]/g, (c) => (c === "(" ? "%28" : "%29"));
  try { return usable(href) ? href : ""; } catch { return ""; }
}

/** The marks of words within an element. */
function marked(dom, name, style, marks, lost) {
  const { bold, italic, link } = schema.marks;
  const weight = /font-weight\s*:\s*([\w]+)/i.exec(style)?.[1];
  const slant = /font-style\s*:\s*(\w+)/i.exec(style)?.[1];
  if (weight ? /^(bold|bolder|[6-9]00)$/i.test(weight) : name === "B" || name === "STRONG") marks = bold.create().addToSet(marks);
  if (weight && /^(normal|[1-5]00)$/i.test(weight)) marks = bold.removeFromSet(marks);
  if (slant ? /^(italic|oblique)$/i.test(slant) : name === "I" || name === "EM") marks = italic.create().addToSet(marks);
  if (slant && /^normal$/i.test(slant)) marks = italic.removeFromSet(marks);
  if (name === "A" && dom.hasAttribute("href")) {
    const href = address(dom);
    if (href) marks = link.create({ href }).addToSet(marks);
    else if (!dom.getAttribute("href").startsWith("#")) lost.add("links");
  }
  return marks;
}

/** Word writes items of lists as paragraphs; the sign stands in a part to be ignored. */
function wordItem(dom, style) {
  if (dom.nodeName !== "P" || !/mso-list\s*:/i.test(style)) return "";
  const sign = [...dom.querySelectorAll("[data-style]")].find((e) => /mso-list\s*:\s*ignore/i.test(e.dataset.style));
  return sign && /^\W*(\d+|[a-z]{1,3})[.)]/i.test(sign.textContent.trim()) ? "ol" : "ul";
}

/** HTML whose looks are words to be read: as styles, the page's policy would have them told as breaches of it. */
const quieted = (html) => html.replace(/<style[^>]*>[\s\S]*?(<\/style>|$)/gi, "").replace(/<[a-z][^<>]*>/gi, (tag) => tag.replace(/(["'\s])style(?=\s*=)/gi, "$1data-style"));

/** Reads HTML: {lines, lost}; lost names what was left out, as the words of the page do. */
export function reduce(html) {
  const lost = new Set(), lines = [];
  let wordGroup = 0;
  const open = (kind, own) => lines.push({ kind, group: own, content: [] });
  const words = (text, marks) => {
    const line = lines.at(-1) ?? (open("p", group()), lines.at(-1));
    const last = line.content.at(-1);
    text = text.replace(/[ \t\n\r\f]+/g, " ");
    if (!last || last.isText && last.text.endsWith(" ")) text = text.replace(/^ /, "");
    if (text) line.content.push(schema.text(text, marks));
  };
  const walk = (node, at) => {
    if (node.nodeType === 3) { words(node.data, at.marks); return; }
    if (node.nodeType !== 1) return;
    const name = node.nodeName.toUpperCase(), style = node.dataset?.style ?? "";
    if (SILENT.has(name) || /display\s*:\s*none|mso-list\s*:\s*ignore/i.test(style)) return;
    for (const [what, names] of Object.entries(LOST)) if (names.split(" ").includes(name)) lost.add(what);
    if (LOOKS.test(style)) lost.add("looks");
    if (TAG.test(node.dataset?.tag ?? "")) {
      if (!lines.length) open("p", group());
      lines.at(-1).content.push(schema.nodes.chip.create({ source: node.dataset.tag }, null, at.marks));
      return;
    }
    if (name === "BR") { if (at.kind === "p") open("p", at.group); else words(" ", at.marks); return; }
    const inner = { ...at, marks: marked(node, name, style, at.marks, lost) };
    const item = wordItem(node, style);
    if (item) Object.assign(inner, { kind: item, group: (wordGroup ||= group()) });
    else if (name === "P") wordGroup = 0;
    if (name === "UL" || name === "OL") {
      if (at.list) lost.add("levels");
      Object.assign(inner, { list: name.toLowerCase(), group: at.list === name.toLowerCase() ? at.group : group() });
    } else if (name === "LI") Object.assign(inner, { kind: at.list ?? "ul" });
    else if (heading(name)) Object.assign(inner, { kind: heading(name), group: group() });
    else if (BLOCKS.has(name) && !item && at.kind === "p") inner.group = group();
    if ((name === "TD" || name === "TH") && node.previousElementSibling) words(" ", at.marks);
    const stands = BLOCKS.has(name) || name === "LI" || heading(name);
    // A paragraph within an item or a cell is the item's or the cell's.
    const own = stands && !(BLOCKS.has(name) && (at.kind !== "p" || at.cell));
    if (own) open(inner.kind, inner.group);
    if (name === "TD" || name === "TH") inner.cell = true;
    node.childNodes.forEach((child) => walk(child, inner));
    if (own) open(at.kind, at.kind === "p" ? group() : at.group);
  };
  const body = new DOMParser().parseFromString(quieted(html), "text/html").body;
  body.childNodes.forEach((node) => walk(node, { kind: "p", group: 1, marks: [], list: "" }));
  const kept = lines.filter((l) => l.content.some((n) => !n.isText || n.text.trim()));
  for (const { content } of kept) {
    const last = content.at(-1);
    if (last.isText && last.text.endsWith(" ")) content.splice(-1, 1, ...(last.text.trim() ? [last.cut(0, last.text.trimEnd().length)] : []));
  }
  for (const line of kept) line.content = wordsOnly(line.content);
  return { lines: kept, lost: [...lost] };
}
