package returns

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"blitiri.com.ar/go/spf"
	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-msgauth/dmarc"
	"golang.org/x/net/publicsuffix"

	"stafette/internal/dns"
)

// Auth is what SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489) say of a mail that
// came in. Values are those of RFC 8601: "pass", "fail", "none", "temperror" …; "" where
// nothing was asked.
type Auth struct {
	SPF   string `json:"spf,omitempty"`
	DKIM  string `json:"dkim,omitempty"` // of the best signature
	DMARC string `json:"dmarc,omitempty"`
	// Domains whose signatures hold, at most 5.
	Domains []string `json:"domains,omitempty"`
	// Rejected: the author's domain asks that a mail like this be rejected.
	Rejected bool `json:"rejected,omitempty"`
}

const (
	authPass      = "pass"
	authFail      = "fail"
	authNone      = "none"
	authTempError = "temperror"
	authPermError = "permerror"
)

// Unproven reports whether nothing vouches for who sent the mail.
func (a Auth) Unproven() bool {
	return a.SPF != authPass && a.DKIM != authPass && a.DMARC != authPass
}

// maxSignatures bounds the verifications of one mail, and authTime the look-ups.
const (
	maxSignatures = 5
	authTime      = 30 * time.Second
)

// prover asks the name system who vouches for a mail.
type prover struct {
	dns dns.Standard
}

func newProver(r dns.Resolver) *prover { return &prover{dns: dns.Standard{Resolver: r}} }

// prove never fails: what cannot be found out is a temperror.
func (p *prover) prove(ctx context.Context, r *reading) Auth {
	ctx, cancel := context.WithTimeout(ctx, authTime)
	defer cancel()
	a := Auth{SPF: p.spf(ctx, r)}
	a.DKIM, a.Domains = p.dkim(ctx, r.raw)
	a.DMARC, a.Rejected = p.dmarc(ctx, r, a)
	return a
}

func (p *prover) spf(ctx context.Context, r *reading) string {
	if !r.Peer.IsValid() {
		return authNone
	}
	result, _ := spf.CheckHostWithSender(net.IP(r.Peer.AsSlice()), r.HELO, r.Sender, spf.WithContext(ctx), spf.WithResolver(p.dns))
	return string(result)
}

// SPF is what a domain's SPF record says of mail from an address: "pass", "fail",
// "softfail", "neutral", "none", "temperror" or "permerror" (RFC 7208, 2.6).
func SPF(ctx context.Context, r dns.Resolver, domain string, from netip.Addr) string {
	result, _ := spf.CheckHostWithSender(net.IP(from.AsSlice()), domain, "postmaster@"+domain, spf.WithContext(ctx), spf.WithResolver(dns.Standard{Resolver: r}))
	return string(result)
}

// spfDomain is the domain that SPF was asked of (RFC 7208, 2.4).
func (r *reading) spfDomain() string {
	if _, domain, ok := strings.Cut(r.Sender, "@"); ok {
		return domain
	}
	return r.HELO
}

func (p *prover) dkim(ctx context.Context, raw []byte) (result string, domains []string) {
	list, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{
		MaxVerifications: maxSignatures,
		LookupTXT:        func(name string) ([]string, error) { return p.dns.LookupTXT(ctx, name) },
	})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return authPermError, nil // a header that cannot be read
	}
	result = authNone
	for _, v := range list {
		switch {
		case v.Err == nil:
			result = authPass
			domains = append(domains, strings.ToLower(v.Domain))
		case result == authPass:
		case dkim.IsTempFail(v.Err):
			result = authTempError
		case result != authTempError:
			result = authFail
		}
	}
	return result, domains
}

// dmarc evaluates the policy of the author's domain. Alignment is relaxed unless the
// record asks for strict (RFC 7489, 3.1).
func (p *prover) dmarc(ctx context.Context, r *reading, a Auth) (result string, rejected bool) {
	if r.author.IsZero() {
		return authNone, false
	}
	from := strings.ToLower(r.author.Domain)
	policy, sub, err := p.policy(ctx, from)
	switch {
	case dmarc.IsTempFail(err):
		return authTempError, false
	case err != nil:
		return authNone, false
	}
	if a.SPF == authPass && aligned(r.spfDomain(), from, policy.SPFAlignment) {
		return authPass, false
	}
	for _, d := range a.Domains {
		if aligned(d, from, policy.DKIMAlignment) {
			return authPass, false
		}
	}
	if a.SPF == authTempError || a.DKIM == authTempError {
		return authTempError, false
	}
	asks := policy.Policy
	if sub && policy.SubdomainPolicy != "" {
		asks = policy.SubdomainPolicy
	}
	return authFail, asks == dmarc.PolicyReject || asks == dmarc.PolicyQuarantine
}

// policy returns the record of the domain or of its organisation; sub reports the latter.
func (p *prover) policy(ctx context.Context, domain string) (rec *dmarc.Record, sub bool, err error) {
	options := &dmarc.LookupOptions{LookupTXT: func(name string) ([]string, error) { return p.dns.LookupTXT(ctx, name) }}
	rec, err = dmarc.LookupWithOptions(domain, options)
	if org := organisation(domain); errors.Is(err, dmarc.ErrNoPolicy) && org != domain {
		rec, err = dmarc.LookupWithOptions(org, options)
		return rec, true, err
	}
	return rec, false, err
}

func aligned(domain, from string, mode dmarc.AlignmentMode) bool {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if mode == dmarc.AlignmentStrict {
		return domain == from
	}
	return organisation(domain) == organisation(from)
}

// organisation is the domain somebody registered; a name that is none stays itself.
func organisation(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}
