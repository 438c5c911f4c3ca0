package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func trackingTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"Settings": trackingSettings,
		"Consents": trackingConsents,
		"Tracked":  trackedMessage,
		"Trails":   trailsTogether,
		"Hits":     hitsAreKept,
		"Counters": countersOnly,
		"Refused":  hitsRefused,
		"Listed":   activitiesListed,
		"Rerated":  activitiesRerated,
		"Openings": activityOpenings, "Unopened": unopenedMail, "Dropped by retention": droppedByRetention,
		"Folded":   activitiesFolded,
		"Together": hitsTogether,
		"Erased":   trackingErased,
	}
}

func trackingSettings(t *testing.T, w *World) {
	ctx := t.Context()
	have, err := w.Store.TrackingSetting(ctx, w.A)
	same(t, "before any", have, tracking.DefaultSetting(w.A), err)
	first := tracking.Setting{Tenant: w.A, Level: tracking.Individual, Basis: tracking.BasisConsent, Justification: "Häkchen im Formular", By: "usr_1", At: w.Clock.Now()}
	second := tracking.Setting{Tenant: w.A, Level: tracking.None, By: "usr_2", At: w.Clock.Advance(time.Hour)}
	for _, s := range []tracking.Setting{first, second} {
		w.must(w.Store.PutTrackingSetting(ctx, s))
	}
	have, err = w.Store.TrackingSetting(ctx, w.A)
	same(t, "now", have, second, err)
	all, err := w.Store.TrackingSettings(ctx, w.A, 10)
	same(t, "history", all, []tracking.Setting{second, first}, err)
	other, err := w.Store.TrackingSettings(ctx, w.B, 10)
	same(t, "another tenant's", other, nil, err)
	l := tracking.StreamLevel{Stream: tenant.Newsletter, Level: tracking.Aggregate, By: "usr_1", At: w.Clock.Now()}
	w.must(w.Store.PutTrackingStream(ctx, w.A, l))
	l.Level = tracking.None
	w.must(w.Store.PutTrackingStream(ctx, w.A, l))
	streams, err := w.Store.TrackingStreams(ctx, w.A)
	same(t, "streams", streams, []tracking.StreamLevel{l}, err)
	l.Level = tracking.Unset
	w.must(w.Store.PutTrackingStream(ctx, w.A, l))
	streams, err = w.Store.TrackingStreams(ctx, w.A)
	same(t, "streams without limit", streams, nil, err)
}

func trackingConsents(t *testing.T, w *World) {
	ctx := t.Context()
	of := []message.Address{Address("Eva@x.example"), Address("max@x.example")}
	have, err := w.Store.TrackingConsents(ctx, w.A, of)
	same(t, "nothing said", have, map[string]tracking.Consent{}, err)
	first := tracking.Consent{Tenant: w.A, Address: Address("eva@x.example"), State: tracking.StateGranted, At: w.Clock.Now(), Actor: "usr_1", Way: "phone", Wording: "Ja."}
	last := tracking.Consent{Tenant: w.A, Address: Address("EVA@x.example"), State: tracking.StateWithdrawn, At: w.Clock.Advance(time.Hour), Actor: "recipient", Way: "page"}
	for _, c := range []tracking.Consent{first, last} {
		w.must(w.Store.PutTrackingConsent(ctx, c))
	}
	last.Address = of[0]
	have, err = w.Store.TrackingConsents(ctx, w.A, of)
	same(t, "said last", have, map[string]tracking.Consent{"eva@x.example": last}, err)
	first.Address = of[0]
	history, err := w.Store.TrackingConsentHistory(ctx, w.A, of[0])
	same(t, "history", history, []tracking.Consent{last, first}, err)
	for _, n := range []int{1, 9, 129, 512, 513} { // the question is prepared for some lengths
		have, err = w.Store.TrackingConsents(ctx, w.A, append(strangers(n-1), of[0]))
		same(t, fmt.Sprint("one of ", n), have, map[string]tracking.Consent{"eva@x.example": last}, err)
	}
	have, err = w.Store.TrackingConsents(ctx, w.B, of)
	same(t, "another tenant's", have, map[string]tracking.Consent{}, err)
}

