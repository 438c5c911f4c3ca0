package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"stafette/internal/audience"
)

// suppression is what the tests read of one.
type suppression struct {
	ID, Address, Stream, Reason, Note string
	History                           []struct{ Type, Reason, Note string }
}

type suppressions struct {
	Data []suppression
	Next string
}

func (w *world) put(path, key, body string, header ...string) answer {
	w.Helper()
	if header == nil {
		header = []string{"Content-Type", "application/json"}
	}
	return w.ask(http.MethodPost, path, key, strings.NewReader(body), header...)
}

func (w *world) suppress(address string) suppression {
	w.Helper()
	return read[suppression](w, w.put("/v1/suppressions", w.key, `{"address":"`+address+`"}`), 201)
}

func (w *world) listed(query string) string {
	w.Helper()
	var all []string
	for _, s := range read[suppressions](w, w.ask(http.MethodGet, "/v1/suppressions"+query, w.key, nil), 200).Data {
		all = append(all, s.Address)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestSuppressionsFromMakingToLifting(t *testing.T) {
	w := newWorld(t)
	made := read[suppression](w, w.put("/v1/suppressions", w.key,
		`{"address":"Eva@Kunde.example","stream":"newsletter","reason":"complaint","note":"rief an","expires_at":"2027-01-31T00:00:00Z"}`), 201)
	if made.Address != "Eva@kunde.example" && made.Address != "eva@kunde.example" || made.Reason != "complaint" {
		t.Errorf("made %+v", made)
	}
	w.suppress("max@kunde.example")
	for query, want := range map[string]string{
		"?q=max": "max@kunde.example", "?reason=complaint": made.Address, "?stream=lead": "max@kunde.example", "?limit=1&ascending=true&by_address=true": made.Address,
	} {
		if have := w.listed(query); have != want {
			t.Errorf("%s: %q", query, have)
		}
	}
	first := read[suppressions](w, w.ask(http.MethodGet, "/v1/suppressions?limit=1", w.key, nil), 200)
	second := read[suppressions](w, w.ask(http.MethodGet, "/v1/suppressions?limit=1&after="+first.Next, w.key, nil), 200)
	if len(second.Data) != 1 || second.Data[0].ID == first.Data[0].ID || second.Next != "" {
		t.Errorf("second page %+v", second)
	}
	one := "/v1/suppressions/" + made.ID
	if s := read[suppression](w, w.ask(http.MethodGet, one, w.key, nil), 200); len(s.History) != 1 || s.History[0].Note != "rief an" {
		t.Errorf("read %+v", s)
	}
	w.wantProblem(w.ask(http.MethodDelete, one, w.key, nil), 422, "lift_reason_missing", "/query/reason")
	read[suppression](w, w.ask(http.MethodDelete, one+"?reason=will+wieder", w.key, nil), 200)
	w.wantProblem(w.ask(http.MethodGet, one, w.key, nil), 404, "suppression_not_found", "")
	for code, body := range map[string]string{
		"address_malformed": `{"address":"eva"}`, "stream_unknown": `{"address":"e@k.example","stream":"x"}`,
		"expiry_past": `{"address":"e@k.example","expires_at":"2020-01-01T00:00:00Z"}`, "field_unknown": `{"address":"e@k.example","x":1}`,
	} {
		pointer := map[string]string{"address_malformed": "/address", "stream_unknown": "/stream", "expiry_past": "/expires_at", "field_unknown": "/x"}[code]
		w.wantProblem(w.put("/v1/suppressions", w.key, body), 422, code, pointer)
	}
}

func TestSuppressionLists(t *testing.T) {
	w := newWorld(t)
	type result struct {
		Added, Present, Invalid int
		Results                 []struct{ Address, Result, Code string }
	}
	w.suppress("da@kunde.example")
	got := read[result](w, w.put("/v1/suppressions/import", w.key, "da@kunde.example\n=neu@kunde.example\nkaputt\n", "Content-Type", "text/csv; charset=utf-8"), 200)
	if got.Added != 1 || got.Present != 1 || got.Invalid != 1 || got.Results[2].Code != "address_malformed" {
		t.Errorf("CSV: %+v", got)
	}
	got = read[result](w, w.put("/v1/suppressions/import", w.key, `{"address":"zwei@kunde.example","reason":"unsubscribed"}`, "Content-Type", "application/x-ndjson"), 200)
	if got.Added != 1 {
		t.Errorf("NDJSON: %+v", got)
	}
	w.wantProblem(w.put("/v1/suppressions/import", w.key, "x", "Content-Type", "text/html"), 415, "media_type_unsupported", "")
	w.wantProblem(w.put("/v1/suppressions/import", w.key, "a\xff", "Content-Type", "text/csv"), 422, "text_not_utf8", "")
	w.wantProblem(w.put("/v1/suppressions/import", w.key, strings.Repeat("a\n", audience.MaxLines+1), "Content-Type", "text/csv"), 413, "import_too_many_lines", "")
	file := w.ask(http.MethodGet, "/v1/suppressions/export?reason=import", w.key, nil)
	if file.status != 200 || !strings.Contains(file.body, "\n'=neu@kunde.example,") || strings.Contains(file.body, "zwei@") {
		t.Errorf("export: %d\n%s", file.status, file.body)
	}
	type erased struct{ Remaining int }
	if e := read[erased](w, w.put("/v1/suppressions/erase", w.key, `{"address":"da@kunde.example"}`), 200); e.Remaining != 1 {
		t.Errorf("erased %+v", e)
	}
	if have := w.listed("?q=DA@kunde.example"); have != "" {
		t.Errorf("erased, but listed as %q", have)
	}
}

func TestSuppressionRules(t *testing.T) {
	w := newWorld(t)
	type rules struct {
		Rules []struct {
			Class string
			Count int
		}
	}
	set := func(key, body string) answer {
		return w.ask(http.MethodPut, "/v1/suppressions/rules", key, strings.NewReader(body), "Content-Type", "application/json")
	}
	own := read[rules](w, set(w.key, `{"rules":[{"class":"mailbox_full","count":5,"within_days":90,"everywhere":true}]}`), 200)
	other := read[rules](w, w.ask(http.MethodGet, "/v1/suppressions/rules", w.other, nil), 200)
	if own.Rules[0].Class != "mailbox_full" || own.Rules[0].Count != 5 || len(other.Rules) != len(own.Rules) || other.Rules[0].Class == "mailbox_full" {
		t.Errorf("own %+v, other %+v", own, other)
	}
	w.wantProblem(set(w.key, `{"rules":[{"class":"content_spam","count":1}]}`), 422, "class_not_suppressing", "/rules/0/class")
}

// T20: lists, exports and erasing reach the own tenant's addresses only.
func TestSuppressionsAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	s := w.suppress("eva@kunde.example")
	for _, query := range []string{"", "?q=eva@kunde.example", "?q=eva", "?after=" + s.ID} {
		if a := w.ask(http.MethodGet, "/v1/suppressions"+query, w.other, nil); strings.Contains(a.body, "eva") || a.status != 200 {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := w.ask(http.MethodGet, "/v1/suppressions/export", w.other, nil); strings.Contains(a.body, "eva") {
		t.Error(a.body)
	}
	w.put("/v1/suppressions/erase", w.other, `{"address":"eva@kunde.example"}`)
	w.put("/v1/suppressions/import", w.other, "eva@kunde.example", "Content-Type", "text/csv")
	if have := w.listed(""); have != "eva@kunde.example" {
		t.Errorf("own list %q", have)
	}
}
