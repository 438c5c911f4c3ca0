package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

func audienceTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"ReadBack":       suppressionsReadBack,
		"Lists":          suppressionsList,
		"Lifted":         suppressionLifted,
		"Erased":         suppressionErased,
		"Strikes":        strikes,
		"SettledStrikes": settledStrikes,
		"ChangesInOrder": changesInOrder,
		"OwnRules":       ownRules, "OwnThresholds": ownThresholds,
		"ForeignUntouched": foreignSuppressions,
		"Tally":            tallied,
		"Halts":            halts,
	}
}

// Entry makes a suppression as a key would.
func (w *World) Entry(t tenant.ID, address string, stream tenant.Stream, reason audience.Reason, ends time.Time) audience.Entry {
	a, now := Address(address), w.Clock.Now()
	return audience.Entry{ID: id.New[audience.Kind](now), Tenant: t, Hash: audience.HashOf(nil, t, a), Address: Address(audience.Canonical(a)),
		Stream: stream, Reason: reason, Actor: "key_1", CreatedAt: now, ExpiresAt: ends}
}

// Suppress stores a suppression.
func (w *World) Suppress(e audience.Entry) audience.Entry {
	w.t.Helper()
	list, err := w.Store.Suppress(context.Background(), e.Tenant, []audience.Entry{e}, w.Clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return list[0]
}

func (w *World) blocked(t tenant.ID, stream tenant.Stream, address string) string {
	w.t.Helper()
	a := Address(address)
	found, err := w.Store.Suppressed(context.Background(), t, stream, []message.Address{a}, w.Clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return found[a]
}

func (w *World) acts(t tenant.ID, address string) string {
	w.t.Helper()
	list, err := w.Store.History(context.Background(), t, audience.HashOf(nil, t, Address(address)))
	if err != nil {
		w.t.Fatal(err)
	}
	text := ""
	for _, a := range list {
		text += fmt.Sprintf("%s %s %s %q; ", a.Type, a.Reason, a.Actor, a.Note)
	}
	return text
}

func suppressionsReadBack(t *testing.T, w *World) {
	ctx := context.Background()
	e := w.Entry(w.A, "Eva@example.net", tenant.Newsletter, audience.Imported, w.Clock.Now().Add(time.Hour))
	e.Note, e.Class, e.Source = "aus dem alten System", "x", message.Delivery(message.NewID(w.Clock.Now()), 3)
	stored := w.Suppress(e)
	same(t, "stored", stored, e, nil)
	have, err := w.Store.Suppression(ctx, w.A, e.ID)
	same(t, "read", have, e, err)

	// The same again changes nothing; a stronger reason does, under the same name.
	w.Suppress(w.Entry(w.A, "eva@example.net", tenant.Newsletter, audience.Imported, w.Clock.Now().Add(time.Minute)))
	w.Clock.Advance(time.Second)
	stronger := w.Suppress(w.Entry(w.A, "eva@example.net", tenant.Newsletter, audience.Complaint, time.Time{}))
	if stronger.ID != e.ID || stronger.Reason != audience.Complaint || !stronger.ExpiresAt.IsZero() || stronger.CreatedAt != e.CreatedAt {
		t.Errorf("merged: %+v", stronger)
	}
	weaker := w.Suppress(w.Entry(w.A, "eva@example.net", tenant.Newsletter, audience.Imported, time.Time{}))
	same(t, "a complaint outlives an import", weaker, stronger, nil)
	equal(t, "history", w.acts(w.A, "eva@example.net"), `suppressed import key_1 "aus dem alten System"; suppressed complaint key_1 ""; `)
}

func suppressionsList(t *testing.T, w *World) {
	ctx := context.Background()
	var newest []string
	for i, v := range []struct {
		address string
		stream  tenant.Stream
		reason  audience.Reason
	}{
		{"c@one.example", tenant.Newsletter, audience.Complaint}, {"a@two.example", "", audience.HardBounce},
		{"b@one.example", tenant.Reminder, audience.Manual}, {"d_%@two.example", tenant.Newsletter, audience.Manual},
	} {
		w.Suppress(w.Entry(w.A, v.address, v.stream, v.reason, time.Time{}))
		w.Clock.Advance(time.Duration(i+1) * time.Second)
		newest = append([]string{v.address}, newest...)
	}
	byName := []string{"a@two.example", "b@one.example", "c@one.example", "d_%@two.example"}
	for name, c := range map[string]struct {
		f    audience.Filter
		want []string
	}{
		"new first":       {audience.Filter{}, newest},
		"old first":       {audience.Filter{Ascending: true}, reversed(newest)},
		"by address":      {audience.Filter{ByAddress: true, Ascending: true}, byName},
		"by address down": {audience.Filter{ByAddress: true}, reversed(byName)},
		"whole address":   {audience.Filter{Hash: audience.HashOf(nil, w.A, Address("b@one.example"))}, []string{"b@one.example"}},
		"part":            {audience.Filter{Text: "ONE.example", ByAddress: true, Ascending: true}, []string{"b@one.example", "c@one.example"}},
		"no wildcard":     {audience.Filter{Text: "_%@"}, []string{"d_%@two.example"}},
		"stream":          {audience.Filter{Stream: tenant.Reminder, ByAddress: true, Ascending: true}, []string{"a@two.example", "b@one.example"}},
		"reason":          {audience.Filter{Reason: audience.Manual}, []string{"d_%@two.example", "b@one.example"}},
		"nothing":         {audience.Filter{Text: "zzz", Reason: audience.Manual}, []string{}},
	} {
		have := []string{}
		for c.f.Limit = 1; len(have) <= len(c.want); {
			page, err := w.Store.Suppressions(ctx, w.A, c.f)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Entries {
				have, c.f.After = append(have, e.Address.String()), e.ID
			}
			if !page.More {
				break
			}
		}
		for i := range have { // an address that needs quotes is told with them
			have[i] = Address(have[i]).Local + "@" + Address(have[i]).Domain
		}
		same(t, name, have, c.want, nil)
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func suppressionLifted(t *testing.T, w *World) {
	ctx := context.Background()
	e := w.Suppress(w.Entry(w.A, "eva@example.net", "", audience.Complaint, time.Time{}))
	lifted, err := w.Store.Lift(ctx, w.A, e.ID, "usr_1", "hat angerufen", w.Clock.Advance(time.Second))
	same(t, "lifted", lifted, e, err)
	equal(t, "reason", w.blocked(w.A, tenant.Newsletter, "eva@example.net"), "")
	_, err = w.Store.Lift(ctx, w.A, e.ID, "usr_1", "noch einmal", w.Clock.Now())
	refused(t, err, fault.NotFound, "suppression_not_found")
	equal(t, "history", w.acts(w.A, "eva@example.net"), `suppressed complaint key_1 ""; lifted complaint usr_1 "hat angerufen"; `)
}

// suppressionErased is threat T44: who was erased stays suppressed, also when a list
// brings the address again.
func suppressionErased(t *testing.T, w *World) {
	ctx := context.Background()
	e := w.Entry(w.A, "eva@example.net", tenant.Newsletter, audience.Unsubscribed, time.Time{})
	e.Note = "Frau Sommer möchte nicht"
	w.Suppress(e)
	n, err := w.Store.Erase(ctx, w.A, e.Hash, "usr_1", w.Clock.Advance(time.Second))
	if n != 1 || err != nil {
		t.Errorf("erased %d, %v", n, err)
	}
	have, err := w.Store.Suppression(ctx, w.A, e.ID)
	if err != nil || !have.Erased() || have.Note != "" {
		t.Errorf("after erasure: %+v, %v", have, err)
	}
	equal(t, "history", w.acts(w.A, "eva@example.net"), `suppressed unsubscribed key_1 ""; erased  usr_1 ""; `)
	equal(t, "still", w.blocked(w.A, tenant.Newsletter, "EVA@example.net"), "unsubscribed")
	if n, err := w.Store.Erase(ctx, w.A, audience.Hash{1}, "usr_1", w.Clock.Now()); n != 0 || err != nil {
		t.Errorf("erased nobody: %d, %v", n, err)
	}
}

func (w *World) strikeAt(address string, count int, d message.DeliveryID) audience.Strike {
	e := w.Entry(w.A, address, "", audience.RepeatedBounce, time.Time{})
	e.Class, e.Source, e.Actor = "mailbox_full", d, "system"
	return audience.Strike{Entry: e, Count: count, Since: w.Clock.Now().Add(-time.Hour)}
}

func strikes(t *testing.T, w *World) {
	ctx, first := context.Background(), message.NewID(w.Clock.Now())
	for i, step := range []struct {
		delivery int
		pass     time.Duration
		want     bool
	}{
		{1, 0, false},
		{1, 0, false}, // the same delivery counts once
		{2, 2 * time.Hour, false},
		{3, 0, false}, // the first is too long ago
		{4, 0, true},
	} {
		now := w.Clock.Advance(step.pass)
		made, err := w.Store.Strike(ctx, w.strikeAt("full@example.net", 3, message.Delivery(first, step.delivery)), now)
		if err != nil || made != step.want {
			t.Errorf("step %d: %v, %v", i, made, err)
		}
	}
	equal(t, "reason", w.blocked(w.A, tenant.Lead, "full@example.net"), "repeated_bounce")
	page, err := w.Store.Suppressions(ctx, w.A, audience.Filter{})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Source != message.Delivery(first, 4) {
		t.Fatalf("made: %+v, %v", page, err)
	}
	if _, err := w.Store.Lift(ctx, w.A, page.Entries[0].ID, "usr_1", "geleert", w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	made, err := w.Store.Strike(ctx, w.strikeAt("full@example.net", 3, message.Delivery(first, 5)), w.Clock.Now())
	if made || err != nil {
		t.Errorf("lifting forgets what was counted: %v, %v", made, err)
	}
}

// settledStrikes: an outcome and what it counts are one; a settlement that came too late
// counts nothing.
func settledStrikes(t *testing.T, w *World) {
	a := w.Draft(w.A, "gone@example.net", "late@example.net")
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 10)
	var list []message.DeliveryID
	for i, d := range a.Deliveries {
		v := w.Verdict(e+queue.Epoch(i), w.A, d.ID, event.Bounced)
		k := w.strikeAt(d.Recipient.String(), 1, d.ID)
		v.Strike = &k
		list = append(list, w.Settle(v)...)
	}
	equal(t, "fenced", len(list), 1)
	equal(t, "gone", w.blocked(w.A, tenant.Transactional, "gone@example.net"), "repeated_bounce")
	equal(t, "late", w.blocked(w.A, tenant.Transactional, "late@example.net"), "")
}

// changesInOrder: whoever follows the numbers while many write misses nobody.
func changesInOrder(t *testing.T, w *World) {
	ctx := context.Background()
	const writers, each = 6, 8
	var writing sync.WaitGroup
	done := make(chan struct{})
	for n := range writers {
		writing.Go(func() {
			for i := range each {
				list := []audience.Entry{w.Entry(w.A, fmt.Sprintf("w%d-%d@example.net", n, i), "", audience.Manual, time.Time{}),
					w.Entry(w.A, fmt.Sprintf("w%d-%d@example.org", n, i), "", audience.Manual, time.Time{})}
				if _, err := w.Store.Suppress(ctx, w.A, list, w.Clock.Now()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { writing.Wait(); close(done) }()
	seen, last := map[audience.Hash]bool{}, int64(0)
	for over := false; ; {
		list, next, err := w.Store.Changes(ctx, w.A, last, 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range list {
			seen[h] = true
		}
		if last = next; len(list) > 0 {
			continue
		}
		if over {
			break
		}
		select {
		case <-done:
			over = true // one more look
		default:
		}
	}
	equal(t, "seen", len(seen), 2*writers*each)
	marks, err := w.Store.Marks(ctx)
	same(t, "marks", marks, map[tenant.ID]int64{w.A: 2 * writers * each}, err)
	all, err := w.Store.ChangesSince(ctx, w.A, w.Clock.Now(), 1000)
	if err != nil || len(all) != len(seen) {
		t.Errorf("since: %d, %v", len(all), err)
	}
	if none, err := w.Store.ChangesSince(ctx, w.A, w.Clock.Now().Add(time.Second), 10); err != nil || len(none) != 0 {
		t.Errorf("since later: %v, %v", none, err)
	}
}

func ownRules(t *testing.T, w *World) {
	ctx := context.Background()
	have, err := w.Store.Rules(ctx, w.A)
	same(t, "none", have, audience.Rules(nil), err)
	own := audience.Rules{{Class: "complaint", Streams: []tenant.Stream{tenant.Lead}, Count: 2, Within: 30, Lasts: 90, Everywhere: true}}
	for _, want := range []audience.Rules{own, own[:1:1], nil} {
		if err := w.Store.SetRules(ctx, w.A, want, "usr_1", w.Clock.Advance(time.Second)); err != nil {
			t.Fatal(err)
		}
		have, err := w.Store.Rules(ctx, w.A)
		same(t, "rules", have, want, err)
	}
	marks, err := w.Store.Marks(ctx)
	same(t, "marks", marks, map[tenant.ID]int64{w.A: 3}, err)
	changes, err := w.Store.SettingChanges(ctx, w.A)
	now := w.Clock.Now()
	same(t, "changes", changes, []audience.SettingChange{
		{At: now, Actor: "usr_1", RulesSet: true, RulesBefore: own},
		{At: now.Add(-2 * time.Second), Actor: "usr_1", RulesSet: true, Rules: own},
	}, err) // what changes nothing is not told
	changes, err = w.Store.SettingChanges(ctx, w.B)
	same(t, "other tenant", changes, []audience.SettingChange(nil), err)
}

func ownThresholds(t *testing.T, w *World) {
	ctx := context.Background()
	v := &audience.Thresholds{Sent: 100, Complaints: audience.Threshold{Least: 3, Share: 2}, Hard: audience.Threshold{Least: 10, Share: 30}}
	for _, want := range []*audience.Thresholds{nil, v, nil} {
		if err := w.Store.SetThresholds(ctx, w.A, want, "usr_1", w.Clock.Advance(time.Second)); err != nil {
			t.Fatal(err)
		}
		have, err := w.Store.Thresholds(ctx, w.A)
		same(t, "thresholds", have, want, err)
		none, err := w.Store.Thresholds(ctx, w.B)
		same(t, "other tenant", none, (*audience.Thresholds)(nil), err)
	}
	changes, err := w.Store.SettingChanges(ctx, w.A)
	now := w.Clock.Now()
	same(t, "changes", changes, []audience.SettingChange{{At: now, Actor: "usr_1", Before: v}, {At: now.Add(-time.Second), Actor: "usr_1", After: v}}, err)
}

func foreignSuppressions(t *testing.T, w *World) {
	ctx := context.Background()
	e := w.Suppress(w.Entry(w.A, "eva@example.net", "", audience.Manual, time.Time{}))
	if err := w.Store.Sweep(ctx, w.Clock.Now()); err != nil {
		t.Error(err)
	}
	_, err := w.Store.Suppression(ctx, w.B, e.ID)
	refused(t, err, fault.NotFound, "suppression_not_found")
	_, err = w.Store.Lift(ctx, w.B, e.ID, "usr_1", "fremd", w.Clock.Now())
	refused(t, err, fault.NotFound, "suppression_not_found")
	page, err := w.Store.Suppressions(ctx, w.B, audience.Filter{})
	same(t, "list", page, audience.Page{}, err)
	acts, err := w.Store.History(ctx, w.B, e.Hash)
	same(t, "history", acts, []audience.Act(nil), err)
	if n, err := w.Store.Erase(ctx, w.B, e.Hash, "usr_1", w.Clock.Now()); n != 0 || err != nil {
		t.Errorf("erased %d, %v", n, err)
	}
	equal(t, "reason", w.blocked(w.B, tenant.Lead, "eva@example.net"), "")
	equal(t, "own", w.blocked(w.A, tenant.Lead, "eva@example.net"), "manual")
}
