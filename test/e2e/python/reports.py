"""Reads all delivery reports of a mailbox over IMAP and prints, as JSON, what the
standard library finds in each. Arguments: host, port, user, password."""
import email
import email.policy
import imaplib
import json
import sys

host, port, user, password = sys.argv[1:]
box = imaplib.IMAP4(host, int(port), timeout=30)
box.login(user, password)
box.select("INBOX", readonly=True)
_, found = box.search(None, "ALL")
reports = []
for number in found[0].split():
    _, answer = box.fetch(number, "(RFC822)")
    mail = email.message_from_bytes(answer[0][1], policy=email.policy.default)
    if mail.get_content_type() != "multipart/report":
        continue
    text, status, original = mail.iter_parts()
    message, *recipients = status.iter_parts()
    returned = next(original.iter_parts()) if original.get_content_type() == "message/rfc822" else \
        email.message_from_bytes(original.get_payload(decode=True), policy=email.policy.default)
    reports.append({
        "return_path": mail["Return-Path"], "auto_submitted": mail["Auto-Submitted"], "signed": mail["DKIM-Signature"] is not None,
        "text": text.get_content(), "original_type": original.get_content_type(), "subject": returned["Subject"],
        "mta": message["Reporting-MTA"], "envelope_id": message["Original-Envelope-Id"] or "",
        "recipients": [{
            "original": r["Original-Recipient"] or "", "final": r["Final-Recipient"], "action": r["Action"],
            "status": r["Status"], "diagnostic": r["Diagnostic-Code"] or "",
        } for r in recipients],
    })
print(json.dumps(reports))
