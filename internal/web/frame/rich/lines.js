// A text as lines: each a paragraph's line, a heading or an item of a list. What changes the
// build of a text (lists, headings, joining, pasting) takes the lines of whole blocks, changes
// them and makes blocks again.
import { Fragment } from "prosemirror-model";
import { TextSelection } from "prosemirror-state";
import { schema } from "./schema.js";

const { paragraph, heading, bullet_list, ordered_list, list_item, hard_break } = schema.nodes;
let groups = 0;

/** A number for lines that belong together and to no others. */
export const group = () => ++groups;

/** The lines of blocks: {kind, group, content, from, to}; from and to are places in the document, counted from at. */
export function linesOf(blocks, at = 0) {
  const lines = [];
  for (const block of blocks) {
    const own = group();
    const add = (kind, content, from) => lines.push({ kind, group: own, content, from, to: from + Fragment.from(content).size });
    if (block.type === heading) add(`h${block.attrs.level}`, block.content.content, at + 1);
    else if (block.type === paragraph) {
      let content = [], from = at + 1, here = from;
      block.forEach((node) => {
        here += node.nodeSize;
        if (node.type !== hard_break) { content.push(node); return; }
        add("p", content, from);
        content = [];
        from = here;
      });
      add("p", content, from);
    } else {
      block.forEach((item, offset) => add(block.type === bullet_list ? "ul" : "ol", item.content.content, at + 1 + offset + 1));
    }
    at += block.nodeSize;
  }
  return lines;
}

/** Makes blocks of lines, and notes in each line where it begins, counted from at. */
export function blocksOf(lines, at = 0) {
  const blocks = [];
  for (let i = 0; i < lines.length;) {
    let end = i + 1;
    const { kind } = lines[i];
    while (end < lines.length && !kind.startsWith("h") && lines[end].kind === kind && lines[end].group === lines[i].group) end++;
    const some = lines.slice(i, end);
    let inner = [], here = at + 1;
    for (const line of some) {
      const content = Fragment.from(line.content);
      if (kind === "ul" || kind === "ol") {
        line.start = here + 1;
        inner.push(list_item.create(null, content));
        here += content.size + 2;
        continue;
      }
      if (inner.length) { inner.push(hard_break.create()); here++; }
      line.start = here;
      inner = inner.concat(content.content);
      here += content.size;
    }
    const inside = Fragment.fromArray(inner);
    if (kind === "p") blocks.push(paragraph.create(null, inside));
    else if (kind === "ul") blocks.push(bullet_list.create(null, inside));
    else if (kind === "ol") blocks.push(ordered_list.create(null, inside));
    else blocks.push(heading.create({ level: Number(kind[1]) }, inside));
    at += blocks.at(-1).nodeSize;
    i = end;
  }
  return blocks;
}

/**
 * Changes the lines of the blocks from to (places in the document). change gets lines and
 * returns {lines, anchor, head}, each end of the selection as {line, offset}; null: nothing.
 */
export function rewrite(state, from, to, change) {
  const $from = state.doc.resolve(from), $to = state.doc.resolve(to);
  const first = $from.index(0), last = Math.min($to.index(0), state.doc.childCount - 1);
  let start = 0;
  for (let i = 0; i < first; i++) start += state.doc.child(i).nodeSize;
  const blocks = [];
  for (let i = first; i <= last; i++) blocks.push(state.doc.child(i));
  const done = change(linesOf(blocks, start));
  if (!done) return null;
  const size = blocks.reduce((sum, b) => sum + b.nodeSize, 0);
  const tr = state.tr.replaceWith(start, start + size, blocksOf(done.lines, start));
  const place = ({ line, offset }) => line.start + offset;
  return tr.setSelection(TextSelection.create(tr.doc, place(done.anchor), place(done.head ?? done.anchor))).scrollIntoView();
}

/** Where a place of the document is within lines. */
export function within(lines, pos) {
  const line = lines.findLast((l) => pos >= l.from) ?? lines[0];
  return { line, offset: Math.max(0, Math.min(pos, line.to) - line.from) };
}

export const front = (line, offset) => Fragment.from(line.content).cut(0, offset).content;
export const rest = (line, offset) => Fragment.from(line.content).cut(offset).content;

