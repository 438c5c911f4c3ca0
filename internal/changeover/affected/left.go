package affected

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/tenant"
)

// Leftover is a customer whose mail will fail, or come without its XML, once the old
// sources are retired, as far as is known, with the proof and what to do next.
type Leftover struct {
	Tenant tenant.ID
	// Customer is zero where only marks of a recipient domain are known.
	Customer Customer
	// Marks are the refusals that an old source saved and nothing has disproved since.
	// There are none of who is left for another reason.
	Marks   []changeover.Mark
	Problem Problem // NoProblem: a person said that they need the old sources
	Next    Advice
}

// Title is the name people know the customer by.
func (l Leftover) Title() string {
	if l.Customer.ID.IsZero() && len(l.Marks) > 0 {
		return l.Marks[0].Domain
	}
	return l.Customer.Title()
}

// Fallen counts the deliveries that fell back.
func (l Leftover) Fallen() (n int) {
	for _, m := range l.Marks {
		n += m.Count
	}
	return n
}

// Left lists the customers of a tenant, of all tenants for the zero one, who still need
// the old sources of a changeover or may need them, the most serious first. A mark counts
// as disproved when its customer has confirmed a test lead from each new source since, or
// a person has closed the customer's case since.
func (s *Surveyor) Left(ctx context.Context, t tenant.ID, c changeover.Changeover) ([]Leftover, error) {
	if !t.IsZero() {
		c.Tenant = t
	}
	var list []Leftover
	now := s.c.Now()
	err := s.each(ctx, c, func(t tenant.ID) error {
		customers, err := s.c.Store.Customers(ctx, t, c.ID)
		if err != nil {
			return err
		}
		marks, err := s.c.Marks(ctx, t, c.ID)
		if err != nil {
			return err
		}
		list = append(list, s.left(t, c, customers, marks, now)...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list customers left: %w", err)
	}
	slices.SortStableFunc(list, func(a, b Leftover) int {
		return cmp.Or(cmp.Compare(a.Problem.weight(), b.Problem.weight()), cmp.Compare(b.Fallen(), a.Fallen()), strings.Compare(a.Title(), b.Title()))
	})
	return list, nil
}

// weight orders problems, the most serious first and none last.
func (p Problem) weight() int {
	if i := slices.Index(Problems(), p); i >= 0 {
		return i
	}
	return len(Problems())
}

// left is the list of one tenant.
func (s *Surveyor) left(t tenant.ID, c changeover.Changeover, customers []Customer, marks []changeover.Mark, now time.Time) (list []Leftover) {
	byDomain := map[string][]int{}
	for i, m := range marks {
		domain := strings.ToLower(m.Domain)
		byDomain[domain] = append(byDomain[domain], i)
	}
	answered := make([]bool, len(marks)) // there is a customer whose mark it is
	for _, one := range customers {
		l := Leftover{Tenant: t, Customer: one, Problem: one.Problem(now), Next: one.Next(c.New, now)}
		for _, domain := range s.domainsOf(one) {
			for _, i := range byDomain[domain] {
				answered[i] = true
				if m := marks[i]; !one.provenSince().After(m.LastAt) && !one.Settled.After(m.LastAt) {
					l.Marks = append(l.Marks, m)
				}
			}
		}
		if len(l.Marks) == 0 && !one.needed(c.New, l.Problem) {
			continue
		}
		list = append(list, l.advised())
	}
	for i, m := range marks {
		if !answered[i] {
			list = append(list, Leftover{Tenant: t, Marks: []changeover.Mark{m}}.advised())
		}
	}
	return list
}

// needed reports whether a customer without marks keeps the old sources in use, or may.
func (c Customer) needed(sources []string, p Problem) bool {
	switch {
	case c.State(sources) == Finished:
		return false
	case c.NeedsOld:
		return true
	}
	return p != NoProblem && p != DefersMore && p != IsSlower
}

// advised says what is to be done where a refusal is all that is known, or is newer than
// what spoke for the customer.
func (l Leftover) advised() Leftover {
	if len(l.Marks) == 0 {
		return l
	}
	if BlamesNew.weight() < l.Problem.weight() {
		l.Problem = BlamesNew
	}
	if l.Next != Tell && l.Next != KeepOld {
		l.Next = AskForIT
	}
	return l
}

// domainsOf are the recipient domains whose servers are the customer's own as far as is
// known, in lower case, each once.
func (s *Surveyor) domainsOf(c Customer) []string {
	if c.Kind == Domain {
		return []string{strings.ToLower(c.Key)}
	}
	var list []string
	for _, a := range c.Emails {
		if domain := strings.ToLower(a.Domain); !slices.Contains(list, domain) && s.own(c.Finding, domain) {
			list = append(list, domain)
		}
	}
	return list
}
