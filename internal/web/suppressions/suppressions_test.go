package suppressions_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/web/webtest"
)

// entry is the path of the suppression of an address of the world's tenant.
func entry(d *webtest.Desk, address string) string {
	d.T.Helper()
	page, err := d.World.Suppressions().Suppressions(d.T.Context(), d.World.Tenant.ID, audience.Filter{Text: address})
	if err != nil || len(page.Entries) == 0 {
		d.T.Fatalf("no suppression of %s: %v", address, err)
	}
	return "/suppressions/" + page.Entries[0].ID.String()
}

// I18: a message that was withheld says so and leads to the suppression, and that to the
// message that led to it.
func TestWayFromMessageToSuppressionAndBack(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get(d.Message(event.Suppressed, ""))
	webtest.Expect(t, a, http.StatusOK, "steht für „Newsletter“ auf Ihrer Sperrliste", "Sperre ansehen")
	if link := "/suppressions?q=j.reuter%40web.example"; !strings.Contains(a.Text, link) {
		t.Errorf("no link %s", link)
	}
	webtest.Expect(t, d.Get("/suppressions?q=j.reuter%40web.example"), http.StatusOK, "j.reuter@web.example", "Abgemeldet", "Newsletter")
	a = d.Get(entry(d, "rechnung@kranz-bau.example"))
	webtest.Expect(t, a, http.StatusOK, "Automatisch", "Alle Kategorien", "unbefristet", "Nachricht öffnen")
	if cause := d.Message(event.Bounced, "Rechnung"); !strings.Contains(a.Text, cause) {
		t.Errorf("no way to %s", cause)
	}
}

func TestListIsFilteredSortedAndExported(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for query, want := range map[string][2]string{ // there, not there
		"?reason=complaint":                {"piet@hansen.example", "j.reuter@web.example"},
		"?stream=lead":                     {"rechnung@kranz-bau.example", "piet@hansen.example"},
		"?q=kranz":                         {"rechnung@kranz-bau.example", "piet@hansen.example"},
		"?q=geloescht%40kunde.example":     {"Adresse gelöscht", "piet@hansen.example"},
		"?sort=address&reason=nonsense":    {"piet@hansen.example", "ada@holm.example"},
		"?q=gibtsnicht&reason=hard_bounce": {"Keine Sperre passt dazu", "@"},
	} {
		a := d.Get("/suppressions" + query)
		webtest.Expect(t, a, http.StatusOK, want[0])
		if table := webtest.Find(a.Document(t), "tbody"); table != nil && strings.Contains(webtest.Words(table), want[1]) {
			t.Errorf("%s shows %s", query, want[1])
		}
	}
	file := d.Get("/suppressions.csv?reason=import")
	if !strings.Contains(file.Text, "\n'=cmd@kunde.example;lead;import;") || strings.Contains(file.Text, "piet@") {
		t.Errorf("export:\n%s", file.Text)
	}
}

func TestLiftingNeedsAReason(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	one := entry(d, "piet@hansen.example")
	webtest.Expect(t, d.Post(one+"/lift", url.Values{"reason": {"x"}}), http.StatusUnprocessableEntity, "mindestens 3 Zeichen")
	a := d.Post(one+"/lift", url.Values{"reason": {"hat selbst darum gebeten"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/suppressions?done=lifted" {
		t.Errorf("lifted: %d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get(one), http.StatusNotFound)
	acts, err := d.World.Suppressions().History(t.Context(), d.World.Tenant.ID,
		d.World.Suppressions().Hash(d.World.Tenant.ID, message.Address{Local: "piet", Domain: "hansen.example"}))
	if err != nil || len(acts) != 2 || acts[1].Note != "hat selbst darum gebeten" || !strings.HasPrefix(acts[1].Actor, "usr_") {
		t.Errorf("history %+v, %v", acts, err)
	}
	d.SignIn(webtest.Reader)
	if page := d.Get(entry(d, "j.reuter@web.example")); strings.Contains(page.Text, "/lift") {
		t.Error("a reader is offered to lift")
	}
}

func TestAdding(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Post("/suppressions", url.Values{"address": {"kaputt"}, "reason": {"manual"}, "expires_at": {"morgen"}}),
		http.StatusUnprocessableEntity, "„kaputt“ ist keine E-Mail-Adresse", "Das Datum ist nicht lesbar.")
	webtest.Expect(t, d.Post("/suppressions", url.Values{"address": {"neu@kunde.example"}, "reason": {"manual"}, "expires_at": {"2020-01-01"}, "stream": {"x"}}),
		http.StatusUnprocessableEntity, "Das Ende liegt nicht in der Zukunft.", "Diese Kategorie gibt es nicht.")
	a := d.Post("/suppressions", url.Values{"address": {"neu@kunde.example"}, "reason": {"manual"}, "note": {"rief an"}})
	if a.Header.Get("Location") != "/suppressions?done=added" {
		t.Errorf("added: %d", a.StatusCode)
	}
	webtest.Expect(t, d.Get(entry(d, "neu@kunde.example")), http.StatusOK, "rief an", "J. Petersen")
}

// A list is shown first and taken when that is confirmed; a wrong line stops nothing.
func TestImporting(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "sperren.csv")
	if err != nil {
		t.Fatal(err)
	}
	list := "address;note\neins@kunde.example;<b>\npiet@hansen.example;\nkaputt;\n"
	if _, err := file.Write([]byte(list)); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := d.Request(http.MethodPost, "/suppressions/import", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	a := d.Do(r)
	webtest.Expect(t, a, http.StatusOK, "2 Adressen gelesen, eine Zeile nicht lesbar", "2 Adressen sperren", "Nicht lesbar", "„kaputt“ ist keine E-Mail-Adresse")
	webtest.Expect(t, d.Get("/suppressions?q=eins%40kunde.example"), http.StatusOK, "Keine Sperre passt dazu")
	kept := webtest.Find(a.Document(t), "textarea")
	if kept == nil || kept.FirstChild == nil || kept.FirstChild.Data != list {
		t.Fatalf("the list is not sent back as it was")
	}
	webtest.Expect(t, d.Post("/suppressions/import", url.Values{"confirmed": {"yes"}, "list": {list}}), http.StatusOK,
		"2 neu gesperrt, 0 standen schon auf der Liste, 1 Zeilen nicht lesbar.")
	webtest.Expect(t, d.Get("/suppressions?q=eins%40kunde.example"), http.StatusOK, "eins@kunde.example", "Eingelesen")
	webtest.Expect(t, d.Post("/suppressions/import", url.Values{"list": {strings.Repeat("a\n", 20_001)}}), http.StatusRequestEntityTooLarge, "zu viele Zeilen")
	webtest.Expect(t, d.Post("/suppressions/import", url.Values{}), http.StatusUnprocessableEntity, "Die Liste ist leer.")
}
