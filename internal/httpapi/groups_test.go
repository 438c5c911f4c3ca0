package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"stafette/internal/httpapi"
)

type listedGroups struct {
	Data []httpapi.GroupRecord
}

// storedGroup is the identifier of a group of w.tenant, always the same.
func (w *world) storedGroup() string {
	w.Helper()
	list := read[listedGroups](w, w.get("/v1/groups"), 200)
	if len(list.Data) > 0 {
		return list.Data[0].ID.String()
	}
	return read[httpapi.GroupRecord](w, w.post("/v1/groups", `{"name":"Newsletter Neubau"}`), 201).ID.String()
}

type enlisted struct{ Data []httpapi.EnlistedRecord }

type listedMembers struct {
	Data    []httpapi.Membership
	HasMore bool `json:"has_more"`
	Next    *string
}

func TestGroupFromMakingToDeleting(t *testing.T) {
	w := newWorld(t)
	one := "/v1/groups/" + w.storedGroup()
	w.wantProblem(w.post("/v1/groups", `{"name":"NEWSLETTER neubau"}`), 409, "group_name_taken", "/name")
	w.wantProblem(w.post("/v1/groups", `{"name":" "}`), 422, "group_name_malformed", "/name")
	added := read[enlisted](w, w.post(one+"/contacts", `{"contacts":[{"email":"Eva@Kunde.example","fields":{"given_name":"Eva"}},{"email":"nobody"},
		{"email":"max@kunde.example","fields":{"shoe":"43"}},{"email":"ida@kunde.example"},{"email":"eva@kunde.example"}]}`), 200)
	var have []string
	for _, r := range added.Data {
		text := string(r.Result)
		if r.Error != nil {
			text += " " + r.Error.Pointer
		}
		have = append(have, text)
	}
	if got := strings.Join(have, ", "); got != "created, refused /contacts/1/email, refused /contacts/2/fields/shoe, created, known" {
		t.Errorf("added: %s", got)
	}
	g := read[httpapi.GroupRecord](w, w.get(one), 200)
	if g.Members != 2 || g.Approval.State != "required" || g.Approval.Since != nil || g.Kind != "static" {
		t.Errorf("group %+v", g)
	}
	page := read[listedMembers](w, w.get(one+"/contacts?limit=1"), 200)
	if len(page.Data) != 1 || !page.HasMore || page.Data[0].AddedAt == nil {
		t.Fatalf("first page %+v", page)
	}
	if page = read[listedMembers](w, w.get(one+"/contacts?q=eva&after="+*page.Next), 200); page.HasMore {
		t.Errorf("second page %+v", page)
	}
	member := one + "/contacts/" + added.Data[0].ContactID.String()
	if a := w.ask(http.MethodDelete, member, w.key, nil); a.status != 204 {
		t.Errorf("removed: %d", a.status)
	}
	w.wantProblem(w.ask(http.MethodDelete, member, w.key, nil), 404, "contact_not_found", "")
	if a := w.ask(http.MethodDelete, one, w.key, nil); a.status != 204 {
		t.Errorf("deleted: %d", a.status)
	}
	w.wantProblem(w.get(one), 404, "group_not_found", "")
}

func TestDynamicGroups(t *testing.T) {
	w := newWorld(t)
	w.storedContact()
	g := read[httpapi.GroupRecord](w, w.post("/v1/groups", `{"name":"VIP","segment":{"all":[{"of":"tag","is":"has","value":"vip"}]}}`), 201)
	if g.Kind != "dynamic" || g.Members != 1 || g.CountedAt == nil || g.Segment["all"] == nil {
		t.Errorf("group %+v", g)
	}
	w.wantProblem(w.post("/v1/groups/"+g.ID.String()+"/contacts", `{"contacts":[{"email":"a@x.example"}]}`), 409, "group_dynamic", "")
	for segment, want := range map[string][2]string{
		`{"of":"shoe","is":"has","value":"43"}`:                               {"segment_subject_unknown", "/segment/of"},
		`{"any":[{"of":"tag","is":"begins","value":"v"}]}`:                    {"segment_comparison_unknown", "/segment/any/0/is"},
		`{"of":"tag","is":"has"}`:                                             {"segment_value_malformed", "/segment/value"},
		`{"where":"1=1"}`:                                                     {"segment_malformed", "/segment"},
		`{"not":{"not":{"not":{"not":{"of":"tag","is":"has","value":"x"}}}}}`: {"segment_too_large", "/segment"},
	} {
		w.wantProblem(w.post("/v1/groups", `{"name":"x","segment":`+segment+`}`), 422, want[0], want[1])
	}
}

func TestGroupsAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	w.storedGroup()
	if list := read[listedGroups](w, w.ask(http.MethodGet, "/v1/groups", w.other, nil), 200); len(list.Data) != 0 {
		t.Errorf("another tenant sees %d groups", len(list.Data))
	}
	a := w.ask(http.MethodPost, "/v1/groups", w.other, strings.NewReader(`{"name":"Newsletter Neubau"}`), "Content-Type", "application/json")
	read[httpapi.GroupRecord](w, a, 201)
}
