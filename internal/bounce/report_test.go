package bounce_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"stafette/internal/bounce"
	"stafette/internal/fault"
)

// mailOf joins a header and a body with the line ends mail has.
func mailOf(header, body string) []byte {
	return []byte(strings.ReplaceAll(strings.TrimSpace(header)+"\n\n"+body, "\n", "\r\n"))
}

func parse(t *testing.T, raw []byte) bounce.Report {
	t.Helper()
	r, err := bounce.ParseReport(raw, bounce.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const dsnHeader = `From: MAILER-DAEMON@mx.example.de
To: <b+abc.def@r.kunde.example>
Delivered-To: b+abc.def@r.kunde.example
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="bb"
`

func TestDeliveryStatus(t *testing.T) {
	r := parse(t, mailOf(dsnHeader, `--bb

Leider.
--bb
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.de
Original-Envelope-Id: dlv_1

Original-Recipient: rfc822; eva@alt.example
Final-Recipient: rfc822; eva@neu.example
Action: failed
Status: 5.0.0
Remote-MTA: dns; mx01.neu.example (192.0.2.1)
Diagnostic-Code: smtp; 550-5.1.1 no such
 user here

Final-Recipient: rfc822; max@neu.example
Action: delayed
Status: 4.4.1
--bb
Content-Type: text/rfc822-headers

From: a@kunde.example
Message-ID: <1234@kunde.example>
Subject: Ihre
 Buchung
--bb--
`))
	if r.Kind != bounce.KindDSN || r.ReportingMTA != "mx.example.de" || r.EnvelopeID != "dlv_1" || r.MessageID != "1234@kunde.example" {
		t.Errorf("got %+v", r)
	}
	if !slices.Equal(r.ReturnedTo, []string{"b+abc.def@r.kunde.example"}) {
		t.Errorf("returned to %q", r.ReturnedTo)
	}
	if len(r.Original) != 3 || r.Original[2].Value != "Ihre Buchung" {
		t.Errorf("original header %+v", r.Original)
	}
	if len(r.Recipients) != 2 {
		t.Fatalf("recipients %+v", r.Recipients)
	}
	eva, max := r.Recipients[0], r.Recipients[1]
	if eva.Final != "eva@neu.example" || eva.Address() != "eva@alt.example" || eva.Action != bounce.ActionFailed || eva.Status != "5.0.0" ||
		eva.Code != 550 || eva.Enhanced != "5.1.1" || eva.RemoteMTA != "mx01.neu.example" || eva.Reply != "550-5.1.1 no such user here" {
		t.Errorf("got %+v", eva)
	}
	if max.Action != bounce.ActionDelayed || max.Status != "4.4.1" {
		t.Errorf("got %+v", max)
	}
}

// TestUTF8Status reads the addresses of RFC 6533 in all their forms.
func TestUTF8Status(t *testing.T) {
	r := parse(t, mailOf(dsnHeader, `--bb
Content-Type: message/global-delivery-status

Final-Recipient: utf-8; m\x{fc}ller@example.de
Action: failed
Status: 5.1.1

Final-Recipient: utf-8; jörg@example.de
Action: failed
Status: 5.1.1

Final-Recipient: utf-8; x\x{0D}\x{0A}y@example.de
Action: failed
Status: 5.1.1
--bb--
`))
	var got []string
	for _, rcpt := range r.Recipients {
		got = append(got, rcpt.Final)
	}
	if len(got) != 3 || got[0] != "müller@example.de" || got[1] != "jörg@example.de" || strings.ContainsAny(got[2], "\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestComplaint(t *testing.T) {
	body := `--bb

This is an abuse report.
--bb
Content-Type: message/feedback-report

Feedback-Type: Abuse
User-Agent: FBL/1
Original-Rcpt-To: <eva@web.example>
Original-Rcpt-To: max@web.example
--bb
Content-Type: message/rfc822

From: a@kunde.example
To: eva@web.example
Message-ID: <1@kunde.example>

Text
--bb--
`
	r := parse(t, mailOf(dsnHeader, body))
	if r.Kind != bounce.KindComplaint || r.Feedback != "abuse" || r.MessageID != "1@kunde.example" || len(r.Recipients) != 2 || r.Recipients[0].Final != "eva@web.example" {
		t.Errorf("got %+v", r)
	}
	hidden := parse(t, mailOf(dsnHeader, strings.NewReplacer("<eva@web.example>", "redacted", "max@web.example", "redacted", "To: eva@web.example\n", "").Replace(body)))
	if hidden.Kind != bounce.KindComplaint || len(hidden.Recipients) != 1 || hidden.Recipients[0].Address() != "" {
		t.Errorf("hidden: got %+v", hidden)
	}
}

// TestProse reads bounces made for people, as the servers of the German-speaking
// countries and others write them.
func TestProse(t *testing.T) {
	tests := []struct {
		name, header, body string
		recipient          string
		action             bounce.Action
		class              bounce.Class
		hard               bool
	}{
		{"Exim", "From: Mail Delivery System <Mailer-Daemon@mx.example.de>\nX-Failed-Recipients: eva@example.de\nSubject: Mail delivery failed", `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  eva@example.de
    host mx.example.de [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<eva@example.de>:
    550 5.1.1 <eva@example.de>: Recipient address rejected: User unknown

------ This is a copy of the message, including all the headers. ------
Received: from x
`, "eva@example.de", bounce.ActionFailed, "user_unknown", true},
		{"Exim, warning", "From: Mailer-Daemon@mx.example.de\nSubject: Warning: message 1abc delayed 24 hours", `A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.example.de.

The address to which the message has not yet been delivered is:

  eva@example.de
    host mx.example.de [192.0.2.1]: 450 4.2.2 mailbox full

No action is required on your part.
`, "eva@example.de", bounce.ActionDelayed, "mailbox_full", false},
		{"GMX", "From: GMX Mailer Daemon <mailer-daemon@gmx.net>\nSubject: Mail delivery failed: returning message to sender", `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. This is a permanent error. The following address
failed:

"eva@web.de":
SMTP error from remote server after RCPT command:
host: mx-ha03.web.de
Requested action not taken: mailbox unavailable
550 For explanation visit https://postmaster.web.de/case?c=r0601

--- The header of the original message is following. ---

Received: from x
`, "eva@web.de", bounce.ActionFailed, "user_unknown", true},
		{"qmail", "From: MAILER-DAEMON@mx.example.de\nSubject: failure notice", `Hi. This is the qmail-send program at mx.example.de.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<eva@example.de>:
192.0.2.1 does not like recipient.
Remote host said: 552 5.2.2 Mailbox full
Giving up on 192.0.2.1.

--- Below this line is a copy of the message.

Return-Path: <a@kunde.example>
`, "eva@example.de", bounce.ActionFailed, "mailbox_full", false},
		{"Exchange in German", "From: Postmaster@firma.example\nSubject: Unzustellbar: Ihre Anfrage\nContent-Type: text/plain; charset=iso-8859-1", "Fehler bei der Nachrichtenzustellung an folgende Empf\xe4nger oder Gruppen:\n\neva@firma.example\nDie eingegebene E-Mail-Adresse konnte nicht gefunden werden.\n\nDiagnoseinformationen f\xfcr Administratoren:\n\nGenerierender Server: firma.example\n\neva@firma.example\nRemote Server returned '550 5.1.1 RESOLVER.ADR.RecipNotFound; not found'\n\nUrspr\xfcngliche Nachrichtenkopfzeilen:\n\nReceived: from x\n", "eva@firma.example", bounce.ActionFailed, "user_unknown", true},
		{"T-Online", "From: Mail Delivery System <MAILER-DAEMON@mailout.t-online.de>\nSubject: Nachricht unzustellbar", "Die folgende Nachricht konnte nicht zugestellt werden:\n\n<eva@t-online.de>:\n    550 user unknown\n", "eva@t-online.de", bounce.ActionFailed, "user_unknown", true},
		{"sendmail's transcript", "From: MAILER-DAEMON@mx.example.de\nSubject: Returned mail: see transcript for details", `   ----- The following addresses had permanent fatal errors -----
<eva@example.de>
    (reason: 554 5.7.1 Spam message rejected)

   ----- Transcript of session follows -----
... while talking to mx.example.de.:
>>> DATA
<<< 554 5.7.1 Spam message rejected
`, "eva@example.de", bounce.ActionFailed, "content_spam", false},
		{"Amazon SES", "From: no-reply@sns.amazonaws.com\nSubject: AWS Notification Message", `{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"eva@example.de","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]}}`, "eva@example.de", bounce.ActionFailed, "user_unknown", true},
		{"to ourselves", "From: MAILER-DAEMON@mx.example.de\nTo: eva@example.de\nSubject: failure notice", "I wasn't able to deliver your message.\n\n<eva@example.de>:\nSorry, no mailbox here by that name. (#5.1.1)\n", "eva@example.de", bounce.ActionFailed, "user_unknown", true},
	}
	table := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := parse(t, mailOf(tt.header, tt.body))
			if r.Kind != bounce.KindDSN || len(r.Recipients) != 1 {
				t.Fatalf("got %+v", r)
			}
			rcpt := r.Recipients[0]
			j := table.JudgeRecipient(r.Kind, rcpt)
			if rcpt.Final != tt.recipient || rcpt.Action != tt.action || j.Class != tt.class || j.Hard != tt.hard {
				t.Errorf("got %+v, judged %+v", rcpt, j)
			}
			if j.Permanent != (rcpt.Action == bounce.ActionFailed) {
				t.Errorf("permanent %v at action %s", j.Permanent, rcpt.Action)
			}
		})
	}
}

