package httpapi_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"stafette/internal/httpapi"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func TestWebhooks(t *testing.T) {
	w := newWorld(t)
	send := func(method, path, body, key string) answer {
		t.Helper()
		if body == "" {
			return w.ask(method, path, key, nil)
		}
		return w.ask(method, path, key, strings.NewReader(body), "Content-Type", "application/json")
	}
	one := w.webhook()
	if a := send(http.MethodGet, "/v1/webhooks/"+one, "", w.key); a.status != 200 || strings.Contains(a.body, "whsec_") || !strings.Contains(a.body, "crm.example") {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.wantProblem(send(http.MethodPost, "/v1/webhooks", `{"url":"http://169.254.169.254/"}`, w.key), 422, "webhook_malformed", "/url")
	w.wantProblem(send(http.MethodPost, "/v1/webhooks", `{"url":"https://crm.example/","types":["message.lost"]}`, w.key), 422, "webhook_type_unknown", "/types/0")
	for _, path := range []string{"", "/calls", "/test", "/rotate", "/repeat"} {
		method, body := http.MethodPost, ""
		if path == "" || path == "/calls" {
			method = http.MethodGet
		}
		if path == "/repeat" {
			body = `{"since":"2026-11-22T00:00:00Z"}`
		}
		w.wantProblem(send(method, "/v1/webhooks/"+one+path, body, w.other), 404, "webhook_not_found", "")
		if a := send(method, "/v1/webhooks/"+one+path, body, w.key); a.status > 299 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := send(http.MethodGet, "/v1/webhooks/"+one+"/calls", "", w.key); !strings.Contains(a.body, `"webhook.test"`) {
		t.Errorf("%s", a.body)
	}
	w.wantProblem(send(http.MethodPost, "/v1/webhooks/"+one+"/repeat", `{}`, w.key), 422, "repeat_unclear", "/call")
	a := send(http.MethodPut, "/v1/webhooks/"+one, `{"url":"https://crm.example/new","active":false}`, w.key)
	if a.status != 200 || !strings.Contains(a.body, `"state":"off"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.wantProblem(send(http.MethodPost, "/v1/webhooks/"+one+"/test", "", w.key), 409, "webhook_off", "")
	if a := send(http.MethodDelete, "/v1/webhooks/"+one, "", w.key); a.status != 204 {
		t.Errorf("%d", a.status)
	}
	w.wantProblem(send(http.MethodGet, "/v1/webhooks/"+one, "", w.key), 404, "webhook_not_found", "")
}

// webhook is an endpoint of w.tenant.
func (w *world) webhook() string {
	w.Helper()
	body := `{"name":"CRM","url":"https://crm.example/hook","types":["message.delivered"]}`
	a := w.ask(http.MethodPost, "/v1/webhooks", w.key, strings.NewReader(body), "Content-Type", "application/json")
	if a.status != 201 || !strings.Contains(a.body, `"secret":"whsec_`) {
		w.Fatalf("%d %s", a.status, a.body)
	}
	_, rest, _ := strings.Cut(a.body, `"id":"`)
	one, _, _ := strings.Cut(rest, `"`)
	return one
}

// activities remembers what was asked and answers with one.
type activities struct {
	tenant tenant.ID
	query  tracking.Query
}

// Activities implements httpapi.Activities.
func (a *activities) Activities(_ context.Context, t tenant.ID, q tracking.Query) ([]tracking.Activity, bool, error) {
	a.tenant, a.query = t, q
	return []tracking.Activity{{ID: tracking.ActivityID{1}, Tenant: t, At: start, Kind: tracking.WithdrawalNoticeConfirmed, Title: "Speicherblock 7",
		Decision: tracking.Decision{Level: tracking.Pseudonymous, Rule: tracking.RuleBasis}, Machine: tracking.Machine{Class: tracking.Person}}}, true, nil
}

func TestActivities(t *testing.T) {
	var kept activities
	w := newWorld(t, func(c *httpapi.Config, _ *ingest.Config) { c.Activities = &kept })
	a := w.ask(http.MethodGet, "/v1/activities?type=opened,clicked&recipient=eva@x.example&from=2026-11-01&limit=7", w.key, nil)
	if a.status != 200 || !strings.Contains(a.body, `"proof":true`) || !strings.Contains(a.body, `"recipient":null`) || !strings.Contains(a.body, `"has_more":true`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	q := kept.query
	if kept.tenant != w.tenant || len(q.Kinds) != 2 || q.Limit != 7 || slices.Contains(q.Classes, tracking.Scanner) || q.Recipient.String() != "eva@x.example" || q.Since.IsZero() {
		t.Errorf("%+v", q)
	}
	if w.ask(http.MethodGet, "/v1/activities?machines=true", w.key, nil); len(kept.query.Classes) != 0 {
		t.Errorf("%+v", kept.query)
	}
	w.wantProblem(w.ask(http.MethodGet, "/v1/activities?type=read", w.key, nil), 422, "activity_type_unknown", "/query/type")
	w.wantProblem(w.ask(http.MethodGet, "/v1/activities?after=msg_1", w.key, nil), 422, "id_malformed", "/query/after")
}
