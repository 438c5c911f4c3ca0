package groups_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/audience"
	"stafette/internal/web/webtest"
)

// group is the path of the world's group of a name.
func group(d *webtest.Desk, name string) string {
	d.T.Helper()
	list, err := d.World.Groups().List(d.T.Context(), d.World.Tenant.ID)
	if err != nil {
		d.T.Fatal(err)
	}
	for _, g := range list {
		if g.Name == name {
			return "/groups/" + g.ID.String()
		}
	}
	d.T.Fatalf("no group %s", name)
	return ""
}

func TestGroupsAreListedAndExported(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get("/groups"), http.StatusOK, "Mieter Ottensen", "Freigabe erforderlich", "Nach Regeln")
	webtest.Expect(t, d.Get("/groups?q=messe"), http.StatusOK, "Interessenten Messe Hamburg 2026")
	if a := d.Get("/groups?q=messe"); strings.Contains(a.Text, "Mieter Ottensen") || strings.Contains(a.Text, "Fremde") {
		t.Error("the search shows other groups")
	}
	if file := d.Get("/groups.csv"); !strings.Contains(file.Text, "Mieter Ottensen;Freigabe erforderlich;0") {
		t.Errorf("CSV:\n%s", file.Text)
	}
}

func TestGroupIsMadeFilledAndDeleted(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, posted(d, "/groups", url.Values{"kind": {"static"}, "name": {"MIETER ottensen"}}), http.StatusUnprocessableEntity, "heißt schon")
	webtest.Expect(t, posted(d, "/groups", url.Values{"kind": {"static"}, "name": {"Käufer"}}), http.StatusOK, "Die Gruppe ist angelegt.", "Noch niemand in der Gruppe")
	one := group(d, "Käufer")
	webtest.Expect(t, posted(d, one+"/add", url.Values{"email": {"unsinn"}}), http.StatusUnprocessableEntity, "")
	webtest.Expect(t, posted(d, one+"/add", url.Values{"email": {"neu@kunde.example"}}), http.StatusOK, "Der Kontakt ist in der Gruppe.", "Von Hand aufgenommen")
	webtest.Expect(t, posted(d, one+"/add", url.Values{"email": {"NEU@kunde.example"}}), http.StatusOK, "war schon in der Gruppe")
	if file := d.Get(one + "/members.csv"); !strings.Contains(file.Text, "neu@kunde.example;") {
		t.Errorf("CSV:\n%s", file.Text)
	}
	page, err := d.World.Contacts().List(t.Context(), d.World.Tenant.ID, audience.ContactFilter{Text: "neu@"})
	if err != nil || len(page.Contacts) != 1 {
		t.Fatal(page, err)
	}
	webtest.Expect(t, posted(d, one+"/remove", url.Values{"contact": {page.Contacts[0].ID.String()}}), http.StatusOK, "nicht mehr in der Gruppe")
	webtest.Expect(t, posted(d, one+"/delete", nil), http.StatusOK, "Die Gruppe ist gelöscht.")
	webtest.Expect(t, d.Get(one), http.StatusNotFound, "")
}

func TestRulesAreBuiltAndCounted(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	form := url.Values{"kind": {"dynamic"}, "name": {"Kaufinteresse"}, "join": {"any"}, "rule2-of": {"tag"}, "rule2-is": {"has"}, "rule2-value": {"vip"}}
	counting := url.Values{"count": {"1"}}
	for key, value := range form {
		counting[key] = value
	}
	webtest.Expect(t, posted(d, "/groups", counting), http.StatusOK, "Die Regeln treffen auf 1 Kontakt zu.")
	form.Set("rule2-is", "more")
	webtest.Expect(t, posted(d, "/groups", form), http.StatusUnprocessableEntity, "So lässt sich das nicht vergleichen.")
	form.Set("rule2-is", "has")
	webtest.Expect(t, posted(d, "/groups", form), http.StatusOK, "Mindestens eine Regel trifft zu", "Schlagwort hat vip", "Eva Sommer")
}

// Groups and fixed values are written by the names people know.
func TestRulesTakeNames(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	group(d, "Mieter Ottensen")
	form := url.Values{"kind": {"dynamic"}, "name": {"Bestätigt"}, "join": {"all"}, "rule0-of": {"group"}, "rule0-is": {"lacks"}, "rule0-value": {"mieter OTTENSEN"},
		"rule1-of": {"consent_basis"}, "rule1-is": {"lacks"}, "rule1-value": {"Double-Opt-in"}}
	a := posted(d, "/groups", form)
	webtest.Expect(t, a, http.StatusOK, "Gruppe hat nicht Mieter Ottensen", "Grundlage der Einwilligung hat nicht Double-Opt-in")
	for _, name := range []string{"Mieter Ottensen", "Double-Opt-in"} {
		if edit := d.Get(a.Request.URL.Path + "/edit").Text; strings.Count(edit, `value="`+name+`"`) != 2 { // in its row, and offered
			t.Errorf("the form does not say %s", name)
		}
	}
	form.Set("name", "Andere")
	form.Set("rule1-value", "irgendeine")
	webtest.Expect(t, posted(d, "/groups", form), http.StatusUnprocessableEntity, "")
	form.Set("rule1-value", "written")
	form.Set("rule0-value", "Gibt es nicht")
	webtest.Expect(t, posted(d, "/groups", form), http.StatusUnprocessableEntity, "")
}

