// Package tlspolicy decides how a session to a receiving server must be protected,
// and keeps account of how that went.
//
// It stands beside delivery in the journey: for each recipient domain and each of
// its hosts it says whether a session may be plain, must be encrypted, or must be
// with a proven server, and why. The reasons are, the strongest first: REQUIRETLS
// of the message (RFC 8689), DANE (RFC 7672), MTA-STS (RFC 8461), the operator's
// rules. Successes and failures are counted and told to the domains that ask
// (TLS-RPT, RFC 8460); what others tell of ours is read.
//
// It opens no SMTP session and never lowers what a policy demands: what cannot be
// met is a *PolicyError, and the mail waits. It does not validate DNSSEC (the trusted
// name server does, see package dns), serves no policy of our own domains, and does
// not decide what follows from a failure (delivery).
package tlspolicy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"stafette/internal/dns"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Kind names what decided how a session is protected.
type Kind string

// The kinds of policy.
const (
	Opportunistic Kind = "opportunistic"   // encrypted if offered, with anybody (RFC 7435)
	Required      Kind = "required"        // an operator's rule: a proven server or none
	STS           Kind = "mta_sts"         // MTA-STS in mode enforce
	STSTesting    Kind = "mta_sts_testing" // MTA-STS in mode testing: watched, never in the way
	DANE          Kind = "dane"            // TLSA records that DNSSEC proves
	RequireTLS    Kind = "requiretls"      // the message demands it (RFC 8689)
	Waived        Kind = "waived"          // the message's "TLS-Required: No" sets policies aside
)

// Names is what must be known of the domain name system; *dns.Client implements it.
type Names interface {
	MX(ctx context.Context, domain string) ([]dns.MX, error)
	Addrs(ctx context.Context, host string) ([]netip.Addr, error)
	TXT(ctx context.Context, name string) ([]string, error)
	TLSA(ctx context.Context, name string) (dns.TLSAs, error)
	Alias(ctx context.Context, host string) (dns.Alias, error)
}

// Rule is an operator's demand: sessions it holds for go to a proven server or
// nowhere.
type Rule struct {
	// Exactly one of these says what it holds for: a recipient domain ("*" is every
	// one, "*.example.de" all below), the next hop of a static route (egress.Hop's
	// text), or all mail of a tenant.
	Domain string
	Hop    string
	Tenant tenant.ID
	// MX are patterns one of which the server's name must match, as in an MTA-STS
	// policy; none: any. Without them and without DNSSEC whoever forges MX records
	// chooses the name to be proven.
	MX []string
}

// Config of Policies. Names, Store, Dial and Now are demanded.
type Config struct {
	Names Names
	Store Store
	// Dial connects to a public IP address and port for policies and reports:
	// egress.Guard's, so that no foreign domain leads us into our own network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Now  func() time.Time

	Rules     []Rule
	NoDANE    bool           // TLSA records are not asked for
	NoSTS     bool           // MTA-STS policies are not asked for
	Port      uint16         // of receiving servers; 0: 25
	HTTPSPort uint16         // of policies and reports; 0: 443
	Roots     *x509.CertPool // of the WebPKI; nil: the system's
	// MinVersion of sessions that a policy demands; 0: TLS 1.2. One that no policy
	// demands is better old than plain.
	MinVersion uint16
	Reporter   Reporter     // who sends reports; the zero value sends none
	Log        *slog.Logger // nil discards
}

