package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/httpapi"
	"stafette/internal/queue"
)

// operator remembers who commanded what.
type operator struct {
	by   queue.Caller
	act  queue.Act
	done string
}

// Preview implements httpapi.Operator.
func (o *operator) Preview(_ context.Context, by queue.Caller, a queue.Act) (queue.Preview, error) {
	o.by, o.act = by, a
	return queue.Preview{Act: a, Token: "token", Expires: start.Add(time.Minute), Survey: queue.Survey{Total: 3, States: map[event.State]int64{event.Queued: 3}}}, nil
}

// Perform implements httpapi.Operator.
func (o *operator) Perform(_ context.Context, by queue.Caller, token string, _ func(changed, planned int64)) (queue.LogEntry, error) {
	o.by, o.done = by, token
	if token != "token" {
		return queue.LogEntry{}, fault.New(fault.Conflict, "preview_stale", "")
	}
	return queue.LogEntry{Act: o.act, Planned: 3, Changed: 2}, nil
}

// Orders implements httpapi.Operator.
func (o *operator) Orders(_ context.Context, by queue.Caller, _ bool) ([]queue.Order, error) {
	o.by = by
	return []queue.Order{{Command: queue.Suspend, Created: start, Scope: queue.Scope{Site: "mx.kunde.example"}}}, nil
}

// TestQueueCommandsAreConfirmed: first what would be touched, then exactly that, and
// always for the tenant of the key (T20).
func TestQueueCommandsAreConfirmed(t *testing.T) {
	w := newWorld(t)
	post := func(body string) answer {
		return w.ask(http.MethodPost, "/v1/queue/commands", w.key, strings.NewReader(body), "Content-Type", "application/json")
	}
	v := read[httpapi.QueueResult](w, post(`{"command":"hold","selection":{"domain":"kunde.example","tag":"mai","states":["queued"]},"reason":"Preis falsch","dry_run":true}`), 200)
	if v.Matched != 3 || v.Changed != 0 || v.Confirmation != "token" {
		t.Errorf("dry run %+v", v)
	}
	if o := w.operator; o.by.Tenant != w.tenant || o.by.Platform || o.act.Command != queue.Hold || o.act.Selection.Tag != "mai" || o.act.Reason != "Preis falsch" {
		t.Errorf("asked for %+v by %+v", o.act, o.by)
	}
	done := read[httpapi.QueueResult](w, post(`{"confirmation":"token"}`), 200)
	if done.Changed != 2 || done.Undo != "resume" {
		t.Errorf("done %+v", done)
	}
	if post(`{"command":"suspend","selection":{"site":"mx.kunde.example"},"dry_run":true}`); w.operator.act.Site != "mx.kunde.example" {
		t.Errorf("asked for %+v", w.operator.act)
	}
	w.wantProblem(post(`{"command":"hold"}`), 422, "confirmation_missing", "/confirmation")
	w.wantProblem(post(`{"confirmation":"other"}`), 409, "preview_stale", "")
	w.wantProblem(post(`{"command":"resume","order":"x","dry_run":true}`), 422, "id_malformed", "/order")
	if a := post(`{"command":"reroute","dry_run":true}`); a.status != 422 {
		t.Errorf("a tenant's reroute: %d", a.status)
	}
	if a := post(`{"command":"cancel","selection":{"site":"mx.kunde.example"},"dry_run":true}`); a.status != 200 || w.operator.act.Site != "mx.kunde.example" {
		t.Errorf("by site: %d, %+v", a.status, w.operator.act)
	}
	if a := w.ask(http.MethodGet, "/v1/queue/orders", w.other, nil); a.status != 200 || w.operator.by.Tenant == w.tenant {
		t.Errorf("orders: %d, asked as %v", a.status, w.operator.by)
	}
}

// TestPlatformCommandsAllMail: staff's keys act on everybody's mail and may send it another
// way; keys of tenants may not ask.
func TestPlatformCommandsAllMail(t *testing.T) {
	w := newWorld(t)
	const commands = "/v1/platform/queue/commands"
	post := func(key, body string) answer {
		return w.ask(http.MethodPost, commands, key, strings.NewReader(body), "Content-Type", "application/json")
	}
	v := read[httpapi.PlatformQueueResult](w, post(w.staff, `{"command":"reroute","tenant_id":"`+w.tenant.String()+`","selection":{"site":"mx.kunde.example"},"next_hop":"relay.example:25","expires_at":"2026-03-02T10:00:00Z","dry_run":true}`), 200)
	if o := w.operator; !o.by.Platform || !o.by.Tenant.IsZero() || o.act.Selection.Tenant != w.tenant || o.act.NextHop != "relay.example:25" || o.act.Site != "mx.kunde.example" {
		t.Errorf("asked for %+v by %+v", o.act, o.by)
	}
	if v.Confirmation != "token" || v.Matched != 3 {
		t.Errorf("dry run %+v", v)
	}
	if done := read[httpapi.PlatformQueueResult](w, post(w.staff, `{"confirmation":"token"}`), 200); done.Changed != 2 {
		t.Errorf("done %+v", done)
	}
	w.wantProblem(post(w.staff, `{"command":"hold"}`), 422, "confirmation_missing", "/confirmation")
	w.wantProblem(post(w.staff, `{"command":"hold","tenant_id":"x","dry_run":true}`), 422, "id_malformed", "/tenant_id")
	list := read[struct{ Data []httpapi.PlatformOrder }](w, w.ask(http.MethodGet, "/v1/platform/queue/orders", w.staff, nil), 200)
	if len(list.Data) != 1 || list.Data[0].Site != "mx.kunde.example" || list.Data[0].Tenant != nil {
		t.Errorf("orders %+v", list)
	}
	if a := post(w.key, `{"command":"hold","dry_run":true}`); a.status != 403 {
		t.Errorf("a tenant's key: %d", a.status)
	}
}
