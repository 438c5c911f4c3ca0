package contacts_test

import (
	"archive/zip"
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/web/webtest"
)

// contact is the path of the world's contact that is found by a text.
func contact(d *webtest.Desk, text string) string {
	d.T.Helper()
	page, err := d.World.Contacts().List(d.T.Context(), d.World.Tenant.ID, audience.ContactFilter{Text: text})
	if err != nil || len(page.Contacts) != 1 {
		d.T.Fatalf("contacts of %q: %v, %v", text, page.Contacts, err)
	}
	return "/contacts/" + page.Contacts[0].ID.String()
}

// says looks for markup.
func says(t *testing.T, a webtest.Answer, want string) {
	t.Helper()
	if !strings.Contains(a.Text, want) {
		t.Errorf("no %s in %s", want, a.Request.URL)
	}
}

func TestListIsSearchedAndExported(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for query, want := range map[string][2]string{ // there, not there
		"":                          {"Eva Sommer", "Ada Holm"},
		"?q=som":                    {"Eva Sommer", "Kranz"},
		"?q=%40kranz-bau.example":   {"Kranz Bau GmbH", "Eva Sommer"},
		"?tag=vip":                  {"Eva Sommer", "Kranz"},
		"?q=gibtsnicht":             {"Keine Person gefunden", "Eva Sommer"},
		"?col=name&col=phone&q=kra": {"+49 421 555", "K-1042"},
	} {
		a := d.Get("/contacts" + query)
		webtest.Expect(t, a, http.StatusOK, want[0])
		if table := webtest.Find(a.Document(t), "tbody"); table != nil && strings.Contains(webtest.Words(table), want[1]) {
			t.Errorf("%s shows %s", query, want[1])
		}
	}
	if file := d.Get("/contacts.csv?q=som"); !strings.Contains(file.Text, ";Eva;Sommer;") || strings.Contains(file.Text, "Kranz") {
		t.Errorf("CSV:\n%s", file.Text)
	}
	if file := d.Get("/contacts.csv"); !strings.Contains(file.Text, "'=cmd") {
		t.Errorf("a formula stands in the CSV:\n%s", file.Text)
	}
	if file := d.Get("/contacts.json?q=som"); !strings.HasPrefix(file.Text, "[\n{") || !strings.Contains(file.Text, `"K-1042"`) {
		t.Errorf("JSON:\n%s", file.Text)
	}
}

// E2, D1, I18: the file tells of every message, of those a system sends by itself, and of
// what holds for the address.
func TestDossier(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	one := contact(d, "sommer")
	webtest.Expect(t, d.Get(one), http.StatusOK, "Eva Sommer", "piet@hansen.example", "Darf ich schreiben?", "Beschwerde gilt nur für „Erinnerung“", "Ansehen und aufheben")
	webtest.Expect(t, d.Get(one+"?tab=notifications"), http.StatusOK, "Erste Anlaufstelle")
	webtest.Expect(t, d.Get(one+"?tab=history"), http.StatusOK, "Kontakt angelegt", "Gesperrt")
	webtest.Expect(t, d.Get(one+"?tab=data"), http.StatusOK, "Speicherblock 7", "03.04.1980", "K-1042", "J. Petersen")
	a := d.Get(one + "?tab=notes")
	webtest.Expect(t, a, http.StatusOK, "Ruft am Montag zurück.", "<img src=x onerror=alert(1)>")
	if strings.Contains(a.Text, "<img src=x") {
		t.Error("a note brings markup")
	}
	// An address nobody stored has a file too, and can become a contact.
	a = d.Get("/contacts/address?address=j.reuter%40web.example")
	webtest.Expect(t, a, http.StatusOK, "Kein gespeicherter Kontakt", "Kontakt anlegen")
	says(t, a, "/contacts/new?address=j.reuter%40web.example")
	webtest.Expect(t, d.Get("/contacts/address?address=Piet%40hansen.example"), http.StatusOK, "Eva Sommer")
	webtest.Expect(t, d.Get("/contacts/address?address=unsinn"), http.StatusNotFound, "")
}

