// What the engine calls: mjml(source) gives {html, errors}.
import mjml2html from "mjml-browser";
globalThis.mjml = (source) => mjml2html(source, { validationLevel: "soft", minify: false, beautify: false, keepComments: false, ignoreIncludes: true, fonts: {} });
