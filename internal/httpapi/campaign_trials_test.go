package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"stafette/internal/campaign"
	"stafette/internal/httpapi"
)

func TestTrialsOfMailings(t *testing.T) {
	w := newWorld(t)
	group := `,"group_ids":["` + w.group().ID.String() + `"]`
	c := read[httpapi.Campaign](w, w.post("/v1/campaigns", campaignText+group+`,"trial":{"share":20,"hours":4,"subject":"Anders"}}`), 201)
	if c.Trial == nil || c.Trial.Share != 20 || c.Trial.Hours != 4 || c.Trial.Subject != "Anders" || c.Trial.Winner != "" {
		t.Errorf("kept %+v", c.Trial)
	}
	at := "/v1/campaigns/" + c.ID.String()
	if r := read[httpapi.CampaignReport](w, w.get(at+"/report"), 200); r.Trial == nil || r.Trial.A.Accepted != 0 {
		t.Errorf("report: %+v", r.Trial)
	}
	w.wantProblem(w.post("/v1/campaigns", campaignText+group+`,"trial":{"share":20,"hours":4}}`), 422, campaign.CodeValue, "/trial/subject")
	// Left out, it is taken away.
	c = read[httpapi.Campaign](w, w.ask(http.MethodPut, at, w.key, strings.NewReader(campaignText+group+`,"revision":1}`)), 200)
	if c.Trial != nil {
		t.Errorf("still there: %+v", c.Trial)
	}
}
