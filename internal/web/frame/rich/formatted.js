// A text of blocks as it will look, in the place of its text area. The text area stays what is
// sent: it gets the markup with every change, and tells so, as if it had been typed.
import { baseKeymap, chainCommands, deleteSelection, splitBlock, toggleMark } from "prosemirror-commands";
import { closeHistory, history, redo, undo } from "prosemirror-history";
import { keymap } from "prosemirror-keymap";
import { Node } from "prosemirror-model";
import { EditorState, Selection } from "prosemirror-state";
import { EditorView } from "prosemirror-view";
import { alike, literally, pasted } from "./literal.js";
import { back, begin, forward, insert, leave, linesOf, turn } from "./lines.js";
import { parse, tidy, Unsure, usable, write } from "./markup.js";
import { reduce } from "./paste.js";
import { schema } from "./schema.js";

export { Unsure };

const { bold, italic, link } = schema.marks;
const KINDS = { heading: "h2", subheading: "h3", list: "ul", numbers: "ol" };

/** The blocks of a text. What is not changed is written again as it stood: kept remembers it. */
function read(text, kept) {
  let after = null;
  return parse(text).map(({ node, ...stood }) => {
    const block = Node.fromJSON(schema, node);
    kept.set(block, { ...stood, after });
    after = block;
    return block;
  });
}

/** What a document says: its text, and its blocks without what is only there while somebody writes. */
function said(doc, kept) {
  const list = [];
  let after = null;
  doc.forEach((block, _, index) => {
    const stood = kept.get(block);
    const node = stood ? block.toJSON() : tidy(block.toJSON());
    if (!node) return;
    list.push({ node, index, block: stood ? block : Node.fromJSON(schema, node), source: stood?.source, behind: stood?.behind, before: stood && stood.after === after ? stood.before : undefined });
    after = block;
  });
  return { text: write(list), list };
}

/** Whether the blocks that are shown are those that the text says; else what to put where. */
function differs(list, blocks) {
  let head = 0, tail = 0;
  while (head < list.length && head < blocks.length && alike(list[head].block, blocks[head])) head++;
  if (head === list.length && head === blocks.length) return null;
  const most = Math.min(list.length, blocks.length) - head;
  while (tail < most && alike(list.at(-1 - tail).block, blocks.at(-1 - tail))) tail++;
  return { first: head, last: list.length - tail, blocks: blocks.slice(head, blocks.length - tail) };
}

/** Where a document differs from what its text says. */
function span(doc, list, { first, last }) {
  const offset = (index) => { let at = 0; for (let i = 0; i < index; i++) at += doc.child(i).nodeSize; return at; };
  const from = offset(first < list.length ? list[first].index : doc.childCount);
  return { from, to: last > first ? offset(list[last - 1].index + 1) : from };
}

/** Shows a document as its text says, where both differ; the place of the caret stays. */
function corrected(state, list, wrong) {
  const { from, to } = span(state.doc, list, wrong), { blocks } = wrong;
  const tr = state.tr.replaceWith(from, to, blocks);
  const ends = from + blocks.reduce((sum, b) => sum + b.nodeSize, 0);
  const { head, $from } = state.selection;
  if (head >= from && head <= to) {
    const at = Math.max(from, Math.min(ends, ends - (to - head)));
    tr.setSelection(Selection.near(tr.doc.resolve(at), -1));
    // What is typed behind a sign that ended something is as it was before the sign began it.
    tr.setStoredMarks(state.storedMarks ?? $from.marks());
  }
  return tr;
}

/** Whether a mark or a kind is that of the selection, for the buttons. */
function states(state) {
  const { from, to, empty, $from } = state.selection;
  const has = (mark) => (empty ? !!mark.isInSet(state.storedMarks ?? $from.marks()) : state.doc.rangeHasMark(from, to, mark));
  const kinds = linesOf([$from.node(1) ?? state.doc.firstChild]).map((l) => l.kind);
  return { bold: has(bold), italic: has(italic), link: has(link), ...Object.fromEntries(Object.entries(KINDS).map(([name, kind]) => [name, kinds[0] === kind])) };
}

/** What typing leads to where all signs of the block are words. */
function asTyped(state, text) {
  const tr = state.tr.insertText(text);
  const at = tr.selection.$from.before(1);
  return state.apply(literally(tr, at, at + 1));
}

/** The ends of the link around the caret, and its address. */
function linkAt({ selection: { $from, from, to, empty }, doc }) {
  if (!empty) {
    let href = "";
    doc.nodesBetween(from, to, (node) => { href ||= link.isInSet(node.marks)?.attrs.href ?? ""; });
    return { from, to, href };
  }
  const at = $from.marks().find((m) => m.type === link) ?? link.isInSet($from.nodeAfter?.marks ?? []);
  if (!at) return { from, to, href: "" };
  const start = $from.start();
  let begins = from, ends = to;
  $from.parent.forEach((node, offset) => {
    if (!at.isInSet(node.marks)) return;
    const a = start + offset, b = a + node.nodeSize;
    if (a <= ends && b >= begins) { begins = Math.min(begins, a); ends = Math.max(ends, b); }
  });
  return { from: begins, to: ends, href: at.attrs.href };
}

