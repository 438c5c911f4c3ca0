package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"stafette/internal/bounce"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/preference"
	"stafette/internal/queue"
	"stafette/internal/returns"
	"stafette/internal/smtpserver"
	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
	"stafette/internal/web/reports"
)

// returnMail is what takes mail back: addresses, door and reader.
type returnMail struct {
	base      *base
	domain    string // "" leaves return paths to the senders
	paths     *bounce.ReturnPaths
	leave     *bounce.ReturnPaths // addresses to unsubscribe at
	lists     []tenant.Stream     // whose mail names one
	addresses *returns.Addresses
	hosts     *returns.Hosts
	sorter    *returns.Sorter
	// preference takes what recipients decide by link; nil: they cannot.
	preference *preference.Service
	door       *smtpserver.Returns
}

func newReturnMail(b *base) (*returnMail, error) {
	paths, err := bounce.NewReturnPaths(b.keeper.MACKey("return path"))
	if err != nil {
		return nil, fmt.Errorf("return paths: %w", err)
	}
	unsubscribe, err := bounce.NewUnsubscribePaths(b.keeper.MACKey("unsubscribe address"))
	if err != nil {
		return nil, fmt.Errorf("addresses to unsubscribe at: %w", err)
	}
	domain := ""
	if text := b.config.ReturnMail.Domain; text != "" {
		if domain, err = message.ParseDomain(text); err != nil {
			return nil, fmt.Errorf("domain of return mail: %w", err)
		}
	}
	return &returnMail{
		base: b, preference: newPreference(b), domain: domain, paths: paths, leave: unsubscribe, lists: b.config.ReturnMail.listStreams(),
		addresses: returns.NewAddresses(paths, unsubscribe, domain, b.config.Hostname),
		hosts:     returns.NewHosts(returns.HostsConfig{Domain: domain, Resolver: b.resolver, Domains: b.store.UsableDomains, Log: b.log}),
	}, nil
}

// open makes the door and the reader, once there is an entrance for replies.
func (r *returnMail) open(p *platform, reasons *bounce.Table) {
	r.sorter = returns.NewSorter(returns.SorterConfig{
		Store: p.store, Addresses: r.addresses, Keeper: p.keeper, Judge: reasons,
		Suppressor: p.audience, Acceptor: p.entrance, Resolver: p.resolver,
		Aggregates: aggregates{p.registry(), p.policies}, Now: p.store.Now, Epoch: p.runner.Epoch, Log: p.log,
	})
	r.door = smtpserver.NewReturns(smtpserver.ReturnsConfig{
		Mail: returns.NewIntake(returns.IntakeConfig{
			Store: p.store, Addresses: r.addresses, Keeper: p.keeper, Now: p.store.Now, Wake: r.sorter.Wake, Log: p.log,
		}),
		TLS: p.tls, Now: p.store.Now, Hostname: p.config.Hostname, MaxSize: p.config.ReturnMail.MessageSize, Log: p.log,
	})
}

// aggregates takes in what others report about sending domains: of DMARC, or of TLS.
type aggregates struct {
	registry *tenant.Registry
	policies *tlspolicy.Policies
}

// Take implements returns.Aggregates. RFC 8460, 5.3 wants reports of TLS to be signed.
func (a aggregates) Take(ctx context.Context, d tenant.DomainID, raw []byte, signed bool) error {
	err := a.registry.AcceptReport(ctx, d, raw)
	if f := fault.As(err); f == nil || f.Kind != fault.Invalid || !signed {
		return err
	}
	domain, lost := a.registry.Owned(ctx, d)
	if lost != nil {
		return lost
	}
	read := a.policies.AcceptReport(ctx, domain.Name, raw)
	if errors.Is(read, tlspolicy.ErrNoReport) {
		return err
	}
	return read
}

// tlsReports are the reports of TLS as the office shows them.
type tlsReports struct{ policies *tlspolicy.Policies }

// TLSReports implements reports.TLSReports.
func (t tlsReports) TLSReports(ctx context.Context, who tenant.ID, domain string) ([]reports.TLSReport, error) {
	list, err := t.policies.Received(ctx, who, domain)
	shown := make([]reports.TLSReport, 0, len(list))
	for _, r := range list {
		one := reports.TLSReport{Reporter: r.Report.Organization, Begin: r.Report.Dates.Start, End: r.Report.Dates.End}
		for _, p := range r.Report.Policies {
			one.Successful += p.Summary.Successful
			one.Failed += p.Summary.Failed
			for _, f := range p.Failures {
				if !slices.Contains(one.Failures, string(f.Result)) {
					one.Failures = append(one.Failures, string(f.Result))
				}
			}
		}
		shown = append(shown, one)
	}
	return shown, err
}

