package messages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/event"
	"stafette/internal/web/webtest"
)

// confirm sends the form of a preview.
func confirm(t *testing.T, d *webtest.Desk, preview webtest.Answer) webtest.Answer {
	t.Helper()
	form := url.Values{}
	webtest.Each(preview.Document(t), func(n *html.Node) {
		if n.Data == "input" && webtest.Attribute(n, "type") == "hidden" && webtest.Attribute(n, "name") != "back" {
			form.Add(webtest.Attribute(n, "name"), webtest.Attribute(n, "value"))
		}
	})
	return d.Post("/messages/bulk", form)
}

func idOf(path string) string { return strings.TrimPrefix(path, "/messages/") }

func TestBulkCommandsShowWhatTheyTouch(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	picked := url.Values{"do": {"hold"}, "pick": {idOf(d.Message(event.Bounced, "Besichtigung")), idOf(d.Message(event.Bounced, "Rechnung")), idOf(d.Message(event.Queued, "")), "msg_x"}}
	preview := d.Get("/messages/bulk?" + picked.Encode())
	webtest.Expect(t, preview, http.StatusOK, "2 Zustellungen anhalten?", "Ausgelassen eine Nachricht, auf die es nicht passt", "1 zugestellt, 1 verzögert, 1 zurückgewiesen")
	if len(d.World.Commanded()) != 0 {
		t.Fatal("the preview changed something")
	}
	webtest.Expect(t, confirm(t, d, preview), http.StatusOK, "2 Zustellungen sind angehalten.")
	webtest.Expect(t, confirm(t, d, preview), http.StatusOK, "Nichts wurde angehalten.", "Bei 2 Nachrichten hatte sich der Status inzwischen geändert.")
	webtest.Expect(t, d.Get("/messages/bulk?do=hold&pick="+idOf(d.Message(event.Bounced, "Rechnung"))), http.StatusOK, "anhalten lässt sich nichts")
	webtest.Expect(t, d.Get("/messages/bulk?do=hold"), http.StatusOK, "Nichts ausgewählt")
	webtest.Expect(t, d.Get("/messages/bulk?do=reroute&all=1"), http.StatusUnprocessableEntity, "Diesen Befehl gibt es nicht.")
}

// "All of this filter" is what the list shows, not the whole account, and never another one.
func TestBulkReachesTheFilter(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	preview := d.Get("/messages/bulk?do=cancel&all=1&q=brandt")
	webtest.Expect(t, preview, http.StatusOK, "2 Zustellungen abbrechen?")
	webtest.Expect(t, confirm(t, d, preview), http.StatusOK, "2 Zustellungen sind abgebrochen.")
	for _, sel := range d.World.Commanded() {
		if sel.Tenant != d.World.Tenant.ID || sel.Message.IsZero() {
			t.Errorf("commanded %+v", sel)
		}
	}
	foreign := idOf(d.World.Concrete("/messages/{id}", true))
	n := len(d.World.Commanded())
	webtest.Expect(t, d.Post("/messages/bulk", url.Values{"do": {"cancel"}, "pick": {foreign}}), http.StatusOK, "Nichts wurde abgebrochen.")
	if len(d.World.Commanded()) != n {
		t.Error("a foreign message was commanded")
	}
}

func TestBulkAgain(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	preview := d.Get("/messages/bulk?do=again&all=1&state=bounced")
	webtest.Expect(t, preview, http.StatusOK, "An 3 Empfänger erneut senden?")
	webtest.Expect(t, confirm(t, d, preview), http.StatusOK, "3 neue Nachrichten sind angenommen.")
	confirm(t, d, preview)
	if n := len(d.World.Accepted()); n != 3 {
		t.Errorf("%d were sent", n)
	}
	// What is deleted is told, and stops nothing else.
	one := d.Message(event.Expired, "")
	result := d.Post("/messages/bulk", url.Values{"do": {"again"}, "key": {"K"}, "pick": {idOf(d.Message(event.Delivered, "Zusage")), idOf(one)}})
	webtest.Expect(t, result, http.StatusOK, "Eine neue Nachricht ist angenommen.", "Bei einer Nachricht hatte sich der Status")
}

func TestListTurnsRound(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	got := rows(t, d.Get("/messages?sort=time&col=subject&col=from&col=size"))
	if len(got) != 15 || !strings.Contains(got[0], "<script>") || !strings.Contains(got[14], "Wohnung 4.2 besichtigung@hafenkontor.example 24 kB") {
		t.Errorf("rows %q", got)
	}
}
