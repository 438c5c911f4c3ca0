package httpapi_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/httpapi"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/series"
	"stafette/internal/tenant"
)

var update = flag.Bool("update", false, "write the golden files")

//go:generate go test . -run TestDocumentIsCurrent -update

// TestDocumentIsCurrent holds the committed OpenAPI document to the code.
func TestDocumentIsCurrent(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join("..", "..", "docs", "reference", "openapi.yaml")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, w.api.YAML(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, w.api.YAML()) {
		t.Error("docs/reference/openapi.yaml is stale: go generate ./internal/httpapi")
	}
	served := w.ask(http.MethodGet, "/openapi.yaml", "", nil)
	if served.status != 200 || served.body != string(committed) {
		t.Errorf("served document differs: %d", served.status)
	}
	if a := w.ask(http.MethodGet, "/openapi.json", "", nil); a.status != 200 || !strings.HasPrefix(a.body, `{`) {
		t.Errorf("openapi.json: %d", a.status)
	}
	for _, r := range w.api.Routes() {
		if !r.Open && !strings.Contains(string(committed), "\n  "+r.Path+":\n") {
			t.Errorf("%s is not described", r.Path)
		}
	}
	for _, never := range []string{"$schema", "ErrorModel", "unpkg"} {
		if strings.Contains(string(committed), never) {
			t.Errorf("the document has %q", never)
		}
	}
}

func path(r httpapi.Route, m message.ID) string {
	return strings.ReplaceAll(r.Path, "{id}", m.String())
}

// own is path with the identifier of a thing that w.tenant has.
func (w *world) own(r httpapi.Route, m message.ID) string {
	if strings.HasPrefix(r.Path, "/v1/domains") {
		return strings.ReplaceAll(r.Path, "{id}", w.domain.String())
	}
	if strings.HasPrefix(r.Path, "/v1/deliveries") {
		return strings.ReplaceAll(r.Path, "{id}", message.Delivery(m, 1).String())
	}
	return path(r, m)
}

// TestEveryRouteDemandsItsKey is made from the route table: no key, a wrong key, a
// key without the scope, a key of the platform.
func TestEveryRouteDemandsItsKey(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	ask := func(r httpapi.Route, key string) answer { return w.ask(r.Method, path(r, m), key, nil) }
	for _, r := range w.api.Routes() {
		if r.Open {
			continue
		}
		name := r.Method + " " + r.Path
		a := ask(r, "")
		w.wantProblem(a, 401, "key_missing", "")
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
		w.wantProblem(ask(r, tenant.NewKeyText()), 401, "key_unknown", "")
		w.waited.Add(int64(time.Minute)) // there are more routes than tries at once
		if r.Platform {
			w.wantProblem(ask(r, w.key), 403, "platform_only", "")
			w.wantProblem(ask(r, w.sendOnly), 403, "scope_missing", "")
			continue
		}
		switch r.Scope {
		case tenant.ScopeSend:
			w.wantProblem(ask(r, w.readOnly), 403, "scope_missing", "")
			w.wantProblem(ask(r, w.staff), 403, "tenant_missing", "")
		case tenant.ScopeAdmin:
			w.wantProblem(ask(r, w.sendOnly), 403, "scope_missing", "")
			w.wantProblem(ask(r, w.readOnly), 403, "scope_missing", "")
			w.wantProblem(ask(r, w.staff), 403, "tenant_missing", "")
		case tenant.ScopeRead:
			w.wantProblem(ask(r, w.sendOnly), 403, "scope_missing", "")
			w.wantProblem(ask(r, w.staff), 403, "tenant_missing", "")
		case "":
			if r.Path != "/v1/me" {
				t.Errorf("%s demands no scope", name)
			}
		default:
			t.Errorf("%s: scope %q is not tried here", name, r.Scope)
		}
	}
}

