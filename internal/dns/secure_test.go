package dns_test

import (
	"errors"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/dns/dnstest"
)

const secureZone = `
signed.test.              MX 10 mx.signed.test.
mx.signed.test.           A 192.0.2.1
_25._tcp.mx.signed.test.  TLSA 3 1 1 abcdef
_25._tcp.far.signed.test. CNAME _25._tcp.mx.plain.test.
bare.signed.test.         A 192.0.2.2
alias.signed.test.        CNAME mx.signed.test.
out.signed.test.          CNAME mx.plain.test.
plain.test.               MX 10 mx.plain.test.
mx.plain.test.            A 192.0.2.3
_25._tcp.mx.plain.test.   TLSA 3 1 1 abcdef
in.plain.test.            CNAME mx.signed.test.
`

// TestSecure tells what of each answer is proven, from the name server and from the
// cache, and that a server that is not trusted proves nothing.
func TestSecure(t *testing.T) {
	s, _, clk := start(t, secureZone)
	s.Secure("signed.test")
	for _, trusted := range []bool{true, false} {
		c := dns.New(dns.Config{Server: s.Addr(), Timeout: 20 * time.Second, Now: clk.Now, TrustAD: trusted})
		for range 2 {
			for domain, want := range map[string]bool{"signed.test": true, "bare.signed.test": true, "plain.test": false} {
				list, err := c.MX(t.Context(), domain)
				if err != nil || list[0].Secure != (want && trusted) {
					t.Errorf("MX of %s: %+v, %v", domain, list, err)
				}
			}
			for name, want := range map[string]struct {
				n      int
				secure bool
			}{
				"_25._tcp.mx.signed.test": {1, true}, "_25._tcp.none.signed.test": {0, true}, "_25._tcp.mx.plain.test": {1, false},
				"_25._tcp.far.signed.test": {1, false}, "_25._tcp.none.plain.test": {0, false},
			} {
				found, err := c.TLSA(t.Context(), name)
				if err != nil || len(found.Records) != want.n || found.Secure != (want.secure && trusted) {
					t.Errorf("TLSA of %s: %+v, %v", name, found, err)
				}
			}
			for host, want := range map[string]dns.Alias{
				"mx.signed.test":    {Name: "mx.signed.test", Secure: true, FirstSecure: true},
				"alias.signed.test": {Name: "mx.signed.test", Secure: true, FirstSecure: true},
				"out.signed.test":   {Name: "mx.plain.test", FirstSecure: true},
				"in.plain.test":     {Name: "mx.signed.test"},
				"mx.plain.test":     {Name: "mx.plain.test"},
			} {
				if !trusted {
					want.Secure, want.FirstSecure = false, false
				}
				if have, err := c.Alias(t.Context(), host); err != nil || have != want {
					t.Errorf("alias %s: %+v, %v; want %+v", host, have, err, want)
				}
			}
		}
	}
	if n := s.Asked("_25._tcp.mx.signed.test", "TLSA"); n != 2 {
		t.Errorf("asked %d times, want once by each client", n)
	}
	s.Fail("_25._tcp.mx.signed.test", dnstest.ServFail)
	c := dns.New(dns.Config{Server: s.Addr(), Timeout: 20 * time.Second, Now: clk.Now, TrustAD: true})
	if _, err := c.TLSA(t.Context(), "_25._tcp.mx.signed.test"); !errors.Is(err, dns.ErrTemporary) {
		t.Errorf("a bogus answer is %v", err)
	}
}

func TestLoopback(t *testing.T) {
	for server, want := range map[string]bool{"127.0.0.1:53": true, "[::1]:53": true, "127.0.0.53:53": true, "192.0.2.1:53": false, "ns.test:53": false} {
		if dns.Loopback(server) != want {
			t.Errorf("%s: %t", server, !want)
		}
	}
}
