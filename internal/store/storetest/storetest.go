// Package storetest is the conformance suite of package store: what every method
// promises, asked of a store on either database.
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

// Open opens a store on an empty database. It completes the configuration with
// where the data lies and closes the store when the test ends.
type Open func(t testing.TB, cfg store.Config) *store.Store

// Run runs the whole suite, each test on a store of its own.
func Run(t *testing.T, open Open) {
	for _, part := range []struct {
		name  string
		tests map[string]func(*testing.T, *World)
	}{
		{"Tenants", tenantTests()},
		{"Accept", acceptTests()},
		{"Queue", queueTests()},
		{"Commands", commandTests()},
		{"Insight", insightTests()},
		{"Figures", figureTests()},
		{"Returns", returnTests()},
		{"Isolation", isolationTests()},
		{"Singletons", singletonTests()},
		{"Audience", audienceTests()},
		{"Quotas", quotaTests()},
		{"Ledger", ledgerTests()},
		{"Pauses", pauseTests()},
		{"Tickets", ticketTests()},
		{"TLSPolicy", tlsPolicyTests()},
		{"Reports", reportTests()},
		{"Notices", noticeTests()},
		{"Accounts", accountTests()},
		{"Egress", egressTests()},
		{"Orders", orderTests()},
		{"Changeovers", changeoverTests()},
		{"Affected", affectedTests()},
		{"Leads", leadTests()},
		{"Offers", offerTests()},
		{"Templates", templateTests()},
		{"Pictures", pictureTests()},
		{"Redelivery", redeliveryTests()},
		{"Campaigns", campaignTests()},
		{"Series", seriesTests()},
		{"Feeds", feedTests()},
		{"Dialogues", dialogueTests()},
		{"Ages", ageTests()},
		{"Lists", listTests()},
		{"Diagnosis", diagnosisTests()},
		{"Contacts", contactTests()},
		{"Groups", groupTests()},
		{"Approvals", approvalTests()},
		{"Privacy", privacyTests()},
		{"Published", publishedTests()},
		{"Genuine", genuineTests()},
		{"Preference", preferenceTests()},
		{"Consents", consentTests()},
		{"Tracking", trackingTests()},
		{"Webhooks", webhookTests()},
		{"Blitz", blitzTests()},
	} {
		t.Run(part.name, func(t *testing.T) {
			for name, test := range part.tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel() // they wait for disks more than they compute
					test(t, NewWorld(t, open))
				})
			}
		})
	}
}

// World is a store with two tenants and a clock that stands still.
type World struct {
	Store *store.Store
	Clock *Clock
	// A and B are tenants; B exists so that it can be told from A.
	A, B tenant.ID

	t  testing.TB
	mu sync.Mutex
	// announced are the events that OnCommit was called with.
	announced []event.Event
}

// Clock is a clock that is set by hand. It is safe for concurrent use.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now returns where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock and returns where it stands then.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return c.at
}

// Start is where every test's clock stands at first.
func Start() time.Time { return time.Date(2026, 3, 28, 10, 20, 30, 0, time.UTC) }

// NewWorld opens a store and founds the tenants.
func NewWorld(t testing.TB, open Open) *World {
	w := &World{Clock: &Clock{at: Start()}, t: t}
	w.Store = open(t, store.Config{Now: w.Clock.Now, OnCommit: func(_ tenant.ID, e event.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.announced = append(w.announced, e)
	}})
	w.A, w.B = w.Found("a"), w.Found("b")
	return w
}

// Found makes a tenant.
func (w *World) Found(name string) tenant.ID {
	w.t.Helper()
	now := w.Clock.Now()
	t := tenant.Tenant{ID: id.New[tenant.Kind](now), Name: name, State: tenant.Active, Locale: "de",
		OfficeTone: tenant.Sie, CustomerTone: tenant.Du, CreatedAt: now}
	if err := w.Store.Found(context.Background(), tenant.Founding{Tenant: t}); err != nil {
		w.t.Fatal(err)
	}
	return t.ID
}

// Announced returns the events committed so far.
func (w *World) Announced() []event.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]event.Event(nil), w.announced...)
}

// Draft makes an acceptance of a mail to the addresses, due now.
func (w *World) Draft(t tenant.ID, to ...string) *ingest.Acceptance {
	return Draft(w.Clock.Now(), t, to...)
}

