package web_test

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
	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

// rows returns the words of the table's rows.
func rows(t *testing.T, a answer) []string {
	t.Helper()
	var list []string
	each(a.document(t), func(n *html.Node) {
		if n.Data == "tr" && attribute(n, "id") != "" {
			list = append(list, words(n))
		}
	})
	return list
}

func TestListTellsEveryState(t *testing.T) {
	d := newDesk(t).signIn(webtest.Clerk)
	got := strings.Join(rows(t, d.get("/messages")), "\n")
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
	d := newDesk(t).signIn(webtest.Clerk)
	for query, want := range map[string]int{
		"":                                  13,
		"?state=bounced":                    3,
		"?state=held&stream=lead":           1,
		"?state=held&stream=newsletter":     0,
		"?q=brandt":                         2,
		"?q=BESICHTIGUNG&tag=speicherblock": 1,
		"?from=2026-11-18&to=2026-11-18":    1,
		"?to=2026-11-18":                    3,
		"?state=nonsense&stream=x&after=x&from=x": 13,
		"?q=%ff": 13,
	} {
		if got := len(rows(t, d.get("/messages"+query))); got != want {
			t.Errorf("%q: %d rows, want %d", query, got, want)
		}
	}
}

func TestListPages(t *testing.T) {
	d := newDesk(t).signIn(webtest.Clerk)
	for i := range 60 {
		d.world.Advance(1e9)
		_, err := d.world.Accept(t.Context(), ingest.Principal{Tenant: d.world.Tenant.ID}, ingest.Submission{
			Draft:       &message.Draft{Subject: fmt.Sprintf("Rundschreiben %02d", i), To: []message.Mailbox{{Address: message.Address{Local: "a", Domain: "b.example"}}}},
			Idempotency: fmt.Sprint(i), Stream: tenant.System,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	first := d.get("/messages?stream=system")
	got := rows(t, first)
	if len(got) != 50 || !strings.Contains(got[0], "Rundschreiben 59") {
		t.Fatalf("first page: %d rows, from %q", len(got), got[0])
	}
	var older string
	each(first.document(t), func(n *html.Node) {
		if attribute(n, "rel") == "next" {
			older = attribute(n, "href")
		}
	})
	second := d.get(older)
	if got := rows(t, second); len(got) != 10 || !strings.Contains(got[9], "Rundschreiben 00") {
		t.Errorf("second page at %s: %q", older, got)
	}
	if strings.Contains(second.text, `rel="next"`) {
		t.Error("the last page has a next one")
	}
}

func TestListSaysWhyItIsEmpty(t *testing.T) {
	d := newDesk(t).signIn(webtest.Clerk)
	expect(t, d.get("/messages?q=gibtsnicht"), http.StatusOK, "Nichts gefunden für „gibtsnicht“.", "Filter zurücksetzen")
	expect(t, d.get("/messages?tag=gibtsnicht"), http.StatusOK, "Keine Nachricht passt zu diesem Filter.")
	d.world.Break(errors.New("database is on fire at 10.0.0.7"))
	a := d.get("/messages?state=held")
	expect(t, a, http.StatusInternalServerError, "Diese Liste ließ sich nicht laden.", "Noch einmal laden")
	if strings.Contains(a.text, "fire") || strings.Contains(d.get("/").text, "fire") {
		t.Error("the text of an inner error reached the page")
	}
	expect(t, d.get("/"), http.StatusInternalServerError, "Der Fehler liegt bei uns.")

	other := newDesk(t).signIn(webtest.Stranger)
	expect(t, other.get("/messages?state=held"), http.StatusOK, "Keine Nachricht passt")
}

func TestExport(t *testing.T) {
	d := newDesk(t).signIn(webtest.Clerk)
	a := d.get("/messages.csv?state=bounced")
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") || !strings.Contains(a.Header.Get("Content-Disposition"), "nachrichten-2026-11-19.csv") {
		t.Errorf("headers %v", a.Header)
	}
	reader := csv.NewReader(strings.NewReader(strings.TrimPrefix(a.text, "\ufeff")))
	reader.Comma = ';'
	lines, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	// Three messages match; one of them has three recipients.
	if len(lines) != 1+5 || lines[0][1] != "Zustellungsstatus" || lines[1][1] != "Zurückgewiesen" || lines[1][0] != "2026-11-19 10:36:30" {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	whole := d.get("/messages.csv").text
	if !strings.Contains(whole, `'=cmd|' /C calc'!A0`) || strings.Contains(whole, ";=cmd") {
		t.Error("a formula went out live")
	}
	d.world.Break(errors.New("database is on fire"))
	if a := d.get("/messages.csv"); a.StatusCode != http.StatusInternalServerError || strings.Contains(a.text, "fire") {
		t.Errorf("broken export: status %d", a.StatusCode)
	}
}

// T28: cells that a spreadsheet would calculate.
func TestInert(t *testing.T) {
	for cell, want := range map[string]string{
		"=1+1": "'=1+1", "+49 40": "'+49 40", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1",
		"＝1": "'＝1", "Hallo": "Hallo", "": "", "a=b": "a=b", "|cmd": "'|cmd",
	} {
		if got := web.Inert(cell); got != want {
			t.Errorf("inert(%q) = %q, want %q", cell, got, want)
		}
	}
}

func TestOverview(t *testing.T) {
	d := newDesk(t).signIn(webtest.Clerk)
	a := d.get("/")
	expect(t, a, http.StatusOK, "12 Zustellungen seit Mitternacht. Stand 10:41 Uhr.", "Zugestellt 2", "Zurückgewiesen 3",
		"Kontaktanfrage HK-2214 Angehalten · Makler Muster", "Unterlagen Finanzierung")
	if !strings.Contains(a.text, `href="/messages?from=2026-11-19&amp;state=held&amp;to=2026-11-19"`) {
		t.Error("a state's figure does not lead to its messages")
	}
	other := newDesk(t).signIn(webtest.Stranger)
	expect(t, other.get("/"), http.StatusOK, "Hier steht, was dich als Nächstes braucht.", "Eine Zustellung seit Mitternacht.")
	if strings.Contains(other.get("/").text, "HK-2214") {
		t.Error("another tenant's problem is shown")
	}
}
