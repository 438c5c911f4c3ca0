// Signs that are words: which look the same as those that mark up, and are written with escapes.
import { Fragment } from "prosemirror-model";
import { asWords, signsIn } from "./markup.js";
import { linesOf } from "./lines.js";
import { schema } from "./schema.js";

const { literal } = schema.marks;

/** A block by what is seen of it: signs that are words are as others. */
function seen(node) {
  if (node.isText) return node.mark(literal.removeFromSet(node.marks));
  return node.isLeaf ? node : node.copy(Fragment.fromArray(node.content.content.map(seen)));
}

/** Whether two blocks look the same. */
export const alike = (a, b) => a.eq(b) || seen(a).eq(seen(b));

/** What a line holds as one text, a character for each place in it. */
const flat = (content) => content.map((n) => (n.isText ? n.text : "\ufffc")).join("");

/** Makes words of all signs of the blocks between two places. */
export function literally(tr, from, to) {
  const { doc } = tr;
  let at = 0;
  doc.forEach((block) => {
    if (at >= from && at < to) {
      for (const line of linesOf([block], at)) {
        // What stands in a list or a heading does not begin its line.
        const lead = line.kind === "p" ? 0 : 1;
        for (const i of signsIn("\ufffc".repeat(lead) + flat(line.content))) tr.addMark(line.from + i - lead, line.from + i - lead + 1, literal.create());
      }
    }
    at += block.nodeSize;
  });
  return tr;
}

/** The content of a line that was pasted, whose asterisks, square brackets and backslashes are words. */
export function wordsOnly(content) {
  const signs = new Set(signsIn("\ufffc" + flat(content)));
  let at = 1;
  return content.flatMap((node) => {
    const begins = at;
    at += node.nodeSize;
    if (!node.isText) return [node];
    const list = [];
    for (let i = 0; i < node.text.length;) {
      const on = signs.has(begins + i);
      let end = i + 1;
      while (end < node.text.length && signs.has(begins + end) === on) end++;
      const piece = node.cut(i, end);
      list.push(on ? piece.mark(literal.create().addToSet(piece.marks)) : piece);
      i = end;
    }
    return list;
  });
}

/** A text that was pasted, as markup that says its words. */
export const pasted = (text) => text.split(/\r\n?|\n/).map(asWords).join("\n");