// Telling accepts a mail that tells at a level and returns it.
func (w *World) Telling(t tenant.ID, level tracking.Level, to ...string) tracking.Tracked {
	w.t.Helper()
	w.Clock.Advance(time.Millisecond)
	a := w.Draft(t, to...)
	a.Tracked = &tracking.Tracked{Tenant: t, Message: a.Message.ID, Stream: a.Message.Stream, Sender: a.Message.Actor,
		Decision: tracking.Decision{Level: level, Rule: tracking.RuleTenant}, Recipients: len(to),
		Links: []tracking.Link{{Target: "https://a.example/1", Label: "Exposé"}, {Target: "https://a.example/t", Trap: true}, {Target: "https://a.example/2"}}}
	w.Accept(a)
	return *a.Tracked
}

// Hit is an open (link 0) or a click of the first recipient.
func (w *World) Hit(v tracking.Tracked, link int, to ...string) tracking.Hit {
	at := w.Clock.Advance(time.Millisecond)
	a := tracking.Activity{ID: id.New[tracking.ActivityKind](at), Tenant: v.Tenant, At: at, Kind: tracking.Opened, Message: v.Message,
		Sender: v.Sender, Title: "Ihre Anfrage", Decision: v.Decision, Machine: tracking.Machine{Class: tracking.Person, Confidence: 80, Rules: 1}, Agent: "Firefox"}
	if link > 0 {
		a.Kind, a.Link, a.Target, a.Label = tracking.Clicked, link, v.Links[link-1].Target, v.Links[link-1].Label
	}
	h := tracking.Hit{Tracked: true}
	for _, text := range to {
		h.Recipients = append(h.Recipients, Address(text))
	}
	if v.Decision.Level == tracking.Individual && len(to) == 1 {
		a.Identified, a.Recipient, a.Delivery, a.Network = true, &h.Recipients[0], message.Delivery(v.Message, 1), "192.0.2.0/24"
	}
	h.Activity = a
	return h
}

// Keep stores hits, in turn as notes and at once, and returns which were kept.
func (w *World) Keep(list ...tracking.Hit) []bool {
	w.t.Helper()
	ctx, kept := context.Background(), make([]bool, len(list))
	for i := range list {
		if i%2 == 1 || list[i].Activity.Kind.Declared() {
			answer, err := w.Store.AddActivities(ctx, list[i:i+1])
			if err != nil {
				w.t.Fatal(err)
			}
			kept[i] = answer[0]
			continue
		}
		decided := make(chan bool, 1)
		w.must(w.Store.NoteActivity(ctx, &list[i], func(kept bool) { decided <- kept }))
		// Who reads lets it be decided.
		if _, _, err := w.Store.Activities(ctx, list[i].Activity.Tenant, tracking.Query{Limit: 1}); err != nil {
			w.t.Fatal(err)
		}
		kept[i] = <-decided
	}
	return kept
}

func trackedMessage(t *testing.T, w *World) {
	ctx := t.Context()
	v := w.Telling(w.A, tracking.Individual, "eva@x.example", "Max@x.example")
	have, err := w.Store.Tracked(ctx, w.A, v.Message)
	same(t, "tracked", have, v, err)
	if _, err := w.Store.Tracked(ctx, w.B, v.Message); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	plain := w.Draft(w.A, "eva@x.example")
	w.Accept(plain)
	if _, err := w.Store.Tracked(ctx, w.A, plain.Message.ID); fault.As(err) == nil || fault.As(err).Code != "message_untracked" {
		t.Errorf("mail that does not tell: %v", err)
	}
	to, err := w.Store.Recipients(ctx, w.A, v.Message)
	same(t, "recipients", to, []tracking.Recipient{
		{Delivery: message.Delivery(v.Message, 1), Address: Address("eva@x.example")}, {Delivery: message.Delivery(v.Message, 2), Address: Address("Max@x.example")},
	}, err)
}

