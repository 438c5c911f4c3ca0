package httpapi_test

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/dns"
	"stafette/internal/httpapi"
)

// closed is a resolver whose domains take no mail.
type closed struct{}

func (closed) MX(context.Context, string) ([]dns.MX, error) { return nil, dns.ErrNoMail }

func TestValidateAddress(t *testing.T) {
	w := newWorld(t)
	w.suppress("eva@kunde.example")
	for body, want := range map[string]string{
		`{"address":"eva@kunde.example"}`: "bad suppressed manual domain_closed",
		`{"address":"max@gmial.com"}`:     "bad domain_closed typo max@gmail.com",
		`{"address":"max"}`:               "bad syntax",
	} {
		v := read[httpapi.AddressVerdict](w, w.put("/v1/addresses/validate", w.key, body), 200)
		have := v.Rating
		for _, f := range v.Findings {
			have += " " + f.Code
			if f.Reason != "" {
				have += " " + f.Reason
			}
		}
		if v.Suggestion != "" {
			have += " " + v.Suggestion
		}
		if have != want {
			t.Errorf("%s: %s, want %s", body, have, want)
		}
	}
	// T20: another tenant's list has no say.
	if v := read[httpapi.AddressVerdict](w, w.put("/v1/addresses/validate", w.other, `{"address":"eva@kunde.example"}`), 200); len(v.Findings) != 1 {
		t.Errorf("other tenant: %+v", v)
	}
}

// checkOf hands a list of w.tenant in and returns its identifier.
func (w *world) checkOf(list string) string {
	w.Helper()
	a := w.ask(http.MethodPost, "/v1/addresses/batch?name=Kunden&stream=newsletter", w.key, strings.NewReader(list), "Content-Type", "text/csv")
	return read[httpapi.AddressCheck](w, a, 202).ID.String()
}

