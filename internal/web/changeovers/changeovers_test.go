package changeovers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/changeover"
	"stafette/internal/web/webtest"
)

const home = "/platform/changeovers"

func operator(t *testing.T) *webtest.Desk {
	t.Helper()
	return webtest.Open(t).SignIn(webtest.Staff)
}

// of returns the world's changeover in a stage.
func of(d *webtest.Desk, stage changeover.Stage) changeover.Changeover {
	d.T.Helper()
	for _, c := range d.World.Changeovers() {
		if c.Stage == stage {
			return c
		}
	}
	d.T.Fatalf("no changeover is %s", stage)
	return changeover.Changeover{}
}

// holds checks the source of a page, where Expect looks at its words.
func holds(t *testing.T, a webtest.Answer, status int, texts ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d", a.StatusCode, status)
	}
	for _, text := range texts {
		if !strings.Contains(a.Text, text) {
			t.Errorf("%s lacks %q", a.Request.URL.Path, text)
		}
	}
}

func fields() url.Values {
	return url.Values{"name": {"Neue Server"}, "part-192.0.2.18": {"old"}, "part-192.0.2.17": {"old"}, "part-neu": {"new"}, "announce_at": {"2027-01-04T09:00"},
		"test_from": {"2027-01-18T09:00"}, "cutover_at": {"2027-01-19T09:00"}, "overlap_until": {"2027-03-02T09:00"}, "test_share": {"5"},
		"steps": {"0 25\n2,5 60 %\n7 100"}, "domains": {"Post.example"}}
}

// TestAPlanIsWritten, comes back as it was typed, and is refused field by field.
func TestAPlanIsWritten(t *testing.T) {
	d := operator(t)
	webtest.Expect(t, d.Get(home+"/new"), http.StatusOK, "0 25", "nicht beteiligt", "192.0.2.17")
	bad := fields()
	bad.Del("part-192.0.2.18")
	bad.Set("cutover_at", "2027-01-01T09:00")
	bad.Set("steps", "0 25\nzwei 50")
	bad.Set("name", "<script>")
	a := d.Post(home+"/new", bad)
	holds(t, a, http.StatusUnprocessableEntity, `id="steps-problem"`, "zwei 50", "&lt;script&gt;")
	bad.Set("steps", "0 25")
	holds(t, d.Post(home+"/new", bad), http.StatusUnprocessableEntity, `id="cutover_at-problem"`, "folgen aufeinander", "die letzte ist 100")
	good := fields()
	good.Del("part-192.0.2.18")
	a = d.Post(home+"/new", good)
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	page := strings.TrimSuffix(a.Header.Get("Location"), "?done=saved")
	webtest.Expect(t, d.Get(page), http.StatusOK, "Neue Server", "60 % über neue Adressen", "21.01.2027", "21:00", "Umstellung starten", "Noch nicht geprüft")
	holds(t, d.Get(page+"/edit"), http.StatusOK, "2.5 60", `value="2027-01-18T09:00"`, "post.example")
	// Whoever has an older version open overwrites nothing.
	good.Set("version", "0")
	webtest.Expect(t, d.Post(page+"/edit", good), http.StatusUnprocessableEntity, "inzwischen geändert")
	good.Set("version", "1")
	if a = d.Post(page+"/edit", good); a.StatusCode != http.StatusSeeOther {
		t.Errorf("change: status %d", a.StatusCode)
	}
}

// TestPauseAndRollBackTakeOneClick each, and egress follows.
func TestPauseAndRollBackTakeOneClick(t *testing.T) {
	d := operator(t)
	c := of(d, changeover.Shifting)
	page := home + "/" + c.ID.String()
	webtest.Expect(t, d.Get(page), http.StatusOK, "Anhalten", "Zurückdrehen", "Wirkt in Sekunden", "50 %")
	for _, step := range []struct{ deed, text string }{{"pause", "eingefroren"}, {"resume", "Anhalten"}, {"roll-back", "wieder über die bisherigen"}} {
		if a := d.Post(page+"/"+step.deed, nil); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: status %d: %s", step.deed, a.StatusCode, a.Text)
		}
		webtest.Expect(t, d.Get(page), http.StatusOK, step.text)
	}
	plan, err := d.World.Outlets().Plan(t.Context())
	if s, there := plan.Shift(c.ID.String()); err != nil || !there || s.Share != 0 || s.Fallback {
		t.Errorf("egress has %+v, %v", s, err)
	}
}

