package published

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"blitiri.com.ar/go/spf"

	"stafette/internal/dns"
	"stafette/internal/tenant"
)

// State says how a record in DNS compares with the one that should stand there.
type State string

// The states.
const (
	Found     State = "found"
	Missing   State = "missing"
	Different State = "different"
	NoAnswer  State = "no_answer" // the name server says nothing now
)

// Compared is what DNS says about the records of a list at one name.
type Compared struct {
	Name  string
	Want  []string
	Have  []string // shortened, on one line each
	State State
	// Uncovered are used addresses that SPF does not let pass, Surplus those that it names
	// although they are used no more or never were ours.
	Uncovered, Surplus []netip.Addr
}

// Check compares the records of an account's list (zero: the platform's) with DNS: SPF at
// its name, then the list's own. Errors are those of List.
func (s *Service) Check(ctx context.Context, of tenant.ID) ([]Compared, error) {
	l, err := s.List(ctx, of)
	if err != nil {
		return nil, err
	}
	checked := []Compared{s.checkSPF(ctx, l)}
	if len(l.DNS) > 0 {
		c := Compared{Name: l.DNS[0].Name}
		for _, r := range l.DNS {
			c.Want = append(c.Want, r.Value)
		}
		checked = append(checked, s.checkList(ctx, c))
	}
	return checked, nil
}

// checkSPF asks SPF itself: a record that covers all addresses in another form is as good.
func (s *Service) checkSPF(ctx context.Context, l List) Compared {
	c := Compared{Name: l.SPF[0].Name, State: Found}
	for _, r := range l.SPF {
		c.Want = append(c.Want, r.Name+" TXT "+r.Value)
	}
	texts, err := s.c.Resolver.TXT(ctx, c.Name)
	if err != nil && !never(err) {
		c.State = NoAnswer
		return c
	}
	for _, t := range texts {
		if strings.HasPrefix(strings.ToLower(t), "v=spf1") {
			c.Have = append(c.Have, shorten(t))
		}
	}
	if len(c.Have) == 0 {
		c.State = Missing
	}
	asked := dns.Standard{Resolver: s.c.Resolver}
	for _, e := range l.Entries {
		result, _ := spf.CheckHostWithSender(net.IP(e.Address.AsSlice()), e.EHLO, "check@"+c.Name, spf.WithContext(ctx), spf.WithResolver(asked))
		switch {
		case result == spf.TempError:
			c.State = NoAnswer
			return c
		case e.Used() && result != spf.Pass:
			c.Uncovered = append(c.Uncovered, e.Address)
		case !e.Used() && result == spf.Pass:
			c.Surplus = append(c.Surplus, e.Address)
		}
	}
	c.Surplus = append(c.Surplus, foreign(c.Have, l.Entries)...)
	if c.State == Found && len(c.Uncovered)+len(c.Surplus) > 0 {
		c.State = Different
	}
	return c
}

// foreign are single addresses that a record names and the list does not know.
func foreign(records []string, list []Entry) (surplus []netip.Addr) {
	for _, r := range records {
		for _, m := range strings.Fields(strings.ToLower(r)) {
			text, ok := strings.CutPrefix(m, "ip4:")
			if !ok {
				if text, ok = strings.CutPrefix(m, "ip6:"); !ok {
					continue
				}
			}
			a, err := netip.ParseAddr(text)
			if _, known := entryOf(list, a); err == nil && !known {
				surplus = append(surplus, a)
			}
		}
	}
	return surplus
}

func (s *Service) checkList(ctx context.Context, c Compared) Compared {
	texts, err := s.c.Resolver.TXT(ctx, c.Name)
	if err != nil && !never(err) {
		c.State = NoAnswer
		return c
	}
	for _, t := range texts {
		if strings.HasPrefix(t, recordVersion) {
			c.Have = append(c.Have, shorten(t))
		}
	}
	want, have := slices.Sorted(slices.Values(c.Want)), slices.Sorted(slices.Values(c.Have))
	switch {
	case len(have) == 0:
		c.State = Missing
	case slices.Equal(want, have):
		c.State = Found
	default:
		c.State = Different
	}
	return c
}

func never(err error) bool { return errors.Is(err, dns.ErrNoDomain) || errors.Is(err, dns.ErrNoHost) }

// shorten makes a foreign record fit for a line.
func shorten(t string) string {
	t = oneLine(strings.ToValidUTF8(t, ""))
	if len(t) > 500 {
		t = strings.ToValidUTF8(t[:500], "") + "…"
	}
	return t
}

// Hidden lists used addresses that nobody outside could see mail come from: those of a
// private network, behind an address translation that the list does not know.
func (l List) Hidden() (list []netip.Addr) {
	for _, e := range l.Entries {
		if e.Used() && private(e.Address) {
			list = append(list, e.Address)
		}
	}
	return list
}

// String is the state of a record in a line, for the command line.
func (c Compared) String() string {
	text := fmt.Sprintf("%-9s TXT %s", c.State, c.Name)
	for _, a := range c.Uncovered {
		text += " lacks " + a.String()
	}
	for _, a := range c.Surplus {
		text += " needs no " + a.String()
	}
	return text
}
