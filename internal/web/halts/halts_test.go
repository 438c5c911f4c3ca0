package halts_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// T43: the tenant reads why and what it may do; staff release it, with a reason.
func TestHaltIsToldAndReleased(t *testing.T) {
	const figures = "21 Beschwerden auf 4.310 Newsletter und Erinnerungen in 24 Stunden: 0,49 %."
	clerk := webtest.Open(t).SignIn(webtest.Clerk)
	if a := clerk.Get("/"); !strings.Contains(a.Text, figures) || strings.Contains(a.Text, "freigeben") {
		t.Errorf("overview: %s", a.Text)
	}
	// The account says what it changed, once by itself.
	own := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, own.Get("/halt"), http.StatusOK, figures, "Ursache behoben, weiter senden", "Abmeldungen: ab 3 % und 30", "Beschwerden: ab 0,3 % und 5")
	webtest.Expect(t, own.Post("/halt", url.Values{"reason": {"x"}}), http.StatusUnprocessableEntity, "mindestens 3 Zeichen")
	if a := own.Post("/halt", url.Values{"reason": {"Alte Adressen entfernt"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("resume: status %d", a.StatusCode)
	}
	webtest.Expect(t, own.Get("/halt?done=released"), http.StatusOK, "Nichts ist angehalten", "Freigegeben.")

	staff := webtest.Open(t).SignIn(webtest.Staff)
	a := staff.Get("/platform/halts")
	for _, want := range []string{figures, "6,96 %", "Freigegeben: &lt;script&gt;"} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("page lacks %q: %s", want, a.Text)
		}
	}
	webtest.Expect(t, staff.Get("/platform/halts?q=gibtesnicht"), http.StatusOK, "Nichts passt zu diesem Filter.")
	webtest.Expect(t, staff.Get("/platform/halts.csv?q=21+beschwerden"), http.StatusOK, "Konto;Angehalten", "21 Beschwerden auf 4.310")
	who := staff.World.Tenant.ID.String()
	if a := staff.Post("/platform/halts", url.Values{"tenant": {who}, "reason-" + who: {" "}}); a.StatusCode != http.StatusUnprocessableEntity ||
		!strings.Contains(a.Text, "mindestens 3 Zeichen") {
		t.Errorf("without a reason: status %d", a.StatusCode)
	}
	if a := staff.Post("/platform/halts", url.Values{"tenant": {who}, "reason-" + who: {"Liste bereinigt"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("release: status %d", a.StatusCode)
	}
	if a := staff.Get("/platform/halts?done=released"); !strings.Contains(a.Text, "Freigegeben: Liste bereinigt") || !strings.Contains(a.Text, "6,96 %") {
		t.Errorf("afterwards: %s", a.Text)
	}
}