// trailsTogether asks for many messages at the same time, which are answered together:
// each gets its own, and what is missing is missing for itself alone.
func trailsTogether(t *testing.T, w *World) {
	ctx := t.Context()
	mine := map[message.ID][]string{}
	for n := range 40 {
		to := numbered(1 + n%3)
		mine[w.Telling(w.A, tracking.Individual, to...).Message] = to
	}
	other := w.Telling(w.B, tracking.Individual, "eva@x.example")
	plain := w.Draft(w.A, "eva@x.example")
	w.Accept(plain)
	var all sync.WaitGroup
	for m, want := range mine {
		all.Go(func() {
			v, to, err := w.Store.Trail(ctx, w.A, m)
			if err != nil || v.Message != m || v.Recipients != len(want) || len(to) != len(want) || len(v.Links) == 0 {
				t.Errorf("%d recipients: %+v, %v, %v", len(want), v, to, err)
				return
			}
			for i := range want {
				if to[i].Address != Address(want[i]) || to[i].Delivery != message.Delivery(m, i+1) {
					t.Errorf("recipient %d: %+v", i, to[i])
				}
			}
		})
	}
	for _, m := range []message.ID{other.Message, plain.Message.ID} {
		all.Go(func() {
			if _, _, err := w.Store.Trail(ctx, w.A, m); fault.As(err) == nil || fault.As(err).Code != "message_untracked" {
				t.Errorf("not the tenant's, or not tracked: %v", err)
			}
		})
	}
	all.Wait()
}

func hitsAreKept(t *testing.T, w *World) {
	ctx := t.Context()
	v := w.Telling(w.A, tracking.Individual, "eva@x.example")
	open, click := w.Hit(v, 0, "eva@x.example"), w.Hit(v, 1, "eva@x.example")
	click.Activity.Machine = tracking.Machine{Class: tracking.Scanner, Confidence: 99, Rules: 2, Reasons: []string{"honeypot", "head"}}
	same(t, "kept", w.Keep(open, click), []bool{true, true}, nil)
	for _, want := range []tracking.Activity{open.Activity, click.Activity} {
		have, err := w.Store.Activity(ctx, w.A, want.ID)
		same(t, string(want.Kind), have, want, err)
		if _, err := w.Store.Activity(ctx, w.B, want.ID); fault.As(err) == nil || fault.As(err).Code != "activity_unknown" {
			t.Errorf("another tenant's: %v", err)
		}
	}
	c, err := w.Store.ActivityCounts(ctx, w.A, v.Message)
	same(t, "counts", c, tracking.Counts{Level: tracking.Individual, Recipients: 1, Opened: tracking.Count{Persons: 1},
		Links: []tracking.LinkCount{{Link: v.Links[0], Number: 1, Count: tracking.Count{Machines: 1}}, {Link: v.Links[2], Number: 3}}}, err)
}

func countersOnly(t *testing.T, w *World) {
	ctx := t.Context()
	few, many := w.Telling(w.A, tracking.Aggregate, numbered(9)...), w.Telling(w.A, tracking.Aggregate, numbered(10)...)
	for _, v := range []tracking.Tracked{few, many} {
		same(t, "kept", w.Keep(w.Hit(v, 0), w.Hit(v, 0), w.Hit(v, 3)), []bool{true, true, true}, nil)
	}
	w.Keep(w.Hit(many, 3))
	list, _, err := w.Store.Activities(ctx, w.A, tracking.Query{})
	same(t, "activities", list, nil, err)
	c, err := w.Store.ActivityCounts(ctx, w.A, few.Message)
	same(t, "of nine", c, tracking.Counts{Level: tracking.Aggregate, Recipients: 9, Hidden: true}, err)
	c, err = w.Store.ActivityCounts(ctx, w.A, many.Message)
	same(t, "opened by ten", c.Opened, tracking.Count{Persons: 2}, err)
	same(t, "clicked by ten", c.Clicked(), tracking.Count{Persons: 2}, err)
}

