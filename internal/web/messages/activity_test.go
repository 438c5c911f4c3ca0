package messages_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/insight"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/webtest"
)

// newestTo is the path of the newest message of the desk's tenant with so many recipients.
func newestTo(d *webtest.Desk, several bool) string {
	d.T.Helper()
	list, err := d.World.Messages(d.T.Context(), d.World.Tenant.ID, insight.Filter{Limit: 50})
	if err != nil {
		d.T.Fatal(err)
	}
	for _, m := range list.Messages {
		if (m.DeliveryCount > 1) == several {
			return "/messages/" + m.ID.String()
		}
	}
	d.T.Fatal("no such message")
	return ""
}

// lettersOf is what stands under the recipients.
func lettersOf(t *testing.T, a webtest.Answer) string {
	t.Helper()
	var words string
	webtest.Each(a.Document(t), func(e *html.Node) {
		if slices.ContainsFunc(e.Attr, func(a html.Attribute) bool { return a.Key == "id" && a.Val == "letters" }) {
			words = webtest.Words(e)
		}
	})
	return words
}

// B2, B3: whose open it was is told where there was one recipient, and never a name where
// there were several; what machines did stands apart with the reason.
func TestMessageTellsWhatRecipientsDid(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	one := d.Get(newestTo(d, false))
	webtest.Expect(t, one, http.StatusOK, "Öffnungen und Klicks", "Je Person. Entschieden hat: die Einstellung des Kontos", " öffnete die E-Mail", "nicht gewertet", "öffnete Link um Link", "Warum werden nicht alle Aktivitäten angezeigt?", "Zum Grundriss")
	letter := lettersOf(t, one)
	if !strings.Contains(letter, "öffnete die E-Mail") || strings.Contains(letter, "Jemand") || strings.Contains(letter, "nicht gewertet") {
		t.Errorf("under the recipient: %s", letter)
	}
	several := d.Get(newestTo(d, true))
	webtest.Expect(t, several, http.StatusOK, "Unter Kennung. Entschieden hat: mehrere Adressen in einer E-Mail", "Jemand öffnete die E-Mail", "Wer sie öffnete, ist nicht erkennbar")
	if part := lettersOf(t, several); strings.Contains(part, "öffnete") {
		t.Errorf("a name stands beside what nobody can say: %s", part)
	}
}

func allow(d *webtest.Desk, level tracking.Level) {
	d.T.Helper()
	_, err := d.World.Tracking().Settings.Set(d.T.Context(), tracking.Allowed{Setting: tracking.Setting{
		Tenant: d.World.Tenant.ID, Level: level, Basis: tracking.BasisContract, Justification: "Abruf des Exposés.", By: "test",
	}})
	if err != nil {
		d.T.Fatal(err)
	}
}

// B13: the box stands under the compose window, ticked beforehand where the account tracks
// and without use where it does not.
func TestComposeOffersTracking(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get("/messages/new"), http.StatusOK, "E-Mail tracken · Stufe: Je Person", "Jemand öffnete die E-Mail", "Als einzelne E-Mails senden")
	for want, track := range map[tracking.Level]string{tracking.Individual: "on", tracking.None: ""} {
		a := write(d, letter(map[string]string{"track": track, "key": "K-" + track}), nil)
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d: %s", a.StatusCode, a.Text)
		}
		if sent := d.World.Accepted(); sent[len(sent)-1].Tracking != want {
			t.Errorf("box %q wishes %v", track, sent[len(sent)-1].Tracking)
		}
	}
	allow(d, tracking.None)
	webtest.Expect(t, d.Get("/messages/new"), http.StatusOK, "Nicht möglich: die Einstellung des Kontos.")
}

// B4: one click makes of a mail to several one for each, which tells of its outcome.
func TestSendingSeparately(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	fields := letter(map[string]string{"do": "separate", "track": "on", "cc": "eva@kunde.example"})
	webtest.Expect(t, write(d, fields, nil), http.StatusOK, "Einzeln gesendet", "3 E-Mails sind angenommen.", "eva@kunde.example", "karl@kunde.example", "still@kunde.example")
	sent := d.World.Accepted()
	if len(sent) != 3 {
		t.Fatalf("%d messages", len(sent))
	}
	var to []string
	for _, s := range sent {
		if len(s.Draft.To) != 1 || len(s.Draft.Cc)+len(s.Bcc) != 0 || s.Tracking != tracking.Individual || s.Stream != tenant.Transactional {
			t.Errorf("sent %+v", s)
		}
		to = append(to, s.Draft.To[0].Address.String())
	}
	if !slices.Equal(to, []string{"eva@kunde.example", "karl@kunde.example", "still@kunde.example"}) {
		t.Errorf("to %v", to)
	}
	// The same form once more is the same messages.
	webtest.Expect(t, write(d, fields, nil), http.StatusOK, "3 E-Mails sind angenommen.")
	if n := len(d.World.Accepted()); n != 3 {
		t.Errorf("%d messages after the same form again", n)
	}
}