func (c Config) withDefaults() Config {
	if c.Port == 0 {
		c.Port = 25
	}
	if c.HTTPSPort == 0 {
		c.HTTPSPort = 443
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Policies answers for all domains. It is safe for concurrent use.
type Policies struct {
	cfg     Config
	rules   ruleBook
	sts     *stsCache
	tallies *tallies
}

// New makes Policies.
func New(c Config) (*Policies, error) {
	if c.Names == nil || c.Store == nil || c.Dial == nil || c.Now == nil {
		return nil, errors.New("tls policies: a demanded part is missing from their configuration")
	}
	c = c.withDefaults()
	rules, err := newRuleBook(c.Rules)
	if err != nil {
		return nil, err
	}
	return &Policies{cfg: c, rules: rules, sts: newSTSCache(c), tallies: newTallies()}, nil
}

// Policy is what a domain, or the operator for it, demands of every session. It
// does not change. A nil Policy demands nothing.
type Policy struct {
	Domain string
	Kind   Kind // Opportunistic, Required, STS or STSTesting
	STS    *STSPolicy
	Rule   *Rule // of a Required one
	// Hop: an operator chose the next hop, which no DNS answer can change.
	Hop bool

	fetchFailed error // why the domain's MTA-STS policy is not known
}

// Domain returns what holds for mail to a domain. hop is the text of the next hop
// of a static route, "" if the MX records lead the way. It may fetch an MTA-STS
// policy; that this fails is no error, the policy known before holds or none
// (RFC 8461, 3.3).
func (p *Policies) Domain(ctx context.Context, domain, hop string) *Policy {
	found := &Policy{Domain: domain, Kind: Opportunistic, Hop: hop != ""}
	if rule := p.rules.find(domain, hop); rule != nil {
		found.Kind, found.Rule = Required, rule
	}
	// A next hop of the operator's is not the domain's server (RFC 8461, 8.1).
	if hop != "" || p.cfg.NoSTS {
		return found
	}
	sts := p.sts.find(ctx, domain)
	if sts == nil || sts.Mode == ModeNone {
		found.fetchFailed = p.sts.lastFailure(domain)
		return found
	}
	found.STS = sts
	switch {
	case sts.Mode == ModeEnforce:
		found.Kind = STS
	case found.Rule == nil:
		found.Kind = STSTesting
	}
	return found
}

// Ask is what one message brings to the question.
type Ask struct {
	Tenant tenant.ID
	Need   message.TLSNeed
}

// Free reports whether nothing is demanded of a session, where that can be told
// without looking anything up.
func (p *Policies) Free(policy *Policy, mx dns.MX, ask Ask) bool {
	return (policy == nil || policy.Kind == Opportunistic) && p.rules.tenants[ask.Tenant] == nil && ask.Need == message.TLSByPolicy &&
		(!mx.Secure || p.cfg.NoDANE || policy != nil && policy.Hop)
}

// Host returns how a session to one of a domain's hosts must be protected, and a
// *PolicyError if none to it may be.
func (p *Policies) Host(ctx context.Context, policy *Policy, mx dns.MX, ask Ask) (*Demand, error) {
	if policy == nil {
		policy = &Policy{Kind: Opportunistic}
	}
	if p.Free(policy, mx, ask) {
		return &Demand{Kind: Opportunistic, Host: mx.Host, policy: policy}, nil
	}
	return p.demand(ctx, policy, mx, ask, p.rules.tenants[ask.Tenant])
}

func (p *Policies) demand(ctx context.Context, policy *Policy, mx dns.MX, ask Ask, rule *Rule) (*Demand, error) {
	d := &Demand{Kind: Opportunistic, Host: mx.Host, policy: policy, roots: p.cfg.Roots, now: p.cfg.Now, min: p.cfg.MinVersion, names: []string{mx.Host}}
	for _, r := range []*Rule{rule, policy.Rule} {
		if r == nil {
			continue
		}
		d.Kind, d.Mandatory, d.proven = Required, true, true
		if len(r.MX) > 0 && !matchesAny(r.MX, mx.Host) {
			return d, d.fail(ResultValidation, errors.New("the server's name is none that the rule permits"))
		}
	}
	if ask.Need == message.TLSWaived {
		// The sender's word sets aside what the recipient's domain demands (RFC 8689,
		// 5), not what the operator does.
		if d.Kind == Opportunistic {
			d.Kind = Waived
		}
		return d, nil
	}
	dane, err := p.associations(ctx, policy, mx, d)
	if err != nil {
		return d, err
	}
	if err := d.settle(policy, dane); err != nil {
		return d, err
	}
	if ask.Need == message.TLSDemanded {
		return d.demanded(policy, mx)
	}
	return d, nil
}

// settle adds what DANE demands or, where that cannot tell the server, MTA-STS. An
// operator's rule holds beside both.
func (d *Demand) settle(policy *Policy, dane *associations) error {
	take := func(k Kind) {
		if d.Kind != Required {
			d.Kind = k
		}
		d.Mandatory = true
	}
	if dane != nil {
		take(DANE)
		d.dane, d.names = dane, append(dane.names, d.names...)
		if len(dane.usable) > 0 {
			return nil // MTA-STS must not weigh against it (RFC 8461, 2)
		}
	}
	switch {
	case policy.STS == nil:
	case policy.STS.Mode == ModeEnforce:
		take(STS)
		d.proven = true
		if !policy.STS.Matches(d.Host) {
			return d.fail(ResultValidation, errNotListed)
		}
	case !d.Mandatory:
		d.Kind = STSTesting
	}
	return nil
}

// errNotListed: the MX record names a server that the domain's policy does not.
var errNotListed = errors.New("the server is not in the domain's MTA-STS policy")

// demanded is REQUIRETLS: the server's name must be beyond doubt, and then the
// server itself (RFC 8689, 4.2.1).
func (d *Demand) demanded(policy *Policy, mx dns.MX) (*Demand, error) {
	named := mx.Secure || policy.Hop || policy.STS != nil && policy.STS.Matches(mx.Host)
	d.Kind, d.Mandatory = RequireTLS, true
	if !named {
		return d, d.fail(ResultValidation, errors.New("neither DNSSEC nor MTA-STS proves that this is the domain's server"))
	}
	d.proven = d.proven || d.dane == nil || len(d.dane.usable) == 0
	return d, nil
}

// ruleBook finds rules.
type ruleBook struct {
	domains map[string]*Rule
	below   map[string]*Rule
	all     *Rule
	hops    map[string]*Rule
	tenants map[tenant.ID]*Rule
}

func newRuleBook(list []Rule) (ruleBook, error) {
	b := ruleBook{domains: map[string]*Rule{}, below: map[string]*Rule{}, hops: map[string]*Rule{}, tenants: map[tenant.ID]*Rule{}}
	for i := range list {
		r := list[i]
		for _, pattern := range r.MX {
			if !validPattern(pattern) {
				return b, errors.New("tls rule: " + strconv.Quote(pattern) + " is no pattern of a server's name")
			}
		}
		r.Domain = strings.TrimSuffix(strings.ToLower(r.Domain), ".")
		below, wild := strings.CutPrefix(r.Domain, "*.")
		switch {
		case r.Domain == "*":
			b.all = &r
		case wild:
			b.below[below] = &r
		case r.Domain != "":
			b.domains[r.Domain] = &r
		case r.Hop != "":
			b.hops[r.Hop] = &r
		case !r.Tenant.IsZero():
			b.tenants[r.Tenant] = &r
		default:
			return b, errors.New("tls rule: it holds for nothing")
		}
	}
	return b, nil
}

// find returns the rule for a domain, or for the hop that stands in for its servers.
func (b ruleBook) find(domain, hop string) *Rule {
	if hop != "" {
		if r := b.hops[hop]; r != nil {
			return r
		}
	}
	if r := b.domains[domain]; r != nil {
		return r
	}
	for _, above, ok := strings.Cut(domain, "."); ok; _, above, ok = strings.Cut(above, ".") {
		if r := b.below[above]; r != nil {
			return r
		}
	}
	return b.all
}