func TestListCheck(t *testing.T) {
	w := newWorld(t)
	check := w.checkOf("E-Mail;Name\neva@kunde.example;Eva\n=cmd@kunde.example;\nkein;\neva@KUNDE.example;\n")
	c := read[httpapi.AddressCheck](w, w.get("/v1/addresses/batch/"+check), 200)
	if c.State != "running" || c.Rows != 4 || c.Column != "E-Mail" || c.Name != "Kunden" || c.Stream != "newsletter" {
		t.Errorf("%+v", c)
	}
	if _, err := w.checks.Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	c = read[httpapi.AddressCheck](w, w.get("/v1/addresses/batch/"+check), 200)
	if c.State != "done" || c.Checked != 4 || c.Counts["unreachable"] != 2 || c.Counts["malformed"] != 1 || c.Counts["duplicate"] != 1 {
		t.Errorf("%+v", c)
	}
	type results struct {
		Data []httpapi.AddressResult
		Next *int
	}
	page := read[results](w, w.get("/v1/addresses/batch/"+check+"/results?limit=1&after=1"), 200)
	if len(page.Data) != 1 || page.Data[0].Line != 3 || page.Data[0].Rating != "bad" || page.Next == nil || *page.Next != 2 {
		t.Errorf("%+v", page)
	}
	// T28: no cell is a formula.
	for query, want := range map[string]string{
		"?result=unreachable":   "2,eva@kunde.example,unreachable,bad,domain_closed,,\n3,'=cmd@kunde.example,unreachable,bad,domain_closed,,\n",
		"?result=ok,risky":      "",
		"?result=duplicate,typ": "result_unknown",
		"?format=xml":           "format_unknown",
	} {
		if a := w.get("/v1/addresses/batch/" + check + "/export" + query); !strings.Contains(a.body, want) {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	if a := w.get("/v1/addresses/batch/" + check + "/export?format=ndjson&result=malformed"); strings.Count(a.body, "\n") != 1 || !strings.Contains(a.body, `"findings":["syntax"]`) {
		t.Errorf("NDJSON: %s", a.body)
	}
	post := func(key, query, media, body string) answer {
		return w.ask(http.MethodPost, "/v1/addresses/batch"+query, key, strings.NewReader(body), "Content-Type", media)
	}
	w.wantProblem(post(w.key, "", "application/xml", "x"), 415, "media_type_unsupported", "")
	w.wantProblem(post(w.key, "?stream=x", "text/csv", "a@b.example"), 422, "stream_unknown", "/query/stream")
	w.wantProblem(post(w.key, "?column=Mail", "text/csv", "a;b\nx@y.example;1"), 422, "column_unknown", "/query/column")
	w.wantProblem(post(w.key, "", "application/json", `["`+strings.Repeat("x", 3<<20)+`"]`), 413, "request_too_large", "")
	list := read[struct{ Data []httpapi.AddressCheck }](w, w.get("/v1/addresses/batch"), 200)
	other := read[struct{ Data []httpapi.AddressCheck }](w, w.ask(http.MethodGet, "/v1/addresses/batch", w.other, nil), 200)
	if len(list.Data) != 1 || len(other.Data) != 0 {
		t.Errorf("lists %d, other tenant's %d", len(list.Data), len(other.Data))
	}
	array := read[httpapi.AddressCheck](w, post(w.key, "", "application/json", `["a@b.example",{"address":"c@d.example"}]`), 202)
	if c := read[httpapi.AddressCheck](w, w.post("/v1/addresses/batch/"+array.ID.String()+"/cancel", ""), 200); c.State != "cancelled" {
		t.Errorf("%+v", c)
	}
	if a := w.ask(http.MethodDelete, "/v1/addresses/batch/"+check, w.key, nil); a.status != 204 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	w.wantProblem(w.get("/v1/addresses/batch/"+check), 404, "check_not_found", "")
}

func TestHalts(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	type own struct {
		Halt       *httpapi.Halt
		Sent       int
		MayRelease bool `json:"may_release"`
	}
	if o := read[own](w, w.get("/v1/halt"), 200); o.Halt != nil || o.Sent != 200 {
		t.Errorf("%+v", o)
	}
	if _, err := w.list.Halt(ctx, audience.Halt{Tenant: w.tenant, At: start, Cause: audience.TooManyComplaints, Tally: audience.Tally{Sent: 1000, Complaints: 9}, Window: 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	if o := read[own](w, w.get("/v1/halt"), 200); o.Halt == nil || o.Halt.Complaints != 9 || o.Halt.Window != 24 {
		t.Errorf("%+v", o)
	}
	if o := read[own](w, w.ask(http.MethodGet, "/v1/halt", w.other, nil), 200); o.Halt != nil {
		t.Errorf("other tenant: %+v", o.Halt)
	}
	if l := read[struct{ Data []httpapi.Halt }](w, w.ask(http.MethodGet, "/v1/platform/halts", w.staff, nil), 200); len(l.Data) != 1 {
		t.Errorf("%+v", l)
	}
	path := "/v1/platform/halts/" + w.tenant.String()
	release := func(reason string) answer {
		return w.ask(http.MethodPost, path+"/release", w.staff, strings.NewReader(`{"reason":"`+reason+`"}`), "Content-Type", "application/json")
	}
	w.wantProblem(release("x"), 422, "release_reason_missing", "/reason")
	if h := read[httpapi.Halt](w, release("Liste bereinigt"), 200); h.ReleasedAt == nil || h.Reason != "Liste bereinigt" || h.ReleasedBy == "" {
		t.Errorf("%+v", h)
	}
	w.wantProblem(release("noch einmal"), 404, "halt_not_found", "")
	resume := func(key, reason string) answer {
		return w.ask(http.MethodPost, "/v1/halt/release", key, strings.NewReader(`{"reason":"`+reason+`"}`), "Content-Type", "application/json")
	}
	w.wantProblem(resume(w.key, "Liste bereinigt"), 404, "halt_not_found", "")
	for n, code := range []string{"", "halt_self_used"} {
		h := audience.Halt{Tenant: w.tenant, At: start.Add(time.Duration(n+1) * time.Hour), Cause: audience.TooManyUnsubscribes, Tally: audience.Tally{Sent: 1000, Unsubscribes: 40}}
		if _, err := w.list.Halt(ctx, h); err != nil {
			t.Fatal(err)
		}
		w.wantProblem(resume(w.other, "Liste bereinigt"), 404, "halt_not_found", "")
		w.wantProblem(resume(w.key, "x"), map[string]int{"": 422, "halt_self_used": 409}[code], cmp.Or(code, "release_reason_missing"), map[string]string{"": "/reason"}[code])
		if code != "" {
			w.wantProblem(resume(w.key, "Liste bereinigt"), 409, code, "")
		} else if o := read[own](w, resume(w.key, "Liste bereinigt"), 200); o.Halt != nil || o.MayRelease {
			t.Errorf("resumed: %+v", o)
		}
	}
	if _, err := w.list.Halt(ctx, audience.Halt{Tenant: w.tenant}); err != nil {
		t.Fatal(err)
	}
	read[httpapi.Halt](w, release("Liste bereinigt"), 200)
	for _, id := range []string{w.tenant.String(), "x"} {
		w.wantProblem(w.ask(http.MethodGet, "/v1/platform/halts/"+id, w.staff, nil), 404, "halt_not_found", "")
	}
}
