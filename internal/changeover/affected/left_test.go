package affected_test

import (
	"slices"
	"testing"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce/announcetest"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// TestLeftAreThoseWithoutProof: who is marked, or needs the old sources, is on the list
// with the next step until a test from each new source or a person says otherwise.
func TestLeftAreThoseWithoutProof(t *testing.T) {
	plan := changeover.Changeover{ID: id.New[changeover.Kind](begin), Stage: changeover.Overlap, Old: []string{"old"}, New: []string{"new"}, TestFrom: begin}
	refused := begin.Add(time.Hour)
	now := begin.Add(72 * time.Hour)
	tested := func(at time.Time) func(*affected.Customer) {
		return func(c *affected.Customer) {
			c.Tests = []affected.Test{{Source: "new", SentAt: at.Add(-time.Minute), BodyAt: at, XMLAt: at}}
		}
	}
	customers := []struct {
		domain string
		mark   bool
		is     func(*affected.Customer)
		want   affected.Advice // "": not on the list
	}{
		{"refused.example", true, func(c *affected.Customer) { c.InformedAt = begin }, affected.AskForIT},
		{"untold.example", true, func(*affected.Customer) {}, affected.AskForIT},
		{"proven.example", true, tested(refused.Add(time.Hour)), ""},
		{"again.example", true, tested(refused.Add(-time.Hour)), affected.AskForIT},
		{"settled.example", true, func(c *affected.Customer) { c.Settled = refused.Add(time.Minute) }, ""},
		{"old.example", false, func(c *affected.Customer) { c.NeedsOld = true }, affected.KeepOld},
		{"half.example", false, func(c *affected.Customer) {
			c.InformedAt, c.Tests = begin, []affected.Test{{Source: "new", SentAt: refused, BodyAt: refused}}
		}, affected.AskForIT},
		{"silent.example", false, func(c *affected.Customer) { c.Lists, c.InformedAt = true, begin }, affected.Remind},
		{"fine.example", false, func(*affected.Customer) {}, ""},
	}
	store := &announcetest.Store{Plans: []changeover.Changeover{plan}}
	one := tenant.ID{1}
	want := map[string]affected.Advice{"nobody.example": affected.AskForIT}
	for _, c := range customers {
		found := affected.Found{Kind: affected.Advertiser, Key: c.domain, Emails: []message.Address{{Local: "anfragen", Domain: c.domain}}, Finding: affected.Finding{At: now}}
		if err := store.PutFound(t.Context(), one, plan.ID, []affected.Found{found}, now); err != nil {
			t.Fatal(err)
		}
		v, err := store.CustomerOf(t.Context(), one, plan.ID, affected.Advertiser, c.domain)
		if err != nil {
			t.Fatal(err)
		}
		c.is(&v)
		for _, test := range v.Tests {
			if err := store.PutTest(t.Context(), one, v.ID, test); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.PutCustomer(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if c.mark {
			store.Marks = append(store.Marks, changeover.Mark{Changeover: plan.ID, Tenant: one, Domain: c.domain, Count: 3, Reply: "554 no", LastAt: refused})
		}
		if c.want != "" {
			want[c.domain] = c.want
		}
	}
	// A mark of whom nothing else is known is told as well.
	store.Marks = append(store.Marks, changeover.Mark{Changeover: plan.ID, Tenant: one, Domain: "nobody.example", Count: 1, LastAt: refused})
	f := &facts{Store: store}
	s := affected.NewSurveyor(affected.Config{Store: store, Marks: store.FallbackMarks, Tenants: f, Now: func() time.Time { return now }, Provider: func(string) string { return "" }})
	for _, whose := range []tenant.ID{{}, one} {
		list, err := s.Left(t.Context(), whose, plan)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			if l.Next != want[l.Title()] || l.Tenant != one {
				t.Errorf("%s: next %q, want %q", l.Title(), l.Next, want[l.Title()])
			}
		}
		if len(list) != len(want) {
			t.Errorf("%d are left, want %d", len(list), len(want))
		}
		order := append(affected.Problems(), affected.NoProblem)
		if !slices.IsSortedFunc(list, func(a, b affected.Leftover) int {
			return slices.Index(order, a.Problem) - slices.Index(order, b.Problem)
		}) {
			t.Errorf("not the most serious first: %+v", list)
		}
	}
	if list, err := s.Left(t.Context(), tenant.ID{9}, plan); err != nil || len(list) != 0 {
		t.Errorf("another's: %+v, %v", list, err)
	}
}