func hitsRefused(t *testing.T, w *World) {
	v := w.Telling(w.A, tracking.Individual, "eva@x.example")
	gone := v
	gone.Message = message.NewID(w.Clock.Now())
	foreign := v
	foreign.Tenant = w.B
	say := func(s tracking.State) {
		w.must(w.Store.PutTrackingConsent(t.Context(), tracking.Consent{Tenant: w.A, Address: Address("Eva@x.example"), State: s, At: w.Clock.Advance(time.Second)}))
	}
	same(t, "nothing said", w.Keep(w.Hit(v, 0, "eva@x.example")), []bool{true}, nil)
	say(tracking.StateWithdrawn)
	declared := w.Hit(v, 0, "eva@x.example")
	declared.Activity.Kind = tracking.TermsConfirmed
	same(t, "after the withdrawal", w.Keep(w.Hit(v, 0, "eva@x.example"), w.Hit(v, 0, "max@x.example", "eva@x.example"), declared), []bool{false, false, true}, nil)
	say(tracking.StateUnknown)
	asked := w.Hit(v, 0, "eva@x.example")
	asked.Granted = true
	same(t, "unknown where a grant is needed", w.Keep(asked, w.Hit(v, 0, "eva@x.example")), []bool{false, true}, nil)
	say(tracking.StateGranted)
	same(t, "granted where a grant is needed", w.Keep(asked), []bool{true}, nil)
	same(t, "granted again", w.Keep(w.Hit(v, 0, "eva@x.example"), w.Hit(gone, 0, "eva@x.example"), w.Hit(foreign, 0, "eva@x.example")), []bool{true, false, false}, nil)
}

func activitiesListed(t *testing.T, w *World) {
	ctx := t.Context()
	one, two := w.Telling(w.A, tracking.Individual, "eva@x.example"), w.Telling(w.A, tracking.Individual, "max@x.example")
	other := w.Telling(w.B, tracking.Individual, "eva@x.example")
	hits := []tracking.Hit{w.Hit(one, 0, "eva@x.example"), w.Hit(one, 1, "eva@x.example"), w.Hit(two, 0, "max@x.example"), w.Hit(two, 3, "max@x.example")}
	hits[1].Activity.Machine.Class, hits[1].Activity.Burst = tracking.Scanner, 7
	offer := w.Hit(one, 0)
	offer.Tracked, offer.Activity.Message, offer.Activity.Offer, offer.Activity.Kind, offer.Activity.Title = false, message.ID{}, "off_1", tracking.PageVisited, "Wohnung 4.2"
	offer.Activity.Sender = "usr_9"
	w.Keep(append(hits, offer, w.Hit(other, 0, "eva@x.example"))...)
	hits = append(hits, offer)
	for name, c := range map[string]struct {
		q    tracking.Query
		want []int
		more bool
	}{
		"all":       {tracking.Query{}, []int{4, 3, 2, 1, 0}, false},
		"forward":   {tracking.Query{Forward: true, After: hits[1].Activity.ID, Limit: 2}, []int{2, 3}, true},
		"page":      {tracking.Query{Limit: 2, After: hits[3].Activity.ID}, []int{2, 1}, true},
		"message":   {tracking.Query{Message: one.Message}, []int{1, 0}, false},
		"recipient": {tracking.Query{Recipient: Address("Max@x.example")}, []int{3, 2}, false},
		"part":      {tracking.Query{Part: "MAX@"}, []int{3, 2}, false},
		"part, %":   {tracking.Query{Part: "m%x"}, nil, false},
		"kinds":     {tracking.Query{Kinds: []tracking.Kind{tracking.Clicked, tracking.PageVisited}}, []int{4, 3, 1}, false},
		"machines":  {tracking.Query{Classes: []tracking.Class{tracking.Scanner}}, []int{1}, false},
		"offer":     {tracking.Query{Offer: "off_1"}, []int{4}, false},
		"sender":    {tracking.Query{Sender: "usr_9"}, []int{4}, false},
		"time":      {tracking.Query{Since: hits[1].Activity.At, Until: hits[3].Activity.At}, []int{2, 1}, false},
	} {
		list, more, err := w.Store.Activities(ctx, w.A, c.q)
		var want []tracking.Activity
		for _, i := range c.want {
			want = append(want, hits[i].Activity)
		}
		same(t, name, list, want, err)
		equal(t, name+": more", more, c.more)
	}
	burst, err := w.Store.ActivityBurst(ctx, w.A, one.Message, "", 7, hits[0].Activity.At)
	same(t, "burst", burst, []tracking.Activity{hits[1].Activity}, err)
	burst, err = w.Store.ActivityBurst(ctx, w.A, message.ID{}, "off_1", offer.Activity.Burst, hits[0].Activity.At)
	same(t, "burst of an offer", burst, []tracking.Activity{offer.Activity}, err)
}

