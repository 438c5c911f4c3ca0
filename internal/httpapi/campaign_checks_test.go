package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/httpapi"
)

// checked looks the world's mailings over; links are not asked.
func (w *world) checked(s *campaign.Service, now func() time.Time) *preflight.Service {
	w.preflight = preflight.New(preflight.Config{Store: w.mailings, Campaigns: s, Now: now})
	return w.preflight
}

// A draft is checked in the background, tried, and approved by somebody else, all by API.
func TestCampaignBeforeItIsSent(t *testing.T) {
	w := newWorld(t)
	at := "/v1/campaigns/" + w.campaign().ID.String()
	v := read[httpapi.CampaignCheck](w, w.get(at+"/check"), 200)
	if v.State != "none" || v.At != nil || len(v.Findings) == 0 {
		t.Errorf("before: %+v", v)
	}
	if v = read[httpapi.CampaignCheck](w, w.post(at+"/check", ""), 202); v.State != "running" || v.Total == 0 {
		t.Errorf("begun: %+v", v)
	}
	if err := w.preflight.Turn(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	if v = read[httpapi.CampaignCheck](w, w.get(at+"/check"), 200); v.State != "done" || v.People != 2 || v.Done != v.Total {
		t.Errorf("done: %+v", v)
	}

	type tests struct{ Data []httpapi.CampaignTest }
	sent := read[tests](w, w.post(at+"/test-mails", `{"to":["post@muster.example"]}`), 200)
	if len(sent.Data) != 1 || sent.Data[0].Message == nil || sent.Data[0].Reason != "" {
		t.Errorf("tried: %+v", sent)
	}
	if m := w.store.Accepted()[len(w.store.Accepted())-1].Message; m.Subject != "[Test] Hallo Eva" {
		t.Errorf("subject %q", m.Subject)
	}
	w.wantProblem(w.post(at+"/test-mails", `{"to":["eva@kunde.example"]}`), 422, campaign.CodeTestForeign, "/to")
	w.wantProblem(w.post(at+"/test-mails", `{"to":["post@muster.example"],"contact":"x"}`), 422, "id_malformed", "/contact")

	type reviews struct{ Data []httpapi.CampaignReview }
	w.wantProblem(w.post(at+"/reviews", `{"reviewer":" "}`), 422, campaign.CodeValue, "/reviewer")
	asked := read[httpapi.CampaignReview](w, w.post(at+"/reviews", `{"reviewer":"Frau Sommer"}`), 201)
	if asked.State != "open" || !asked.Current || !strings.HasPrefix(asked.Link, "https://post.example"+campaign.ReviewPath) {
		t.Errorf("asked: %+v", asked)
	}
	read[httpapi.Campaign](w, w.ask(http.MethodPut, at, w.key, strings.NewReader(campaignText+`,"revision":1}`), "Content-Type", "application/json"), 200)
	if v = read[httpapi.CampaignCheck](w, w.get(at+"/check"), 200); v.State != "stale" || v.People != 0 {
		t.Errorf("changed since: %+v", v)
	}
	if l := read[reviews](w, w.get(at+"/reviews"), 200); len(l.Data) != 1 || l.Data[0].Current {
		t.Errorf("changed since: %+v", l)
	}
	other := "/v1/campaigns/" + w.campaign().ID.String()
	w.wantProblem(w.ask(http.MethodDelete, other+"/reviews/"+asked.ID.String(), w.key, nil), 404, campaign.CodeReviewUnknown, "")
	if a := w.ask(http.MethodDelete, at+"/reviews/"+asked.ID.String(), w.key, nil); a.status != 204 {
		t.Errorf("withdrawn: %d %s", a.status, a.body)
	}
	w.wantProblem(w.ask(http.MethodDelete, at+"/reviews/"+asked.ID.String(), w.key, nil), 409, campaign.CodeReviewClosed, "")
	if l := read[reviews](w, w.get(at+"/reviews"), 200); l.Data[0].State != "withdrawn" || l.Data[0].Link != "" {
		t.Errorf("withdrawn: %+v", l)
	}
}

func TestCampaignSettings(t *testing.T) {
	w := newWorld(t)
	const at = "/v1/settings/campaigns"
	put := func(body string) answer {
		return w.ask(http.MethodPut, at, w.key, strings.NewReader(body), "Content-Type", "application/json")
	}
	if v := read[httpapi.CampaignSettings](w, w.get(at), 200); v.Review || v.Seeds == nil || len(v.Seeds) > 0 {
		t.Errorf("at first: %+v", v)
	}
	w.wantProblem(put(`{"seeds":["x"],"review":true}`), 422, "address_malformed", "/seeds/0")
	if v := read[httpapi.CampaignSettings](w, put(`{"seeds":["probe@gmx.example"],"review":true}`), 200); !v.Review || len(v.Seeds) != 1 {
		t.Errorf("changed: %+v", v)
	}
	if v := read[httpapi.CampaignSettings](w, w.ask(http.MethodGet, at, w.other, nil), 200); v.Review || len(v.Seeds) > 0 {
		t.Errorf("another tenant's: %+v", v)
	}
}
