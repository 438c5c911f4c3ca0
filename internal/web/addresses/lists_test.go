package addresses_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// upload sends the form of a list: fields in turn, the file last.
func upload(d *webtest.Desk, file, text string, fields ...string) webtest.Answer {
	d.T.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			d.T.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", file)
	if err != nil {
		d.T.Fatal(err)
	}
	if _, err := part.Write([]byte(text)); err != nil {
		d.T.Fatal(err)
	}
	if err := form.Close(); err != nil {
		d.T.Fatal(err)
	}
	r := d.Request(http.MethodPost, "/addresses/lists", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.Do(r)
}

func TestListIsTakenAndTold(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	list := d.Get("/addresses/lists")
	webtest.Expect(t, list, http.StatusOK, "Kunden <b>2026</b>.csv", "Wird geprüft", "sieben Tage")
	a := upload(d, "kunden.csv", "Name;Mail privat\nEva;eva@kunde.example\n", "stream", "newsletter", "column", "mail privat", "list", "")
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	path := a.Header.Get("Location")
	webtest.Expect(t, d.Get(path), http.StatusOK, "kunden.csv", "0 von 1 geprüft", "Adressen aus der Spalte „Mail privat“", "Prüfung abbrechen")
	pasted := upload(d, "", "", "stream", "newsletter", "column", "", "list", "eva@kunde.example\nmax@kunde.example")
	webtest.Expect(t, d.Get(pasted.Header.Get("Location")), http.StatusOK, "Eingefügte Liste", "2 Adressen")
	for says, text := range map[string]string{
		"Excel-Datei":                 "PK\x03\x04",
		"Die Liste ist leer.":         "\n",
		"keine Spalte mit Adressen":   "Name;Ort\nEva;Bonn\n",
		"Die Datei ist keine lesbare": "mail;x\n\"a;b",
	} {
		webtest.Expect(t, upload(d, "a.csv", text, "stream", "newsletter"), http.StatusUnprocessableEntity, says)
	}
	for _, deed := range []string{"/cancel", "/delete"} {
		if a := d.Post(path+deed, nil); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: status %d", deed, a.StatusCode)
		}
	}
	webtest.Expect(t, d.Get(path), http.StatusNotFound, "sieben Tagen")
}

// TestListResults: sums in sentences, and exports without formulas (T28).
func TestListResults(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	page := d.Get("/addresses/lists")
	i := strings.Index(page.Text, "Kunden &lt;b&gt;")
	path := page.Text[strings.LastIndex(page.Text[:i], "/addresses/lists/chk_"):]
	path = path[:strings.IndexByte(path, '"')]
	webtest.Expect(t, d.Get(path), http.StatusOK, "Geprüft", "2 Adressen sind gültig.", "Eine Adresse ist gesperrt.", "Eine Zeile steht doppelt in der Liste.",
		"Bei einer Adresse nimmt die Domain keine E-Mail an.", "meier@gmail.com", "<script>alert(1)</script>@holm.example")
	if a := d.Get(path + "/rows.csv?result=ok"); a.Text != "\ufeffAdresse\nada@holm.example\n'=cmd@holm.example\n" {
		t.Errorf("good ones: %q", a.Text)
	}
	a := d.Get(path + "/rows.csv?result=rest")
	if strings.Contains(a.Text, ";=") || !strings.Contains(a.Text, "5;ADA@holm.example;Doppelt;Die Adresse steht weiter oben schon einmal.;\n") || strings.Count(a.Text, "\n") != 9 {
		t.Errorf("the rest: %q", a.Text)
	}
}