// path is the return path of an attempt. The null sender stays; without a domain for
// return mail the sender's own address does.
func (r *returnMail) path(e queue.Entry) string {
	if e.Sender == "" || r.domain == "" {
		return e.Sender
	}
	return r.paths.Make(returns.PathOf(e.Tenant, e.Delivery), r.hosts.Host(e.SignDomain)).String()
}

// fields are those of mailings that no one else can write, since each names the delivery
// as the return path does: where to unsubscribe, and where to complain.
func (r *returnMail) fields(e queue.Entry, mail []byte) []byte {
	if !slices.Contains(r.lists, e.Stream) {
		return nil
	}
	return []byte(r.unsubscribeFields(e, mail) + r.complaintField(e, mail))
}

// unsubscribeFields say where to unsubscribe (RFC 2369, 3.2), by one click (RFC 8058) and
// by mail. A mail that says so itself keeps what it says.
func (r *returnMail) unsubscribeFields(e queue.Entry, mail []byte) string {
	if hasField(mail, "List-Unsubscribe") {
		return ""
	}
	var ways []string
	if r.preference != nil {
		ways = append(ways, "<"+r.preference.Link(e.Tenant, e.Delivery)+">")
	}
	if r.domain != "" {
		to := r.leave.Make(returns.PathOf(e.Tenant, e.Delivery), r.hosts.Host(e.SignDomain))
		ways = append(ways, "<mailto:"+to.String()+"?subject=unsubscribe>")
	}
	if len(ways) == 0 {
		return ""
	}
	text := "List-Unsubscribe:\r\n " + strings.Join(ways, ",\r\n ") + "\r\n"
	if r.preference != nil && !hasField(mail, "List-Unsubscribe-Post") {
		text += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
	}
	return text
}

// complaintField tells providers where a complaint about this mail goes (RFC 9477): to its
// return path, which ties it to the delivery. They heed the field only where its domain is
// that of From or lies below it, and a signature of From's domain covers it (3.1.2); it is
// left out where the sending domain has no host of its own for return mail. A mail that
// says so itself keeps what it says.
func (r *returnMail) complaintField(e queue.Entry, mail []byte) string {
	if r.domain == "" || e.SignDomain == "" || hasField(mail, "CFBL-Address") {
		return ""
	}
	host := r.hosts.Host(e.SignDomain)
	if host != e.SignDomain && !strings.HasSuffix(host, "."+e.SignDomain) {
		return ""
	}
	return "CFBL-Address:\r\n " + r.paths.Make(returns.PathOf(e.Tenant, e.Delivery), host).String() + "; report=arf\r\n"
}

// newPreference makes what recipients decide by link; nil where pages have no address that
// a mail program would post to. RFC 8058, 3.1 wants https; plain HTTP is for a world that
// does not leave this machine.
func newPreference(b *base) *preference.Service {
	public := strings.TrimRight(b.config.HTTP.PublicURL, "/")
	if !strings.HasPrefix(public, "https://") && !b.config.Egress.LoopbackOnly {
		return nil
	}
	return preference.New(preference.Config{
		Store: b.store, List: b.audience, Consents: b.consentBook(), Key: b.keeper.MACKey("preference link"), PublicURL: public, Now: b.store.Now, Log: b.log,
	})
}

// hasField reports whether the header of a mail with CRLF line ends has a field.
func hasField(mail []byte, name string) bool {
	for line := range bytes.Lines(mail) {
		switch {
		case string(line) == "\r\n":
			return false
		case len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(string(line[:len(name)]), name):
			return true
		}
	}
	return false
}

// run reads what came back until ctx ends. A node without the door reads too: another
// node may have died over its mail.
func (r *returnMail) run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() { _ = r.sorter.Run(ctx) }) // it ends with ctx and in no other way
	if r.domain != "" {
		work.Go(func() { _ = r.hosts.Run(ctx) })
	}
	work.Wait()
}
