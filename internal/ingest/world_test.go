package ingest_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/ingest/ingesttest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

var start = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// world is a Service with everything around it in memory.
type world struct {
	*testing.T
	service *ingest.Service
	store   *ingesttest.Store
	tenants *tenanttest.Store
	keeper  *seal.Keeper
	feed    *feed
	tenant  tenant.ID
	other   tenant.ID

	mu  sync.Mutex
	now time.Time
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t *testing.T, change ...func(*ingest.Config, *tenant.Tenant)) *world {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: &ingesttest.Store{}, tenants: &tenanttest.Store{}, keeper: keeper, feed: &feed{epoch: 3}, now: start}
	c := ingest.Config{Store: w.store, Tenants: w.tenants, Keeper: keeper, Feed: w.feed, Now: w.Now}
	one := tenant.Tenant{ID: id.New[tenant.Kind](start), Name: "Muster", State: tenant.Active}
	for _, f := range change {
		f(&c, &one)
	}
	w.tenant = one.ID
	w.found(one, "muster.example", tenant.Verified)
	w.other = id.New[tenant.Kind](start)
	w.found(tenant.Tenant{ID: w.other, Name: "Fremd", State: tenant.Active}, "fremd.example", tenant.Trusted)
	w.service = ingest.New(c)
	return w
}

func (w *world) found(t tenant.Tenant, domain string, state tenant.DomainState) {
	w.Helper()
	err := w.tenants.Found(w.Context(), tenant.Founding{Tenant: t, Domains: []tenant.Domain{
		{ID: id.New[tenant.DomainKind](start), Tenant: t.ID, Name: domain, State: state},
		{ID: id.New[tenant.DomainKind](start), Tenant: t.ID, Name: "wartet-" + domain, State: tenant.Pending},
		{ID: id.New[tenant.DomainKind](start), Tenant: t.ID, Name: "verfallen-" + domain, State: tenant.Lapsed},
	}})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) principal() ingest.Principal {
	return ingest.Principal{Tenant: w.tenant, Actor: "key_test", Door: "http"}
}

func (w *world) accept(s ingest.Submission) (ingest.Receipt, error) {
	return w.service.Accept(w.Context(), w.principal(), s)
}

func (w *world) mustAccept(s ingest.Submission) ingest.Receipt {
	w.Helper()
	r, err := w.accept(s)
	if err != nil {
		w.Fatalf("accept: %v", err)
	}
	return r
}

// body returns the clear bytes of the n-th stored message.
func (w *world) body(n int) string {
	w.Helper()
	a := w.store.Accepted()[n]
	b, err := w.keeper.OpenBody(a.Sealed, a.Message.Salt)
	if err != nil {
		w.Fatal(err)
	}
	return string(b)
}

func (w *world) wantRefusal(err error, kind fault.Kind, code, field string) {
	w.Helper()
	e := fault.As(err)
	if e == nil || e.Kind != kind || e.Code != code || e.Field != field {
		w.Errorf("refusal %v, want %s %s (%s)", err, kind, code, field)
	}
}

func addr(s string) message.Address {
	m := mailbox(s)
	return m.Address
}

func mailbox(s string) message.Mailbox {
	m, err := message.ParseMailbox(s)
	if err != nil {
		panic(err)
	}
	return m
}

func draft(change ...func(*ingest.Submission)) ingest.Submission {
	s := ingest.Submission{Draft: &message.Draft{
		From: mailbox("Muster GmbH <info@muster.example>"), To: []message.Mailbox{mailbox("eva@kunde.example")},
		Subject: "Grüße", Text: "Guten Tag",
	}}
	for _, f := range change {
		f(&s)
	}
	return s
}

// feed records what ingest asks of the queue.
type feed struct {
	mu                 sync.Mutex
	epoch              queue.Epoch
	reserved, canceled int
	offered            []queue.Entry
}

func (f *feed) Reserve(_ tenant.ID, _, n int) queue.Epoch {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserved += n
	return f.epoch
}

func (f *feed) Offer(e []queue.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offered = append(f.offered, e...)
}

func (f *feed) Cancel(_ tenant.ID, _, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.canceled += n
}
