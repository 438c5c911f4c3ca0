// Forms: no second sending, a word while work takes long, values to the clipboard.

// A second click on "Senden" is not a second message; the key in the form says so to the server too.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter ?? form.querySelector(".btn--primary");
    setTimeout(() => { button.disabled = true; button.classList.add("is-busy"); });
    if (form.dataset.once) setTimeout(() => toast(form.dataset.once, { progress: true }), 700);
  });
}

// Coming back by the browser's own button must find the form usable.
addEventListener("pageshow", (event) => {
  for (const button of document.querySelectorAll("form[data-once] .is-busy")) {
    button.disabled = false;
    button.classList.remove("is-busy");
  }
  if (event.persisted) document.getElementById("toasts")?.replaceChildren();
});

/** A value can be taken to the clipboard where the browser allows it. */
function offerCopies(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const from = document.getElementById(button.dataset.copy);
      await navigator.clipboard.writeText(from.value ?? from.textContent);
      toast(button.dataset.copied);
    });
  }
}
offerCopies(document);
document.addEventListener("fresh", (event) => offerCopies(event.target));

// What was just done is told once: a reload or a bookmark must not tell it again.
if (new URLSearchParams(location.search).has("done")) {
  const plain = new URL(location.href);
  plain.searchParams.delete("done");
  history.replaceState(history.state, "", plain);
}

// Print a page with everything on it that is folded away, and fold it again.
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("main details:not([open])")) {
    one.open = true;
    one.dataset.printed = "";
  }
});
addEventListener("afterprint", () => {
  for (const one of document.querySelectorAll("[data-printed]")) {
    one.open = false;
    delete one.dataset.printed;
  }
});

document.getElementById("troubles")?.focus();
