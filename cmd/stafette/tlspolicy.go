package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/smtp"
	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
)

// trustAD reports whether the resolver is believed to have validated.
func (c Config) trustAD() bool {
	return c.DNS.TrustAD == "always" || c.DNS.TrustAD == "loopback" && dns.Loopback(c.DNS.Server)
}

func (c Config) validateTLS(bad func(key, format string, args ...any)) {
	switch c.DNS.TrustAD {
	case "loopback", "always", "never":
	default:
		bad("dns.trust_ad", "want loopback, always or never, have %q", c.DNS.TrustAD)
	}
	if _, ok := tlsVersion(c.Outbound.MinVersion); !ok {
		bad("outbound_tls.min_version", "want 1.2 or 1.3, have %q", c.Outbound.MinVersion)
	}
	if c.Outbound.HTTPSPort < 1 || c.Outbound.HTTPSPort > 65535 {
		bad("outbound_tls.https_port", "want 1 to 65535, have %d", c.Outbound.HTTPSPort)
	}
	if (c.Outbound.ReportFrom == "") != (c.Outbound.ReportTenant == "") {
		bad("outbound_tls", "report_from and report_tenant go together")
	}
	for i, r := range c.Outbound.Rules {
		named := 0
		for _, s := range []string{r.Domain, r.NextHop, r.Tenant} {
			if s != "" {
				named++
			}
		}
		if named != 1 {
			bad(fmt.Sprintf("outbound_tls.rule[%d]", i), "needs exactly one of domain, next_hop and tenant")
		}
	}
}

func tlsVersion(text string) (uint16, bool) {
	switch text {
	case "1.2":
		return tls.VersionTLS12, true
	case "1.3":
		return tls.VersionTLS13, true
	}
	return 0, false
}

// newPolicies makes the TLS policies as configured; mail sends reports and may be nil.
func newPolicies(b *base, guard *egress.Guard, mail func(context.Context, tlspolicy.Letter) error) (*tlspolicy.Policies, error) {
	c := b.config
	version, _ := tlsVersion(c.Outbound.MinVersion) // validate has checked it
	roots, err := c.authorities()
	if err != nil {
		return nil, err
	}
	rules, err := c.tlsRules()
	if err != nil {
		return nil, err
	}
	reporter := tlspolicy.Reporter{Organization: c.Outbound.ReportOrganization, Contact: c.Outbound.ReportContact, Host: c.Hostname}
	if reporter.Organization == "" {
		reporter.Organization = c.Hostname
	}
	if c.Outbound.ReportFrom != "" {
		if reporter.From, err = message.ParseAddress(c.Outbound.ReportFrom); err != nil {
			return nil, fmt.Errorf("outbound_tls.report_from: %w", err)
		}
		reporter.Mail = mail
		if reporter.Contact == "" {
			reporter.Contact = reporter.From.String()
		}
	}
	port := uint16(c.Outbound.HTTPSPort)
	return tlspolicy.New(tlspolicy.Config{
		Names: b.resolver, Store: b.store, Dial: guard.Web(port).Dialer(egress.Source{}, false), Now: b.store.Now,
		Rules: rules, NoDANE: !c.Outbound.DANE, NoSTS: !c.Outbound.MTASTS, Port: guard.Port(), HTTPSPort: port,
		Roots: roots, MinVersion: version, Reporter: reporter, Log: b.log,
	})
}

// authorities are those of the configured file; nil: the system's.
func (c Config) authorities() (*x509.CertPool, error) {
	if c.Outbound.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.Outbound.CAFile)
	if err != nil {
		return nil, fmt.Errorf("outbound_tls.ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("outbound_tls.ca_file: no certificate in %s", c.Outbound.CAFile)
	}
	return pool, nil
}

func (c Config) tlsRules() ([]tlspolicy.Rule, error) {
	var list []tlspolicy.Rule
	for i, r := range c.Outbound.Rules {
		rule := tlspolicy.Rule{Domain: r.Domain, MX: r.MX}
		var err error
		switch {
		case r.Tenant != "":
			rule.Tenant, err = id.Parse[tenant.Kind](r.Tenant)
		case r.NextHop != "":
			rule.Hop, err = hopText(r.NextHop)
		}
		if err != nil {
			return nil, fmt.Errorf("outbound_tls.rule[%d]: %w", i, err)
		}
		list = append(list, rule)
	}
	return list, nil
}

// hopText is a next hop as routes name it.
func hopText(nextHop string) (string, error) {
	routes, err := egress.NewRoutes([]egress.Route{{Domain: "*", NextHop: nextHop}})
	if err != nil {
		return "", err
	}
	hop, _ := routes.Find("*")
	return hop.String(), nil
}

// mailReport sends a TLS report as a message of the configured tenant.
func (p *platform) mailReport(ctx context.Context, l tlspolicy.Letter) error {
	sender, err := id.Parse[tenant.Kind](p.config.Outbound.ReportTenant)
	if err != nil {
		return fmt.Errorf("outbound_tls.report_tenant: %w", err)
	}
	_, err = p.entrance.Accept(ctx, ingest.Principal{Tenant: sender, Actor: "system", Door: "system"}, ingest.Submission{
		Raw: l.Raw, Sender: &l.From, Recipients: []message.Address{l.To}, Stream: tenant.System, Idempotency: l.Key,
	})
	return err
}

