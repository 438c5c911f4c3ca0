package blitz_test

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"stafette/internal/message"
	"stafette/internal/tracking"
	"stafette/internal/web/webtest"
)

// did lets Eva do something with what the clerk sent.
func did(d *webtest.Desk, k tracking.Kind, class tracking.Class, change ...func(*tracking.Activity)) tracking.Activity {
	d.World.Advance(time.Second)
	eva := message.Address{Local: "eva", Domain: "neu.example"}
	a := tracking.Activity{Kind: k, Title: "Kapitänsweg 12", Label: "EG", Offer: "off_01k00000000000000000000000", OfferRecipient: "offr_01k00000000000000000000000",
		Sender: d.World.Activities().Kept[0].Sender, Identified: true, Recipient: &eva, Machine: tracking.Machine{Class: class}}
	for _, f := range change {
		f(&a)
	}
	return d.World.Did(a)
}

// has looks into the markup, where labels and addresses are.
func has(t *testing.T, a webtest.Answer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.Text, text) {
			t.Errorf("%s has no %q", a.Request.URL, text)
		}
	}
}

func TestFeed(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	d.Post("/blitz/read", url.Values{"until": {did(d, tracking.Opened, tracking.Person).ID.String()}})
	if a := d.Get("/blitz"); strings.Contains(a.Text, "is-new") || !strings.Contains(a.Text, "Blitz: nichts Neues") {
		t.Error("something is new after all was read")
	}
	first := did(d, tracking.FloorplanDownloaded, tracking.Person)
	did(d, tracking.PageVisited, tracking.Scanner, func(a *tracking.Activity) { a.Title = "Maschinenhaus" })
	did(d, tracking.UnitLiked, tracking.Person, func(a *tracking.Activity) { a.Identified = false })
	page := d.Get("/blitz")
	webtest.Expect(t, page, http.StatusOK, "Eva Neu (eva@neu.example) lud den Grundriss „EG“ herunter", "wer es war, ist nicht erkennbar", "Warum werden nicht alle Aktivitäten angezeigt?")
	has(t, page, "Blitz: 2 neue Aktivitäten", "/blitz/offers/off_01k00000000000000000000000/offr_01k00000000000000000000000/certificate.pdf")
	if strings.Contains(page.Text, "Maschinenhaus") || strings.Contains(page.Text, "Fremdes Angebot") {
		t.Error("what a machine did, or somebody else's, is shown")
	}
	webtest.Expect(t, d.Get("/blitz?machines=1"), http.StatusOK, "Maschinenhaus", "nicht gewertet")
	// Opening one leads to what it stands under and leaves the other new.
	if a := d.Post("/blitz/open", url.Values{"activity": {first.ID.String()}}); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/offers/off_") {
		t.Errorf("%d %s", a.StatusCode, a.Header.Get("Location"))
	}
	has(t, d.Get("/blitz"), "Blitz: 1 neue Aktivität")
	file := d.Get("/blitz.csv?q=eva%40neu.example")
	if strings.Count(file.Text, "eva@neu.example") < 2 || !strings.Contains(file.Text, "Eva Neu (eva@neu.example)") || strings.Contains(file.Text, "eva@gmx.example") {
		t.Errorf("%s", file.Text)
	}
	// A piece of an address narrows the feed, and what is in nobody's leaves nothing.
	has(t, d.Get("/blitz?q=NEU.exam"), "Eva Neu (eva@neu.example) lud den Grundriss", `value="NEU.exam"`)
	if a := d.Get("/blitz?q=gmx"); strings.Contains(a.Text, "Eva Neu (eva@neu.example)") || strings.Contains(a.Text, "wer es war, ist nicht erkennbar") {
		t.Error("a piece of an address does not narrow the feed")
	}
	if a := d.Get("/blitz?q=niemand%25"); strings.Contains(a.Text, "/certificate.pdf") {
		t.Error("something is shown of nobody")
	}
	if a := d.Post("/blitz/open", url.Values{"activity": {"atv_01k00000000000000000000000"}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("an activity that is not there: %d", a.StatusCode)
	}
}

func TestLiveTellsAtOnce(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := d.Request(http.MethodGet, "/blitz/live", nil).WithContext(ctx)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	response, err := d.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	next := func() string {
		t.Helper()
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), "data: {"); ok {
				return rest
			}
		}
		t.Fatal("the stream ended")
		return ""
	}
	lines.Scan() // from here on the stream is subscribed
	did(d, tracking.PageVisited, tracking.Scanner)
	if text := next(); strings.Contains(text, "text") {
		t.Errorf("a machine is told of: %s", text)
	}
	did(d, tracking.ExposeDownloaded, tracking.Person)
	if text := next(); !strings.Contains(text, "Exposé zu „Kapitänsweg 12“") {
		t.Errorf("%s", text)
	}
	did(d, tracking.ExposeDownloaded, tracking.Person, func(a *tracking.Activity) { a.Sender = "usr_other" })
	if text := next(); strings.Contains(text, "Exposé") {
		t.Errorf("told of what somebody else sent: %s", text)
	}
}

func TestChoices(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	has(t, d.Get("/blitz/notifications"), `name="office.expose" checked`, "Maschinelle Abrufe melden wir nie")
	a := d.Post("/blitz/notifications", url.Values{"mail.expose": {"on"}, "daily": {"1"}, "quiet_from": {"22"}, "quiet_to": {"6"}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d", a.StatusCode)
	}
	page := d.Get("/blitz/notifications")
	has(t, page, `name="mail.expose" checked`, `<option value="22" selected`)
	if strings.Contains(page.Text, `name="office.expose" checked`) {
		t.Error("what was taken off is ticked")
	}
	if a := d.Post("/blitz/notifications", url.Values{"quiet_from": {"24"}, "quiet_to": {"x"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("%d", a.StatusCode)
	}
}
