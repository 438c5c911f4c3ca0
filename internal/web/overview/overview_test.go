package overview_test

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

func TestFirstPageTellsWhatMatters(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get("/")
	webtest.Expect(t, a, http.StatusOK, "Newsletter und Erinnerungen sind angehalten", "angehalten", "Zustellrate je Anbieter", "GMX",
		"Zustellrate: zugestellt geteilt durch", "Zeit bis zur Zustellung", "Erwartung 15 min", "Als Tabelle")
	for path, want := range map[string]string{"/?range=7": "in 7 Tagen", "/?range=30": "in 30 Tagen"} {
		webtest.Expect(t, d.Get(path), http.StatusOK, want)
	}
}

var key = regexp.MustCompile(`name="key" value="([^"]*)"`)

// What may wait is put aside for one person and a week; what must be done is not.
func TestSomeThingsCanWait(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	before := key.FindAllStringSubmatch(d.Get("/").Text, -1)
	if len(before) == 0 {
		t.Fatal("nothing may be put aside")
	}
	for _, one := range append(before, []string{"", "halt"}, []string{"", "held"}, []string{"", "nonsense"}) {
		if a := d.Post("/todos/dismiss", url.Values{"key": {one[1]}}); a.Header.Get("Location") != "/?done=dismissed" {
			t.Fatalf("status %d to %q", a.StatusCode, a.Header.Get("Location"))
		}
	}
	a := d.Get("/?done=dismissed")
	webtest.Expect(t, a, http.StatusOK, "Beiseitegelegt", "Newsletter und Erinnerungen sind angehalten")
	if left := key.FindAllString(a.Text, -1); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
	d.World.Advance(8 * 24 * 60 * 60 * 1e9)
	if left := key.FindAllString(d.Get("/").Text, -1); len(left) == 0 {
		t.Error("it never comes back")
	}
}

func TestAFailureIsAPageOfItsOwn(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	d.World.Break(errors.New("disk on fire"))
	if a := d.Get("/"); a.StatusCode != http.StatusInternalServerError || strings.Contains(a.Text, "on fire") {
		t.Errorf("status %d", a.StatusCode)
	}
}
