package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/event"
	"stafette/internal/httpapi"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// ended are the world's deliveries as if their servers had refused them.
func (w *world) ended(t tenant.ID) (list []redelivery.Candidate) {
	page, err := w.reader.Messages(context.Background(), t, insight.Filter{Limit: 1000})
	if err != nil {
		w.Fatal(err)
	}
	for _, m := range page.Messages {
		for i := range m.DeliveryCount {
			d := insight.Delivery{ID: message.Delivery(m.ID, i+1), Recipient: m.To[i].Address, State: event.Bounced, Reason: "ip_blocked"}
			list = append([]redelivery.Candidate{{Message: m, Delivery: d}}, list...)
		}
	}
	return list
}

// redelivery starts one of the world's own mail and returns its identifier.
func (w *world) redelivery() string {
	w.Helper()
	m := w.send()
	a := read[httpapi.RedeliveryAnswer](w, w.post("/v1/redeliveries", `{"filter":{"message":"`+m.String()+`"}}`), 202)
	if a.Redelivery == nil {
		w.Fatal("no job")
	}
	return a.Redelivery.ID.String()
}

func TestRedeliverLeads(t *testing.T) {
	w := newWorld(t)
	w.lead(leadText)
	const question = `{"filter":{"stream":"lead","recipient":"anfragen@makler.example","from":"2020-01-01T00:00:00Z","to":"2099-01-01T00:00:00Z","states":["bounced"]},"dry_run":true}`
	dry := read[httpapi.RedeliveryAnswer](w, w.post("/v1/redeliveries", question), 200)
	if !dry.DryRun || dry.Redelivery != nil || dry.Counts.Matched != 1 || dry.Counts.Send != 1 || len(dry.Samples) != 1 || !strings.HasPrefix(dry.Samples[0].Subject, "Nachlieferung: Objekt MA-1024") {
		t.Fatalf("dry run %+v", dry)
	}
	body := strings.Replace(question, `"dry_run":true`, `"reason":"Firewall"`, 1)
	start := func() (answer, httpapi.RedeliveryAnswer) {
		a := w.ask(http.MethodPost, "/v1/redeliveries", w.key, strings.NewReader(body), "Content-Type", "application/json", "Idempotency-Key", "k-1")
		return a, read[httpapi.RedeliveryAnswer](w, a, 202)
	}
	_, first := start()
	a, second := start()
	if first.Redelivery.State != "running" || second.Redelivery.ID != first.Redelivery.ID || a.header.Get("Idempotency-Replayed") != "true" || first.Redelivery.Why != "Firewall" {
		t.Errorf("first %+v, second %+v", first.Redelivery, second.Redelivery)
	}
	one := "/v1/redeliveries/" + first.Redelivery.ID.String()
	items := read[struct{ Data []httpapi.RedeliveryItem }](w, w.ask(http.MethodGet, one+"/items?state=waiting", w.key, nil), 200)
	if len(items.Data) != 1 || items.Data[0].Message != nil {
		t.Errorf("items %+v", items)
	}
	for _, step := range []struct{ act, state string }{{"pause", "paused"}, {"resume", "running"}, {"cancel", "cancelled"}} {
		if j := read[httpapi.Redelivery](w, w.ask(http.MethodPost, one+"/"+step.act, w.key, nil), 200); j.State != step.state {
			t.Errorf("%s: %+v", step.act, j)
		}
	}
	w.wantProblem(w.ask(http.MethodPost, one+"/resume", w.key, nil), 409, redelivery.CodeState, "")
	if j := read[httpapi.Redelivery](w, w.ask(http.MethodGet, one, w.key, nil), 200); j.FinishedAt == nil || j.Left != 1 {
		t.Errorf("read %+v", j)
	}
}

func TestRedeliveryNeedsASecondKey(t *testing.T) {
	w := newWorld(t)
	w.lead(leadText)
	w.lead(leadText)
	j := read[httpapi.RedeliveryAnswer](w, w.post("/v1/redeliveries", `{"filter":{}}`), 202).Redelivery
	if j.State != "awaiting" {
		t.Fatalf("%+v", j)
	}
	confirm := "/v1/redeliveries/" + j.ID.String() + "/confirm"
	w.wantProblem(w.ask(http.MethodPost, confirm, w.key, nil), 403, redelivery.CodeOther, "")
	if got := read[httpapi.Redelivery](w, w.ask(http.MethodPost, confirm, w.sendOnly, nil), 200); got.State != "running" || got.ConfirmedBy == "" {
		t.Errorf("%+v", got)
	}
}

func TestBadRedeliveries(t *testing.T) {
	w := newWorld(t)
	for body, c := range map[string]struct {
		code, pointer string
	}{
		`{"filter":{"stream":"post"}}`:              {redelivery.CodeValue, "/filter/stream"},
		`{"filter":{"states":["queued"]}}`:          {redelivery.CodeValue, "/filter/states"},
		`{"filter":{"customer":"a\nb"}}`:            {redelivery.CodeValue, "/filter/customer"},
		`{"filter":{"message":"x"}}`:                {"id_malformed", "/filter/message"},
		`{"filter":{},"to":"a@b\r\nBcc: c@d.test"}`: {redelivery.CodeValue, "/to"},
		`{"filter":{},"per_minute":-4}`:             {redelivery.CodeValue, "/per_minute"},
		`{"filter":{"strem":"lead"}}`:               {"", "/filter/strem"},
	} {
		p := read[struct{ Errors []httpapi.ProblemError }](w, w.post("/v1/redeliveries", body), 422)
		if len(p.Errors) == 0 || p.Errors[0].Pointer != c.pointer || c.code != "" && p.Errors[0].Code != c.code {
			t.Errorf("%s: %+v", body, p)
		}
	}
	w.wantProblem(w.post("/v1/redeliveries", `{"filter":{}}`), 409, redelivery.CodeNothing, "")
}

// T20: a tenant's filter finds its own mail alone, and its list names its own jobs.
func TestRedeliveriesAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	w.redelivery()
	if p := read[struct{ Data []httpapi.Redelivery }](w, w.ask(http.MethodGet, "/v1/redeliveries", w.other, nil), 200); len(p.Data) != 0 {
		t.Errorf("listed %+v", p)
	}
	a := w.ask(http.MethodPost, "/v1/redeliveries", w.other, strings.NewReader(`{"filter":{},"dry_run":true}`), "Content-Type", "application/json")
	if dry := read[httpapi.RedeliveryAnswer](w, a, 200); dry.Counts.Matched != 0 {
		t.Errorf("found %+v", dry.Counts)
	}
	if p := read[struct{ Data []httpapi.Redelivery }](w, w.ask(http.MethodGet, "/v1/redeliveries", w.key, nil), 200); len(p.Data) != 1 {
		t.Errorf("own %+v", p)
	}
}
