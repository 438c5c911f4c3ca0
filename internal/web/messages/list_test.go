package messages_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/webtest"
)

// rows returns the words of the table's rows.
func rows(t *testing.T, a webtest.Answer) []string {
	t.Helper()
	var list []string
	webtest.Each(a.Document(t), func(n *html.Node) {
		if n.Data == "tr" && webtest.Attribute(n, "id") != "" {
			list = append(list, webtest.Words(n))
		}
	})
	return list
}

func TestListTellsEveryState(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	got := strings.Join(rows(t, d.Get("/messages")), "\n")
	for _, want := range []string{
		"10:41 In Warteschlange Exposé Speicherblock 7, Wohnung 4.2 Eva Sommer eva.sommer@gmx.example Transaktion",
		"10:38 Vorübergehend verzögert Der Anbieter begrenzt die Menge. Nächster Versuch 10:53 Besichtigung",
		"10:36 Zurückgewiesen Die Domain nimmt keine E-Mails an.",
		"10:21 Angehalten Ein Anhang stimmt nicht mehr mit seiner Prüfsumme überein.",
		"09:58 Nicht gesendet (gesperrt) Die Person hat sich von dieser Kategorie abgemeldet.",
		"3 Empfänger 1 zugestellt, 1 verzögert, 1 zurückgewiesen",
		"08:55 Zugestellt Ihr Termin morgen um 14 Uhr Piet Hansen piet@hansen.example Erinnerung 3 s",
		"Zustellung aufgegeben Der Empfängerserver ist nicht erreichbar.",
		"08:11 Abgebrochen", "18.11. 08:41 Zugestellt (ohne Betreff) ohne.betreff@gmx.example",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no row says %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "Salon") {
		t.Error("another tenant's message is in the list")
	}
}

func TestListFilters(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for query, want := range map[string]int{
		"":                                  15,
		"?state=bounced":                    3,
		"?state=held&stream=lead":           1,
		"?state=held&stream=newsletter":     0,
		"?q=brandt":                         2,
		"?q=BESICHTIGUNG&tag=speicherblock": 1,
		"?from=2026-11-18&to=2026-11-18":    3,
		"?to=2026-11-18":                    5,
		"?state=nonsense&stream=x&after=x&from=x": 15,
		"?mark=late_bounce":                       1, "?mark=x": 15, "?q=%ff": 15,
	} {
		if got := len(rows(t, d.Get("/messages"+query))); got != want {
			t.Errorf("%q: %d rows, want %d", query, got, want)
		}
	}
}

func TestListPages(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for i := range 60 {
		d.World.Advance(1e9)
		_, err := d.World.Accept(t.Context(), ingest.Principal{Tenant: d.World.Tenant.ID}, ingest.Submission{
			Draft:       &message.Draft{Subject: fmt.Sprintf("Rundschreiben %02d", i), To: []message.Mailbox{{Address: message.Address{Local: "a", Domain: "b.example"}}}},
			Idempotency: fmt.Sprint(i), Stream: tenant.System,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	first := d.Get("/messages?stream=system")
	got := rows(t, first)
	if len(got) != 50 || !strings.Contains(got[0], "Rundschreiben 59") {
		t.Fatalf("first page: %d rows, from %q", len(got), got[0])
	}
	var older string
	webtest.Each(first.Document(t), func(n *html.Node) {
		if webtest.Attribute(n, "rel") == "next" {
			older = webtest.Attribute(n, "href")
		}
	})
	second := d.Get(older)
	if got := rows(t, second); len(got) != 10 || !strings.Contains(got[9], "Rundschreiben 00") {
		t.Errorf("second page at %s: %q", older, got)
	}
	if strings.Contains(second.Text, `rel="next"`) {
		t.Error("the last page has a next one")
	}
}

func TestListSaysWhyItIsEmpty(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get("/messages?q=gibtsnicht"), http.StatusOK, "Nichts gefunden für „gibtsnicht“.", "Filter zurücksetzen")
	webtest.Expect(t, d.Get("/messages?tag=gibtsnicht"), http.StatusOK, "Keine Nachricht passt zu diesem Filter.")
	d.World.Break(errors.New("database is on fire at 10.0.0.7"))
	a := d.Get("/messages?state=held")
	webtest.Expect(t, a, http.StatusInternalServerError, "Diese Liste ließ sich nicht laden.", "Noch einmal laden")
	if strings.Contains(a.Text, "fire") || strings.Contains(d.Get("/").Text, "fire") {
		t.Error("the text of an inner error reached the page")
	}
	webtest.Expect(t, d.Get("/"), http.StatusInternalServerError, "Der Fehler liegt bei uns.")

	other := webtest.Open(t).SignIn(webtest.Stranger)
	webtest.Expect(t, other.Get("/messages?state=held"), http.StatusOK, "Keine Nachricht passt")
}

func TestExport(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get("/messages.csv?state=bounced")
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") || !strings.Contains(a.Header.Get("Content-Disposition"), "nachrichten-2026-11-19.csv") {
		t.Errorf("headers %v", a.Header)
	}
	reader := csv.NewReader(strings.NewReader(strings.TrimPrefix(a.Text, "\ufeff")))
	reader.Comma = ';'
	lines, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	// Three messages match; one of them has three recipients.
	if len(lines) != 1+5 || lines[0][1] != "Zustellungsstatus" || lines[1][1] != "Zurückgewiesen" || lines[1][0] != "2026-11-19 10:36:30" {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	whole := d.Get("/messages.csv").Text
	if !strings.Contains(whole, `'=cmd|' /C calc'!A0`) || strings.Contains(whole, ";=cmd") {
		t.Error("a formula went out live")
	}
	d.World.Break(errors.New("database is on fire"))
	if a := d.Get("/messages.csv"); a.StatusCode != http.StatusInternalServerError || strings.Contains(a.Text, "fire") {
		t.Errorf("broken export: status %d", a.StatusCode)
	}
}

func TestOverview(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get("/")
	webtest.Expect(t, a, http.StatusOK, "12 Zustellungen seit Mitternacht. Stand 10:41 Uhr.", "Zugestellt 2", "Zurückgewiesen 3",
		"Eine E-Mail ist angehalten", "Unterlagen Finanzierung")
	if !strings.Contains(a.Text, `href="/messages?from=2026-11-19&amp;state=held&amp;to=2026-11-19"`) {
		t.Error("a state's figure does not lead to its messages")
	}
	other := webtest.Open(t).SignIn(webtest.Stranger)
	webtest.Expect(t, other.Get("/"), http.StatusOK, "Eine Zustellung seit Mitternacht.")
	if strings.Contains(other.Get("/").Text, "HK-2214") {
		t.Error("another tenant's problem is shown")
	}
}
