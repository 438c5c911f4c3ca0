package tlspolicy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"stafette/internal/dns"
)

// Certificate usages, selectors and matching types of TLSA records (RFC 6698, 2.1).
const (
	usageTA      = 2
	usageEE      = 3
	selectorCert = 0
	selectorSPKI = 1
	matchFull    = 0
	matchSHA256  = 1
	matchSHA512  = 2
)

// associations are the TLSA records of one server.
type associations struct {
	base   string   // the name they stand at, which the server is called in the handshake
	names  []string // that a certificate below a trust anchor may be for
	usable []dns.TLSA
	all    []dns.TLSA
}

// associations looks up the TLSA records of a host; nil if DANE does not apply to it.
// Only what DNSSEC proves counts, from the MX record to the address to the TLSA
// record (RFC 7672, 2.2); a look-up that fails is a *PolicyError, never "none".
func (p *Policies) associations(ctx context.Context, policy *Policy, mx dns.MX, d *Demand) (*associations, error) {
	if !mx.Secure || policy.Hop || p.cfg.NoDANE {
		return nil, nil
	}
	undecided := func(err error) error {
		d.Kind = DANE
		return d.fail(ResultDNSSEC, err)
	}
	alias, err := p.cfg.Names.Alias(ctx, mx.Host)
	switch {
	case errors.Is(err, dns.ErrNoDomain):
		return nil, nil // there is nobody to connect to
	case err != nil:
		return nil, undecided(err)
	}
	for _, base := range bases(mx.Host, alias) {
		found, err := p.cfg.Names.TLSA(ctx, fmt.Sprintf("_%d._tcp.%s", p.cfg.Port, base))
		if err != nil {
			return nil, undecided(err)
		}
		if !found.Secure || len(found.Records) == 0 {
			continue
		}
		a := &associations{base: base, all: found.Records, usable: usable(found.Records), names: []string{base}}
		for _, name := range []string{mx.Host, policy.Domain} { // RFC 7672, 3.2.2
			if name != base && name != "" {
				a.names = append(a.names, name)
			}
		}
		return a, nil
	}
	return nil, nil
}

// bases are the names to look for TLSA records at, the best first (RFC 7672, 2.2.2
// and 2.2.3).
func bases(host string, alias dns.Alias) []string {
	switch {
	case alias.Secure && alias.Name != host:
		return []string{alias.Name, host}
	case alias.Secure, alias.FirstSecure && alias.Name != host:
		return []string{host}
	}
	return nil
}

// usable leaves out what means nothing for SMTP (usages 0 and 1: RFC 7672, 3.1.3),
// what we cannot read, and digests that a stronger one stands beside (RFC 7671, 9).
func usable(records []dns.TLSA) []dns.TLSA {
	strong := map[[2]uint8]bool{}
	var list []dns.TLSA
	for _, r := range records {
		if (r.Usage == usageTA || r.Usage == usageEE) && r.Selector <= selectorSPKI && sound(r) {
			list = append(list, r)
			if r.Matching == matchSHA512 {
				strong[[2]uint8{r.Usage, r.Selector}] = true
			}
		}
	}
	var best []dns.TLSA
	for _, r := range list {
		if r.Matching != matchSHA256 || !strong[[2]uint8{r.Usage, r.Selector}] {
			best = append(best, r)
		}
	}
	return best
}

// sound reports whether the record's content can be what its matching type says.
func sound(r dns.TLSA) bool {
	switch r.Matching {
	case matchFull:
		if r.Selector == selectorCert {
			_, err := x509.ParseCertificate(r.Association)
			return err == nil
		}
		_, err := x509.ParsePKIXPublicKey(r.Association)
		return err == nil
	case matchSHA256:
		return len(r.Association) == sha256.Size
	case matchSHA512:
		return len(r.Association) == sha512.Size
	}
	return false
}

// matches reports whether the record is about the certificate.
func matches(r dns.TLSA, c *x509.Certificate) bool {
	content := c.Raw
	if r.Selector == selectorSPKI {
		content = c.RawSubjectPublicKeyInfo
	}
	switch r.Matching {
	case matchSHA256:
		sum := sha256.Sum256(content)
		content = sum[:]
	case matchSHA512:
		sum := sha512.Sum512(content)
		content = sum[:]
	}
	return bytes.Equal(content, r.Association)
}

// errNoMatch: the server shows another certificate than its domain publishes.
var errNoMatch = errors.New("no TLSA record matches the server's certificate")

// verify holds a server's chain to the records. Without a usable record encryption
// is all that is demanded (RFC 7672, 2.2).
func (a *associations) verify(chain []*x509.Certificate, now time.Time) error {
	if len(a.usable) == 0 {
		return nil
	}
	err := errNoMatch
	for _, r := range a.usable {
		if r.Usage == usageEE {
			// Neither names nor dates count: the record says all (RFC 7672, 3.1.1).
			if matches(r, chain[0]) {
				return nil
			}
			continue
		}
		if anchor := anchorOf(r, chain); anchor != nil {
			below := a.below(anchor, chain, now)
			if below == nil {
				return nil
			}
			err = below
		}
	}
	return err
}

// anchorOf returns the certificate a record makes a trust anchor, if it is in the
// chain or the record holds it whole.
func anchorOf(r dns.TLSA, chain []*x509.Certificate) *x509.Certificate {
	for _, c := range chain {
		if matches(r, c) {
			return c
		}
	}
	if r.Matching == matchFull && r.Selector == selectorCert {
		if c, err := x509.ParseCertificate(r.Association); err == nil {
			return c
		}
	}
	return nil
}

// below reports whether the server's certificate stands below the anchor and is for
// one of its names (RFC 7672, 3.1.2 and 3.2).
func (a *associations) below(anchor *x509.Certificate, chain []*x509.Certificate, now time.Time) error {
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now}
	options.Roots.AddCert(anchor)
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(options); err != nil {
		return err
	}
	var err error
	for _, name := range a.names {
		if err = chain[0].VerifyHostname(name); err == nil {
			return nil
		}
	}
	return err
}

// describeTLSA is the record as a zone file has it.
func describeTLSA(r dns.TLSA) string {
	return fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.Matching, r.Association)
}
