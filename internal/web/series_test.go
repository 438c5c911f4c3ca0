package web_test

import (
	"net/url"
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
	if a := post("/series", "name", "Neu", "trigger", "tag", "group", groups[0].ID.String()); a.StatusCode != 422 || !strings.Contains(a.Text, "tag-problem") {
		t.Fatalf("without a tag: %d", a.StatusCode)
	}
	if a := post("/series", "name", "Neu", "trigger", "tag", "tag", "neu", "group", groups[0].ID.String()); a.StatusCode != 303 {
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
	if a := post(at+"/step", "revision", "1", "do", "send", "source", "html", "from", "news@muster.example", "subject", "Hallo", "html", `<p>Neu</p><a href="{{unsubscribe_url}}">x</a>`); a.StatusCode != 303 {
		t.Fatalf("a mail: %d %s", a.StatusCode, a.Text)
	}
	if a := post(at+"/step", "revision", "2", "do", "wait", "after", "-", "amount", "2", "unit", "days"); a.StatusCode != 303 {
		t.Fatalf("a wait: %d", a.StatusCode)
	}
	if a := post(at+"/step", "revision", "2", "do", "wait", "amount", "x", "unit", "days"); a.StatusCode != 422 {
		t.Errorf("an old revision: %d", a.StatusCode)
	}
	v = find()
	if len(v.Definition.Steps) != 2 || v.Definition.Steps[0].Minutes != 2880 || v.Definition.Steps[1].Letter.Subject != "Hallo" {
		t.Fatalf("steps: %+v", v.Definition.Steps)
	}
	if a := post(at+"/step", "revision", "3", "key", v.Definition.Steps[0].Key, "act", "down", "amount", "2", "unit", "days"); a.StatusCode != 303 {
		t.Fatalf("moved: %d %s", a.StatusCode, a.Text)
	}
	if a := post(at + "/activate"); a.StatusCode != 303 {
		t.Fatalf("activated: %d", a.StatusCode)
	}
	if v = find(); v.State != series.Active || v.Definition.Steps[0].Do != series.Send || v.Definition.Steps[0].Letter.HTML == "" {
		t.Errorf("then: %+v", v)
	}
}
