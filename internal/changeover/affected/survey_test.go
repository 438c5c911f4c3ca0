package affected_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce/announcetest"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

var begin = time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC)

// facts are what a survey reads.
type facts struct {
	*announcetest.Store
	advertisers []lead.Advertiser
	cases       int
}

func (f *facts) Advertisers(_ context.Context, _ tenant.ID, after string, _ int) (list []lead.Advertiser, _ error) {
	for _, a := range f.advertisers {
		if a.ID > after {
			list = append(list, a)
		}
	}
	return list, nil
}

func (*facts) Ways(context.Context) (egress.Ways, error) {
	return egress.Ways{Plan: egress.EqualPlan(egress.Source{Name: "old", IP: netip.MustParseAddr("192.0.2.1"), EHLO: "o.example"}, egress.Source{Name: "new", IP: netip.MustParseAddr("192.0.2.2"), EHLO: "n.example"})}, nil
}

func (*facts) Tenants(_ context.Context, after tenant.ID, _ int) ([]tenant.Tenant, error) {
	if after.IsZero() {
		return []tenant.Tenant{{ID: tenant.ID{1}}}, nil
	}
	return nil, nil
}

func (f *facts) MissingXML(_ context.Context, _ tenant.ID, advertiser string, _ time.Time) (int, time.Time, error) {
	if advertiser == "2" {
		return f.cases, begin, nil
	}
	return 0, time.Time{}, nil
}

// attempts adds n deliveries at a time, each answered by one attempt.
func (f *facts) attempts(n int, at time.Time, source, to, mx string, o event.Outcome, a event.Attempt) {
	for range n {
		at = at.Add(time.Second)
		recipient, err := message.ParseAddress(to)
		if err != nil {
			panic(err) // it is written here
		}
		a.Source, a.MX, a.Outcome = source, mx, o
		f.Steps = append([]affected.Step{{Delivery: message.Delivery(message.NewID(at), 1), Recipient: recipient, At: at.Add(time.Second), Attempt: a}}, f.Steps...)
	}
}

func TestSurveyFindsWhoIsAffected(t *testing.T) {
	plan := changeover.Changeover{ID: id.New[changeover.Kind](begin), Stage: changeover.Shifting, Old: []string{"old"}, New: []string{"new"}, TestFrom: begin, OverlapUntil: begin.Add(1000 * time.Hour)}
	own, users := message.Address{Local: "it", Domain: "makler.example"}, message.Address{Local: "makler", Domain: "gmx.example"}
	f := &facts{Store: &announcetest.Store{Plans: []changeover.Changeover{plan}}, cases: 2, advertisers: []lead.Advertiser{
		{ID: "1", Name: "Eigener Server", Emails: []message.Address{own}}, {ID: "2", Name: "Bei GMX", Emails: []message.Address{users}}}}
	before, since := begin.Add(-24*time.Hour), begin.Add(time.Hour)
	refusal := event.Attempt{Code: 554, Scope: "source", Reply: "not on our list"}
	f.attempts(30, before, "192.0.2.1", own.String(), "mx.makler.example", event.OutcomeDelivered, event.Attempt{Code: 250})
	f.attempts(25, since, "192.0.2.2", own.String(), "mx.makler.example", event.OutcomeBounced, refusal)
	f.attempts(3, since.Add(time.Hour), "192.0.2.2", "chef@lund.example", "mx.lund.example", event.OutcomeDeferred, refusal)
	f.attempts(3, since.Add(time.Hour), "192.0.2.2", "wer@gmx.example", "mx.gmx.example", event.OutcomeDeferred, refusal)
	f.attempts(1, since.Add(2*time.Hour), "192.0.2.2", users.String(), "mx.gmx.example", event.OutcomeDelivered, event.Attempt{Code: 250})
	f.Marks = []changeover.Mark{{Changeover: plan.ID, Tenant: tenant.ID{1}, Domain: "makler.example", Count: 7, Reply: "no", LastAt: since}, {Changeover: plan.ID, Tenant: tenant.ID{1}, Domain: "gmx.example", Count: 9, LastAt: since}}
	now := begin.Add(48 * time.Hour)
	s := affected.NewSurveyor(affected.Config{Store: f, Changeovers: f, Marks: f.FallbackMarks, Advertisers: f, Ways: f, Tenants: f, Cases: f, Now: func() time.Time { return now },
		Provider: func(host string) string {
			if host == "mx.gmx.example" {
				return "gmx"
			}
			return ""
		}})
	for range 2 { // a second survey finds the same
		if err := s.Run(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	list, err := f.Customers(t.Context(), tenant.ID{1}, plan.ID)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]affected.Customer{}
	for _, c := range list {
		got[c.Key] = c
	}
	if len(list) != 3 {
		t.Errorf("%d customers: %+v", len(list), list)
	}
	one := got["1"].Finding
	if len(one.Sites) != 1 || one.Sites[0].Old.Mails != 30 || one.Sites[0].New.Refused != 25 || !one.Sites[0].Is(affected.Refused) || one.Blamed.Count != 25 || one.Fallback.Count != 7 || one.Blamed.Delivery.IsZero() {
		t.Errorf("own server: %+v", one)
	}
	// What GMX refuses is not told of each of its users; what the customer reports is.
	if two := got["2"]; two.Finding.Fallback.Count != 0 || two.Finding.Cases != 2 || two.Problem(now) != affected.XMLMissing {
		t.Errorf("at a provider: %+v", two.Finding)
	}
	if three := got["lund.example"]; three.Kind != affected.Domain || three.Finding.Blamed.Count != 3 || three.Problem(now) != affected.BlamesNew {
		t.Errorf("domain: %+v", three)
	}
	// What was erased is not told any longer.
	f.Steps, f.Marks = nil, nil
	now = now.Add(time.Hour)
	if err := s.Survey(t.Context(), tenant.ID{1}, plan); err != nil {
		t.Fatal(err)
	}
	c, err := f.CustomerOf(t.Context(), tenant.ID{1}, plan.ID, affected.Domain, "lund.example")
	if err != nil || c.Finding.Blamed.Count != 0 {
		t.Errorf("afterwards: %+v, %v", c, err)
	}
}
