package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

func redeliveryTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"Candidates": candidates, "Job": redeliveryJob, "Keys": redeliveryKeys, "Items": redeliveryItems, "Archive": archived, "ArchiveOfLeads": archivedLeads,
	}
}

// refused is a mail to the address that its server refused.
func (w *World) refused(t tenant.ID, to string) message.DeliveryID {
	w.t.Helper()
	w.Clock.Advance(time.Second)
	a := w.Draft(t, to)
	a.Message.Metadata = map[string]string{"object": "MA-1"}
	w.Accept(a)
	return a.Deliveries[0].ID
}

func (w *World) job(t tenant.ID, state redelivery.State) redelivery.Job {
	now := w.Clock.Advance(time.Second)
	return redelivery.Job{ID: id.New[redelivery.Kind](now), Tenant: t, State: state, Actor: "usr_1", Door: "office", CreatedAt: now,
		Filter: redelivery.Filter{Stream: tenant.Lead, States: []event.State{event.Bounced}, From: now}, Options: redelivery.Options{PerMinute: 5, Ceiling: 10, Reason: "x"}}
}

func (w *World) addJob(j redelivery.Job, items ...redelivery.Item) {
	w.t.Helper()
	ctx := context.Background()
	if _, _, err := w.Store.AddJob(ctx, j, [32]byte{1}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Store.AddItems(ctx, j.Tenant, j.ID, items); err != nil {
		w.t.Fatal(err)
	}
}

func candidates(t *testing.T, w *World) {
	ctx := t.Context()
	var all []message.DeliveryID
	for i := range 4 {
		all = append(all, w.refused(w.A, fmt.Sprintf("R%d@x.example", i)))
	}
	w.refused(w.B, "r0@x.example")
	e := w.Epoch("n")
	for _, entry := range w.Claim(e, w.A, 10) {
		v := w.Verdict(e, w.A, entry.Delivery, map[bool]event.State{true: event.Delivered, false: event.Bounced}[entry.Delivery == all[3]])
		v.Event.Attempt.Reply, v.Event.Attempt.Source = "550 blocked", "192.0.2.1"
		w.Settle(v)
	}
	j := w.job(w.A, redelivery.Running)
	w.addJob(j, redelivery.Item{Number: 1, Delivery: all[0], State: redelivery.Waiting})
	for name, c := range map[string]struct {
		f    redelivery.Filter
		want []int
	}{
		"all":       {redelivery.Filter{}, []int{0, 1, 2, 3}},
		"state":     {redelivery.Filter{States: []event.State{event.Bounced}}, []int{0, 1, 2}},
		"states":    {redelivery.Filter{States: []event.State{event.Bounced, event.Delivered}}, []int{0, 1, 2, 3}},
		"time":      {redelivery.Filter{From: message.Of(all[1]).Time(), To: message.Of(all[3]).Time()}, []int{1, 2}},
		"recipient": {redelivery.Filter{Recipient: "r2@X.example"}, []int{2}},
		"message":   {redelivery.Filter{Message: message.Of(all[1])}, []int{1}},
		"delivery":  {redelivery.Filter{Delivery: all[2]}, []int{2}},
	} {
		var have []message.DeliveryID
		var after message.DeliveryID
		for more := true; more; {
			page, next, err := w.Store.Candidates(ctx, w.A, c.f, after, 2)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, one := range page {
				have, after = append(have, one.Delivery.ID), one.Delivery.ID
				if one.Message.ID != message.Of(after) || one.Message.Metadata["object"] != "MA-1" || one.Last.Reply != "550 blocked" || one.Last.Source != "192.0.2.1" ||
					one.Redelivered != (after == all[0]) {
					t.Errorf("%s: %+v", name, one)
				}
			}
			more = next
		}
		var want []message.DeliveryID
		for _, i := range c.want {
			want = append(want, all[i])
		}
		equal(t, name, fmt.Sprint(have), fmt.Sprint(want))
	}
	j.State = redelivery.Cancelled
	w.must(w.Store.ChangeJob(ctx, j, redelivery.Running))
	page, _, err := w.Store.Candidates(ctx, w.A, redelivery.Filter{Delivery: all[0]}, message.DeliveryID{}, 1)
	if err != nil || len(page) != 1 || page[0].Redelivered {
		t.Errorf("what a cancelled job did not send is held back: %v, %v", page, err)
	}
}

func redeliveryJob(t *testing.T, w *World) {
	ctx := t.Context()
	j := w.job(w.A, redelivery.Planning)
	w.addJob(j)
	other := w.job(w.B, redelivery.Awaiting)
	w.addJob(other)
	got, err := w.Store.Redelivery(ctx, w.A, j.ID)
	same(t, "job", got, j, err)
	if _, err := w.Store.Redelivery(ctx, w.B, j.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant reads it: %v", err)
	}
	foreign := j
	foreign.Tenant = w.B
	if err := w.Store.ChangeJob(ctx, foreign, redelivery.Planning); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant changes it: %v", err)
	}
	now := w.Clock.Now()
	if open, err := w.Store.OpenJobs(ctx, now, j.CreatedAt.Add(time.Millisecond)); err != nil || len(open) != 1 || open[0].ID != j.ID {
		t.Errorf("stale %v, %v", open, err)
	}
	j.State, j.ConfirmedBy, j.ConfirmedAt, j.RampAt, j.DueAt, j.Reason = redelivery.Running, "usr_2", now, now, now.Add(time.Second), "why"
	w.must(w.Store.ChangeJob(ctx, j, redelivery.Planning))
	if err := w.Store.ChangeJob(ctx, j, redelivery.Planning); fault.As(err) == nil || fault.As(err).Code != redelivery.CodeState {
		t.Errorf("changed from a state it is not in: %v", err)
	}
	if early, _ := w.Store.OpenJobs(ctx, now, now.Add(-time.Hour)); len(early) != 0 {
		t.Errorf("due too early: %v", early)
	}
	due, err := w.Store.OpenJobs(ctx, j.DueAt, now.Add(-time.Hour))
	if err != nil || len(due) != 1 {
		t.Fatalf("due %v, %v", due, err)
	}
	same(t, "due", due[0], j, nil)
	second := w.job(w.A, redelivery.Awaiting)
	w.addJob(second)
	if n, since, err := w.Store.AwaitingRedeliveries(ctx, w.A); err != nil || n != 1 || !since.Equal(second.CreatedAt) {
		t.Errorf("%d wait for a second person since %s: %v", n, since, err)
	}
	if n, since, err := w.Store.AwaitingRedeliveries(ctx, tenant.ID{1}); err != nil || n != 0 || !since.IsZero() {
		t.Errorf("of nobody %d since %s: %v", n, since, err)
	}
	list, more, err := w.Store.Redeliveries(ctx, w.A, redelivery.ID{}, 1)
	if err != nil || !more || len(list) != 1 || list[0].ID != second.ID {
		t.Errorf("listed %v %v %v", list, more, err)
	}
	if list, more, _ = w.Store.Redeliveries(ctx, w.A, second.ID, 5); more || len(list) != 1 || list[0].ID != j.ID {
		t.Errorf("below: %v %v", list, more)
	}
}

