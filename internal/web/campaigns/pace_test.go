package campaigns_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// A mailing bounds providers in its form, says so, and when it will be done.
func TestMailingsSayWhenTheyAreDone(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	at := mailing(t, d, "Im eigenen Tempo")
	webtest.Expect(t, d.Get(at), http.StatusOK, "Übergabe fertig gegen", "1 je Stunde · noch 1 · fertig gegen", "500 je Stunde · niemand wartet", "Höchstens an Gmail")
	has := func(a webtest.Answer, name, value string) {
		t.Helper()
		if !regexp.MustCompile(`name="` + name + `" type="text" value="` + value + `"`).MatchString(a.Text) {
			t.Errorf("no field %s with %q", name, value)
		}
	}
	fresh := d.Get("/campaigns/new")
	webtest.Expect(t, fresh, http.StatusOK, "Langsamer zu einzelnen Anbietern", "Outlook / Microsoft 365, je Stunde")
	has(fresh, "rate_gmail", "")
	form := url.Values{"name": {"Langsam"}, "mode": {"html"}, "html": {"<p>Neu</p>"}, "rate_gmail": {"20"}, "rate_gmx": {"viele"}}
	refused := d.Post("/campaigns", form)
	webtest.Expect(t, refused, http.StatusUnprocessableEntity, "Eine Zahl von 1 bis 1.000.000.")
	has(refused, "rate_gmx", "viele")
	has(refused, "rate_gmail", "20")
	form.Set("rate_gmx", "")
	made := d.Post("/campaigns", form)
	if made.StatusCode != http.StatusSeeOther {
		t.Fatalf("kept: %d\n%s", made.StatusCode, made.Text)
	}
	draft, _, _ := strings.Cut(made.Header.Get("Location"), "?")
	webtest.Expect(t, d.Get(draft), http.StatusOK, "Höchstens an Gmail", "20 je Stunde")
	has(d.Get(draft+"/edit"), "rate_gmail", "20")

	// A provider that is not known any more stays, with a word that says so, until it is emptied.
	d.World.Forget("gmail")
	gone := d.Get(draft + "/edit")
	webtest.Expect(t, gone, http.StatusOK, "Gmail (nicht mehr bekannt, begrenzt niemanden), je Stunde")
	has(gone, "rate_gmail", "20")
	form.Set("revision", "1")
	if a := d.Post(draft, form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("kept with what is gone: %d\n%s", a.StatusCode, a.Text)
	}
	webtest.Expect(t, d.Get(draft), http.StatusOK, "Höchstens an Gmail (nicht mehr bekannt, begrenzt niemanden)")
	form.Set("revision", "2")
	form.Set("rate_gmail", "")
	if a := d.Post(draft, form); a.StatusCode != http.StatusSeeOther || strings.Contains(d.Get(draft+"/edit").Text, "rate_gmail") {
		t.Errorf("what is gone cannot be emptied: %d", a.StatusCode)
	}
}
