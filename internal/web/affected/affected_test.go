package affected_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/changeover/affected"
	"stafette/internal/web/webtest"
)

func customer(t *testing.T, d *webtest.Desk, begins string) affected.Customer {
	t.Helper()
	_, all := d.World.Changeover(d.World.Tenant.ID)
	for _, c := range all {
		if strings.HasPrefix(c.Title(), begins) {
			return c
		}
	}
	t.Fatalf("no customer %q", begins)
	return affected.Customer{}
}

func TestCustomersAreListedWithEvidence(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	plan, _ := d.World.Changeover(d.World.Tenant.ID)
	a := d.Get("/affected/" + plan.ID.String())
	for _, want := range []string{"Weist neue Adressen ab", "41 Antworten nennen die neue Adresse", "Langsamer als über alte", "98 neu, 90 alt", "XML fehlt bei neuen Adressen",
		"Braucht alte Adresse", "Nachweis an deren IT geben", "&lt;script&gt;"} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("page lacks %q", want)
		}
	}
	if a = d.Get("/affected/" + plan.ID.String() + "?problem=slower"); strings.Contains(a.Text, "A Makler") || !strings.Contains(a.Text, "B Makler") {
		t.Error("the filter does not hold")
	}
	if a = d.Get("/affected/" + plan.ID.String() + "/customers.csv?problem=slower"); strings.Count(a.Text, "\n") != 2 || !strings.Contains(a.Text, "4712;B Makler <i> & Co.") {
		t.Errorf("file: %s", a.Text)
	}
	a = d.Get("/affected-customer/" + customer(t, d, "A").ID.String())
	for _, want := range []string{"zu wenige für ein Urteil", "Letzte Zustellung ansehen", "https://post.example/changeover/"} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("customer's page lacks %q", want)
		}
	}
}

func TestWhatPeopleKnowIsKept(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	c := customer(t, d, "lund")
	path := "/affected-customer/" + c.ID.String()
	if a := d.Post(path, url.Values{"lists": {"on"}, "note": {"laut\r\nAnruf"}, "emails": {"kein Ort"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("status %d for an address that is none", a.StatusCode)
	}
	if a := d.Post(path, url.Values{"lists": {"on"}, "settled": {"on"}, "note": {"laut\r\nAnruf"}, "emails": {"it@lund.example"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", a.StatusCode)
	}
	if c = customer(t, d, "lund"); !c.Lists || c.Note != "laut Anruf" || c.Settled.IsZero() || len(c.Emails) != 1 {
		t.Errorf("kept %+v", c)
	}
}

func TestAnnouncementIsSentOnce(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	plan, _ := d.World.Changeover(d.World.Tenant.ID)
	path := "/affected/" + plan.ID.String()
	if a := d.Post(path+"/announcement", url.Values{"reason_de": {"Nur Deutsch."}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("status %d for a reason in one language", a.StatusCode)
	}
	if a := d.Post(path+"/announcement", url.Values{"unconcerned": {"onOffice, Flowfact"}, "contact": {"it@hafenkontor.example"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", a.StatusCode)
	}
	if a := d.Get(path + "/announcement"); !strings.Contains(a.Text, "müssen Kund:innen dieser Systeme nichts tun: onOffice, Flowfact") || !strings.Contains(a.Text, "192.0.2.18 (neu-a.mail.example)") {
		t.Errorf("preview: %s", a.Text)
	}
	if a := d.Post(path+"/send", url.Values{"scope": {"everybody"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("status %d for an unknown scope", a.StatusCode)
	}
	if a := d.Post(path+"/send", url.Values{"scope": {"all"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", a.StatusCode)
	}
	for range 2 {
		if _, err := d.World.Announcer().Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.World.Accepted()); n != 3 { // five advertisers, two of whom were told before
		t.Errorf("%d mails", n)
	}
	if a := d.Post("/affected-customer/"+customer(t, d, "A").ID.String()+"/remind", nil); a.StatusCode != http.StatusConflict {
		t.Errorf("status %d for a reminder right after", a.StatusCode)
	}
}

func TestListIsReadIn(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	plan, _ := d.World.Changeover(d.World.Tenant.ID)
	send := func(text string) webtest.Answer {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("list", "liste.csv")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write([]byte(text))
		_ = form.Close()
		r := d.Request(http.MethodPost, "/affected/"+plan.ID.String()+"/import", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		return d.Do(r)
	}
	if a := send("Nummer;Woher\n4714;Anruf\nthiel.example;Notiz\n9999;x\n"); a.StatusCode != http.StatusOK || !strings.Contains(a.Text, "2 Kunden sind vermerkt") || !strings.Contains(a.Text, "9999") {
		t.Errorf("status %d: %s", a.StatusCode, a.Text)
	}
	if c := customer(t, d, "thiel"); !c.Lists || c.Note != "Notiz" {
		t.Errorf("kept %+v", c)
	}
	if a := send("\xff\xfe"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("status %d for what is no text", a.StatusCode)
	}
}