/** Makes the selected lines a kind, or plain lines where all of them are of it. */
export function turn(state, kind) {
  const { from, to, anchor, head } = state.selection;
  return rewrite(state, from, to, (lines) => {
    const chosen = lines.filter((l) => l.from <= to && l.to >= from);
    const off = chosen.every((l) => l.kind === kind);
    const own = group();
    const ends = { anchor: within(lines, anchor), head: within(lines, head) };
    for (const line of chosen) Object.assign(line, { kind: off ? "p" : kind, group: own });
    return { lines, ...ends };
  });
}

/** Joins a line to the one before it; a line that is no plain one becomes plain first, unless sure. */
function join(state, pos, sure) {
  const $pos = state.doc.resolve(pos);
  const before = $pos.index(0) ? $pos.before(1) - 1 : pos;
  return rewrite(state, before, pos, (lines) => {
    const at = lines.findIndex((l) => l.from === pos);
    const line = lines[at];
    if (!sure && line.kind !== "p") {
      Object.assign(line, { kind: "p", group: group() });
      return { lines, anchor: { line, offset: 0 } };
    }
    if (at <= 0) return null;
    const into = lines[at - 1];
    const offset = Fragment.from(into.content).size;
    into.content = into.content.concat(line.content);
    if (into.kind === "p" && line.kind === "p") for (const l of lines) if (l.group === line.group) l.group = into.group;
    lines.splice(at, 1);
    return { lines, anchor: { line: into, offset } };
  });
}

/** What the key back does where a line begins. */
export function back(state) {
  const { empty, $from, from } = state.selection;
  if (!empty || $from.parentOffset !== 0) return null;
  return join(state, from, false);
}

/** What the key for deleting forward does where a block or an item ends. */
export function forward(state) {
  const { empty, $from, from } = state.selection;
  if (!empty || $from.parentOffset !== $from.parent.content.size) return null;
  const next = TextSelection.findFrom(state.doc.resolve($from.after()), 1, true);
  if (!next || next.from <= from) return null;
  return join(state, next.from, true);
}

/** An item without words that is ended is the end of its list. */
export function leave(state) {
  const { empty, $from } = state.selection;
  if (!empty || $from.parent.type !== list_item || $from.parent.content.size) return null;
  return back(state);
}

/** Makes a line of what a typed sign at its front says: "- ", "1. ", "## ". */
export function begin(state, from) {
  const $from = state.doc.resolve(from);
  if ($from.parent.type !== paragraph) return null;
  return rewrite(state, from, from, (lines) => {
    const { line, offset } = within(lines, from);
    const typed = front(line, offset);
    if (typed.length !== 1 || !typed[0].isText || schema.marks.literal.isInSet(typed[0].marks)) return null;
    const kind = typed[0].text === "-" ? "ul" : /^\d{1,3}\.$/.test(typed[0].text) ? "ol" : { "##": "h2", "###": "h3" }[typed[0].text];
    if (!kind) return null;
    Object.assign(line, { kind, group: group(), content: rest(line, offset) });
    return { lines, anchor: { line, offset: 0 } };
  });
}

/** Puts lines in the place of the selection. A single plain one goes into the line that is there. */
export function insert(state, lines) {
  if (!lines.length) return null;
  const { from, to } = state.selection;
  return rewrite(state, from, to, (there) => {
    const start = within(there, from), end = within(there, to);
    const head = front(start.line, start.offset), tail = rest(end.line, end.offset);
    const first = there.indexOf(start.line), last = there.indexOf(end.line);
    const put = lines.map((l) => ({ ...l }));
    if (put[0].kind === "p" && (head.length || start.line.kind !== "p" && start.line === end.line)) {
      Object.assign(put[0], { kind: start.line.kind, content: head.concat(put[0].content) });
      if (put.length === 1 || start.line.kind !== "p") put[0].group = start.line.group;
    } else if (head.length) put.unshift({ ...start.line, content: head });
    const line = put.at(-1), offset = Fragment.from(line.content).size;
    if (tail.length) {
      if (lines.at(-1).kind === "p") line.content = line.content.concat(tail);
      else put.push({ ...end.line, content: tail });
    }
    return { lines: [...there.slice(0, first), ...put, ...there.slice(last + 1)], anchor: { line, offset } };
  });
}