// TestNoBounce holds that answers of people and their programs suppress nobody.
func TestNoBounce(t *testing.T) {
	tests := []struct {
		name, header, body string
		kind               bounce.Kind
		feedback           string
	}{
		{"absence", "From: Eva <eva@example.de>\nSubject: Automatische Antwort: Ihre Buchung\nAuto-Submitted: auto-replied", "Ich bin bis zum 5. Mai nicht im Haus. Wenden Sie sich an max@example.de.", bounce.KindAutoReply, ""},
		{"absence without a field", "From: Eva <eva@example.de>\nSubject: Abwesenheitsnotiz", "Ich bin im Urlaub.", bounce.KindAutoReply, ""},
		{"Outlook", "From: Eva <eva@example.de>\nSubject: Re: Buchung\nX-Auto-Response-Suppress: All", "Danke.", bounce.KindAutoReply, ""},
		{"a person's answer", "From: Eva <eva@example.de>\nSubject: Re: Buchung", "Ja, gern. Bitte auch an max@example.de schicken.", bounce.KindUnknown, ""},
		{"a complaint in words", "From: Eva <eva@example.de>\nSubject: Re: Angebot", "Ihre E-Mail an max@example.de konnte nicht zugestellt werden, die Adresse existiert nicht.", bounce.KindUnknown, ""},
		{"an answer that speaks of numbers", "From: Eva <eva@example.de>\nSubject: Re: Angebot", "Wohnung 550 bitte, für max@example.de", bounce.KindUnknown, ""},
		{"unsubscribe", "From: Eva <eva@example.de>\nSubject: unsubscribe", "", bounce.KindComplaint, "opt-out"},
		{"Apple's unsubscribe", "From: Eva <eva@example.de>\nSubject: x\nX-Apple-Unsubscribe: true", "Apple Mail sent this", bounce.KindComplaint, "opt-out"},
	}
	table := load(t)
	for _, tt := range tests {
		r := parse(t, mailOf(tt.header, tt.body))
		if r.Kind != tt.kind || r.Feedback != tt.feedback {
			t.Errorf("%s: got %+v", tt.name, r)
		}
		for _, rcpt := range r.Recipients {
			if j := table.JudgeRecipient(r.Kind, rcpt); j.Hard || j.Permanent {
				t.Errorf("%s: judged %+v", tt.name, j)
			}
		}
	}
}

