package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

func TestSignIn(t *testing.T) {
	d := webtest.Open(t)
	wrong := d.Post("/signin", url.Values{"email": {webtest.Clerk}, "password": {"falsch-geheim"}, "next": {"/messages"}})
	webtest.Expect(t, wrong, http.StatusUnauthorized, "E-Mail-Adresse oder Passwort stimmt nicht.")
	if !strings.Contains(wrong.Text, webtest.Clerk) || strings.Contains(wrong.Text, "falsch-geheim") {
		t.Error("the form must keep the address and forget the password")
	}
	unknown := d.Post("/signin", url.Values{"email": {"niemand@hafenkontor.example"}, "password": {"x"}})
	if !strings.Contains(unknown.Text, "E-Mail-Adresse oder Passwort stimmt nicht.") || unknown.StatusCode != wrong.StatusCode {
		t.Error("an unknown address is told apart from a wrong password")
	}
	right := d.Post("/signin", url.Values{"email": {webtest.Clerk}, "password": {webtest.Password}, "next": {"/messages?state=held"}})
	if right.StatusCode != http.StatusSeeOther || right.Header.Get("Location") != "/messages?state=held" {
		t.Errorf("status %d to %q", right.StatusCode, right.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get("/"), http.StatusOK, "Donnerstag, 19. November", "J. Petersen")
	d.Post("/signout", nil)
	if a := d.Get("/"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("after signing out: status %d", a.StatusCode)
	}
}

func TestSignInIsThrottled(t *testing.T) {
	d := webtest.Open(t)
	for range 10 {
		d.Post("/signin", url.Values{"email": {webtest.Clerk}, "password": {"x"}})
	}
	a := d.Post("/signin", url.Values{"email": {webtest.Clerk}, "password": {webtest.Password}})
	webtest.Expect(t, a, http.StatusTooManyRequests, "Zur Sicherheit geht es in 15 Minuten weiter.")
}

func TestSessionCookie(t *testing.T) {
	for _, c := range []struct {
		public, name string
		secure       bool
	}{{"http://buero.example", "stafette", false}, {"https://buero.example", "__Host-stafette", true}} {
		d := webtest.Open(t, func(config *web.Config) { config.PublicURL = c.public })
		a := d.Post("/signin", url.Values{"email": {webtest.Clerk}, "password": {webtest.Password}})
		cookies := a.Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%s: %d cookies", c.public, len(cookies))
		}
		k := cookies[0]
		if k.Name != c.name || k.Secure != c.secure || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || k.Domain != "" {
			t.Errorf("%s: cookie %+v", c.public, k)
		}
		if got := a.Header.Get("Strict-Transport-Security") != ""; got != c.secure {
			t.Errorf("%s: HSTS is %v", c.public, got)
		}
	}
}

func TestPreferences(t *testing.T) {
	d := webtest.Open(t)
	a := d.Post("/preferences", url.Values{"lang": {"en"}, "back": {"/signin?next=%2Fmessages"}})
	if a.Header.Get("Location") != "/signin?next=%2Fmessages" {
		t.Errorf("back to %q", a.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get("/signin"), http.StatusOK, "Sign in", "Password")
	d.Post("/preferences", url.Values{"theme": {"dark"}, "lang": {"xx"}})
	dark := d.Get("/signin")
	if got := webtest.Attribute(webtest.Find(dark.Document(t), "html"), "data-theme"); got != "dark" {
		t.Errorf("theme is %q", got)
	}
	webtest.Expect(t, dark, http.StatusOK, "Sign in")
	d.Post("/preferences", url.Values{"theme": {"auto"}})
	if webtest.Has(webtest.Find(d.Get("/signin").Document(t), "html"), "data-theme") {
		t.Error("the theme still overrules the device")
	}
}

// Columns, density and the switch of single keys are kept; what is no choice is not.
func TestPreferencesOfTables(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	heads := func() string { return webtest.Words(webtest.Find(d.Get("/messages").Document(t), "thead")) }
	first := heads()
	d.Post("/preferences", url.Values{"table": {"messages"}, "col": {"time", "host", "nonsense"}, "density": {"compact"}, "keys": {"off"}})
	if got := heads(); got != "Auswahl Zeit Server" {
		t.Errorf("columns %q", got)
	}
	page := webtest.Find(d.Get("/").Document(t), "html")
	if webtest.Attribute(page, "data-density") != "compact" || webtest.Attribute(page, "data-keys") != "off" {
		t.Error("density or keys were not kept")
	}
	for _, table := range []string{"x\r\ny", "../x", ""} {
		if a := d.Post("/preferences", url.Values{"table": {table}, "col": {"time"}}); len(a.Cookies()) != 0 {
			t.Errorf("%q became a cookie: %v", table, a.Cookies())
		}
	}
	d.Post("/preferences", url.Values{"table": {"messages"}, "col": {"time"}, "table_plain": {"1"}, "density": {"normal"}, "keys": {"on"}})
	if got := heads(); got != first {
		t.Errorf("columns %q, at first %q", got, first)
	}
}
