// What a text can say, and how the editor shows it: the elements the mail has.
import { Schema } from "prosemirror-model";

/** What a variable is called: its text without braces. */
const nameOf = (source) => source.replace(/^\{+~?|~?\}+$/g, "").trim() || source;

export const schema = new Schema({
  nodes: {
    doc: { content: "block+" },
    paragraph: { group: "block", content: "(text | chip | hard_break)*", parseDOM: [{ tag: "p" }], toDOM: () => ["p", 0] },
    heading: {
      group: "block", content: "(text | chip)*", attrs: { level: {} },
      parseDOM: [2, 3].map((level) => ({ tag: `h${level}`, attrs: { level } })), toDOM: (node) => [`h${node.attrs.level}`, 0],
    },
    bullet_list: { group: "block", content: "list_item+", parseDOM: [{ tag: "ul" }], toDOM: () => ["ul", 0] },
    ordered_list: { group: "block", content: "list_item+", parseDOM: [{ tag: "ol" }], toDOM: () => ["ol", 0] },
    list_item: { content: "(text | chip)*", parseDOM: [{ tag: "li" }], toDOM: () => ["li", 0] },
    text: {},
    hard_break: { inline: true, selectable: false, linebreakReplacement: true, parseDOM: [{ tag: "br" }], toDOM: () => ["br"], leafText: () => "\n" },
    chip: {
      inline: true, atom: true, attrs: { source: {} }, leafText: (node) => node.attrs.source,
      parseDOM: [{ tag: "span[data-tag]", getAttrs: (dom) => ({ source: dom.dataset.tag }) }],
      toDOM: ({ attrs: { source } }) => ["span", { class: "rich-tag", "data-tag": source, title: source }, nameOf(source)],
    },
  },
  marks: {
    link: {
      attrs: { href: {} }, inclusive: false, parseDOM: [{ tag: "a[href]", getAttrs: (dom) => ({ href: dom.getAttribute("href") }) }],
      toDOM: (mark) => ["a", { href: mark.attrs.href, title: mark.attrs.href }, 0],
    },
    italic: { parseDOM: [{ tag: "i" }], toDOM: () => ["i", 0] },
    bold: { parseDOM: [{ tag: "b" }], toDOM: () => ["b", 0] },
    // A sign that is a word: it looks like one, and is written with an escape where it needs one.
    literal: { inclusive: false, parseDOM: [{ tag: "span.rich-literal" }], toDOM: () => ["span", { class: "rich-literal" }, 0] },
  },
});
