package search_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/web/webtest"
)

func TestSearchFindsPagesAndMessages(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get("/search?q=besichtigung"), http.StatusOK, "Suche nach „besichtigung“", "Besichtigung am Samstag, 11 Uhr Vorübergehend verzögert · Karl Brandt · k.brandt@yahoo.example · 10:38")
	webtest.Expect(t, d.Get("/search?q=SPERR"), http.StatusOK, "Seiten", "Sperrliste")
	webtest.Expect(t, d.Get("/search?q=gibtsnicht"), http.StatusOK, "Nichts gefunden für „gibtsnicht“.")
	webtest.Expect(t, d.Get("/search"), http.StatusOK, "Wonach suchen Sie?")
	if a := d.Get("/search?q=salon"); strings.Contains(webtest.Words(webtest.Find(a.Document(t), "main")), "Termin im Salon") {
		t.Error("another tenant's message is found")
	}
}

// T14: what mail says stays text, here and where the palette takes it from.
func TestSearchShowsHostileWordsAsText(t *testing.T) {
	a := webtest.Open(t).SignIn(webtest.Clerk).Get("/search?q=%3Cscript%3E")
	webtest.Expect(t, a, http.StatusOK, "=cmd|' /C calc'!A0 <script>alert(1)</script>")
	webtest.Each(a.Document(t), func(n *html.Node) {
		if n.Data == "script" && webtest.Attribute(n, "src") == "" || webtest.Attribute(n, "onerror") != "" {
			t.Errorf("<%s> lives", n.Data)
		}
	})
}

func TestSearchGoesOnWithoutASource(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	d.World.Break(errors.New("database is on fire at 10.0.0.7"))
	a := d.Get("/search?q=nachricht")
	webtest.Expect(t, a, http.StatusOK, "Ein Teil der Suche ließ sich nicht laden.", "Nachricht schreiben")
	if strings.Contains(a.Text, "fire") {
		t.Error("the text of an inner error reached the page")
	}
}
