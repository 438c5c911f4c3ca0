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

/** Whether a sign could mean something, so that a backslash before it would be an escape: rest is the line from it on. */
function escapable(front, rest) {
  const ended = (n) => rest.length <= n || rest[n] === " ";
  switch (rest[0]) {
    case "*": case "[": case "]": return true;
    case "(": return front.endsWith("]");
    case "-": return /^ *$/.test(front) && ended(1);
    case "#": return /^ *$/.test(front) && /^#{1,3}(?!#)/.test(rest) && ended(/^#+/.exec(rest)[0].length);
    case ".": return /^ *[0-9]{1,3}$/.test(front) && ended(1);
  }
  return false;
}

/** Calls with each backslash run and each other piece of a line, tags of Handlebars whole: (kind, piece, front, rest). */
function scan(line, each) {
  const tags = all(BARE_TAG, line);
  for (let at = 0; at < line.length;) {
    const tag = tags[0]?.index === at && tags.shift()[0];
    const run = tag ? "" : /^\\*/.exec(line.slice(at))[0];
    const piece = tag || run || line[at];
    each(tag ? "tag" : run ? "run" : "sign", piece, line.slice(0, at), line.slice(at + piece.length));
    at += piece.length;
  }
}

/**
 * A line without its escapes: its words, the same with what was escaped hidden from whoever
 * looks for signs, and which characters were.
 */
function unescaped(line) {
  const seen = { words: "", signs: "", literal: [] };
  const add = (text, hidden) => {
    seen.words += text;
    seen.signs += hidden ? "x" : text;
    for (let i = 0; i < text.length; i++) seen.literal.push(hidden);
  };
  if (!line.includes("\\")) { add(line, false); return seen; }
  let odd = false;
  scan(line, (kind, piece, front, rest) => {
    if (kind === "run" && escapable(front, rest)) {
      for (let i = 0; i < piece.length >> 1; i++) add("\\", true);
      odd = piece.length % 2 === 1;
      return;
    }
    add(piece, odd);
    odd = false;
  });
  return seen;
}

const cut = ({ words, signs, literal }, from, to) => ({ words: words.slice(from, to), signs: signs.slice(from, to), literal: literal.slice(from, to) });

/**
 * Which characters of a line would have to be escaped to be words whatever stands around them;
 * tags are none, and a bracket for an address needs none behind an escaped one.
 */
export function signsIn(line) {
  const list = [];
  scan(line, (kind, piece, front, rest) => {
    if (kind === "run" || kind === "sign" && piece !== "(" && escapable(front, piece + rest)) for (let i = 0; i < piece.length; i++) list.push(front.length + i);
  });
  return list;
}

/** A line whose asterisks and square brackets are words. How it begins means what it meant. */
export function asWords(line) {
  let out = "";
  scan(line, (kind, piece, front, rest) => {
    if (kind === "run" && escapable(front, rest)) out += piece + piece;
    else out += kind === "sign" && /[*[\]]/.test(piece) ? `\\${piece}` : piece;
  });
  return out;
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

function stars(line, { words: text, signs, literal }, href) {
  const { gone, bold, italic } = signed(signs);
  const marks = (i) => [...(href ? [{ type: "link", attrs: { href } }] : []), ...(italic[i] ? [{ type: "italic" }] : []), ...(bold[i] ? [{ type: "bold" }] : []), ...(literal[i] ? [{ type: "literal" }] : [])];
  let from = 0;
  const words = (to) => {
    while (from < to) {
      if (gone[from]) { from++; continue; }
      let end = from + 1;
      while (end < to && !gone[end] && bold[end] === bold[from] && italic[end] === italic[from] && literal[end] === literal[from]) end++;
      put(line, { type: "text", text: text.slice(from, end), marks: marks(from) });
      from = end;
    }
  };
  for (const m of all(TAG, signs)) {
    words(m.index);
    for (let i = m.index; i < m.index + m[0].length; i++) {
      if (gone[i] || bold[i] !== bold[m.index] || italic[i] !== italic[m.index]) throw new Unsure("variable");
    }
    line.push({ type: "chip", attrs: { source: m[0] }, marks: marks(m.index) });
    from = m.index + m[0].length;
  }
  words(text.length);
}

function inline(seen) {
  const line = [];
  let at = 0;
  for (const m of all(LINK, seen.signs)) {
    const end = m.index + m[0].length, words = m.index + 1 + m[1].length;
    stars(line, cut(seen, at, m.index), "");
    // An address with what was escaped is none: the server knows no backslashes there.
    if (!seen.literal.slice(words, end).includes(true) && usable(m[2])) stars(line, cut(seen, m.index + 1, words), m[2]);
    else stars(line, cut(seen, m.index, end), "");
    at = end;
  }
  stars(line, cut(seen, at), "");
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

const afterSign = (line) => cut(unescaped(line), line.indexOf(" ") + 1);

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
    else add({ type: "paragraph", content: lines.flatMap((l, n) => [...(n ? [{ type: "hard_break" }] : []), ...inline(unescaped(l))]) }, at, length);
  }
  if (list.length) list[list.length - 1].behind = text.slice(seen);
  return list;
}

