package smtpserver_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"stafette/internal/message"
)

// script is a foreign client: Python's smtplib and email packages, as scripts of offices
// use them. Certificates are not its subject here.
const script = `
import smtplib, ssl, sys
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
starttls, tls, key = sys.argv[1:]

def mail(policy):
    m = EmailMessage(policy=policy)
    m["From"], m["To"], m["Subject"] = "Müller <info@muster.example>", "eva@kunde.example", "Grüße aus Köln"
    m.set_content("schöne Grüße\n.\n..\n")
    m.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Exposé Müller.pdf")
    return m

host, port = starttls.split(":")
with smtplib.SMTP(host, int(port)) as s:
    s.starttls(context=context)
    s.login("apikey", key)
    s.send_message(mail(SMTP))

host, port = tls.split(":")
with smtplib.SMTP_SSL(host, int(port), context=context) as s:
    s.ehlo()
    s.user, s.password = "apikey", key
    print(s.auth("LOGIN", s.auth_login))
    s.send_message(mail(SMTPUTF8), "jürgen@müller.example", ["eva@kunde.example", "müller@kunde.example"])

with smtplib.SMTP_SSL(host, int(port), context=context) as s:
    try:
        s.login("apikey", "wrong")
    except smtplib.SMTPAuthenticationError as e:
        print(e.smtp_code)
`

func TestPythonClient(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	w := start(t, nil)
	cmd := exec.CommandContext(t.Context(), python, "-c", script, w.starttls, w.tls, keyText)
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := string(out); !strings.Contains(text, "235") || !strings.Contains(text, "535") {
		t.Errorf("output %q", text)
	}
	list := w.acceptor.submissions()
	if len(list) != 2 {
		t.Fatalf("%d messages, want 2", len(list))
	}
	for i, utf8 := range []bool{false, true} {
		in, err := message.Inspect(list[i].Raw, message.Limits{})
		if err != nil {
			t.Fatalf("message %d: %v\n%s", i, err, list[i].Raw)
		}
		if in.Subject != "Grüße aus Köln" || in.From.Name != "Müller" || in.UTF8 != utf8 {
			t.Errorf("message %d: subject %q, from %v, UTF8 %v", i, in.Subject, in.From, in.UTF8)
		}
		if len(in.Digests) != 1 || in.Digests[0].Filename != "Exposé Müller.pdf" || in.Digests[0].Size != 4 {
			t.Errorf("message %d: attachments %+v", i, in.Digests)
		}
	}
	if s := list[1]; s.Sender.String() != "jürgen@xn--mller-kva.example" || s.Recipients[1].Local != "müller" {
		t.Errorf("envelope %v %v", s.Sender, s.Recipients)
	}
}
