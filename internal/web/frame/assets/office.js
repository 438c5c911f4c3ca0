// Stafette: keeps pages fresh. Everything works without this file; it only saves the reader a reload.

/** Wait this long between two refreshes, so that a mailing does not turn the page into a mill. */
const PAUSE = 1500;

const page = document.body.dataset;
let source = null;
let due = null;
let last = 0;
let offline = null;
let missed = false;

/** Replaces what changed between the page and its newer self, keeping what the reader opened. */
function exchange(fresh) {
  for (const part of document.querySelectorAll("[data-fresh]")) {
    const next = fresh.getElementById(part.id);
    if (!next) continue;
    keepOpen(part, next);
    if (part.innerHTML === next.innerHTML) continue;
    if (busy(part)) {
      missed = true;
      continue;
    }
    const focus = part.contains(document.activeElement) ? pathTo(document.activeElement) : null;
    part.replaceChildren(...next.childNodes);
    if (focus) document.querySelector(focus)?.focus({ preventScroll: true });
  }
}

function keepOpen(part, next) {
  for (const details of part.querySelectorAll("details[id]")) {
    const twin = next.querySelector(`#${CSS.escape(details.id)}`);
    if (twin) twin.open = details.open;
  }
}

/** A question that stands open must not vanish under the reader's hand. */
function busy(part) {
  return part.querySelector(":popover-open") !== null;
}

/** Names an element so that it can be found again after the exchange. */
function pathTo(element) {
  const home = element.closest("[id]");
  if (!home) return null;
  if (home === element) return `#${CSS.escape(home.id)}`;
  const kind = element.localName;
  const place = [...home.querySelectorAll(kind)].indexOf(element);
  return place === 0 ? `#${CSS.escape(home.id)} ${kind}` : null;
}

async function refresh() {
  due = null;
  missed = false;
  last = performance.now();
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" }).catch(() => null);
  if (!answer?.ok) return;
  exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

function soon() {
  due ??= setTimeout(refresh, Math.max(120, PAUSE - (performance.now() - last)));
}

/** Whether a fact about a message concerns this page: on a message's own page only its own do. */
function concerns(message) {
  const own = location.pathname.match(/^\/messages\/(msg_[0-9a-z]+)$/);
  return !own || own[1] === message;
}

function tell(text) {
  if (!text) {
    offline?.remove();
    offline = null;
    return;
  }
  if (offline) return;
  offline = document.createElement("p");
  offline.className = "toast offline";
  offline.setAttribute("role", "status");
  offline.textContent = text;
  document.body.append(offline);
}

function listen() {
  if (source) return;
  let lost = 0;
  source = new EventSource(page.live);
  source.addEventListener("fact", (event) => concerns(event.data) && soon());
  source.addEventListener("open", () => {
    if (lost > 0) soon(); // what happened meanwhile was not told
    lost = 0;
    tell("");
  });
  source.addEventListener("error", () => {
    lost += 1;
    if (lost > 2 || source.readyState === EventSource.CLOSED) tell(page.interrupted);
  });
}

function rest() {
  source?.close();
  source = null;
}

if (page.live) {
  // A browser keeps few connections to one host: pages nobody looks at give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return rest();
    listen();
    soon();
  });
  document.addEventListener("toggle", (event) => missed && event.newState === "closed" && soon(), true);
  addEventListener("pagehide", rest);
  if (!document.hidden) listen();
}

// A second click on "Senden" is not a second message; the key in the form says so to the server too.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    const button = form.querySelector(".btn--primary") ?? form.querySelector("button");
    setTimeout(() => { button.disabled = true; button.classList.add("is-busy"); });
  });
}

// The search box is one key away, and says so only where this script makes it true.
const search = document.querySelector(".search input");
if (search) {
  const mac = /Mac|iPhone|iPad/.test(navigator.platform);
  const hint = document.createElement("kbd");
  hint.setAttribute("aria-hidden", "true");
  hint.textContent = mac ? "⌘ K" : document.documentElement.lang === "de" ? "Strg K" : "Ctrl K";
  search.after(hint);
  search.setAttribute("aria-keyshortcuts", mac ? "Meta+K" : "Control+K");
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(mac ? event.metaKey : event.ctrlKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
}

// A value can be taken to the clipboard where the browser allows it.
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  const word = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
    button.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = word; }, 2000);
  });
}

// Coming back by the browser's own button must find the form usable.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form[data-once] .is-busy")) {
    button.disabled = false;
    button.classList.remove("is-busy");
  }
});

document.getElementById("troubles")?.focus();
