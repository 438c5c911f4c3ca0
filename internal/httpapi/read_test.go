package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/httpapi"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

func TestGet(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	w.reader.extra = []event.Event{{ID: id.New[event.Kind](start), Message: m, Delivery: message.Delivery(m, 1), Type: event.AttemptFailed, At: start, Attempt: &event.Attempt{
		Number: 1, Source: "192.0.2.1", MX: "mx.kunde.example", TLS: "TLS 1.3", Cipher: "C", TLSPolicy: "dane", TLSResult: "verified", Code: 451, Enhanced: "4.7.1", Reply: "später", Outcome: event.OutcomeDeferred,
	}}, {ID: id.New[event.Kind](start), Message: m, Delivery: message.Delivery(m, 1), Type: event.AttemptFailed, At: start.Add(time.Minute), Attempt: &event.Attempt{
		Number: 2, Local: "connection timed out", Outcome: event.OutcomeDeferred,
	}}}
	got := read[httpapi.Message](w, w.get("/v1/messages/"+m.String()), 200)
	if got.ID != m || got.From != "Muster GmbH <info@muster.example>" || got.To[0] != "eva@kunde.example" || got.Subject != "Grüße" ||
		got.Attachments[0].Filename != "Exposé Müller.pdf" || len(got.Attachments[0].SHA256) != 64 || got.Metadata["auftrag"] != "4711" || got.SendAt != nil {
		t.Errorf("%+v", got)
	}
	d := got.Deliveries[0]
	if d.State != "queued" || d.StateText != "de:queued" || d.NextAttemptAt == nil || len(d.Attempts) != 2 {
		t.Fatalf("%+v", d)
	}
	want := httpapi.Attempt{At: start, Number: 1, Source: "192.0.2.1", MX: "mx.kunde.example", TLS: "TLS 1.3", Cipher: "C", TLSPolicy: "dane", TLSResult: "verified", Code: 451, EnhancedCode: "4.7.1", Reply: "später", Outcome: "deferred"}
	if d.Attempts[0] != want || d.Attempts[1].Reply != "connection timed out" {
		t.Errorf("attempts %+v", d.Attempts)
	}
	events := read[struct{ Data []httpapi.Event }](w, w.get("/v1/messages/"+m.String()+"/events"), 200).Data
	if len(events) != 3 || events[0].Type != "accepted" || events[0].DeliveryID != nil || events[2].Attempt.Number != 2 {
		t.Errorf("events %+v", events)
	}
}

func TestGetTellsWhatCameBack(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	d := message.Delivery(m, 1)
	w.reader.marks = []event.Mark{event.MarkLateBounce, event.MarkComplained}
	w.reader.extra = []event.Event{{ID: id.New[event.Kind](start), Message: m, Delivery: d, Type: event.LateBounced, At: start, Reason: "user_unknown",
		Report: &event.Report{Return: "ret_1", From: "mx.kunde.example", Host: "inner.kunde.example", Status: "5.1.1", Code: 550, Reply: "unbekannt", Hard: true, Unproven: true}}}
	got := read[httpapi.Message](w, w.get("/v1/messages/"+m.String()), 200).Deliveries[0]
	if strings.Join(got.Marks, " ") != "late_bounce complained" || got.LateReason != "user_unknown" {
		t.Errorf("%+v", got)
	}
	events := read[struct{ Data []httpapi.Event }](w, w.get("/v1/messages/"+m.String()+"/events"), 200).Data
	want := httpapi.Report{From: "mx.kunde.example", Host: "inner.kunde.example", EnhancedCode: "5.1.1", Code: 550, Reply: "unbekannt", Hard: true, Unproven: true}
	if last := events[len(events)-1]; last.Type != "late_bounced" || last.Report == nil || *last.Report != want || last.Attempt != nil {
		t.Errorf("%+v", last)
	}
	w.get("/v1/messages?mark=late_bounce")
	if w.reader.filter.Mark != event.MarkLateBounce {
		t.Errorf("asked for %+v", w.reader.filter)
	}
	if a := w.get("/v1/messages?mark=x"); a.status != 422 {
		t.Errorf("an unknown mark: status %d", a.status)
	}
}

func TestStateTextFollowsTheLanguage(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	for accept, want := range map[string]string{
		"": "de:queued", "en": "en:queued", "en-GB,de;q=0.5": "en:queued", "de-AT": "de:queued", "fr, en;q=0.1": "en:queued", "fr": "de:queued",
		"*": "de:queued", "\x01": "de:queued", strings.Repeat("a-", 5000): "de:queued",
	} {
		if accept == "\x01" {
			continue // no client can send it
		}
		got := read[httpapi.Message](w, w.get("/v1/messages/"+m.String(), "Accept-Language", accept), 200)
		if got.Deliveries[0].StateText != want {
			t.Errorf("%.20q: %q, want %q", accept, got.Deliveries[0].StateText, want)
		}
	}
}

