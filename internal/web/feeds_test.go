package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/feed"
	"stafette/internal/web/webtest"
)

// feedForm is a form that is complete, changed by pairs of names and values.
func feedForm(d *webtest.Desk, pairs ...string) url.Values {
	groups, err := d.World.Groups().List(d.T.Context(), d.World.Tenant.ID)
	if err != nil {
		d.T.Fatal(err)
	}
	v := url.Values{"name": {"Neuer Feed"}, "url": {"https://blog.example/feed"}, "from": {"news@muster.example"}, "subject": {"Neu: {{feed_title}}"}, "source": {"brand"},
		"most": {"5"}, "every": {"weekly"}, "hour": {"7"}, "weekday": {"0"}, "day": {"1"}, "send": {"send"}, "tracking": {"none"}, "groups": {groups[0].ID.String()}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// feedNamed is the feed of the world that has a name.
func feedNamed(d *webtest.Desk, name string) feed.Feed {
	list, err := d.World.Feeds().List(d.T.Context(), d.World.Tenant.ID)
	if err != nil {
		d.T.Fatal(err)
	}
	for _, f := range list {
		if f.Name == name {
			return f
		}
	}
	return feed.Feed{}
}

// TestFeedsFromMakingToDeleting goes the way of somebody who makes a feed with forms alone.
func TestFeedsFromMakingToDeleting(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	if a := d.Post("/feeds/preview", feedForm(d)); a.StatusCode != http.StatusOK || !strings.Contains(a.Text, "Zweiter Beitrag &amp; mehr") || !strings.Contains(a.Text, "2 Beiträge stehen im Feed") {
		t.Errorf("preview: %d %s", a.StatusCode, a.Text)
	}
	if f := feedNamed(d, "Neuer Feed"); !f.ID.IsZero() {
		t.Fatal("a preview was kept")
	}
	if a := d.Post("/feeds/draw", feedForm(d)); a.StatusCode != http.StatusOK || !strings.Contains(a.Text, "https://blog.example/2") || strings.Contains(a.Text, "{{#if") {
		t.Errorf("drawn: %d %s", a.StatusCode, a.Text)
	}
	if a := d.Post("/feeds", feedForm(d)); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("made: %d %s", a.StatusCode, a.Text)
	}
	f := feedNamed(d, "Neuer Feed")
	if !f.Send || f.Most != 5 || f.Schedule.Hour != 7 || f.Schedule.Weekday != 0 || f.Tracking.String() != "none" || len(f.Groups) != 1 {
		t.Errorf("made: %+v", f)
	}
	at := feed.Path(f.ID)
	if a := d.Post(at, feedForm(d, "name", "Anders", "revision", "1", "every", "monthly", "day", "28", "send", "draft")); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("changed: %d %s", a.StatusCode, a.Text)
	}
	if a := d.Post(at, feedForm(d, "name", "Zu spät", "revision", "1")); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `value="Zu spät"`) {
		t.Errorf("an old revision: %d", a.StatusCode)
	}
	if f = feedNamed(d, "Anders"); f.Send || f.Schedule.Day != 28 || f.Schedule.Every != feed.Monthly {
		t.Errorf("changed: %+v", f)
	}
	for _, step := range []struct {
		act    string
		paused bool
	}{{"pause", true}, {"resume", false}} {
		if a := d.Post(at+"/"+step.act, nil); a.StatusCode != http.StatusSeeOther || feedNamed(d, "Anders").Paused != step.paused {
			t.Errorf("%s: %d", step.act, a.StatusCode)
		}
	}
	if a := d.Post(at+"/delete", nil); a.StatusCode != http.StatusSeeOther || !feedNamed(d, "Anders").ID.IsZero() {
		t.Errorf("deleted: %d", a.StatusCode)
	}
}

// TestFeedsSayWhatIsWrongAtItsField keeps what was typed, and the reason stands where it belongs.
func TestFeedsSayWhatIsWrongAtItsField(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	for _, c := range []struct{ path, field, value, problem string }{
		{"/feeds", "url", "blog.example", "url-problem"}, {"/feeds", "name", "", "name-problem"}, {"/feeds", "most", "viele", "most-problem"}, {"/feeds", "hour", "24", "hour-problem"},
		{"/feeds", "groups", "", "groups-problem"}, {"/feeds", "from", "", "from-problem"}, {"/feeds", "source", "template", "template-problem"}, {"/feeds", "source", "html", "html-problem"},
		{"/feeds/preview", "url", "https://seite.example/", "url-problem"}, {"/feeds/preview", "url", "https://stumm.example/", "url-problem"}, {"/feeds/preview", "day", "31", "day-problem"},
	} {
		a := d.Post(c.path, feedForm(d, c.field, c.value))
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="`+c.problem+`"`) || !strings.Contains(a.Text, `value="news@muster.example"`) == (c.field != "from") {
			t.Errorf("%s of %s: %d", c.field, c.path, a.StatusCode)
		}
	}
	if a := d.Post("/feeds/preview", feedForm(d, "url", "https://leer.example/")); a.StatusCode != http.StatusOK || !strings.Contains(a.Text, "ist aber leer") {
		t.Errorf("an empty feed: %d", a.StatusCode)
	}
	v := feedForm(d, "source", "html", "html", "<p>Ohne Beiträge</p>")
	if a := d.Post("/feeds", v); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="html-problem"`) || !strings.Contains(a.Text, "Ohne Beiträge") {
		t.Errorf("without a place for entries: %d", a.StatusCode)
	}
}

// TestFeedsTellOfTheirLooks finds what came of looks in words, in tables and files.
func TestFeedsTellOfTheirLooks(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	at := feed.Path(feedNamed(d, "Blog").ID)
	for path, words := range map[string][]string{
		"/feeds":                             {"Wöchentlich am Montag um 9 Uhr", "Täglich um 9 Uhr", "Nichts Neues.", "Noch keiner", "Nicht zu lesen", "Pausiert"},
		at:                                   {"Gesendet", "Entwurf angelegt", "Eine Gruppe ist nicht freigegeben.", "gilt als bekannt", "/campaigns/cmp_", "ältere Teil"},
		at + "?q=gesendet":                   {"Gesendet"},
		"/feeds.csv?q=stumm":                 {"https://stumm.example/rss"},
		at + "/looks.csv":                    {"Erster Abruf"},
		feed.Path(feedNamed(d, "Presse").ID): {"Stimmt die Adresse noch?"},
	} {
		a := d.Get(path)
		for _, word := range words {
			if a.StatusCode != http.StatusOK || !strings.Contains(a.Text, word) {
				t.Errorf("%s: %d, without %q", path, a.StatusCode, word)
			}
		}
	}
	if a := d.Get("/feeds.csv?q=stumm"); strings.Contains(a.Text, "blog.example") {
		t.Error("the file is not narrowed")
	}
}
