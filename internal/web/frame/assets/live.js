// Keeps pages fresh: facts arrive as server-sent events, and the page asks for itself again.

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
    part.dispatchEvent(new CustomEvent("fresh", { bubbles: true }));
    if (focus) document.querySelector(focus)?.focus({ preventScroll: true });
  }
}

function keepOpen(part, next) {
  for (const details of part.querySelectorAll("details[id]")) {
    const twin = next.querySelector(`#${CSS.escape(details.id)}`);
    if (twin) twin.open = details.open;
  }
  for (const box of part.querySelectorAll("input[name=pick]:checked")) {
    next.querySelector(`input[name=pick][value="${CSS.escape(box.value)}"]`)?.setAttribute("checked", "");
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

function listen() {
  if (source) return;
  let lost = 0;
  source = new EventSource(page.live);
  source.addEventListener("fact", (event) => concerns(event.data) && soon());
  source.addEventListener("open", () => {
    if (lost > 0) soon(); // what happened meanwhile was not told
    lost = 0;
    offline?.remove();
    offline = null;
  });
  source.addEventListener("error", () => {
    lost += 1;
    if (lost > 2 || source.readyState === EventSource.CLOSED) offline ??= toast(page.interrupted, { stays: true });
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

/** What goes on without facts about messages says so itself, and is asked for until it is over. */
async function again() {
  if (!document.hidden) await refresh();
  if (document.querySelector("[data-again]")) setTimeout(again, PAUSE);
}

if (document.querySelector("[data-again]")) setTimeout(again, PAUSE);
