package storetest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"stafette/internal/dmarc"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// domain founds a tenant with a proven domain.
func (w *World) domain() (tenant.Founding, tenant.Domain) {
	w.t.Helper()
	f := founding(w.Clock.Now(), "studio")
	if err := w.Store.Found(context.Background(), f); err != nil {
		w.t.Fatal(err)
	}
	return f, f.Domains[0]
}

func domainFact(at time.Time, d tenant.DomainID, e tenant.DomainEvent) tenant.DomainFact {
	return tenant.DomainFact{ID: id.New[tenant.DomainFactKind](at), Domain: d, At: at, Event: e, Actor: "system", Detail: "s1._domainkey.studio.example"}
}

func domainChecks(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	f, d := w.domain()
	d.State, d.GraceUntil, d.CheckedAt = tenant.Grace, now.Add(72*time.Hour), now
	d.Findings = []tenant.Finding{{Purpose: tenant.ForDKIM, Type: "TXT", Name: "s1._domainkey.studio.example", Value: "p=x", State: tenant.Different, Seen: []string{"p=ü"}}}
	fact := domainFact(now, d.ID, tenant.DomainGrace)
	if err := w.Store.RecordCheck(ctx, d, tenant.Verified, &fact); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Store.RecordCheck(ctx, d, tenant.Verified, &fact), fault.Conflict, "domain_changed")
	have, err := w.Store.Domain(ctx, f.Tenant.ID, d.ID)
	same(t, "domain", have, d, err)
	facts, err := w.Store.DomainFacts(ctx, f.Tenant.ID, d.ID, 10)
	same(t, "facts", facts, []tenant.DomainFact{fact}, err)

	rival := tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: w.A, Name: d.Name, State: tenant.Pending, CreatedAt: now}
	if err := w.Store.AddDomain(ctx, rival, nil); err != nil {
		t.Fatal(err)
	}
	rival.State = tenant.Verified
	refused(t, w.Store.RecordCheck(ctx, rival, tenant.Pending, nil), fault.Conflict, "domain_taken")
	d.State, d.GraceUntil = tenant.Lapsed, time.Time{}
	if err := w.Store.RecordCheck(ctx, d, tenant.Grace, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.RecordCheck(ctx, rival, tenant.Pending, nil); err != nil {
		t.Errorf("a lapsed domain cannot be proven by another: %v", err)
	}

	// What belongs to another tenant is not there.
	foreign := d
	foreign.Tenant = w.B
	refused(t, w.Store.RecordCheck(ctx, foreign, tenant.Lapsed, nil), fault.NotFound, "domain_not_found")
	_, err = w.Store.Domain(ctx, w.B, d.ID)
	refused(t, err, fault.NotFound, "domain_not_found")
	facts, err = w.Store.DomainFacts(ctx, w.B, d.ID, 10)
	same(t, "foreign facts", facts, nil, err)
	refused(t, w.Store.RemoveDomain(ctx, w.B, d.ID), fault.NotFound, "domain_not_found")
	refused(t, w.Store.ChangeKeys(ctx, tenant.KeyChange{Tenant: w.B, Domain: d.ID, At: now, Remove: []tenant.DKIMKeyID{f.DKIMKeys[0].ID}, Fact: fact}),
		fault.NotFound, "domain_not_found")
}

