package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/campaign/campaigntest"
	"stafette/internal/httpapi"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// campaigns is the real service on a store in memory, where two people are in each group.
func (w *world) campaigns(c httpapi.Config) *campaign.Service {
	var people []audience.Contact
	for _, domain := range []string{"kunde.example", "gesperrt.example"} {
		people = append(people, audience.Contact{ID: id.New[audience.ContactKind](start), GivenName: "Eva", Addresses: []message.Address{{Local: "eva", Domain: domain}}})
	}
	w.mailings = &campaigntest.Store{Find: w.groups.Group, People: func(tenant.ID) []audience.Contact { return people }}
	return campaign.New(campaign.Config{ReviewKey: []byte(strings.Repeat("r", 32)), PublicURL: "https://post.example", Store: w.mailings, Acceptor: c.Acceptor, Approvals: c.Approvals, Stationery: c.Templates.(campaign.Stationery), MayLeave: true, Providers: mailboxes{}, Now: c.Now})
}

// mailboxes says that every domain is one of GMX.
type mailboxes struct{}

func (mailboxes) Provider(context.Context, string) (string, error) { return "gmx", nil }

func (mailboxes) Known() []string { return []string{"gmail", "gmx"} }

func TestCampaignsBoundProviders(t *testing.T) {
	w := newWorld(t)
	c := read[httpapi.Campaign](w, w.post("/v1/campaigns", campaignText+`,"group_ids":["`+w.group().ID.String()+`"],"per_provider":[{"provider":"gmx","per_hour":2}]}`), 201)
	at := "/v1/campaigns/" + c.ID.String()
	if len(c.Rates) != 1 || c.Rates[0] != (httpapi.CampaignRate{Provider: "gmx", PerHour: 2}) {
		t.Errorf("made: %+v", c.Rates)
	}
	if p := read[httpapi.CampaignPreview](w, w.get(at+"/preview"), 200); p.Takes == nil || *p.Takes != 1800 {
		t.Errorf("one at GMX takes %v, want half an hour", p.Takes)
	}
	if r := read[httpapi.CampaignReport](w, w.get(at+"/report"), 200); r.Forecast.End != nil || r.Forecast.Providers == nil {
		t.Errorf("a draft ends: %+v", r.Forecast)
	}
	w.wantProblem(w.post("/v1/campaigns", `{"name":"x","per_provider":[{"provider":"nobody","per_hour":2}]}`), 422, campaign.CodeValue, "/per_provider/0/provider")
	w.wantProblem(w.post("/v1/campaigns", `{"name":"x","per_provider":[{"provider":"gmx","per_hour":2},{"provider":"gmx","per_hour":3}]}`), 422, campaign.CodeValue, "/per_provider/1/provider")
}

// A mailing goes out at a local time of each recipient; the preview and the report say when.
func TestCampaignsAtLocalTimes(t *testing.T) {
	w := newWorld(t)
	at := "/v1/campaigns/" + w.campaign().ID.String()
	people := w.mailings.People
	w.mailings.Declared = []audience.Field{{Key: "zeitzone", Type: audience.ZoneField}}
	w.mailings.People = func(t tenant.ID) []audience.Contact {
		list := people(t)
		list[0].Fields = map[string]string{"zeitzone": "Asia/Tokyo"}
		return append(list, audience.Contact{ID: id.New[audience.ContactKind](start), Addresses: []message.Address{{Local: "ina", Domain: "kunde.example"}}})
	}
	if p := read[httpapi.CampaignPreview](w, w.get(at+"/preview"), 200); p.Zones.Field != "zeitzone" || len(p.Zones.Waves) != 2 || p.Zones.First != nil {
		t.Errorf("zones: %+v", p.Zones)
	}
	wall := start.UTC().Add(time.Hour).Format("2006-01-02T15:04")
	p := read[httpapi.CampaignPreview](w, w.get(at+"/preview?zone=recipient&at="+wall), 200)
	if z := p.Zones; z.Late != 1 || z.First == nil || z.Last == nil || z.Done == nil || len(z.Waves) != 2 || z.Waves[0].Zone != "Asia/Tokyo" || z.Waves[0].At == nil || z.Waves[1].Zone != "" || z.Waves[1].Members != 1 {
		t.Errorf("preview at %s: %+v", wall, z)
	}
	w.wantProblem(w.get(at+"/preview?zone=recipient&at=morgen"), 422, campaign.CodeValue, "/at")
	w.wantProblem(w.get(at+"/preview?zone=mine"), 422, "field_value", "/query/zone")
	w.wantProblem(w.post(at+"/send", `{"at":"`+wall+`"}`), 422, "field_type", "/at")
	w.wantProblem(w.post(at+"/send", `{"at":"`+wall+`Z","zone":"recipient"}`), 422, campaign.CodeValue, "/at")
	w.wantProblem(w.post(at+"/send", `{"zone":"recipient"}`), 422, campaign.CodeValue, "/at")
	w.wantProblem(w.post(at+"/send", `{"at":"`+wall+`","zone":"recipient"}`), 403, campaign.CodeNotApproved, "/group_ids/0")
	if r := read[httpapi.CampaignReport](w, w.get(at+"/report"), 200); r.Waves == nil || len(r.Waves) != 0 {
		t.Errorf("report: %+v", r.Waves)
	}
}

