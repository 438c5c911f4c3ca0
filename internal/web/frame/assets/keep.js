
// What is written is kept by itself once the writer pauses, unless another window was faster;
// a check that runs is looked at until it is over.
for (const form of document.querySelectorAll("[data-autosave]")) {
  const said = form.querySelector("[data-saved]");
  let pause, busy = false, again = false, over = false;
  const keep = async () => {
    if (busy || over) { again = true; return; }
    busy = true;
    said.textContent = said.dataset.saving;
    const answer = await fetch(form.dataset.autosave, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "error" })
      .then((r) => r.ok ? r.json() : null).catch(() => null);
    busy = false;
    if (answer?.clash) {
      over = true;
      said.textContent = said.dataset.clash;
    } else if (answer?.revision) {
      form.elements.revision.value = answer.revision;
      said.textContent = said.dataset.done.replace("…", new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" }));
    } else {
      said.textContent = answer?.wrong ?? said.dataset.failed;
    }
    if (again && !over) { again = false; void keep(); }
  };
  const later = (event) => {
    if (["add", "view", "contact"].includes(event.target.name)) return;
    clearTimeout(pause);
    pause = setTimeout(keep, 1500);
  };
  form.addEventListener("input", later);
  form.addEventListener("submit", (event) => { if (!event.submitter?.hasAttribute("data-draw")) clearTimeout(pause); }); // drawing saves nothing
}

function keepLooking() {
  if (document.querySelector("[data-running]")) setTimeout(async () => { await refresh(); keepLooking(); }, 2000);
}
keepLooking();
