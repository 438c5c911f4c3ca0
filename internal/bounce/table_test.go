package bounce_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/dns"
	"stafette/internal/smtp"
)

func load(t testing.TB) *bounce.Table {
	t.Helper()
	table, err := bounce.Load()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func in(stage string, code int, enhanced, text string) bounce.Input {
	return bounce.Input{Code: code, Enhanced: enhanced, Text: text, Stage: stage}
}

func TestJudge(t *testing.T) {
	const (
		retry = ""
		final = "permanent"
		hard  = "permanent hard"
	)
	tests := []struct {
		name  string
		in    bounce.Input
		class bounce.Class
		scope bounce.Scope
		how   string
	}{
		// GMX and web.de: several lines, no enhanced codes, a case URL at the end.
		{"GMX, block list", in("greeting", 554, "", "gmx.net (mxgmx016) Nemesis ESMTP Service not available\nNo SMTP service\nIP address is block listed.\nFor explanation visit https://postmaster.gmx.net/en/case?c=r0201&i=ip&v=192.0.2.1&r=abc"), "ip_blocked", bounce.ScopeSource, final},
		{"GMX, PTR", in("greeting", 554, "", "gmx.net (mxgmx016) Nemesis ESMTP Service not available\nNo SMTP service\nBad DNS PTR resource record.\nFor explanation visit https://postmaster.gmx.net/en/case?c=r0101"), "ip_dns", bounce.ScopeSource, final},
		{"web.de, policy at the greeting", in("greeting", 554, "", "web.de (mxweb112) Nemesis ESMTP Service not available\nNo SMTP service\nReject due to policy restrictions."), "ip_blocked", bounce.ScopeSource, final},
		{"GMX, unknown user", in("rcpt", 550, "", "Requested action not taken: mailbox unavailable\nFor explanation visit https://postmaster.gmx.net/en/case?c=r0601"), "user_unknown", bounce.ScopeRecipient, hard},
		{"GMX, SPF", in("mail", 550, "", "Requested mail action not taken\nReject due to SPF policy."), "auth_missing", bounce.ScopeTenantDomain, final},
		{"GMX, rate", in("mail", 421, "", "gmx.net (mxgmx016) Rate limit reached. Please try again later"), "rate_limited", bounce.ScopeSite, retry},
		{"GMX, local error", in("dot", 451, "", "Requested action aborted: local error in processing"), "system_error", bounce.ScopeSite, retry},
		{"GMX, syntax", in("dot", 501, "", "Syntax error in parameters or arguments"), "malformed", bounce.ScopeMessage, final},
		// T-Online speaks of the address at connect, and refuses spam itself.
		{"T-Online, BL", in("greeting", 554, "", "IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de to clarify.) (BL)"), "ip_blocked", bounce.ScopeSource, final},
		{"T-Online, NOWL", in("greeting", 554, "", "IP=192.0.2.1 - None/bad reputation. Ask your postmaster for help or to contact tobr@rx.t-online.de for reset. (NOWL)"), "ip_blocked", bounce.ScopeSource, final},
		{"T-Online, DIAL", in("greeting", 554, "", "IP=192.0.2.1 - Dialup/transient IP not allowed. Use a mailgateway or contact toda@rx.t-online.de. (DIAL)"), "ip_dns", bounce.ScopeSource, final},
		{"T-Online, spam", in("dot", 550, "5.7.0", "Message considered as spam or virus, rejected"), "content_spam", bounce.ScopeMessage, final},
		{"Posteo, spam", in("dot", 554, "5.7.1", "Spam message rejected"), "content_spam", bounce.ScopeMessage, final},
		{"freenet, PTR", in("greeting", 550, "", "rejected: reverse DNS of 192.0.2.1 does not match"), "ip_dns", bounce.ScopeSource, final},
		// Gmail.
		{"Gmail, unknown", in("rcpt", 550, "5.1.1", "The email account that you tried to reach does not exist. Please try\ndouble-checking the recipient's email address for typos"), "user_unknown", bounce.ScopeRecipient, hard},
		{"Gmail, disabled", in("rcpt", 550, "5.2.1", "The email account that you tried to reach is disabled."), "mailbox_disabled", bounce.ScopeRecipient, final},
		{"Gmail, full", in("rcpt", 452, "4.2.2", "The recipient's inbox is out of storage space."), "mailbox_full", bounce.ScopeRecipient, retry},
		{"Gmail, full for long", in("rcpt", 552, "5.2.2", "The recipient's inbox is out of storage space and inactive."), "mailbox_full", bounce.ScopeRecipient, retry},
		{"Gmail, recipient's rate", in("rcpt", 450, "4.2.1", "The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered."), "rate_limited", bounce.ScopeSite, retry},
		{"Gmail, flood", in("dot", 421, "4.7.28", "Gmail has detected an unusual rate of unsolicited mail originating from your IP address."), "rate_limited", bounce.ScopeSite, retry},
		{"Gmail, PTR", in("dot", 550, "5.7.25", "The IP address sending this message does not have a PTR record setup"), "ip_dns", bounce.ScopeSource, final},
		{"Gmail, PTR for now", in("dot", 421, "4.7.23", "The IP address sending this message does not have a PTR record setup"), "ip_dns", bounce.ScopeSource, retry},
		{"Gmail, unauthenticated", in("dot", 550, "5.7.26", "Your email has been blocked because the sender is unauthenticated."), "auth_missing", bounce.ScopeTenantDomain, final},
		{"Gmail, SPF for now", in("dot", 421, "4.7.27", "Your email has been rate limited because SPF authentication didn't pass"), "auth_missing", bounce.ScopeTenantDomain, retry},
		{"Gmail, DMARC", in("dot", 421, "4.7.32", "Your email has been rate limited because the From: header is not aligned"), "auth_missing", bounce.ScopeTenantDomain, retry},
		{"Gmail, spam", in("dot", 550, "5.7.1", "Gmail has detected that this message is likely unsolicited mail."), "content_spam", bounce.ScopeMessage, final},
		// Microsoft.
		{"Microsoft, 5.7.515", in("dot", 550, "5.7.515", "Access denied, sending domain example.de doesn't meet the required authentication level."), "auth_missing", bounce.ScopeTenantDomain, final},
		{"Microsoft, S3140", in("mail", 550, "5.7.1", "Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140)."), "ip_blocked", bounce.ScopeSource, final},
		{"Microsoft, RP-001", in("mail", 421, "", "RP-001 (BAY004-MC1F22) Unfortunately, some messages from 192.0.2.1 weren't sent."), "rate_limited", bounce.ScopeSite, retry},
		{"Microsoft, SC-001", in("dot", 550, "", "SC-001 (COL004) Unfortunately, messages weren't sent."), "content_spam", bounce.ScopeMessage, final},
		{"Microsoft, edge", in("rcpt", 550, "5.4.1", "Recipient address rejected: Access denied."), "user_unknown", bounce.ScopeRecipient, hard},
		{"Microsoft, 5.1.10", in("dot", 550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"), "user_unknown", bounce.ScopeRecipient, hard},
		{"Exchange, group", in("dot", 550, "5.7.1", "RESOLVER.RST.AuthRequired; authentication required"), "recipient_restricted", bounce.ScopeRecipient, final},
		// Yahoo, Apple.
		{"Yahoo, TSS04", in("mail", 421, "4.7.0", "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints"), "rate_limited", bounce.ScopeSite, retry},
		{"Yahoo, BL21", in("greeting", 553, "5.7.1", "[BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list"), "ip_blocked", bounce.ScopeSource, final},
		{"Yahoo, no account", in("rcpt", 554, "", "delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com)"), "user_unknown", bounce.ScopeRecipient, hard},
		{"Yahoo, PH01", in("dot", 554, "5.7.9", "[PH01] Email not accepted for policy reasons."), "content_spam", bounce.ScopeMessage, final},
		{"iCloud, HME1", in("dot", 550, "5.7.1", "[HME1] This message was blocked for failing authentication"), "auth_missing", bounce.ScopeTenantDomain, final},
		{"iCloud, volume", in("mail", 421, "4.7.1", "Messages temporarily deferred due to excessive volume"), "rate_limited", bounce.ScopeSite, retry},
		// What common servers say.
		{"Postfix, unknown", in("rcpt", 550, "5.1.1", "<x@example.de>: Recipient address rejected: User unknown in virtual mailbox table"), "user_unknown", bounce.ScopeRecipient, hard},
		{"Postfix, unknown for now", in("rcpt", 450, "4.1.1", "<x@example.de>: Recipient address rejected: User unknown in virtual mailbox table"), "temporary", bounce.ScopeSite, retry},
		{"Postfix, greylisting", in("rcpt", 450, "4.2.0", "<x@example.de>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.de.html"), "greylisted", bounce.ScopeSite, retry},
		{"Postfix, sender unverified", in("rcpt", 550, "5.1.7", "<a@me.test>: Sender address rejected: undeliverable address: User unknown"), "sender_refused", bounce.ScopeTenantDomain, final},
		{"Postfix, access table", in("rcpt", 554, "5.7.1", "<x@example.de>: Recipient address rejected: Access denied"), "policy", bounce.ScopeMessage, final},
		{"Postfix, hostname", in("rcpt", 450, "4.7.1", "Client host rejected: cannot find your reverse hostname, [192.0.2.1]"), "ip_dns", bounce.ScopeSource, retry},
		{"Postfix, block list", in("rcpt", 554, "5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"), "ip_blocked", bounce.ScopeSource, final},
		{"Postfix, relaying", in("rcpt", 554, "5.7.1", "<x@example.de>: Relay access denied"), "relay_denied", bounce.ScopeSite, final},
		{"Postfix, size", in("mail", 552, "5.3.4", "Message size exceeds fixed limit"), "too_large", bounce.ScopeMessage, final},
		{"Exim, unrouteable", in("rcpt", 550, "", "Unrouteable address"), "user_unknown", bounce.ScopeRecipient, hard},
		{"disk full", in("mail", 452, "4.3.1", "Insufficient system storage"), "system_error", bounce.ScopeSite, retry},
		{"null MX told", in("rcpt", 556, "5.1.10", "Recipient address has null MX"), "domain_no_mail", bounce.ScopeRecipient, hard},
		{"521 at the greeting", in("greeting", 521, "", "mx.example.de does not accept mail"), "domain_no_mail", bounce.ScopeRecipient, hard},
		{"a spam filter's name in an address", in("rcpt", 550, "5.1.1", "<info@spamfilter-locked.de>: no such user"), "user_unknown", bounce.ScopeRecipient, hard},
		{"blocked is not locked", in("rcpt", 550, "", "you are blocked"), "ip_blocked", bounce.ScopeSource, final},
		// Words that only look like an unknown user.
		{"a command is not known", in("rcpt", 500, "5.5.1", "Command not recognized"), "rejected", bounce.ScopeRecipient, final},
		{"a header is not valid", in("dot", 550, "", "Message-ID header is invalid"), "malformed", bounce.ScopeMessage, final},
		{"an attachment is not valid", in("dot", 550, "", "the attachment is not valid"), "rejected", bounce.ScopeRecipient, final},
		{"the sender's domain does not exist", in("dot", 553, "", "neko.example.com does not exist"), "rejected", bounce.ScopeRecipient, final},
		{"a link on a list", in("dot", 550, "", "REJECTED - Blacklisted URL in message, see http://lookup.uribl.com"), "content_spam", bounce.ScopeMessage, final},
		{"a sender on a list", in("dot", 550, "", "Rejected by header based manually Blocked Senders"), "sender_refused", bounce.ScopeTenantDomain, final},
		// What a reporting host says of its own attempts.
		{"Exim, no way to the domain", in("", 0, "", "Unrouteable address"), "dns_no_domain", bounce.ScopeRecipient, hard},
		{"Postfix, found nothing for now", in("", 0, "4.4.3", "Name service error for name=example.de: Host not found, try again"), "dns_failed", bounce.ScopeSite, retry},
		{"Postfix, cannot connect", in("", 0, "4.4.1", "delivery temporarily suspended: connect to mx.example.de[192.0.2.1]:25: Connection refused"), "connect_failed", bounce.ScopeSession, retry},
		{"Exim, null MX", in("", 0, "", "an MX or SRV record indicated no SMTP service"), "domain_no_mail", bounce.ScopeRecipient, hard},
		{"qmail, gave up", in("", 0, "4.4.1", "I'm not going to try again; this message has been in the queue too long."), "expired", bounce.ScopeSite, retry},
		{"Orange, rate", in("mail", 421, "", "Too many connections, slow down. OFR004_104"), "rate_limited", bounce.ScopeSite, retry},
		{"Orange, spam", in("dot", 550, "5.2.0", "Mail rejete. Mail rejected. ofr_506 [506]"), "content_spam", bounce.ScopeMessage, final},
		{"Google Groups", in("", 0, "", "Dobrý den\n* Skupina možná není otevřena\nGoogle Groups"), "recipient_restricted", bounce.ScopeRecipient, final},
		// Nothing known.
		{"4xx", in("rcpt", 451, "", "hm"), "temporary", bounce.ScopeSite, retry},
		{"5xx", in("rcpt", 550, "", "no"), "rejected", bounce.ScopeRecipient, final},
		{"5xx at the greeting", in("greeting", 554, "", "no"), "ip_blocked", bounce.ScopeSource, final},
		{"421 at the greeting", in("greeting", 421, "", "no"), "temporary", bounce.ScopeSite, retry},
		{"a DSN that quotes no reply", in("", 0, "5.1.1", ""), "user_unknown", bounce.ScopeRecipient, hard},
		{"a DSN that gave up", in("", 0, "4.4.7", ""), "expired", bounce.ScopeSite, retry},
		{"nothing at all", in("", 0, "", ""), "rejected", bounce.ScopeRecipient, final},
	}
	table := load(t)
	for _, tt := range tests {
		j := table.Judge(tt.in)
		how := ""
		if j.Permanent {
			how = final
		}
		if j.Hard {
			how = strings.TrimSpace(how + " hard")
		}
		if j.Class != tt.class || j.Scope != tt.scope || how != tt.how {
			t.Errorf("%s: got %s %s %q, want %s %s %q", tt.name, j.Class, j.Scope, how, tt.class, tt.scope, tt.how)
		}
	}
}

func TestLocal(t *testing.T) {
	table := load(t)
	wrap := func(err error) error { return fmt.Errorf("look up MX of example.de: %w", err) }
	tests := []struct {
		err       error
		class     bounce.Class
		permanent bool
	}{
		{wrap(dns.ErrNoDomain), "dns_no_domain", true},
		{wrap(dns.ErrNoMail), "domain_no_mail", true},
		{wrap(dns.ErrNoHost), "dns_no_host", true},
		{wrap(dns.ErrTemporary), "dns_failed", false},
		{&smtp.Error{Stage: smtp.StageConnect, Err: os.ErrDeadlineExceeded}, "connect_failed", false},
		{&smtp.Error{Stage: smtp.StageRcpt, Err: os.ErrDeadlineExceeded}, "timeout", false},
		{&smtp.Error{Stage: smtp.StageMail, Err: context.DeadlineExceeded}, "timeout", false},
		{&smtp.Error{Stage: smtp.StageDot, Err: errors.New("reset")}, "connection_lost", false},
		{&smtp.Error{Stage: smtp.StageSTARTTLS, Err: &tls.CertificateVerificationError{Err: errors.New("x")}}, "tls_failed", false},
		{&smtp.Error{Stage: smtp.StageSTARTTLS, Err: smtp.ErrInjected}, "tls_failed", false},
		{&smtp.Error{Stage: smtp.StageMail, Err: smtp.ErrProtocol}, "protocol_error", false},
		{&smtp.Error{Stage: smtp.StageMail, Local: true, Err: smtp.ErrTooLarge}, "too_large", true},
		{&smtp.Error{Stage: smtp.StageMail, Local: true, Err: smtp.ErrBareNewline}, "malformed", true},
		{&smtp.Error{Stage: smtp.StageMail, Local: true, Err: smtp.ErrNoUTF8}, "utf8_unsupported", true},
		{&smtp.Error{Stage: smtp.StageRcpt, Reply: &smtp.Reply{Code: 550, Enhanced: "5.1.1", Lines: []string{"no"}}}, "user_unknown", true},
		{errors.New("anything"), "connection_lost", false},
	}
	for _, tt := range tests {
		if j := table.Local(tt.err); j.Class != tt.class || j.Permanent != tt.permanent {
			t.Errorf("%v: got %+v, want %s, permanent %v", tt.err, j, tt.class, tt.permanent)
		}
	}
}

func TestSentences(t *testing.T) {
	table := load(t)
	for _, name := range table.Classes() {
		if de, en := table.Sentence(name, "de"), table.Sentence(name, "en"); de == "" || en == "" || de == en {
			t.Errorf("%s: %q, %q", name, de, en)
		}
	}
	if got := table.Sentence("user_unknown", "de"); got != "Die Adresse existiert nicht." {
		t.Errorf("got %q", got)
	}
	for name, part := range map[bounce.Class]string{"auth_missing": "Deine", "sender_refused": "deiner", "user_unknown": "Die Adresse"} {
		if got := table.Sentence(name, "de-du"); !strings.Contains(got, part) {
			t.Errorf("du: %q", got)
		}
	}
	for _, name := range table.Classes() {
		if s := table.Sentence(name, "de-du"); strings.Contains(s, "Ihre") || strings.Contains(s, " Sie ") {
			t.Errorf("%s says Sie where du was chosen: %q", name, s)
		}
	}
	if table.Sentence("user_unknown", "fr") != table.Sentence("user_unknown", "en") || table.Sentence("nothing", "de") != "" {
		t.Error("unknown language or class")
	}
}

// TestParseRefuses holds that a slip in the table is found when it is loaded.
func TestParseRefuses(t *testing.T) {
	text, err := os.ReadFile("classes.toml")
	if err != nil {
		t.Fatal(err)
	}
	for name, extra := range map[string]string{
		"unknown key":        "[[rule]]\nclass = \"policy\"\ntexts = [\"x\"]\n",
		"unknown class":      "[[rule]]\nclass = \"nothing\"\ntext = [\"x\"]\n",
		"no condition":       "[[rule]]\nclass = \"policy\"\n",
		"only a pattern":     "[[rule]]\nclass = \"policy\"\npattern = [\"x\"]\n",
		"broken pattern":     "[[rule]]\nclass = \"policy\"\ncodes = [\"5\"]\npattern = [\"(\"]\n",
		"upper case":         "[[rule]]\nclass = \"policy\"\ntext = [\"Spam\"]\n",
		"star at the end":    "[[rule]]\nclass = \"policy\"\ntext = [\"spam *\"]\n",
		"unknown scope":      "[class.odd]\nscope = \"moon\"\nsentence_de = \"x\"\nsentence_en = \"y\"\n",
		"no sentence":        "[class.odd]\nscope = \"site\"\n",
		"hard but temporary": "[class.odd]\nscope = \"site\"\nhard = true\nsentence_de = \"x\"\nsentence_en = \"y\"\n",
	} {
		if _, err := bounce.Parse(string(text) + extra); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := bounce.Parse(""); err == nil {
		t.Error("a table without classes was taken")
	}
}

func TestPatternAndProvider(t *testing.T) {
	text, err := os.ReadFile("classes.toml")
	if err != nil {
		t.Fatal(err)
	}
	first := strings.Replace(string(text), "\n[[rule]]", "\n[[rule]]\nclass = \"mail_loop\"\nprovider = [\"gmx\"]\npattern = ['case \\d+']\n\n[[rule]]", 1)
	table, err := bounce.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	input := in("rcpt", 550, "", "see case 17")
	input.Host = "mx00.emig.gmx.net"
	if j := table.Judge(input); j.Class != "mail_loop" {
		t.Errorf("got %+v", j)
	}
	input.Host = "mx.example.de"
	if j := table.Judge(input); j.Class != "rejected" {
		t.Errorf("another provider: got %+v", j)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(550, "5.1.1", "user unknown")
	f.Add(421, "", "Rate limit reached\n\x00 x@y")
	f.Add(0, "x", "")
	table := load(f)
	f.Fuzz(func(t *testing.T, code int, enhanced, text string) {
		j := table.Judge(bounce.Input{Code: code, Enhanced: enhanced, Text: text})
		if j.Class == "" || j.Scope == "" || j.Hard && !j.Permanent || code >= 400 && code < 500 && j.Permanent {
			t.Errorf("%+v", j)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	table := load(b)
	for name, input := range map[string]bounce.Input{
		"known":   in("rcpt", 550, "5.1.1", "<x@example.de>: Recipient address rejected: User unknown in virtual mailbox table"),
		"unknown": in("dot", 550, "", "Transaction failed\nsomething else happened here that no table knows of\nFor explanation visit https://postmaster.example.net/en/case?c=r0601&i=ip&v=192.0.2.1&r=0123456789abcdef"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				table.Judge(input)
			}
		})
	}
}

// TestDeadlineIsATimeout ties the two rooms together: what a session really
// returns when time runs out is judged as such.
func TestDeadlineIsATimeout(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Nanosecond, context.DeadlineExceeded)
	defer cancel()
	<-ctx.Done()
	err := &smtp.Error{Stage: smtp.StageRcpt, Err: context.Cause(ctx)}
	if j := load(t).Local(err); j.Class != bounce.Timeout {
		t.Errorf("got %+v", j)
	}
}
