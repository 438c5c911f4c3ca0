package httpapi_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"stafette/internal/dmarc"
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

func TestDomainReports(t *testing.T) {
	w := newWorld(t)
	path := "/v1/domains/" + w.domain.String() + "/reports"
	day := start.Truncate(24 * time.Hour)
	r := dmarc.Report{Reporter: "google.com", ID: "1", Domain: "muster.example", Begin: day, End: day.Add(24 * time.Hour), Records: []dmarc.Row{
		{Source: netip.MustParseAddr("192.0.2.1"), Messages: 40, DKIM: true, Signer: "muster.example", Disposition: dmarc.None},
		{Source: netip.MustParseAddr("192.0.2.9"), Messages: 2, Sender: "=cmd", Disposition: dmarc.Reject},
	}}
	if err := w.tenants.SaveDMARC(t.Context(), w.tenant, r.Domain, r, start, 10); err != nil {
		t.Fatal(err)
	}
	got := read[httpapi.DomainReports](w, w.get(path), 200)
	if got.Aligned != 40 || got.Failed != 2 || len(got.Days) != 1 || got.Dispositions["reject"] != 2 || len(got.Sources) != 2 || got.Sources[0].Signer != "muster.example" {
		t.Errorf("%+v", got)
	}
	if none := read[httpapi.DomainReports](w, w.get(path+"?from=2026-01-01&to=2026-01-31"), 200); len(none.Sources) != 0 || len(none.Days) != 0 {
		t.Errorf("%+v", none)
	}
	w.wantProblem(w.get(path+"?from=x"), 422, "time_malformed", "/query/from")
	w.wantProblem(w.get(path+"?from=2026-02-01&to=2026-01-01"), 422, "span_malformed", "/query/from")
}
