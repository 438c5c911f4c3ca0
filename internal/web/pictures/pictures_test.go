package pictures_test

import (
	"bytes"
	"image/color"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// upload sends a picture as the form of the library does.
func upload(t *testing.T, d *webtest.Desk, file []byte, fields map[string]string) webtest.Answer {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", "Kran.png")
	if err == nil {
		_, err = part.Write(file)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := d.Request(http.MethodPost, "/pictures", nil)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Body = http.NoBody
	r.Body, r.ContentLength = readCloser{&b}, int64(b.Len())
	return d.Do(r)
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// A picture is uploaded, found, put into a letter by its name, and cannot be deleted while
// something shows it.
func TestLibrary(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, upload(t, d, []byte("<svg>"), map[string]string{"alt": "Ein Kran"}), http.StatusUnprocessableEntity, "JPEG, PNG, GIF oder WebP")
	webtest.Expect(t, upload(t, d, nil, map[string]string{"alt": "Ein Kran"}), http.StatusUnprocessableEntity, "Bitte eine Datei wählen.")
	green := webtest.Picture(40, 30, color.NRGBA{G: 200, A: 255})
	webtest.Expect(t, upload(t, d, green, nil), http.StatusUnprocessableEntity, "in höchstens 300 Zeichen")
	made := upload(t, d, green, map[string]string{"alt": "Ein Kran"})
	if made.StatusCode != http.StatusSeeOther {
		t.Fatalf("uploaded: %d %s", made.StatusCode, made.Text)
	}
	one, _, _ := strings.Cut(made.Header.Get("Location"), "?")
	shown := d.Get(one)
	webtest.Expect(t, shown, http.StatusOK, "Kran", "40 × 30", "Nirgends.")
	holds(t, shown, "https://post.example/bilder/")
	again := upload(t, d, green, map[string]string{"alt": "x"})
	webtest.Expect(t, again, http.StatusConflict, "schon in der Bibliothek")
	holds(t, again, one)
	holds(t, d.Get("/pictures?q=kran"), one)
	if file := d.Get(one + "/small.img"); file.Header.Get("Content-Type") != "image/png" || !strings.Contains(file.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("small copy: %v", file.Header)
	}
	webtest.Expect(t, d.Post(one, url.Values{"name": {""}, "alt": {"x"}}), http.StatusUnprocessableEntity, "Ein Name hat")
	if a := d.Post(one, url.Values{"name": {"Hafenkran"}, "alt": {"Ein alter Kran"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("changed: %d", a.StatusCode)
	}

	// In an editor it is chosen by its name, and its words come with it.
	number := strings.TrimPrefix(one, "/pictures/")
	form := url.Values{"mode": {"blocks"}, "do": {"add"}, "add": {"divider"}, "name": {"Mai"}, "blocks/0/kind": {"picture"}, "blocks/0/pick": {number}, "blocks/1/kind": {"footer"}}
	edited := d.Post("/campaigns", form)
	holds(t, edited, "https://post.example/bilder/")
	holds(t, edited, `value="Ein alter Kran"`)
	form.Set("blocks/0/alt", "Meine Worte")
	holds(t, d.Post("/campaigns", form), `value="Meine Worte"`)
	form.Set("blocks/0/pick", "pic_00000000000000000000000000")
	if a := d.Post("/campaigns", form); strings.Contains(a.Text, "post.example/bilder") {
		t.Error("a picture that is not there was put in")
	}

	if a := d.Post(one+"/delete", nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("deleted: %d", a.StatusCode)
	}
	webtest.Expect(t, d.Get(one), http.StatusNotFound)
	used := "/pictures/" + usedOf(t, d)
	webtest.Expect(t, d.Get(used), http.StatusOK, "Mailing: Mai <b>", "Vorlage: Brief", "Marke: Logo")
	webtest.Expect(t, d.Post(used+"/delete", nil), http.StatusConflict, "kann nicht gelöscht werden")
}

func holds(t *testing.T, a webtest.Answer, text string) {
	t.Helper()
	if !strings.Contains(a.Text, text) {
		t.Errorf("%s does not have %q", a.Request.URL, text)
	}
}

// usedOf is the picture of the world that a mailing shows.
func usedOf(t *testing.T, d *webtest.Desk) string {
	t.Helper()
	_, after, _ := strings.Cut(d.Get("/pictures?q=hafen").Text, `<tr id="`)
	number, _, ok := strings.Cut(after, `"`)
	if !ok {
		t.Fatal("no picture")
	}
	return number
}
