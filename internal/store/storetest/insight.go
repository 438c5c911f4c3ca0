package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

func insightTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"MessageKeepsEverything": messageKeepsEverything,
		"Paging":                 paging,
		"Filters":                filters,
		"OldOnesByIndex":         oldOnesByIndex,
		"OldestFirst":            oldestFirst,
		"TwentyDeliveries":       twentyDeliveries,
		"EventsInOrder":          eventsInOrder,
		"Counts":                 counts,
		"Missing": func(t *testing.T, w *World) {
			_, err := w.Store.Message(context.Background(), w.A, message.NewID(w.Clock.Now()))
			refused(t, err, fault.NotFound, "message_not_found")
			_, err = w.Store.Events(context.Background(), w.A, message.NewID(w.Clock.Now()))
			refused(t, err, fault.NotFound, "message_not_found")
		},
	}
}

func messageKeepsEverything(t *testing.T, w *World) {
	a := w.Draft(w.A, "Kunde@example.net", "bcc@example.org")
	m := &a.Message
	m.To[0].Name = `"Zwei" <Worte> & mehr`
	m.To = m.To[:1]
	m.MessageID, m.Tags, m.Metadata, m.SendAt = "foreign@there.example", []string{"x", "y"}, map[string]string{"order": "4711"}, w.Clock.Now().Add(time.Hour)
	a.Deliveries[1].Hidden = true
	w.Accept(a)
	have, err := w.Store.Message(context.Background(), w.A, m.ID)
	delivery := func(i int, hidden bool) insight.Delivery {
		return insight.Delivery{ID: a.Deliveries[i].ID, Recipient: a.Deliveries[i].Recipient, Hidden: hidden, State: event.Queued,
			DueAt: m.AcceptedAt, ExpiresAt: m.ExpiresAt, UpdatedAt: m.AcceptedAt}
	}
	same(t, "message", have, insight.Message{ID: m.ID, Tenant: w.A, Stream: m.Stream, Actor: m.Actor, Door: m.Door, From: m.From, To: m.To,
		Subject: m.Subject, MessageID: m.MessageID, Size: m.Size, Digests: m.Digests, Tags: m.Tags, Metadata: m.Metadata,
		AcceptedAt: m.AcceptedAt, SendAt: m.SendAt, Body: handle(a), DeliveryCount: 2,
		Deliveries: []insight.Delivery{delivery(0, false), delivery(1, true)}}, err)
}

// page returns the ids that a filter finds.
func (w *World) page(t tenant.ID, f insight.Filter) ([]message.ID, bool) {
	w.t.Helper()
	p, err := w.Store.Messages(context.Background(), t, f)
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []message.ID
	for _, m := range p.Messages {
		ids = append(ids, m.ID)
	}
	return ids, p.More
}

// series accepts n messages a second apart and returns their ids, new to old.
func (w *World) series(n int, adapt func(i int, a *ingest.Acceptance)) []message.ID {
	w.t.Helper()
	ids := make([]message.ID, n)
	for i := range n {
		w.Clock.Advance(time.Second)
		a := w.Draft(w.A, "r@example.net")
		if adapt != nil {
			adapt(i, a)
		}
		w.Accept(a)
		ids[n-1-i] = a.Message.ID
	}
	return ids
}

func paging(t *testing.T, w *World) {
	ids := w.series(7, func(i int, a *ingest.Acceptance) { a.Message.Tags = []string{"t"} })
	for name, f := range map[string]insight.Filter{
		"all": {}, "by recipient": {Recipient: "r@example.net"}, "by tag": {Tag: "t"}, "by state": {State: event.Queued}, "by text": {Text: "anfrage"},
	} {
		f.Limit = 3
		var have []message.ID
		for more := true; more; {
			var part []message.ID
			part, more = w.page(w.A, f)
			have = append(have, part...)
			f.After = have[len(have)-1]
		}
		same(t, name, have, ids, nil)
	}
	if _, more := w.page(w.A, insight.Filter{Limit: 7}); more {
		t.Error("a full last page promises another")
	}
}

