package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

func webhookTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Endpoints": endpoints, "Facts": toldFacts, "Calls": hookCalls,
		"Deeds": accountDeeds, "SeriesDeeds": seriesDeeds, "Unheard": deedsUnheard}
}

func (w *World) endpoint(t tenant.ID, types ...webhook.Type) webhook.Endpoint {
	w.t.Helper()
	now := w.Clock.Advance(time.Second)
	e := webhook.Endpoint{Tenant: t, ID: id.New[webhook.Kind](now), Name: "CRM", Types: types, State: webhook.Active, Sealed: []byte{1}, CreatedAt: now, CreatedBy: "usr_1"}
	w.must(w.Store.AddWebhook(context.Background(), e, 3))
	w.must(w.Store.FollowWebhooks(context.Background()))
	return e
}

func endpoints(t *testing.T, w *World) {
	ctx := context.Background()
	first, other := w.endpoint(w.A, "message.delivered"), w.endpoint(w.B)
	list, err := w.Store.Webhooks(ctx, w.A)
	same(t, "listed", list, []webhook.Endpoint{first}, err)
	first.Name, first.State, first.OffAt, first.Types, first.Sealed = "ERP", webhook.Off, w.Clock.Now(), nil, []byte{2}
	w.must(w.Store.ChangeWebhook(ctx, first))
	got, err := w.Store.Webhook(ctx, w.A, first.ID)
	same(t, "changed", got, first, err)
	sick := other
	sick.FailingSince, sick.Failures, sick.RestsUntil, sick.State, sick.OffAt = w.Clock.Now(), 3, w.Clock.Now().Add(time.Hour), webhook.Failing, w.Clock.Now()
	w.must(w.Store.NoteHealth(ctx, sick))
	got, err = w.Store.Webhook(ctx, w.B, other.ID)
	same(t, "health", got, sick, err)
	late := sick
	late.Failures = 9
	w.must(w.Store.NoteHealth(ctx, late))
	got, err = w.Store.Webhook(ctx, w.B, other.ID)
	same(t, "health of one that is off", got, sick, err)
	for what, err := range map[string]error{
		"read by another":    second(w.Store.Webhook(ctx, w.B, first.ID)),
		"changed by another": w.Store.ChangeWebhook(ctx, webhook.Endpoint{Tenant: w.B, ID: first.ID}),
		"removed by another": w.Store.RemoveWebhook(ctx, w.B, first.ID),
	} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.endpoint(w.A)
	w.endpoint(w.A)
	if err := w.Store.AddWebhook(ctx, webhook.Endpoint{Tenant: w.A, ID: id.New[webhook.Kind](w.Clock.Now())}, 3); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("one too many: %v", err)
	}
	w.must(w.Store.RemoveWebhook(ctx, w.A, first.ID))
	list, err = w.Store.Webhooks(ctx, w.A)
	same(t, "left", len(list), 2, err)
}

// Facts of every door reach the endpoints that were there, wanted them and are on, once.
func toldFacts(t *testing.T, w *World) {
	ctx := context.Background()
	w.Accept(w.Draft(w.A, "early@x.example"))
	all, some, foreign := w.endpoint(w.A), w.endpoint(w.A, "message.delivered"), w.endpoint(w.B)
	w.Clock.Advance(time.Second)
	a := w.Draft(w.A, "eva@x.example", "max@x.example")
	w.Accept(a)
	for _, want := range []int{1, 0} {
		n, err := w.Store.FoldFacts(ctx, 10)
		same(t, "notes", n, want, err)
	}
	told := func(e webhook.Endpoint) []webhook.Call {
		list, err := w.Store.Calls(ctx, e.Tenant, e.ID, webhook.CallFilter{})
		w.must(err)
		return list
	}
	list := told(all)
	want := webhook.Call{Tenant: w.A, Endpoint: all.ID, ID: webhook.CallOf(a.Events[0].ID), Type: "message.accepted", Origin: webhook.OfEvent, Message: a.Message.ID,
		At: a.Events[0].At, State: webhook.Due, DueAt: a.Events[0].At}
	same(t, "told", list, []webhook.Call{want}, nil)
	same(t, "not chosen", len(told(some)), 0, nil)
	same(t, "another tenant", len(told(foreign)), 0, nil)
	f, err := w.Store.FactOf(ctx, w.A, a.Message.ID, a.Events[0].ID)
	same(t, "fact", f.Event.ID, a.Events[0].ID, err)
	same(t, "subject", f.Subject, a.Message.Subject, nil)
	for what, err := range map[string]error{
		"another tenant's fact": second(w.Store.FactOf(ctx, w.B, a.Message.ID, a.Events[0].ID)),
		"no fact":               second(w.Store.FactOf(ctx, w.A, a.Message.ID, event.ID{1})),
	} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	all.State = webhook.Off
	some.State = webhook.Off
	w.must(w.Store.ChangeWebhook(ctx, all))
	w.must(w.Store.ChangeWebhook(ctx, some))
	w.must(w.Store.FollowWebhooks(ctx))
	w.Accept(w.Draft(w.A, "late@x.example"))
	n, err := w.Store.FoldFacts(ctx, 10)
	same(t, "notes without endpoints", n, 0, err)
}