/**
 * Opens a text area as a formatted text behind it. told(what, list) says a sentence of the
 * page ("" ends it), shown(states) how the buttons stand, ask() opens the field for an address;
 * closed(why) is called when the text can no longer be shown so. Throws Unsure at a text that
 * is not shown so from the beginning.
 */
export function open(area, { attributes, told, shown, ask, closed }) {
  const kept = new WeakMap();
  let mine = false, view, turned; // turned: what typing has just made markup of, and the same as words
  const stateOf = (text) => {
    const blocks = read(text, kept);
    return EditorState.create({ doc: schema.node("doc", null, blocks.length ? blocks : [schema.node("paragraph")]), plugins });
  };
  const put = (text) => {
    if (text === area.value) return;
    mine = true;
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    mine = false;
  };
  const give = (why) => { const to = closed; closed = () => {}; to(why); };
  /** Follows a change: shows what the text says, or refuses what a text cannot say. */
  const settle = (state, bound) => {
    const { text, list } = said(state.doc, kept);
    if (area.maxLength > 0 && text.length > area.maxLength && text.length > area.value.length) return { refused: "long" };
    let wrong;
    try { wrong = differs(list, read(text, kept)); } catch (e) {
      if (!(e instanceof Unsure)) throw e;
      return bound ? { refused: "cannot" } : { text, why: e.message };
    }
    if (!wrong) return { text };
    const { from, to } = span(state.doc, list, wrong);
    const literal = literally(state.tr, from, to);
    if (!bound) return { text, fix: corrected(state, list, wrong), words: state.apply(literal) };
    // Signs in the way of what a button or key is to mark up are words.
    const next = literal.docChanged && bound !== "again" ? settle(state.apply(literal), "again") : { refused: "cannot" };
    return next.refused ? next : { text: next.text, fix: literal };
  };
  function dispatch(tr) {
    let { state } = view.state.applyTransaction(tr);
    if (tr.docChanged && view.composing) {
      view.updateState(state);
      put(said(state.doc, kept).text);
      return;
    }
    if (tr.docChanged) {
      const { text, refused, fix, words, why } = settle(state, tr.getMeta("bound"));
      if (refused) { told(refused); return; }
      if (fix) state = state.apply(fix.setMeta("appendedTransaction", tr));
      // Signs that make markup one after the other ("**a*", then "**a**") are words together.
      const typed = tr.getMeta("typed");
      const further = words && turned?.doc === tr.before && typed !== undefined && asTyped(turned.words, typed);
      turned = words && typed !== undefined ? { doc: state.doc, words: further || words } : undefined;
      if (tr.getMeta("words")) turned = { doc: state.doc, words: tr.getMeta("words") };
      if (!tr.getMeta("tells")) told("");
      view.updateState(state);
      put(text);
      if (why) { give(why); return; }
    } else view.updateState(state);
    shown(states(view.state));
  }
  /** A command whose outcome a text must be able to say. */
  const bound = (command) => (state, to) => command(state, to && ((tr) => to(closeHistory(tr.setMeta("bound", true)))));
  const deed = (make, ...more) => (state, to) => {
    const tr = make(state, ...more);
    if (tr && to) to(closeHistory(tr));
    return !!tr;
  };
  const chipBefore = (state, to) => {
    const { $from, empty, from } = state.selection;
    if (!empty || $from.nodeBefore?.type !== schema.nodes.chip) return false;
    to?.(state.tr.delete(from - $from.nodeBefore.nodeSize, from));
    return true;
  };
  const lineBreak = (state, to) => {
    if (state.selection.$from.parent.type !== schema.nodes.paragraph) return splitBlock(state, to);
    to?.(state.tr.replaceSelectionWith(schema.nodes.hard_break.create()).scrollIntoView());
    return true;
  };
  /** Right after typing made markup: the signs that were typed, as words. */
  const untyped = (state, to) => {
    if (!turned || turned.doc !== state.doc) return undo(state, to);
    const { doc, selection } = turned.words;
    let before = state;
    undo(state, (tr) => { before = before.apply(tr); });
    view.updateState(before);
    const start = before.doc.content.findDiffStart(doc.content);
    const tr = before.tr;
    if (start !== null) tr.replaceWith(0, before.doc.content.size, doc.content);
    to(closeHistory(tr.setSelection(Selection.fromJSON(tr.doc, selection.toJSON())).scrollIntoView()));
    return true;
  };
  const backwards = chainCommands(deleteSelection, deed(back), chipBefore);
  const forwards = chainCommands(deleteSelection, deed(forward));
  const plugins = [
    history(),
    keymap({
      "Mod-z": untyped, "Mod-y": redo, "Mod-Shift-z": redo, "Mod-b": bound(toggleMark(bold)), "Mod-i": bound(toggleMark(italic)),
      "Mod-k": () => { ask(); return true; }, Enter: chainCommands(deed(leave), splitBlock), "Shift-Enter": lineBreak,
      Backspace: backwards, "Mod-Backspace": backwards, "Shift-Backspace": backwards, Delete: forwards, "Mod-Delete": forwards, "Mod-a": baseKeymap["Mod-a"],
    }),
  ];
  const paste = (html, text) => {
    const { lines, lost } = html ? reduce(html) : { lines: plain(text), lost: [] };
    const tr = insert(view.state, lines);
    if (lost.length) told("lost", lost);
    if (tr) view.dispatch(closeHistory(tr.setMeta("tells", lost.length > 0)));
  };
  const plain = (text) => {
    try { return linesOf(parse(pasted(text)).map(({ node }) => Node.fromJSON(schema, node))); } catch { return text.split(/\r?\n/).filter(Boolean).map((l, n) => ({ kind: "p", group: -n - 1, content: [schema.text(l)] })); }
  };
  const carried = (data) => {
    if (data) paste(data.getData("text/html"), data.getData("text/plain"));
    return true;
  };
  view = new EditorView((dom) => area.after(dom), {
    state: stateOf(area.value), attributes, dispatchTransaction: dispatch,
    handleTextInput: (v, from, to, text, usual) => {
      const tr = text === " " && from === to && begin(v.state, from);
      if (!tr) {
        v.dispatch(usual().setMeta("typed", text));
        return true;
      }
      v.dispatch(closeHistory(tr.setMeta("words", asTyped(v.state, text))));
      return true;
    },
    handleKeyDown: (_, event) => {
      if ((event.ctrlKey || event.metaKey) && "bik".includes(event.key.toLowerCase())) event.stopPropagation();
      return false;
    },
    // Before ProseMirror reads what is pasted: it would parse styles, which the page's policy forbids.
    handleDOMEvents: {
      paste: (_, event) => {
        event.preventDefault();
        return carried(event.clipboardData);
      },
      drop: (v, event) => {
        if (v.dragging) return false;
        event.preventDefault();
        const at = v.posAtCoords({ left: event.clientX, top: event.clientY });
        if (at) v.dispatch(v.state.tr.setSelection(Selection.near(v.state.doc.resolve(at.pos))));
        v.focus();
        return carried(event.dataTransfer);
      },
      click: (_, event) => { if (event.target.closest("a")) event.preventDefault(); return false; },
      // The form hears of changes from the text area.
      input: (_, event) => { event.stopPropagation(); return false; },
      compositionend: () => { setTimeout(() => { if (!view.isDestroyed) dispatchNothing(); }); return false; },
    },
  });
  /** Follows up what an input method wrote. */
  const dispatchNothing = () => {
    const { text, fix, why } = settle(view.state, false);
    if (fix) view.updateState(view.state.apply(fix));
    if (text !== undefined) put(text);
    if (why) give(why);
  };
  const follow = () => { if (!mine) { try { view.updateState(stateOf(area.value)); } catch (e) { if (!(e instanceof Unsure)) throw e; give(e.message); } } };
  area.addEventListener("input", follow);
  shown(states(view.state));
  return {
    focus: () => view.focus(),
    close() { area.removeEventListener("input", follow); view.destroy(); },
    do(what) {
      view.focus();
      if (what === "link") ask();
      else if (KINDS[what]) { const tr = turn(view.state, KINDS[what]); if (tr) view.dispatch(closeHistory(tr.setMeta("bound", true))); } else bound(toggleMark(what === "bold" ? bold : italic))(view.state, view.dispatch);
    },
    link: () => linkAt(view.state).href,
    /** Sets the address of the selection, or of the link around the caret; "" takes it away. */
    setLink(address) {
      const { from, to, href } = linkAt(view.state);
      const target = address.trim().replace(/[()]/g, (c) => (c === "(" ? "%28" : "%29"));
      let fits = false;
      try { fits = usable(target); } catch { /* the server may take it, this page cannot show it */ }
      if (target && (!fits || /[\s\])]/.test(target))) return false;
      let { tr } = view.state;
      if (from === to && target && !href) tr = tr.replaceSelectionWith(schema.text(target, [link.create({ href: target })]), false);
      else {
        tr = tr.removeMark(from, to, link);
        if (target) tr = tr.addMark(from, to, link.create({ href: target }));
      }
      view.dispatch(closeHistory(tr.setMeta("bound", true)));
      view.focus();
      return true;
    },
  };
}