// TestTenantsAreIsolated is threat T20, made from the route table: the identifier
// of one tenant with the key of the other. A route that is neither here nor has an
// identifier must be named as safe.
func TestTenantsAreIsolated(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	withoutID := map[string]bool{
		"POST /v1/messages": true, "POST /v1/messages/batch": true, "POST /v1/messages/mime": true, // refuse foreign From: TestBadInput
		"GET /v1/messages": true,                           // below
		"GET /v1/domains":  true, "POST /v1/domains": true, // below; a name is told taken only once somebody has proven it
		// name no foreign thing: TestSuppressionsAreTheTenantsOwn
		"GET /v1/suppressions": true, "POST /v1/suppressions": true, "POST /v1/suppressions/import": true, "GET /v1/suppressions/export": true,
		"POST /v1/addresses/validate": true, // TestValidateAddress
		"POST /v1/suppressions/erase": true, "GET /v1/suppressions/rules": true, "PUT /v1/suppressions/rules": true,
		"POST /v1/campaigns": true, "GET /v1/campaigns": true, // TestCampaignsAreTheTenantsOwn
		"POST /v1/series": true, "GET /v1/series": true, "POST /v1/events": true, // TestSeriesAreTheTenantsOwn
		"POST /v1/feeds": true, "GET /v1/feeds": true, // TestFeedsAreTheTenantsOwn
		"POST /v1/offers": true, "GET /v1/offers": true, // TestOffersAreTheTenantsOwn
		"POST /v1/leads": true, "GET /v1/leads": true, // TestLeadsAreTheTenantsOwn
		"GET /v1/lead-forms": true, "POST /v1/lead-forms": true, // TestLeadFormsOverTheAPI
		"GET /v1/lead-cases": true, "POST /v1/lead-cases": true, // TestLeadCasesOverTheAPI
		"POST /v1/redeliveries": true, "GET /v1/redeliveries": true, // TestRedeliveriesAreTheTenantsOwn
		"POST /v1/addresses/batch": true, "GET /v1/addresses/batch": true, // TestListCheck
		"GET /v1/platform/reviews": true,                                                                // TestApprovalOverTheAPI
		"GET /v1/halt":             true, "POST /v1/halt/release": true, "GET /v1/platform/halts": true, // TestHalts
		"POST /v1/queue/commands": true, "GET /v1/queue/orders": true, // bound to the key's tenant: TestQueueCommandsAreConfirmed
		// platform keys alone: TestPlatformCommandsAllMail
		"POST /v1/platform/queue/commands": true, "GET /v1/platform/queue/orders": true,
		"GET /v1/diagnosis":            true,                                        // TestDiagnosis
		"GET /v1/statistics/providers": true, "GET /v1/statistics/deliveries": true, // TestStatisticsAreTheTenantsOwn
		"GET /v1/contacts/duplicates": true,                            // TestDuplicatesOverTheAPI
		"GET /v1/contacts":            true, "POST /v1/contacts": true, // the key's own tenant: TestContactsAreTheTenantsOwn
		"GET /v1/groups": true, "POST /v1/groups": true, // the key's own tenant: TestGroupsAreTheTenantsOwn
		"GET /v1/consents": true, "POST /v1/consents": true, // TestConsentsOverTheAPI
		"GET /v1/signup-forms": true, "POST /v1/signup-forms": true, // TestSignupFormsOverTheAPI
		// the key's own tenant: TestErasureOverTheAPI
		"POST /v1/privacy/access": true, "POST /v1/privacy/erasures": true, "GET /v1/privacy/requests": true,
		// the key's own tenant: TestTrackingIsTheTenantsOwn
		"GET /v1/settings/tracking": true, "PUT /v1/settings/tracking": true, "GET /v1/contacts/{email}/tracking-consent": true, "PUT /v1/contacts/{email}/tracking-consent": true,
		"GET /v1/webhooks": true, "POST /v1/webhooks": true, // the key's own tenant: TestWebhooks
		"GET /v1/activities": true,                             // TestActivities
		"GET /v1/templates":  true, "POST /v1/templates": true, // the key's own tenant: TestTemplateFromMakingToSending
		"GET /v1/pictures": true, "POST /v1/pictures": true, // the key's own tenant: TestPicturesOverTheAPI
		"GET /v1/settings/campaigns": true, "PUT /v1/settings/campaigns": true, // the key's own tenant: TestCampaignSettings
		// the key's own tenant: TestLogoOverTheAPI
		"GET /v1/settings/logo": true, "PUT /v1/settings/logo": true, "DELETE /v1/settings/logo": true, "POST /v1/settings/logo/restore": true,
		"GET /v1/usage":  true,                         // TestUsage
		"GET /v1/limits": true, "PUT /v1/limits": true, // the key's own tenant: TestLimitsOverTheAPI
		"GET /v1/pauses": true, "GET /v1/platform/pauses": true, // TestPausesOverTheAPI
		"GET /v1/requests": true, "POST /v1/requests": true, "GET /v1/platform/requests": true, // TestRequestsOverTheAPI
		"GET /v1/consents/evidence": true, // TestEvidenceOfAPerson
		"GET /v1/me":                true, "GET /openapi.yaml": true, "GET /openapi.json": true,
	}
	tried := 0
	for _, r := range w.api.Routes() {
		if !strings.Contains(r.Path, "{id}") {
			if !withoutID[r.Method+" "+r.Path] {
				t.Errorf("%s %s: say here why it cannot show another tenant's mail", r.Method, r.Path)
			}
			continue
		}
		if r.Platform {
			continue // staff look at all tenants; no tenant's key gets here
		}
		tried++
		own, code := w.own(r, m), "message_not_found"
		switch {
		case strings.HasPrefix(r.Path, "/v1/domains"):
			code = "domain_not_found"
		case strings.HasPrefix(r.Path, "/v1/addresses/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.checkOf("eva@kunde.example")), "check_not_found"
		case strings.HasPrefix(r.Path, "/v1/deliveries"):
			code = "delivery_not_found"
		case strings.HasPrefix(r.Path, "/v1/suppressions/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.suppress("eva@kunde.example").ID), "suppression_not_found"
		case strings.HasPrefix(r.Path, "/v1/redeliveries/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.redelivery()), "redelivery_not_found"
		case strings.HasPrefix(r.Path, "/v1/campaigns/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.campaign().ID.String()), campaign.CodeNotFound
		case strings.HasPrefix(r.Path, "/v1/series/"):
			own, code = strings.NewReplacer("{id}", w.series().ID.String(), "{step}", "hallo").Replace(r.Path), series.CodeNotFound
		case strings.HasPrefix(r.Path, "/v1/feeds/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.feed().ID.String()), "feed_not_found"
		case strings.HasPrefix(r.Path, "/v1/offers/"):
			own, code = strings.NewReplacer("{id}", w.offer().ID.String(), "{recipient}", "offr_00000000000000000000000001").Replace(r.Path), "offer_not_found"
		case strings.HasPrefix(r.Path, "/v1/leads/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.lead(leadText).ID.String()), "lead_not_found"
		case strings.HasPrefix(r.Path, "/v1/lead-forms/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.leadForm().ID.String()), "lead_form_not_found"
		case strings.HasPrefix(r.Path, "/v1/lead-cases/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.leadCase().ID.String()), "lead_case_not_found"
		case strings.HasPrefix(r.Path, "/v1/privacy/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.privacyRequest("eva@kunde.example")), "privacy_request_not_found"
		case strings.HasPrefix(r.Path, "/v1/groups/{id}/approval"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.group().ID.String()), "group_not_found"
		case strings.HasPrefix(r.Path, "/v1/webhooks/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.webhook()), "webhook_not_found"
		case strings.HasPrefix(r.Path, "/v1/consents/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.paperConsent().ID.String()), "consent_not_found"
		case strings.HasPrefix(r.Path, "/v1/signup-forms/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.signupForm().ID.String()), "signup_form_not_found"
		case strings.HasPrefix(r.Path, "/v1/requests/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.request().ID.String()), "ticket_not_found"
		case strings.HasPrefix(r.Path, "/v1/imports/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.startImport("source=Messe", "a@b.example\n").ID.String()), "import_not_found"
			w.importAll()
		case strings.HasPrefix(r.Path, "/v1/pictures/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.picture().ID.String()), "picture_not_found"
		case strings.HasPrefix(r.Path, "/v1/templates/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.template()), "template_not_found"
		case strings.HasPrefix(r.Path, "/v1/contacts/"):
			own, code = strings.ReplaceAll(r.Path, "{id}", w.storedContact()), "contact_not_found"
		}
		if strings.HasPrefix(r.Path, "/v1/groups/") {
			path := strings.ReplaceAll(r.Path, "{contact}", w.storedContact())
			own, code = strings.ReplaceAll(path, "{id}", w.storedGroup()), "group_not_found"
		}
		ask := func(path string) answer {
			if body := wellFormed[r.Method+" "+r.Path]; body != "" {
				return w.ask(r.Method, path, w.other, strings.NewReader(body), "Content-Type", "application/json")
			}
			return w.ask(r.Method, path, w.other, nil)
		}
		foreign := ask(own)
		w.wantProblem(foreign, 404, code, "")
		for _, id := range []string{"msg_00000000000000000000000001", "dlv_" + m.String()[4:], "..%2f..%2fetc", "x"} {
			missing := ask(strings.NewReplacer("{contact}", w.storedContact(), "{id}", id, "{recipient}", "x", "{review}", "x", "{step}", "hallo").Replace(r.Path))
			if missing.status != 404 || missing.body != foreign.body {
				t.Errorf("%s %s: a foreign message is told from a missing one: %s %s", r.Method, r.Path, missing.body, foreign.body)
			}
		}
	}
	if tried < 7 {
		t.Errorf("only %d routes tried", tried)
	}
	if a := w.ask(http.MethodGet, "/v1/domains", w.other, nil); a.status != 200 || strings.Contains(a.body, "muster.example") {
		t.Errorf("foreign domains are listed: %s", a.body)
	}
	if p := read[page](w, w.ask(http.MethodGet, "/v1/messages?after="+m.String(), w.other, nil), 200); len(p.Data) != 0 {
		t.Errorf("listed %+v", p.Data)
	}
}

// wellFormed are bodies for routes that read one before they look for the thing.
var wellFormed = map[string]string{"PATCH /v1/contacts/{id}": `{"version":1}`, "POST /v1/contacts/{id}/notes": `{"text":"x"}`,
	"POST /v1/contacts/{id}/merge":       `{"with":"con_00000000000000000000000001","version":1,"with_version":1}`,
	"POST /v1/lead-cases/{id}/close":     `{"outcome":"receiver"}`,
	"PUT /v1/groups/{id}/limits":         `{"hard":50}`,
	"POST /v1/groups/{id}/pause/release": `{"note":"Liste bereinigt"}`, "POST /v1/requests/{id}/reply": `{"text":"Hier, bitte."}`,
	"POST /v1/groups/{id}/approval": submission, "POST /v1/groups/{id}/approval/answer": `{"text":"Hier, bitte."}`,
	"PUT /v1/signup-forms/{id}":     `{"name":"x","title":"x","group_id":"x","purpose":"newsletter","from":"x"}`,
	"POST /v1/groups/{id}/contacts": `{"contacts":[{"email":"a@x.example"}]}`,
	"PUT /v1/offers/{id}":           offerText, "POST /v1/offers/{id}/recipients": `{"to":["eva@kunde.example"]}`,
	"PUT /v1/templates/{id}":  `{"subject":"x","html":"x"}`,
	"PUT /v1/lead-forms/{id}": formText,
	"PATCH /v1/feeds/{id}":    `{"revision":1}`,
	"PUT /v1/series/{id}":     `{"name":"x","group_id":"grp_00000000000000000000000001","trigger":{"on":"tag","tag":"neu"},"revision":1}`,
	"PUT /v1/campaigns/{id}":  campaignText + `,"revision":1}`, "POST /v1/campaigns/{id}/send": `{}`,
	"POST /v1/series/{id}/steps/{step}/test-mails": `{"to":["a@muster.example"]}`,
	"POST /v1/campaigns/{id}/test-mails":           `{"to":["a@muster.example"]}`, "POST /v1/campaigns/{id}/reviews": `{"reviewer":"Eva"}`,
	"POST /v1/campaigns/{id}/comments":   `{"comment":"x"}`,
	"PUT /v1/campaigns/{id}/publication": `{"public":true}`,
	"PUT /v1/webhooks/{id}":              `{"url":"https://crm.example/","active":true}`, "POST /v1/webhooks/{id}/repeat": `{"since":"2026-11-22T00:00:00Z"}`}

// endless is a body without end that counts what was taken of it.
type endless struct{ taken int64 }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	e.taken += int64(len(b))
	return len(b), nil
}

// TestEveryRouteIsBounded is threat T8, made from the route table: a chunked body
// without end, and one that announces too much.
func TestEveryRouteIsBounded(t *testing.T) {
	w := newWorld(t, func(c *httpapi.Config, _ *ingest.Config) {
		c.Limits = httpapi.Limits{Message: 100_000, Batch: 200_000, Raw: 150_000, Import: 300_000, List: 300_000, File: 300_000, Roll: 300_000}
	})
	m := w.send()
	for _, r := range w.api.Routes() {
		t.Run(r.Method+" "+r.Path, func(t *testing.T) {
			valid := w.key
			if r.Platform {
				valid = w.staff
			}
			for _, key := range []string{valid, ""} {
				body := &endless{}
				status, err := pour(w.server.Listener.Addr().String(), r.Method, path(r, m), key, body)
				want := 413
				if key == "" {
					want = 401
				}
				if r.Open {
					want = 200
				}
				if status != want {
					t.Errorf("key %t: status %d (%v), want %d", key != "", status, err, want)
				}
				// What the sockets hold comes on top of the limit.
				if body.taken > 64<<20 {
					t.Errorf("%d bytes taken", body.taken)
				}
			}
			a := w.ask(r.Method, path(r, m), valid, bytes.NewReader(make([]byte, 1<<20)), "Content-Type", "application/json")
			if !r.Open {
				w.wantProblem(a, 413, "request_too_large", "")
			}
		})
	}
}

// pour writes a chunked body until the server has answered or closed.
func pour(addr, method, path, key string, body io.Reader) (status int, err error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n", method, path)
	if key != "" {
		fmt.Fprintf(conn, "Authorization: Bearer %s\r\n", key)
	}
	fmt.Fprint(conn, "\r\n")
	answered := make(chan error, 1)
	go func() {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			status = resp.StatusCode
		}
		answered <- err
	}()
	chunk := make([]byte, 32<<10)
	for {
		select {
		case err := <-answered:
			return status, err
		default:
		}
		n, _ := body.Read(chunk)
		if _, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", n, chunk[:n]); err != nil {
			return status, errors.Join(<-answered, err)
		}
	}
}