func redeliveryKeys(t *testing.T, w *World) {
	ctx := t.Context()
	j := w.job(w.A, redelivery.Planning)
	j.Key = "k"
	w.addJob(j)
	again := w.job(w.A, redelivery.Planning)
	again.Key = "k"
	first, hash, err := w.Store.AddJob(ctx, again, [32]byte{2})
	if err != nil || first == nil || first.ID != j.ID || hash != [32]byte{1} {
		t.Errorf("again: %v %v %v", first, hash, err)
	}
	again.Tenant = w.B
	if first, _, err = w.Store.AddJob(ctx, again, [32]byte{2}); err != nil || first != nil {
		t.Errorf("another tenant's key counts: %v %v", first, err)
	}
}

func redeliveryItems(t *testing.T, w *World) {
	ctx := t.Context()
	j := w.job(w.A, redelivery.Running)
	var items []redelivery.Item
	for n := range 4 {
		at := w.Clock.Advance(time.Second)
		items = append(items, redelivery.Item{Number: n + 1, Delivery: message.Delivery(message.NewID(at), 1), State: redelivery.Waiting, At: at})
	}
	items[1].State, items[1].Reason = redelivery.Skipped, redelivery.SkipErased
	w.addJob(j, items...)
	other := w.job(w.A, redelivery.Running)
	w.addJob(other, redelivery.Item{Number: 1, Delivery: items[2].Delivery, State: redelivery.Waiting})
	next := func(job redelivery.ID, limit int) string {
		t.Helper()
		list, err := w.Store.NextItems(ctx, w.A, job, limit)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, i := range list {
			text += fmt.Sprintf("%d %s %v ", i.Number, i.State, i.Elsewhere)
		}
		return text
	}
	equal(t, "first", next(j.ID, 2), "1 waiting false 3 waiting false ")
	equal(t, "in another job", next(other.ID, 2), "1 waiting true ")
	equal(t, "after a crash", next(j.ID, 3), "1 sending false 3 sending true 4 waiting false ")
	sent := items[0]
	sent.State, sent.Message = redelivery.Sent, message.NewID(w.Clock.Now())
	for range 2 { // the second changes nothing
		if state, err := w.Store.SettleItem(ctx, w.A, j.ID, sent); err != nil || state != redelivery.Running {
			t.Fatalf("%s, %v", state, err)
		}
	}
	failed := items[2]
	failed.State, failed.Reason = redelivery.Failed, "from_domain_lapsed"
	j.State = redelivery.Paused
	w.must(w.Store.ChangeJob(ctx, j, redelivery.Running))
	if state, err := w.Store.SettleItem(ctx, w.A, j.ID, failed); err != nil || state != redelivery.Paused {
		t.Errorf("%s, %v", state, err)
	}
	got, err := w.Store.Redelivery(ctx, w.A, j.ID)
	if err != nil || got.Total != 4 || got.Sent != 1 || got.Skipped != 1 || got.Failed != 1 || got.Left() != 1 {
		t.Errorf("counted %+v, %v", got, err)
	}
	list, more, err := w.Store.RedeliveryItems(ctx, w.A, j.ID, redelivery.ItemFilter{Limit: 2})
	if err != nil || !more || len(list) != 2 {
		t.Fatalf("%v %v %v", list, more, err)
	}
	same(t, "sent", list[0], sent, nil)
	if list, more, _ = w.Store.RedeliveryItems(ctx, w.A, j.ID, redelivery.ItemFilter{State: redelivery.Failed, After: 2, Limit: 2}); more || len(list) != 1 || list[0].Reason != failed.Reason {
		t.Errorf("failed %v", list)
	}
	if _, _, err := w.Store.RedeliveryItems(ctx, w.B, j.ID, redelivery.ItemFilter{Limit: 2}); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant lists them: %v", err)
	}
}

