package main

import (
	"fmt"
	"net/netip"
	"time"

	"stafette/internal/message"
)

// This file has the sections of the configuration that say how mail leaves.

// DNS says whom to ask.
type DNS struct {
	// Server is host:port of a resolver; "" takes the system's.
	Server string `toml:"server"`
	// TrustAD says whether a resolver is believed that says it has validated an answer
	// with DNSSEC, without which there is no DANE: "loopback" believes one on this
	// machine, "always" the configured one wherever it is, "never" none. It must
	// validate, and nobody else may be on the way to it. Default "loopback".
	TrustAD string `toml:"trust_ad"`
}

// Outbound says how sessions to receiving servers must be protected. Without it they
// are as each recipient's domain demands (DANE, MTA-STS), and else encrypted where
// that is offered.
type Outbound struct {
	// MinVersion of sessions that a domain's policy or a rule demands: "1.2" or "1.3".
	// Others are better encrypted by an old version than not at all. Default "1.2".
	MinVersion string `toml:"min_version"`
	// DANE heeds TLSA records (RFC 7672); it needs dns.trust_ad. Default true.
	DANE bool `toml:"dane"`
	// MTASTS heeds MTA-STS policies (RFC 8461). Default true.
	MTASTS bool `toml:"mta_sts"`
	// CAFile is a PEM file with the certificate authorities to believe; "" takes the
	// system's.
	CAFile string `toml:"ca_file"`
	// HTTPSPort is where policies are fetched and reports are taken. Default 443; another
	// one is for tests.
	HTTPSPort int `toml:"https_port"`
	// ReportFrom is the sender of daily TLS reports (RFC 8460) by mail, an address of a
	// usable domain of ReportTenant; "" sends reports over HTTPS only.
	ReportFrom string `toml:"report_from"`
	// ReportTenant is the tenant (ten_…) that sends them.
	ReportTenant string `toml:"report_tenant"`
	// ReportOrganization is who we are, in reports. Default: Hostname.
	ReportOrganization string `toml:"report_organization"`
	// ReportContact is an address for questions about reports. Default: ReportFrom.
	ReportContact string `toml:"report_contact"`
	// Rules are demands of the operator, beside those of the domains.
	Rules []Rule `toml:"rule"`
}

// Rule demands of all sessions it holds for that they are encrypted, with a server
// whose certificate proves its name; mail waits where that cannot be had. Exactly
// one of domain, next_hop and tenant says what it holds for.
type Rule struct {
	Domain  string `toml:"domain"`   // recipient domain, "*.example.de" is all below, "*" every one
	NextHop string `toml:"next_hop"` // of a static route
	Tenant  string `toml:"tenant"`   // all mail of a tenant (ten_…)
	// MX are names the server may have ("mx.example.de", "*.example.de"); none: any.
	// Without them whoever forges an MX record chooses the name to be proven.
	MX []string `toml:"mx"`
}

// Egress is how mail leaves. Sources, pools and assignments are a seed: they are
// written to the database when a node starts, and what was changed in the office
// since then stays as it is there. docs/shaping.md tells more.
type Egress struct {
	// Sources are the local addresses to send from; none: the system chooses.
	Sources []Source `toml:"source"`
	// Pools share out mail among sources. The pool "default" is there without saying.
	Pools []Pool `toml:"pool"`
	// Assign sends a tenant's or a stream's mail to a pool; all other mail leaves from
	// the pool "default".
	Assign []Assign `toml:"assign"`
	// AllowPrivate permits delivery to loopback and private addresses. For test
	// nets; a static route permits its own next hop without it.
	AllowPrivate bool `toml:"allow_private"`
	// LoopbackOnly refuses every address but loopback. The demo sets it.
	LoopbackOnly bool `toml:"loopback_only"`
	// Port is the port of receiving servers. Default 25.
	Port int `toml:"port"`
	// Connections bounds sessions per source and site. Default 5.
	Connections int `toml:"connections"`
	// MessagesPerConnection ends a session after that many. Default 100.
	MessagesPerConnection int `toml:"messages_per_connection"`
	// Shaping names a file of limits and rules that is laid over the shipped ones; see
	// docs/shaping.md. SIGHUP reads it anew.
	Shaping string `toml:"shaping"`
	// DNSBL lists the zones of block lists that are asked about our sources every
	// hour. Most bound free use, and answer only to a resolver of one's own.
	DNSBL []string `toml:"dnsbl"`
	// Alarm says when a provider's refusals of a source stop it from being used there.
	Alarm Alarm `toml:"alarm"`
}