func activityOpenings(t *testing.T, w *World) {
	ctx := t.Context()
	read, scanned, shut := w.Telling(w.A, tracking.Individual, "eva@x.example"), w.Telling(w.A, tracking.Individual, "eva@x.example"), w.Telling(w.A, tracking.Pseudonymous, "a@x.example", "b@x.example")
	few := w.Telling(w.A, tracking.Aggregate, "eva@x.example")
	other := w.Telling(w.B, tracking.Individual, "eva@x.example")
	first, machine := w.Hit(read, 0, "eva@x.example"), w.Hit(scanned, 0, "eva@x.example")
	machine.Activity.Machine.Class = tracking.Scanner
	w.Keep(first, w.Hit(read, 0, "eva@x.example"), w.Hit(read, 1, "eva@x.example"), machine, w.Hit(few, 0, "eva@x.example"), w.Hit(other, 0, "eva@x.example"))
	untracked := w.Draft(w.A, "eva@x.example")
	w.Accept(untracked)
	have, err := w.Store.Openings(ctx, w.A, []message.ID{read.Message, scanned.Message, shut.Message, few.Message, other.Message, untracked.Message.ID})
	same(t, "openings", have, map[message.ID]tracking.Opening{
		read.Message:    {Level: tracking.Individual, Recipients: 1, Count: tracking.Count{Persons: 2}, First: first.Activity.At},
		scanned.Message: {Level: tracking.Individual, Recipients: 1, Count: tracking.Count{Machines: 1}},
		shut.Message:    {Level: tracking.Pseudonymous, Recipients: 2},
		few.Message:     {Level: tracking.Aggregate, Recipients: 1},
	}, err)
	selected := func(name string, want map[tracking.OpenedBy][]message.ID) {
		t.Helper()
		for by, ids := range want {
			page, err := w.Store.Messages(ctx, w.A, insight.Filter{Opened: by})
			var got []message.ID
			for _, m := range page.Messages {
				got = append(got, m.ID)
			}
			same(t, name+": "+string(by), got, ids, err)
		}
	}
	want := map[tracking.OpenedBy][]message.ID{tracking.OpenedByPerson: {read.Message}, tracking.OpenedByMachines: {scanned.Message}, tracking.OpenedByNobody: {shut.Message}}
	selected("selected", want)
	// Folded, the sums say the same; when it was is gone.
	for n := 1; n > 0; {
		n, err = w.Store.FoldActivities(ctx, w.A, w.Clock.Advance(time.Hour), 10)
		w.must(err)
	}
	selected("folded", want)
	have, err = w.Store.Openings(ctx, w.A, []message.ID{read.Message})
	same(t, "folded", have, map[message.ID]tracking.Opening{read.Message: {Level: tracking.Individual, Recipients: 1, Count: tracking.Count{Persons: 2}}}, err)
}

