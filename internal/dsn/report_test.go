package dsn_test

import (
	"bytes"
	"net/mail"
	"os/exec"
	"strings"
	"testing"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/dsn"
	"stafette/internal/message"
)

var now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

const original = "From: info@muster.example\r\nTo: eva@kunde.example\r\nSubject: Rechnung\r\nMessage-ID: <1@muster.example>\r\n\r\nGuten Tag\r\n"

// sample is a report about one failure; change makes another of it.
func sample(change func(*dsn.Report, *dsn.Recipient)) dsn.Report {
	r := dsn.Report{
		From: message.Mailbox{Name: "E-Mail-Zustellung", Address: message.Address{Local: "MAILER-DAEMON", Domain: "muster.example"}},
		To:   message.Address{Local: "info", Domain: "muster.example"}, Subject: "Nicht zugestellt: Größe", Text: "Guten Tag,\n.\nnicht zugestellt\n",
		Date: now, About: "1@muster.example", ReportingMTA: "mail.stafette.example", EnvelopeID: "QQ 3+1", Arrived: now.Add(-time.Hour),
		Recipients: []dsn.Recipient{{
			Final: message.Address{Local: "eva", Domain: "kunde.example"}, Action: bounce.ActionFailed, Status: "5.1.1",
			Original:  message.OriginalRecipient{Type: "rfc822", Address: "e+va@kunde.example"},
			RemoteMTA: "mx.kunde.example", Diagnostic: "550 5.1.1 User unknown\nin virtual mailbox table", LastAttempt: now, LogID: "dlv_1",
		}},
		Original: []byte(original),
	}
	if change != nil {
		change(&r, &r.Recipients[0])
	}
	return r
}

