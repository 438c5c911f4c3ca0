package messages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/web/webtest"
)

func TestSendingAgainLinksBothMessages(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	first := d.Message(event.Bounced, "Rechnung")
	page := d.Get(first + "/again")
	webtest.Expect(t, page, http.StatusOK, "Derselbe Inhalt geht als neue Nachricht hinaus", "Buchhaltung Kranz")
	form := url.Values{"key": {"K"}, "other": {"Neu <neu@kranz-bau.example>; rechnung@kranz-bau.example"}}
	a := d.Post(first+"/again", form)
	second, done, _ := strings.Cut(a.Header.Get("Location"), "?")
	if a.StatusCode != http.StatusSeeOther || done != "done=again" {
		t.Fatalf("status %d to %q: %s", a.StatusCode, a.Header.Get("Location"), a.Text)
	}
	webtest.Expect(t, d.Get(second), http.StatusOK, "An 2 Empfänger", "Wiederholung der Nachricht von heute, 09:31 Uhr")
	webtest.Expect(t, d.Get(first), http.StatusOK, "Erneut gesendet:", "neu@kranz-bau.example")
	if again := d.Post(first+"/again", form).Header.Get("Location"); !strings.HasPrefix(again, second) || len(d.World.Accepted()) != 1 {
		t.Errorf("twice led to %q", again)
	}
	s := d.World.Accepted()[0]
	if head, body, _ := strings.Cut(string(s.Raw), "\r\n\r\n"); strings.Contains(head, "undisclosed") || strings.Contains(head, "Message-ID") || body != "Guten Tag,\r\n\r\nanbei wie besprochen.\r\n" {
		t.Errorf("sent %q", s.Raw)
	}
}

func TestSendingAgainRefuses(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	several := d.Message(event.Bounced, "Besichtigung")
	gone := d.Message(event.Delivered, "Zusage")
	webtest.Expect(t, d.Get(gone+"/again"), http.StatusOK, "lässt sich deshalb nicht erneut senden")
	webtest.Expect(t, d.Post(gone+"/again", url.Values{"other": {"a@b.example"}}), http.StatusNotFound, "Aufbewahrungsfrist")
	webtest.Expect(t, d.Post(several+"/again", nil), http.StatusUnprocessableEntity, "Es fehlt eine Empfangsadresse")
	webtest.Expect(t, d.Post(several+"/again", url.Values{"other": {"keine adresse"}}), http.StatusUnprocessableEntity, "„keine adresse“ ist keine E-Mail-Adresse")
	d.World.Refuse(fault.New(fault.Limited, "quota_spent", ""))
	webtest.Expect(t, d.Post(several+"/again", url.Values{"other": {"a@b.example"}}), http.StatusTooManyRequests, "Das Kontingent für heute ist aufgebraucht")
	if len(d.World.Accepted()) != 0 {
		t.Error("something was sent")
	}
	reader := webtest.Open(t).SignIn(webtest.Reader)
	if a := reader.Get(reader.Message(event.Bounced, "Rechnung") + "/again"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a reader may send again: %d", a.StatusCode)
	}
}

func TestSendingAgainProposesWhoWasNotReached(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	var picked []string
	for part := range strings.SplitSeq(d.Get(d.Message(event.Bounced, "Besichtigung")+"/again").Text, "<li>") {
		if strings.Contains(part, " checked") {
			picked = append(picked, part[strings.Index(part, "<b>"):strings.Index(part, "</b>")])
		}
	}
	if len(picked) != 1 || picked[0] != "<b>Miriam Voss" {
		t.Errorf("proposes %q", picked)
	}
}
