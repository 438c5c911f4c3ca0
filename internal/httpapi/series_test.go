package httpapi_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/httpapi"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/series"
	"stafette/internal/series/seriestest"
)

// sequences is the real service on a store in memory, in which one contact waits.
func (w *world) sequences(c httpapi.Config) *series.Service {
	store := &seriestest.Store{Find: w.groups.Group, Tell: series.Report{Places: []series.Place{{Step: "w", Waiting: 1}}, Counts: []series.Count{{Step: "hallo", Outcome: series.Sent, N: 2}}},
		Lines: []series.Line{{Run: series.Run{Contact: id.New[audience.ContactKind](start), Entry: 1, Version: 1, Step: "w", DueAt: start, EnteredAt: start},
			Address: message.Address{Local: "eva", Domain: "kunde.example"}}}}
	return series.New(series.Config{Store: store, Letters: c.Campaigns, Contacts: c.Contacts, Acceptor: c.Acceptor, Now: c.Now})
}

const seriesText = `{"name":"Willkommen","trigger":{"on":"event","event":"order.paid"},"steps":[
	{"key":"hallo","do":"send","letter":{"from":"news@muster.example","subject":"Hallo {{event.order}}","html":"<p>Neu</p><a href=\"{{unsubscribe_url}}\">Abmelden</a>"}},
	{"key":"w","do":"wait","minutes":60},{"key":"c","do":"check","filter":{"of":"tag","is":"has","value":"vip"}},{"key":"t","do":"tag","tag":"kennt"}]`

func (w *world) series() httpapi.Series {
	w.Helper()
	return read[httpapi.Series](w, w.post("/v1/series", seriesText+`,"group_id":"`+w.group().ID.String()+`"}`), 201)
}

func TestSeries(t *testing.T) {
	w := newWorld(t)
	v := w.series()
	at := "/v1/series/" + v.ID.String()
	if v.State != "draft" || len(v.Steps) != 4 || v.Steps[0].Letter == nil || v.Steps[0].Letter.Subject != "Hallo {{event.order}}" || v.Steps[2].Filter["of"] != "tag" || v.Revision != 1 {
		t.Errorf("made: %+v", v)
	}
	// Nobody has approved the group.
	w.wantProblem(w.post(at+"/activate", ``), 403, campaign.CodeNotApproved, "/group_id")
	put := func(body string) answer {
		return w.ask(http.MethodPut, at, w.key, strings.NewReader(body), "Content-Type", "application/json")
	}
	body := seriesText + `,"group_id":"` + v.Group.String() + `","again_after_days":30,"under_way":"switch","revision":1}`
	if changed := read[httpapi.Series](w, put(body), 200); changed.Revision != 2 || changed.Again != 30 || changed.Version != 1 {
		t.Errorf("changed: %+v", changed)
	}
	w.wantProblem(put(body), 409, series.CodeState, "")
	w.wantProblem(w.ask(http.MethodPost, at+"/pause", w.key, nil), 409, series.CodeState, "")
	group := `,"group_id":"` + v.Group.String() + `"}`
	w.wantProblem(w.post("/v1/series", `{"name":"x","trigger":{"on":"tag","tag":""}`+group), 422, series.CodeValue, "/trigger/tag")
	w.wantProblem(w.post("/v1/series", `{"name":"x","trigger":{"on":"tag","tag":"a"},"steps":[{"key":"c","do":"check","filter":{"of":"moon","is":"has","value":"x"}}]`+group), 422, "segment_subject_unknown", "/steps/0/filter/of")
	w.wantProblem(w.post("/v1/series", `{"name":"x","trigger":{"on":"tag","tag":"a"},"steps":[{"key":"s","do":"send","letter":{"subject":"a\nb"}}]`+group), 422, campaign.CodeValue, "/steps/0/subject")
	w.wantProblem(w.post("/v1/series", `{"name":"x","group_id":"nix","trigger":{"on":"tag","tag":"a"}}`), 422, series.CodeValue, "/group_id")
	if r := read[httpapi.SeriesReport](w, w.get(at+"/report"), 200); r.Waiting["w"] != 1 || len(r.Steps) != 1 {
		t.Errorf("report: %+v", r)
	}
	if l := read[struct{ Data []httpapi.SeriesRun }](w, w.get(at+"/runs?state=on"), 200); len(l.Data) != 1 || l.Data[0].Email != "eva@kunde.example" {
		t.Errorf("runs: %+v", l)
	}
	w.wantProblem(w.get(at+"/runs?after=x"), 422, "id_malformed", "/query/after")
	w.wantProblem(w.post("/v1/events", `{"email":"nobody@kunde.example","name":"order.paid"}`), 422, series.CodeContact, "/email")
	if a := w.ask(http.MethodDelete, at, w.key, nil); a.status != 204 {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	w.wantProblem(w.get(at), 404, series.CodeNotFound, "")
}

// T20: series are listed by their own tenant alone.
func TestSeriesAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	w.series()
	if p := read[struct{ Data []httpapi.Series }](w, w.ask(http.MethodGet, "/v1/series", w.other, nil), 200); len(p.Data) != 0 {
		t.Errorf("another tenant sees %+v", p.Data)
	}
	if p := read[struct{ Data []httpapi.Series }](w, w.get("/v1/series"), 200); len(p.Data) != 1 || len(p.Data[0].Steps) != 0 {
		t.Errorf("its own tenant sees %+v", p.Data)
	}
}

