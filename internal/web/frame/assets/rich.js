
// A text with markup has a toolbar, and is written as it will look (formatted.js, loaded with the
// page's last) or with its signs: then it is a text area, and the toolbar writes the signs that
// people could type. Whoever chooses one of the two finds it in all texts, and the next time.
const richSigns = { bold: "**", italic: "*" };
const richKeys = { b: "bold", i: "italic", k: "link" };
const richLines = { heading: () => "## ", subheading: () => "### ", list: () => "- ", numbers: (n) => `${n + 1}. ` };
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

/** Where this browser remembers how its reader writes. */
const richKept = {
  get signs() { try { return localStorage.getItem("rich") === "signs"; } catch { return false; } },
  set signs(on) { try { localStorage.setItem("rich", on ? "signs" : "formatted"); } catch { /* not kept, then */ } },
};
const richTexts = [];

/** What the formatted text says to screen readers: what the text area did. */
function richAttributes(area, font) {
  const label = document.querySelector(`label[for="${CSS.escape(area.id)}"]`);
  label.id = `${area.id}-label`;
  const list = { id: `${area.id}-formatted`, class: "rich-view", role: "textbox", "aria-multiline": "true", "aria-labelledby": label.id, spellcheck: "true", "data-font": font };
  for (const name of ["aria-describedby", "aria-invalid"]) if (area.hasAttribute(name)) list[name] = area.getAttribute(name);
  return list;
}

class RichText {
  constructor(root) {
    this.root = root;
    this.area = document.getElementById(root.dataset.rich);
    this.bar = root.querySelector("[role=toolbar]");
    this.buttons = [...this.bar.querySelectorAll("button")];
    this.how = root.querySelector("[data-rich-how]");
    this.said = root.querySelector("[role=status]");
    this.words = JSON.parse(root.dataset.words);
    this.asked = root.querySelector("[data-rich-link]");
    this.label = document.querySelector(`label[for="${CSS.escape(this.area.id)}"]`);
    this.label.addEventListener("click", () => this.view?.focus());
    this.hint = document.getElementById(`${this.area.id}-hint`);
    this.hintOfSigns = this.hint?.textContent;
    this.tools();
    this.link();
    for (const button of this.how.querySelectorAll("button")) button.addEventListener("click", () => richChoose(button.value === "signs"));
    this.bar.hidden = this.how.hidden = false;
  }

  tell(what, list) {
    const text = this.words[what] ?? "";
    this.said.textContent = list ? text.replace("{what}", new Intl.ListFormat(document.documentElement.lang).format(list.map((one) => this.words[one] ?? one))) : text;
  }

  /** One of the buttons is in the order of the tab key; arrows lead to the others. */
  tools() {
    const { bar, buttons, area } = this;
    const focusOn = (n) => {
      buttons.forEach((b, i) => { b.tabIndex = i === n ? 0 : -1; });
      buttons[n].focus();
    };
    buttons.forEach((b, n) => {
      b.tabIndex = n === 0 ? 0 : -1;
      b.addEventListener("click", () => (this.view ? this.view.do(b.value) : richDo(area, b.value)));
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
  }

  /** The field for the address of a link. What is typed there is no change of the form. */
  link() {
    const { asked } = this;
    const field = asked.querySelector("input");
    const wrong = asked.querySelector(".error");
    const end = () => {
      asked.hidden = true;
      this.view?.focus();
    };
    const set = (address) => {
      const fits = this.view.setLink(address);
      wrong.hidden = fits;
      field.toggleAttribute("aria-invalid", false);
      if (fits) { asked.hidden = true; return; }
      field.setAttribute("aria-invalid", "true");
      field.focus();
    };
    for (const kind of ["input", "change"]) asked.addEventListener(kind, (event) => event.stopPropagation());
    asked.addEventListener("keydown", (event) => {
      if (event.key === "Escape") end();
      if (event.key === "Enter" && event.target === field) set(field.value);
      if (event.key === "Escape" || event.key === "Enter" && event.target === field) { event.preventDefault(); event.stopPropagation(); }
    });
    asked.querySelector("[value=set]").addEventListener("click", () => set(field.value));
    asked.querySelector("[value=drop]").addEventListener("click", () => set(""));
    this.ask = () => {
      const address = this.view.link();
      field.value = address || "https://";
      asked.querySelector("[value=drop]").hidden = !address;
      wrong.hidden = true;
      field.removeAttribute("aria-invalid");
      asked.hidden = false;
      field.focus();
      field.setSelectionRange(address ? 0 : field.value.length, field.value.length);
    };
  }

  /** Shows the text as it will look; a text that cannot be, stays with its signs and says why. */
  format({ open, Unsure }) {
    if (this.view) return;
    const { area, root } = this;
    const focused = document.activeElement === area;
    try {
      this.view = open(area, {
        attributes: richAttributes(area, root.dataset.font),
        told: (what, list) => this.tell(what, list),
        shown: (states) => { for (const b of this.buttons) b.setAttribute("aria-pressed", String(!!states[b.value])); },
        ask: () => this.ask(),
        closed: (why) => {
          this.signs();
          this.tell(`unsure.${why}`);
          area.focus();
        },
      });
    } catch (e) {
      if (!(e instanceof Unsure)) throw e;
      this.tell(`unsure.${e.message}`);
      return;
    }
    const shown = document.getElementById(`${area.id}-formatted`);
    if (root.dataset.colour) shown.style.setProperty("--rich-colour", root.dataset.colour);
    area.hidden = true;
    if (this.hint) this.hint.textContent = this.words.hint;
    this.tell("");
    this.bar.setAttribute("aria-controls", shown.id);
    if (focused) this.view.focus();
  }

  signs() {
    this.tell("");
    if (!this.view) return;
    this.view.close();
    this.view = undefined;
    this.asked.hidden = true;
    this.area.hidden = false;
    if (this.hint) this.hint.textContent = this.hintOfSigns;
    this.bar.setAttribute("aria-controls", this.area.id);
    for (const b of this.buttons) b.removeAttribute("aria-pressed");
  }

  pressed(signs) {
    for (const b of this.how.querySelectorAll("button")) b.setAttribute("aria-pressed", String((b.value === "signs") === signs));
  }
}

async function richShow(signs) {
  for (const one of richTexts) one.pressed(signs);
  if (signs) {
    for (const one of richTexts) one.signs();
    return;
  }
  try {
    const script = await import(richTexts[0].root.dataset.richFrom);
    for (const one of richTexts) one.format(script);
  } catch {
    for (const one of richTexts) {
      one.signs();
      one.pressed(true);
      one.tell("failed");
    }
  }
}

function richChoose(signs) {
  richKept.signs = signs;
  void richShow(signs);
}

for (const root of document.querySelectorAll("[data-rich]")) richTexts.push(new RichText(root));
if (richTexts.length) {
  if (richKept.signs) void richShow(true);
  else {
    for (const one of richTexts) one.pressed(true);
    // After all that the page itself needs.
    const begin = () => void richShow(false);
    if (document.readyState === "complete") begin();
    else addEventListener("load", begin);
  }
}
