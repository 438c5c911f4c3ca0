package templates_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/web/webtest"
)

// fields are what a page's editor would send.
func fields(t *testing.T, a webtest.Answer) url.Values {
	t.Helper()
	form := url.Values{}
	webtest.Each(a.Document(t), func(n *html.Node) {
		name := webtest.Attribute(n, "name")
		switch {
		case name == "" || n.Data == "button" || n.Data == "select":
		case n.Data == "textarea":
			form.Set(name, webtest.Words(n))
		case n.Data == "input":
			form.Set(name, webtest.Attribute(n, "value"))
		}
	})
	// The last form of the page asks for another language.
	form.Set("lang", "de")
	return form
}

// With a template the whole way is gone by forms alone: blocks are added, moved and
// removed by buttons, nothing is kept before it is saved, and an older version comes back.
func TestEditorWithoutScript(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	made := d.Post("/templates", url.Values{"name": {"Brief"}, "subject": {"Neues für {{name}}"}, "mode": {"blocks"}})
	if made.StatusCode != http.StatusSeeOther {
		t.Fatalf("made: %d %s", made.StatusCode, made.Text)
	}
	one, _, _ := strings.Cut(made.Header.Get("Location"), "?")
	page := d.Get(one)
	webtest.Expect(t, page, http.StatusOK, "1. Kopf", "2. Text", "3. Fußzeile")

	form := fields(t, page)
	form.Set("do", "add")
	form.Set("add", "button")
	added := d.Post(one, form)
	webtest.Expect(t, added, http.StatusOK, "3. Knopf", "4. Fußzeile", "Noch nicht gespeichert.")
	form = fields(t, added)
	form.Set("do", "save")
	webtest.Expect(t, d.Post(one, form), http.StatusUnprocessableEntity, "Diese Angabe braucht der Baustein.", "3. Knopf")
	form.Set("blocks/2/label", "Ansehen <b>")
	form.Set("blocks/2/url", "https://muster.example/")
	form.Set("do", "up/2")
	form = fields(t, d.Post(one, form))
	if form.Get("blocks/1/label") != "Ansehen <b>" || form.Get("blocks/2/kind") != "text" {
		t.Errorf("moved to %v", form)
	}
	webtest.Expect(t, d.Get(one), http.StatusOK, "2. Text", "3. Fußzeile")

	preview := d.Post(one+"/preview", form)
	if preview.StatusCode != http.StatusOK || !strings.Contains(preview.Text, "Ansehen &lt;b&gt;") || !strings.Contains(preview.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("preview: %d %v", preview.StatusCode, preview.Header)
	}
	form.Set("do", "save")
	if saved := d.Post(one, form); saved.StatusCode != http.StatusSeeOther {
		t.Fatalf("saved: %d %s", saved.StatusCode, saved.Text)
	}
	webtest.Expect(t, d.Get(one), http.StatusOK, "2. Knopf", "Nichts zu beanstanden.")
	webtest.Expect(t, d.Post(one, form), http.StatusUnprocessableEntity, "Jemand hat die Vorlage inzwischen gespeichert.")
	webtest.Expect(t, d.Get(one+"/versions"), http.StatusOK, "Fassung 1", "Fassung 2")
	if back := d.Post(one+"/restore", url.Values{"version": {"1"}}); back.StatusCode != http.StatusSeeOther {
		t.Errorf("restored: %d %s", back.StatusCode, back.Text)
	}
	webtest.Expect(t, d.Get(one), http.StatusOK, "2. Text", "3. Fußzeile")
}

// What people type is shown as what they typed, in the editor and in the preview of what
// cannot be drawn (T14).
func TestWordsStayWords(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	own := d.World.Concrete("/templates/{id}", false)
	const bad = `{{"><script>alert(1)</script>`
	form := url.Values{"mode": {"html"}, "name": {"x"}, "subject": {"x"}, "markup": {bad}, "do": {"save"}}
	for _, path := range []string{own, own + "/preview"} {
		if a := d.Post(path, form); strings.Contains(a.Text, "<script>alert") {
			t.Errorf("%s has the script:\n%s", path, a.Text)
		}
	}
	webtest.Expect(t, d.Post(own, form), http.StatusUnprocessableEntity, "Zeile 1: Hier stimmt ein Platzhalter nicht")
	webtest.Expect(t, d.Post("/templates/brand", url.Values{"colour": {"red;}"}}), http.StatusUnprocessableEntity, "Farben sind # mit sechs Ziffern")
}
