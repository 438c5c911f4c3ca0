package leads_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/web/webtest"
)

func suspect(t *testing.T, d *webtest.Desk) lead.Lead {
	t.Helper()
	for _, l := range d.World.Leads(d.World.Tenant.ID) {
		if l.State == lead.Suspect {
			return l
		}
	}
	t.Fatal("no suspect lead")
	return lead.Lead{}
}

// A suspect is decided about once, by whoever comes first.
func TestSuspectsAreDecidedOnce(t *testing.T) {
	for how, want := range map[string]lead.State{"release": lead.Sent, "discard": lead.Discarded} {
		d := webtest.Open(t).SignIn(webtest.Clerk)
		l := suspect(t, d)
		if a := d.Get("/lead-suspects"); !strings.Contains(a.Text, "VERDACHT-1 &lt;b&gt;") || !strings.Contains(a.Text, "das Menschen nicht sehen") {
			t.Errorf("the list: %s", a.Text)
		}
		if a := d.Get("/leads"); strings.Contains(a.Text, "VERDACHT-1") {
			t.Error("the list of leads has the suspect")
		}
		path := "/leads/" + l.ID.String()
		if a := d.Post(path+"/"+how, url.Values{}); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/lead-suspects?done=") {
			t.Errorf("%s: status %d", how, a.StatusCode)
		}
		if got, err := d.World.Receivers().Lead(t.Context(), l.Tenant, l.ID); err != nil || got.State != want {
			t.Errorf("%s: %s, %v", how, got.State, err)
		}
		if a := d.Post(path+"/discard", url.Values{}); a.Header.Get("Location") != path+"?done=decided" {
			t.Errorf("after %s: %q", how, a.Header.Get("Location"))
		}
	}
}

func TestAFormIsMadeAndRefused(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	v := url.Values{"name": {"Neu <script>"}, "active": {"on"}, "source": {"fixed"}, "advertiser": {"4711"}, "object": {"MA-1"}, "notice": {"Wer, wozu, wie lange."},
		"origins": {"https://www.makler.example/\r\nhttps://m.makler.example"}, "need_email": {"mandatory"}, "redirect": {"https://evil.example/"}}
	if a := d.Post("/lead-forms", v); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, "redirect-problem") || !strings.Contains(a.Text, "Neu &lt;script&gt;") {
		t.Errorf("status %d: %s", a.StatusCode, a.Text)
	}
	v.Set("redirect", "https://m.makler.example/danke")
	a := d.Post("/lead-forms", v)
	path, _, _ := strings.Cut(a.Header.Get("Location"), "?")
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	page := d.Get(path)
	for _, want := range []string{d.URL + "/f/", "/embed?preview=", "embed.js", `name=&#34;email&#34;`} {
		if !strings.Contains(page.Text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if a := d.Post(path+"/delete", url.Values{}); a.Header.Get("Location") != "/lead-forms?done=dropped" || d.Get(path).StatusCode != http.StatusNotFound {
		t.Errorf("deleted: status %d", a.StatusCode)
	}
	forms, err := d.World.LeadForms.Forms(t.Context(), d.World.Tenant.ID)
	if err != nil || len(forms) != 2 {
		t.Errorf("%d forms, %v", len(forms), err)
	}
	signed := forms[0]
	if !signed.Signed {
		signed = forms[1]
	}
	if a := d.Get("/lead-forms/" + signed.ID.String()); !strings.Contains(a.Text, d.World.LeadForms.Secret(signed)) {
		t.Error("who may change the form does not see its key")
	}
}

var number = regexp.MustCompile(`/lead-cases/case_[0-9a-z]+`)

// A case is opened, tested, noted and closed; every step stands on its page.
func TestACaseIsWalkedToItsEnd(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	if a := d.Post("/lead-cases", url.Values{"advertiser": {"gibtsnicht"}, "kind": {"missing"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("unknown advertiser: status %d", a.StatusCode)
	}
	a := d.Post("/lead-cases", url.Values{"advertiser": {"4711"}, "object": {"NEU-1"}, "kind": {"vanished"}, "text": {"Seit gestern nichts. <script>"}})
	path := number.FindString(a.Header.Get("Location"))
	if a.StatusCode != http.StatusSeeOther || path == "" {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	says := func(what string, want ...string) {
		t.Helper()
		page := d.Get(path)
		for _, one := range want {
			if !strings.Contains(page.Text, one) {
				t.Errorf("%s: the page lacks %q", what, one)
			}
		}
	}
	says("opened", "Senden Sie eine Test-Kontaktanfrage", "Seit gestern nichts. &lt;script&gt;", "Verschwand ohne Meldung")
	if a := d.Post(path+"/test", url.Values{}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("test: status %d: %s", a.StatusCode, a.Text)
	}
	says("tested", "noch nicht bestätigt", `href="/leads/lead_`)
	if a := d.Post(path+"/note", url.Values{"text": {" "}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("empty note: status %d", a.StatusCode)
	}
	if a := d.Post(path+"/close", url.Values{}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("no outcome: status %d", a.StatusCode)
	}
	if a := d.Post(path+"/close", url.Values{"outcome": {string(leadcase.Receiver)}, "last": {"Filter geändert"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("close: status %d: %s", a.StatusCode, a.Text)
	}
	says("closed", "Dieser Fall ist abgeschlossen.", "Filter geändert", "Empfangsseite hat etwas geändert")
	csv := d.Get("/lead-cases.csv?kind=vanished&advertiser=4711")
	if lines := strings.Count(csv.Text, "\n"); csv.StatusCode != http.StatusOK || !strings.Contains(csv.Text, "NEU-1") || lines < 2 {
		t.Errorf("file: status %d: %s", csv.StatusCode, csv.Text)
	}
}
