package web_test

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"stafette/internal/series"
	"stafette/internal/web/webtest"
)

// TestSeriesFromMakingToActivating goes the way of somebody who makes a series with forms alone.
func TestSeriesFromMakingToActivating(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	groups, err := d.World.Groups().List(t.Context(), d.World.Tenant.ID)
	if err != nil {
		t.Fatal(err)
	}
	post := func(path string, pairs ...string) webtest.Answer {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return d.Post(path, v)
	}
	if a := post("/series", "name", "Neu", "trigger", "tag", "group", groups[0].ID.String()); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, "tag-problem") {
		t.Fatalf("without a tag: %d", a.StatusCode)
	}
	if a := post("/series", "name", "Neu", "trigger", "tag", "tag", "neu", "group", groups[0].ID.String()); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("made: %d %s", a.StatusCode, a.Text)
	}
	find := func() series.Series {
		list, err := d.World.Series().List(t.Context(), d.World.Tenant.ID)
		if err == nil {
			for _, v := range list {
				if v.Name == "Neu" {
					v, err = d.World.Series().Series(t.Context(), d.World.Tenant.ID, v.ID)
					if err == nil {
						return v
					}
				}
			}
		}
		t.Fatalf("not there: %v", err)
		return series.Series{}
	}
	v := find()
	at := "/series/" + v.ID.String()
	if a := post(at+"/step", "revision", "1", "do", "send", "source", "html", "from", "news@muster.example", "subject", "Hallo", "html", `<p>Neu</p><a href="{{unsubscribe_url}}">x</a>`); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("a mail: %d %s", a.StatusCode, a.Text)
	}
	if a := post(at+"/step", "revision", "2", "do", "wait", "after", "-", "amount", "2", "unit", "days"); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("a wait: %d", a.StatusCode)
	}
	if a := post(at+"/step", "revision", "2", "do", "wait", "amount", "x", "unit", "days"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("an old revision: %d", a.StatusCode)
	}
	v = find()
	if len(v.Definition.Steps) != 2 || v.Definition.Steps[0].Minutes != 2880 || v.Definition.Steps[1].Letter.Subject != "Hallo" {
		t.Fatalf("steps: %+v", v.Definition.Steps)
	}
	if a := post(at+"/step", "revision", "3", "key", v.Definition.Steps[0].Key, "act", "down", "amount", "2", "unit", "days"); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("moved: %d %s", a.StatusCode, a.Text)
	}
	if a := post(at + "/activate"); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="seen-problem"`) || find().State != series.Draft {
		t.Fatalf("activated by somebody who did not see what was found: %d", a.StatusCode)
	}
	if a := post(at+"/activate", "seen", "on"); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("activated: %d", a.StatusCode)
	}
	if v = find(); v.State != series.Active || v.Definition.Steps[0].Do != series.Send || v.Definition.Steps[0].Letter.HTML == "" {
		t.Errorf("then: %+v", v)
	}
}

// A letter is built of blocks in the step: buttons change the form and keep nothing, the
// preview draws it as it stands, and a block that is wrong says so at its field.
func TestLettersOfSeriesAreBuiltOfBlocks(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	has := func(a webtest.Answer, status int, texts ...string) {
		t.Helper()
		if a.StatusCode != status {
			t.Fatalf("%s: status %d\n%s", a.Request.URL, a.StatusCode, a.Text)
		}
		for _, text := range texts {
			if !strings.Contains(a.Text, text) {
				t.Errorf("%s lacks %q", a.Request.URL, text)
			}
		}
	}
	draft := func() series.Series {
		list, err := d.World.Series().List(t.Context(), d.World.Tenant.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			if v.State == series.Draft {
				if v, err = d.World.Series().Series(t.Context(), d.World.Tenant.ID, v.ID); err != nil {
					t.Fatal(err)
				}
				return v
			}
		}
		t.Fatal("no draft")
		return series.Series{}
	}
	v := draft()
	at := "/series/" + v.ID.String() + "/step"
	before := len(v.Definition.Steps)
	fresh := d.Get(at + "?do=send")
	has(fresh, 200, `name="blocks/1/text"`, `name="source" value="blocks"`, `formaction="`+at+`/preview"`)
	form := url.Values{"revision": {strconv.FormatInt(v.Revision, 10)}, "does": {"send"}, "source": {"blocks"}, "from": {"news@muster.example"}, "subject": {"Willkommen"}, "preview": {"Schön"},
		"blocks/0/kind": {"head"}, "blocks/1/kind": {"text"}, "blocks/1/title": {"Guten <Tag>"}, "blocks/1/text": {"**Fett**"}, "blocks/2/kind": {"footer"}}
	press := func(do string) url.Values {
		pressed := maps.Clone(form)
		pressed["do"], pressed["add"] = []string{do}, []string{"button"}
		return pressed
	}
	has(d.Post(at, press("add")), 200, `name="blocks/2/kind" value="button"`, `value="Guten &lt;Tag&gt;"`, `value="undo"`)
	has(d.Post(at, press("source/html")), 200, `name="source" value="html"`, "unsubscribe_url")
	if n := len(draft().Definition.Steps); n != before {
		t.Fatalf("%d steps after buttons that keep nothing, %d before", n, before)
	}
	seen := d.Post(at+"/preview", form)
	has(seen, 200, "Guten &lt;Tag&gt;", ">Fett</")
	if policy := seen.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; sandbox") {
		t.Errorf("policy of the preview: %s", policy)
	}
	wrong := maps.Clone(form)
	wrong["blocks/1/kind"], wrong["blocks/1/picture"] = []string{"picture"}, []string{"https://muster.example/haus.jpg"}
	has(d.Post(at, wrong), 422, `id="blocks/1/alt-problem"`, "https://muster.example/haus.jpg")
	if a := d.Post(at, press("save")); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("kept: %d\n%s", a.StatusCode, a.Text)
	}
	v = draft()
	step := v.Definition.Steps[len(v.Definition.Steps)-1]
	if m := step.Letter.Made; m == nil || m.Source == nil || m.Source.Blocks == nil || m.Source.Preview != "Schön" || len(m.Source.Blocks.Blocks) != 3 || !strings.Contains(step.Letter.HTML, "Fett") {
		t.Fatalf("kept: %+v", step.Letter)
	}
	has(d.Get(at+"?key="+step.Key), 200, `value="Guten &lt;Tag&gt;"`, "**Fett**", `name="source" value="blocks"`)
	has(d.Post(at+"/preview", url.Values{"key": {step.Key}, "source": {"template"}}), 200, "Noch nichts ausgewählt")
	if a := d.Post(at+"/preview", url.Values{"does": {"wait"}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("the preview of a wait: %d", a.StatusCode)
	}
}

// A step is looked over, tested and kept by itself as a mailing is, and asks for no more tracking
// than the account allows.
func TestStepsAreCheckedAsMailingsAre(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	find := func(state series.State) series.Series {
		list, err := d.World.Series().List(t.Context(), d.World.Tenant.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			if v.State == state {
				if v, err = d.World.Series().Series(t.Context(), d.World.Tenant.ID, v.ID); err != nil {
					t.Fatal(err)
				}
				return v
			}
		}
		t.Fatalf("no series is %s", state)
		return series.Series{}
	}
	has := func(a webtest.Answer, status int, texts ...string) {
		t.Helper()
		if a.StatusCode != status {
			t.Fatalf("%s: status %d\n%s", a.Request.URL, a.StatusCode, a.Text)
		}
		for _, text := range texts {
			if !strings.Contains(a.Text, text) {
				t.Errorf("%s lacks %q", a.Request.URL, text)
			}
		}
	}
	v := find(series.Draft)
	at := "/series/" + v.ID.String() + "/step"
	form := url.Values{"revision": {strconv.FormatInt(v.Revision, 10)}, "does": {"send"}, "do": {"save"}, "source": {"html"}, "from": {"news@muster.example"}, "subject": {"Willkommen"},
		"html": {`<p>Guten Tag</p><img src="https://muster.example/a.png"><a href="{{unsubscribe_url}}">x</a>`}, "tracking": {"individual"}}
	refused := d.Post(at, form)
	has(refused, 422, `id="tracking-problem"`, "Mehr als „Nur Zahlen“ erlaubt das Konto nicht")
	if strings.Contains(refused.Text, `<option value="individual"`) {
		t.Error("a level is offered that the account does not allow")
	}
	form.Set("tracking", "none")
	if a := d.Post(at, form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("kept: %d\n%s", a.StatusCode, a.Text)
	}
	v = find(series.Draft)
	step := v.Definition.Steps[len(v.Definition.Steps)-1]
	if step.Letter.Tracking.String() != "none" {
		t.Errorf("tracking of the step: %q", step.Letter.Tracking)
	}
	page := at + "?key=" + step.Key
	has(d.Get(page), 200, `data-autosave="`+at+`/autosave"`, `id="check"`, "Impressum", `action="`+at+`/check"`, `action="`+at+`/test"`, `<option value="none" selected`)
	has(d.Get("/series/"+v.ID.String()), 200, "Impressum", `name="seen"`, "/step?key="+step.Key)

	form.Set("key", step.Key)
	form.Set("subject", "Von selbst")
	form.Set("revision", strconv.FormatInt(v.Revision, 10))
	if a := d.Post(at+"/autosave", form); a.StatusCode != http.StatusOK || a.Text != `{"revision":`+strconv.FormatInt(v.Revision+1, 10)+"}\n" {
		t.Errorf("kept by itself: %d %s", a.StatusCode, a.Text)
	}
	has(d.Post(at+"/autosave", form), 200, `{"clash":true}`)
	form.Set("revision", strconv.FormatInt(v.Revision+1, 10))
	form.Set("subject", strings.Repeat("x", 600))
	has(d.Post(at+"/autosave", form), 200, `"wrong":"Noch nicht gespeichert`)
	form.Del("key")
	if a := d.Post(at+"/autosave", form); a.StatusCode != http.StatusNotFound {
		t.Errorf("a step that was never saved, kept by itself: %d", a.StatusCode)
	}
	if v = find(series.Draft); v.Definition.Steps[len(v.Definition.Steps)-1].Letter.Subject != "Von selbst" {
		t.Errorf("kept: %+v", v.Definition.Steps)
	}

	key := url.Values{"key": {step.Key}}
	if a := d.Post(at+"/check", key); a.StatusCode != http.StatusSeeOther || !strings.HasSuffix(a.Header.Get("Location"), "?key="+step.Key+"&done=check") {
		t.Fatalf("checked: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	has(d.Get(page), 200, "data-running")

	// What a script saves is told as changed; what a person saves is checked anew, and the page says so.
	const stale, again = "hat sich die E-Mail geändert", "wird von selbst neu geprüft"
	change := func(way, subject string) {
		t.Helper()
		form.Set("key", step.Key)
		form.Set("subject", subject)
		form.Set("revision", strconv.FormatInt(find(series.Draft).Revision, 10))
		if a := d.Post(at+way, form); a.StatusCode >= 400 {
			t.Fatalf("%q kept at %q: %d\n%s", subject, way, a.StatusCode, a.Text)
		}
	}
	change("/autosave", "Halb getippt")
	if a := d.Get(page); !strings.Contains(a.Text, stale) || strings.Contains(a.Text, "data-running") {
		t.Errorf("kept by a script:\n%s", a.Text)
	}
	change("", "Fertig getippt")
	if a := d.Get(page); !strings.Contains(a.Text, again) || !strings.Contains(a.Text, "data-running") || strings.Contains(a.Text, stale) {
		t.Errorf("kept by a person:\n%s", a.Text)
	}
	has(d.Post(at+"/test", url.Values{"key": {step.Key}, "to": {"wer@fremd.example"}}), 422, `id="to-problem"`, "wer@fremd.example")
	if a := d.Post(at+"/test", url.Values{"key": {step.Key}, "to": {"ich@muster.example"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("test mail: %d\n%s", a.StatusCode, a.Text)
	}
	for _, path := range []string{"/check", "/test"} {
		if a := d.Post(at+path, url.Values{"key": {"gibtsnicht"}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s of no step: %d", path, a.StatusCode)
		}
	}

	active := find(series.Active)
	if a := d.Get("/series/" + active.ID.String() + "/step?key=hallo"); a.StatusCode != http.StatusOK || strings.Contains(a.Text, "data-autosave") {
		t.Errorf("what is under way would change by itself: %d", a.StatusCode)
	}
	form.Set("key", "hallo")
	form.Set("subject", "Anders")
	form.Set("revision", strconv.FormatInt(active.Revision, 10))
	has(d.Post("/series/"+active.ID.String()+"/step/autosave", form), 200, `{"clash":true}`)
	if find(series.Active).Version != active.Version {
		t.Error("a series that is under way was changed by a script")
	}
}
