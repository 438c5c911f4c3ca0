package storetest

import (
	"testing"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

func affectedTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Attempts": attemptsOfCustomers, "Customers": customersOfChangeovers, "Announcements": announcements}
}

func attemptsOfCustomers(t *testing.T, w *World) {
	e := w.Epoch("n")
	var all []message.DeliveryID
	from := w.Clock.Now()
	for _, to := range []string{"Eva@x.example", "it@y.example", "eva@x.example"} {
		w.Clock.Advance(time.Minute)
		a := w.Draft(w.A, to, "zweite@z.example")
		w.Accept(a)
		w.Claim(e, w.A, 10)
		v := w.Verdict(e, w.A, a.Deliveries[0].ID, event.Deferred)
		v.Event.Attempt.Source = "192.0.2.1"
		w.Settle(v)
		all = append(all, a.Deliveries[0].ID)
	}
	other := w.Draft(w.B, "eva@x.example")
	w.Accept(other)
	until := w.Clock.Advance(time.Minute)
	for name, c := range map[string]struct {
		q     affected.Query
		want  []message.DeliveryID
		count int
	}{
		"all":       {affected.Query{From: from, To: until, Limit: 100}, []message.DeliveryID{all[2], all[1], all[0]}, 6},
		"one":       {affected.Query{From: from, To: until, Limit: 100, Recipient: Address("eva@X.example")}, []message.DeliveryID{all[2], all[0]}, 2},
		"part":      {affected.Query{From: from, To: until, Limit: 1, Recipient: Address("eva@x.example")}, []message.DeliveryID{all[2]}, 1},
		"next part": {affected.Query{From: from, To: until, Limit: 1, Recipient: Address("eva@x.example"), Before: all[2]}, []message.DeliveryID{all[0]}, 1},
		"before":    {affected.Query{From: from.Add(-time.Hour), To: from, Limit: 100}, nil, 0},
	} {
		got, err := w.Store.Attempts(t.Context(), w.A, c.q)
		if err != nil {
			t.Fatal(err)
		}
		var have []message.DeliveryID
		for _, s := range got.List {
			have = append(have, s.Delivery)
			if s.Attempt.Source != "192.0.2.1" || s.Recipient.Local == "" || s.At.IsZero() {
				t.Errorf("%s: %+v", name, s)
			}
		}
		same(t, name, have, c.want, nil)
		if got.Deliveries != c.count {
			t.Errorf("%s: %d deliveries", name, got.Deliveries)
		}
	}
}

