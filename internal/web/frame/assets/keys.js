// Shortcuts of single keys, for those who want them: they can be switched off, and never act while somebody writes.

const keys = document.getElementById("shortcuts");

/** Whether a key stroke belongs to a control or a dialog. */
function writing(target) {
  return target.isContentEditable || /^(input|textarea|select)$/.test(target.localName) && target.type !== "checkbox"
    || document.querySelector("dialog[open], :popover-open") !== null;
}

/** Moves between the rows of the first table. */
function step(by) {
  const rows = [...document.querySelectorAll("main .table tbody tr")].filter((row) => row.querySelector("a"));
  if (rows.length === 0) return;
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(here + by, 0), rows.length - 1);
  rows[next].querySelector("td a, th a").focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

/** What single keys do; a key that is not here is left alone. */
const STROKES = {
  "?": () => keys.showModal(),
  "/": () => document.querySelector(".search input")?.select(),
  j: () => step(1),
  k: () => step(-1),
  x: () => document.activeElement.closest("tr")?.querySelector("input[name=pick]")?.click(),
  n: () => document.querySelector('.shell > .nav a[href="/messages/new"]')?.click(),
};

if (keys) {
  let leading = 0; // when g was struck
  const off = document.documentElement.dataset.keys === "off";
  document.addEventListener("keydown", (event) => {
    if (off || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented || writing(event.target)) return;
    const after = performance.now() - leading < 1500;
    leading = 0;
    if (after) {
      const goal = [...document.querySelectorAll(".shell > .nav [data-key]")].find((a) => a.dataset.key === event.key);
      if (goal) {
        event.preventDefault();
        goal.click();
        return;
      }
    }
    if (event.key === "g") {
      leading = performance.now();
      return;
    }
    const stroke = Object.hasOwn(STROKES, event.key) && STROKES[event.key];
    if (!stroke) return;
    event.preventDefault();
    stroke();
  });
  for (const button of document.querySelectorAll("[data-keys-open]")) {
    button.hidden = false;
    button.addEventListener("click", () => keys.showModal());
  }
  keys.addEventListener("click", (event) => event.target === keys && keys.close());
  keys.querySelector("[data-close]").addEventListener("click", () => keys.close());
}
