"""Sends one mail with smtplib over STARTTLS as described by a JSON object on
standard input: {host, port, mechanism, user, password, from, to, subject, text,
html, filename, content}. The mechanism is PLAIN or LOGIN. Prints the reply to the
final dot."""
import base64
import json
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

job = json.load(sys.stdin)
mail = EmailMessage()
mail["From"], mail["To"], mail["Subject"] = job["from"], job["to"], job["subject"]
mail["Date"], mail["Message-ID"] = formatdate(localtime=True), make_msgid(domain=job["from"].split("@")[1].rstrip(">"))
mail.set_content(job["text"])
mail.add_alternative(job["html"], subtype="html")
mail.add_attachment(base64.b64decode(job["content"]), maintype="application", subtype="pdf", filename=job["filename"])

context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with smtplib.SMTP(job["host"], job["port"], timeout=30) as server:
    server.starttls(context=context)
    server.ehlo()
    server.user, server.password = job["user"], job["password"]
    server.auth(job["mechanism"], getattr(server, "auth_" + job["mechanism"].lower()))
    refused = server.send_message(mail)
    assert not refused, refused
print(json.dumps({"messageId": mail["Message-ID"]}))
