package httpapi_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/httpapi"
	"stafette/internal/id"
	"stafette/internal/pause"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
)

// stopped keeps pauses in memory; each can be ended once by its account.
type stopped struct {
	list   []pause.Pause
	bounds []pause.Bound
}

func (s *stopped) Standing(_ context.Context, t tenant.ID, g audience.GroupID) (v pause.Standing, _ error) {
	v.Limits, v.Figures = pause.DefaultLimits(), pause.Figures{Sent: 1000, Hard: 12, Hours: 168}
	for _, p := range s.list {
		if p.Tenant == t && p.Group == g {
			v.Pause, v.MaySelf = p, p.InForce()
		}
	}
	return v, nil
}

func (s *stopped) PausesOf(_ context.Context, t tenant.ID) ([]pause.Pause, error) {
	return slices.DeleteFunc(slices.Clone(s.list), func(p pause.Pause) bool { return p.Tenant != t }), nil
}

func (s *stopped) Pauses(context.Context) ([]pause.Pause, error) { return s.list, nil }

func (s *stopped) Release(_ context.Context, t tenant.ID, g audience.GroupID, actor, note string, staff bool) error {
	for i, p := range s.list {
		if p.Tenant == t && p.Group == g && p.InForce() {
			s.list[i].ReleasedAt, s.list[i].ReleasedBy, s.list[i].Note, s.list[i].Self = start, actor, note, !staff
			return nil
		}
	}
	return fault.New(fault.NotFound, pause.CodeNone, "The group is not paused.")
}

// threads keeps requests in memory.
type threads struct {
	list []ticket.Ticket
	said map[ticket.ID][]ticket.Entry
}

func (s *threads) pick(ok func(ticket.Ticket) bool) []ticket.Ticket {
	return slices.DeleteFunc(slices.Clone(s.list), func(k ticket.Ticket) bool { return !ok(k) })
}

func (s *threads) one(ok func(ticket.Ticket) bool) (ticket.Ticket, error) {
	if list := s.pick(ok); len(list) > 0 {
		return list[0], nil
	}
	return ticket.Ticket{}, fault.New(fault.NotFound, ticket.CodeUnknown, "none")
}

func (s *threads) Tickets(_ context.Context, t tenant.ID) ([]ticket.Ticket, error) {
	return s.pick(func(k ticket.Ticket) bool { return k.Tenant == t }), nil
}

func (s *threads) Ticket(_ context.Context, t tenant.ID, n ticket.ID) (ticket.Ticket, error) {
	return s.one(func(k ticket.Ticket) bool { return k.Tenant == t && k.ID == n })
}

func (s *threads) Queue(_ context.Context, states ...ticket.State) ([]ticket.Ticket, error) {
	return s.pick(func(k ticket.Ticket) bool { return slices.Contains(states, k.State) }), nil
}

func (s *threads) Find(_ context.Context, n ticket.ID) (ticket.Ticket, error) {
	return s.one(func(k ticket.Ticket) bool { return k.ID == n })
}

func (s *threads) put(k ticket.Ticket, state ticket.State, e ticket.Entry) (ticket.Ticket, error) {
	k.State, k.ChangedAt, e.ID = state, start, id.New[ticket.EntryKind](start)
	s.list = append(slices.DeleteFunc(s.list, func(old ticket.Ticket) bool { return old.ID == k.ID }), k)
	s.said[k.ID] = append(s.said[k.ID], e)
	return k, nil
}

func (s *threads) Open(_ context.Context, t tenant.Tenant, w ticket.Wish, actor string) (ticket.Ticket, error) {
	if len(w.Text) < 3 {
		return ticket.Ticket{}, fault.Field("text", "ticket_text", "A text has 3 to 4,000 characters.")
	}
	k := ticket.Ticket{ID: id.New[ticket.Kind](start), Tenant: t.ID, Category: w.Category, Subject: w.Subject, Ref: w.Ref, OpenedBy: actor}
	return s.put(k, ticket.Open, ticket.Entry{Act: ticket.Ask, Actor: actor, Text: w.Text})
}