// posted sends a form and goes where that leads.
func posted(d *webtest.Desk, path string, form url.Values) webtest.Answer {
	d.T.Helper()
	return follow(d, d.Post(path, form))
}

func follow(d *webtest.Desk, a webtest.Answer) webtest.Answer {
	d.T.Helper()
	if a.StatusCode == http.StatusSeeOther {
		return d.Get(a.Header.Get("Location"))
	}
	return a
}

// sent posts a file with the form of the import page.
func sent(d *webtest.Desk, path, name, text string) webtest.Answer {
	d.T.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write([]byte(text))
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		d.T.Fatal(err)
	}
	r := d.Request(http.MethodPost, path, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return follow(d, d.Do(r))
}

func TestListIsImportedAndTakenBack(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	one := group(d, "Mieter Ottensen")
	webtest.Expect(t, sent(d, one+"/imports", "leer.csv", ""), http.StatusUnprocessableEntity, "Die Liste ist leer.")
	webtest.Expect(t, sent(d, one+"/imports", "mappe.xlsx", "PK\x03\x04"), http.StatusUnprocessableEntity, "Diese Arbeitsmappe lässt sich nicht lesen.")
	a := sent(d, one+"/imports", "mieter.csv", "\ufeffE-Mail;Vorname;Wohnung\njörg@mieter.example;Jörg;7\nkein-at;Nie;8\n")
	webtest.Expect(t, a, http.StatusOK, "mieter.csv, 2 Zeilen", "Wohnung", "jörg@mieter.example")
	page := a.Request.URL.Path
	webtest.Expect(t, posted(d, page, url.Values{"column0": {"given_name"}, "existing": {"fill"}}), http.StatusUnprocessableEntity, "Sagen Sie, welche Spalte", "woher die Adressen kommen")
	form := url.Values{"column0": {"email"}, "column1": {"given_name"}, "column2": {""}, "existing": {"fill"}, "source": {"Mietverträge"}}
	webtest.Expect(t, posted(d, page, form), http.StatusOK, "Wird importiert")
	turn(d)
	webtest.Expect(t, d.Get(page), http.StatusOK, "Importiert", "kein-at", "Import zurücknehmen", "Mietverträge")
	if file := d.Get(page + "/faults.csv"); !strings.Contains(file.Text, "3;E-Mail-Adresse;kein-at;") {
		t.Errorf("CSV:\n%s", file.Text)
	}
	webtest.Expect(t, d.Get(one), http.StatusOK, "Jörg", "mieter.csv", "Mietverträge")
	webtest.Expect(t, posted(d, page+"/undo", nil), http.StatusOK, "Wird zurückgenommen")
	turn(d)
	webtest.Expect(t, d.Get(page), http.StatusOK, "Zurückgenommen")
	webtest.Expect(t, d.Get(one), http.StatusOK, "Noch niemand in der Gruppe")
}

// TestPreviewShowsTroubleFurtherDown: what stands out in a list is shown before it is
// imported, also where it stands below the first rows.
func TestPreviewShowsTroubleFurtherDown(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	var list strings.Builder
	list.WriteString("E-Mail;Vorname\n")
	for n := range 60 {
		fmt.Fprintf(&list, "gast.%d@mieter.example;Gast\n", n)
	}
	list.WriteString("kein-at;Nie\nGAST.3@mieter.example;Noch\n;Niemand\n")
	a := sent(d, group(d, "Mieter Ottensen")+"/imports", "gaeste.csv", list.String())
	webtest.Expect(t, a, http.StatusOK, "die ersten 63 Zeilen", "gast.19@mieter.example", "kein-at", "2 Zeilen können nicht", "1 Adresse ist doppelt", "Doppelt in der Liste")
	if strings.Contains(a.Text, "gast.20@mieter.example") {
		t.Error("the preview shows all rows")
	}
}

func turn(d *webtest.Desk) {
	d.T.Helper()
	if _, err := d.World.Intake().Turn(d.T.Context()); err != nil {
		d.T.Fatal(err)
	}
}
