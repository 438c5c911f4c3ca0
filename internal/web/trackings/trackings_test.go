package trackings_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/trackings"
	"stafette/internal/web/webtest"
)

const path = "/settings/tracking"

// form is one that is right; change spoils or alters it.
func form(change ...string) url.Values {
	v := url.Values{"level": {"individual"}, "basis": {"contract"}, "justification": {"Abruf des Exposés."}}
	for i := 0; i+1 < len(change); i += 2 {
		v.Set(change[i], change[i+1])
	}
	return v
}

// B11, B12: level and basis are chosen and justified; what it would change stands there
// before it is saved, and who changed what afterwards.
func TestSettingIsPreviewedAndSaved(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	webtest.Expect(t, d.Get(path), http.StatusOK, "Zurzeit gilt: Je Person", "Einwilligung", "H. Voss", "Verlauf", "<b>Nur</b>")
	a := d.Post(path+"/preview", form("stream-newsletter", "none"))
	webtest.Expect(t, a, http.StatusOK, "Das ändert sich", "auch für bereits versandte E-Mails", "So speichern")
	if now, err := d.World.Tracking().Settings.Allowed(t.Context(), d.World.Tenant.ID); err != nil || now.Basis != tracking.BasisConsent {
		t.Errorf("a preview changed it to %+v, %v", now, err)
	}
	a = d.Post(path, form("stream-newsletter", "none"))
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	webtest.Expect(t, d.Get(a.Header.Get("Location")), http.StatusOK, "Gilt ab sofort", "Grundlage: Vertrag", "Abruf des Exposés.", "Wer zustimmt")
	now, err := d.World.Tracking().Settings.Allowed(t.Context(), d.World.Tenant.ID)
	if err != nil || now.Basis != tracking.BasisContract || now.Streams[tenant.Newsletter] != tracking.None || now.By == "" {
		t.Errorf("saved %+v, %v", now, err)
	}
}

func TestSettingIsRefused(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"no basis":         {form("basis", ""), "Für diese Stufe ist keine Rechtsgrundlage gewählt"},
		"no justification": {form("justification", " "), "Begründung"},
		"unknown level":    {form("level", "all"), "Stufe"},
		"unknown basis":    {form("basis", "x"), "Rechtsgrundlage"},
		"unknown limit":    {form("stream-reminder", "x"), "Stufe"},
	} {
		for _, at := range []string{path, path + "/preview"} {
			if a := d.Post(at, c.form); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, c.want) || !strings.Contains(a.Text, `class="error"`) {
				t.Errorf("%s at %s: %d", name, at, a.StatusCode)
			}
		}
	}
	clerk := webtest.Open(t).SignIn(webtest.Clerk)
	if a := clerk.Post(path, form()); a.StatusCode != http.StatusForbidden {
		t.Errorf("a clerk changes settings: %d", a.StatusCode)
	}
	webtest.Expect(t, clerk.Get(path), http.StatusOK, "Ändern können das Personen")
}

func TestConsentIsRecorded(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	at := trackings.ConsentAddress(message.Address{Local: "karl", Domain: "kunde.example"})
	first := d.Get(at)
	if webtest.Expect(t, first, http.StatusOK, "Nicht gefragt"); !strings.Contains(first.Text, "http://office.example/tracking/") {
		t.Error("the person's own link is missing")
	}
	granted := url.Values{"address": {"karl@kunde.example"}, "state": {"granted"}, "way": {"Telefonat am 3. März"}}
	if a := d.Post(trackings.ConsentPath, granted); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, "Wortlaut angeben") {
		t.Errorf("consent without words: %d", a.StatusCode)
	}
	granted.Set("wording", "Sie dürfen sehen, ob ich lese.")
	a := d.Post(trackings.ConsentPath, granted)
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	webtest.Expect(t, d.Get(a.Header.Get("Location")), http.StatusOK, "Festgehalten", "Erlaubt", "Telefonat am 3. März", "Sie dürfen sehen, ob ich lese.")
	if a := d.Post(trackings.ConsentPath, url.Values{"address": {"karl@kunde.example"}, "state": {"x"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("unknown state: %d", a.StatusCode)
	}
	webtest.Expect(t, d.Get("/contacts/address?address=karl%40kunde.example"), http.StatusOK, "Auswertung (Tracking)", "Erlaubt")
	webtest.Expect(t, d.Get("/contacts/address?address=weg%40kunde.example"), http.StatusOK, "Beendet")
}
