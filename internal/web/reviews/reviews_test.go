package reviews_test

import (
	"net/http"
	"net/url"
	"testing"

	"stafette/internal/approval"
	"stafette/internal/web/webtest"
)

func TestReviewerDecides(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Checker)
	webtest.Expect(t, d.Get("/platform/reviews"), http.StatusOK, "Gruppe B <script>", "Wartet auf Antwort", "Verdächtige Muster")
	path := d.World.ReviewOf(approval.InReview)
	webtest.Expect(t, d.Get(path), http.StatusOK, "Angaben des Kontos", "Stichprobe, 3 von 3 Adressen", "Vier Augen sind hier nicht nötig.")
	if a := d.Post(path+"/claim", nil); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("claim: %d", a.StatusCode)
	}
	webtest.Expect(t, d.Get(path), http.StatusOK, "Übernommen von")
	webtest.Expect(t, d.Post(path+"/decide", url.Values{"insert": {"1"}, "standard": {"q.url"}, "reason": {"Guten Tag."}}), http.StatusOK, "Guten Tag.", "https://hafenkontor.example/anmelden")
	webtest.Expect(t, d.Post(path+"/decide", url.Values{"reason": {"ja"}}), http.StatusUnprocessableEntity, "Bitte eine Entscheidung wählen.", "Begründung von 10")
	webtest.Expect(t, d.Post(path+"/decide", url.Values{"decision": {"approve"}, "reason": {"ja"}}), http.StatusUnprocessableEntity, "Begründung von 10")
	if a := d.Post(path+"/decide", url.Values{"decision": {"approve"}, "reason": {"Anmeldung mit Bestätigung belegt."}}); a.Header.Get("Location") != path+"?done=approved" {
		t.Fatalf("decided: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get(path+"?done=approved"), http.StatusOK, "Freigegeben. Das Konto wird benachrichtigt")
}

// C14: support sees and cannot decide.
func TestSupportSeesOnly(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Helper)
	path := d.World.ReviewOf(approval.InReview)
	webtest.Expect(t, d.Get(path), http.StatusOK, "aber nicht entscheiden")
	for _, deed := range []string{"/claim", "/release", "/decide", "/examine"} {
		if a := d.Post(path+deed, url.Values{"decision": {"approve"}, "reason": {"Das ist in Ordnung."}}); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", deed, a.StatusCode)
		}
	}
}

// Nobody reviews an account they have to do with, and nobody locks it.
func TestOwnAccountIsForOthers(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Checker)
	d.World.Partial = webtest.Checker
	path := d.World.ReviewOf(approval.InReview)
	for deed, form := range map[string]url.Values{
		"/claim": nil, "/decide": {"decision": {"approve"}, "reason": {"Das ist in Ordnung."}}, "/lock": {"lock-reason": {"Falsche Angaben"}},
	} {
		if a := d.Post(path+deed, form); a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", deed, a.StatusCode)
		}
	}
	webtest.Expect(t, d.Get(path), http.StatusOK, "Angaben des Kontos")
}

func TestAlarmEnds(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Checker)
	form := url.Values{"tenant": {d.World.Tenant.ID.String()}, "shape": {"00000000000000000000000000000000"}}
	if a := d.Post("/platform/reviews/alarms", form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d", a.StatusCode)
	}
	if a := d.Post("/platform/reviews/alarms", form); a.StatusCode != http.StatusNotFound {
		t.Errorf("ended twice: %d", a.StatusCode)
	}
}
