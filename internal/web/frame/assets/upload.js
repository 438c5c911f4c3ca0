// Files on their way: how far they are, a way to stop, and what went wrong in words that name
// the file. Without script the form is sent as any other.

for (const form of document.querySelectorAll("form[data-upload]")) {
  form.addEventListener("submit", (event) => {
    const file = form.querySelector("input[type=file]")?.files[0];
    if (!file) return;
    event.preventDefault();
    if (form.querySelector(".upload")) return;
    send(form, file, event.submitter);
  });
}

/** The text of a form's word, with the name of the file and more put in. */
function told(form, word, values) {
  return form.dataset[word].replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

function send(form, file, submitter) {
  const words = { name: file.name };
  form.querySelector(".upload-trouble")?.remove();
  const most = Number(form.dataset.uploadMost);
  if (most && file.size > most) {
    fail(form, told(form, "uploadLarge", words));
    return;
  }
  const body = new FormData(form, submitter);
  const request = new XMLHttpRequest();
  const view = drawn(form, words, () => request.abort());
  const button = submitter ?? form.querySelector("button");
  button.disabled = true;
  const end = (trouble) => {
    view.box.remove();
    button.disabled = false;
    button.focus();
    if (trouble) fail(form, trouble);
  };
  let quarter = 0;
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    const percent = Math.floor((100 * event.loaded) / event.total);
    view.bar.value = percent;
    view.percent.textContent = `${percent} %`;
    // Who listens hears each quarter, not each percent.
    if (Math.floor(percent / 25) > quarter) {
      quarter = Math.floor(percent / 25);
      view.status.textContent = told(form, percent < 100 ? "uploadPart" : "uploadDone", { ...words, percent });
    }
  });
  request.addEventListener("abort", () => end(told(form, "uploadStopped", words)));
  request.addEventListener("error", () => end(told(form, "uploadBroken", words)));
  request.addEventListener("load", () => {
    if (request.status < 400) {
      location.assign(request.responseURL);
      return;
    }
    end(told(form, "uploadRefused", { ...words, why: reason(request.responseText) || request.statusText }));
  });
  request.open("POST", form.action);
  request.send(body);
}

/** What the page that refuses a file says is wrong with it. */
function reason(page) {
  const answer = new DOMParser().parseFromString(page, "text/html");
  const list = [...answer.querySelectorAll("#troubles p, .error")].map((one) => one.textContent.trim());
  return [...new Set(list)].join(" ") || answer.querySelector("h1")?.textContent.trim();
}

/** The bar with its words and the way to stop, below the form's buttons. */
function drawn(form, words, stop) {
  const box = document.createElement("div");
  box.className = "upload";
  const bar = document.createElement("progress");
  bar.max = 100;
  bar.value = 0;
  bar.setAttribute("aria-label", told(form, "upload", words));
  const percent = document.createElement("span");
  percent.className = "upload-percent";
  percent.setAttribute("aria-hidden", "true");
  percent.textContent = "0 %";
  const status = document.createElement("p");
  status.setAttribute("role", "status");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn--small";
  button.textContent = form.dataset.uploadStop;
  button.addEventListener("click", stop);
  box.append(bar, percent, button, status);
  form.append(box);
  status.textContent = told(form, "upload", words);
  return { box, bar, percent, status };
}

function fail(form, text) {
  const trouble = document.createElement("p");
  trouble.className = "error upload-trouble";
  trouble.setAttribute("role", "alert");
  form.append(trouble);
  trouble.textContent = text;
}
