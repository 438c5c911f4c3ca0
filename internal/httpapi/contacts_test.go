package httpapi_test

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"stafette/internal/audience"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// To implements insight.PersonStore.
func (r *reader) To(_ context.Context, t tenant.ID, to []message.Address, f insight.PersonFilter) ([]insight.Addressed, bool, error) {
	var list []insight.Addressed
	for _, a := range r.store.Accepted() {
		m := asRead(a)
		if m.Tenant != t || len(f.Streams) > 0 && !slices.Contains(f.Streams, m.Stream) {
			continue
		}
		for _, d := range m.Deliveries {
			if slices.Contains(to, d.Recipient) && (f.After.IsZero() || bytes.Compare(d.ID[:], f.After[:]) < 0) {
				list = append(list, insight.Addressed{Message: m, Delivery: d})
			}
		}
	}
	slices.SortFunc(list, func(a, b insight.Addressed) int { return bytes.Compare(b.Delivery.ID[:], a.Delivery.ID[:]) })
	return list[:min(len(list), f.Limit)], len(list) > f.Limit, nil
}

// CountTo implements insight.PersonStore.
func (r *reader) CountTo(context.Context, tenant.ID, []message.Address, []tenant.Stream, int) (int, error) {
	return 0, nil
}

type listedContacts struct {
	Data []audience.ContactRecord
	Next string
}

func (w *world) patch(path, body string) answer {
	w.Helper()
	return w.ask(http.MethodPatch, path, w.key, strings.NewReader(body), "Content-Type", "application/json")
}

// storedContact is the identifier of a contact of w.tenant, always the same.
func (w *world) storedContact() string {
	w.Helper()
	list := read[listedContacts](w, w.get("/v1/contacts"), 200)
	if len(list.Data) > 0 {
		return list.Data[0].ID.String()
	}
	return read[audience.ContactRecord](w, w.post("/v1/contacts", `{"given_name":"Eva","family_name":"Sommer","reference":"K-1","addresses":["Eva@Kunde.example","eva@gmx.example"],"tags":["vip"]}`), 201).ID.String()
}

func TestContactFromStoringToDeleting(t *testing.T) {
	w := newWorld(t)
	one := "/v1/contacts/" + w.storedContact()
	c := read[audience.ContactRecord](w, w.get(one), 200)
	if c.Version != 1 || c.Origin != audience.OriginAPI || !slices.Equal(c.Addresses, []string{"Eva@kunde.example", "eva@gmx.example"}) {
		t.Errorf("stored %+v", c)
	}
	c = read[audience.ContactRecord](w, w.patch(one, `{"version":1,"company":"Kranz","tags":[]}`), 200)
	if c.Version != 2 || c.Company != "Kranz" || c.GivenName != "Eva" || len(c.Tags) != 0 {
		t.Errorf("changed %+v", c)
	}
	for body, want := range map[string][3]string{
		`{"version":1,"company":"X"}`:                   {"409", "contact_changed", ""},
		`{"version":2,"addresses":["a@b.example","x"]}`: {"422", "address_malformed", "/addresses/1"},
		`{"version":2,"addresses":[]}`:                  {"422", "address_missing", "/addresses"},
		`{"version":2,"fields":{"unknown":"x"}}`:        {"422", "contact_field_unknown", "/fields/unknown"},
		`{"version":2,"given_name":"a\r\nb"}`:           {"422", "contact_text_malformed", "/given_name"},
		`{"version":2,"locale":"fr"}`:                   {"422", "locale_unknown", "/locale"},
		`{"company":"X"}`:                               {"422", "request_invalid", ""},
	} {
		a := w.patch(one, body)
		if status := map[string]int{"409": 409, "422": 422}[want[0]]; a.status != status || !strings.Contains(a.body, want[1]) && want[1] != "request_invalid" || !strings.Contains(a.body, want[2]) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	w.wantProblem(w.post("/v1/contacts", `{"addresses":["eva@GMX.example"]}`), 409, "contact_address_taken", "/addresses/0")
	w.wantProblem(w.post("/v1/contacts", `{"addresses":["new@x.example"],"reference":"K-1"}`), 409, "contact_reference_taken", "")
	note := read[struct{ ID, Author, Text string }](w, w.post(one+"/notes", `{"text":"ruft zurück"}`), 201)
	if !strings.HasPrefix(note.Author, "key_") || !strings.Contains(w.get(one+"/notes").body, note.ID) {
		t.Errorf("note %+v", note)
	}
	w.suppress("eva@gmx.example")
	for _, want := range []string{`"created"`, `"changed"`, `"suppressed"`, `"company"`} {
		if a := w.get(one + "/events"); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("events lack %s: %s", want, a.body)
		}
	}
	if a := w.ask(http.MethodDelete, one, w.key, nil); a.status != 204 {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	w.wantProblem(w.get(one), 404, "contact_not_found", "")
}

func TestMessagesOfContact(t *testing.T) {
	w := newWorld(t)
	read[audience.ContactRecord](w, w.post("/v1/contacts", `{"addresses":["eva@kunde.example"]}`), 201)
	one := "/v1/contacts/" + w.storedContact() + "/messages"
	w.send()
	w.send()
	type found struct {
		Data []struct {
			Subject, State, Address string
			Delivery                string `json:"delivery_id"`
		}
		Next string
	}
	first := read[found](w, w.get(one+"?limit=1&notifications=true"), 200)
	if len(first.Data) != 1 || first.Next == "" || first.Data[0].Subject != "Grüße" || first.Data[0].Address != "eva@kunde.example" {
		t.Fatalf("first page %+v", first)
	}
	second := read[found](w, w.get(one+"?limit=1&after="+first.Next), 200)
	if len(second.Data) != 1 || second.Next != "" || second.Data[0].Delivery == first.Data[0].Delivery {
		t.Errorf("second page %+v", second)
	}
	w.wantProblem(w.get(one+"?after=x"), 422, "id_malformed", "/query/after")
}

// T20: what one tenant stores another does not find, and both may store the same person.
func TestContactsAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	w.storedContact()
	if list := read[listedContacts](w, w.ask(http.MethodGet, "/v1/contacts?q=eva", w.other, nil), 200); len(list.Data) != 0 {
		t.Errorf("listed %+v", list.Data)
	}
	a := w.ask(http.MethodPost, "/v1/contacts", w.other, strings.NewReader(`{"addresses":["eva@gmx.example"],"reference":"K-1"}`), "Content-Type", "application/json")
	read[audience.ContactRecord](w, a, 201)
	if list := read[listedContacts](w, w.get("/v1/contacts?q=som&tag=vip&by_name=true&ascending=true"), 200); len(list.Data) != 1 {
		t.Errorf("listed %+v", list.Data)
	}
}
