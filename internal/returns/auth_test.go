package returns_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"stafette/internal/dns"
	"stafette/internal/dns/dnstest"
	"stafette/internal/returns"
)

const authenticReply = "\nFrom: Kundin <kundin@gmx.example>\nTo: {verp}\nSubject: Re: Ihr Termin\nMessage-ID: <answer@gmx.example>\nDate: Sat, 28 Mar 2026 11:00:00 +0100\n\nPasst.\n"

// signed signs a mail and returns it with the record of its key.
func signed(t *testing.T, domain, raw string) (string, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = dkim.Sign(&b, strings.NewReader(raw), &dkim.SignOptions{Domain: domain, Selector: "s", Signer: private})
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), "s._domainkey." + domain + `. 60 IN TXT "v=DKIM1; k=ed25519; p=` + base64.StdEncoding.EncodeToString(public) + "\"\n"
}

// TestWhoSentItIsRecorded: SPF, DKIM and DMARC as the name system tells them, and a
// reply whose author's domain disowns it is not passed on.
func TestWhoSentItIsRecorded(t *testing.T) {
	const (
		spfPass = `gmx.example. 60 IN TXT "v=spf1 ip4:192.0.2.7 -all"` + "\n"
		spfFail = `gmx.example. 60 IN TXT "v=spf1 ip4:192.0.2.8 -all"` + "\n"
		reject  = `_dmarc.gmx.example. 60 IN TXT "v=DMARC1; p=reject"` + "\n"
		strict  = `_dmarc.gmx.example. 60 IN TXT "v=DMARC1; p=reject; adkim=s; aspf=s"` + "\n"
		watch   = `_dmarc.gmx.example. 60 IN TXT "v=DMARC1; p=none"` + "\n"
	)
	for name, c := range map[string]struct {
		zone   string
		sender string
		sign   string // domain
		fail   string // name that gets no answer
		want   returns.Auth
		why    string
	}{
		"nothing is known":               {zone: "gmx.example. 60 IN A 192.0.2.1\n", want: returns.Auth{SPF: "none", DKIM: "none", DMARC: "none"}},
		"SPF aligned":                    {zone: spfPass + reject, want: returns.Auth{SPF: "pass", DKIM: "none", DMARC: "pass"}},
		"SPF of the HELO, null path":     {zone: `mx.gmx.example. 60 IN TXT "v=spf1 ip4:192.0.2.7 -all"` + "\n" + reject, sender: "null", want: returns.Auth{SPF: "pass", DKIM: "none", DMARC: "pass"}, why: ""},
		"DKIM aligned":                   {zone: spfFail + reject, sign: "gmx.example", want: returns.Auth{SPF: "fail", DKIM: "pass", DMARC: "pass", Domains: []string{"gmx.example"}}},
		"DKIM of a host, relaxed":        {zone: spfFail + reject, sign: "mail.gmx.example", want: returns.Auth{SPF: "fail", DKIM: "pass", DMARC: "pass", Domains: []string{"mail.gmx.example"}}},
		"DKIM of a host, strict":         {zone: spfFail + strict, sign: "mail.gmx.example", want: returns.Auth{SPF: "fail", DKIM: "pass", DMARC: "fail", Rejected: true, Domains: []string{"mail.gmx.example"}}, why: returns.WhyForged},
		"forged, the owner rejects":      {zone: spfFail + reject, want: returns.Auth{SPF: "fail", DKIM: "none", DMARC: "fail", Rejected: true}, why: returns.WhyForged},
		"forged, the owner watches":      {zone: spfFail + watch, want: returns.Auth{SPF: "fail", DKIM: "none", DMARC: "fail"}},
		"no answer from the name system": {zone: spfFail + reject, fail: "_dmarc.gmx.example", want: returns.Auth{SPF: "fail", DKIM: "none", DMARC: "temperror"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			raw := w.fill(authenticReply)
			if c.sign != "" {
				var record string
				raw, record = signed(t, c.sign, raw)
				c.zone += record
			}
			if err := w.names.Set(c.zone); err != nil {
				t.Fatal(err)
			}
			if c.fail != "" {
				w.names.Fail(c.fail, dnstest.ServFail)
			}
			sender := recipient
			if c.sender == "null" {
				sender = ""
			}
			w.receive(sender, "{verp}", strings.ReplaceAll(raw, "\r\n", "\n"))
			w.sort()
			m := w.last()
			if m.Auth.SPF != c.want.SPF || m.Auth.DKIM != c.want.DKIM || m.Auth.DMARC != c.want.DMARC || m.Auth.Rejected != c.want.Rejected ||
				strings.Join(m.Auth.Domains, " ") != strings.Join(c.want.Domains, " ") {
				t.Errorf("have %+v, want %+v", m.Auth, c.want)
			}
			if m.Why != c.why {
				t.Errorf("why %q, want %q", m.Why, c.why)
			}
		})
	}
}

// TestUnprovenComplaintIsMarked: it counts, for its MAC vouches, and says what it lacks.
func TestUnprovenComplaintIsMarked(t *testing.T) {
	w := newWorld(t)
	w.receive("", "{verp}", complaint("abuse", ""))
	w.sort()
	if f := w.facts(); len(f) != 1 || !f[0].Report.Unproven || w.suppressed() != "complaint" {
		t.Errorf("facts %+v, suppressed as %q", f, w.suppressed())
	}
}

func TestHosts(t *testing.T) {
	w := newWorld(t)
	const ours = "bounces.mail.example. 60 IN MX 10 post.mail.example.\npost.mail.example. 60 IN A 192.0.2.1\n"
	if err := w.names.Set(ours + `
bounces.own.example. 60 IN CNAME bounces.mail.example.
bounces.astray.example. 60 IN MX 10 mx.elsewhere.example.
mx.elsewhere.example. 60 IN A 192.0.2.99
`); err != nil {
		t.Fatal(err)
	}
	domains, err := []string{"own.example", "astray.example", "none.example"}, error(nil)
	h := returns.NewHosts(returns.HostsConfig{Domain: ourDomain, Resolver: dns.New(dns.Config{Server: w.names.Addr(), Now: w.Now}),
		Domains: func(context.Context) ([]string, error) { return domains, err }})
	if have := h.Host("own.example"); have != ourDomain {
		t.Errorf("before any check: %s", have)
	}
	check := func(when string) {
		t.Helper()
		if err := h.Check(t.Context()); err != nil {
			t.Fatal(when, err)
		}
		for domain, want := range map[string]string{"own.example": "bounces.own.example", "astray.example": ourDomain, "none.example": ourDomain, "": ourDomain} {
			if have := h.Host(domain); have != want {
				t.Errorf("%s: return mail of %q goes to %s, want %s", when, domain, have, want)
			}
		}
	}
	check("at first")
	w.pass(2 * time.Hour)
	w.names.Fail("bounces.own.example", dnstest.ServFail)
	check("without an answer now")
	err = errors.New("no database")
	if h.Check(t.Context()) == nil || h.Host("own.example") != "bounces.own.example" {
		t.Error("a failed check changed something")
	}
}