func TestReceipt(t *testing.T) {
	r := parse(t, mailOf(dsnHeader, "--bb\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; eva@example.de\nAction: relayed\nStatus: 2.1.5\n--bb--\n"))
	if j := load(t).JudgeRecipient(r.Kind, r.Recipients[0]); j.Class != bounce.Delivered || j.Permanent || j.Hard {
		t.Errorf("got %+v", j)
	}
}

// TestNotNowIsNeverHard holds the rule that costs customers when it is broken: codes
// that say "not now", and delays, never give an address up, whatever the words.
func TestNotNowIsNeverHard(t *testing.T) {
	table := load(t)
	for _, r := range []bounce.Recipient{
		{Action: bounce.ActionFailed, Status: "4.1.1", Reply: "user unknown"},
		{Action: bounce.ActionFailed, Code: 450, Enhanced: "4.1.1", Status: "5.1.1", Reply: "450 4.1.1 user unknown"},
		{Action: bounce.ActionDelayed, Status: "5.1.1", Reply: "550 5.1.1 user unknown", Code: 550},
		{Action: bounce.ActionDelayed, Reply: "host not found"},
		{Action: bounce.ActionFailed, Reply: "Name service error: Host not found, try again"},
		{Action: bounce.ActionDelivered, Reply: "250 user unknown", Code: 250},
	} {
		if j := table.JudgeRecipient(bounce.KindDSN, r); j.Hard {
			t.Errorf("%+v: judged %+v", r, j)
		}
	}
}