func customersOfChangeovers(t *testing.T, w *World) {
	ctx, c, now := t.Context(), id.New[changeover.Kind](w.Clock.Now()), w.Clock.Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f := affected.Finding{At: now, Sites: []affected.Comparison{{Site: "x.example", New: affected.Side{Mails: 20}, Verdicts: []affected.Verdict{affected.TooFew}}},
		Blamed: affected.Blame{Count: 2, Source: "192.0.2.1", Reply: "no", At: now, Delivery: message.Delivery(message.NewID(now), 1)}}
	must(w.Store.PutFound(ctx, w.A, c, []affected.Found{{Kind: affected.Advertiser, Key: "1", Name: "B", Software: "onoffice", Emails: []message.Address{Address("a@x.example")}, Finding: f},
		{Kind: affected.Domain, Key: "x.example", Name: "A"}}, now))
	must(w.Store.PutFound(ctx, w.B, c, []affected.Found{{Kind: affected.Advertiser, Key: "1"}}, now))
	one, err := w.Store.CustomerOf(ctx, w.A, c, affected.Advertiser, "1")
	must(err)
	same(t, "finding", one.Finding, f, nil)
	one.Lists, one.Note, one.NeedsOld, one.Settled, one.InformedAt, one.Informed = true, "n", true, now, now, message.NewID(now)
	one.Answer, one.AnsweredAt, one.Reminders, one.RemindedAt = affected.Added, now, 2, now
	must(w.Store.PutCustomer(ctx, one))
	test := affected.Test{Source: "s", SentAt: now}
	must(w.Store.PutTest(ctx, w.A, one.ID, affected.Test{Source: "s", SentAt: now.Add(-time.Hour), XMLAt: now}))
	must(w.Store.PutTest(ctx, w.A, one.ID, test))
	one.Tests = []affected.Test{test}
	// A later survey leaves what people said.
	later := w.Clock.Advance(time.Hour)
	must(w.Store.PutFound(ctx, w.A, c, []affected.Found{{Kind: affected.Advertiser, Key: "1", Name: "C", Emails: []message.Address{Address("b@x.example")}}}, later))
	must(w.Store.FadeFindings(ctx, w.A, c, later))
	one.Name, one.Software, one.Emails, one.Finding = "C", "", []message.Address{Address("b@x.example")}, affected.Finding{}
	got, err := w.Store.Customer(ctx, w.A, one.ID)
	must(err)
	same(t, "customer", got, one, nil)
	list, err := w.Store.Customers(ctx, w.A, c)
	must(err)
	if len(list) != 2 || list[0].Kind != affected.Domain || len(list[1].Tests) != 1 {
		t.Errorf("listed %+v", list)
	}
	if _, err := w.Store.Customer(ctx, w.B, one.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant reads it: %v", err)
	}
	foreign := one
	foreign.Tenant = w.B
	if err := w.Store.PutCustomer(ctx, foreign); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant writes it: %v", err)
	}
	waiting(t, w, c, list[0], later)
	if n, err := w.Store.DropCustomers(ctx, w.A, c); n != 2 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
	if left, _ := w.Store.Customers(ctx, w.B, c); len(left) != 1 {
		t.Error("another tenant's went too")
	}
}

func waiting(t *testing.T, w *World, c changeover.ID, one affected.Customer, now time.Time) {
	t.Helper()
	if n, since, err := w.Store.SilentCustomers(t.Context(), w.A, c); n != 0 || !since.IsZero() || err != nil {
		t.Errorf("%d wait since %s, %v", n, since, err)
	}
	one.InformedAt, one.Emails = now, []message.Address{Address("it@x.example")}
	if err := w.Store.PutCustomer(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if n, since, err := w.Store.SilentCustomers(t.Context(), w.A, c); n != 1 || !since.Equal(now) || err != nil {
		t.Errorf("%d wait since %s, %v", n, since, err)
	}
	if got, err := w.Store.Customer(t.Context(), w.A, one.ID); err != nil || len(got.Emails) != 1 {
		t.Errorf("addresses of a domain: %v, %v", got.Emails, err)
	}
}

func announcements(t *testing.T, w *World) {
	ctx, c := t.Context(), id.New[changeover.Kind](w.Clock.Now())
	read := func(of tenant.ID) announce.Announcement {
		t.Helper()
		a, err := w.Store.Announcement(ctx, of, c)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	same(t, "none", read(w.A), announce.Announcement{Tenant: w.A, Changeover: c}, nil)
	a := announce.Announcement{Tenant: w.A, Changeover: c, ReasonDE: "ä", ReasonEN: "a", Contact: "x", Unconcerned: []string{"onOffice"}, Remind: true}
	for _, scope := range []announce.Scope{announce.Nobody, announce.Everybody} {
		a.Scope, a.AskedAt, a.AskedBy = scope, w.Clock.Now(), "usr_1"
		if err := w.Store.PutAnnouncement(ctx, a); err != nil {
			t.Fatal(err)
		}
		same(t, "kept", read(w.A), a, nil)
		list, err := w.Store.Announcements(ctx)
		if err != nil || (len(list) == 1) != scope.Valid() {
			t.Errorf("asked for %v, %v", list, err)
		}
	}
	same(t, "another's", read(w.B), announce.Announcement{Tenant: w.B, Changeover: c}, nil)
}
