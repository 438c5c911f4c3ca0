package helpdesk_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stafette/internal/help"
	"stafette/internal/i18n"
	"stafette/internal/web/webtest"
)

// Everybody may read the public pages; they are the same for all, set no cookie and may
// be kept.
func TestPublicPagesAreForEverybodyAndCaches(t *testing.T) {
	d := webtest.Open(t)
	for path, lang := range map[string]string{"/hilfe": "de", "/hilfe/states": "de", "/help": "en", "/help/states": "en", "/hilfe?q=spam": "de"} {
		a := d.Get(path)
		if got := webtest.Attribute(webtest.Find(a.Document(t), "html"), "lang"); got != lang {
			t.Errorf("%s is in %q", path, got)
		}
		if cache := a.Header.Get("Cache-Control"); a.StatusCode != http.StatusOK || !strings.HasPrefix(cache, "public, max-age=") || len(a.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s: status %d, %s, cookies %v", path, a.StatusCode, cache, a.Header.Values("Set-Cookie"))
		}
	}
	clerk := webtest.Open(t).SignIn(webtest.Clerk)
	if a := clerk.Get("/hilfe/states"); a.Text != d.Get("/hilfe/states").Text || strings.Contains(a.Text, "hafenkontor") {
		t.Error("the public page is not the same for somebody who is signed in")
	}
	a := clerk.Get("/help/states")
	if a.Header.Get("Cache-Control") != "no-store" || !strings.Contains(a.Header.Get("Vary"), "Cookie") || !strings.Contains(d.Get("/help").Header.Get("Vary"), "Cookie") {
		t.Errorf("the office's page may be kept: %v", a.Header)
	}
	webtest.Expect(t, a, http.StatusOK, "Was die Zustellungsstatus bedeuten", "Hafenkontor")
	for _, path := range []string{"/hilfe/nirgends", "/hilfe/..%2fstates"} {
		if a := d.Get(path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
}

func TestAnswersAndGapsAreCounted(t *testing.T) {
	d := webtest.Open(t)
	post := func(path string, form url.Values, status int, location string) {
		t.Helper()
		a := d.Post(path, form)
		if a.StatusCode != status || a.Header.Get("Location") != location {
			t.Errorf("%s %v: status %d to %q", path, form, a.StatusCode, a.Header.Get("Location"))
		}
	}
	post("/help/states/answer", url.Values{"at": {"/hilfe"}, "helped": {"yes"}}, http.StatusSeeOther, "/hilfe/states?done=thanks")
	post("/help/states/answer", url.Values{"at": {"https://evil.example"}, "helped": {"no"}}, http.StatusSeeOther, "/help/states?done=thanks")
	post("/help/states/answer", url.Values{"helped": {"maybe"}}, http.StatusUnprocessableEntity, "")
	post("/help/nowhere/answer", url.Values{"helped": {"yes"}}, http.StatusNotFound, "")
	for range 3 {
		post("/help/missing", url.Values{"q": {"Brieftaube an eva@kunde.example 01761234567"}, "at": {"/hilfe"}}, http.StatusSeeOther, "/hilfe?done=noted")
	}
	staff := d.SignIn(webtest.Staff)
	a := staff.Get("/platform/help")
	webtest.Expect(t, a, http.StatusOK, "Was die Zustellungsstatus bedeuten Deutsch 1 0", "What the delivery states mean English 0 1", "brieftaube an 3-mal", "adressbuch umzug")
	for _, never := range []string{"eva", "0176", "frau m"} {
		if strings.Contains(strings.ToLower(a.Text), never) {
			t.Errorf("the counts tell %q", never)
		}
	}
}

// Every article that the office links to is there, in both languages.
func TestLinkedArticlesExist(t *testing.T) {
	library, err := help.Load("approval", "digests", "lead", "offer", "redelivery", "tracking")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`HelpLink\("([^"]+)"|href="/help/([a-z-]+)"`)
	files, err := filepath.Glob("../*/*.templ")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			found++
			for _, lang := range i18n.Langs() {
				if _, ok := library.Article(lang, m[1]+m[2]); !ok {
					t.Errorf("%s links to %q, which does not exist in %s", file, m[1]+m[2], lang)
				}
			}
		}
	}
	if found < 6 {
		t.Errorf("only %d links found", found)
	}
}