func TestContactIsWrittenAndGuarded(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Post("/contacts", url.Values{"addresses": {"neu@x.example\r\nunsinn"}, "family_name": {"Neu"}, "field-geburtstag": {"31.2.2020"}})
	webtest.Expect(t, a, http.StatusUnprocessableEntity, "unsinn")
	says(t, a, `value="Neu"`)
	a = d.Post("/contacts", url.Values{"addresses": {"piet@hansen.example"}})
	webtest.Expect(t, a, http.StatusUnprocessableEntity, "gehört schon einem anderen Kontakt")
	says(t, a, contact(d, "sommer"))
	a = d.Post("/contacts", url.Values{"addresses": {"neu@x.example"}, "family_name": {"Neu"}, "field-geburtstag": {"31.1.2020"}, "tags": {"a, b"}})
	one, _, _ := strings.Cut(a.Header.Get("Location"), "?")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(one, "/contacts/con_") {
		t.Fatalf("created: %d to %q: %s", a.StatusCode, one, a.Text)
	}
	form := url.Values{"addresses": {"neu@x.example"}, "family_name": {"Anders"}, "version": {"1"}}
	if a = d.Post(one, form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("changed: %d %s", a.StatusCode, a.Text)
	}
	// Somebody else saves what they saw before.
	form.Set("family_name", "Später")
	a = d.Post(one, form)
	webtest.Expect(t, a, http.StatusUnprocessableEntity, "Jemand anderes hat den Kontakt inzwischen geändert")
	says(t, a, `name="version" value="2"`)
	form.Set("version", "2")
	if a = d.Post(one, form); a.StatusCode != http.StatusSeeOther {
		t.Errorf("saved again: %d", a.StatusCode)
	}
	// Merged with a preview, taken back, and merged again.
	other := contact(d, "kranz")
	id := strings.TrimPrefix(other, "/contacts/")
	webtest.Expect(t, d.Get(one+"/merge?with="+id), http.StatusOK, "Kranz Bau GmbH", "30 Tage")
	if a = d.Post(one+"/merge", url.Values{"with": {id}, "version": {"3"}, "other_version": {"1"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("merged: %d %s", a.StatusCode, a.Text)
	}
	webtest.Expect(t, d.Get(other), http.StatusNotFound, "")
	webtest.Expect(t, d.Get(one), http.StatusOK, "Zusammenführung zurücknehmen")
	if a = d.Post(one+"/unmerge", nil); a.StatusCode != http.StatusSeeOther || !strings.HasSuffix(a.Header.Get("Location"), "unmerged") {
		t.Fatalf("taken back: %d %v", a.StatusCode, a.Header)
	}
	webtest.Expect(t, d.Get(other), http.StatusOK, "Kranz Bau GmbH")
	if a = d.Post(one+"/unmerge", nil); !strings.HasSuffix(a.Header.Get("Location"), "merge-stays") {
		t.Errorf("taken back twice: %d %v", a.StatusCode, a.Header)
	}
	if a = d.Post(one+"/merge", url.Values{"with": {id}, "version": {"5"}, "other_version": {"2"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("merged again: %d %s", a.StatusCode, a.Text)
	}
	webtest.Expect(t, d.Get(one+"?tab=data"), http.StatusOK, "Kranz Bau GmbH", "Später")
	if a = d.Post(one+"/delete", nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("deleted: %d", a.StatusCode)
	}
}

func TestNotesBelongToTheirAuthors(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	one := contact(d, "sommer")
	webtest.Expect(t, d.Post(one+"/notes", url.Values{"text": {" "}}), http.StatusUnprocessableEntity, "1 bis 5.000 Zeichen")
	if a := d.Post(one+"/notes", url.Values{"text": {"Neue Notiz"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("noted: %d", a.StatusCode)
	}
	webtest.Expect(t, d.Get(one+"?tab=notes"), http.StatusOK, "Neue Notiz")
	notes, err := d.World.Contacts().Notes(t.Context(), d.World.Tenant.ID, mustID(t, one))
	if err != nil || len(notes) != 3 {
		t.Fatalf("%v, %v", notes, err)
	}
	foreign := notes[1].ID.String() // the owner's
	webtest.Expect(t, d.Post(one+"/notes", url.Values{"note": {foreign}, "do": {"delete"}}), http.StatusNotFound, "")
	webtest.Expect(t, d.Post(one+"/notes", url.Values{"note": {foreign}, "text": {"gefälscht"}}), http.StatusNotFound, "")
	if a := d.Post(one+"/notes", url.Values{"note": {notes[0].ID.String()}, "do": {"delete"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("own note: %d", a.StatusCode)
	}
}

func mustID(t *testing.T, path string) audience.ContactID {
	t.Helper()
	var c audience.ContactID
	if err := c.UnmarshalText([]byte(strings.TrimPrefix(path, "/contacts/"))); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPersonIsHandedOutAndErased(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	key := strings.TrimPrefix(contact(d, "sommer"), "/contacts/")
	a := d.Post("/contacts/access", url.Values{"person": {key}})
	request := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(request, "/privacy/requests/dsr_") {
		t.Fatalf("asked: %d to %q", a.StatusCode, request)
	}
	webtest.Expect(t, d.Get(request), http.StatusOK, "Wartet", "Stand ansehen")
	if err := d.World.Wait(time.Second); err != nil {
		t.Fatal(err)
	}
	webtest.Expect(t, d.Get(request), http.StatusOK, "Erledigt", "Datei laden")
	file := d.Get(request + "/export.zip")
	if z, err := zip.NewReader(bytes.NewReader([]byte(file.Text)), int64(len(file.Text))); err != nil || len(z.File) < 4 {
		t.Errorf("file: %v", err)
	}
	webtest.Expect(t, d.Get("/contacts/erase?person="+key), http.StatusOK, "Das wird gelöscht", "Das bleibt, und warum", "piet@hansen.example", "Zustellungen")
	form := url.Values{"person": {key}, "address": {"falsch@x.example"}, "block": {"on"}}
	webtest.Expect(t, d.Post("/contacts/erase", form), http.StatusUnprocessableEntity, "keine Adresse dieser Person")
	form.Set("address", "Piet@hansen.example")
	if a = d.Post("/contacts/erase", form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("erased: %d %s", a.StatusCode, a.Text)
	}
	webtest.Expect(t, d.Get(a.Header.Get("Location")), http.StatusOK, "Löschung", "Wartet")
	// Another tenant's person is nobody here, by identifier and by address.
	page, err := d.World.Contacts().List(t.Context(), d.World.Other.ID, audience.ContactFilter{})
	if err != nil || len(page.Contacts) == 0 {
		t.Fatal(err)
	}
	webtest.Expect(t, d.Get("/contacts/erase?person="+page.Contacts[0].ID.String()), http.StatusNotFound, "")
	webtest.Expect(t, d.Get("/contacts/erase?person=niemand%40x.example"), http.StatusOK, "nichts gespeichert")
}

func TestReadersChangeNothing(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Reader)
	one := contact(d, "sommer")
	a := d.Get(one)
	webtest.Expect(t, a, http.StatusOK, "Eva Sommer")
	for _, never := range []string{"/edit", "/contacts/erase", "/contacts/access"} {
		if strings.Contains(a.Text, never) {
			t.Errorf("a reader is shown the way to %s", never)
		}
	}
	webtest.Expect(t, d.Get("/privacy"), http.StatusOK, "24", "Nach Fristablauf gelöscht")
}

func TestSettingsAreHeldToTheRules(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	webtest.Expect(t, d.Post("/privacy", url.Values{"months": {"0"}}), http.StatusUnprocessableEntity, "1 bis 120 Monate")
	if a := d.Post("/privacy", url.Values{"months": {"36"}, "gather": {"on"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("saved: %d", a.StatusCode)
	}
	a := d.Get("/privacy")
	webtest.Expect(t, a, http.StatusOK, "1.204")
	says(t, a, `value="36"`)
}