const markOf = (piece, type) => (piece.marks ?? []).find((m) => m.type === type);

/** Pieces of a line as [kind, text]: words as they were typed, words that are no signs, tags, and the signs of marks. */
const words = (piece) => (piece.type === "text" ? [markOf(piece, "literal") ? "literal" : "typed", piece.text] : piece.type === "chip" ? ["tag", piece.attrs.source] : ["typed", " "]);

/** Writes pieces in groups that share a mark, each between signs. */
function grouped(pieces, key, around) {
  const out = [];
  for (let i = 0; i < pieces.length;) {
    const value = key(pieces[i]);
    let end = i + 1;
    while (end < pieces.length && key(pieces[end]) === value) end++;
    out.push(...around(pieces.slice(i, end), value));
    i = end;
  }
  return out;
}

const wrap = (sign, inner) => (inner.some(([, text]) => text) ? [["mark", sign], ...inner, ["mark", sign]] : []);

/** Writes a line behind what begins it, with escapes where they are needed to be read as it stands. */
function line(pieces, begins = "") {
  const bold = (list) => grouped(list, (p) => !!markOf(p, "bold"), (some, on) => (on ? wrap("**", some.map(words)) : some.map(words)));
  const italic = (list) => grouped(list, (p) => !!markOf(p, "italic"), (some, on) => (on ? wrap("*", bold(some)) : bold(some)));
  const list = grouped(pieces, (p) => markOf(p, "link")?.attrs.href ?? "", (some, href) => (href ? [["mark", "["], ...italic(some), ["mark", `](${href})`]] : italic(some)));
  const rests = list.map((_, n) => list.slice(n + 1).map(([, text]) => text).join(""));
  let out = begins, run = []; // run: the backslashes before, whether each must be one
  const flush = (doubled) => {
    out += run.map((must) => (doubled?.(must) ? "\\\\" : "\\")).join("");
    run = [];
  };
  list.forEach(([kind, text], n) => {
    if (kind === "mark" || kind === "tag") {
      flush(kind === "mark" ? () => true : undefined);
      out += text;
      return;
    }
    for (let i = 0; i < text.length; i++) {
      if (text[i] === "\\") { run.push(kind === "literal"); continue; }
      if (kind === "typed" && !run.length) { out += text[i]; continue; }
      if (!escapable(out, text.slice(i) + rests[n])) flush();
      else if (kind === "typed") flush((must) => must);
      else {
        flush(() => true);
        out += "\\";
      }
      out += text[i];
    }
  });
  flush();
  return out;
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
    case "heading": return line(content, `${"#".repeat(node.attrs.level)} `);
    case "bullet_list": return content.map((item) => line(item.content ?? [], "- ")).join("\n");
    case "ordered_list": return content.map((item, n) => line(item.content ?? [], `${Math.min(n + 1, 999)}. `)).join("\n");
  }
  const lines = [[]];
  for (const piece of content) {
    if (piece.type === "hard_break") lines.push([]);
    else lines.at(-1).push(piece);
  }
  return lines.map((pieces) => line(pieces)).join("\n");
}

/** Writes blocks that are tidy; those with a source as they stood. */
export function write(list) {
  return list.map((one, n) => (one.before ?? (n ? "\n\n" : "")) + (one.source ?? writeBlock(one.node)) + (n === list.length - 1 ? one.behind ?? "" : "")).join("");
}
