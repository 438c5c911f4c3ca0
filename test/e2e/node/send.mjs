// Sends one mail with nodemailer as described by a JSON object on standard input:
// {host, port, secure, user, password, from, to, subject, text, html, filename, content, dsn}
import nodemailer from "nodemailer";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const job = JSON.parse(Buffer.concat(chunks).toString("utf8"));

const transport = nodemailer.createTransport({
  host: job.host, port: job.port, secure: job.secure, requireTLS: !job.secure,
  auth: { user: job.user, pass: job.password },
  tls: { rejectUnauthorized: false },
});
const sent = await transport.sendMail({
  from: job.from, to: job.to, subject: job.subject, text: job.text, html: job.html,
  attachments: [{ filename: job.filename, content: Buffer.from(job.content, "base64"), contentType: "application/pdf" }],
  dsn: job.dsn,
});
console.log(JSON.stringify({ response: sent.response, messageId: sent.messageId }));