// Source is one local address to send from.
type Source struct {
	// Name is unique among all nodes. Default: the address.
	Name string     `toml:"name"`
	IP   netip.Addr `toml:"ip"`
	EHLO string     `toml:"ehlo"` // "" is Hostname
	// State is new (warms up), active, retiring (drains) or retired. Default active.
	State string `toml:"state"`
	// ValidFrom and ValidUntil bound its use, as 2026-12-01T08:00:00+01:00.
	ValidFrom  time.Time `toml:"valid_from"`
	ValidUntil time.Time `toml:"valid_until"`
	// Weight is its share of a pool's mail beside the others'. Default 100.
	Weight *int `toml:"weight"`
	// Pools it belongs to. Default: default.
	Pools []string `toml:"pools"`
}

// Pool is a set of sources that share mail.
type Pool struct {
	Name string `toml:"name"`
	// Weights adds sources by name, with a share in this pool alone.
	Weights map[string]int `toml:"weights"`
}

// Assign says which pool mail leaves from. The line that fits best counts: tenant
// and stream, tenant, stream.
type Assign struct {
	Tenant string `toml:"tenant"` // ten_…; "" is every tenant
	Stream string `toml:"stream"` // "" is every stream
	Pool   string `toml:"pool"`
}

// Alarm is when a source is paused towards a provider that refuses it.
type Alarm struct {
	// Threshold is the number of refusals within Window. Default 3.
	Threshold int `toml:"threshold"`
	// Window is the time they are counted in. Default "10m".
	Window Duration `toml:"window"`
	// Pause is how long nothing is sent then, until one mail is sent as a probe; it
	// doubles each time the probe is refused. Default "1h".
	Pause Duration `toml:"pause"`
	// MaxPause bounds it. Default "24h".
	MaxPause Duration `toml:"max_pause"`
}

// Route sends a recipient domain's mail to a fixed host.
type Route struct {
	Domain  string `toml:"domain"`   // "*" is every domain
	NextHop string `toml:"next_hop"` // host or host:port; without a port it is 25
}

// complaint takes what is wrong with an option.
type complaint func(key, format string, args ...any)

func (c Config) validateEgress(bad complaint) {
	if c.Egress.Port < 1 || c.Egress.Port > 65535 {
		bad("egress.port", "want 1 to 65535, have %d", c.Egress.Port)
	}
	for i, s := range c.Egress.Sources {
		if !s.IP.IsValid() {
			bad(fmt.Sprintf("egress.source[%d].ip", i), "is missing")
		}
	}
	if _, err := c.egressPlan(); err != nil {
		bad("egress", "%v", err)
	}
	for i, r := range c.Routes {
		if r.Domain == "" || r.NextHop == "" {
			bad(fmt.Sprintf("route[%d]", i), "needs domain and next_hop")
		}
	}
}

func (c Config) validateReturnMail(bad complaint) {
	if d := c.ReturnMail.Domain; d != "" {
		if _, err := message.ParseDomain(d); err != nil {
			bad("return_mail.domain", "want a domain, have %q", d)
		}
	} else if c.ReturnMail.Listen != "" {
		bad("return_mail.domain", "is missing; return_mail.listen needs it")
	}
	for _, s := range c.ReturnMail.listStreams() {
		if !s.Valid() {
			bad("return_mail.list_unsubscribe", "want streams such as newsletter, have %q", s)
		}
	}
	if c.ReturnMail.MessageSize < 64<<10 {
		bad("return_mail.message_size", "want at least 65536, have %d", c.ReturnMail.MessageSize)
	}
}
