package campaigns_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// A mailing is made public and taken back on its page; what everybody would see is shown in a
// sandbox before.
func TestMailingMadePublic(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	_, after, _ := strings.Cut(d.Get("/campaigns").Text, `href="/campaigns/cmp_`)
	number, _, _ := strings.Cut(after, `"`)
	one := "/campaigns/cmp_" + number
	webtest.Expect(t, d.Get(one), http.StatusOK, "Öffentliche Seite", "Nicht öffentlich")
	if !strings.Contains(d.Get(one).Text, `href="https://inhalt.example/mailings/`) {
		t.Error("the list of public mailings is not led to")
	}
	page := d.Get(one + "/public.html")
	if policy := page.Header.Get("Content-Security-Policy"); page.StatusCode != http.StatusOK || !strings.HasSuffix(policy, "sandbox") {
		t.Errorf("page before: %d, %q", page.StatusCode, policy)
	}
	if strings.Contains(page.Text, "Sommer") {
		t.Error("a contact's name is on the public page")
	}
	if a := d.Post(one+"/publish", url.Values{"public": {"on"}, "index": {"on"}}); a.StatusCode != http.StatusSeeOther || !strings.HasSuffix(a.Header.Get("Location"), "done=published") {
		t.Fatalf("made public: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get(one), http.StatusOK, "Öffentlich, sobald gesendet wird")
	if a := d.Post(one+"/publish", url.Values{"index": {"on"}}); !strings.HasSuffix(a.Header.Get("Location"), "done=unpublished") {
		t.Fatalf("taken back: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get(one), http.StatusOK, "Nicht öffentlich")
}
