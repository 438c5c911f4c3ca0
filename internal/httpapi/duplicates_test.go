package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/audience"
	"stafette/internal/httpapi"
)

// Two contacts of one mailbox are proposed, merged in the versions that were read, and taken
// apart again; another tenant neither sees nor touches them.
func TestDuplicatesOverTheAPI(t *testing.T) {
	w := newWorld(t)
	post := func(key, path, body string) answer {
		return w.ask(http.MethodPost, path, key, strings.NewReader(body), "Content-Type", "application/json")
	}
	made := func(key, address string) audience.ContactRecord {
		return read[audience.ContactRecord](w, post(key, "/v1/contacts", `{"given_name":"Eva","family_name":"Sommer","addresses":["`+address+`"]}`), 201)
	}
	one, two, foreign := made(w.key, "eva@kunde.example"), made(w.key, "eva+neu@kunde.example"), made(w.other, "eva+alt@kunde.example")
	type pairs struct{ Data []httpapi.Duplicate }
	list := read[pairs](w, w.get("/v1/contacts/duplicates"), 200)
	if len(list.Data) != 1 || list.Data[0].Kept.ID != one.ID || list.Data[0].Other.ID != two.ID || list.Data[0].Reason == "" {
		t.Fatalf("proposed %+v", list)
	}
	if l := read[pairs](w, w.ask(http.MethodGet, "/v1/contacts/duplicates", w.other, nil), 200); len(l.Data) != 0 {
		t.Errorf("another tenant is told %+v", l)
	}
	path := "/v1/contacts/" + one.ID.String()
	body := func(with string, version int) string {
		return fmt.Sprintf(`{"with":%q,"version":%d,"with_version":%d}`, with, version, two.Version)
	}
	for _, c := range []struct {
		body   string
		status int
		code   string
		field  string
	}{
		{body("x", 1), 422, "id_malformed", "/with"},
		{body(one.ID.String(), 1), 422, "contact_merge_self", "/with"},
		{body(foreign.ID.String(), 1), 404, "contact_not_found", ""},
		{body(two.ID.String(), 7), 409, "contact_changed", ""},
	} {
		w.wantProblem(post(w.key, path+"/merge", c.body), c.status, c.code, c.field)
	}
	w.wantProblem(post(w.key, path+"/unmerge", ""), 409, "merge_not_revocable", "")
	if c := read[audience.ContactRecord](w, post(w.key, path+"/merge", body(two.ID.String(), 1)), 200); c.ID != one.ID || len(c.Addresses) != 2 {
		t.Errorf("merged %+v", c)
	}
	w.wantProblem(w.get("/v1/contacts/"+two.ID.String()), 404, "contact_not_found", "")
	type apart struct{ Kept, Restored audience.ContactRecord }
	back := read[apart](w, post(w.key, path+"/unmerge", ""), 200)
	if back.Kept.ID != one.ID || back.Restored.ID != two.ID || len(back.Kept.Addresses) != 1 || len(back.Restored.Addresses) != 1 {
		t.Errorf("taken back %+v", back)
	}
}
