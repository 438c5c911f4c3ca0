package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
)

func tlsPolicyTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"PoliciesRunOut":   policiesRunOut,
		"TalliesAddUp":     talliesAddUp,
		"ReportsAreOnce":   reportsAreOnce,
		"ReportsAreOwners": reportsAreOwners,
	}
}

func policiesRunOut(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	none, err := w.Store.STS(ctx, "a.example", now)
	same(t, "unknown", none, (*tlspolicy.STSPolicy)(nil), err)
	p := tlspolicy.STSPolicy{ID: "1", Mode: tlspolicy.ModeTesting, MX: []string{"*.a.example", "mx.b.example"}, MaxAge: 48 * time.Hour,
		FetchedAt: now, ExpiresAt: now.Add(48 * time.Hour)}
	for _, id := range []string{"1", "2"} {
		p.ID = id
		if err := w.Store.SaveSTS(ctx, "a.example", p, now); err != nil {
			t.Fatal(err)
		}
	}
	have, err := w.Store.STS(ctx, "a.example", now)
	same(t, "policy", have, &p, err)
	day := w.Clock.Advance(25 * time.Hour)
	due, err := w.Store.STSDue(ctx, day.Add(-24*time.Hour), now, 10)
	same(t, "not used since", due, nil, err)
	if _, err := w.Store.STS(ctx, "a.example", day); err != nil {
		t.Fatal(err)
	}
	due, err = w.Store.STSDue(ctx, day.Add(-24*time.Hour), now, 10)
	same(t, "due", due, []string{"a.example"}, err)
	end := w.Clock.Advance(23 * time.Hour)
	have, err = w.Store.STS(ctx, "a.example", end)
	same(t, "run out", have, (*tlspolicy.STSPolicy)(nil), err)
	if err := w.Store.ForgetSTS(ctx, end); err != nil {
		t.Fatal(err)
	}
	have, err = w.Store.STS(ctx, "a.example", now)
	same(t, "forgotten", have, (*tlspolicy.STSPolicy)(nil), err)
}

func talliesAddUp(t *testing.T, w *World) {
	ctx := context.Background()
	due := tlspolicy.Due{Day: tlspolicy.DayOf(w.Clock.Now()), Domain: "a.example"}
	good := tlspolicy.Tally{Due: due, Type: tlspolicy.TypeSTS, Policy: "version: STSv1\nmode: enforce", Sessions: 3}
	bad := good
	bad.Result, bad.Host, bad.Sender, bad.Receiver, bad.Reason = tlspolicy.ResultExpired, "mx.a.example", "192.0.2.1", "192.0.2.2", "expired"
	for range 2 {
		if err := w.Store.AddTallies(ctx, []tlspolicy.Tally{good, bad}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Store.AddTallies(ctx, nil); err != nil {
		t.Fatal(err)
	}
	good.Sessions, bad.Sessions = 6, 6
	have, err := w.Store.Tallies(ctx, due, 10)
	same(t, "tallies", have, []tlspolicy.Tally{good, bad}, err)
}

func reportsAreOnce(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	today := tlspolicy.DayOf(now)
	var list []tlspolicy.Tally
	for _, day := range []tlspolicy.Day{today - 1, today - 2, today} {
		list = append(list, tlspolicy.Tally{Due: tlspolicy.Due{Day: day, Domain: "a.example"}, Type: tlspolicy.TypeNone, Sessions: 1})
	}
	add := func() {
		t.Helper()
		if err := w.Store.AddTallies(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	add()
	due, err := w.Store.ReportsDue(ctx, today, 10)
	same(t, "due", due, []tlspolicy.Due{list[1].Due, list[0].Due}, err)
	for range 2 {
		if err := w.Store.ReportDone(ctx, list[1].Due, now); err != nil {
			t.Fatal(err)
		}
	}
	add() // a node that counted late
	due, err = w.Store.ReportsDue(ctx, today, 10)
	same(t, "due after one was sent", due, []tlspolicy.Due{list[0].Due}, err)
	if err := w.Store.ForgetReports(ctx, today-1); err != nil {
		t.Fatal(err)
	}
	left, err := w.Store.Tallies(ctx, list[1].Due, 10)
	same(t, "late tallies", left, nil, err)
}

func reportsAreOwners(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	for _, d := range []tenant.Domain{
		{Tenant: w.B, Name: "a.example", State: tenant.Pending}, {Tenant: w.A, Name: "a.example", State: tenant.Verified},
	} {
		d.ID, d.CreatedAt = id.New[tenant.DomainKind](now), now
		if err := w.Store.AddDomain(ctx, d, nil); err != nil {
			t.Fatal(err)
		}
	}
	owner, err := w.Store.DomainOwner(ctx, "a.example")
	same(t, "owner", owner, w.A, err)
	if _, err := w.Store.DomainOwner(ctx, "b.example"); fault.As(err) == nil || fault.As(err).Code != "domain_unknown" {
		t.Errorf("nobody's domain: %v", err)
	}
	r := tlspolicy.Report{Organization: "O", ID: "1", Contact: "c", Dates: tlspolicy.DateRange{Start: now.Add(-24 * time.Hour), End: now},
		Policies: []tlspolicy.PolicyReport{{Policy: tlspolicy.ReportedPolicy{Type: tlspolicy.TypeSTS, Domain: "a.example"},
			Summary: tlspolicy.Summary{Successful: 5, Failed: 1}, Failures: []tlspolicy.FailureDetail{{Result: tlspolicy.ResultExpired, Sessions: 1}}}}}
	for range 2 {
		if err := w.Store.SaveReport(ctx, w.A, "a.example", r, now); err != nil {
			t.Fatal(err)
		}
	}
	want := []tlspolicy.Received{{Domain: "a.example", Report: r, ReceivedAt: now}}
	for domain, want := range map[string][]tlspolicy.Received{"": want, "a.example": want, "b.example": nil} {
		have, err := w.Store.Reports(ctx, w.A, domain, 10)
		same(t, "reports of "+domain, have, want, err)
	}
	have, err := w.Store.Reports(ctx, w.B, "", 10)
	same(t, "another tenant's", have, nil, err)
}
