// Verifies the DKIM signatures of a mail on standard input with a foreign
// implementation. The first argument is a JSON object of TXT records by name, the
// only names there are. Prints [{domain, selector, algorithm, result}]. With a second
// argument standard input is a JSON array of mails, and an array of those is printed.
import { dkimVerify } from "mailauth/lib/dkim/verify.js";

const records = JSON.parse(process.argv[2]);
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);

async function resolver(name, type) {
  const value = records[name.toLowerCase().replace(/\.$/, "")];
  if (type !== "TXT" || value === undefined) {
    throw Object.assign(new Error(`no ${type} for ${name}`), { code: "ENOTFOUND" });
  }
  return [[value]];
}

async function judge(mail) {
  const { results } = await dkimVerify(mail, { resolver });
  return results.map((r) => ({
    domain: r.signingDomain, selector: r.selector, algorithm: r.algo, result: r.status.result, why: r.status.comment ?? "",
  }));
}

const input = Buffer.concat(chunks);
const verdicts = [];
for (const mail of process.argv[3] ? JSON.parse(input) : [input]) verdicts.push(await judge(Buffer.from(mail)));
console.log(JSON.stringify(process.argv[3] ? verdicts : verdicts[0]));
