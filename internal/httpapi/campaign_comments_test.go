package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"stafette/internal/campaign"
	"stafette/internal/httpapi"
)

// Comments are written and read by API, of a draft and of what was sent.
func TestCampaignComments(t *testing.T) {
	w := newWorld(t)
	c := w.campaign()
	at := "/v1/campaigns/" + c.ID.String() + "/comments"
	type comments struct{ Data []httpapi.CampaignComment }
	if l := read[comments](w, w.get(at), 200); l.Data == nil || len(l.Data) != 0 {
		t.Errorf("at first: %+v", l)
	}
	first := read[httpapi.CampaignComment](w, w.post(at, `{"comment":" Termin prüfen ","block":2}`), 201)
	if first.Text != "Termin prüfen" || first.Block != 2 || first.Author == "" || first.Review != nil || first.ResolvedAt != nil || first.At.IsZero() {
		t.Errorf("kept: %+v", first)
	}
	w.wantProblem(w.post(at, `{"comment":" "}`), 422, campaign.CodeValue, "/comment")
	w.wantProblem(w.post(at, `{"comment":"x","block":61}`), 422, campaign.CodeValue, "/block")
	w.wantProblem(w.post(at, `{"comment":"x","asked_id":"usr_x"}`), 422, campaign.CodeAsked, "/asked_id")
	w.wantProblem(w.post("/v1/campaigns/x/comments", `{"comment":"x"}`), 404, campaign.CodeNotFound, "")
	if a := w.ask(http.MethodPost, at, w.other, strings.NewReader(`{"comment":"x"}`), "Content-Type", "application/json"); a.status != 404 {
		t.Errorf("another tenant's: %d %s", a.status, a.body)
	}
	sent, _, err := w.mailings.Campaigns(t.Context(), w.tenant, campaign.ID{}, 1)
	if err != nil || len(sent) != 1 {
		t.Fatalf("%d mailings, %v", len(sent), err)
	}
	sent[0].State = campaign.Sent
	if ok, err := w.mailings.MoveCampaign(t.Context(), sent[0], campaign.Draft); !ok || err != nil {
		t.Fatalf("sent: %t, %v", ok, err)
	}
	read[httpapi.CampaignComment](w, w.post(at, `{"comment":"Kam gut an."}`), 201)
	said := map[string]bool{} // both came at one instant of the clock of tests, so in no order
	for _, v := range read[comments](w, w.get(at), 200).Data {
		said[v.Text] = true
	}
	if len(said) != 2 || !said[first.Text] || !said["Kam gut an."] {
		t.Errorf("after it was sent: %v", said)
	}
}
