package egress

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/dns"
)

// Lookup asks the name server; *dns.Client implements it.
type Lookup interface {
	// Addrs and PTR return dns.ErrNoDomain and dns.ErrNoHost for a name or address
	// without records.
	Addrs(ctx context.Context, host string) ([]netip.Addr, error)
	PTR(ctx context.Context, addr netip.Addr) ([]string, error)
	TXT(ctx context.Context, name string) ([]string, error)
}

// Checker looks after what the world's name servers say of our sources.
type Checker struct {
	Lookup Lookup
	// DNSBL lists the zones of block lists to ask; none: none is asked. Many lists
	// answer only to some resolvers and bound free use.
	DNSBL []string
	// Addresses are those the machines of the nodes have (Ways.Addresses); nil: whether
	// a source's address is there is not looked at.
	Addresses map[string][]netip.Addr
	Now       func() time.Time
}

// Check looks at every source with an address that is not retired; what name servers
// say is asked about public addresses only.
func (c *Checker) Check(ctx context.Context, list []Source) []Finding {
	var found []Finding
	special := newSpecials()
	for _, s := range list {
		if !s.Fixed() || s.State == StateRetired {
			continue
		}
		if c.Addresses != nil && !s.IP.Unmap().IsLoopback() {
			found = append(found, c.here(s))
		}
		if special.why(s.IP) != "" {
			continue
		}
		found = append(found, c.ptr(ctx, s), c.ehlo(ctx, s))
		for _, zone := range c.DNSBL {
			found = append(found, c.listed(ctx, s, zone))
		}
	}
	now := c.Now()
	for i := range found {
		found[i].Since, found[i].CheckedAt = now, now
	}
	return found
}

// here checks that the machine the source belongs to has its address; a source of
// every node must be on each. A node that told nothing yet is not judged.
func (c *Checker) here(s Source) Finding {
	f := Finding{Source: s.Name, Check: CheckHere}
	var nodes []string
	for _, node := range slices.Sorted(maps.Keys(c.Addresses)) {
		list := c.Addresses[node]
		if (s.Node == "" || s.Node == node) && len(list) > 0 && !slices.Contains(list, s.IP.Unmap()) {
			f.Problem = ProblemMissing
			nodes = append(nodes, node)
		}
	}
	f.Have = found(nodes)
	return f
}

// maxNames bounds the reverse names that are followed forward.
const maxNames = 5

// ptr checks that the address has a reverse record whose name leads back to it, as
// nearly every large provider demands (FCrDNS).
func (c *Checker) ptr(ctx context.Context, s Source) Finding {
	f := Finding{Source: s.Name, Check: CheckPTR}
	names, err := c.Lookup.PTR(ctx, s.IP)
	switch {
	case Temporary(err):
		f.Problem = ProblemUnknown
		return f
	case len(names) == 0:
		f.Problem = ProblemMissing
		return f
	}
	names = names[:min(len(names), maxNames)]
	f.Have = found(names)
	f.Problem = ProblemMismatch
	for _, name := range names {
		addrs, err := c.Lookup.Addrs(ctx, name)
		switch {
		case Temporary(err):
			f.Problem = ProblemUnknown
		case slices.Contains(addrs, s.IP.Unmap()):
			if f.Problem = ProblemNone; generic(name, s.IP) {
				f.Problem = ProblemGeneric
			}
			return f
		}
	}
	return f
}

// ehlo checks that the name we greet with is one of this address.
func (c *Checker) ehlo(ctx context.Context, s Source) Finding {
	f := Finding{Source: s.Name, Check: CheckEHLO}
	addrs, err := c.Lookup.Addrs(ctx, s.EHLO)
	switch {
	case Temporary(err):
		f.Problem = ProblemUnknown
	case len(addrs) == 0:
		f.Problem = ProblemMissing
	case !slices.Contains(addrs, s.IP.Unmap()):
		f.Problem = ProblemMismatch
	}
	var texts []string
	for _, a := range addrs[:min(len(addrs), maxNames)] {
		texts = append(texts, a.String())
	}
	f.Have = found(texts)
	return f
}

// listed asks a block list (RFC 5782). An answer outside 127/8 is none; answers in
// 127.255.255/24 say that the list does not serve our resolver.
func (c *Checker) listed(ctx context.Context, s Source, zone string) Finding {
	f := Finding{Source: s.Name, Check: CheckDNSBL, Subject: zone}
	name := reverse(s.IP) + "." + strings.Trim(zone, ".")
	addrs, err := c.Lookup.Addrs(ctx, name)
	if Temporary(err) {
		f.Problem = ProblemUnknown
		return f
	}
	refused := netip.MustParsePrefix("127.255.255.0/24")
	for _, a := range addrs {
		switch {
		case refused.Contains(a):
			f.Problem = ProblemUnknown
			return f
		case a.Is4() && a.IsLoopback():
			f.Problem = ProblemListed
			f.Have = a.String()
		}
	}
	if f.Problem == ProblemListed {
		if reasons, err := c.Lookup.TXT(ctx, name); err == nil {
			f.Have = found(append([]string{f.Have}, reasons...))
		}
	}
	return f
}

