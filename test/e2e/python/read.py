"""Reads the mail with a Message-ID over IMAP and prints, as JSON, what a mail
program would show, beside the source in base64. Arguments: host, port, user,
password, Message-ID. Prints null if the mail is not there."""
import base64
import email
import email.policy
import hashlib
import imaplib
import json
import sys

host, port, user, password, wanted = sys.argv[1:]
box = imaplib.IMAP4(host, int(port), timeout=30)
box.login(user, password)
box.select("INBOX", readonly=True)
_, found = box.search(None, "HEADER", "Message-ID", '"%s"' % wanted)
numbers = found[0].split()
if not numbers:
    print("null")
    sys.exit()
_, answer = box.fetch(numbers[-1], "(RFC822)")
raw = answer[0][1]
mail = email.message_from_bytes(raw, policy=email.policy.default)
text = mail.get_body(("plain",))
html = mail.get_body(("html",))
print(json.dumps({
    "copies": len(numbers),
    "from": str(mail["From"]),
    "to": str(mail["To"]),
    "subject": str(mail["Subject"]),
    "text": text.get_content() if text else "",
    "html": html.get_content() if html else "",
    "attachments": [
        {"filename": part.get_filename(), "sha256": hashlib.sha256(part.get_content()).hexdigest()}
        for part in mail.iter_attachments()
    ],
    "raw": base64.b64encode(raw).decode(),
}))
