package whereabouts_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/web/webtest"
)

func TestOneBoxLeadsToASentenceWithItsProof(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get("/diagnosis"), http.StatusOK, "Wer oder was wird vermisst?")
	a := d.Get("/diagnosis?q=piet@hansen.example")
	webtest.Expect(t, a, http.StatusOK, "Zugestellt: mx00.hansen.example hat die E-Mail an piet@hansen.example am 19.11.2026 um 08:55 Uhr angenommen, verschlüsselt mit TLS 1.3 und geprüftem Zertifikat",
		"250 Requested mail action okay, completed: id=0LzJfk-1tYq2r", "192.0.2.17 hk-a.mail.stafette.example", "Guten Tag Piet Hansen,", "Für die Administration", "Künftig:")
	webtest.Expect(t, d.Get("/diagnosis?q=Eva+Sommer"), http.StatusOK, "2 passende E-Mails. Welche ist gemeint?", "Noch nicht hinaus")
	webtest.Expect(t, d.Get("/diagnosis?q=niemand@gmx.example"), http.StatusOK, "Sie wurde uns nicht übergeben", "Wir holen das nach")
	webtest.Expect(t, d.Get("/diagnosis?q=eva.sommer@gmial.example"), http.StatusOK, "Ähnliches, das gemeint sein könnte", "gleich vor dem @, andere Domain")
	refused := d.Get(d.World.Whereabouts(false, event.Bounced, "Rechnung"))
	webtest.Expect(t, refused, http.StatusOK, "antwortete am 19.11.2026")
	if strings.Contains(refused.Text, "Künftig:") {
		t.Error("safe senders are recommended for refused mail")
	}
	// T14: what a server says is text.
	if strings.Contains(refused.Text, "<script>alert") {
		t.Error("a server's words run")
	}
}

func TestSendAgain(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	page := d.World.Whereabouts(false, event.Delivered, "Ihr Termin")
	a := d.Post(page+"/again", url.Values{"do": {"same"}, "key": {"k"}})
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/messages/msg_") {
		t.Fatalf("status %d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get(page), http.StatusOK, "Schon erneut gesendet")
	webtest.Expect(t, d.Post(page+"/again", url.Values{"do": {"other"}, "other": {"piet"}}), http.StatusUnprocessableEntity, "„piet“ ist keine E-Mail-Adresse")
	webtest.Expect(t, d.Post(page+"/again", url.Values{}), http.StatusUnprocessableEntity, "Diesen Befehl gibt es nicht")
	d.Post(page+"/again", url.Values{"do": {"other"}, "other": {"Piet <piet@web.example>"}})
	list := d.World.Accepted()
	if len(list) != 2 {
		t.Fatalf("%d accepted", len(list))
	}
	if first, _ := ingest.AgainOf(list[1].Tags); first.IsZero() || list[1].Recipients[0].Domain != "web.example" {
		t.Errorf("%+v", list[1])
	}
}

func TestTextIsSent(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	page := d.World.Whereabouts(false, event.Bounced, "Rechnung")
	webtest.Expect(t, d.Post(page+"/letter", url.Values{"to": {"x"}, "text": {" "}}), http.StatusUnprocessableEntity, "Der Text ist leer.", "„x“ ist keine E-Mail-Adresse")
	webtest.Expect(t, d.Post(page+"/letter", url.Values{"to": {"x@y.example"}, "text": {strings.Repeat("a", 20_001)}}), http.StatusUnprocessableEntity, "Der Text ist zu lang")
	a := d.Post(page+"/letter", url.Values{"to": {"neu@kranz-bau.example"}, "text": {"Guten Tag,\r\n\r\ngeändert."}, "text_lang": {"en"}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	s := d.World.Accepted()[0].Draft
	if s.Text != "Guten Tag,\n\ngeändert." || s.Subject != "About our e-mail “Rechnung 2026-1184”" || s.To[0].Local != "neu" {
		t.Errorf("%+v", s)
	}
	webtest.Expect(t, d.Get(a.Header.Get("Location")), http.StatusOK, "Der Text ist unterwegs")
}

func TestProofFiles(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Reader)
	page := d.World.Whereabouts(false, event.Delivered, "Ihr Termin")
	for tail, begin := range map[string]string{"/proof.pdf": "%PDF-", "/proof.json": "{\n  \"facts\""} {
		a := d.Get(page + tail)
		if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Text, begin) || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: status %d, %v", tail, a.StatusCode, a.Header)
		}
	}
	// A reader sees, but makes nothing public and sends nothing.
	a := d.Get(page)
	for _, form := range []string{"/link", "/again", "/letter"} {
		if strings.Contains(a.Text, `<button class="btn btn--small">Link erstellen`) || d.Post(page+form, url.Values{"do": {"same"}}).StatusCode != http.StatusForbidden {
			t.Errorf("%s is open to readers", form)
		}
	}
}

func TestStatusLinkIsMadeAndTakenBack(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	page := d.World.Whereabouts(false, event.Delivered, "Ihr Termin")
	d.Post(page+"/link", nil)
	a := d.Get(page + "?done=link")
	webtest.Expect(t, a, http.StatusOK, "Der Link ist erstellt.", "Zustellungsstatus zum Nachsehen: "+d.URL+"/status/")
	d.Post(page+"/revoke", nil)
	if a := d.Get(page + "?done=revoked"); strings.Contains(a.Text, "/status/") {
		t.Error("the link is still there")
	}
	if !bytes.Contains([]byte(d.Get("/").Text), []byte(`action="/diagnosis"`)) {
		t.Error("no box on the overview")
	}
}
