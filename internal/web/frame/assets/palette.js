// The command palette: every page of the navigation and everything the search finds, one key away.
// Without scripts the same search is an ordinary page.

const palette = document.getElementById("palette");
const mac = /Mac|iPhone|iPad/.test(navigator.platform);
/** Wait until the reader pauses, so that a word costs one question. */
const TYPING = 160;

/** The pages of the navigation that match, in its order. */
function pagesLike(text) {
  const seen = new Set();
  return [...document.querySelectorAll(".shell > .nav li a")].filter((a) => {
    const fits = a.textContent.trim().toLocaleLowerCase().includes(text) && !seen.has(a.href);
    if (fits) seen.add(a.href);
    return fits;
  }).map((a) => ({ text: a.textContent.trim(), href: a.href, icon: a.querySelector("use")?.getAttribute("href") }));
}

/** What the search page found, group by group. */
async function ask(text, signal) {
  const answer = await fetch(`${palette.dataset.search}?q=${encodeURIComponent(text)}`, { headers: { Accept: "text/html" }, redirect: "error", signal });
  if (!answer.ok) throw new Error(String(answer.status));
  const found = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [...found.querySelectorAll("main [data-find]")].map((group) => ({
    title: group.dataset.find,
    hits: [...group.querySelectorAll("a[data-detail]")].map((a) => ({
      text: a.textContent.trim(), detail: a.dataset.detail, href: a.getAttribute("href"), icon: a.dataset.icon && `#i-${a.dataset.icon}`,
    })),
  }));
}

function markOf(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "i");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", name);
  svg.append(use);
  return svg;
}

function optionOf(hit, n) {
  const one = document.createElement("a");
  one.setAttribute("role", "option");
  one.id = `palette-${n}`;
  one.href = hit.href;
  one.tabIndex = -1;
  one.append(markOf(hit.icon || "#i-search"));
  const words = document.createElement("span");
  words.textContent = hit.text;
  one.append(words);
  if (hit.detail) {
    const small = document.createElement("small");
    small.textContent = hit.detail;
    one.append(small);
  }
  return one;
}

function groupOf(title, hits, first) {
  const group = document.createElement("div");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", title);
  const head = document.createElement("div");
  head.className = "palette-head";
  head.setAttribute("aria-hidden", "true");
  head.textContent = title;
  group.append(head, ...hits.map((hit, i) => optionOf(hit, first + i)));
  return group;
}

if (palette) {
  const box = palette.querySelector("input");
  const list = palette.querySelector("[role=listbox]");
  const words = palette.dataset;
  let chosen = 0;
  let running = null;
  let typing = 0;

  const options = () => [...list.querySelectorAll("[role=option]")];
  const choose = (n) => {
    const all = options();
    chosen = all.length ? (n + all.length) % all.length : 0;
    all.forEach((one, i) => one.setAttribute("aria-selected", String(i === chosen)));
    box.setAttribute("aria-activedescendant", all[chosen]?.id ?? "");
    all[chosen]?.scrollIntoView({ block: "nearest" });
  };
  const draw = (groups) => {
    let n = 0;
    list.replaceChildren(...groups.filter((g) => g.hits.length).map((g) => {
      n += g.hits.length;
      return groupOf(g.title, g.hits, n - g.hits.length);
    }));
    choose(0);
  };
  const own = (text) => {
    const groups = [{ title: words.pages, hits: pagesLike(text.toLocaleLowerCase()) }];
    if (text && words.search) groups.push({ title: words.find, hits: [{ text: words.all.replace("{query}", text), href: `${words.search}?q=${encodeURIComponent(text)}` }] });
    return groups;
  };
  const wait = (on) => palette.toggleAttribute("data-waiting", on);
  const look = async (text) => {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    wait(true);
    try {
      const found = await ask(text, signal);
      const before = chosen;
      draw([...own(text), ...found.filter((g) => g.title !== words.pages)]);
      choose(before);
    } catch (problem) {
      if (problem.name !== "AbortError") toast(words.failed);
    } finally {
      if (!signal.aborted) wait(false);
    }
  };
  const type = () => {
    clearTimeout(typing);
    running?.abort();
    wait(false);
    const text = box.value.trim();
    draw(own(text));
    if (text.length > 1 && words.search) typing = setTimeout(look, TYPING, text);
  };

  box.addEventListener("input", type);
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      choose(chosen + step);
    }
    if (event.key === "Enter") {
      event.preventDefault();
      options()[chosen]?.click();
    }
  });
  list.addEventListener("click", () => palette.close());
  palette.addEventListener("click", (event) => event.target === palette && palette.close());

  const open = () => {
    if (document.querySelector("dialog[open]")) return;
    box.value = "";
    type();
    palette.showModal();
    box.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(mac ? event.metaKey : event.ctrlKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open();
  });
  for (const button of document.querySelectorAll("[data-palette]")) {
    button.hidden = false;
    button.addEventListener("click", open);
  }
  // The search box says which key opens the palette, only where this script makes it true.
  const search = document.querySelector(".search input");
  const hint = document.createElement("kbd");
  hint.setAttribute("aria-hidden", "true");
  hint.textContent = mac ? "⌘ K" : document.documentElement.lang === "de" ? "Strg K" : "Ctrl K";
  search?.after(hint);
  search?.setAttribute("aria-keyshortcuts", mac ? "Meta+K" : "Control+K");
}
