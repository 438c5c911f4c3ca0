// The markup of a text as a tree, and back. What it says is what internal/template/blocks
// (rich) makes of it: the same expressions in the same order, and a test there holds both to
// the same cases. It knows no browser and no editor.

const LINK = /\[([^\[\]\n]+)\]\(([^()\t\n\f\r ]+)\)/g;
const BOLD = /\*\*([^*\n]+)\*\*/g;
const ITALIC = /\*([^*\n]+)\*/g;
const TAG = /\{\{\{[^{}]*\}\}\}|\{\{[^{}]*\}\}/g;
const BARE_TAG = /\{\{[^{}]*\}\}/g;
const HEADED = /^#{2,3} [^\t\n\f\r ]/;
const NUMBERED = /^\d{1,3}\. /;
const MOST_ADDRESS = 2000; // bytes

/** Unsure is thrown at what this script does not read with certainty as the server does. */
export class Unsure extends Error {}

function all(pattern, text) {
  const found = [];
  pattern.lastIndex = 0;
  for (let m = pattern.exec(text); m; m = pattern.exec(text)) found.push(m);
  return found;
}

function bytes(text) {
  let n = 0;
  for (const c of text) {
    const code = c.codePointAt(0);
    n += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return n;
}

const escapesHold = (text) => !/%(?![0-9A-Fa-f]{2})/.test(text);

/** Whether an address may stand in a mail, as the server decides. */
export function usable(address) {
  const bare = address.replace(BARE_TAG, "x");
  if (bytes(address) > MOST_ADDRESS || /[\u0000-\u0020<>"\\{}]/.test(bare)) return false;
  if (bare.includes("\u007f")) throw new Unsure("address");
  if (address.startsWith("{{")) return true;
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(bare);
  if (!scheme || !["https", "http", "mailto", "tel"].includes(scheme[1].toLowerCase())) return false;
  const [whole, ...fragment] = bare.slice(scheme[0].length).split("#");
  if (!escapesHold(fragment.join("#"))) return false;
  const rest = whole.split("?")[0];
  if (!rest.startsWith("/")) return rest !== "";
  if (!rest.startsWith("//")) return false;
  const [host, ...path] = rest.slice(2).split("/");
  if (host === "") return false;
  if (!/^[A-Za-z0-9._~!$&'*+,;=\u0080-\uffff-]+(:\d*)?$/.test(host)) throw new Unsure("address");
  return escapesHold(path.join("/"));
}

/** Adds a piece to a line; words that look the same become one. */
function put(line, piece) {
  const last = line[line.length - 1];
  if (last && last.type === "text" && piece.type === "text" && JSON.stringify(last.marks) === JSON.stringify(piece.marks)) last.text += piece.text;
  else line.push(piece);
}

/** Which characters of a text bear a pair of signs, and which are such signs. */
function signed(text) {
  const gone = new Array(text.length).fill(false), bold = gone.slice(), italic = gone.slice();
  for (const m of all(BOLD, text)) {
    const end = m.index + m[0].length;
    gone[m.index] = gone[m.index + 1] = gone[end - 1] = gone[end - 2] = true;
    bold.fill(true, m.index + 2, end - 2);
  }
  // The server looks for italic in what bold left.
  const at = [];
  for (let i = 0; i < text.length; i++) if (!gone[i]) at.push(i);
  for (const m of all(ITALIC, at.map((i) => text[i]).join(""))) {
    const first = at[m.index], last = at[m.index + m[0].length - 1];
    gone[first] = gone[last] = true;
    italic.fill(true, first + 1, last);
  }
  return { gone, bold, italic };
}

function stars(line, text, href) {
  const { gone, bold, italic } = signed(text);
  const marks = (i) => [...(href ? [{ type: "link", attrs: { href } }] : []), ...(italic[i] ? [{ type: "italic" }] : []), ...(bold[i] ? [{ type: "bold" }] : [])];
  let from = 0;
  const words = (to) => {
    while (from < to) {
      if (gone[from]) { from++; continue; }
      let end = from + 1;
      while (end < to && !gone[end] && bold[end] === bold[from] && italic[end] === italic[from]) end++;
      put(line, { type: "text", text: text.slice(from, end), marks: marks(from) });
      from = end;
    }
  };
  for (const m of all(TAG, text)) {
    words(m.index);
    for (let i = m.index; i < m.index + m[0].length; i++) {
      if (gone[i] || bold[i] !== bold[m.index] || italic[i] !== italic[m.index]) throw new Unsure("variable");
    }
    line.push({ type: "chip", attrs: { source: m[0] }, marks: marks(m.index) });
    from = m.index + m[0].length;
  }
  words(text.length);
}

function inline(text) {
  const line = [];
  let at = 0;
  for (const m of all(LINK, text)) {
    stars(line, text.slice(at, m.index), "");
    if (usable(m[2])) stars(line, m[1], m[2]);
    else stars(line, m[0], "");
    at = m.index + m[0].length;
  }
  stars(line, text.slice(at), "");
  return line;
}

function listOf(lines) {
  if (lines.length === 0) return "";
  if (lines.every((l) => l.startsWith("- "))) return "bullet_list";
  return lines.every((l) => NUMBERED.test(l)) ? "ordered_list" : "";
}

/** The parts between empty lines, each with where it begins. */
function chunks(text) {
  const list = [];
  let at = 0;
  for (const raw of text.split("\n\n")) {
    const lead = /^[\n ]*/.exec(raw)[0].length;
    const inner = raw.slice(lead).replace(/[\n ]+$/, "");
    if (inner) list.push({ at: at + lead, text: inner });
    at += raw.length + 2;
  }
  return list;
}

const afterSign = (line) => line.slice(line.indexOf(" ") + 1);

/**
 * Reads a text: a list of {node, source, before, behind}, where node is a block as ProseMirror
 * writes it in JSON, source its text, and before and behind what stands around it.
 */
export function parse(text) {
  text = text.replace(/\r\n?/g, "\n");
  const list = [];
  let seen = 0;
  const add = (node, at, length) => {
    list.push({ node, source: text.slice(at, at + length), before: text.slice(seen, at), behind: "" });
    seen = at + length;
  };
  for (const chunk of chunks(text)) {
    let { at } = chunk;
    const lines = chunk.text.split("\n");
    while (lines.length > 0 && HEADED.test(lines[0])) {
      const line = lines.shift();
      add({ type: "heading", attrs: { level: line.indexOf(" ") }, content: inline(afterSign(line)) }, at, line.length);
      at += line.length + 1;
    }
    if (lines.length === 0) continue;
    const kind = listOf(lines), length = lines.join("\n").length;
    if (kind) add({ type: kind, content: lines.map((l) => ({ type: "list_item", content: inline(afterSign(l)) })) }, at, length);
    else add({ type: "paragraph", content: lines.flatMap((l, n) => [...(n ? [{ type: "hard_break" }] : []), ...inline(l)]) }, at, length);
  }
  if (list.length) list[list.length - 1].behind = text.slice(seen);
  return list;
}

const markOf = (piece, type) => (piece.marks ?? []).find((m) => m.type === type);
const words = (piece) => (piece.type === "text" ? piece.text : piece.type === "chip" ? piece.attrs.source : " ");

/** Writes pieces in groups that share a mark, each between signs. */
function grouped(pieces, key, around) {
  let out = "";
  for (let i = 0; i < pieces.length;) {
    const value = key(pieces[i]);
    let end = i + 1;
    while (end < pieces.length && key(pieces[end]) === value) end++;
    out += around(pieces.slice(i, end), value);
    i = end;
  }
  return out;
}

const wrap = (sign, inner) => (inner ? sign + inner + sign : "");

function line(pieces) {
  const bold = (list) => grouped(list, (p) => !!markOf(p, "bold"), (some, on) => (on ? wrap("**", some.map(words).join("")) : some.map(words).join("")));
  const italic = (list) => grouped(list, (p) => !!markOf(p, "italic"), (some, on) => (on ? wrap("*", bold(some)) : bold(some)));
  return grouped(pieces, (p) => markOf(p, "link")?.attrs.href ?? "", (some, href) => (href ? `[${italic(some)}](${href})` : italic(some)));
}

/** Takes white space, and breaks, off the ends of pieces; the server would. */
function trimmed(pieces, front = true) {
  const list = pieces.map((p) => ({ ...p }));
  const cut = (at, pattern) => {
    while (list.length) {
      const p = list.at(at);
      if (p.type === "text") p.text = p.text.replace(pattern, "");
      if (p.type === "chip" || p.type === "text" && p.text) return;
      list.splice(at, 1);
    }
  };
  if (front) cut(0, /^[\n ]+/);
  cut(-1, /[\n ]+$/);
  return list;
}

/** A block as it can be kept: without what is only there while somebody writes. null: nothing. */
export function tidy(node) {
  const content = node.content ?? [];
  if (node.type === "paragraph" || node.type === "heading") {
    const inner = trimmed(content);
    return inner.length ? { ...node, content: inner } : null;
  }
  const items = content.map((item) => ({ ...item, content: item.content ?? [] }));
  while (items.length) {
    const last = items.pop();
    const inner = trimmed(last.content, false);
    if (!inner.length) continue;
    items.push({ ...last, content: inner });
    return { ...node, content: items };
  }
  return null;
}

/** The text of one block. */
export function writeBlock(node) {
  const content = node.content ?? [];
  switch (node.type) {
    case "heading": return `${"#".repeat(node.attrs.level)} ${line(content)}`;
    case "bullet_list": return content.map((item) => `- ${line(item.content ?? [])}`).join("\n");
    case "ordered_list": return content.map((item, n) => `${Math.min(n + 1, 999)}. ${line(item.content ?? [])}`).join("\n");
  }
  const lines = [[]];
  for (const piece of content) {
    if (piece.type === "hard_break") lines.push([]);
    else lines.at(-1).push(piece);
  }
  return lines.map(line).join("\n");
}

/** Writes blocks that are tidy; those with a source as they stood. */
export function write(list) {
  return list.map((one, n) => (one.before ?? (n ? "\n\n" : "")) + (one.source ?? writeBlock(one.node)) + (n === list.length - 1 ? one.behind ?? "" : "")).join("");
}