func filters(t *testing.T, w *World) {
	start := w.Clock.Now()
	var all []*ingest.Acceptance
	ids := w.series(5, func(i int, a *ingest.Acceptance) {
		all = append([]*ingest.Acceptance{a}, all...)
		switch i {
		case 0:
			a.Message.Subject, a.Message.Tags = "ÜBERSICHT 100% sicher", []string{"bill", "month"}
			a.Message.Metadata = map[string]string{"auftrag": `HK-2214 "Ä"`}
		case 1:
			a.Message.Stream = tenant.Newsletter
			a.Deliveries[0].Recipient = message.Address{Local: "Anna", Domain: "firma.example"}
			a.Message.To[0] = message.Mailbox{Name: "Anna Ä", Address: a.Deliveries[0].Recipient}
		case 2:
			a.Message.MessageID = "Foreign.1@there.example"
		case 3:
			a.Deliveries[0].State, a.Deliveries[0].Reason = event.Suppressed, "x"
			a.Message.Tags = []string{"bill"}
		}
	})
	newest, failed, foreign, anna, bill := ids[0], ids[1], ids[2], ids[3], ids[4]
	for name, c := range map[string]struct {
		filter insight.Filter
		want   []message.ID
	}{
		"nothing asked":           {insight.Filter{}, ids},
		"recipient":               {insight.Filter{Recipient: "ANNA@Firma.example"}, []message.ID{anna}},
		"recipient's domain":      {insight.Filter{Recipient: "@FIRMA.example"}, []message.ID{anna}},
		"part of a domain":        {insight.Filter{Recipient: "@irma.example"}, nil},
		"indexed state":           {insight.Filter{State: event.Suppressed}, []message.ID{failed}},
		"common state":            {insight.Filter{State: event.Queued}, []message.ID{newest, foreign, anna, bill}},
		"stream":                  {insight.Filter{Stream: tenant.Newsletter}, []message.ID{anna}},
		"tag":                     {insight.Filter{Tag: "bill"}, []message.ID{failed, bill}},
		"tag and state":           {insight.Filter{Tag: "bill", State: event.Queued}, []message.ID{bill}},
		"tag and indexed state":   {insight.Filter{Tag: "month", State: event.Suppressed}, nil},
		"recipient and state":     {insight.Filter{Recipient: "r@example.net", State: event.Suppressed}, []message.ID{failed}},
		"recipient and stream":    {insight.Filter{Recipient: "r@example.net", Stream: tenant.Newsletter}, nil},
		"from":                    {insight.Filter{From: start.Add(4 * time.Second)}, []message.ID{newest, failed}},
		"to":                      {insight.Filter{To: start.Add(2 * time.Second)}, []message.ID{bill}},
		"from to":                 {insight.Filter{From: start.Add(2 * time.Second), To: start.Add(4 * time.Second)}, []message.ID{foreign, anna}},
		"text: address":           {insight.Filter{Text: " anna@firma.example "}, []message.ID{anna}},
		"text: part of address":   {insight.Filter{Text: "nna@fir"}, []message.ID{anna}},
		"text: name, umlaut":      {insight.Filter{Text: "anna ä"}, []message.ID{anna}},
		"text: no such umlaut":    {insight.Filter{Text: "anna ö"}, nil},
		"text: subject, umlaut":   {insight.Filter{Text: "übersicht"}, []message.ID{bill}},
		"text: like a pattern":    {insight.Filter{Text: "100%"}, []message.ID{bill}},
		"text: only a pattern":    {insight.Filter{Text: "1%0"}, nil},
		"text: sender's name":     {insight.Filter{Text: "Müller & S"}, ids},
		"text: order's number":    {insight.Filter{Text: "hk-2214"}, []message.ID{bill}},
		"text: quoted order":      {insight.Filter{Text: `"ä"`}, []message.ID{bill}},
		"text: name of metadata":  {insight.Filter{Text: "auftrag"}, nil},
		"text: part of a tag":     {insight.Filter{Text: "mont"}, []message.ID{bill}},
		"text: foreign id":        {insight.Filter{Text: "<Foreign.1@there.example>"}, []message.ID{foreign}},
		"text: our Message-ID":    {insight.Filter{Text: "<" + newest.String() + "@a.example>"}, []message.ID{newest}},
		"text: message":           {insight.Filter{Text: anna.String()}, []message.ID{anna}},
		"text: delivery":          {insight.Filter{Text: message.Delivery(anna, 1).String()}, []message.ID{anna}},
		"text: message and state": {insight.Filter{Text: anna.String(), State: event.Bounced}, nil},
		"text: unknown message":   {insight.Filter{Text: message.NewID(start).String()}, nil},
		"text and recipient":      {insight.Filter{Text: "übersicht", Recipient: "r@example.net"}, []message.ID{bill}},
		"two recipients":          {insight.Filter{Text: "anna@firma.example", Recipient: "r@example.net"}, nil},
	} {
		have, more := w.page(w.A, c.filter)
		same(t, name, have, c.want, nil)
		equal(t, name+": more", more, false)
	}
}