// Temporary reports whether a look-up owes an answer and did not say "no".
func Temporary(err error) bool {
	return err != nil && !errors.Is(err, dns.ErrNoDomain) && !errors.Is(err, dns.ErrNoHost)
}

// found joins foreign words for the record, cleaned and cut.
func found(list []string) string {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(strings.Join(list, ", "), ""))
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300])
	}
	return s
}

// reverse writes an address as block lists want it (RFC 5782, 2.1 and 2.4).
func reverse(a netip.Addr) string {
	a = a.Unmap()
	var labels []string
	if a.Is4() {
		for _, b := range a.As4() {
			labels = append(labels, strconv.Itoa(int(b)))
		}
	} else {
		for _, b := range a.As16() {
			labels = append(labels, strconv.FormatInt(int64(b>>4), 16), strconv.FormatInt(int64(b&15), 16))
		}
	}
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

// generic reports whether a reverse name looks made from the address, as dial-up
// customers' are: all four numbers of it, or words that say so.
func generic(name string, a netip.Addr) bool {
	for _, word := range []string{"dynamic", "dyn-", "dialup", "dial-up", "dsl", "pool-", "dhcp", "cable"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	a = a.Unmap()
	if !a.Is4() {
		return false
	}
	numbers := strings.FieldsFunc(name, func(r rune) bool { return r < '0' || r > '9' })
	for _, b := range a.As4() {
		if !slices.Contains(numbers, strconv.Itoa(int(b))) {
			return false
		}
	}
	return true
}

// Todos turns what was found and which alarms last into things to do, the oldest
// first.
func Todos(sources []Source, findings []Finding, alarms []Alarm) []Todo {
	of := map[string]Source{}
	for _, s := range sources {
		of[s.Name] = s
	}
	todo := func(key, source string) Todo {
		s := of[source]
		t := Todo{Key: key, Source: source, EHLO: s.EHLO}
		if s.Fixed() {
			t.IP = s.IP.String()
		}
		return t
	}
	var list []Todo
	for _, f := range findings {
		if f.Problem == ProblemNone || f.Problem == ProblemUnknown || of[f.Source].State == StateRetired {
			continue
		}
		t := todo("egress.check."+string(f.Check)+"."+string(f.Problem), f.Source)
		t.Have, t.Since, t.Checked = f.Have, f.Since, f.CheckedAt
		if f.Check == CheckDNSBL {
			t.Provider = f.Subject
		}
		list = append(list, t)
	}
	for _, a := range alarms {
		if !a.ClearedAt.IsZero() {
			continue
		}
		key := "other"
		if slices.Contains(wayOut(), a.Provider) {
			key = a.Provider
		}
		t := todo("egress.alarm."+key, a.Source)
		t.Provider, t.Have, t.Since, t.Link = a.Provider, a.Text, a.First, alarmLink(a.Provider, a.Text)
		list = append(list, t)
	}
	slices.SortStableFunc(list, func(a, b Todo) int { return a.Since.Compare(b.Since) })
	return list
}

// wayOut lists the providers whose way back is known; the catalogue has its texts.
func wayOut() []string {
	return []string{"tonline", "gmx", "webde", "ms", "msconsumer", "gmail", "yahoo", "icloud", "freenet"}
}

// alarmLink is where a provider takes requests for release: the page its reply names,
// if that is one of its own, else the one it is known for.
func alarmLink(provider, reply string) string {
	if found := casePage.FindString(reply); found != "" {
		return strings.TrimRight(found, ".,;)")
	}
	switch provider {
	case "tonline":
		return "https://postmaster.t-online.de/"
	case "gmx":
		return "https://postmaster.gmx.net/"
	case "webde":
		return "https://postmaster.web.de/"
	case "ms":
		return "https://sender.office.com/"
	case "msconsumer":
		return "https://sendersupport.olc.protection.outlook.com/snds/"
	case "gmail":
		return "https://postmaster.google.com/"
	case "yahoo":
		return "https://senders.yahooinc.com/"
	case "freenet":
		return "https://postmaster.freenet.de/"
	}
	return ""
}

// casePage matches a case's page at United Internet. Other links in replies are not
// followed: anybody can write them.
var casePage = regexp.MustCompile(`https://postmaster\.(?:gmx\.(?:net|com)|web\.de|1und1\.de)/[!-~]+`)
