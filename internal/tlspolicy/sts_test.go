package tlspolicy_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/dns/dnstest"
	"stafette/internal/tlspolicy"
)

func TestParseSTSRecord(t *testing.T) {
	for _, tt := range []struct {
		records []string
		want    string
	}{
		{[]string{"v=STSv1; id=20160831085700Z;"}, "20160831085700Z"},
		{[]string{"v=STSv1;id=1"}, "1"},
		{[]string{"other", "v=STSv1 ; ext=x; id = 1 ;"}, "1"},
		{[]string{"v=STSv1; id=1", "v=STSv1; id=2"}, ""}, // RFC 8461, 3.1: not exactly one
		{[]string{"v=STSv10; id=1"}, ""},
		{[]string{"id=1; v=STSv1"}, ""},
		{[]string{"v=STSv1; id="}, ""},
		{[]string{"v=STSv1; id=a-b"}, ""},
		{[]string{"v=STSv1; id=" + strings.Repeat("1", 33)}, ""},
		{[]string{"v=STSv1"}, ""},
		{nil, ""},
	} {
		if have := tlspolicy.ParseSTSRecord(tt.records); have != tt.want {
			t.Errorf("%q: %q, want %q", tt.records, have, tt.want)
		}
	}
}

func TestParseSTSPolicy(t *testing.T) {
	const head = "version: STSv1\nmode: enforce\n"
	for name, tt := range map[string]struct {
		text string
		mx   string
		age  time.Duration
		ok   bool
	}{
		"plain":              {head + "mx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n", "mail.example.com *.example.net", 7 * 24 * time.Hour, true},
		"CRLF and no end":    {strings.ReplaceAll(head+"mx: a.example\nmax_age: 86400", "\n", "\r\n"), "a.example", 24 * time.Hour, true},
		"unknown fields":     {head + "x: y\nmx:a.example.\nmax_age:60\nnonsense\n", "a.example", time.Minute, true},
		"first counts":       {head + "mode: none\nmx: A.example\nmax_age: 60\nmax_age: 1\n", "a.example", time.Minute, true},
		"none needs no mx":   {"version: STSv1\nmode: none\nmax_age: 60\n", "", time.Minute, true},
		"age is capped":      {head + "mx: a.example\nmax_age: 9999999999\n", "a.example", 31557600 * time.Second, true},
		"no version":         {"mode: enforce\nmx: a.example\nmax_age: 60\n", "", 0, false},
		"other version":      {"version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 60\n", "", 0, false},
		"no age":             {head + "mx: a.example\n", "", 0, false},
		"negative age":       {head + "mx: a.example\nmax_age: -1\n", "", 0, false},
		"no mx":              {head + "max_age: 60\n", "", 0, false},
		"unknown mode":       {"version: STSv1\nmode: off\nmx: a.example\nmax_age: 60\n", "", 0, false},
		"star inside":        {head + "mx: a.*.example\nmax_age: 60\n", "", 0, false},
		"lone star":          {head + "mx: *\nmax_age: 60\n", "", 0, false},
		"space in name":      {head + "mx: a example\nmax_age: 60\n", "", 0, false},
		"too many servers":   {head + strings.Repeat("mx: a.example\n", 101) + "max_age: 60\n", "", 0, false},
		"too large":          {head + strings.Repeat("x: y\n", 20000) + "mx: a.example\nmax_age: 60\n", "", 0, false},
		"a page of a parker": {"<html>version: STSv1", "", 0, false},
	} {
		p, err := tlspolicy.ParseSTSPolicy([]byte(tt.text))
		if (err == nil) != tt.ok || err == nil && (strings.Join(p.MX, " ") != tt.mx || p.MaxAge != tt.age) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestSTSMatches(t *testing.T) {
	p := tlspolicy.STSPolicy{MX: []string{"mx.a.example", "*.b.example"}}
	for host, want := range map[string]bool{
		"mx.a.example": true, "MX.A.example.": true, "mx.b.example": true,
		"a.example": false, "x.mx.a.example": false, "b.example": false, "x.mx.b.example": false, "mxb.example": false, ".b.example": true, "": false,
	} {
		if host == ".b.example" {
			continue // no host name
		}
		if p.Matches(host) != want {
			t.Errorf("%q: %t", host, !want)
		}
	}
}

const stsZone = `
plain.test. MX 10 mx.plain.test.
_mta-sts.plain.test. 60 TXT "v=STSv1; id=1"
mta-sts.plain.test. 60 A 127.0.0.1
`

const enforce = "version: STSv1\nmode: enforce\nmx: mx.plain.test\nmax_age: 604800\n"

// TestSTSHoldsUntilItRunsOut follows one domain's policy through good and bad days:
// who suppresses the record or the web server must not get rid of it.
func TestSTSHoldsUntilItRunsOut(t *testing.T) {
	w := newWorld(t, stsZone, nil, nil)
	kind := func(want tlspolicy.Kind, requests int, when string) {
		t.Helper()
		if p := w.Domain(t.Context(), "plain.test", ""); p.Kind != want || w.requests() != requests {
			t.Errorf("%s: %s after %d requests, want %s after %d", when, p.Kind, w.requests(), want, requests)
		}
	}
	kind(tlspolicy.Opportunistic, 1, "the web server knows nothing")
	kind(tlspolicy.Opportunistic, 1, "at once again")
	w.publish(enforce)
	w.pass(5 * time.Minute)
	kind(tlspolicy.STS, 2, "published")
	kind(tlspolicy.STS, 2, "known")
	w.restart()
	kind(tlspolicy.STS, 2, "after a restart")

	w.serve(nil)
	w.names.Fail("_mta-sts.plain.test", dnstest.ServFail)
	w.pass(2 * time.Minute)
	kind(tlspolicy.STS, 2, "the record cannot be looked up")
	w.names.Fail("_mta-sts.plain.test", dnstest.NXDomain)
	w.pass(2 * time.Minute)
	kind(tlspolicy.STS, 2, "the record is gone")
	w.names.Fail("_mta-sts.plain.test", dnstest.None)
	w.names.Remove("_mta-sts.plain.test")
	if err := w.names.Add(`_mta-sts.plain.test. 60 TXT "v=STSv1; id=2"`); err != nil {
		t.Fatal(err)
	}
	w.pass(4 * time.Hour)
	kind(tlspolicy.STS, 3, "a new policy that cannot be fetched")
	w.pass(7 * 24 * time.Hour)
	kind(tlspolicy.Opportunistic, 4, "run out")
	w.publish(strings.Replace(enforce, "enforce", "none", 1))
	w.pass(5 * time.Minute)
	kind(tlspolicy.Opportunistic, 5, "withdrawn")
}

// TestSTSIsRefreshed: a policy in use does not run out.
func TestSTSIsRefreshed(t *testing.T) {
	w := newWorld(t, stsZone, nil, nil)
	w.publish(enforce)
	w.Domain(t.Context(), "plain.test", "")
	for range 10 {
		if err := w.Refresh(t.Context(), w.pass(25*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if w.requests() != 11 {
		t.Errorf("%d requests", w.requests())
	}
	w.serve(nil)
	if p := w.Domain(t.Context(), "plain.test", ""); p.Kind != tlspolicy.STS {
		t.Errorf("%s after ten days", p.Kind)
	}
	if err := w.Refresh(t.Context(), w.pass(8*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if len(w.store.policies) != 0 {
		t.Error("a policy that ran out is kept")
	}
}

// TestSTSFetchBelievesNobody: what a web server may do instead of giving a policy.
func TestSTSFetchBelievesNobody(t *testing.T) {
	other := newAuthority(t, "Somebody")
	answers := map[string]http.HandlerFunc{
		"redirect": func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/elsewhere", http.StatusFound) },
		"web page": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			_, _ = rw.Write([]byte(enforce))
		},
		"error": func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(http.StatusInternalServerError)
			_, _ = rw.Write([]byte(enforce))
		},
		"invalid": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/plain")
			_, _ = rw.Write([]byte("x"))
		},
		"without end": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/plain")
			line := []byte(strings.Repeat("x: y\n", 1000))
			for range 1000 {
				if _, err := rw.Write(line); err != nil {
					return
				}
			}
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, stsZone, nil, nil)
			w.serve(answer)
			if p := w.Domain(t.Context(), "plain.test", ""); p.Kind != tlspolicy.Opportunistic || w.requests() != 1 {
				t.Errorf("%s after %d requests", p.Kind, w.requests())
			}
		})
	}
	for name, issue := range map[string]func(*authority) *tls.Certificate{
		"other name":  func(a *authority) *tls.Certificate { c := a.issue(year, "mta-sts.other.test"); return &c },
		"expired":     func(a *authority) *tls.Certificate { c := a.issue(-time.Hour, "mta-sts.plain.test"); return &c },
		"self-signed": func(*authority) *tls.Certificate { c := other.issue(year, "mta-sts.plain.test"); return &c },
	} {
		t.Run(name, func(t *testing.T) { untrustedHost(t, issue) })
	}
	t.Run("address of our own network", func(t *testing.T) {
		w := newWorld(t, strings.Replace(stsZone, "127.0.0.1", "10.0.0.1", 1), nil, nil)
		w.publish(enforce)
		if p := w.Domain(t.Context(), "plain.test", ""); p.Kind != tlspolicy.Opportunistic || w.requests() != 0 {
			t.Errorf("%s after %d requests", p.Kind, w.requests())
		}
	})
}

func untrustedHost(t *testing.T, issue func(*authority) *tls.Certificate) {
	ca := newAuthority(t, "Test CA")
	w := newWorld(t, stsZone, issue(ca), func(c *tlspolicy.Config) { c.Roots = ca.pool() })
	w.publish(enforce)
	if p := w.Domain(t.Context(), "plain.test", ""); p.Kind != tlspolicy.Opportunistic || w.requests() != 0 {
		t.Errorf("%s after %d requests", p.Kind, w.requests())
	}
}

func FuzzParseSTSPolicy(f *testing.F) {
	f.Add([]byte(enforce))
	f.Add([]byte("version: STSv1\nmode: none\nmax_age: 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := tlspolicy.ParseSTSPolicy(text)
		if err != nil {
			return
		}
		if len(p.MX) > 100 || p.MaxAge < 0 || p.MaxAge > 31557600*time.Second {
			t.Errorf("beyond the limits: %d servers, %s", len(p.MX), p.MaxAge)
		}
		for _, mx := range p.MX {
			if strings.ContainsAny(mx, " \r\n\t") {
				t.Errorf("server %q", mx)
			}
		}
		tlspolicy.ParseSTSRecord([]string{string(text)})
	})
}

// failureOf is the failure in err, or none.
func failureOf(err error) tlspolicy.Result {
	if f, ok := errors.AsType[*tlspolicy.PolicyError](err); ok {
		return f.Result
	}
	return ""
}

var _ tlspolicy.Names = (*dns.Client)(nil)
