package dns

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// maxTLSA bounds the records of one name that are told.
const maxTLSA = 50

// TLSA returns the TLSA records of a name ("_25._tcp.mx.example.de"). A name that
// does not exist has none. The only error is ErrTemporary, which is also what a
// validating server answers where the proof is wrong. Neither may be taken for "no
// records" (RFC 7672, 2.1.3).
func (c *Client) TLSA(ctx context.Context, name string) (TLSAs, error) {
	name = canonical(name)
	a, err := c.lookup(ctx, name, dns.TypeTLSA)
	if err != nil && !errors.Is(err, ErrNoDomain) {
		return TLSAs{}, fmt.Errorf("look up TLSA of %s: %w", name, err)
	}
	found := TLSAs{Secure: a.secure}
	for _, rr := range a.records {
		t, ok := rr.(*dns.TLSA)
		if !ok || len(found.Records) == maxTLSA {
			continue
		}
		association, err := hex.DecodeString(t.Certificate)
		if err != nil {
			continue // the library made the text, it is always hexadecimal
		}
		found.Records = append(found.Records, TLSA{t.Usage, t.Selector, t.MatchingType, association})
	}
	return found, nil
}

// Alias returns where a host's name leads and what of it DNSSEC proves. Errors:
// ErrNoDomain, ErrTemporary.
func (c *Client) Alias(ctx context.Context, host string) (Alias, error) {
	host = canonical(host)
	// Both families must be proven: whoever could forge one could lead us astray.
	alias := Alias{Name: host, Secure: true}
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		a, err := c.lookup(ctx, host, qtype)
		if err != nil {
			return Alias{}, fmt.Errorf("look up %s: %w", host, err)
		}
		alias.Secure = alias.Secure && a.secure
		if len(a.records) > 0 {
			alias.Name = a.end
		}
	}
	alias.FirstSecure = alias.Secure
	if !alias.Secure && alias.Name != host {
		a, err := c.lookup(ctx, host, dns.TypeCNAME)
		if err != nil {
			return Alias{}, fmt.Errorf("look up CNAME of %s: %w", host, err)
		}
		alias.FirstSecure = a.secure
	}
	return alias, nil
}
