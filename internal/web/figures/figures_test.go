package figures_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

func TestProvidersAreCompared(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get("/statistics/providers?range=7&sort=rate")
	webtest.Expect(t, a, http.StatusOK, "Anbieter im Vergleich", "T-Online: Zustellrate", "DKIM für die Absenderdomain ist hier Pflicht", "Zustellrate: zugestellt geteilt durch")
	body := webtest.Words(webtest.Find(a.Document(t), "tbody"))
	if !strings.HasPrefix(body, "T-Online") {
		t.Errorf("sorted by rate: %s", body)
	}
	if !strings.Contains(a.Text, "/messages?from=") || !strings.Contains(a.Text, "provider=tonline&amp;state=bounced") {
		t.Error("no way to the messages behind a number")
	}
	back := d.Get("/statistics/providers?range=7&sort=-provider")
	if words := webtest.Words(webtest.Find(back.Document(t), "tbody")); !strings.HasPrefix(words, "Übrige") && !strings.HasPrefix(words, "Yahoo") {
		t.Errorf("sorted by name, backwards: %s", words)
	}
	if other := webtest.Open(t).SignIn(webtest.Stranger).Get("/statistics/providers"); strings.Contains(other.Text, "T-Online: Zustellrate") {
		t.Error("another account sees these figures")
	}
}

func TestProvidersAreExported(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(d.Get("/statistics/providers.csv?range=7&stream=newsletter").Text, "\ufeff")))
	r.Comma = ';'
	lines, err := r.ReadAll()
	if err != nil || len(lines) < 10 || lines[0][0] != "Anbieter" || lines[1][0] != "GMX" || lines[1][1] != "700" {
		t.Errorf("export: %v, %v", lines, err)
	}
}

func TestStaffSeeAllAccountsWithoutTheirMail(t *testing.T) {
	a := webtest.Open(t).SignIn(webtest.Staff).Get("/platform/providers")
	webtest.Expect(t, a, http.StatusOK, "Alle Konten zusammen", "T-Online")
	if strings.Contains(a.Text, "/messages?") {
		t.Error("staff are led to a tenant's messages")
	}
}