// unopenedMail: mail that nobody opened is found by a mark of its own. It goes with the first
// open, whoever it was, is there again when an erasure took all opens, and goes once more with
// the next.
func unopenedMail(t *testing.T, w *World) {
	ctx := t.Context()
	const eva, ada = "eva@x.example", "ada@x.example"
	one, two, several := w.Telling(w.A, tracking.Individual, eva), w.Telling(w.A, tracking.Individual, ada), w.Telling(w.A, tracking.Pseudonymous, eva, ada)
	unopened := func(step string, want ...message.ID) {
		t.Helper()
		page, err := w.Store.Messages(ctx, w.A, insight.Filter{Opened: tracking.OpenedByNobody})
		var got []message.ID
		for _, m := range page.Messages {
			got = append(got, m.ID)
		}
		same(t, step, got, want, err)
	}
	erase := func(address string) {
		t.Helper()
		p := privacy.Person{Tenant: w.A, Addresses: []message.Address{Address(address)}}
		for _, h := range w.Store.Holders(w.Clock.Now) {
			if h.Name() == "tracking" {
				w.must(h.Erase(ctx, p, func(int64) error { return nil }))
			}
		}
	}
	unopened("all", several.Message, two.Message, one.Message)
	w.Keep(w.Hit(one, 1, eva)) // a click is no open
	unopened("clicked", several.Message, two.Message, one.Message)
	w.Keep(w.Hit(one, 0, eva), w.Hit(two, 0, ada), w.Hit(several, 0, eva, ada))
	unopened("opened")
	erase(ada)
	unopened("erased", two.Message)
	w.Keep(w.Hit(two, 0, ada))
	unopened("opened again")
}

func activitiesRerated(t *testing.T, w *World) {
	ctx := t.Context()
	v := w.Telling(w.A, tracking.Individual, "eva@x.example")
	h := w.Hit(v, 0, "eva@x.example")
	w.Keep(h)
	old, err := w.Store.Outdated(ctx, w.A, 2, tracking.ActivityID{}, 10)
	same(t, "outdated", old, []tracking.Activity{h.Activity}, err)
	h.Activity.Machine = tracking.Machine{Class: tracking.Scanner, Confidence: 90, Rules: 2, Reasons: []string{"honeypot"}}
	w.must(w.Store.Rerate(ctx, w.A, map[tracking.ActivityID]tracking.Machine{h.Activity.ID: h.Activity.Machine, {1}: {}}))
	have, err := w.Store.Activity(ctx, w.A, h.Activity.ID)
	same(t, "rerated", have, h.Activity, err)
	old, err = w.Store.Outdated(ctx, w.A, 2, tracking.ActivityID{}, 10)
	same(t, "outdated", old, nil, err)
}

func activitiesFolded(t *testing.T, w *World) {
	ctx := t.Context()
	v := w.Telling(w.A, tracking.Individual, "eva@x.example")
	proof := w.Hit(v, 0, "eva@x.example")
	proof.Activity.Kind = tracking.WithdrawalNoticeConfirmed
	w.Keep(w.Hit(v, 0, "eva@x.example"), w.Hit(v, 3, "eva@x.example"), proof)
	before := w.Clock.Advance(time.Second)
	young := w.Hit(v, 0, "eva@x.example")
	w.Keep(young)
	n, err := w.Store.FoldActivities(ctx, w.A, before, 10)
	same(t, "folded", n, 2, err)
	n, err = w.Store.FoldActivities(ctx, w.A, before, 10)
	same(t, "folded again", n, 0, err)
	list, _, err := w.Store.Activities(ctx, w.A, tracking.Query{})
	same(t, "left", list, []tracking.Activity{young.Activity, proof.Activity}, err)
	c, err := w.Store.ActivityCounts(ctx, w.A, v.Message)
	same(t, "opened", c.Opened, tracking.Count{Persons: 2}, err)
	same(t, "clicked", c.Clicked(), tracking.Count{Persons: 1}, err)
}