func hookCalls(t *testing.T, w *World) {
	ctx := context.Background()
	e, quiet := w.endpoint(w.A), w.endpoint(w.A)
	var made []webhook.Call
	for range 3 {
		at := w.Clock.Advance(time.Second)
		made = append(made, webhook.Call{Tenant: w.A, Endpoint: e.ID, ID: id.New[webhook.CallKind](at), Type: webhook.Test, Origin: webhook.OfTest, Message: message.ID{},
			At: at, State: webhook.Due, DueAt: at})
	}
	w.must(w.Store.AddCalls(ctx, made))
	w.must(w.Store.AddCalls(ctx, made))
	now := w.Clock.Now()
	due, err := w.Store.DueEndpoints(ctx, now, 10)
	same(t, "due", due, []webhook.Endpoint{e}, err)
	list, err := w.Store.ClaimCalls(ctx, w.A, e.ID, now, time.Minute, 2)
	same(t, "claimed", list, made[:2], err)
	list, err = w.Store.ClaimCalls(ctx, w.A, e.ID, now, time.Minute, 2)
	same(t, "claimed next", list, made[2:], err)
	list, err = w.Store.ClaimCalls(ctx, w.A, e.ID, now, time.Minute, 2)
	same(t, "within the lease", len(list), 0, err)
	told := made[0]
	told.State, told.Attempts, told.DueAt, told.TriedAt, told.Code, told.Failure, told.Took = webhook.Told, 1, time.Time{}, now, 204, webhook.BadStatus, time.Millisecond
	w.must(w.Store.SettleCall(ctx, told))
	list, err = w.Store.Calls(ctx, w.A, e.ID, webhook.CallFilter{State: webhook.Told, Limit: 5})
	same(t, "told", list, []webhook.Call{told}, err)
	list, err = w.Store.Calls(ctx, w.A, e.ID, webhook.CallFilter{Before: made[1].ID})
	same(t, "before", list, []webhook.Call{told}, err)
	list, err = w.Store.Calls(ctx, w.B, e.ID, webhook.CallFilter{})
	same(t, "another tenant", len(list), 0, err)
	n, err := w.Store.RepeatCalls(ctx, w.A, e.ID, made[1].ID, time.Time{}, now)
	same(t, "repeat one under way", n, 0, err)
	n, err = w.Store.RepeatCalls(ctx, w.A, e.ID, webhook.CallID{}, told.At.Add(time.Hour), now)
	same(t, "repeat since later", n, 0, err)
	n, err = w.Store.RepeatCalls(ctx, w.A, e.ID, webhook.CallID{}, told.At, now)
	same(t, "repeat since", n, 1, err)
	list, err = w.Store.ClaimCalls(ctx, w.A, e.ID, now, time.Minute, 2)
	told.State, told.Attempts, told.DueAt = webhook.Due, 0, now
	same(t, "repeated", list, []webhook.Call{told}, err)
	e.RestsUntil = now.Add(time.Hour)
	w.must(w.Store.NoteHealth(ctx, e))
	due, err = w.Store.DueEndpoints(ctx, now.Add(time.Minute), 10)
	same(t, "rests", len(due), 0, err)
	told.State, told.DueAt = webhook.Told, time.Time{}
	w.must(w.Store.SettleCall(ctx, told))
	w.must(w.Store.DropCalls(ctx, told.At.Add(time.Millisecond)))
	list, err = w.Store.Calls(ctx, w.A, e.ID, webhook.CallFilter{})
	same(t, "kept", len(list), 2, err)
	e.State = webhook.Off
	w.must(w.Store.ChangeWebhook(ctx, e))
	w.must(w.Store.DropCalls(ctx, told.At))
	list, err = w.Store.Calls(ctx, w.A, e.ID, webhook.CallFilter{})
	same(t, "of one that is off", len(list), 0, err)
	w.must(w.Store.RemoveWebhook(ctx, w.A, quiet.ID))
}