func TestProvider(t *testing.T) {
	for _, tt := range []struct {
		rcpt bounce.Recipient
		want string
	}{
		{bounce.Recipient{RemoteMTA: "mx00.emig.gmx.net", Final: "a@b.example"}, "gmx"},
		{bounce.Recipient{Final: "a@t-online.de"}, "tonline"},
		{bounce.Recipient{Reply: "554-gmx.net (mxgmx016) Nemesis ESMTP Service not available"}, "gmx"},
		{bounce.Recipient{Reply: "550 see https://postmaster.web.de/case?c=r0601"}, "webde"},
		{bounce.Recipient{Final: "a@b.example", Reply: "550 no"}, ""},
	} {
		if got := tt.rcpt.Provider(); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.rcpt, got, tt.want)
		}
	}
}

func TestParseReplies(t *testing.T) {
	type want struct {
		code            int
		enhanced, final string
		action          bounce.Action
	}
	tests := []struct {
		name, text string
		want       []want
	}{
		{"several lines", "554-gmx.net Nemesis ESMTP Service not available\r\n554-No SMTP service\r\n554 For explanation visit https://postmaster.gmx.net/case\r\n", []want{{554, "", "", bounce.ActionFailed}}},
		{"one after the other", "550 5.1.1 <a@b.example>: unknown\n421 4.7.0 later\n250 2.0.0 Ok\n", []want{
			{550, "5.1.1", "a@b.example", bounce.ActionFailed}, {421, "4.7.0", "", bounce.ActionDelayed}, {250, "2.0.0", "", bounce.ActionDelivered}}},
		{"folded by a log", "550 5.1.1 The account\nthat you tried\n", []want{{550, "5.1.1", "", bounce.ActionFailed}}},
		{"code alone", "550", []want{{550, "", "", bounce.ActionFailed}}},
		{"a log", "mx1: <a@b.example>: host mx.b.example[192.0.2.1] said: 550 5.1.1 unknown (in reply to RCPT TO command)\nnothing here\nto=<c@d.example> said: 450 4.2.2 full\n", nil},
		{"a log without a name in front", "<a@b.example>: host mx.b.example[192.0.2.1] said: 550 5.1.1 unknown (in reply to RCPT TO command)\nnothing here\nto=<c@d.example> said: 450 4.2.2 full\n", []want{
			{550, "5.1.1", "a@b.example", bounce.ActionFailed}, {450, "4.2.2", "c@d.example", bounce.ActionDelayed}}},
		{"no reply", "From: a@b.example\n\n550 no", nil},
		{"empty", "", nil},
	}
	for _, tt := range tests {
		got := bounce.ParseReplies([]byte(tt.text))
		if len(got) != len(tt.want) {
			t.Errorf("%s: got %+v", tt.name, got)
			continue
		}
		for i, w := range tt.want {
			if g := got[i]; g.Code != w.code || g.Enhanced != w.enhanced || g.Final != w.final || g.Action != w.action {
				t.Errorf("%s: got %+v, want %+v", tt.name, g, w)
			}
		}
	}
}

