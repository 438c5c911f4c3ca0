package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

func TestOwnersChangeTheirSettings(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	if a := d.Get("/settings"); a.StatusCode != http.StatusOK || !strings.Contains(a.Text, `value="040 123456"`) || !strings.Contains(a.Text, "Am Kai 1, 20457 Hamburg") {
		t.Errorf("shown: %d %s", a.StatusCode, a.Text)
	}
	form := url.Values{"name": {"Hafen"}, "locale": {"de"}, "office_tone": {"du"}, "customer_tone": {"sie"}, "time_zone": {"Mond"}, "imprint": {"<b>"}}
	webtest.Expect(t, d.Post("/settings", form), http.StatusUnprocessableEntity, "„Mond“ ist keine Zeitzone")
	form.Set("time_zone", "Europe/Vienna")
	if a := d.Post("/settings", form); a.Header.Get("Location") != "/settings?done=saved" || !slices.Contains(d.World.Accounts().Deeds, "save Hafen") {
		t.Errorf("saved: %d to %q, %v", a.StatusCode, a.Header.Get("Location"), d.World.Accounts().Deeds)
	}
	reader := webtest.Open(t).SignIn(webtest.Reader)
	if a := reader.Get("/settings"); a.StatusCode != http.StatusOK || strings.Contains(a.Text, `action="/settings"`) {
		t.Errorf("somebody who may not change them sees a form: %d", a.StatusCode)
	}
	if a := reader.Post("/settings", form); a.StatusCode != http.StatusForbidden {
		t.Errorf("changed by somebody who may not: %d", a.StatusCode)
	}
}

// A new letter begins with what the account has set, and times are in its zone.
func TestSettingsHoldOnOtherPages(t *testing.T) {
	d := webtest.Open(t)
	d.World.Tenant.TimeZone = "Pacific/Kiritimati"
	d.SignIn(webtest.Clerk)
	a := d.Get("/messages/new")
	if !strings.Contains(a.Text, `value="info"`) || !strings.Contains(a.Text, `value="Hafenkontor"`) {
		t.Error("the letter does not begin with the account's sender")
	}
	if at := strings.Index(a.Text, `value="reminder"`); at < 0 || !strings.Contains(a.Text[at:at+60], "checked") && !strings.Contains(a.Text[at:at+60], "selected") {
		t.Error("the letter does not begin with the account's stream")
	}
	berlin := webtest.Open(t).SignIn(webtest.Clerk)
	if there, here := d.Get("/messages").Text, berlin.Get("/messages").Text; there == here {
		t.Error("times do not follow the account's zone")
	}
}
