// Judges a mail on standard input by SPF, DKIM and DMARC with a foreign implementation.
// The first argument is a JSON object {records, ip, helo, sender}; records holds DNS
// data by "TYPE name", the only data there is. Prints {spf, dmarc, aligned: {spf, dkim}}.
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { evaluateDmarc } from "mailauth/lib/dmarc/index.js";
import { spf } from "mailauth/lib/spf/index.js";

const { records, ip, helo, sender } = JSON.parse(process.argv[2]);
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);

async function resolver(name, type) {
  const value = records[`${type} ${name.toLowerCase().replace(/\.$/, "")}`];
  if (value === undefined) throw Object.assign(new Error(`no ${type} for ${name}`), { code: "ENOTFOUND" });
  return type === "TXT" ? [[value]] : [value];
}

const signed = await dkimVerify(Buffer.concat(chunks), { resolver, sender });
const sent = await spf({ ip, helo, sender, resolver, mta: "mx.kunde.example" });
const { response: verdict } = await evaluateDmarc({
  headerFrom: signed.headerFrom, fromFields: signed.fromFields, resolver,
  spfDomains: sent.status.result === "pass" ? [sent.domain] : [],
  dkimDomains: signed.results.filter((r) => r.status.result === "pass").map((r) => ({ id: r.id, domain: r.signingDomain, aligned: r.status.aligned, underSized: r.status.underSized })),
});
console.log(JSON.stringify({
  spf: sent.status.result, dmarc: verdict.status.result,
  aligned: { spf: verdict.alignment.spf.result, dkim: verdict.alignment.dkim.result },
}));