func TestMessages(t *testing.T) {
	box := "From a Thu Apr 29 23:34:45 2026\nSubject: 1\n\nFrom here on\n\nFrom b Thu Apr 29 23:34:45 2026\nSubject: 2\n\ntext\n"
	list := bounce.Messages([]byte(box))
	if len(list) != 2 || string(list[0])+"\n\n"+string(list[1]) != box {
		t.Errorf("got %q", list)
	}
	if one := bounce.Messages([]byte(box[40:])); len(one) != 1 {
		t.Errorf("no mailbox file: got %q", one)
	}
}

func TestParseReportRefuses(t *testing.T) {
	var deep strings.Builder
	deep.WriteString("Content-Type: multipart/mixed; boundary=b0\n\n")
	for range 30 {
		deep.WriteString("--b0\nContent-Type: multipart/mixed; boundary=b0\n\n")
	}
	for _, tt := range []struct{ name, raw, code string }{
		{"empty", "", "report_malformed"},
		{"no header", "\n\nhello", "report_malformed"},
		{"nested too deep", deep.String(), "report_too_complex"},
		{"too many parts", "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 300), "report_too_complex"},
	} {
		_, err := bounce.ParseReport([]byte(tt.raw), bounce.Limits{})
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != tt.code {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.code)
		}
	}
}

func TestLimits(t *testing.T) {
	body := "--bb\nContent-Type: message/delivery-status\n\n"
	for _, a := range []string{"a", "b", "c"} {
		body += "Final-Recipient: rfc822; " + a + "@example.de\nAction: failed\n\n"
	}
	raw := mailOf(dsnHeader, body+"--bb\nContent-Type: text/rfc822-headers\n\nA: 1\nB: 2\nC: 3\n--bb--\n")
	r, err := bounce.ParseReport(raw, bounce.Limits{Recipients: 2, Fields: 1})
	if err != nil || len(r.Recipients) != 2 || len(r.Original) != 1 {
		t.Errorf("got %+v (%v)", r, err)
	}
	r, err = bounce.ParseReport(raw, bounce.Limits{Bytes: len(dsnHeader) + 150})
	if err != nil || len(r.Recipients) == 3 {
		t.Errorf("cut: got %+v (%v)", r, err)
	}
}

// FuzzParseReport holds that no message makes the reader panic, and that what it
// returns is fit to be kept, printed and put into a line of text.
func FuzzParseReport(f *testing.F) {
	files, err := filepath.Glob("testdata/bounces/*-0[1-3].eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	table := load(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, rcpt := range bounce.ParseReplies(raw) {
			fit(t, rcpt)
		}
		r, err := bounce.ParseReport(raw, bounce.Limits{})
		if err != nil {
			return
		}
		if len(r.Recipients) > 1000 || r.Kind == "" || !oneLine(r.MessageID) {
			t.Errorf("%+v", r)
		}
		for _, rcpt := range r.Recipients {
			fit(t, rcpt)
			j := table.JudgeRecipient(r.Kind, rcpt)
			if j.Class == "" || j.Hard && (rcpt.Action != bounce.ActionFailed || rcpt.Code/100 == 4) {
				t.Errorf("%+v judged %+v", rcpt, j)
			}
		}
	})
}

func fit(t *testing.T, r bounce.Recipient) {
	t.Helper()
	if !oneLine(r.Final) || !oneLine(r.Original) || !oneLine(r.Status) || !oneLine(r.RemoteMTA) || len(r.Reply) > 4<<10 || !utf8.ValidString(r.Reply) {
		t.Errorf("%+v", r)
	}
}

func oneLine(s string) bool {
	return utf8.ValidString(s) && len(s) < 1000 && !strings.ContainsFunc(s, unicode.IsControl)
}

func BenchmarkParseReport(b *testing.B) {
	for _, name := range []string{"lhost-postfix-01", "lhost-exim-01", "arf-16"} {
		raw, err := os.ReadFile("testdata/bounces/" + name + ".eml")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bounce.ParseReport(raw, bounce.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
