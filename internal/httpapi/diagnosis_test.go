package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"stafette/internal/diagnosis"
	"stafette/internal/event"
	"stafette/internal/httpapi"
	"stafette/internal/message"
)

func TestDiagnosis(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	for q, found := range map[string]bool{"eva@kunde.example": true, "4711": true, m.String(): true, "niemand@kunde.example": false} {
		got := read[httpapi.Diagnosis](w, w.get("/v1/diagnosis?q="+q, "Accept-Language", "en"), 200)
		if got.Found != found || len(got.Verdicts) != 1 || got.Verdicts[0].Sentence == "" || (got.Verdicts[0].Message != nil) != found {
			t.Errorf("%s: %+v", q, got)
		}
		if found && (got.Verdicts[0].Situation != string(diagnosis.Waiting) || !strings.HasPrefix(got.Verdicts[0].Sentence, "Not out yet")) {
			t.Errorf("%s: %+v", q, got.Verdicts[0])
		}
		foreign := read[httpapi.Diagnosis](w, w.ask(http.MethodGet, "/v1/diagnosis?q="+q, w.other, nil), 200)
		if foreign.Found && q != "4711" || len(foreign.Near) != 0 {
			t.Errorf("%s: another tenant finds %+v", q, foreign)
		}
	}
	w.wantProblem(w.get("/v1/diagnosis"), 422, "field_missing", "/query/q")
	w.wantProblem(w.get("/v1/diagnosis?q="), 422, "field_missing", "/query/q")
}

func TestProofs(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	d := message.Delivery(m, 1)
	w.reader.extra = []event.Event{{Message: m, Delivery: d, Type: event.Completed, At: start, Attempt: &event.Attempt{
		Number: 1, MX: "mx.kunde.example", Code: 250, Reply: "ok", Outcome: event.OutcomeDelivered,
	}}}
	a := w.get("/v1/deliveries/" + d.String() + "/proof.json")
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	var keys []diagnosis.PublicKey
	if facts, err := diagnosis.Verify([]byte(a.body), keys); err == nil {
		t.Errorf("verified without a key: %+v", facts)
	}
	for _, lang := range []string{"", "?lang=en"} {
		if a := w.get("/v1/deliveries/" + d.String() + "/proof.pdf" + lang); a.status != 200 || !strings.HasPrefix(a.body, "%PDF-") || a.header.Get("Content-Type") != "application/pdf" {
			t.Errorf("%d %v", a.status, a.header)
		}
	}
	w.wantProblem(w.get("/v1/deliveries/"+d.String()+"/proof.pdf?lang=fr"), 422, "lang_unknown", "/query/lang")
}

func TestStatusLinks(t *testing.T) {
	w := newWorld(t)
	path := "/v1/deliveries/" + message.Delivery(w.send(), 1).String() + "/status-link"
	one := read[httpapi.StatusLink](w, w.ask(http.MethodPost, path, w.key, nil), 200)
	if !strings.HasPrefix(one.URL, "https://post.example/status/") || !one.ExpiresAt.After(start) {
		t.Errorf("%+v", one)
	}
	type revoked struct{ Revoked int }
	if n := read[revoked](w, w.ask(http.MethodDelete, path, w.key, nil), 200).Revoked; n != 1 {
		t.Errorf("%d revoked", n)
	}
}
