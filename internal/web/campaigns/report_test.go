package campaigns_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/campaign"
	"stafette/internal/web/webtest"
)

// mailing finds a mailing of the world.
func mailing(t *testing.T, d *webtest.Desk, name string) string {
	t.Helper()
	list, _, err := d.World.Mailings().Campaigns(t.Context(), d.World.Tenant.ID, campaign.ID{}, 50)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Name == name {
			return "/campaigns/" + c.ID.String()
		}
	}
	t.Fatalf("no mailing %q", name)
	return ""
}

func TestReportTellsLinks(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	one := mailing(t, d, "April-Rundbrief")
	webtest.Expect(t, d.Get(one), http.StatusOK, "von 1.219 E-Mails mit Tracking", "https://muster.example/neu?a=1&b=2 38 3,1 % 12", "je Person verschieden", "Bericht als PDF", "Links in der E-Mail ansehen")
	d.Lang = "en"
	webtest.Expect(t, d.Get(one), http.StatusOK, "of 1,219 mails with tracking", "3.1%")
}

// The picture of the mail bears signs at counted links only, runs nothing, and is shown
// in no foreign page.
func TestLinkMap(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	one := mailing(t, d, "April-Rundbrief")
	a := d.Get(one + "/links.html?version=")
	webtest.Expect(t, a, http.StatusOK, "1: 38 Neues 2: 5 Katalog Abmelden")
	if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "sandbox") || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src") {
		t.Errorf("policy %q", policy)
	}
	if a := d.Get(one + "/links.html?version=x"); a.StatusCode != http.StatusNotFound {
		t.Errorf("unknown version: %d", a.StatusCode)
	}
}

func TestReportOnPaper(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get(mailing(t, d, "April-Rundbrief") + "/report.pdf")
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/pdf" || !bytes.HasPrefix([]byte(a.Text), []byte("%PDF-")) || len(a.Text) < 10_000 {
		t.Errorf("%d %s, %d bytes", a.StatusCode, a.Header.Get("Content-Type"), len(a.Text))
	}
	if a := d.Get(mailing(t, d, "Mai-Rundbrief") + "/report.pdf"); a.StatusCode != http.StatusConflict {
		t.Errorf("of a draft: %d", a.StatusCode)
	}
}