// TestFields holds the machine-readable part to the letter.
func TestFields(t *testing.T) {
	const want = "Original-Envelope-Id: QQ 3+1\r\nReporting-MTA: dns; mail.stafette.example\r\nArrival-Date: Sun, 22 Nov 2026 08:30:00 +0000\r\n" +
		"\r\nOriginal-Recipient: rfc822;e+va@kunde.example\r\nFinal-Recipient: rfc822; eva@kunde.example\r\nAction: failed\r\nStatus: 5.1.1\r\n" +
		"Remote-MTA: dns; mx.kunde.example\r\nDiagnostic-Code: smtp; 550 5.1.1 User unknown in virtual mailbox table\r\n" +
		"Last-Attempt-Date: Sun, 22 Nov 2026 09:30:00 +0000\r\nFinal-Log-ID: dlv_1\r\n"
	text := string(dsn.Compose(sample(nil)))
	_, rest, _ := strings.Cut(text, "Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: 7bit\r\n\r\n")
	if have, _, _ := strings.Cut(rest, "\r\n--=_"); have != want {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
	for _, field := range []string{"To: <info@muster.example>\r\n", "Auto-Submitted: auto-replied\r\n", "In-Reply-To: <1@muster.example>\r\n",
		"Subject: =?utf-8?q?Nicht_zugestellt:_Gr=C3=B6=C3=9Fe?=\r\n"} {
		if !strings.Contains(text, field) {
			t.Errorf("no %q in\n%s", field, text)
		}
	}
}

// TestReadByOurselves reads each kind of report with the parser that reads others'.
func TestReadByOurselves(t *testing.T) {
	for name, change := range map[string]func(*dsn.Report, *dsn.Recipient){
		"failed":        nil,
		"whole message": func(r *dsn.Report, _ *dsn.Recipient) { r.Full = true },
		"delayed": func(_ *dsn.Report, p *dsn.Recipient) {
			p.Action, p.Status, p.RetryUntil = bounce.ActionDelayed, "4.2.1", now.Add(time.Hour)
			p.Diagnostic = "450 4.2.1 later"
		},
		"relayed": func(_ *dsn.Report, p *dsn.Recipient) {
			p.Action, p.Status, p.Diagnostic = bounce.ActionRelayed, "2.0.0", "250 2.0.0 taken"
		},
		"nobody answered": func(_ *dsn.Report, p *dsn.Recipient) {
			p.Diagnostic, p.RemoteMTA, p.Finding, p.Status = "", "", "connection refused", "4.4.7"
		},
		"UTF-8": func(r *dsn.Report, p *dsn.Recipient) {
			p.Final.Local, p.Original = "jörg", message.OriginalRecipient{Type: "utf-8", Address: "jörg@kunde.example"}
			r.Original = []byte(strings.Replace(original, "eva@", "jörg@", 1))
		},
		"gone":              func(r *dsn.Report, _ *dsn.Recipient) { r.Original = nil },
		"boundary foretold": func(r *dsn.Report, _ *dsn.Recipient) { r.Full, r.Original = true, foretold() },
	} {
		t.Run(name, func(t *testing.T) {
			report := sample(change)
			raw := dsn.Compose(report)
			if _, err := message.Inspect(raw, message.Limits{}); err != nil {
				t.Errorf("ingest would not take it: %v", err)
			}
			got, err := bounce.ParseReport(raw, bounce.Limits{})
			if err != nil || got.Kind != bounce.KindDSN || len(got.Recipients) != 1 || got.ReportingMTA != report.ReportingMTA || got.EnvelopeID != report.EnvelopeID {
				t.Fatalf("read as %+v, %v\n%s", got, err, raw)
			}
			want, have := report.Recipients[0], got.Recipients[0]
			if have.Final != want.Final.String() || have.Original != want.Original.Address || have.Action != want.Action || have.Status != want.Status || have.RemoteMTA != want.RemoteMTA {
				t.Errorf("recipient %+v, want %+v\n%s", have, want, raw)
			}
			if report.Original != nil && got.MessageID != "1@muster.example" {
				t.Errorf("about %q", got.MessageID)
			}
		})
	}
}

// foretold is a message by somebody who knows which boundary its report would have.
func foretold() []byte {
	first := dsn.Compose(sample(func(r *dsn.Report, _ *dsn.Recipient) { r.Full = true }))
	_, rest, _ := bytes.Cut(first, []byte(`boundary="`))
	boundary, _, _ := bytes.Cut(rest, []byte(`"`))
	forged := "--" + string(boundary) + "\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; other@kunde.example\r\nAction: delivered\r\nStatus: 2.0.0\r\n"
	return []byte(strings.Replace(original, "Guten Tag\r\n", forged, 1))
}

// TestReadByPython lets the standard library of another language take the reports
// apart.
func TestReadByPython(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("needs python3")
	}
	const script = `
import email, email.policy, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
text, status, original = m.iter_parts()
blocks = list(status.iter_parts())
print(m.get_content_type(), m.get_param("report-type"), text.get_content_type(), status.get_content_type(), original.get_content_type(), sep="|")
print(blocks[0]["Reporting-MTA"], blocks[0]["Original-Envelope-Id"], *(b["Final-Recipient"] + "|" + b["Action"] + "|" + b["Status"] for b in blocks[1:]), sep="|")
print(m["Subject"], m.defects, text.get_content().splitlines(), sep="|")
`
	report := sample(func(r *dsn.Report, _ *dsn.Recipient) {
		r.Full = true
		r.Recipients = append(r.Recipients, dsn.Recipient{Final: message.Address{Local: "max", Domain: "kunde.example"}, Action: bounce.ActionFailed, Status: "5.0.0"})
	})
	cmd := exec.CommandContext(t.Context(), "python3", "-c", script)
	cmd.Stdin = bytes.NewReader(dsn.Compose(report))
	cmd.Env = append(cmd.Environ(), "PYTHONIOENCODING=utf-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = "multipart/report|delivery-status|text/plain|message/delivery-status|message/rfc822\n" +
		"dns; mail.stafette.example|QQ 3+1|rfc822; eva@kunde.example|failed|5.1.1|rfc822; max@kunde.example|failed|5.0.0\n" +
		"Nicht zugestellt: Größe|[]|['Guten Tag,', '.', 'nicht zugestellt']\n"
	if string(out) != want {
		t.Errorf("have\n%s\nwant\n%s", out, want)
	}
}

func TestWhatComesBackIsBounded(t *testing.T) {
	large := []byte(original + strings.Repeat("0123456789\r\n", dsn.MaxReturned/12+1))
	if raw := dsn.Compose(sample(func(r *dsn.Report, _ *dsn.Recipient) { r.Full, r.Original = true, large })); !bytes.Contains(raw, []byte("text/rfc822-headers")) || len(raw) > 5000 {
		t.Errorf("%d bytes for a message too large", len(raw))
	}
	fields := []byte("From: info@muster.example\r\n" + strings.Repeat("X-Long: "+strings.Repeat("x", 900)+"\r\n", 100) + "\r\n\r\n")
	if raw := dsn.Compose(sample(func(r *dsn.Report, _ *dsn.Recipient) { r.Original = fields })); len(raw) > 70<<10 || len(raw) < 60<<10 {
		t.Errorf("%d bytes for a header too large", len(raw))
	}
}

// FuzzCompose: whatever servers and clients wrote, a report says of its recipients what
// it was told to, and is mail that may leave.
func FuzzCompose(f *testing.F) {
	f.Add("550 no\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; x@y.example", "mx.example", "a b", "Betreff", "body\r\n")
	f.Add("550 "+strings.Repeat("x", 5000), "\x00", "=?utf-8?q?x?=", "=?utf-8?q?x?=", "--=_report_\r\n")
	f.Add("\xff\u2028ü", "a;b", "", "\r\n.\r\n", "")
	f.Fuzz(func(t *testing.T, diagnostic, mta, envelope, subject, body string) {
		raw := dsn.Compose(sample(func(r *dsn.Report, p *dsn.Recipient) {
			p.Diagnostic, p.RemoteMTA, r.EnvelopeID, r.Subject, r.Text = diagnostic, mta, envelope, subject, subject
			r.Original, r.Full = []byte(original+body), message.CheckLines([]byte(body), 0) == nil
		}))
		if err := message.CheckLines(raw, 0); err != nil {
			t.Fatalf("%v in\n%q", err, raw)
		}
		if m, err := mail.ReadMessage(bytes.NewReader(raw)); err != nil || m.Header.Get("To") != "<info@muster.example>" || m.Header.Get("Auto-Submitted") == "" {
			t.Fatalf("header: %v in\n%q", err, raw)
		}
		got, err := bounce.ParseReport(raw, bounce.Limits{})
		if err != nil || got.Kind != bounce.KindDSN || len(got.Recipients) != 1 || got.Recipients[0].Action != bounce.ActionFailed || got.Recipients[0].Final != "eva@kunde.example" {
			t.Fatalf("read as %+v, %v\n%q", got, err, raw)
		}
	})
}
