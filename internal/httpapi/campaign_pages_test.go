package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"stafette/internal/campaign"
	"stafette/internal/httpapi"
)

// A mailing is made public and taken back; its address is known before.
func TestCampaignPublication(t *testing.T) {
	w := newWorld(t)
	at := "/v1/campaigns/" + w.campaign().ID.String() + "/publication"
	put := func(body string) answer {
		return w.ask(http.MethodPut, at, w.key, strings.NewReader(body), "Content-Type", "application/json")
	}
	v := read[httpapi.CampaignPublication](w, w.get(at), 200)
	if v.Public || v.Changed != nil || !strings.HasPrefix(v.URL, "https://post.example"+campaign.PagePath) || !strings.HasPrefix(v.ListURL, "https://post.example"+campaign.PagesPath) {
		t.Errorf("at first: %+v", v)
	}
	if v = read[httpapi.CampaignPublication](w, put(`{"public":true,"index":true}`), 200); !v.Public || !v.Index || v.Changed == nil {
		t.Errorf("public: %+v", v)
	}
	if v = read[httpapi.CampaignPublication](w, put(`{"public":false,"index":true}`), 200); v.Public || v.Index || v.Changed == nil {
		t.Errorf("taken back: %+v", v)
	}
	w.wantProblem(w.ask(http.MethodPut, at, w.other, strings.NewReader(`{"public":true}`), "Content-Type", "application/json"), 404, campaign.CodeNotFound, "")
	if v = read[httpapi.CampaignPublication](w, w.get(at), 200); v.Public {
		t.Error("another account made it public")
	}
}
