package event_test

import (
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

func fact() event.Event { return event.Event{ID: id.New[event.Kind](time.Unix(1, 0))} }

func TestHubTellsOnlyTheTenant(t *testing.T) {
	h, a, b := event.NewHub(), tenant.ID{1}, tenant.ID{2}
	mine, cancel := h.Subscribe(a, 1)
	other, cancelOther := h.Subscribe(b, 1)
	defer cancelOther()
	e := fact()
	h.Publish(a, e)
	if got := <-mine; got.ID != e.ID {
		t.Errorf("got %s, want %s", got.ID, e.ID)
	}
	select {
	case got := <-other:
		t.Errorf("another tenant was told %s", got.ID)
	default:
	}
	cancel()
	cancel()
	h.Publish(a, e)
	if _, open := <-mine; open {
		t.Error("a cancelled subscription still gets facts")
	}
}

func TestHubNeverWaits(t *testing.T) {
	h := event.NewHub()
	slow, cancel := h.Subscribe(tenant.ID{1}, 1)
	defer cancel()
	first := fact()
	h.Publish(tenant.ID{1}, first)
	h.Publish(tenant.ID{1}, fact())
	if got := <-slow; got.ID != first.ID {
		t.Errorf("the older fact was dropped")
	}
	if len(slow) != 0 {
		t.Errorf("%d facts more than there was room for", len(slow))
	}
}

func TestHubCloseEndsAll(t *testing.T) {
	h := event.NewHub()
	before, cancel := h.Subscribe(tenant.ID{1}, 1)
	h.Close()
	h.Close()
	after, cancelAfter := h.Subscribe(tenant.ID{1}, 1)
	for name, ch := range map[string]<-chan event.Event{"before": before, "after": after} {
		if _, open := <-ch; open {
			t.Errorf("subscription made %s Close is open", name)
		}
	}
	cancel()
	cancelAfter()
	h.Publish(tenant.ID{1}, fact())
}

func TestStates(t *testing.T) {
	for _, from := range event.States() {
		for _, to := range event.States() {
			if from.Final() && from.CanBecome(to) {
				t.Errorf("%s is final and becomes %s", from, to)
			}
		}
	}
	for _, c := range []struct {
		from, to event.State
		want     bool
	}{
		{event.Queued, event.Delivered, true}, {event.Queued, event.Deferred, true}, {event.Deferred, event.Deferred, true},
		{event.Deferred, event.Expired, true}, {event.Held, event.Queued, true}, {event.Held, event.Delivered, false},
		{event.Held, event.Cancelled, true}, {event.Queued, event.Held, true},
	} {
		if got := c.from.CanBecome(c.to); got != c.want {
			t.Errorf("%s to %s: %t, want %t", c.from, c.to, got, c.want)
		}
	}
}
