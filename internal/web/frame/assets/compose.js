
// The hint about several addresses in one e-mail, and the way to send it separately, stand
// there as soon as there is a second address. Without scripts they always do.
const composeFields = ["to", "cc", "bcc"].map((name) => document.querySelector(`form.compose textarea[name="${name}"]`)).filter(Boolean);
const composeSeveral = document.querySelectorAll("form.compose [data-several]");

function composeAddresses(text) {
  return text.replace(/"(?:\\.|[^"\\])*"/g, "q").split(/[,;\r\n]/).filter((one) => one.trim()).length;
}

function composeTell() {
  const n = composeFields.reduce((sum, field) => sum + composeAddresses(field.value), 0);
  for (const part of composeSeveral) {
    part.hidden = n < 2;
    const told = part.querySelector("[data-many]");
    if (told && n > 1) told.textContent = told.dataset.many.replace("{n}", String(n));
  }
}

if (composeSeveral.length) {
  for (const field of composeFields) field.addEventListener("input", composeTell);
  composeTell();
}
