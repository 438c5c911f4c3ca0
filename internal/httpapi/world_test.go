package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/approval"
	"stafette/internal/approval/approvaltest"
	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/audience/intake"
	"stafette/internal/audience/listcheck"
	"stafette/internal/bounce"
	"stafette/internal/campaign"
	"stafette/internal/campaign/campaigntest"
	"stafette/internal/campaign/preflight"
	"stafette/internal/diagnosis"
	"stafette/internal/diagnosis/diagnosistest"
	"stafette/internal/dns"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/httpapi"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/ingest/ingesttest"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/lead/leadtest"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/queue"
	"stafette/internal/redelivery"
	"stafette/internal/redelivery/redeliverytest"
	"stafette/internal/seal"
	"stafette/internal/signup/signuptest"
	"stafette/internal/spool"
	"stafette/internal/stationery"
	"stafette/internal/stationery/pictures"
	"stafette/internal/stationery/pictures/picturestest"
	"stafette/internal/stationery/stationerytest"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
	"stafette/internal/tracking/trackingtest"
	"stafette/internal/webhook"
	"stafette/internal/webhook/webhooktest"
)

var start = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// world is the API on a real socket with real ingest and accounts over stores in
// memory. It has two tenants with a key each.
type world struct {
	testing.TB
	api     *httpapi.API
	server  *httptest.Server
	store   *ingesttest.Store
	tenants *tenanttest.Store
	reader  *reader
	list    *audiencetest.Store
	leads   *leadtest.Store

	stops   *stopped
	threads *threads

	redeliveries *redeliverytest.Store
	mailings     *campaigntest.Store
	preflight    *preflight.Service
	checks       *listcheck.Service
	privacy      *privacy.Service
	shelf        *trackingtest.Shelf
	log          *bytes.Buffer
	operator     *operator
	groups       *audiencetest.Groups
	imports      *intake.Service
	consents     *signuptest.Store
	waited       *atomic.Int64 // how far the clock of failed tries has gone on

	tenant             tenant.ID
	key, other, staff  string
	sendOnly, readOnly string
	domain             tenant.DomainID // of tenant
	zone               zone
}

