// Tables: the bar for several rows appears with the first row picked, and counts.

for (const bar of document.querySelectorAll("form[data-bulk]")) {
  const words = bar.querySelector(".bulk-count");
  const every = bar.querySelector("input[name=all]");
  const boxes = () => [...document.querySelectorAll(`input[name=pick][form="${bar.id}"]`)];
  const show = () => {
    const picked = boxes().filter((box) => box.checked).length;
    bar.hidden = picked === 0 && !every.checked;
    words.textContent = every.checked ? "" : bar.dataset.bulk.replace("{n}", picked);
    const head = document.querySelector("th.pick input");
    if (head) {
      head.checked = picked > 0 && picked === boxes().length;
      head.indeterminate = picked > 0 && !head.checked;
    }
  };
  const headBox = () => {
    const head = document.querySelector("th.pick");
    if (!head || head.querySelector("input")) return;
    const box = document.createElement("input");
    box.type = "checkbox";
    box.setAttribute("aria-label", head.textContent);
    box.addEventListener("change", () => {
      for (const one of boxes()) one.checked = box.checked;
      show();
    });
    head.append(box);
  };
  // A range between two clicks with the shift key, as in mail programs.
  let before = null;
  document.addEventListener("click", (event) => {
    if (event.target.name !== "pick") return;
    const all = boxes();
    if (event.shiftKey && before && all.includes(before)) {
      const [from, to] = [all.indexOf(before), all.indexOf(event.target)].sort((a, b) => a - b);
      for (const box of all.slice(from, to + 1)) box.checked = event.target.checked;
    }
    before = event.target;
  });
  document.addEventListener("change", show);
  document.addEventListener("fresh", () => { headBox(); show(); });
  addEventListener("pageshow", show);
  headBox();
  show();
}
