package redeliveries_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

var (
	delivery = regexp.MustCompile(`>(dlv_[0-9a-z]+)<`)
	job      = regexp.MustCompile(`/redeliveries/(rdl_[0-9a-z]+)"`)
	hidden   = regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)"`)
)

// awaiting is the page of the job that waits for a second person.
func awaiting(t *testing.T, d *webtest.Desk) string {
	t.Helper()
	for row := range strings.SplitSeq(d.Get("/redeliveries").Text, "<tr") {
		if strings.Contains(row, "Wartet auf zweite Person") {
			return "/redeliveries/" + job.FindStringSubmatch(row)[1]
		}
	}
	t.Fatal("no job waits")
	return ""
}

// markup asks for what readers do not see.
func markup(t *testing.T, a webtest.Answer, status int, text string) {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.Text, text) {
		t.Errorf("%d without %q: %s", a.StatusCode, text, a.Text)
	}
}

// From the filter over the dry run to a job that runs, rests, goes on and ends, without
// scripts.
func TestJourney(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	markup(t, d.Get("/redeliveries/new"), http.StatusOK, `value="undelivered" selected`)
	// The second of all is the one that has arrived.
	one := delivery.FindAllStringSubmatch(d.Get(awaiting(t, d)).Text, -1)[1][1]
	webtest.Expect(t, d.Get("/redeliveries/preview?delivery="+one), http.StatusOK, "Übersprungen: bereits zugestellt", "Nichts davon lässt sich nachliefern")
	dry := d.Get("/redeliveries/preview?delivered=on&mark=on&delivery=" + one)
	webtest.Expect(t, dry, http.StatusOK, "Probelauf, nichts wurde gesendet", "Nachlieferung: Angebot <b>", "Guten Tag <script>")
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(dry.Text, -1) {
		form.Set(m[1], m[2])
	}
	a := d.Post("/redeliveries", form)
	page, done, _ := strings.Cut(a.Header.Get("Location"), "?")
	if a.StatusCode != http.StatusSeeOther || done != "done=started" {
		t.Fatalf("%d to %q: %s", a.StatusCode, a.Header.Get("Location"), a.Text)
	}
	if again := d.Post("/redeliveries", form).Header.Get("Location"); again != page+"?done=again" {
		t.Errorf("pressed twice: %q", again)
	}
	for _, step := range []struct{ act, words string }{{"pause", "Pausiert"}, {"resume", "Läuft"}, {"cancel", "Abgebrochen"}} {
		if a := d.Post(page+"/"+step.act, nil); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d", step.act, a.StatusCode)
		}
		webtest.Expect(t, d.Get(page), http.StatusOK, step.words)
	}
	if a := d.Post(page+"/resume", nil); a.Header.Get("Location") != page+"?done=state" {
		t.Errorf("resumed after the end: %d %q", a.StatusCode, a.Header.Get("Location"))
	}
}

// What somebody else started, a second person confirms; who started it does not.
func TestSecondPerson(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	waits := awaiting(t, d)
	webtest.Expect(t, d.Get(waits), http.StatusOK, "Bestätigen und starten")
	if a := d.Post(waits+"/confirm", nil); a.Header.Get("Location") != waits+"?done=confirm" {
		t.Errorf("%d: %s", a.StatusCode, a.Text)
	}
	own := d.Post("/redeliveries", url.Values{"delivered": {"on"}, "to_address": {"neu@kunde.example"}, "message": {""}})
	if own.StatusCode != http.StatusConflict { // all are in other jobs
		t.Errorf("%d: %s", own.StatusCode, own.Text)
	}
}

// What cannot be read comes back with its problem.
func TestRefused(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for address, field := range map[string]string{
		"recipient=a%20b": "recipient-problem", "from=gestern": "from-problem", "per_minute=x": "per_minute-problem", "per_minute=9&ceiling=4": "ceiling-problem",
		"to_address=x": "to_address-problem", "state=queued": "state-problem", "from=2026-11-20&until=2026-11-01": "until-problem",
	} {
		if a := d.Get("/redeliveries/preview?" + address); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="`+field+`"`) {
			t.Errorf("%s: %d without %s", address, a.StatusCode, field)
		}
	}
	if a := webtest.Open(t).SignIn(webtest.Reader).Get("/redeliveries/new"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a reader may prepare one: %d", a.StatusCode)
	}
}

// The page of the archive keeps times, and shows and exports the proof.
func TestArchive(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	page := d.Get("/archive")
	webtest.Expect(t, page, http.StatusOK, "1,2 kB", "unterbrochen")
	markup(t, d.Post("/archive", url.Values{"lead": {"366"}}), http.StatusUnprocessableEntity, `id="lead-problem"`)
	markup(t, d.Post("/archive", url.Values{"lead": {"x"}}), http.StatusUnprocessableEntity, `id="lead-problem"`)
	if a := d.Post("/archive", url.Values{"lead": {"30"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("%d: %s", a.StatusCode, a.Text)
	}
	markup(t, d.Get("/archive"), http.StatusOK, `value="30"`)
	sum := regexp.MustCompile(`[0-9a-f]{64}`).FindString(page.Text)
	webtest.Expect(t, d.Get("/archive.csv"), http.StatusOK, sum)
	webtest.Expect(t, d.Get("/redeliveries.csv"), http.StatusOK, "rdl_")
}