func newWorld(t testing.TB, change ...func(*httpapi.Config, *ingest.Config)) *world {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return start }
	w := &world{waited: new(atomic.Int64), TB: t, store: &ingesttest.Store{}, tenants: &tenanttest.Store{}, list: &audiencetest.Store{}, log: &bytes.Buffer{}, operator: &operator{}, shelf: &trackingtest.Shelf{}}
	w.reader = &reader{store: w.store, keeper: keeper}
	w.tenant, w.key = w.found("Muster GmbH", "muster.example", 0, tenant.ScopeSend, tenant.ScopeRead, tenant.ScopeAdmin)
	_, w.other = w.found("Fremd", "fremd.example", 0, tenant.ScopeSend, tenant.ScopeRead, tenant.ScopeAdmin)
	w.staff = w.addKey(tenant.ID{}, tenant.ScopeSend, tenant.ScopeRead, tenant.ScopeAdmin)
	w.zone = zone{}
	mine, err := w.tenants.Domains(context.Background(), w.tenant)
	if err != nil || len(mine) != 1 {
		t.Fatalf("%v, %v", mine, err)
	}
	w.domain = mine[0].ID
	w.sendOnly, w.readOnly = w.addKey(w.tenant, tenant.ScopeSend), w.addKey(w.tenant, tenant.ScopeRead)
	service, err := audience.New(audience.Config{Store: w.list, Key: []byte(audiencetest.Key), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := audience.NewValidator(closed{}, service)
	if err != nil {
		t.Fatal(err)
	}

	w.checks = listcheck.New(listcheck.Config{Store: &audiencetest.Lists{}, Validator: addresses, Now: now})
	in := ingest.Config{Store: w.store, Tenants: w.tenants, Keeper: keeper, Now: now}
	crowd := &audiencetest.Contacts{}
	circles := &audiencetest.Groups{People: crowd}
	w.imports = intake.New(intake.Config{Store: &audiencetest.Imports{Groups: circles}, People: crowd, Now: now})
	c := httpapi.Config{
		Auth:    tenant.NewAccounts(tenant.AccountsConfig{Store: w.tenants, Now: func() time.Time { return start.Add(time.Duration(w.waited.Load())) }}),
		Tenants: w.tenants, Audience: service, Contacts: audience.NewContacts(crowd, now), Groups: audience.NewGroups(circles, crowd, now), Imports: w.imports, Mail: w.reader, Addresses: addresses, Lists: w.checks, Messages: w.reader, Bodies: w.reader, Commands: w.reader, Operator: w.operator, Texts: texts{}, Now: now,
		Statistics:   insight.Statistics{Store: sums{w.tenant}},
		ProviderName: strings.ToUpper,
		Domains: tenant.NewRegistry(tenant.RegistryConfig{
			Store: w.tenants, Keeper: keeper, Now: now, Resolver: func() dns.Resolver { return w.zone },
			MakeKey: func(a tenant.Algorithm) ([]byte, string, error) { return []byte("x"), "v=DKIM1; p=" + string(a), nil },
		}),
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, f := range change {
		f(&c, &in)
	}
	if c.Acceptor == nil {
		c.Acceptor = ingest.New(in)
	}
	c.Privacy = w.rights(keeper, service, c.Contacts)
	w.leads = &leadtest.Store{}
	c.Leads = lead.New(lead.Config{Store: w.leads, Acceptor: c.Acceptor, Tenants: w.tenants, Keeper: keeper, Now: now})
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	c.LeadForms = leadform.New(leadform.Config{Store: &leadtest.Forms{}, Leads: c.Leads, Keeper: keeper, Catalog: catalog, Now: now})
	c.LeadCases = leadcase.New(leadcase.Config{Store: &leadtest.Cases{}, Leads: c.Leads, Mail: w.reader, Keeper: keeper, Now: now})
	c.Templates = stationery.New(stationery.Config{Store: &stationerytest.Store{}, Tenants: w.tenants, Catalog: catalog, Now: now})
	w.redeliveries = &redeliverytest.Store{All: w.ended}
	c.Redelivery = redelivery.New(redelivery.Config{Store: w.redeliveries, Acceptor: c.Acceptor, Leads: c.Leads, Bodies: w.reader, ConfirmAbove: 1, Now: now})
	c.Diagnosis = w.diagnosis(keeper, c.Acceptor)
	w.groups = &audiencetest.Groups{People: &audiencetest.Contacts{}}
	if c.Approval, err = approval.New(approval.Config{Store: &approvaltest.Store{}, Groups: w.groups, Keeper: keeper, Now: now,
		Calendar: approval.DefaultCalendar(time.UTC)}); err != nil {
		t.Fatal(err)
	}
	c.Campaigns = w.campaigns(c)
	c.Checks = w.checked(c.Campaigns, now)
	c.Publisher = &campaign.Publisher{Codes: seal.NewCodes([]byte("k")), Origin: "https://post.example", Store: w.mailings}
	c.Pictures = pictures.New(pictures.Config{Store: &picturestest.Store{}, Keeper: keeper, PublicURL: "https://post.example", Now: now})
	c.Series = w.sequences(c)
	c.Feeds = syndication(c)
	c.TrackingSettings, c.Consents = w.tracking(keeper)
	if c.Activities == nil {
		c.Activities = w.shelf
	}
	c.Offers = w.offers(keeper, c.Acceptor)
	w.optins(keeper, service, &c, c.Diagnosis, catalog)
	c.Ledger = plans{w}
	w.limits(&c)
	c.Webhooks, err = webhook.New(webhook.Config{Store: &webhooktest.Store{}, Client: webhook.NewClient(webhook.ClientConfig{}), Keeper: keeper, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if w.api, err = httpapi.New(c); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(w.api)
	t.Cleanup(w.server.Close)
	return w
}

// diagnosis is the real service over what the world has accepted.
func (w *world) diagnosis(keeper *seal.Keeper, acceptor ingest.Acceptor) *diagnosis.Service {
	w.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		w.Fatal(err)
	}
	reasons, err := bounce.Load()
	if err != nil {
		w.Fatal(err)
	}
	all := func(t tenant.ID) []insight.Message {
		p, _ := w.reader.Messages(context.Background(), t, insight.Filter{Limit: 1000})
		return p.Messages
	}
	s, err := diagnosis.New(diagnosis.Config{
		Store: &diagnosistest.Store{All: all}, Mail: w.reader, Bodies: w.reader, Tenants: w.tenants, Acceptor: acceptor, Catalog: catalog, Reasons: reasons,
		Keeper: keeper, PublicURL: "https://post.example", Now: func() time.Time { return start },
	})
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) found(name, domain string, quota int64, scopes ...tenant.Scope) (tenant.ID, string) {
	w.Helper()
	t := id.New[tenant.Kind](start)
	err := w.tenants.Found(context.Background(), tenant.Founding{
		Tenant:  tenant.Tenant{ID: t, Name: name, State: tenant.Active, DailyQuota: quota},
		Domains: []tenant.Domain{{ID: id.New[tenant.DomainKind](start), Tenant: t, Name: domain, State: tenant.Verified}},
	})
	if err != nil {
		w.Fatal(err)
	}
	return t, w.addKey(t, scopes...)
}

func (w *world) addKey(t tenant.ID, scopes ...tenant.Scope) string {
	w.Helper()
	text := tenant.NewKeyText()
	err := w.tenants.AddKey(context.Background(), tenant.Key{
		ID: id.New[tenant.KeyKind](start), Tenant: t, Hash: tenant.HashKey(text), Hint: tenant.KeyHint(text), Scopes: scopes,
	})
	if err != nil {
		w.Fatal(err)
	}
	return text
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; header holds pairs of name and value.
func (w *world) ask(method, path, key string, body io.Reader, header ...string) answer {
	w.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, w.server.URL+path, body)
	if err != nil {
		w.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (w *world) post(path, body string, header ...string) answer {
	w.Helper()
	return w.ask(http.MethodPost, path, w.key, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, header...)...)
}

func (w *world) get(path string, header ...string) answer {
	w.Helper()
	return w.ask(http.MethodGet, path, w.key, nil, header...)
}

// read decodes an answer that must have the status.
func read[T any](w *world, a answer, status int) T {
	w.Helper()
	var v T
	if a.status != status {
		w.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		w.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// wantProblem checks a refusal: status, code and, unless "", the pointer.
func (w *world) wantProblem(a answer, status int, code, pointer string) {
	w.Helper()
	p := read[httpapi.Problem](w, a, status)
	if a.header.Get("Content-Type") != "application/problem+json" || p.Status != status || p.Title == "" ||
		p.Type != "urn:stafette:problem:"+p.Code || a.header.Get("X-Request-Id") == "" {
		w.Errorf("not a problem document: %v %s", a.header, a.body)
	}
	if p.Code != code {
		w.Errorf("code %q, want %q: %s", p.Code, code, a.body)
	}
	if pointer != "" && !slices.ContainsFunc(p.Errors, func(e httpapi.ProblemError) bool { return e.Pointer == pointer && e.Code != "" }) {
		w.Errorf("no error at %q: %s", pointer, a.body)
	}
}

const good = `{"from":"Muster GmbH <info@muster.example>","to":["eva@kunde.example"],"cc":[],"bcc":[],"reply_to":[],` +
	`"subject":"Grüße","text":"Guten Tag","html":"<p>Guten Tag</p>","attachments":[{"filename":"Exposé Müller.pdf",` +
	`"content_type":"application/pdf","content":"JVBERi0=","content_id":null}],"headers":{},"stream":"transactional",` +
	`"tags":["rechnung"],"metadata":{"auftrag":"4711"},"send_at":null}`

// send posts the good message and returns its id.
func (w *world) send() message.ID {
	w.Helper()
	return read[httpapi.Accepted](w, w.post("/v1/messages", good), 202).ID
}

type texts struct{}

func (texts) State(lang string, s event.State) string { return lang + ":" + string(s) }
func (texts) Reason(lang, code string) string         { return lang + ":" + code }

// reader reads and commands what an ingesttest.Store has accepted.
type reader struct {
	store  *ingesttest.Store
	keeper *seal.Keeper

	mu     sync.Mutex
	extra  []event.Event
	marks  []event.Mark // on the first delivery
	filter insight.Filter
	gone   bool
}

func (r *reader) Message(_ context.Context, t tenant.ID, m message.ID) (insight.Message, error) {
	for _, a := range r.store.Accepted() {
		if a.Message.Tenant == t && a.Message.ID == m {
			found := asRead(a)
			if len(r.marks) > 0 {
				found.Deliveries[0].Marks, found.Deliveries[0].LateReason = r.marks, "user_unknown"
			}
			return found, nil
		}
	}
	return insight.Message{}, fault.New(fault.NotFound, "message_not_found", "There is no such message.")
}

func asRead(a ingest.Acceptance) insight.Message {
	m := insight.Message{
		ID: a.Message.ID, Tenant: a.Message.Tenant, Stream: a.Message.Stream, From: a.Message.From, To: a.Message.To,
		Subject: a.Message.Subject, MessageID: a.Message.MessageID, Size: a.Message.Size, Digests: a.Message.Digests,
		Tags: a.Message.Tags, Metadata: a.Message.Metadata, AcceptedAt: a.Message.AcceptedAt, SendAt: a.Message.SendAt,
		Body:          spool.Handle{Tenant: a.Message.Tenant, Message: a.Message.ID, Ref: a.Ref, Salt: a.Message.Salt},
		DeliveryCount: len(a.Deliveries),
	}
	for _, d := range a.Deliveries {
		m.Deliveries = append(m.Deliveries, insight.Delivery{
			ID: d.ID, Recipient: d.Recipient, Hidden: d.Hidden, State: d.State, Reason: d.Reason, DueAt: d.DueAt,
			ExpiresAt: a.Message.ExpiresAt, UpdatedAt: a.Message.AcceptedAt,
		})
	}
	return m
}

func (r *reader) Messages(_ context.Context, t tenant.ID, f insight.Filter) (insight.Page, error) {
	r.mu.Lock()
	r.filter = f
	r.mu.Unlock()
	var p insight.Page
	all := r.store.Accepted()
	slices.SortFunc(all, func(a, b ingest.Acceptance) int { return slices.Compare(b.Message.ID[:], a.Message.ID[:]) })
	for _, a := range all {
		if f.Text != "" && !strings.Contains(a.Message.ID.String()+" "+a.Message.Subject, f.Text) || f.Tag != "" && !slices.Contains(a.Message.Tags, f.Tag) {
			continue
		}
		if a.Message.Tenant != t || !f.After.IsZero() && slices.Compare(a.Message.ID[:], f.After[:]) >= 0 {
			continue
		}
		if len(p.Messages) == f.Limit {
			p.More = true
			break
		}
		p.Messages = append(p.Messages, asRead(a))
	}
	return p, nil
}

func (r *reader) Events(_ context.Context, t tenant.ID, m message.ID) ([]event.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.store.Accepted() {
		if a.Message.Tenant == t && a.Message.ID == m {
			return append(slices.Clone(a.Events), r.extra...), nil
		}
	}
	return nil, fault.New(fault.NotFound, "message_not_found", "There is no such message.")
}

func (r *reader) Counts(context.Context, tenant.ID, time.Time, time.Time) (map[event.State]int64, error) {
	return nil, nil
}

func (r *reader) Body(_ context.Context, h spool.Handle) ([]byte, error) {
	if r.gone {
		return nil, spool.ErrGone
	}
	for _, a := range r.store.Accepted() {
		if a.Message.ID == h.Message && a.Message.Tenant == h.Tenant {
			return r.keeper.OpenBody(a.Sealed, h.Salt)
		}
	}
	return nil, spool.ErrGone
}

func (r *reader) Apply(_ context.Context, c queue.Command, sel queue.Selection, actor string, _ time.Time) ([]message.DeliveryID, error) {
	var changed []message.DeliveryID
	for _, a := range r.store.Accepted() {
		if a.Message.Tenant == sel.Tenant && a.Message.ID == sel.Message && c != queue.Resume && strings.HasPrefix(actor, "key_") {
			for _, d := range a.Deliveries {
				changed = append(changed, d.ID)
			}
		}
	}
	return changed, nil
}
