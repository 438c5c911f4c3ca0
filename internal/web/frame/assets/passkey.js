// Stafette: asks the browser for a passkey, to make one or to sign in with one. Only forms that bear data-passkey need it.

const capable = typeof globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON === "function";

/** Asks our server what to ask the browser, and puts the browser's answer into the form. */
async function askCredential(form) {
  const answer = await fetch(form.dataset.options, { method: "POST", headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`options: ${answer.status}`);
  const { options, token, first } = await answer.json();
  if (first) {
    location.assign(first);
    return false;
  }
  const credential =
    form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey) });
  form.elements.token.value = token;
  form.elements.response.value = JSON.stringify(credential.toJSON());
  return true;
}

for (const form of capable ? document.querySelectorAll("form[data-passkey]") : []) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector("[data-passkey-problem]");
    problem.hidden = true;
    try {
      if (await askCredential(form)) form.submit();
    } catch {
      problem.hidden = false;
    }
  });
}