func hitsTogether(t *testing.T, w *World) {
	v := w.Telling(w.A, tracking.Aggregate, numbered(10)...)
	var all sync.WaitGroup
	for range 200 {
		h := w.Hit(v, 0)
		all.Go(func() {
			if kept, err := w.Store.AddActivities(context.Background(), []tracking.Hit{h}); err != nil || !slices.Equal(kept, []bool{true}) {
				t.Errorf("kept %v, %v", kept, err)
			}
		})
	}
	all.Wait()
	c, err := w.Store.ActivityCounts(t.Context(), w.A, v.Message)
	same(t, "opened", c.Opened, tracking.Count{Persons: 200}, err)
}

// tellOf accepts a mail that tells, and lets the person say and do what is kept.
func (w *World) tellOf(a *ingest.Acceptance, address string) {
	w.t.Helper()
	a.Tracked = &tracking.Tracked{Decision: tracking.Decision{Level: tracking.Individual}, Recipients: 1, Links: []tracking.Link{{Target: "https://a.example/?mail=" + address, Label: address}}}
	w.Accept(a)
	v := *a.Tracked
	v.Tenant, v.Message = a.Message.Tenant, a.Message.ID
	w.Keep(w.Hit(v, 0, address), w.Hit(v, 1, address))
	for _, s := range []tracking.State{tracking.StateGranted, tracking.StateWithdrawn} {
		w.must(w.Store.PutTrackingConsent(context.Background(), tracking.Consent{Tenant: a.Message.Tenant, Address: Address(address), State: s,
			At: w.Clock.Now(), Actor: "recipient", Way: "Formular von " + address, Wording: "Ich, " + address}))
	}
}

// A withdrawal outlives the erasure of who withdrew, by the hash of the address alone.
func trackingErased(t *testing.T, w *World) {
	ctx := t.Context()
	s := w.Privacy()
	const eva = "eva@x.example"
	a := w.Draft(w.A, eva)
	w.tellOf(a, eva)
	w.ask(s, privacy.Erasure, eva)
	for range 2 {
		w.turn(s)
		w.Clock.Advance(time.Hour)
	}
	said, err := w.Store.TrackingConsentHistory(ctx, w.A, Address(eva))
	if err != nil || len(said) != 1 || said[0].State != tracking.StateWithdrawn || said[0].Way+said[0].Wording != "" {
		t.Errorf("said %+v, %v", said, err)
	}
	if _, err := w.Store.Tracked(ctx, w.A, a.Message.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("the tokens are good still: %v", err)
	}
	v := *a.Tracked
	v.Tenant, v.Message = a.Message.Tenant, a.Message.ID
	same(t, "kept of the erased mail", w.Keep(w.Hit(v, 0, "max@x.example")), []bool{false}, nil)
	list, _, err := w.Store.Activities(ctx, w.A, tracking.Query{})
	same(t, "activities", list, nil, err)
}

// droppedByRetention: a hit of mail that retention dropped is not kept, although what must
// hold for it was remembered a moment before.
func droppedByRetention(t *testing.T, w *World) {
	ctx := t.Context()
	w.Clock.Advance(time.Millisecond)
	a := w.Draft(w.A, "eva@x.example")
	a.Deliveries[0].State = event.Delivered
	a.Tracked = &tracking.Tracked{Tenant: w.A, Message: a.Message.ID, Decision: tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant}, Recipients: 1}
	w.Accept(a)
	kept := func(want bool) {
		t.Helper()
		answer, err := w.Store.AddActivities(ctx, []tracking.Hit{w.Hit(*a.Tracked, 0, "eva@x.example")})
		same(t, "kept", answer, []bool{want}, err)
	}
	kept(true)
	kept(true)
	f, err := w.Store.Fold(ctx, w.A, w.Clock.Advance(time.Hour), message.ID{}, 10)
	same(t, "folded", f.Messages, int64(1), err)
	kept(false)
	list, _, err := w.Store.Activities(ctx, w.A, tracking.Query{Message: a.Message.ID})
	same(t, "left", len(list), 0, err)
}
