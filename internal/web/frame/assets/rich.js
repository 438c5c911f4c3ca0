
// A toolbar above a text with markup: it writes the signs that people could type. The text stays
// a text area, so screen readers, spell checkers and undoing work as everywhere.
const richSigns = { bold: "**", italic: "*" };
const richKeys = { b: "bold", i: "italic", k: "link" };
const richLines = { heading: () => "## ", list: () => "- ", numbers: (n) => `${n + 1}. ` };
const richMark = /^(#{2,3} |- |\d{1,3}\. )/;

/** Writes over a part of the text so that the browser can undo it, and selects a part of what was written. */
function richPut(area, from, to, text, select) {
  area.focus();
  area.setSelectionRange(from, to);
  if (!document.execCommand("insertText", false, text)) {
    area.setRangeText(text, from, to, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
  area.setSelectionRange(from + select[0], from + select[1]);
}

/** Puts signs around the selection, or takes them away. */
function richAround(area, sign) {
  const { value, selectionStart: from, selectionEnd: to } = area;
  const n = sign.length;
  if (value.slice(from - n, from) === sign && value.slice(to, to + n) === sign && (n > 1 || value.slice(from - 2, from) !== "**")) {
    richPut(area, from - n, to + n, value.slice(from, to), [0, to - from]);
    return;
  }
  richPut(area, from, to, sign + value.slice(from, to) + sign, [n, n + to - from]);
}

/** Begins each line of the selection with a sign, or takes it away where all of them have it. */
function richBegin(area, sign) {
  const { value } = area;
  const from = value.lastIndexOf("\n", area.selectionStart - 1) + 1;
  const end = value.indexOf("\n", area.selectionEnd);
  const to = end < 0 ? value.length : end;
  const lines = value.slice(from, to).split("\n");
  const off = lines.every((line, n) => line.startsWith(sign(n)));
  const text = lines.map((line, n) => (off ? "" : sign(n)) + line.replace(richMark, "")).join("\n");
  richPut(area, from, to, text, [text.length, text.length]);
}

/** Makes a link of the selection; what has to be typed next is selected. */
function richLink(area) {
  const { value, selectionStart: from, selectionEnd: to } = area;
  const words = value.slice(from, to) || "…";
  if (/^https?:\/\/\S+$/.test(words)) richPut(area, from, to, `[…](${words})`, [1, 2]);
  else richPut(area, from, to, `[${words}](https://)`, [words.length + 3, words.length + 11]);
}

function richDo(area, what) {
  if (richSigns[what]) richAround(area, richSigns[what]);
  else if (richLines[what]) richBegin(area, richLines[what]);
  else richLink(area);
}

for (const bar of document.querySelectorAll("[data-rich]")) {
  const area = document.getElementById(bar.dataset.rich);
  const buttons = [...bar.querySelectorAll("button")];
  const focusOn = (n) => {
    buttons.forEach((b, i) => { b.tabIndex = i === n ? 0 : -1; });
    buttons[n].focus();
  };
  buttons.forEach((b, n) => {
    b.tabIndex = n === 0 ? 0 : -1;
    b.addEventListener("click", () => richDo(area, b.value));
  });
  bar.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    focusOn((to + buttons.length) % buttons.length);
  });
  area.addEventListener("keydown", (event) => {
    const what = richKeys[event.key.toLowerCase()];
    if (!what || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    richDo(area, what);
  });
  bar.hidden = false;
}
