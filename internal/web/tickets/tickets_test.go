package tickets_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/tenant"
	"stafette/internal/web/webtest"
)

// TestLockedAccountAppeals: a locked account may appeal, with nothing else open to it, and a
// reviewer decides.
func TestLockedAccountAppeals(t *testing.T) {
	d := webtest.Open(t)
	d.World.Tenant.State, d.World.Tenant.LockReason = tenant.Locked, "Falsche Angaben <b>"
	d.SignIn(webtest.Clerk)
	if a := d.Get("/messages"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/locked" {
		t.Errorf("a locked account reads messages: %d", a.StatusCode)
	}
	if a := d.Get("/requests/new"); a.StatusCode != http.StatusOK || !strings.Contains(a.Text, "Falsche Angaben &lt;b&gt;") {
		t.Errorf("the form: %d", a.StatusCode)
	}
	a := d.Post("/requests", url.Values{"category": {"other"}, "text": {"Die Angaben stimmen."}})
	at, _, _ := strings.Cut(a.Header.Get("Location"), "?")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(at, "/requests/tkt_") {
		t.Fatalf("the appeal: %d to %q", a.StatusCode, at)
	}
	if a := d.Post("/requests", url.Values{"text": {"Und noch einer."}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a second appeal: %d", a.StatusCode)
	}
	d.SignIn(webtest.Helper)
	if a := d.Post("/platform"+at+"/decide", url.Values{"verdict": {"grant"}, "text": {"Stimmt."}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("support decided: %d", a.StatusCode)
	}
	// Who has to do with the account neither sees the appeal nor decides it.
	d.World.Partial = webtest.Checker
	d.SignIn(webtest.Checker)
	if a := d.Get("/platform/requests"); a.StatusCode != http.StatusOK || strings.Contains(a.Text, at) {
		t.Errorf("the list of somebody partial: %d, %s", a.StatusCode, at)
	}
	for _, path := range []string{at, at + "/files/tkf_00000000000000000000000000"} {
		if a := d.Get("/platform" + path); a.StatusCode != http.StatusForbidden {
			t.Errorf("somebody partial reads %s: %d", path, a.StatusCode)
		}
	}
	for _, path := range []string{"/decide", "/reply", "/close"} {
		if a := d.Post("/platform"+at+path, url.Values{"verdict": {"grant"}, "text": {"Stimmt."}}); a.StatusCode != http.StatusForbidden {
			t.Errorf("somebody partial does %s: %d", path, a.StatusCode)
		}
	}
	d.World.Partial = ""
	if a := d.Get("/platform/requests"); !strings.Contains(a.Text, at) {
		t.Errorf("the list lacks %s", at)
	}
	for _, c := range []struct {
		form   url.Values
		status int
	}{
		{url.Values{"verdict": {"maybe"}, "text": {"Stimmt."}}, http.StatusUnprocessableEntity},
		{url.Values{"verdict": {"grant"}, "text": {"."}}, http.StatusUnprocessableEntity},
		{url.Values{"verdict": {"grant"}, "text": {"Stimmt."}}, http.StatusSeeOther},
		{url.Values{"verdict": {"deny"}, "text": {"Doch nicht."}}, http.StatusUnprocessableEntity},
	} {
		if a := d.Post("/platform"+at+"/decide", c.form); a.StatusCode != c.status {
			t.Errorf("%v: status %d, want %d", c.form, a.StatusCode, c.status)
		}
	}
}
