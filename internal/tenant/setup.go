package tenant

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"unicode"

	"stafette/internal/dmarc"
	"stafette/internal/dns"
)

// Hosts are the platform's own names that records of sending domains lead to. Empty
// ones leave the records they are for out.
type Hosts struct {
	// Return takes the return mail; bounces.<domain> leads to it.
	Return string
	// Tracking serves links and pictures; link.<domain> leads to it.
	Tracking string
	// SPF are the mechanisms that cover our addresses: "include:spf.example.net",
	// "ip4:192.0.2.1".
	SPF []string
	// Reports returns the address at which a domain's DMARC reports are taken; nil if
	// none are.
	Reports func(ID, DomainID) string
}

// Labels before a sending domain.
const (
	ReturnLabel   = "bounces" // the host of its return path
	TrackingLabel = "link"    // the host of its links
)

// Purpose says what a record of the set-up is for.
type Purpose string

// The purposes, in the order in which pages list them.
const (
	ForDKIM     Purpose = "dkim"     // signatures; without it nothing may be sent
	ForNextDKIM Purpose = "dkim_new" // signatures from a rotation on
	ForReturn   Purpose = "return"   // return path aligned with From
	ForSPF      Purpose = "spf"      // our addresses may send for the domain
	ForDMARC    Purpose = "dmarc"    // what is to happen to forged mail
	ForTracking Purpose = "tracking" // links under the domain's own name
	ForTLSRPT   Purpose = "tlsrpt"   // reports about encryption towards the domain
	ForMTASTS   Purpose = "mta_sts"  // encryption towards the domain
)

// RecordState is what DNS says of a record.
type RecordState string

// The states of a record.
const (
	Unchecked RecordState = "unchecked"
	Found     RecordState = "found"
	Missing   RecordState = "missing"
	Different RecordState = "different" // there is another one, see Finding.Seen
	NoAnswer  RecordState = "no_answer" // the name server says nothing now
)

// Finding is one record of a domain's set-up and what DNS says of it.
type Finding struct {
	Purpose Purpose     `json:"purpose"`
	Type    string      `json:"type"` // "TXT" or "CNAME"
	Name    string      `json:"name"`
	Value   string      `json:"value"` // to publish; "": nothing is asked for, the finding is for information
	State   RecordState `json:"state"`
	Seen    []string    `json:"seen,omitempty"` // what is published there, shortened, on one line each
}

// Needed reports whether nothing may be sent without the record.
func (f Finding) Needed() bool { return f.Purpose == ForDKIM }

// Plan lists the records of a domain before anybody has asked DNS.
func Plan(d Domain, keys []DKIMKey, h Hosts) []Finding {
	var list []Finding
	add := func(p Purpose, kind, name, value string) {
		list = append(list, Finding{Purpose: p, Type: kind, Name: name, Value: value, State: Unchecked})
	}
	for _, k := range keys {
		switch {
		case k.Active:
			add(ForDKIM, "TXT", k.RecordName(), k.Record)
		case k.Waiting():
			add(ForNextDKIM, "TXT", k.RecordName(), k.Record)
		}
	}
	if h.Return != "" {
		add(ForReturn, "CNAME", ReturnLabel+"."+d.Name, h.Return)
	}
	if len(h.SPF) > 0 {
		add(ForSPF, "TXT", d.Name, "v=spf1 "+strings.Join(h.SPF, " ")+" ~all")
	} else {
		add(ForSPF, "TXT", d.Name, "")
	}
	reports := ""
	if h.Reports != nil {
		reports = "; rua=mailto:" + h.Reports(d.Tenant, d.ID)
	}
	add(ForDMARC, "TXT", "_dmarc."+d.Name, "v=DMARC1; p=none"+reports)
	if h.Tracking != "" {
		add(ForTracking, "CNAME", TrackingLabel+"."+d.Name, h.Tracking)
	}
	add(ForTLSRPT, "TXT", "_smtp._tls."+d.Name, "")
	add(ForMTASTS, "TXT", "_mta-sts."+d.Name, "")
	return list
}