// Draft makes an acceptance of a mail to the addresses, due now.
func Draft(now time.Time, t tenant.ID, to ...string) *ingest.Acceptance {
	m := message.NewID(now)
	a := &ingest.Acceptance{
		Message: ingest.Message{
			ID: m, Tenant: t, Stream: tenant.Transactional, Actor: "key_1", Door: "http", Sender: "bounce@a.example",
			From:    message.Mailbox{Name: "Müller & Söhne", Address: message.Address{Local: "info", Domain: "a.example"}},
			Subject: "Ihre Anfrage", SignDomain: "a.example", MessageID: m.String() + "@a.example", Size: 2000, Salt: seal.NewSalt(),
			EightBit: true, AcceptedAt: now, ExpiresAt: now.Add(72 * time.Hour),
			Digests: []message.Digest{{Filename: "a.pdf", ContentType: "application/pdf", Size: 9, SHA256: [32]byte{7}}},
		},
		Sealed: make([]byte, 2016),
	}
	_, _ = rand.Read(a.Sealed)
	for i, text := range to {
		address := Address(text)
		a.Message.To = append(a.Message.To, message.Mailbox{Name: "Herr " + address.Local, Address: address})
		a.Deliveries = append(a.Deliveries, ingest.Delivery{ID: message.Delivery(m, i+1), Recipient: address, State: event.Queued, DueAt: now})
	}
	a.Events = []event.Event{{ID: id.New[event.Kind](now), Message: m, Type: event.Accepted, At: now, Actor: "key_1"}}
	return a
}

// Address takes "local@domain" apart.
func Address(text string) message.Address {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '@' {
			return message.Address{Local: text[:i], Domain: text[i+1:]}
		}
	}
	return message.Address{}
}

// Accept stores what Draft made and fails the test if that fails.
func (w *World) Accept(list ...*ingest.Acceptance) {
	w.t.Helper()
	for _, a := range list {
		if err := w.Store.Accept(context.Background(), a); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Epoch starts an epoch that lives for a day.
func (w *World) Epoch(node string) queue.Epoch {
	w.t.Helper()
	now := w.Clock.Now()
	e, err := w.Store.StartEpoch(context.Background(), node, now, now.Add(24*time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// Claim claims what is due.
func (w *World) Claim(e queue.Epoch, t tenant.ID, limit int) []queue.Entry {
	w.t.Helper()
	entries, err := w.Store.Claim(context.Background(), queue.Claim{Epoch: e, Tenant: t, Now: w.Clock.Now(), Limit: limit})
	if err != nil {
		w.t.Fatal(err)
	}
	return entries
}

// Verdict makes a settlement that ends in the state.
func (w *World) Verdict(e queue.Epoch, t tenant.ID, d message.DeliveryID, state event.State) queue.Settlement {
	return Verdict(w.Clock.Now(), e, t, d, state)
}

// Verdict makes a settlement that ends in the state.
func Verdict(now time.Time, e queue.Epoch, t tenant.ID, d message.DeliveryID, state event.State) queue.Settlement {
	kinds := map[event.State]event.Type{event.Delivered: event.Completed, event.Deferred: event.AttemptFailed, event.Bounced: event.Refused,
		event.Expired: event.GaveUp, event.Suppressed: event.Withheld, event.Held: event.Paused, event.Cancelled: event.Stopped}
	v := queue.Settlement{Tenant: t, Delivery: d, Epoch: e, State: state, Attempts: 1, Host: "mx.example.net",
		Event: event.Event{ID: id.New[event.Kind](now), Message: message.Of(d), Delivery: d, Type: kinds[state], At: now, Actor: "system",
			Reason: "some_reason", Attempt: &event.Attempt{Number: 1, MX: "mx.example.net", Code: 250, Reply: "2.0.0 ok", Outcome: event.OutcomeDelivered}}}
	if state == event.Deferred {
		v.DueAt, v.Signature = now.Add(10*time.Minute), []byte("DKIM-Signature: x\r\n")
		v.Event.Attempt.NextAt = v.DueAt
	}
	return v
}

// Settle settles and returns what was fenced.
func (w *World) Settle(list ...queue.Settlement) []message.DeliveryID {
	w.t.Helper()
	fenced, err := w.Store.Settle(context.Background(), list)
	if err != nil {
		w.t.Fatal(err)
	}
	return fenced
}

// States returns the states of a message's deliveries in order.
func (w *World) States(t tenant.ID, m message.ID) string {
	w.t.Helper()
	found, err := w.Store.Message(context.Background(), t, m)
	if err != nil {
		w.t.Fatal(err)
	}
	text := ""
	for i, d := range found.Deliveries {
		if i > 0 {
			text += " "
		}
		text += string(d.State)
	}
	return text
}

// facts returns the types of a message's events in order.
func (w *World) facts(t tenant.ID, m message.ID) string {
	w.t.Helper()
	list, err := w.Store.Events(context.Background(), t, m)
	if err != nil {
		w.t.Fatal(err)
	}
	text := ""
	for i, e := range list {
		if i > 0 {
			text += " "
		}
		text += string(e.Type)
	}
	return text
}

func equal[T comparable](t *testing.T, what string, have, want T) {
	t.Helper()
	if have != want {
		t.Errorf("%s: have %v, want %v", what, have, want)
	}
}

func numbered(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("r%d@example.net", i)
	}
	return list
}