func TestSharesAreRefusedAtTheirField(t *testing.T) {
	d := operator(t)
	page := home + "/" + of(d, changeover.Shifting).ID.String()
	form := url.Values{"share": {"120"}, "version": {"1"}, "rows": {"2"}, "provider-0": {"tonline"}, "percent-0": {"10"}}
	holds(t, d.Post(page+"/shares", form), http.StatusUnprocessableEntity, `id="share-problem"`, `value="120"`)
	form.Set("share", "60")
	if a := d.Post(page+"/shares", form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	holds(t, d.Get(page), http.StatusOK, `value="60"`, `value="tonline"`)
	holds(t, d.Post(page+"/extend", url.Values{"overlap_until": {"gestern"}}), http.StatusUnprocessableEntity, `id="overlap_until-problem"`)
}

// TestStartIsBlocked: the page shows what blocks, with the way out.
func TestStartIsBlocked(t *testing.T) {
	d := operator(t)
	page := home + "/" + of(d, changeover.Draft).ID.String()
	a := d.Post(page+"/check", nil)
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", a.StatusCode)
	}
	a = d.Post(page+"/start", nil)
	if loc := a.Header.Get("Location"); a.StatusCode == http.StatusSeeOther && !strings.HasSuffix(loc, "done=blocked") && !strings.HasSuffix(loc, "done=start") {
		t.Errorf("leads to %s", loc)
	}
}

// TestOwnCustomersOnly: a tenant's people see their customers, nobody else's, as words.
func TestOwnCustomersOnly(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	c := of(d, changeover.Shifting)
	mine, other := "makler-"+d.World.Tenant.ID.String()[26:], "makler-"+d.World.Other.ID.String()[26:]
	for _, path := range []string{"/changeovers/" + c.ID.String(), "/changeovers/" + c.ID.String() + "/customers.csv"} {
		a := d.Get(path)
		webtest.Expect(t, a, http.StatusOK, mine)
		if strings.Contains(a.Text, other) || !strings.HasSuffix(path, ".csv") && strings.Contains(a.Text, "<script>alert") {
			t.Errorf("%s shows another tenant's customers, or runs foreign words", path)
		}
	}
	for _, stage := range []changeover.Stage{changeover.Draft, changeover.Testing} { // the latter is another tenant's
		webtest.Expect(t, d.Get("/changeovers/"+of(d, stage).ID.String()), http.StatusNotFound)
	}
}

func TestReportIsAPDF(t *testing.T) {
	d := operator(t)
	a := d.Get(home + "/" + of(d, changeover.Overlap).ID.String() + "/report.pdf")
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(a.Text, "%PDF-") || len(a.Text) < 5000 {
		t.Errorf("status %d, %s, %d bytes", a.StatusCode, a.Header.Get("Content-Type"), len(a.Text))
	}
}

// TestWhoIsLeft: the list of customers and its file say what to do for each, also for who
// has no refusal on record; the question before the end says how many there are.
func TestWhoIsLeft(t *testing.T) {
	d := operator(t)
	page := home + "/" + of(d, changeover.Overlap).ID.String()
	holds(t, d.Get(page+"/customers"), http.StatusOK, "Neue Adressen dort zusätzlich eintragen", "Außerdem noch offen", "Makler &lt;i&gt; &amp; Co.", "Braucht alte Adresse")
	holds(t, d.Get(page+"/customers.csv"), http.StatusOK, ";blames_new;wait_it", "4711;;keep_old")
	holds(t, d.Get(page), http.StatusOK, "3 Kund:innen brauchen")
	d = webtest.Open(t).SignIn(webtest.Clerk)
	holds(t, d.Get("/changeovers/"+of(d, changeover.Overlap).ID.String()), http.StatusOK, "Außerdem noch offen", "4711")
}