// oldestFirst goes through lists from old to new, in steps, by several indexes.
func oldestFirst(t *testing.T, w *World) {
	ids := w.series(9, func(_ int, a *ingest.Acceptance) {
		*a = *w.Draft(w.A, "r@example.net", "second@example.net")
		a.Message.Tags = []string{"t"}
		for n := range a.Deliveries {
			a.Deliveries[n].State = event.Held
		}
	})
	slices.Reverse(ids)
	for name, f := range map[string]insight.Filter{"all": {}, "tag": {Tag: "t"}, "state": {State: event.Held}, "recipient": {Recipient: "r@example.net"}, "text": {Text: "example"}} {
		f.OldestFirst, f.Limit = true, 4
		var have []message.ID
		for more := true; more; {
			var part []message.ID
			part, more = w.page(w.A, f)
			have = append(have, part...)
			f.After = have[len(have)-1]
		}
		same(t, name, have, ids, nil)
	}
}

// oldOnesByIndex looks for what lies far below many newer messages.
func oldOnesByIndex(t *testing.T, w *World) {
	old := w.series(1, func(_ int, a *ingest.Acceptance) {
		a.Deliveries[0].Recipient, a.Message.Tags = Address("old@example.net"), []string{"old"}
		a.Deliveries[0].State = event.Held
	})
	w.series(60, nil)
	for name, f := range map[string]insight.Filter{"recipient": {Recipient: "old@example.net"}, "tag": {Tag: "old"}, "state": {State: event.Held}} {
		f.Limit = 2
		have, _ := w.page(w.A, f)
		same(t, name, have, old, nil)
	}
}

func twentyDeliveries(t *testing.T, w *World) {
	a := w.Draft(w.A, numbered(30)...)
	a.Deliveries[25].State = event.Held
	w.Accept(a)
	p, err := w.Store.Messages(context.Background(), w.A, insight.Filter{State: event.Held})
	if err != nil || len(p.Messages) != 1 {
		t.Fatalf("page: %+v, %v", p, err)
	}
	equal(t, "shown", len(p.Messages[0].Deliveries), 20)
	equal(t, "counted", p.Messages[0].DeliveryCount, 30)
	equal(t, "first", p.Messages[0].Deliveries[0].ID, a.Deliveries[0].ID)
}

func eventsInOrder(t *testing.T, w *World) {
	a := w.Draft(w.A, "r@example.net")
	a.Epoch = w.Epoch("n")
	w.Accept(a)
	d := a.Deliveries[0].ID
	want := []event.Event{a.Events[0]}
	for n := 1; n <= 3; n++ {
		if n > 1 {
			equal(t, "claimed", len(w.Claim(a.Epoch, w.A, 1)), 1)
		}
		v := w.Verdict(a.Epoch, w.A, d, event.Deferred)
		if n == 3 {
			v = w.Verdict(a.Epoch, w.A, d, event.Delivered)
		}
		// All in the millisecond of the acceptance: only their numbers tell.
		v.DueAt, v.Event.Attempt.Number = w.Clock.Now(), n
		w.Settle(v)
		want = append(want, v.Event)
	}
	have, err := w.Store.Events(context.Background(), w.A, a.Message.ID)
	same(t, "events", have, want, err)
}

func counts(t *testing.T, w *World) {
	ctx := context.Background()
	begin := w.Clock.Now()
	for range 5 { // over three hours: edges and whole hours
		a := w.Draft(w.A, "1@example.net", "2@example.net")
		a.Epoch = w.Epoch("n")
		w.Accept(a)
		w.Settle(w.Verdict(a.Epoch, w.A, a.Deliveries[0].ID, event.Delivered))
		w.Clock.Advance(50 * time.Minute)
	}
	end := w.Clock.Now()
	for name, c := range map[string]struct {
		from, to time.Time
		want     int64
	}{
		"all":              {begin, end, 5},
		"far around":       {begin.Add(-48 * time.Hour), end.Add(48 * time.Hour), 5},
		"without the last": {begin, begin.Add(200 * time.Minute), 4},
		"with the last":    {begin, begin.Add(200*time.Minute + time.Millisecond), 5},
		"from the second":  {begin.Add(time.Millisecond), end, 4},
		"within one hour":  {begin.Add(-time.Minute), begin.Add(time.Minute), 1},
		"none":             {end, begin, 0},
	} {
		want := map[event.State]int64{}
		if c.want > 0 {
			want = map[event.State]int64{event.Delivered: c.want, event.Queued: c.want}
		}
		have, err := w.Store.Counts(ctx, w.A, c.from, c.to)
		same(t, name, have, want, err)
	}
}

func isolationTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"NothingOfAnother": nothingOfAnother, "Tenancy": tenancyIsolation}
}

// nothingOfAnother asks every method that takes a tenant for what belongs to the
// other one.
func nothingOfAnother(t *testing.T, w *World) {
	ctx := context.Background()
	a := w.Draft(w.A, "r@example.net")
	a.Message.Tags, a.Message.MessageID = []string{"x"}, "foreign@there.example"
	a.Idempotency = &ingest.Idempotency{Key: "k", ExpiresAt: w.Clock.Now().Add(time.Hour)}
	w.Accept(a)
	_, err := w.Store.Message(ctx, w.B, a.Message.ID)
	refused(t, err, fault.NotFound, "message_not_found")
	_, err = w.Store.Events(ctx, w.B, a.Message.ID)
	refused(t, err, fault.NotFound, "message_not_found")
	for _, f := range []insight.Filter{{}, {Recipient: "r@example.net"}, {Recipient: "@example.net"}, {State: event.Queued}, {Tag: "x"},
		{Text: a.Message.ID.String()}, {Text: a.Deliveries[0].ID.String()}, {Text: "foreign@there.example"}, {Text: "anfrage"}} {
		if ids, _ := w.page(w.B, f); len(ids) != 0 {
			t.Errorf("filter %+v shows another's mail", f)
		}
	}
	counts, err := w.Store.Counts(ctx, w.B, Start(), Start().Add(time.Hour))
	same(t, "counts", counts, map[event.State]int64{}, err)
	r, err := w.Store.Replay(ctx, w.B, "k", w.Clock.Now())
	if r != nil || err != nil {
		t.Errorf("replay: %v, %v", r, err)
	}
	e := w.Epoch("n")
	equal(t, "claimed", len(w.Claim(e, w.B, 10)), 0)
	for _, c := range []queue.Command{queue.Hold, queue.Cancel, queue.Retry, queue.Resume} {
		equal(t, string(c), len(w.Apply(c, queue.Selection{Tenant: w.B, Delivery: a.Deliveries[0].ID})), 0)
	}
	list := w.Claim(e, w.A, 10)
	equal(t, "fenced", len(w.Settle(w.Verdict(e, w.B, a.Deliveries[0].ID, event.Delivered))), 1)
	list[0].Tenant = w.B
	if err := w.Store.Release(ctx, e, list); err != nil {
		t.Fatal(err)
	}
	equal(t, "released by another", len(w.Claim(e, w.A, 10)), 0)
	h := handle(a)
	if body, err := w.Store.Archive().Read(ctx, h); err != nil || len(body) != len(a.Sealed) {
		t.Errorf("own body: %v", err)
	}
	equal(t, "state", w.States(w.A, a.Message.ID), "queued")
}

func tenancyIsolation(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	f := founding(now, "studio")
	if err := w.Store.Found(ctx, f); err != nil {
		t.Fatal(err)
	}
	u, k, d := f.Users[0], f.Keys[0], f.Domains[0]
	_, err := w.Store.User(ctx, w.B, u.ID)
	refused(t, err, fault.NotFound, "user_not_found")
	refused(t, w.Store.SetPassword(ctx, w.B, u.ID, "x"), fault.NotFound, "user_not_found")
	refused(t, w.Store.RevokeKey(ctx, w.B, k.ID, now), fault.NotFound, "key_not_found")
	refused(t, w.Store.TouchKey(ctx, w.B, k.ID, now), fault.NotFound, "key_not_found")
	refused(t, w.Store.SetDomainState(ctx, w.B, d.ID, tenant.Pending, now), fault.NotFound, "domain_not_found")
	keys, err := w.Store.Keys(ctx, w.B)
	same(t, "keys", keys, nil, err)
	domains, err := w.Store.Domains(ctx, w.B)
	same(t, "domains", domains, nil, err)
	dkim, err := w.Store.DKIMKeys(ctx, w.B, d.Name)
	same(t, "DKIM keys", dkim, nil, err)
	rival := tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: w.B, Name: d.Name, State: tenant.Trusted, CreatedAt: now}
	refused(t, w.Store.AddDomain(ctx, rival, nil), fault.Conflict, "domain_taken")
}
