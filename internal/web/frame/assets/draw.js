
// A preview follows what is written, once the writer pauses; the button does it at once.
for (const form of document.querySelectorAll("[data-drawn]")) {
  const draw = form.querySelector("[data-draw]");
  let pause;
  const later = (event) => {
    if (event.target.name === "add") return;
    clearTimeout(pause);
    pause = setTimeout(() => form.requestSubmit(draw), 900);
  };
  if (form.dataset.drawn !== "once") form.addEventListener("input", later);
  // What was never saved has no address to be shown from.
  if (form.parentElement.querySelector("iframe[src='about:blank']")) form.requestSubmit(draw);
  form.addEventListener("submit", () => clearTimeout(pause));
}
