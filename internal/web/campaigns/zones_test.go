package campaigns_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"stafette/internal/web/webtest"
)

// A mailing at local times is looked at first, warns of those whose time is over, and says
// whose turn comes when.
func TestMailingsGoOutAtLocalTimes(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	at := mailing(t, d, "Mai-Rundbrief")
	webtest.Expect(t, d.Get(at), http.StatusOK, "Wessen Uhr gilt", "Zur Ortszeit jedes Empfängers", "Zeiten ansehen", "Nicht bekannt: die des Kontos")
	day := d.World.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly)
	look := d.Get(at + "?zone=recipient&at=" + day + "T09%3A00")
	webtest.Expect(t, look, http.StatusOK, "Die ersten bekommen es am")
	seen := func(a webtest.Answer, at string) {
		t.Helper()
		if !strings.Contains(a.Text, `name="seen" value="`+at+`"`) {
			t.Errorf("it does not say that %s was seen", at)
		}
	}
	seen(look, day+"T09:00")
	webtest.Expect(t, d.Get(at+"?zone=recipient"), http.StatusOK, "die noch nicht in allen Zeitzonen vorbei ist")
	webtest.Expect(t, d.Get(at+"?zone=recipient&at=morgen"), http.StatusOK, "die noch nicht in allen Zeitzonen vorbei ist")
	webtest.Expect(t, d.Post(at+"/send", url.Values{"zone": {"recipient"}}), http.StatusUnprocessableEntity, "Wessen Uhr gilt")
	// An hour ago somewhere, not yet everywhere.
	over := url.Values{"zone": {"recipient"}, "at": {d.World.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04")}}
	warned := d.Post(at+"/send", over)
	webtest.Expect(t, warned, http.StatusUnprocessableEntity, "diese Ortszeit schon vorbei")
	// Who only looks has nothing to confirm, and who has to reads it once.
	looked := d.Get(at + "?" + over.Encode())
	if n := strings.Count(warned.Text, "Ortszeit schon vorbei; "); n != 1 || !strings.Contains(warned.Text, "noch einmal bestätigen") {
		t.Errorf("warned %d times", n)
	}
	if n := strings.Count(looked.Text, "Ortszeit schon vorbei; "); n != 1 || strings.Contains(looked.Text, "noch einmal bestätigen") {
		t.Errorf("told %d times to who looks", n)
	}
	seen(warned, over.Get("at"))
	sent := d.Post(at+"/send", url.Values{"zone": {"recipient"}, "at": {day + "T09:00"}})
	if sent.StatusCode != http.StatusSeeOther || !strings.Contains(sent.Header.Get("Location"), "scheduled") {
		t.Fatalf("sent: %d %s", sent.StatusCode, sent.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get(at), http.StatusOK, "Zur Ortszeit jedes Empfängers", "Die ersten bekommen es am", "Zeitzonen der Empfängerinnen und Empfänger")
}
