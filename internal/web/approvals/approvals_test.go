package approvals_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/approval"
	"stafette/internal/web/webtest"
)

// The three steps, as somebody walks them without scripts.
func TestWizard(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	path := d.World.ApprovalOf(approval.Required)
	webtest.Expect(t, d.Get(path), http.StatusOK, "Freigabe erforderlich", "Freigabeprozess fortsetzen")
	webtest.Expect(t, d.Post(path+"/step/1", url.Values{}), http.StatusUnprocessableEntity, "nur erlaubte Adressen")
	leads(t, d.Post(path+"/step/1", url.Values{"read": {"on"}}), path+"/step/2")
	// A source whose questions did not stand there yet asks them first.
	leads(t, d.Post(path+"/step/2", url.Values{"kind.existing_customer": {"on"}}), path+"/step/2#questions")
	webtest.Expect(t, d.Get(path+"/step/2"), http.StatusOK, "Niemand in der Gruppe hat widersprochen.")
	leads(t, d.Post(path+"/step/2", url.Values{"kind.double_opt_in": {"on"}}), path+"/step/2#questions")
	home := url.Values{"kind.double_opt_in": {"on"}, "double_opt_in.form_url": {"https://hafenkontor.example/"}, "double_opt_in.description": {"Anmeldung mit Bestätigung per E-Mail"}}
	webtest.Expect(t, d.Post(path+"/step/2", home), http.StatusUnprocessableEntity, "nur die Startseite")
	home.Set("double_opt_in.form_url", "https://hafenkontor.example/anmelden")
	leads(t, d.Post(path+"/step/2", home), path+"/step/3")
	webtest.Expect(t, d.Post(path+"/step/3", url.Values{"name": {""}, "email": {"nein"}}), http.StatusUnprocessableEntity, "Bitte einen Namen.")
	leads(t, d.Post(path+"/step/3", url.Values{"name": {"J. Petersen"}, "email": {"j@hafenkontor.example"}}), path+"?done=submitted")
	webtest.Expect(t, d.Get(path+"?done=submitted"), http.StatusOK, "Eingereicht. Jetzt prüft ein Mensch", "In Prüfung", "Freigabe eingereicht")
	leads(t, d.Get(path+"/step/1"), path)
}

func leads(t *testing.T, a webtest.Answer, to string) {
	t.Helper()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != to {
		t.Fatalf("%s leads to %d %q, want %q\n%.300s", a.Request.URL, a.StatusCode, a.Header.Get("Location"), to, a.Text)
	}
}

func TestQuestionIsAnsweredWithEvidence(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	path := d.World.ApprovalOf(approval.Question)
	webtest.Expect(t, d.Get(path), http.StatusOK, "Rückfragen zu: Gruppe C <script>", "Auf der Karte fehlt der Wortlaut. <script>")
	webtest.Expect(t, upload(d, path, "", "a.png", "\x89PNG\r\n\x1a\n…"), http.StatusUnprocessableEntity, "3 bis 4.000 Zeichen")
	webtest.Expect(t, upload(d, path, "Hier, bitte.", "a.pdf", "<html><script>"), http.StatusUnprocessableEntity, "Belege sind PDF")
	leads(t, upload(d, path, "Hier, bitte.", "rückseite.png", "\x89PNG\r\n\x1a\n…"), path+"?done=answered")
	webtest.Expect(t, d.Get(path), http.StatusOK, "In Prüfung", "rückseite.png", "Hier, bitte.")
}

func upload(d *webtest.Desk, path, text, name, body string) webtest.Answer {
	d.T.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	_ = form.WriteField("text", text)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		d.T.Fatal(err)
	}
	_, _ = part.Write([]byte(body))
	_ = form.Close()
	r := d.Request(http.MethodPost, path+"/answer", &b)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.Do(r)
}

// What strangers bring is never shown within the office (T14).
func TestEvidenceIsKeptNotShown(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	path := d.World.Concrete("/groups/{id}/approval/files/{file}", false)
	a := d.Get(path)
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") || !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") ||
		a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	if b := d.Get(d.World.Concrete("/groups/{id}/approval/files/{file}", true)); b.StatusCode != http.StatusNotFound {
		t.Errorf("a foreign group's: %d", b.StatusCode)
	}
}

func TestRejectedGroupSaysSo(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get(d.World.ApprovalOf(approval.Rejected)), http.StatusOK, "Diese Gruppe kann nicht angeschrieben werden", "dann prüft eine andere Person")
	webtest.Expect(t, d.Get("/"), http.StatusOK, "Abgelehnt: Gruppe E", "Rückfragen zu: Gruppe C", "Freigabeprozess starten")
}