const campaignText = `{"name":"Mai","from":"news@muster.example","subject":"Hallo {{given_name}}","html":"<p>Neu</p><a href=\"{{unsubscribe_url}}\">Abmelden</a>","per_hour":100`

func (w *world) campaign() httpapi.Campaign {
	w.Helper()
	return read[httpapi.Campaign](w, w.post("/v1/campaigns", campaignText+`,"group_ids":["`+w.group().ID.String()+`"]}`), 201)
}

func TestCampaigns(t *testing.T) {
	w := newWorld(t)
	c := w.campaign()
	at := "/v1/campaigns/" + c.ID.String()
	if c.State != "draft" || c.Subject != "Hallo {{given_name}}" || len(c.Groups) != 1 || c.PerHour != 100 || c.Revision != 1 {
		t.Errorf("made: %+v", c)
	}
	p := read[httpapi.CampaignPreview](w, w.get(at+"/preview"), 200)
	if p.Total != 2 || p.Send != 1 || p.Excluded["unsubscribed"] != 1 || p.Hindrance != campaign.CodeNotApproved {
		t.Errorf("preview: %+v", p)
	}
	// Nobody has approved the group.
	w.wantProblem(w.post(at+"/send", `{"at":null}`), 403, campaign.CodeNotApproved, "/group_ids/0")
	put := func(body string) answer {
		return w.ask(http.MethodPut, at, w.key, strings.NewReader(body), "Content-Type", "application/json")
	}
	changed := read[httpapi.Campaign](w, put(campaignText+`,"revision":1}`), 200)
	if changed.Revision != 2 || len(changed.Groups) != 0 {
		t.Errorf("changed: %+v", changed)
	}
	w.wantProblem(put(campaignText+`,"revision":1}`), 409, campaign.CodeState, "")
	w.wantProblem(w.post(at+"/send", `{}`), 422, campaign.CodeValue, "/group_ids")
	w.wantProblem(w.ask(http.MethodPost, at+"/pause", w.key, nil), 409, campaign.CodeState, "")
	w.wantProblem(w.post("/v1/campaigns", `{"name":"a\nb"}`), 422, campaign.CodeValue, "/name")
	w.wantProblem(w.post("/v1/campaigns", `{"name":"x","group_ids":["`+id.New[audience.GroupKind](start).String()+`"]}`), 422, campaign.CodeValue, "/group_ids/0")
	r := read[httpapi.CampaignReport](w, w.get(at+"/report"), 200)
	if r.Campaign.ID != c.ID || r.Domains == nil {
		t.Errorf("report: %+v", r)
	}
	if l := read[struct{ Data []httpapi.CampaignRecipient }](w, w.get(at+"/recipients?state=excluded"), 200); len(l.Data) != 0 {
		t.Errorf("recipients: %+v", l)
	}
	if a := w.ask(http.MethodDelete, at, w.key, nil); a.status != 204 {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	w.wantProblem(w.get(at), 404, campaign.CodeNotFound, "")
}

// T20: campaigns are listed by their own tenant alone.
func TestCampaignsAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	w.campaign()
	if p := read[struct{ Data []httpapi.Campaign }](w, w.ask(http.MethodGet, "/v1/campaigns", w.other, nil), 200); len(p.Data) != 0 {
		t.Errorf("another tenant sees %+v", p.Data)
	}
	if p := read[struct{ Data []httpapi.Campaign }](w, w.get("/v1/campaigns"), 200); len(p.Data) != 1 {
		t.Errorf("its own tenant sees %+v", p.Data)
	}
}
