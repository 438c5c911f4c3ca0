package campaigns_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// Colleagues talk at the draft: what is new is counted until it is called read, and what is
// settled says so.
func TestCommentsAtADraft(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	_, after, _ := strings.Cut(d.Get("/campaigns?state=draft").Text, `href="/campaigns/cmp_`)
	number, _, _ := strings.Cut(after, `"`)
	one := "/campaigns/cmp_" + number
	page := d.Get(one)
	webtest.Expect(t, page, http.StatusOK, "Willkommen", "Bild ist <b>zu dunkel</b>.", "(2 neu)", "Fassung B")
	if strings.Contains(page.Text, "<b>zu dunkel") {
		t.Error("a comment is HTML")
	}
	webtest.Expect(t, d.Post(one+"/comments", url.Values{"comment": {" "}}), http.StatusUnprocessableEntity, "Ein Kommentar hat 1 bis 4.000 Zeichen")
	if a := d.Post(one+"/comments", url.Values{"comment": {"Jetzt heller"}, "block": {"0"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("commented: %d", a.StatusCode)
	}
	page = d.Get(one)
	webtest.Expect(t, page, http.StatusOK, "Jetzt heller", "(2 neu)")
	_, after, _ = strings.Cut(page.Text, `name="asked"`)
	_, after, _ = strings.Cut(after, `value="usr_`)
	colleague, _, _ := strings.Cut(after, `"`)
	if a := d.Post(one+"/comments", url.Values{"comment": {"Stimmt der Preis?"}, "block": {"0"}, "asked": {"usr_" + colleague}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("asked: %d %s", a.StatusCode, a.Text)
	}
	webtest.Expect(t, d.Post(one+"/comments", url.Values{"comment": {"Und nun?"}, "asked": {"usr_x"}}), http.StatusUnprocessableEntity, "arbeitet nicht (mehr) in diesem Konto", "Und nun?")
	page = d.Get(one)
	webtest.Expect(t, page, http.StatusOK, "Stimmt der Preis?", " · an ")
	_, after, _ = strings.Cut(page.Text, `name="to" value="`)
	last, _, _ := strings.Cut(after, `"`)
	if a := d.Post(one+"/comments/read", url.Values{"to": {last}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("read: %d", a.StatusCode)
	}
	if a := d.Post(one+"/comments/resolve", url.Values{"comment": {last}, "do": {"resolve"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("settled: %d", a.StatusCode)
	}
	page = d.Get(one)
	webtest.Expect(t, page, http.StatusOK, "Wieder öffnen")
	if strings.Contains(page.Text, " neu)") {
		t.Error("still counted as new")
	}
	webtest.Expect(t, d.Post(one+"/comments/resolve", url.Values{"comment": {"cmt_x"}}), http.StatusNotFound)
}

// Comments stay beside the report, and go on.
func TestCommentsAfterItWasSent(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for _, after := range strings.Split(d.Get("/campaigns").Text, `href="/campaigns/cmp_`)[1:] {
		number, _, _ := strings.Cut(after, `"`)
		one := "/campaigns/cmp_" + number
		if page := d.Get(one); !strings.Contains(page.Text, one+"/report.pdf") {
			continue
		}
		if a := d.Post(one+"/comments", url.Values{"comment": {"Kam gut an"}, "block": {"0"}}); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("commented: %d", a.StatusCode)
		}
		webtest.Expect(t, d.Get(one), http.StatusOK, "Kam gut an")
		webtest.Expect(t, d.Post(one+"/comments", url.Values{"comment": {" "}}), http.StatusUnprocessableEntity, "Ein Kommentar hat 1 bis 4.000 Zeichen", "Bericht als PDF")
		return
	}
	t.Error("no mailing was sent")
}
