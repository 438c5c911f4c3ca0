package templates_test

import (
	"bytes"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// form is one with a file, as a browser without script sends it.
func form(t *testing.T, name, body string) (string, string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write([]byte(body))
	}
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), m.FormDataContentType()
}

// The logo is sent, shown, refused in words, taken away and brought back by forms alone.
func TestLogoByForms(t *testing.T) {
	const page, at = "/templates/brand", "/templates/brand/logo"
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get(page), http.StatusOK, "Kein Logo")
	if got := d.Get(at); got.StatusCode != http.StatusNotFound {
		t.Errorf("no logo: %d", got.StatusCode)
	}
	var drawn bytes.Buffer
	if err := png.Encode(&drawn, image.NewNRGBA(image.Rect(0, 0, 60, 20))); err != nil {
		t.Fatal(err)
	}
	send := func(name, body string) webtest.Answer {
		text, kind := form(t, name, body)
		r := d.Request(http.MethodPost, at, strings.NewReader(text))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		return d.Do(r)
	}
	leads := func(a webtest.Answer, done string) {
		t.Helper()
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != page+"?done="+done {
			t.Fatalf("%d %v %s", a.StatusCode, a.Header, a.Text)
		}
	}
	leads(send("logo.png", drawn.String()), "logo")
	webtest.Expect(t, d.Get(page+"?done=logo"), http.StatusOK, "Das Logo ist gespeichert.", "60 × 20 Pixel", "Logo entfernen")
	if got := d.Get(at); got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "image/png" || !strings.Contains(got.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("logo: %d %v", got.StatusCode, got.Header)
	}
	webtest.Expect(t, send("logo.svg", "<svg/>"), http.StatusUnprocessableEntity, "PNG, JPEG oder WebP", "60 × 20 Pixel")
	webtest.Expect(t, send("leer.png", ""), http.StatusUnprocessableEntity, "Wählen Sie eine Datei.")
	leads(d.Post(at, map[string][]string{"do": {"drop"}}), "logo-dropped")
	webtest.Expect(t, d.Get(page), http.StatusOK, "Kein Logo", "Voriges Logo zurückholen")
	leads(d.Post(at, map[string][]string{"do": {"restore"}}), "logo-restored")
	webtest.Expect(t, d.Get(page), http.StatusOK, "60 × 20 Pixel")
}
