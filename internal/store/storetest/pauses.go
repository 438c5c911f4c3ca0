package storetest

import (
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/pause"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

func pauseTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Folded": groupFigures, "PausedAndBack": pausedAndBack, "Limits": groupLimits, "OwnLimits": ownLimits, "Locked": lockedMailGoesOn}
}

func (w *World) pauses() *pause.Service {
	l := pause.DefaultLimits()
	l.Sent = 4
	l.Hard.Least = 2
	return pause.New(pause.Config{Store: w.Store, Limits: l, Now: w.Clock.Now})
}

// groupMail sends to a group and settles: how many are delivered, and how many bounce.
func (w *World) groupMail(e queue.Epoch, group string, delivered, gone int) (list []message.DeliveryID) {
	a := w.Draft(w.A, numbered(delivered+gone)...)
	a.Message.Stream, a.Message.Tags = tenant.Newsletter, []string{queue.GroupTag + group}
	w.Accept(a)
	w.Claim(e, w.A, 100)
	for i, d := range a.Deliveries {
		v := w.Verdict(e, w.A, d.ID, event.Delivered)
		if i >= delivered {
			v = w.Verdict(e, w.A, d.ID, event.Bounced)
			v.Event.Reason = "user_unknown"
		}
		v.Group = group
		w.Settle(v)
		list = append(list, d.ID)
	}
	return list
}

func groupFigures(t *testing.T, w *World) {
	g, e := w.Group(w.A, "Käufer"), w.Epoch("n")
	ids := w.groupMail(e, g.ID.String(), 5, 2)
	k := w.Returned(w.A, ids[0])
	w.keep(k)
	k.State = "matched"
	w.conclude(k.Mail, w.report(ids[0], event.Complained, "complaint"))
	for range 2 { // the second is none
		w.must(w.Store.AddFact(t.Context(), w.A, event.Event{ID: id.New[event.Kind](w.Clock.Now()), Message: message.Of(ids[1]), Delivery: ids[1],
			Type: event.Unsubscribed, At: w.Clock.Now(), Actor: "recipient"}))
	}
	w.groupMail(e, "", 3, 0)
	w.fold()
	f, err := w.Store.GroupFigures(t.Context(), w.A, g.ID, w.Clock.Now().Add(-24*time.Hour).Truncate(time.Hour))
	equal(t, "figures", f, pause.Figures{Sent: 7, Hard: 2, Complaints: 1, Unsubscribes: 1})
	w.must(err)
	if f, err = w.Store.GroupFigures(t.Context(), w.B, g.ID, time.Time{}); f != (pause.Figures{}) || err != nil {
		t.Errorf("another tenant sees %+v, %v", f, err)
	}
	w.must(w.Store.DropGroupTallies(t.Context(), w.Clock.Now().Add(48*time.Hour)))
	if list, err := w.Store.StirredGroups(t.Context(), time.Time{}); len(list) > 0 || err != nil {
		t.Errorf("dropped sums are there: %v, %v", list, err)
	}
}

// pausedAndBack: a group that fares badly is paused, its mail waits, and goes on after the
// account has said once what it did; the second time the platform must.
func pausedAndBack(t *testing.T, w *World) {
	ctx, s, g, e := t.Context(), w.pauses(), w.Group(w.A, "Käufer"), w.Epoch("n")
	other := w.Group(w.A, "Andere")
	for i, staff := range []bool{false, true} {
		w.groupMail(e, g.ID.String(), 5, 2)
		w.fold()
		w.must(s.Turn(ctx))
		v, err := s.Standing(ctx, w.A, g.ID)
		if err != nil || !v.Pause.InForce() || v.Pause.Cause != pause.Hard || v.MaySelf == staff {
			t.Fatalf("pause %d: %+v, %v", i, v, err)
		}
		if held, err := s.Holds(ctx, w.A, g.ID); !held || err != nil {
			t.Errorf("mail to the group goes out: %v", err)
		}
		if held, err := s.Holds(ctx, w.A, other.ID); held || err != nil {
			t.Errorf("mail to another group waits: %v", err)
		}
		a := w.Draft(w.A, "r@example.net", "s@example.net")
		a.Message.Tags = []string{queue.GroupTag + g.ID.String()}
		b := w.Draft(w.A, "r@example.net")
		b.Message.Tags = []string{queue.GroupTag + other.ID.String()}
		for _, list := range [][]ingest.Delivery{a.Deliveries, b.Deliveries} {
			for i := range list {
				list[i].State, list[i].Reason = event.Held, pause.ReasonHeld
			}
		}
		w.Accept(a)
		w.Accept(b)
		if staff {
			if err := s.Release(ctx, w.A, g.ID, "usr_1", "Liste bereinigt", false); fault.As(err) == nil || fault.As(err).Code != pause.CodeSelfUsed {
				t.Errorf("released by itself twice: %v", err)
			}
		}
		if err := s.Release(ctx, w.B, g.ID, "usr_1", "Liste bereinigt", staff); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("released by another tenant: %v", err)
		}
		w.must(s.Release(ctx, w.A, g.ID, "usr_1", "Liste bereinigt", staff))
		if n, err := w.Store.FreePaused(ctx, w.A, g.ID, 10, w.Clock.Now()); n != 2 || err != nil {
			t.Errorf("%d deliveries went on, %v", n, err)
		}
		w.Clock.Advance(2 * time.Hour)
		w.must(s.Turn(ctx))
		if list, err := w.Store.UnfreedPauses(ctx); len(list) > 0 || err != nil {
			t.Errorf("pauses to free: %v, %v", list, err)
		}
	}
	if list, err := s.Pauses(ctx); len(list) != 2 || !list[1].Self || list[0].Self || err != nil {
		t.Errorf("pauses of all: %+v, %v", list, err)
	}
}

