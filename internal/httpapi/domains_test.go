package httpapi_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"stafette/internal/dns"
	"stafette/internal/httpapi"
)

// zone knows TXT records.
type zone map[string][]string

func (z zone) MX(context.Context, string) ([]dns.MX, error)        { return nil, dns.ErrNoDomain }
func (z zone) Addrs(context.Context, string) ([]netip.Addr, error) { return nil, dns.ErrNoDomain }
func (z zone) TXT(_ context.Context, name string) ([]string, error) {
	if list := z[name]; list != nil {
		return list, nil
	}
	return nil, dns.ErrNoDomain
}

// TestDomains leads a domain from adding through its set-up and a rotation to its end.
func TestDomains(t *testing.T) {
	w := newWorld(t)
	added := read[httpapi.DomainSetup](w, w.post("/v1/domains", `{"name":"Neu.Example."}`), 201)
	if added.Name != "neu.example" || added.State != "pending" || len(added.Records) < 3 || len(added.Keys) != 2 || added.Keys[0].State != "active" {
		t.Fatalf("%+v", added)
	}
	one := "/v1/domains/" + added.ID.String()
	w.wantProblem(w.post("/v1/domains", `{"name":"neu.example"}`), 409, "domain_taken", "")
	w.wantProblem(w.post("/v1/domains", `{"name":"localhost"}`), 422, "domain_malformed", "/name")
	w.wantProblem(w.post("/v1/domains", `{}`), 422, "field_missing", "/name")
	publish := func(list []httpapi.DomainRecord) {
		for _, r := range list {
			if strings.HasPrefix(r.Purpose, "dkim") {
				w.zone[r.Name] = []string{r.Value}
			}
		}
	}
	publish(added.Records)
	if s := read[httpapi.DomainSetup](w, w.post(one+"/check", ""), 200); s.State != "verified" || s.CheckedAt == nil || s.History[0].Event != "verified" {
		t.Errorf("checked: %+v", s)
	}
	rotated := read[httpapi.DomainSetup](w, w.post(one+"/rotation", ""), 200)
	if len(rotated.Keys) != 4 || rotated.Keys[2].State != "waiting" {
		t.Errorf("rotated: %+v", rotated.Keys)
	}
	w.wantProblem(w.post(one+"/rotation", ""), 409, "rotation_running", "")
	if s := read[httpapi.DomainSetup](w, w.ask(http.MethodDelete, one+"/rotation", w.key, nil), 200); len(s.Keys) != 2 {
		t.Errorf("canceled: %+v", s.Keys)
	}
	publish(read[httpapi.DomainSetup](w, w.post(one+"/rotation", ""), 200).Records)
	if s := read[httpapi.DomainSetup](w, w.post(one+"/check", ""), 200); s.Keys[0].State != "retired" || s.Keys[2].State != "active" {
		t.Errorf("switched: %+v", s.Keys)
	}
	if a := w.ask(http.MethodDelete, one, w.key, nil); a.status != 204 {
		t.Errorf("removed: %+v", a)
	}
	w.wantProblem(w.get(one), 404, "domain_not_found", "")
	if strings.Contains(w.get("/v1/domains").body, "neu.example") {
		t.Error("still listed")
	}
}
