// Stafette: what the pages gain where scripts run. Everything works without; this only saves steps.
// The parts are put together in the order of assets.go and share one scope.

/** How long a short message stays, in milliseconds; longer while the reader is on it. */
const TOAST = 7000;

/**
 * Shows a short message at the edge of the page and reads it to screen readers.
 * With stays it remains until it is removed; with progress it bears a bar of unknown length.
 */
function toast(text, { stays = false, progress = false } = {}) {
  const place = document.getElementById("toasts");
  if (!place || !text) return null;
  const one = document.createElement("div");
  one.className = "toast";
  const words = document.createElement("span");
  words.textContent = text;
  one.append(words);
  if (progress) one.append(document.createElement("progress"));
  if (!progress) one.append(closer(place, one));
  place.append(one);
  if (!stays && !progress) fade(one);
  return one;
}

function closer(place, one) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = place.dataset.close;
  button.addEventListener("click", () => one.remove());
  return button;
}

function fade(one) {
  let timer = 0;
  const start = () => { timer = setTimeout(() => one.remove(), TOAST); };
  const stop = () => clearTimeout(timer);
  for (const type of ["pointerenter", "focusin"]) one.addEventListener(type, stop);
  for (const type of ["pointerleave", "focusout"]) one.addEventListener(type, start);
  start();
}
