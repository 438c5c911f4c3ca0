package smtp_test

import (
	"strings"
	"testing"

	"stafette/internal/message"
	"stafette/internal/smtp"
)

// TestReportParameters holds what of a client's wishes goes to which server.
func TestReportParameters(t *testing.T) {
	wishes := func(m smtp.Mail) smtp.Mail {
		m.Notify = message.NotifySuccess | message.NotifyDelay
		m.OriginalRecipient = message.OriginalRecipient{Type: "rfc822", Address: "x+y=z@mx.test"}
		m.Return, m.EnvelopeID = message.ReturnHeaders, "QQ 3+1"
		return m
	}
	x, y := wishes(mail("x@mx.test", "hi\r\n")), mail("y@mx.test", "yo\r\n")
	y.Notify = message.NotifyUnsaid
	never := mail("x@mx.test", "hi\r\n")
	never.Notify = message.NotifyNever
	// What no door lets in must not get out either.
	wild := mail("x@mx.test", "hi\r\n")
	wild.Notify = message.NotifyNever | message.NotifySuccess
	wild.OriginalRecipient = message.OriginalRecipient{Type: "rfc822", Address: "a\r\nQUIT"}
	wild.Return, wild.EnvelopeID = "FULL\r\nQUIT", "a\r\nQUIT"

	const (
		offered = "S: 220 mx.test ESMTP\nC: EHLO me.test\nS: 250-mx.test\nS: 250-DSN\nS: 250 PIPELINING\n"
		taken   = yes + "B: \"hi\\r\\n.\\r\\n\"\n"
	)
	for _, c := range []struct {
		name, script string
		mails        []smtp.Mail
		want         string
	}{
		{"offered", offered + "C: MAIL FROM:<a@me.test> RET=HDRS ENVID=QQ+203+2B1\n" +
			"C: RCPT TO:<x@mx.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By+3Dz@mx.test\nC: DATA\n" + taken +
			other + "S: 250 ok\n" + yes + "B: \"yo\\r\\n.\\r\\n\"\nS: 250 ok\n!end", []smtp.Mail{x, y}, "ok 250, ok 250"},
		{"not offered", pipe + envelope + taken + "S: 250 ok\n!end", []smtp.Mail{x}, "ok 250"},
		{"never", offered + "C: MAIL FROM:<a@me.test>\nC: RCPT TO:<x@mx.test> NOTIFY=NEVER\nC: DATA\n" + taken + "S: 250 ok\n!end", []smtp.Mail{never}, "ok 250"},
		{"injection", offered + "C: MAIL FROM:<a@me.test>\nC: RCPT TO:<x@mx.test> ORCPT=rfc822;a+0D+0AQUIT\nC: DATA\n" + taken + "S: 250 ok\n!end", []smtp.Mail{wild}, "ok 250"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(converse(t, c.script, nil, c.mails...), ", "); got != c.want {
				t.Errorf("have %s, want %s", got, c.want)
			}
		})
	}
}