// dropped runs DropContent to its end.
func (w *World) dropped(r redelivery.Run, limit int) redelivery.Run {
	w.t.Helper()
	for {
		next, more, err := w.Store.DropContent(context.Background(), r, limit, w.Clock.Now())
		if err != nil {
			w.t.Fatal(err)
		}
		if r = next; !more {
			return r
		}
	}
}

func archived(t *testing.T, w *World) {
	ctx := t.Context()
	var list []*ingest.Acceptance
	for i := range 5 {
		w.Clock.Advance(time.Second)
		a := w.Draft(w.A, "r@x.example")
		if i == 1 {
			a.Message.Stream = tenant.Newsletter
		}
		if i != 3 {
			a.Deliveries[0].State = event.Suppressed
		}
		w.Accept(a)
		list = append(list, a)
	}
	foreign := w.Letter(w.B, "x", "y", "r@x.example")
	run := func() redelivery.Run {
		now := w.Clock.Advance(time.Second)
		return w.dropped(redelivery.Run{ID: id.New[redelivery.RunKind](now), Tenant: w.A, Stream: tenant.Transactional, Before: now, BeganAt: now}, 2)
	}
	r := run()
	var digest [32]byte
	for _, i := range []int{0, 2} {
		digest = sha256.Sum256(append(digest[:], list[i].Message.ID[:]...))
	}
	if r.Messages != 2 || r.Bytes != 4000 || r.Digest != digest || !r.Oldest.Equal(list[0].Message.AcceptedAt) || !r.Newest.Equal(list[2].Message.AcceptedAt) || r.EndedAt.IsZero() {
		t.Errorf("run %+v", r)
	}
	for i, a := range append(list, foreign) {
		m, err := w.Store.Message(ctx, a.Message.Tenant, a.Message.ID)
		if err != nil || m.Erased() != (i == 0 || i == 2) {
			t.Errorf("mail %d: erased %v, %v", i, m.Erased(), err)
		}
	}
	kept, more, err := w.Store.ArchiveRuns(ctx, w.A, redelivery.RunID{}, 5)
	if err != nil || more || len(kept) != 1 {
		t.Fatalf("runs %v %v %v", kept, more, err)
	}
	same(t, "run", kept[0], r, nil)
	// What waited is over; the next run goes on there.
	e := w.Epoch("n")
	for _, entry := range w.Claim(e, w.A, 10) {
		w.Settle(w.Verdict(e, w.A, entry.Delivery, event.Bounced))
	}
	if r = run(); r.Messages != 2 {
		t.Errorf("second run %+v", r)
	}
	if r = run(); r.Messages != 0 {
		t.Errorf("third run %+v", r)
	}
	if kept, more, _ = w.Store.ArchiveRuns(ctx, w.A, redelivery.RunID{}, 1); !more || len(kept) != 1 || kept[0].Messages != 2 {
		t.Errorf("newest %v %v", kept, more)
	}
	if kept, _, _ = w.Store.ArchiveRuns(ctx, w.B, redelivery.RunID{}, 5); len(kept) != 0 {
		t.Error("another tenant sees runs")
	}
}

