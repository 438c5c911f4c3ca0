package returns_test

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/dns"
	"stafette/internal/dns/dnstest"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/returns"
	"stafette/internal/seal"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

const (
	ourDomain = "bounces.mail.example"
	recipient = "kundin@gmx.example"
)

// world is a store with one tenant that has sent one message, and everything that
// reads what comes back.
type world struct {
	t         *testing.T
	store     *store.Store
	keeper    *seal.Keeper
	paths     *bounce.ReturnPaths
	unsub     *bounce.ReturnPaths
	addresses *returns.Addresses
	intake    *returns.Intake
	config    returns.SorterConfig
	sorter    *returns.Sorter
	names     *dnstest.Server
	tenant    tenant.ID
	sent      ingest.Receipt

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

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 28, 10, 20, 30, 0, time.UTC)}
	var err error
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.keeper, err = seal.New(make([]byte, seal.KeySize))
	must(err)
	w.store, err = store.Open(t.Context(), store.Config{DataDir: t.TempDir(), Now: w.Now})
	must(err)
	w.names, err = dnstest.New("")
	must(err)
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
		if err := w.names.Close(); err != nil {
			t.Error(err)
		}
	})
	w.tenant = id.New[tenant.Kind](w.now)
	must(w.store.Found(t.Context(), tenant.Founding{
		Tenant: tenant.Tenant{ID: w.tenant, Name: "Muster", State: tenant.Active, Locale: "de", OfficeTone: tenant.Sie, CustomerTone: tenant.Sie, CreatedAt: w.now},
		Domains: []tenant.Domain{{ID: id.New[tenant.DomainKind](w.now), Tenant: w.tenant, Name: "muster.example",
			State: tenant.Trusted, CreatedAt: w.now}},
	}))
	entrance := ingest.New(ingest.Config{Store: w.store, Tenants: w.store, Keeper: w.keeper, Now: w.Now})
	to := message.Mailbox{Address: message.Address{Local: "kundin", Domain: "gmx.example"}}
	from := message.Mailbox{Name: "Muster", Address: message.Address{Local: "info", Domain: "muster.example"}}
	w.sent, err = entrance.Accept(t.Context(), ingest.Principal{Tenant: w.tenant, Actor: "test", Door: "http"},
		ingest.Submission{Stream: tenant.Newsletter, Draft: &message.Draft{From: from, To: []message.Mailbox{to}, Subject: "Ihr Termin", Text: "Guten Tag"}})
	must(err)
	w.paths, err = bounce.NewReturnPaths(w.keeper.MACKey("return path"))
	must(err)
	w.unsub, err = bounce.NewUnsubscribePaths(w.keeper.MACKey("unsubscribe address"))
	must(err)
	judge, err := bounce.Load()
	must(err)
	list, err := audience.New(audience.Config{Store: w.store, Now: w.Now})
	must(err)
	w.addresses = returns.NewAddresses(w.paths, w.unsub, ourDomain, "post.mail.example")
	w.config = returns.SorterConfig{Store: w.store, Addresses: w.addresses, Keeper: w.keeper, Judge: judge,
		Suppressor: list, Acceptor: entrance,
		Resolver: dns.New(dns.Config{Server: w.names.Addr(), Now: w.Now, Timeout: 2 * time.Second}), Now: w.Now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	w.sorter = returns.NewSorter(w.config)
	w.intake = returns.NewIntake(returns.IntakeConfig{Store: w.store, Addresses: w.addresses, Keeper: w.keeper, Now: w.Now, Wake: w.sorter.Wake})
	return w
}

func (w *world) delivery() message.DeliveryID { return w.sent.Deliveries[0].ID }

func (w *world) verp() string {
	return w.paths.Make(returns.PathOf(w.tenant, w.delivery()), ourDomain).String()
}

// fill puts what only this world knows into a text with LF line ends.
func (w *world) fill(text string) string {
	forged := strings.Replace(w.verp(), "b+", "b+a", 1)
	text = strings.NewReplacer("{verp}", w.verp(), "{unsub}", w.unsub.Make(returns.PathOf(w.tenant, w.delivery()), ourDomain).String(),
		"{msgid}", w.sent.MessageID, "{rcpt}", recipient, "{forged}", forged).Replace(text)
	return strings.ReplaceAll(strings.TrimLeft(text, "\n"), "\n", "\r\n")
}

// receive takes a mail in as the door does.
func (w *world) receive(sender, to, raw string) {
	w.t.Helper()
	local, domain, _ := strings.Cut(w.fill(to), "@")
	a := message.Address{Local: local, Domain: domain}
	if !w.intake.Takes(a) {
		w.t.Fatalf("%s is not taken", a)
	}
	err := w.intake.Keep(w.t.Context(), returns.Envelope{Sender: w.fill(sender), Recipients: []message.Address{a},
		Peer: netip.MustParseAddr("192.0.2.7"), HELO: "mx.gmx.example"}, []byte(w.fill(raw)))
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sort() {
	w.t.Helper()
	if _, err := w.sorter.Sort(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// last returns the newest return mail.
func (w *world) last() returns.Mail {
	w.t.Helper()
	list, _, err := w.store.Returns(w.t.Context(), returns.Listing{Limit: 1})
	if err != nil || len(list) == 0 {
		w.t.Fatal("no return mail", err)
	}
	return list[0]
}

// facts returns what return mail told of the delivery.
func (w *world) facts() []event.Event {
	w.t.Helper()
	all, err := w.store.Events(w.t.Context(), w.tenant, w.sent.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	var list []event.Event
	for _, e := range all {
		if e.Report != nil {
			list = append(list, e)
		}
	}
	return list
}

func (w *world) suppressed() string {
	w.t.Helper()
	a := w.sent.Deliveries[0].Recipient
	found, err := w.store.Suppressed(w.t.Context(), w.tenant, tenant.Newsletter, []message.Address{a}, w.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return found[a]
}

// passedOn returns the messages that replies became.
func (w *world) passedOn() []insight.Message {
	w.t.Helper()
	page, err := w.store.Messages(context.Background(), w.tenant, insight.Filter{Stream: tenant.System})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Messages
}

// failingStore loses the verdict while err is set.
type failingStore struct {
	*store.Store
	err error
}

// ConcludeReturn implements returns.Store.
func (f *failingStore) ConcludeReturn(ctx context.Context, m returns.Mail, facts []event.Event) (bool, error) {
	if f.err != nil {
		return false, f.err
	}
	return f.Store.ConcludeReturn(ctx, m, facts)
}

func (w *world) sorterOver(s returns.Store) *returns.Sorter {
	c := w.config
	c.Store = s
	return returns.NewSorter(c)
}
