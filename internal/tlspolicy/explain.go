package tlspolicy

import (
	"context"
	"errors"
	"slices"

	"stafette/internal/dns"
)

// Explanation is how mail to a domain would be protected now, and why.
type Explanation struct {
	Domain    string      `json:"domain"`
	Hop       string      `json:"next_hop,omitempty"` // of a static route
	Kind      Kind        `json:"policy"`             // of the domain; its hosts may have DANE
	Rule      bool        `json:"rule"`               // an operator's rule holds
	STS       *Published  `json:"mta_sts,omitempty"`
	STSError  string      `json:"mta_sts_error,omitempty"`
	Hosts     []HostRules `json:"hosts"`
	ReportsTo []string    `json:"tls_reports_to,omitempty"`
}

// Published is a domain's MTA-STS policy.
type Published struct {
	ID      string   `json:"id"`
	Mode    Mode     `json:"mode"`
	MX      []string `json:"mx"`
	Expires string   `json:"expires"` // RFC 3339
}

// HostRules is what holds for one host.
type HostRules struct {
	Host       string   `json:"host"`
	Preference uint16   `json:"preference"`
	Secure     bool     `json:"dnssec"` // proves that it is the domain's
	Kind       Kind     `json:"policy"`
	Mandatory  bool     `json:"encrypted_or_not_at_all"`
	TLSA       []string `json:"tlsa,omitempty"`
	TLSAName   string   `json:"tlsa_name,omitempty"`
	Usable     int      `json:"tlsa_usable,omitempty"`
	Failure    string   `json:"failure,omitempty"` // why no session may be

	Demand *Demand `json:"-"`
	MX     dns.MX  `json:"-"`
}

// Explain tells what delivery would demand for mail to a domain, host by host. hop
// is as for Domain. Errors are those of looking up the hosts.
func (p *Policies) Explain(ctx context.Context, domain, hop, host string) (Explanation, error) {
	x := Explanation{Domain: domain, Hop: hop}
	hosts := []dns.MX{{Host: host}}
	if hop == "" {
		var err error
		if hosts, err = p.cfg.Names.MX(ctx, domain); err != nil {
			return x, err
		}
	}
	policy := p.Domain(ctx, domain, hop)
	x.Kind, x.Rule = policy.Kind, policy.Rule != nil
	if s := policy.STS; s != nil {
		x.STS = &Published{s.ID, s.Mode, slices.Clone(s.MX), s.ExpiresAt.Format("2006-01-02T15:04:05Z07:00")}
	}
	if err := p.sts.lastFailure(domain); err != nil {
		x.STSError = err.Error()
	}
	for _, mx := range hosts {
		x.Hosts = append(x.Hosts, p.explainHost(ctx, policy, mx))
	}
	to, err := p.reportTo(ctx, domain)
	if err != nil && !errors.Is(err, errNoRecord) {
		return x, err
	}
	for _, u := range to {
		x.ReportsTo = append(x.ReportsTo, u.String())
	}
	return x, nil
}

func (p *Policies) explainHost(ctx context.Context, policy *Policy, mx dns.MX) HostRules {
	h := HostRules{Host: mx.Host, Preference: mx.Preference, Secure: mx.Secure, MX: mx}
	d, err := p.Host(ctx, policy, mx, Ask{})
	h.Kind, h.Mandatory = d.Kind, d.Mandatory
	if err != nil {
		h.Failure = err.Error()
	} else {
		h.Demand = d
	}
	if d.dane != nil {
		h.TLSAName, h.Usable = d.dane.base, len(d.dane.usable)
		for _, r := range d.dane.all {
			h.TLSA = append(h.TLSA, describeTLSA(r))
		}
	}
	return h
}
