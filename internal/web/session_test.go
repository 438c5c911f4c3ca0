package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

func TestSignIn(t *testing.T) {
	d := newDesk(t)
	wrong := d.post("/signin", url.Values{"email": {webtest.Clerk}, "password": {"falsch-geheim"}, "next": {"/messages"}})
	expect(t, wrong, http.StatusUnauthorized, "E-Mail-Adresse oder Passwort stimmt nicht.")
	if !strings.Contains(wrong.text, webtest.Clerk) || strings.Contains(wrong.text, "falsch-geheim") {
		t.Error("the form must keep the address and forget the password")
	}
	unknown := d.post("/signin", url.Values{"email": {"niemand@hafenkontor.example"}, "password": {"x"}})
	if !strings.Contains(unknown.text, "E-Mail-Adresse oder Passwort stimmt nicht.") || unknown.StatusCode != wrong.StatusCode {
		t.Error("an unknown address is told apart from a wrong password")
	}
	right := d.post("/signin", url.Values{"email": {webtest.Clerk}, "password": {webtest.Password}, "next": {"/messages?state=held"}})
	if right.StatusCode != http.StatusSeeOther || right.Header.Get("Location") != "/messages?state=held" {
		t.Errorf("status %d to %q", right.StatusCode, right.Header.Get("Location"))
	}
	expect(t, d.get("/"), http.StatusOK, "Donnerstag, 19. November", "J. Petersen")
	d.post("/signout", nil)
	if a := d.get("/"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("after signing out: status %d", a.StatusCode)
	}
}

func TestSignInIsThrottled(t *testing.T) {
	d := newDesk(t)
	for range 10 {
		d.post("/signin", url.Values{"email": {webtest.Clerk}, "password": {"x"}})
	}
	a := d.post("/signin", url.Values{"email": {webtest.Clerk}, "password": {webtest.Password}})
	expect(t, a, http.StatusTooManyRequests, "Zur Sicherheit geht es in 15 Minuten weiter.")
}

func TestSessionCookie(t *testing.T) {
	for _, c := range []struct {
		public, name string
		secure       bool
	}{{"http://buero.example", "stafette", false}, {"https://buero.example", "__Host-stafette", true}} {
		d := newDesk(t, func(config *web.Config) { config.PublicURL = c.public })
		a := d.post("/signin", url.Values{"email": {webtest.Clerk}, "password": {webtest.Password}})
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

func TestPublicURLMustBeAnOrigin(t *testing.T) {
	for _, bad := range []string{"", "buero.example", "/", "http://%zz"} {
		config, err := webtest.New().Config(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := web.New(config); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestPreferences(t *testing.T) {
	d := newDesk(t)
	a := d.post("/preferences", url.Values{"lang": {"en"}, "back": {"/signin?next=%2Fmessages"}})
	if a.Header.Get("Location") != "/signin?next=%2Fmessages" {
		t.Errorf("back to %q", a.Header.Get("Location"))
	}
	expect(t, d.get("/signin"), http.StatusOK, "Sign in", "Password")
	d.post("/preferences", url.Values{"theme": {"dark"}, "lang": {"xx"}})
	dark := d.get("/signin")
	if got := attribute(find(dark.document(t), "html"), "data-theme"); got != "dark" {
		t.Errorf("theme is %q", got)
	}
	expect(t, dark, http.StatusOK, "Sign in")
	d.post("/preferences", url.Values{"theme": {"auto"}})
	if has(find(d.get("/signin").document(t), "html"), "data-theme") {
		t.Error("the theme still overrules the device")
	}
}

func TestLocalPath(t *testing.T) {
	for target, want := range map[string]string{
		"/messages?q=a&state=held": "/messages?q=a&state=held", "": "/", "messages": "/",
		"//evil.example": "/", "///evil.example": "/", "/\\evil.example": "/", "https://evil.example/": "/", "/\t/evil.example": "/",
		"javascript:alert(1)": "/", "/%2f/evil": "/%2f/evil", "/a\r\nSet-Cookie: x": "/", "\\/evil": "/",
	} {
		if got := web.LocalPath(target); got != want {
			t.Errorf("localPath(%q) = %q, want %q", target, got, want)
		}
	}
}

func TestAssets(t *testing.T) {
	d := newDesk(t)
	page := d.get("/signin")
	weight := len(page.text)
	for _, tag := range []string{"link", "script"} {
		each(page.document(t), func(n *html.Node) {
			link := attribute(n, "href") + attribute(n, "src")
			if n.Data != tag || !strings.HasPrefix(link, "/assets/") {
				return
			}
			r := d.request(http.MethodGet, link, nil)
			r.Header.Set("Accept-Encoding", "gzip")
			a := d.do(r)
			if a.StatusCode != http.StatusOK || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%s: status %d, %v", link, a.StatusCode, a.Header)
			}
			weight += len(a.text)
			if plain := d.get(link); len(plain.text) <= len(a.text) {
				t.Errorf("%s: %d bytes plain, %d squeezed", link, len(plain.text), len(a.text))
			}
		})
	}
	if weight > 60_000 || weight < 10_000 {
		t.Errorf("sign-in weighs %d bytes", weight)
	}
	if a := d.get("/assets/office.000000000000.css"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is not there: status %d", a.StatusCode)
	}
}