func TestGetRaw(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	a := w.get("/v1/messages/" + m.String() + "/mime")
	if a.status != 200 || a.header.Get("Content-Type") != "message/rfc822" || !strings.Contains(a.body, "Message-ID: <"+m.String()) ||
		!strings.Contains(a.header.Get("Content-Disposition"), m.String()+".eml") {
		t.Errorf("%+v", a)
	}
	w.reader.gone = true
	w.wantProblem(w.get("/v1/messages/"+m.String()+"/mime"), 410, "content_gone", "")
}

type page struct {
	Data    []httpapi.Message
	HasMore bool `json:"has_more"`
	Next    *string
}

func TestList(t *testing.T) {
	w := newWorld(t)
	seen := map[message.ID]bool{}
	for range 5 {
		seen[w.send()] = false
	}
	path, pages := "/v1/messages?limit=2", 0
	for next := path; next != ""; pages++ {
		p := read[page](w, w.get(next), 200)
		for _, m := range p.Data {
			if twice, known := seen[m.ID]; twice || !known {
				t.Errorf("%s is foreign or listed twice", m.ID)
			}
			seen[m.ID] = true
		}
		if next = ""; p.HasMore {
			next = path + "&after=" + *p.Next
		}
	}
	if pages != 3 {
		t.Errorf("%d pages", pages)
	}
}

func TestListFilters(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	read[page](w, w.get("/v1/messages?recipient=%40kunde.example&state=queued&stream=lead&tag=x&q=Gr%C3%BC%C3%9Fe&from=2026-11-01&to=2026-11-22T10:00:00%2B01:00&after="+m.String()), 200)
	f := w.reader.filter
	if f.Recipient != "@kunde.example" || f.State != event.Queued || f.Stream != tenant.Lead || f.Tag != "x" || f.Text != "Grüße" || f.After != m || f.Limit != 50 ||
		!f.From.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) || !f.To.Equal(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("filter %+v", f)
	}
	for query, code := range map[string]string{
		"limit=0": "field_value", "limit=201": "field_value", "limit=x": "field_malformed", "state=weg": "field_value", "stream=x": "field_value",
		"from=gestern": "time_malformed", "after=x": "id_malformed", "colour=red": "field_unknown", "q=" + strings.Repeat("x", 201): "field_length",
	} {
		name, _, _ := strings.Cut(query, "=")
		w.wantProblem(w.get("/v1/messages?"+query), 422, code, "/query/"+name)
	}
}

func TestCommands(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	for command, changed := range map[string]int{"cancel": 1, "hold": 1, "retry": 1, "resume": 0} {
		got := read[struct{ Changed []message.DeliveryID }](w, w.post("/v1/messages/"+m.String()+"/"+command, ""), 200)
		if len(got.Changed) != changed || got.Changed == nil {
			t.Errorf("%s changed %v", command, got.Changed)
		}
	}
	w.wantProblem(w.post("/v1/messages/"+m.String()+"/explode", ""), 404, "route_not_found", "")
}

func TestMe(t *testing.T) {
	w := newWorld(t)
	me := read[httpapi.Me](w, w.get("/v1/me"), 200)
	if me.Tenant == nil || me.Tenant.Name != "Muster GmbH" || me.Key.Hint != w.key[:8] || len(me.Key.Scopes) != 3 {
		t.Errorf("%+v", me)
	}
	if me := read[httpapi.Me](w, w.ask(http.MethodGet, "/v1/me", w.staff, nil), 200); me.Tenant != nil {
		t.Errorf("staff %+v", me)
	}
}

func TestNoSuchRoute(t *testing.T) {
	w := newWorld(t)
	w.wantProblem(w.get("/v1/nichts"), 404, "route_not_found", "")
	a := w.ask(http.MethodDelete, "/v1/messages", w.key, nil)
	w.wantProblem(a, 405, "method_not_allowed", "")
	if allow := a.header.Get("Allow"); !strings.Contains(allow, "POST") || !strings.Contains(allow, "GET") {
		t.Errorf("Allow %q", allow)
	}
}

func TestRequestIDCannotForgeLogs(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"a b", "a;b", strings.Repeat("x", 65), "ä"} {
		if have := w.get("/v1/me", "X-Request-Id", id).header.Get("X-Request-Id"); have == id || len(have) != 24 {
			t.Errorf("%q was taken: %q", id, have)
		}
	}
}