// The mail of a step is checked in the background and tried, as that of a mailing is.
func TestSeriesStepBeforeItIsSent(t *testing.T) {
	w := newWorld(t)
	made := w.series()
	at := "/v1/series/" + made.ID.String() + "/steps/"
	v := read[httpapi.CampaignCheck](w, w.get(at+"hallo/check"), 200)
	if v.State != "none" || v.At != nil || len(v.Findings) == 0 {
		t.Errorf("before: %+v", v)
	}
	if v = read[httpapi.CampaignCheck](w, w.post(at+"hallo/check", ""), 202); v.State != "running" || v.Total == 0 {
		t.Errorf("begun: %+v", v)
	}
	// Changed, it is checked anew by itself; kept as it is, nothing begins.
	change := func(subject string, revision int) {
		body := strings.Replace(seriesText, `"Hallo {{event.order}}"`, `"`+subject+`"`, 1) + `,"group_id":"` + made.Group.String() + `","revision":` + strconv.Itoa(revision) + `}`
		read[httpapi.Series](w, w.ask(http.MethodPut, "/v1/series/"+made.ID.String(), w.key, strings.NewReader(body), "Content-Type", "application/json"), 200)
	}
	change("Guten Tag", 1)
	if again := read[httpapi.CampaignCheck](w, w.get(at+"hallo/check"), 200); again.State != "running" || again.Done != 0 || again.Total == 0 {
		t.Errorf("of the changed mail: %+v", again)
	}
	change("Hallo", 2)
	type tests struct{ Data []httpapi.CampaignTest }
	if sent := read[tests](w, w.post(at+"hallo/test-mails", `{"to":["post@muster.example"]}`), 200); len(sent.Data) != 1 || sent.Data[0].Message == nil || sent.Data[0].Reason != "" {
		t.Errorf("tried: %+v", sent)
	}
	if m := w.store.Accepted()[len(w.store.Accepted())-1].Message; m.Subject != "[Test] Hallo" {
		t.Errorf("subject %q", m.Subject)
	}
	w.wantProblem(w.post(at+"hallo/test-mails", `{"to":["eva@kunde.example"]}`), 422, campaign.CodeTestForeign, "/to")
	for _, step := range []string{"w", "gibtsnicht"} {
		w.wantProblem(w.post(at+step+"/check", ""), 404, series.CodeNotFound, "")
		w.wantProblem(w.post(at+step+"/test-mails", `{"to":["post@muster.example"]}`), 404, series.CodeNotFound, "")
	}
}