func (s *threads) Reply(_ context.Context, k ticket.Ticket, text string, _ []ticket.File, actor string, staff bool) (ticket.Ticket, error) {
	if staff {
		return s.put(k, ticket.Answered, ticket.Entry{Act: ticket.Answer, Actor: actor, Staff: true, Text: text})
	}
	return s.put(k, ticket.Open, ticket.Entry{Act: ticket.Ask, Actor: actor, Text: text})
}

func (s *threads) Close(_ context.Context, k ticket.Ticket, text, actor string, staff bool) (ticket.Ticket, error) {
	if k.State == ticket.Closed {
		return k, fault.New(fault.Conflict, ticket.CodeClosed, "The ticket cannot be closed.")
	}
	return s.put(k, ticket.Closed, ticket.Entry{Act: ticket.Close, Actor: actor, Staff: staff, Text: text})
}

func (s *threads) Entries(_ context.Context, k ticket.Ticket) ([]ticket.Entry, error) {
	return s.said[k.ID], nil
}

// limits gives the world pauses and requests.
func (w *world) limits(c *httpapi.Config) {
	w.stops, w.threads = &stopped{}, &threads{said: map[ticket.ID][]ticket.Entry{}}
	c.Pauses, c.Tickets = w.stops, w.threads
}

// request is one of the world's tenant.
func (w *world) request() ticket.Ticket {
	w.Helper()
	k, err := w.threads.Open(w.Context(), tenant.Tenant{ID: w.tenant}, ticket.Wish{Category: ticket.Plan, Subject: "Mehr Guthaben", Text: "Geht das?"}, "usr_1")
	if err != nil {
		w.Fatal(err)
	}
	return k
}

func (w *world) putJSON(path, key, body string) answer {
	return w.ask(http.MethodPut, path, key, strings.NewReader(body), "Content-Type", "application/json")
}

func (w *world) postJSON(path, key, body string) answer {
	return w.ask(http.MethodPost, path, key, strings.NewReader(body), "Content-Type", "application/json")
}

func TestPausesOverTheAPI(t *testing.T) {
	w := newWorld(t)
	g, err := id.Parse[audience.GroupKind](w.storedGroup())
	if err != nil {
		t.Fatal(err)
	}
	w.stops.list = []pause.Pause{{Tenant: w.tenant, Group: g, At: start.Add(-time.Hour), Cause: pause.Hard, Figures: pause.Figures{Sent: 1000, Hard: 31, Hours: 168}}}
	type list struct {
		Data []httpapi.GroupPause `json:"data"`
	}
	if v := read[list](w, w.ask(http.MethodGet, "/v1/pauses", w.key, nil), 200); len(v.Data) != 1 || v.Data[0].Cause != "hard" || v.Data[0].ReleasedAt != nil || v.Data[0].Tenant != nil {
		t.Errorf("%+v", v)
	}
	if v := read[list](w, w.ask(http.MethodGet, "/v1/pauses", w.other, nil), 200); len(v.Data) != 0 {
		t.Errorf("another tenant reads %+v", v)
	}
	path := "/v1/groups/" + g.String() + "/pause"
	type standing struct {
		Pause      *httpapi.GroupPause  `json:"pause"`
		MayRelease bool                 `json:"may_release"`
		Figures    httpapi.GroupFigures `json:"figures"`
		Hard       httpapi.GroupLimit   `json:"hard"`
	}
	if v := read[standing](w, w.ask(http.MethodGet, path, w.key, nil), 200); v.Pause == nil || !v.MayRelease || v.Figures.Hard != 12 || v.Hard.Share != 100 {
		t.Errorf("%+v", v)
	}
	w.wantProblem(w.postJSON(path+"/release", w.readOnly, `{"note":"Liste bereinigt"}`), 403, "scope_missing", "")
	if v := read[standing](w, w.postJSON(path+"/release", w.key, `{"note":"Liste bereinigt"}`), 200); v.Pause != nil {
		t.Errorf("%+v", v)
	}
	w.wantProblem(w.postJSON(path+"/release", w.key, `{"note":"Liste bereinigt"}`), 404, "pause_not_found", "")
	w.stops.list[0].ReleasedAt = time.Time{}
	if v := read[list](w, w.ask(http.MethodGet, "/v1/platform/pauses", w.staff, nil), 200); len(v.Data) != 1 || v.Data[0].Tenant == nil || *v.Data[0].Tenant != w.tenant {
		t.Errorf("%+v", v)
	}
	end := "/v1/platform/pauses/" + g.String() + "/release"
	w.wantProblem(w.postJSON(end, w.staff, `{"tenant_id":"x","note":"Gesprochen"}`), 404, "pause_not_found", "")
	read[list](w, w.postJSON(end, w.staff, `{"tenant_id":"`+w.tenant.String()+`","note":"Gesprochen"}`), 200)
	if w.stops.list[0].InForce() || w.stops.list[0].Self {
		t.Errorf("%+v", w.stops.list[0])
	}
}

