package storetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/trace"
)

func dialogueTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"KeptWithTheVerdict": dialoguesKept,
		"DroppedByDays":      dialoguesDropped,
	}
}

func (w *World) dialogues(t tenant.ID, m message.ID, days ...spool.Day) []trace.Kept {
	w.t.Helper()
	list, err := w.Store.Dialogues(context.Background(), t, m, days)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// dialoguesKept: a dialogue is there if and only if its verdict is, and for its tenant
// alone.
func dialoguesKept(t *testing.T, w *World) {
	a := w.Draft(w.A, numbered(3)...)
	a.Epoch = w.Epoch("n")
	w.Accept(a)
	d, today := a.Deliveries, spool.DayOf(w.Clock.Now())
	said := bytes.Repeat([]byte{0, 0xff, 7}, 20_000)
	deferred, delivered, fenced := w.Verdict(a.Epoch, w.A, d[0].ID, event.Deferred), w.Verdict(a.Epoch, w.A, d[1].ID, event.Delivered), w.Verdict(a.Epoch+1, w.A, d[2].ID, event.Deferred)
	deferred.Dialogue, fenced.Dialogue = said, said
	if got := w.Settle(deferred, delivered, fenced); len(got) != 1 {
		t.Errorf("fenced %v", got)
	}
	want := []trace.Kept{{Delivery: d[0].ID, Number: 1, Sealed: said}}
	same(t, "kept", w.dialogues(w.A, a.Message.ID, today, today-1), want, nil)
	equal(t, "of another day", len(w.dialogues(w.A, a.Message.ID, today+1)), 0)
	equal(t, "of another tenant", len(w.dialogues(w.B, a.Message.ID, today)), 0)
	other := w.Draft(w.A, "x@example.net")
	equal(t, "of another message", len(w.dialogues(w.A, other.Message.ID, today)), 0)
}

func dialoguesDropped(t *testing.T, w *World) {
	e := w.Epoch("n")
	keep := func(owner tenant.ID, n int) message.ID {
		a := w.Draft(owner, numbered(n)...)
		a.Epoch = e
		w.Accept(a)
		var list []queue.Settlement
		for _, d := range a.Deliveries {
			v := w.Verdict(e, owner, d.ID, event.Bounced)
			v.Dialogue = []byte("said")
			list = append(list, v)
		}
		w.Settle(list...)
		return a.Message.ID
	}
	before := spool.DayOf(w.Clock.Now())
	old, foreign := keep(w.A, 700), keep(w.B, 3)
	w.Clock.Advance(24 * time.Hour)
	fresh := keep(w.A, 2)
	for _, want := range []int64{703, 0} {
		n, err := w.Store.DropDialogues(context.Background(), before+1)
		if err != nil || n != want {
			t.Errorf("dropped %d, %v, want %d", n, err, want)
		}
	}
	equal(t, "old ones", len(w.dialogues(w.A, old, before))+len(w.dialogues(w.B, foreign, before)), 0)
	equal(t, "fresh ones", len(w.dialogues(w.A, fresh, before+1)), 2)
}
