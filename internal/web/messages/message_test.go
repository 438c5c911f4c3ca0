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

func TestMessageTellsEachRecipient(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get(d.Message(event.Bounced, "Besichtigung")), http.StatusOK,
		"An 3 Empfänger: 1 zugestellt, 1 verzögert, 1 zurückgewiesen.",
		// delivered
		"Zugestellt Eva Sommer eva.sommer@gmx.example 09:20 · nach 3 s",
		"Der Empfängerserver mx00.gmx.example hat die E-Mail angenommen (heute, 09:20 Uhr) und ist seitdem für sie verantwortlich.",
		"Vom Empfängerserver angenommen", "250 Requested mail action okay, completed: id=0LzJfk-1tYq2r",
		"verschlüsselt mit TLS 1.3, Vorgabe DANE der Empfängerdomain: Server nachgewiesen",
		// deferred
		"nächster Versuch 10:53", "1. Versuch: später wieder Der Anbieter begrenzt die Menge.",
		"von 192.0.2.17 (hk-a.mail.stafette.example), an mx00.yahoo.example [198.51.100.7:25], verschlüsselt mit TLS 1.3",
		"421 4.7.0 [TSS04] Messages from 192.0.2.17 temporarily deferred", "2. Versuch Danach in wachsenden Abständen, längstens bis 24.11.2026, 09:20 Uhr.",
		// bounced
		"Adresse klären, dann erneut senden", "endgültig abgelehnt Die Adresse existiert nicht.",
		// the message itself
		"von J. Petersen im Büro", "Anfahrt-Speicherblock-7.pdf 218 kB SHA-256 159c0b50ce225e254a95a5c0e45f4650a29bc32afbb143c1d78dd0ce1ba3ceb1",
		"besichtigung speicherblock", "auftrag HK-2214")
	webtest.Expect(t, d.Get(d.Message(event.Bounced, "Rechnung")), http.StatusOK, "Ausgelöst über die HTTP-Schnittstelle")
	webtest.Expect(t, d.Get(d.Message(event.Held, "")), http.StatusOK, "Bitte neu senden", "Angehalten von der Plattform", "Fortsetzen", "Abbrechen")
	webtest.Expect(t, d.Get(d.Message(event.Delivered, "Zusage")), http.StatusOK, "Status und Prüfsummen bleiben, der Inhalt nicht.")
}

// What came back after a 250 stands first, with the server's words and what to do.
func TestMessageThatCameBack(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get(d.Message(event.Delivered, "Reservierung")), http.StatusOK,
		"An einen Empfänger: 1 nachträglich zurückgewiesen.", "Nachträglich zurückgewiesen Ole Wendt",
		"mx00.firma.example hat die E-Mail angenommen (gestern, 07:41 Uhr) und danach gemeldet (gestern, 07:45 Uhr):", "Angekommen ist die E-Mail also nicht.",
		"Adresse klären, dann erneut senden",
		"gemeldet von mx00.firma.example, dort weitergeleitet an wendt@daheim.example",
		"<script>alert(1)</script> 550 5.1.1 mailbox unknown")
	webtest.Expect(t, d.Get(d.Message(event.Delivered, "Brief Oktober")), http.StatusOK,
		"Als Spam markiert Ida Krohn", "Weitere E-Mails der Kategorie „Newsletter“ gehen nicht mehr an sie", "Nicht weiter schreiben", "Absender der Meldung nicht belegt")
	webtest.Expect(t, d.Get("/messages?mark=late_bounce"), http.StatusOK, "Nachträglich zurückgewiesen Die Adresse existiert nicht.", "Reservierung")
	if a := d.Get("/messages?mark=complained"); strings.Contains(a.Text, "Reservierung") {
		t.Error("the filter lets everything through")
	}
	if a := d.Get("/messages.csv?mark=late_bounce"); !strings.Contains(a.Text, ";\"Nachträglich zurückgewiesen\";") && !strings.Contains(a.Text, ";Nachträglich zurückgewiesen;Die Adresse existiert nicht.;") {
		t.Errorf("the export says %s", a.Text)
	}
}

func TestMessageInEnglish(t *testing.T) {
	d := webtest.Open(t)
	d.Lang = "en"
	d.SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get(d.Message(event.Bounced, "Besichtigung")), http.StatusOK,
		"To 3 recipients: 1 delivered, 1 delayed, 1 rejected.", "The provider limits the volume.",
		"Attempt 1: later again", "19 November 2026, 09:20 (CET)")
}