func groupLimits(t *testing.T, w *World) {
	s := w.pauses()
	l := pause.DefaultLimits()
	l.Complaints.Share = 50
	if err := fault.As(s.SetLimits(t.Context(), w.A, &l, "")); err == nil || err.Field != "reason" {
		t.Errorf("looser without a reason: %v", err)
	}
	w.must(s.SetLimits(t.Context(), w.A, &l, "abgesprochen"))
	have, own, err := s.LimitsOf(t.Context(), w.A)
	if have != l || !own || err != nil {
		t.Errorf("limits %+v, %v", have, err)
	}
	if _, own, _ = s.LimitsOf(t.Context(), w.B); own {
		t.Error("another tenant has them too")
	}
	l.Hours = 0
	if err := s.SetLimits(t.Context(), w.A, &l, "abgesprochen"); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("no window: %v", err)
	}
	w.must(s.SetLimits(t.Context(), w.A, nil, ""))
	if _, own, _ = s.LimitsOf(t.Context(), w.A); own {
		t.Error("they are still there")
	}
}

// lockedMailGoesOn: mail that was held because its account was locked goes on afterwards.
func lockedMailGoesOn(t *testing.T, w *World) {
	ctx := t.Context()
	w.must(w.Store.SetState(ctx, w.A, tenant.Locked, "falsche Angaben"))
	a := w.Draft(w.A, "r@example.net")
	a.Deliveries[0].State, a.Deliveries[0].Reason = event.Held, tenant.ReasonLocked
	w.Accept(a)
	if n, err := w.Store.FreeUnlocked(ctx, 10, w.Clock.Now()); n != 0 || err != nil {
		t.Errorf("%d went on while locked, %v", n, err)
	}
	w.must(w.Store.SetState(ctx, w.A, tenant.Active, ""))
	for i, want := range []int{1, 0, 0} {
		if n, err := w.Store.FreeUnlocked(ctx, 10, w.Clock.Advance(time.Minute)); n != want || err != nil {
			t.Errorf("turn %d: %d went on, %v", i, n, err)
		}
	}
}

// An account tightens, for one group and for all; staff loosen one group and say why; the
// strictest of what the account set holds, and a group is paused by it.
func ownLimits(t *testing.T, w *World) {
	ctx, g, other := t.Context(), w.Group(w.A, "Käufer"), w.Group(w.A, "Mieter")
	s := w.pauses()
	of := func(g audience.GroupID) (v [3]int64) {
		b, err := s.BoundsOf(ctx, w.A, g)
		w.must(err)
		l := b.InForce()
		return [3]int64{l.Hard.Share, l.Complaints.Share, l.Unsubscribes.Share}
	}
	w.must(s.Tighten(ctx, w.A, audience.GroupID{}, pause.Shares{Hard: 80, Unsubscribes: 200}, "usr_1"))
	w.must(s.Tighten(ctx, w.A, g.ID, pause.Shares{Unsubscribes: 100, Hard: 90}, "usr_1"))
	same(t, "of the group", of(g.ID), [3]int64{80, 30, 100}, nil)
	same(t, "of another", of(other.ID), [3]int64{80, 30, 200}, nil)
	for name, err := range map[string]error{
		"looser than the platform's": s.Tighten(ctx, w.A, g.ID, pause.Shares{Hard: 101}, "usr_1"),
		"below nothing":              s.Tighten(ctx, w.A, g.ID, pause.Shares{Hard: -1}, "usr_1"),
		"without a reason":           s.Allow(ctx, w.A, other.ID, pause.Shares{Complaints: 90}, "usr_9", " "),
	} {
		if !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.must(s.Allow(ctx, w.A, other.ID, pause.Shares{Complaints: 90, Unsubscribes: 900}, "usr_9", "Vereinszeitung"))
	same(t, "allowed more", of(other.ID), [3]int64{80, 90, 200}, nil) // it is still as strict as the account wants
	same(t, "not the first", of(g.ID), [3]int64{80, 30, 100}, nil)
	if b, err := s.BoundsOf(ctx, w.A, other.ID); err != nil || b.Staff.Reason != "Vereinszeitung" || b.Staff.Actor != "usr_9" {
		t.Errorf("recorded %+v, %v", b.Staff, err)
	}
	if b, err := s.BoundsOf(ctx, w.B, g.ID); err != nil || b.InForce() != b.Platform || !b.Account.At.IsZero() {
		t.Errorf("another tenant's: %+v, %v", b, err)
	}
	w.must(s.Tighten(ctx, w.A, audience.GroupID{}, pause.Shares{}, "usr_1"))
	same(t, "taken away", of(g.ID), [3]int64{90, 30, 100}, nil)

	w.must(s.Tighten(ctx, w.A, g.ID, pause.Shares{Unsubscribes: 1}, "usr_1"))
	l := pause.DefaultLimits()
	l.Sent, l.Unsubscribes = 4, pause.Limit{Least: 1, Share: 9000}
	judge := pause.New(pause.Config{Store: w.Store, Limits: l, Now: w.Clock.Now})
	for _, d := range w.groupMail(w.Epoch("n"), g.ID.String(), 5, 0)[:1] {
		w.must(w.Store.AddFact(ctx, w.A, event.Event{ID: id.New[event.Kind](w.Clock.Now()), Message: message.Of(d), Delivery: d,
			Type: event.Unsubscribed, At: w.Clock.Now(), Actor: "recipient"}))
	}
	w.fold()
	w.must(judge.Turn(ctx))
	held, err := judge.Holds(ctx, w.A, g.ID)
	same(t, "paused by its own limit", held, true, err)
}