func (s *stopped) BoundsOf(_ context.Context, t tenant.ID, g audience.GroupID) (b pause.Bounds, _ error) {
	b.Platform = pause.DefaultLimits()
	for _, one := range s.bounds {
		if one.Tenant == t && one.Group == g {
			b.Group = one
			if g.IsZero() {
				b.Group, b.Account = pause.Bound{}, one
			}
		}
	}
	return b, nil
}

func (s *stopped) Tighten(_ context.Context, t tenant.ID, g audience.GroupID, v pause.Shares, _ string) error {
	if v.Hard > 100 {
		return fault.Field("hard", pause.CodeWeak, "")
	}
	s.bounds = append(s.bounds, pause.Bound{Tenant: t, Group: g, Shares: v})
	return nil
}

// An account makes its limits stricter, for one group and for all; nobody else's change.
func TestLimitsOverTheAPI(t *testing.T) {
	w := newWorld(t)
	type limits struct {
		Hard httpapi.GroupLimit  `json:"hard"`
		Own  httpapi.GroupShares `json:"own"`
	}
	path := "/v1/groups/" + w.storedGroup() + "/limits"
	w.wantProblem(w.putJSON("/v1/limits", w.readOnly, `{"hard":80}`), 403, "scope_missing", "")
	w.wantProblem(w.putJSON(path, w.key, `{"hard":101}`), 422, "limit_too_weak", "/hard")
	for at, share := range map[string]int64{"/v1/limits": 80, path: 50} {
		if v := read[limits](w, w.putJSON(at, w.key, fmt.Sprintf(`{"hard":%d}`, share)), 200); v.Hard.Share != share || v.Own.Hard != share {
			t.Errorf("%s: %+v", at, v)
		}
	}
	if v := read[limits](w, w.ask(http.MethodGet, "/v1/limits", w.key, nil), 200); v.Hard.Share != 80 {
		t.Errorf("read %+v", v)
	}
	if v := read[limits](w, w.ask(http.MethodGet, "/v1/limits", w.other, nil), 200); v.Hard.Share != 100 {
		t.Errorf("another tenant's: %+v", v)
	}
}