// A message with a thousand recipients is told page by page.
func TestMessageWithManyRecipients(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	path := d.Crowd(250)
	first := d.Get(path)
	if n := countLetters(t, first); n != 100 || !strings.Contains(first.Text, "?from=100") {
		t.Errorf("first page tells %d recipients", n)
	}
	webtest.Expect(t, first, http.StatusOK, "An 250 Empfänger")
	if n := countLetters(t, d.Get(path+"?from=200")); n != 50 {
		t.Errorf("last page tells %d recipients", n)
	}
	for _, odd := range []string{"-1", "7", "x", "100000"} {
		if n := countLetters(t, d.Get(path+"?from="+odd)); n != 100 {
			t.Errorf("from=%s tells %d recipients", odd, n)
		}
	}
}

func countLetters(t *testing.T, a webtest.Answer) int {
	t.Helper()
	n := 0
	webtest.Each(a.Document(t), func(e *html.Node) {
		if e.Data == "details" && webtest.Attribute(e, "class") == "letter" {
			n++
		}
	})
	return n
}

func TestCommands(t *testing.T) {
	cases := []struct {
		state   event.State
		do      string
		outcome string
		says    string
	}{
		{event.Deferred, "retry", "retry", "Der nächste Versuch beginnt sofort."},
		{event.Queued, "hold", "hold", "Angehalten von J. Petersen"},
		{event.Held, "resume", "resume", "Fortgesetzt von J. Petersen"},
		{event.Held, "cancel", "cancel", "Abgebrochen von J. Petersen"},
		{event.Delivered, "cancel", "none", "Geht nicht mehr"},
	}
	for _, c := range cases {
		d := webtest.Open(t).SignIn(webtest.Clerk)
		path := d.Message(c.state, map[event.State]string{event.Delivered: "Termin"}[c.state])
		a := d.Post(path+"/commands", url.Values{"do": {c.do}})
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path+"?done="+c.outcome {
			t.Errorf("%s %s: status %d to %q", c.do, c.state, a.StatusCode, a.Header.Get("Location"))
		}
		webtest.Expect(t, d.Get(path+"?done="+c.outcome), http.StatusOK, c.says)
	}
}

func TestCommandsForOneRecipient(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	path := d.Message(event.Bounced, "Besichtigung")
	own := strings.TrimSuffix(strings.Replace(strings.TrimPrefix(path, "/messages/"), "msg_", "dlv_", 1), "000") + "002"
	if a := d.Post(path+"/commands", url.Values{"do": {"retry"}, "delivery": {own}}); !strings.HasSuffix(a.Header.Get("Location"), "done=retry") {
		t.Errorf("own delivery: status %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	before := len(d.World.Commanded())
	alien := strings.Replace(strings.TrimPrefix(d.Message(event.Queued, ""), "/messages/"), "msg_", "dlv_", 1)
	for _, bad := range []string{alien, "dlv_x", "msg_x"} {
		if a := d.Post(path+"/commands", url.Values{"do": {"retry"}, "delivery": {bad}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("delivery %q: status %d", bad, a.StatusCode)
		}
	}
	if a := d.Post(path+"/commands", url.Values{"do": {"explode"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("unknown command: status %d", a.StatusCode)
	}
	if len(d.World.Commanded()) != before {
		t.Error("a refused command reached the queue")
	}
}

// T14: whatever comes from mail or servers is text.
func TestForeignWordsStayWords(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for _, path := range []string{
		"/messages", "/messages?q=%3Cscript%3E", d.Message(event.Delivered, "<script>"), d.Message(event.Bounced, "Besichtigung"),
		d.Message(event.Delivered, "<script>") + "/content?view=source", d.Message(event.Delivered, "<script>") + "/content?view=headers",
		"/messages/new?to=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
	} {
		a := d.Get(path)
		webtest.Each(a.Document(t), func(n *html.Node) {
			if n.Data == "script" && webtest.Attribute(n, "src") == "" || n.Data == "img" || n.Data == "b" && webtest.Words(n) == "tag" {
				t.Errorf("%s: <%s> came in from outside", path, n.Data)
			}
			for _, at := range n.Attr {
				if strings.HasPrefix(at.Key, "on") || strings.Contains(strings.ToLower(at.Val), "javascript:") {
					t.Errorf("%s: <%s %s=%q>", path, n.Data, at.Key, at.Val)
				}
			}
		})
		if !strings.Contains(a.Text, "&lt;s") && !strings.Contains(a.Text, "&lt;img") && !strings.Contains(path, "content") {
			t.Errorf("%s: the probe is not on the page, the test proves nothing", path)
		}
	}
}
