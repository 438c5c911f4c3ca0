package httpapi_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/httpapi"
	"stafette/internal/i18n"
	"stafette/internal/privacy"
	"stafette/internal/privacy/privacytest"
	"stafette/internal/seal"
)

// rights is the real service over what the world has accepted.
func (w *world) rights(keeper *seal.Keeper, people *audience.Service, book *audience.Contacts) *privacy.Service {
	w.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		w.Fatal(err)
	}
	w.privacy, err = privacy.New(privacy.Config{
		Store: &privacytest.Store{}, Tenants: w.tenants, Contacts: book, Audience: people, Mail: w.reader, Bodies: w.reader, Keeper: keeper, Catalog: catalog,
		Holders: []privacy.Holder{privacy.Suppressed{Audience: people, Actor: "system"}}, Now: func() time.Time { return start },
	})
	if err != nil {
		w.Fatal(err)
	}
	return w.privacy
}

// privacyRequest is the identifier of an access request of w.tenant.
func (w *world) privacyRequest(address string) string {
	w.Helper()
	a := w.post("/v1/privacy/access", `{"address":"`+address+`"}`, "Idempotency-Key", "access of "+address)
	return read[httpapi.PrivacyRequest](w, a, 202).ID.String()
}

func (w *world) turn() {
	w.Helper()
	if _, err := w.privacy.Turn(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func TestAccessOverTheAPI(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	one := "/v1/privacy/requests/" + w.privacyRequest("eva@kunde.example")
	w.wantProblem(w.get(one+"/file"), 409, "privacy_file_unfinished", "")
	if again := w.privacyRequest("eva@kunde.example"); !strings.HasSuffix(one, again) {
		t.Errorf("asked twice: %s and %s", one, again)
	}
	w.turn()
	r := read[httpapi.PrivacyRequest](w, w.get(one), 200)
	if r.State != "done" || r.Kind != "access" || r.ExpiresAt == nil || !slices.Equal(r.Addresses, []string{"eva@kunde.example"}) {
		t.Errorf("%+v", r)
	}
	if again := w.privacyRequest("eva@kunde.example"); !strings.HasSuffix(one, again) {
		t.Error("the same key made another request after the first was done")
	}
	a := w.get(one + "/file")
	z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
	if a.status != 200 || a.header.Get("Content-Type") != "application/zip" || err != nil {
		t.Fatalf("file: %d, %v", a.status, err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	for _, want := range []string{"person.json", "messages.json", "messages/" + m.String() + ".eml", "uebersicht.html"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not in %v", want, names)
		}
	}
	w.wantProblem(w.get(one+"/certificate"), 404, "privacy_request_not_found", "")
	other := w.post("/v1/privacy/access", `{"address":"max@kunde.example"}`, "Idempotency-Key", "access of eva@kunde.example")
	w.wantProblem(other, 409, "idempotency_conflict", "")
}

func TestErasureOverTheAPI(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string][2]string{
		`{"address":"eva@kunde.example","confirm":"max@kunde.example"}`: {"erasure_unconfirmed", "/confirm"},
		`{"address":"no address","confirm":"x"}`:                        {"address_malformed", "/address"},
		`{"confirm":"x"}`:                                               {"person_missing", "/address"},
		`{"address":"eva@kunde.example","contact_id":"` + w.storedContact() + `","confirm":"eva@kunde.example"}`: {"person_missing", "/address"},
	} {
		w.wantProblem(w.post("/v1/privacy/erasures", body), 422, want[0], want[1])
	}
	w.wantProblem(w.post("/v1/privacy/erasures", `{"contact_id":"con_x","confirm":"x"}`), 404, "contact_not_found", "")
	body := `{"contact_id":"` + w.storedContact() + `","confirm":"eva@gmx.example","block":true}`
	made := read[httpapi.PrivacyRequest](w, w.post("/v1/privacy/erasures", body), 202)
	if len(made.Addresses) != 2 || !made.Blocked {
		t.Errorf("%+v", made)
	}
	one := "/v1/privacy/requests/" + made.ID.String()
	w.wantProblem(w.get(one+"/certificate"), 409, "erasure_unfinished", "")
	w.turn()
	if r := read[httpapi.PrivacyRequest](w, w.get(one), 200); r.State != "done" || len(r.Addresses) != 0 {
		t.Errorf("%+v", r)
	}
	var certificate bytes.Buffer
	if err := json.Compact(&certificate, []byte(w.get(one+"/certificate").body)); err != nil {
		t.Fatal(err)
	}
	if c, ok, err := w.privacy.Verify(certificate.Bytes()); err != nil || !ok || c.Request != made.ID {
		t.Errorf("certificate: %v, %v: %s", ok, err, certificate.String())
	}
	type page struct{ Data []httpapi.PrivacyRequest }
	if p := read[page](w, w.get("/v1/privacy/requests?limit=1"), 200); len(p.Data) != 1 {
		t.Errorf("own requests: %+v", p)
	}
	if p := read[page](w, w.ask(http.MethodGet, "/v1/privacy/requests", w.other, nil), 200); len(p.Data) != 0 {
		t.Errorf("another tenant's requests: %+v", p)
	}
	w.wantProblem(w.get("/v1/privacy/requests?after=x"), 422, "id_malformed", "/query/after")
}