func TestRequestsOverTheAPI(t *testing.T) {
	w := newWorld(t)
	w.wantProblem(w.postJSON("/v1/requests", w.key, `{"category":"plan","subject":"Guthaben","text":"?"}`), 422, "ticket_text", "/text")
	k := read[httpapi.Request](w, w.postJSON("/v1/requests", w.key, `{"category":"plan","subject":"Guthaben","ref":"/plan","text":"Geht das?"}`), 201)
	if k.State != ticket.Open || k.Ref != "/plan" || len(k.Entries) != 1 || k.Entries[0].Side != "account" || k.Tenant != nil {
		t.Fatalf("%+v", k)
	}
	type list struct {
		Data []httpapi.Request `json:"data"`
	}
	if v := read[list](w, w.ask(http.MethodGet, "/v1/requests", w.other, nil), 200); len(v.Data) != 0 {
		t.Errorf("another tenant reads %+v", v)
	}
	if v := read[list](w, w.ask(http.MethodGet, "/v1/platform/requests?state=open", w.staff, nil), 200); len(v.Data) != 1 || v.Data[0].Tenant == nil {
		t.Errorf("%+v", v)
	}
	desk, own := "/v1/platform/requests/"+k.ID.String(), "/v1/requests/"+k.ID.String()
	read[httpapi.Request](w, w.postJSON(desk+"/reply", w.staff, `{"text":"Ja, morgen."}`), 200)
	if v := read[httpapi.Request](w, w.ask(http.MethodGet, own, w.key, nil), 200); v.State != ticket.Answered || len(v.Entries) != 2 || v.Entries[1].Side != "platform" {
		t.Errorf("%+v", v)
	}
	read[httpapi.Request](w, w.postJSON(own+"/reply", w.key, `{"text":"Danke."}`), 200)
	if v := read[httpapi.Request](w, w.ask(http.MethodPost, own+"/close", w.key, nil), 200); v.State != ticket.Closed {
		t.Errorf("%+v", v)
	}
	w.wantProblem(w.ask(http.MethodPost, desk+"/close", w.staff, nil), 409, "ticket_closed", "")
}

func TestEvidenceOfAPerson(t *testing.T) {
	w := newWorld(t)
	c, second := w.paperConsent(), w.paperConsent()
	a := w.ask(http.MethodGet, "/v1/consents/evidence?address="+*c.Address, w.key, nil)
	z, err := zip.NewReader(bytes.NewReader([]byte(a.body)), int64(len(a.body)))
	if a.status != 200 || err != nil {
		t.Fatalf("%d %v %s", a.status, err, a.body)
	}
	names := map[string]bool{}
	for _, f := range z.File {
		names[f.Name] = true
	}
	if !names["consents.json"] || !names["consents.pdf"] || !names["consents.html"] {
		t.Errorf("%v", names)
	}
	statement, err := fs.ReadFile(z, "consents.json")
	if err != nil || !bytes.Contains(statement, []byte(c.ID.String())) || !bytes.Contains(statement, []byte(second.ID.String())) {
		t.Errorf("%v: %s", err, statement)
	}
	w.wantProblem(w.ask(http.MethodGet, "/v1/consents/evidence?address="+*c.Address, w.other, nil), 404, "consent_not_found", "")
	w.wantProblem(w.ask(http.MethodGet, "/v1/consents/evidence?address=x", w.key, nil), 422, "address_malformed", "/query/address")
}

// An appeal is between its account and people: no key of the platform lists, reads, answers
// or closes it, whatever its scope. The account's own key reads it.
func TestKeysOfThePlatformSeeNoAppeal(t *testing.T) {
	w := newWorld(t)
	k, err := w.threads.Open(t.Context(), tenant.Tenant{ID: w.tenant}, ticket.Wish{Category: ticket.Appeal, Subject: "Sperre", Text: "Das stimmt nicht."}, "usr_1")
	if err != nil {
		t.Fatal(err)
	}
	if a := w.ask(http.MethodGet, "/v1/platform/requests", w.staff, nil); a.status != 200 || strings.Contains(a.body, k.ID.String()) {
		t.Errorf("listed: %d %s", a.status, a.body)
	}
	desk := "/v1/platform/requests/" + k.ID.String()
	w.wantProblem(w.ask(http.MethodGet, desk, w.staff, nil), 404, ticket.CodeUnknown, "")
	w.wantProblem(w.postJSON(desk+"/reply", w.staff, `{"text":"Wir entsperren."}`), 404, ticket.CodeUnknown, "")
	w.wantProblem(w.postJSON(desk+"/close", w.staff, ``), 404, ticket.CodeUnknown, "")
	if len(w.threads.said[k.ID]) != 1 || w.threads.list[0].State != ticket.Open {
		t.Errorf("changed: %+v", w.threads.list[0])
	}
	read[httpapi.Request](w, w.ask(http.MethodGet, "/v1/requests/"+k.ID.String(), w.key, nil), 200)
}