func archivedLeads(t *testing.T, w *World) {
	ctx := t.Context()
	mine, other := w.lead(w.A, "1"), w.lead(w.B, "1")
	w.takeLead(mine, "", 1)
	w.takeLead(other, "", 1)
	for _, days := range []int{90, 7} {
		w.must(w.Store.SaveTerm(ctx, w.A, redelivery.Term{Stream: tenant.Lead, Days: days}))
	}
	terms, err := w.Store.Terms(ctx, w.A)
	if err != nil || len(terms) != 1 || terms[0].Days != 7 {
		t.Errorf("terms %v, %v", terms, err)
	}
	if days, err := w.Store.LongestTerm(ctx); err != nil || days != 7 {
		t.Errorf("longest %d, %v", days, err)
	}
	late := w.Clock.Advance(time.Hour)
	if n, err := w.Store.DropLeads(ctx, late, 10); err != nil || n != 1 || len(w.readLead(w.A, mine.ID).Sealed) == 0 {
		t.Errorf("leads with a time of their own are dropped by the common one: %d, %v", n, err)
	}
	if page, _ := w.Store.Leads(ctx, w.A, lead.Filter{Kept: true, Limit: 5}); len(page.Leads) != 1 {
		t.Errorf("kept %v", page)
	}
	if n, err := w.Store.DropLeadsOf(ctx, w.A, late, 10); err != nil || n != 1 || len(w.readLead(w.A, mine.ID).Sealed) != 0 {
		t.Errorf("dropped %d, %v", n, err)
	}
	w.must(w.Store.SaveTerm(ctx, w.A, redelivery.Term{Stream: tenant.Lead}))
	if days, err := w.Store.LongestTerm(ctx); err != nil || days != 0 {
		t.Errorf("longest %d, %v", days, err)
	}
}