// CheckDomain asks DNS for every record of a domain's Plan. A name server that gives no
// answer makes NoAnswer of that record; the only error is that of ctx.
func CheckDomain(ctx context.Context, r dns.Resolver, d Domain, keys []DKIMKey, h Hosts) ([]Finding, error) {
	list := Plan(d, keys, h)
	var asking sync.WaitGroup // all at once: a silent name server costs its patience only once
	for i := range list {
		asking.Go(func() {
			if err := list[i].check(ctx, r, d, h); err != nil {
				list[i].State, list[i].Seen = NoAnswer, nil
			}
			list[i].Seen = presentable(list[i].Seen)
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("check %s: %w", d.Name, context.Cause(ctx))
	}
	return list, nil
}

func (f *Finding) check(ctx context.Context, r dns.Resolver, d Domain, h Hosts) error {
	switch f.Purpose {
	case ForDKIM, ForNextDKIM:
		return f.checkKey(ctx, r)
	case ForReturn:
		return f.checkReturn(ctx, r)
	case ForTracking:
		return f.checkTracking(ctx, r)
	case ForSPF:
		return f.checkSPF(ctx, r, h.SPF)
	case ForDMARC:
		return f.checkDMARC(ctx, r, d, h)
	case ForTLSRPT:
		return f.checkVersion(ctx, r, "v=TLSRPTv1")
	case ForMTASTS:
		return f.checkVersion(ctx, r, "v=STSv1")
	}
	return nil
}

// checkKey compares the keys, not the texts: editors of DNS insert spaces and reorder
// tags. The record may stand behind a CNAME.
func (f *Finding) checkKey(ctx context.Context, r dns.Resolver) error {
	records, err := texts(ctx, r, f.Name)
	if err != nil {
		return err
	}
	f.State = Missing
	want := tagOf(f.Value, "p")
	for _, text := range records {
		switch have := tagOf(text, "p"); {
		case have == want && want != "":
			f.State, f.Seen = Found, []string{text}
			return nil
		case strings.Contains(text, "p="):
			f.State, f.Seen = Different, append(f.Seen, text)
		}
	}
	return nil
}

// checkReturn is content with whatever brings return mail to us: a CNAME, or MX
// records of its own.
func (f *Finding) checkReturn(ctx context.Context, r dns.Resolver) error {
	want, err := mailHosts(ctx, r, f.Value)
	if err != nil {
		return err
	}
	have, err := mailHosts(ctx, r, f.Name)
	if err != nil {
		return err
	}
	f.compare(have, want)
	return nil
}

func (f *Finding) checkTracking(ctx context.Context, r dns.Resolver) error {
	want, err := addresses(ctx, r, f.Value)
	if err != nil {
		return err
	}
	have, err := addresses(ctx, r, f.Name)
	if err != nil {
		return err
	}
	f.compare(have, want)
	return nil
}

func (f *Finding) compare(have, want []string) {
	switch {
	case len(have) == 0:
		f.State = Missing
	case slices.Equal(have, want):
		f.State, f.Seen = Found, have
	default:
		f.State, f.Seen = Different, have
	}
}

// checkSPF keeps what the domain has and proposes it with our mechanisms put in.
func (f *Finding) checkSPF(ctx context.Context, r dns.Resolver, mechanisms []string) error {
	records, err := texts(ctx, r, f.Name)
	if err != nil {
		return err
	}
	f.State = Missing
	for _, text := range records {
		if !hasVersion(text, "v=spf1") {
			continue
		}
		f.Seen = append(f.Seen, text)
	}
	switch {
	case len(f.Seen) == 0:
	case len(f.Seen) > 1:
		f.State = Different // RFC 7208, 4.5: two are an error to receivers
	default:
		f.State = Found
		if merged := withMechanisms(f.Seen[0], mechanisms); merged != f.Seen[0] {
			f.State, f.Value = Different, merged
		}
	}
	return nil
}

// withMechanisms puts the missing mechanisms before "all" or a redirect.
func withMechanisms(record string, mechanisms []string) string {
	terms := strings.Fields(record)
	for _, m := range mechanisms {
		if slices.ContainsFunc(terms, func(t string) bool { return strings.EqualFold(strings.TrimPrefix(t, "+"), m) }) {
			continue
		}
		at := slices.IndexFunc(terms, func(t string) bool {
			return strings.EqualFold(strings.TrimLeft(t, "+-~?"), "all") || hasPrefixFold(t, "redirect=")
		})
		if at < 0 {
			at = len(terms)
		}
		terms = slices.Insert(terms, at, m)
	}
	return strings.Join(terms, " ")
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// checkDMARC respects any record that holds for the domain. Its own may get our
// address for reports; that of the organisation above is for others to change, and that
// of a public suffix only speaks for those who have none.
func (f *Finding) checkDMARC(ctx context.Context, r dns.Resolver, d Domain, h Hosts) error {
	found, err := dmarc.Discover(ctx, r, d.Name)
	if err != nil {
		return err
	}
	if found.Domain == "" || found.Domain != d.Name && found.Record.PSD == 'y' {
		f.State = Missing
		return nil
	}
	f.State, f.Name, f.Seen = Found, "_dmarc."+found.Domain, []string{found.Record.Text}
	f.Value = found.Record.Text
	if h.Reports == nil || found.Domain != d.Name {
		return nil
	}
	if to := h.Reports(d.Tenant, d.ID); !found.Record.ReportsTo(to) {
		f.Value = withReports(found.Record.Text, to)
	}
	return nil
}

// withReports adds an address to the rua tag of a record.
func withReports(record, address string) string {
	parts := strings.Split(strings.TrimRight(strings.TrimSpace(record), "; "), ";")
	for i, part := range parts {
		if name, value, ok := strings.Cut(part, "="); ok && strings.EqualFold(strings.TrimSpace(name), "rua") {
			parts[i] = name + "=" + strings.TrimSpace(value) + ",mailto:" + address
			return strings.Join(parts, ";")
		}
	}
	return strings.Join(parts, ";") + "; rua=mailto:" + address
}

func (f *Finding) checkVersion(ctx context.Context, r dns.Resolver, version string) error {
	records, err := texts(ctx, r, f.Name)
	if err != nil {
		return err
	}
	f.State = Missing
	for _, text := range records {
		if hasVersion(text, version) {
			f.State, f.Seen = Found, append(f.Seen, text)
		}
	}
	return nil
}

// mailHosts are the hosts that take mail for a name, in alphabetical order; none for a
// name that has none.
func mailHosts(ctx context.Context, r dns.Resolver, name string) ([]string, error) {
	list, err := r.MX(ctx, name)
	if isNo(err) || errors.Is(err, dns.ErrNoMail) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	var hosts []string
	for _, mx := range list {
		hosts = append(hosts, mx.Host)
	}
	slices.Sort(hosts)
	return hosts, nil
}

func addresses(ctx context.Context, r dns.Resolver, name string) ([]string, error) {
	list, err := r.Addrs(ctx, name)
	if isNo(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	var all []string
	for _, a := range list {
		all = append(all, a.String())
	}
	return all, nil
}

// isNo reports whether an error is an answer: there is no such thing.
func isNo(err error) bool { return errors.Is(err, dns.ErrNoDomain) || errors.Is(err, dns.ErrNoHost) }

// Limits of what is kept of foreign records.
const (
	maxSeen     = 5
	maxSeenText = 600 // characters; an RSA key of 2048 bits has some 400
)

// presentable bounds foreign texts and takes what cannot be printed out of them.
func presentable(list []string) []string {
	list = list[:min(len(list), maxSeen)]
	for i, text := range list {
		text = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(text, "\uFFFD"))
		if r := []rune(text); len(r) > maxSeenText {
			text = string(r[:maxSeenText-1]) + "…"
		}
		list[i] = text
	}
	return list
}