func domainKeys(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	f, d := w.domain()
	old := f.DKIMKeys[0]
	next := old
	next.ID, next.Selector, next.Active = id.New[tenant.DKIMKeyKind](now), "s2", false
	change := func(c tenant.KeyChange) error {
		c.Tenant, c.Domain, c.At, c.Fact = d.Tenant, d.ID, now, domainFact(now, d.ID, tenant.KeysSwitched)
		return w.Store.ChangeKeys(ctx, c)
	}
	for _, c := range []tenant.KeyChange{
		{Add: []tenant.DKIMKey{next}},
		{Activate: []tenant.DKIMKeyID{next.ID}, Retire: []tenant.DKIMKeyID{old.ID}},
		{Remove: []tenant.DKIMKeyID{next.ID}}, // it signs
	} {
		if err := change(c); err != nil {
			t.Fatal(err)
		}
	}
	again := next
	again.ID = id.New[tenant.DKIMKeyKind](now)
	refused(t, change(tenant.KeyChange{Add: []tenant.DKIMKey{again}}), fault.Conflict, "selector_taken")
	refused(t, change(tenant.KeyChange{Activate: []tenant.DKIMKeyID{again.ID}, Retire: []tenant.DKIMKeyID{next.ID}}), fault.Conflict, "domain_changed")
	next.Active, old.Active, old.RetiredAt = true, false, now
	keys, err := w.Store.DKIMKeys(ctx, d.Tenant, d.Name)
	if err != nil || len(keys) != 2 {
		t.Fatalf("%+v, %v", keys, err)
	}
	for _, k := range keys {
		if want := map[string]tenant.DKIMKey{"s1": old, "s2": next}[k.Selector]; k.Active != want.Active || !k.RetiredAt.Equal(want.RetiredAt) {
			t.Errorf("%+v, want %+v", k, want)
		}
	}
	if err := change(tenant.KeyChange{Remove: []tenant.DKIMKeyID{old.ID}}); err != nil {
		t.Fatal(err)
	}
	// Mail that waits could not be signed any more.
	a := w.Draft(d.Tenant, "x@example.net")
	a.Message.SignDomain = d.Name
	w.Accept(a)
	refused(t, w.Store.RemoveDomain(ctx, d.Tenant, d.ID), fault.Conflict, "domain_in_use")
	if _, err := w.Store.Apply(ctx, queue.Hold, queue.Selection{Tenant: d.Tenant, Message: a.Message.ID}, "usr_1", w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Store.RemoveDomain(ctx, d.Tenant, d.ID), fault.Conflict, "domain_in_use")
	if _, err := w.Store.Apply(ctx, queue.Cancel, queue.Selection{Tenant: d.Tenant, Message: a.Message.ID}, "usr_1", w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.RemoveDomain(ctx, d.Tenant, d.ID); err != nil {
		t.Fatal(err)
	}
	there, err := w.Store.HasDomain(ctx, d.Tenant, d.Name)
	same(t, "a removed domain", there, false, err)
	keys, err = w.Store.DKIMKeys(ctx, d.Tenant, d.Name)
	same(t, "keys of a removed domain", keys, nil, err)
	facts, err := w.Store.DomainFacts(ctx, d.Tenant, d.ID, 10)
	same(t, "facts of a removed domain", facts, nil, err)
}

func dmarcReports(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	f, d := w.domain()
	day := now.Truncate(24 * time.Hour)
	good := dmarc.Row{Source: netip.MustParseAddr("192.0.2.1"), Messages: 40, DKIM: true, Signer: d.Name, Disposition: dmarc.None}
	bad := dmarc.Row{Source: netip.MustParseAddr("2001:db8::1"), Messages: 3, Disposition: dmarc.Reject}
	save := func(id string, at time.Time) error {
		return w.Store.SaveDMARC(ctx, f.Tenant.ID, d.Name, dmarc.Report{Reporter: "google.com", ID: id, Begin: at, End: at, Domain: d.Name,
			Policy: dmarc.Reject, Records: []dmarc.Row{good, bad}}, now, 3)
	}
	for id, at := range map[string]time.Time{"1": day, "2": day.Add(time.Hour), "3": day.AddDate(0, 0, -1)} {
		if err := save(id, at); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, save("4", day), fault.Limited, "reports_too_many")
	now = w.Clock.Advance(25 * time.Hour)
	refused(t, save("1", day), fault.Conflict, "report_known")
	sources, err := w.Store.DMARCSources(ctx, f.Tenant.ID, d.Name, day, day.AddDate(0, 0, 1), 10)
	same(t, "sources", sources, []tenant.DMARCSource{
		{Source: "192.0.2.1", Signer: d.Name, DKIM: true, Disposition: dmarc.None, Messages: 80},
		{Source: "2001:db8::1", Disposition: dmarc.Reject, Messages: 6},
	}, err)
	days, err := w.Store.DMARCDays(ctx, f.Tenant.ID, d.Name, day.AddDate(0, 0, -1), day.AddDate(0, 0, 1))
	same(t, "days", days, []tenant.DMARCDay{{Day: day.AddDate(0, 0, -1), Aligned: 40, Failed: 3}, {Day: day, Aligned: 80, Failed: 6}}, err)
	foreign, err := w.Store.DMARCSources(ctx, w.B, d.Name, day, day.AddDate(0, 0, 1), 10)
	same(t, "foreign sources", foreign, nil, err)
	none, err := w.Store.DMARCDays(ctx, w.B, d.Name, day, day.AddDate(0, 0, 1))
	same(t, "foreign days", none, nil, err)
	owner, err := w.Store.DomainOwner(ctx, d.ID)
	if err != nil || owner.Tenant != f.Tenant.ID || owner.Name != d.Name {
		t.Errorf("owner: %+v, %v", owner, err)
	}
	if err := w.Store.DropDMARC(ctx, f.Tenant.ID, day); err != nil {
		t.Fatal(err)
	}
	days, err = w.Store.DMARCDays(ctx, f.Tenant.ID, d.Name, day.AddDate(0, 0, -1), day.AddDate(0, 0, 1))
	if err != nil || len(days) != 1 {
		t.Errorf("after dropping: %+v, %v", days, err)
	}
}