type domainTLSCmd struct {
	Domain  string `arg:"" help:"Recipient domain."`
	Connect bool   `help:"Also open a session with each host, as delivery would, and say how it went."`
	Output  string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// probed is a host with what a session with it came to.
type probed struct {
	tlspolicy.HostRules
	Session string `json:"session,omitempty"`
}

// Run explains the policy of a recipient domain as delivery sees it.
func (d domainTLSCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		own, err := b.config.egressPlan()
		if err != nil {
			return err
		}
		guard := b.config.guard(own.Sources)
		policies, err := newPolicies(b, guard, nil)
		if err != nil {
			return err
		}
		routes, err := b.config.routes()
		if err != nil {
			return err
		}
		domain := strings.TrimSuffix(strings.ToLower(d.Domain), ".")
		hop, routed := routes.Find(domain)
		hopName := ""
		if routed {
			hopName = hop.String()
		}
		x, err := policies.Explain(ctx, domain, hopName, hop.Host)
		if err != nil {
			return fmt.Errorf("explain %s: %w", domain, err)
		}
		hosts := make([]probed, len(x.Hosts))
		for i, h := range x.Hosts {
			hosts[i] = probed{HostRules: h}
			if d.Connect && h.Failure == "" {
				hosts[i].Session = probe(ctx, b, guard, h, hop)
			}
		}
		if d.Output == "json" {
			return json.NewEncoder(con.stdout).Encode(struct {
				tlspolicy.Explanation
				Hosts    []probed `json:"hosts"`
				Believed bool     `json:"dnssec_believed"`
			}{x, hosts, b.config.trustAD()})
		}
		printPolicy(con.stdout, x, hosts, b.config.trustAD())
		return nil
	})
}

func printPolicy(w io.Writer, x tlspolicy.Explanation, hosts []probed, believed bool) {
	fmt.Fprintf(w, "%s: %s\n", x.Domain, x.Kind)
	if x.Hop != "" {
		fmt.Fprintf(w, "  route      %s (the domain's own policies do not apply)\n", x.Hop)
	}
	if x.Rule {
		fmt.Fprintln(w, "  rule       a rule of outbound_tls demands proven servers")
	}
	if x.STS != nil {
		fmt.Fprintf(w, "  MTA-STS    %s, id %s, mx %s, until %s\n", x.STS.Mode, x.STS.ID, strings.Join(x.STS.MX, " "), x.STS.Expires)
	}
	if x.STSError != "" {
		fmt.Fprintf(w, "  MTA-STS    %s\n", x.STSError)
	}
	if !believed {
		fmt.Fprintln(w, "  DNSSEC     the name server is not trusted to validate (dns.trust_ad): no DANE")
	}
	for _, to := range x.ReportsTo {
		fmt.Fprintf(w, "  reports    %s\n", to)
	}
	for _, h := range hosts {
		must := "encrypted if offered"
		if h.Mandatory {
			must = "encrypted and proven, or not at all"
		}
		if h.Mandatory && h.Kind == tlspolicy.DANE && h.Usable == 0 {
			must = "encrypted, or not at all"
		}
		fmt.Fprintf(w, "  %5d %s: %s, %s\n", h.Preference, h.Host, h.Kind, must)
		fmt.Fprintf(w, "        DNSSEC %s\n", map[bool]string{true: "proves the MX record", false: "does not prove the MX record"}[h.Secure])
		for _, r := range h.TLSA {
			fmt.Fprintf(w, "        TLSA   %s: %s\n", h.TLSAName, r)
		}
		if h.Failure != "" {
			fmt.Fprintf(w, "        NO SESSION: %s\n", h.Failure)
		}
		if h.Session != "" {
			fmt.Fprintf(w, "        session: %s\n", h.Session)
		}
	}
}

// probe opens a session as delivery would and closes it again.
func probe(ctx context.Context, b *base, guard *egress.Guard, h tlspolicy.HostRules, hop egress.Hop) string {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	port := guard.Port()
	if hop.Port != 0 {
		port = hop.Port
	}
	addrs, err := b.resolver.Addrs(ctx, h.Host)
	if err != nil {
		return err.Error()
	}
	source := b.config.source(b.config.sources()[0])
	mode, config := h.Demand.Mode(nil)
	err = errors.New("no address that this source reaches")
	for _, a := range addrs {
		if !source.Reaches(a) {
			continue
		}
		var c *smtp.Conn
		c, err = smtp.Dial(ctx, smtp.Options{Address: netip.AddrPortFrom(a, port).String(), Host: h.Host, EHLO: source.EHLO, TLS: mode, TLSConfig: config,
			DialContext: guard.Dialer(source, hop.Port != 0)})
		if err == nil {
			state := c.TLSState()
			_ = c.Close() // the session has shown what was asked of it
			return came(h.Demand, state)
		}
	}
	if failure := h.Demand.Blame(err); failure != nil {
		return "FORBIDDEN, mail waits: " + failure.Error()
	}
	return "none: " + err.Error()
}

func came(d *tlspolicy.Demand, state *tls.ConnectionState) string {
	if state == nil {
		return "in clear: STARTTLS is not offered"
	}
	text := tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
	if verdict := d.Verdict(d.Watch(state)); verdict != "" {
		text += ", " + verdict
	}
	return text
}
