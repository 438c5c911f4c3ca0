package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

func commandTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"Apply":            applies,
		"DeliveredWins":    deliveredWins,
		"HeldIsNotClaimed": heldIsNotClaimed,
		"RetryIsDueNow":    retryIsDueNow,
		"Selections":       selections,
		"List":             lists,
		"SelectionNamesATenant": func(t *testing.T, w *World) {
			if _, err := w.Store.List(context.Background(), queue.Selection{}); err == nil {
				t.Error("a selection of nobody's deliveries was answered")
			}
			if _, err := w.Store.Apply(context.Background(), "burn", queue.Selection{Platform: true}, "x", w.Clock.Now()); err == nil {
				t.Error("an unknown command was obeyed")
			}
		},
	}
}

// Apply runs a command and fails the test if that fails.
func (w *World) Apply(c queue.Command, sel queue.Selection) []message.DeliveryID {
	w.t.Helper()
	list, err := w.Store.Apply(context.Background(), c, sel, "usr_1", w.Clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func applies(t *testing.T, w *World) {
	for _, c := range []struct {
		command queue.Command
		want    string // of queued, deferred, held, delivered
		fact    event.Type
		changed int
	}{
		{queue.Hold, "held held held delivered", event.Paused, 2},
		{queue.Resume, "queued deferred queued delivered", event.Released, 1},
		{queue.Cancel, "cancelled cancelled cancelled delivered", event.Stopped, 3},
		{queue.Retry, "queued deferred held delivered", event.Retried, 1},
	} {
		w.Clock.Advance(time.Second)
		a := w.Draft(w.A, numbered(4)...)
		a.Epoch = w.Epoch("n")
		a.Deliveries[2].State = event.Held
		w.Accept(a)
		w.Settle(w.Verdict(a.Epoch, w.A, a.Deliveries[1].ID, event.Deferred), w.Verdict(a.Epoch, w.A, a.Deliveries[3].ID, event.Delivered))
		before := len(w.Announced())
		equal(t, string(c.command)+" changed", len(w.Apply(c.command, queue.Selection{Tenant: w.A, Message: a.Message.ID})), c.changed)
		equal(t, string(c.command), w.States(w.A, a.Message.ID), c.want)
		told := w.Announced()[before:]
		equal(t, "announced", len(told), c.changed)
		for _, e := range told {
			if e.Type != c.fact || e.Actor != "usr_1" || e.Delivery.IsZero() {
				t.Errorf("event: %+v", e)
			}
		}
	}
}

func deliveredWins(t *testing.T, w *World) {
	for _, command := range []queue.Command{queue.Hold, queue.Cancel} {
		a := w.Draft(w.A, numbered(2)...)
		a.Epoch = w.Epoch("n")
		w.Accept(a)
		w.Clock.Advance(time.Second)
		w.Apply(command, queue.Selection{Tenant: w.A, Message: a.Message.ID})
		w.Clock.Advance(time.Second)
		d := a.Deliveries
		fenced := w.Settle(w.Verdict(a.Epoch, w.A, d[0].ID, event.Delivered), w.Verdict(a.Epoch, w.A, d[1].ID, event.Deferred))
		same(t, "fenced", fenced, []message.DeliveryID{d[1].ID}, nil)
		state, fact := "held", "held"
		if command == queue.Cancel {
			state, fact = "cancelled", "cancelled"
		}
		equal(t, "states", w.States(w.A, a.Message.ID), "delivered "+state)
		equal(t, "facts", w.facts(w.A, a.Message.ID), "accepted "+fact+" "+fact+" delivered")
	}
}

func heldIsNotClaimed(t *testing.T, w *World) {
	w.Accept(w.Draft(w.A, numbered(2)...))
	e := w.Epoch("n")
	w.Apply(queue.Hold, queue.Selection{Tenant: w.A})
	equal(t, "claimed while held", len(w.Claim(e, w.A, 10)), 0)
	w.Apply(queue.Resume, queue.Selection{Tenant: w.A})
	equal(t, "claimed after resuming", len(w.Claim(e, w.A, 10)), 2)
}

func retryIsDueNow(t *testing.T, w *World) {
	a := w.Draft(w.A, "r@example.net")
	w.Accept(a)
	e := w.Epoch("n")
	w.Claim(e, w.A, 1)
	w.Settle(w.Verdict(e, w.A, a.Deliveries[0].ID, event.Deferred))
	equal(t, "claimed early", len(w.Claim(e, w.A, 1)), 0)
	w.Apply(queue.Retry, queue.Selection{Tenant: w.A, Delivery: a.Deliveries[0].ID})
	equal(t, "claimed at once", len(w.Claim(e, w.A, 1)), 1)
	// A retry of what is being attempted must not lead to a second attempt beside it.
	w.Apply(queue.Retry, queue.Selection{Tenant: w.A})
	equal(t, "claimed twice", len(w.Claim(e, w.A, 1)), 0)
	equal(t, "fenced", len(w.Settle(w.Verdict(e, w.A, a.Deliveries[0].ID, event.Deferred))), 0)
}

func selections(t *testing.T, w *World) {
	news := w.Draft(w.A, "1@example.net", "2@example.org", "3@sub.example.net", "4@Example.net")
	news.Message.Stream, news.Message.Tags = tenant.Newsletter, []string{"mai"}
	news.Deliveries[3].State = event.Held
	plain := w.Draft(w.A, "5@example.net", "6@ex%mple.net")
	other := w.Draft(w.B, "7@example.net")
	other.Message.Tags = []string{"mai", "juni"}
	w.Accept(news, plain, other)
	for name, c := range map[string]struct {
		sel  queue.Selection
		want int
	}{
		"all of a tenant":         {queue.Selection{Tenant: w.A}, 6},
		"all":                     {queue.Selection{Platform: true}, 7},
		"one message":             {queue.Selection{Tenant: w.A, Message: news.Message.ID}, 4},
		"another's message":       {queue.Selection{Tenant: w.B, Message: news.Message.ID}, 0},
		"one message anywhere":    {queue.Selection{Platform: true, Message: other.Message.ID}, 1},
		"one delivery":            {queue.Selection{Tenant: w.A, Delivery: news.Deliveries[1].ID}, 1},
		"one stream":              {queue.Selection{Tenant: w.A, Stream: tenant.Newsletter}, 4},
		"one domain":              {queue.Selection{Tenant: w.A, Domain: "EXAMPLE.net"}, 3},
		"a domain like a pattern": {queue.Selection{Tenant: w.A, Domain: "ex%mple.net"}, 1},
		"one state":               {queue.Selection{Platform: true, States: []event.State{event.Held}}, 1},
		"stream and domain":       {queue.Selection{Tenant: w.A, Stream: tenant.Newsletter, Domain: "example.net"}, 2},
		"one tag":                 {queue.Selection{Tenant: w.A, Tag: "mai"}, 4},
		"one tag anywhere":        {queue.Selection{Platform: true, Tag: "mai"}, 5},
		"another's tag":           {queue.Selection{Tenant: w.A, Tag: "juni"}, 0},
		"tag and domain":          {queue.Selection{Tenant: w.A, Tag: "mai", Domain: "example.net"}, 2},
		"tag and state":           {queue.Selection{Platform: true, Tag: "mai", States: []event.State{event.Held}}, 1},
		"tag and message":         {queue.Selection{Tenant: w.A, Tag: "mai", Message: news.Message.ID}, 4},
		"tag, limited":            {queue.Selection{Platform: true, Tag: "mai", Limit: 3}, 3},
		"limited":                 {queue.Selection{Platform: true, Limit: 3}, 3},
	} {
		list, err := w.Store.List(context.Background(), c.sel)
		if err != nil || len(list) != c.want {
			t.Errorf("%s: %d, %v, want %d", name, len(list), err, c.want)
		}
	}
}

func lists(t *testing.T, w *World) {
	a := w.Draft(w.A, "Some.One@example.net")
	a.Epoch = w.Epoch("n")
	w.Accept(a)
	v := w.Verdict(a.Epoch, w.A, a.Deliveries[0].ID, event.Deferred)
	w.Settle(v)
	list, err := w.Store.List(context.Background(), queue.Selection{Tenant: w.A})
	same(t, "list", list, []queue.Listed{{Tenant: w.A, Delivery: v.Delivery, Stream: tenant.Transactional, Recipient: a.Deliveries[0].Recipient,
		State: event.Deferred, Attempts: 1, DueAt: v.DueAt, ExpiresAt: a.Message.ExpiresAt, Reason: "some_reason", Host: "mx.example.net"}}, err)
}
