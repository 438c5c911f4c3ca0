package smtpserver_test

import (
	"reflect"
	"strings"
	"testing"

	"stafette/internal/ingest"
	"stafette/internal/message"
)

// TestReportParameters holds what ingest is told of RFC 3461's parameters.
func TestReportParameters(t *testing.T) {
	address := func(local string) message.Address { return message.Address{Local: local, Domain: "kunde.example"} }
	w := start(t, clear)
	d := w.login(t)
	d.say("MAIL FROM:<info@muster.example> RET=hdrs ENVID=QQ+2B3+20x SMTPUTF8", "250 ")
	d.say("RCPT TO:<unsaid@kunde.example>", "250 ")
	d.say("RCPT TO:<eva@kunde.example> NOTIFY=delay,SUCCESS ORCPT=rfc822;e+2Bva@kunde.example", "250 ")
	d.say("RCPT TO:<max@kunde.example> NOTIFY=NEVER", "250 ")
	d.say(`RCPT TO:<jo@kunde.example> ORCPT=utf-8;j\x{F6}rg@kunde.example`, "250 ")
	d.say("DATA", "354 ")
	d.say("From: info@muster.example\r\n\r\nHallo\r\n.", "250 2.0.0")
	want := &ingest.Reports{Return: message.ReturnHeaders, EnvelopeID: "QQ+3 x", Recipients: map[message.Address]ingest.RecipientReports{
		address("eva"): {Notify: message.NotifySuccess | message.NotifyDelay, Original: message.OriginalRecipient{Type: "rfc822", Address: "e+va@kunde.example"}},
		address("max"): {Notify: message.NotifyNever},
		address("jo"):  {Original: message.OriginalRecipient{Type: "utf-8", Address: "jörg@kunde.example"}},
	}}
	if have := w.acceptor.only(t).Reports; !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v, want %+v", have, want)
	}
	// A new transaction begins with nothing said.
	d.say("MAIL FROM:<info@muster.example>", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	d.say("DATA", "354 ")
	d.say("From: info@muster.example\r\n\r\nHallo\r\n.", "250 2.0.0")
	if have := w.acceptor.submissions()[1].Reports; !reflect.DeepEqual(have, &ingest.Reports{}) {
		t.Errorf("have %+v, want nothing said", have)
	}
}

func TestReportParametersRefused(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	for _, parameter := range []string{
		"RET=SOME", "ENVID=", "ENVID=a+0D+0AX", "ENVID=" + strings.Repeat("x", 101), "ENVID=+", "ENVID=+G1",
		"ENVID=a ENVID=a", "RET=FULL ret=HDRS",
	} {
		d.say("MAIL FROM:<info@muster.example> "+parameter, "501 5.5.4")
	}
	d.say("MAIL FROM:<info@muster.example> SMTPUTF8", "250 ")
	for _, parameter := range []string{
		"NOTIFY=", "NOTIFY=NEVER,FAILURE", "NOTIFY=SUCCESS,SUCCESS", "NOTIFY=SOMETIMES", "NOTIFY=NEVER NOTIFY=FAILURE", "ORCPT=rfc822;a@b.example ORCPT=rfc822;c@d.example",
		"ORCPT=eva@kunde.example", "ORCPT=x400;eva", "ORCPT=rfc822;", "ORCPT=rfc822;a+0D+0AAction:+20delivered",
		`ORCPT=utf-8;a\x{09}b@kunde.example`, "ORCPT=rfc822;" + strings.Repeat("x", 500),
	} {
		d.say("RCPT TO:<eva@kunde.example> "+parameter, "501 5.5.4")
	}
}
