package diagnosis_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"stafette/internal/bounce"
	"stafette/internal/diagnosis"
	"stafette/internal/diagnosis/diagnosistest"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// start is now in every test: a winter's noon in Germany.
var start = time.Date(2026, 11, 19, 11, 0, 0, 0, time.UTC)

// world is a Service over messages in memory.
type world struct {
	*diagnosis.Service
	t        testing.TB
	store    *diagnosistest.Store
	a, b     tenant.ID
	now      time.Time
	messages []insight.Message
	facts    map[message.ID][]event.Event
	bodies   map[message.ID][]byte
	accepted []ingest.Submission
	refusal  error
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: start, facts: map[message.ID][]event.Event{}, bodies: map[message.ID][]byte{},
		a: tenant.ID{15: 1}, b: tenant.ID{15: 2}}
	w.store = &diagnosistest.Store{All: func(t tenant.ID) []insight.Message {
		return slices.DeleteFunc(slices.Clone(w.messages), func(m insight.Message) bool { return m.Tenant != t })
	}}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := bounce.Load()
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	w.Service, err = diagnosis.New(diagnosis.Config{
		Store: w.store, Mail: w, Bodies: w, Tenants: w, Acceptor: w, Catalog: catalog, Reasons: reasons, Keeper: keeper,
		PublicURL: "https://post.example", Zone: zone, Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// put stores a message of a tenant to one recipient per delivery and returns it.
func (w *world) put(t tenant.ID, age time.Duration, subject, to string, d insight.Delivery, facts ...event.Event) insight.Message {
	name, address, _ := strings.Cut(to, "|")
	at := w.now.Add(-age)
	local, domain, _ := strings.Cut(address, "@")
	m := insight.Message{
		// Fixed identifiers: they stand in golden files.
		ID: id.Lowest[message.Kind](at), Tenant: t, Stream: tenant.Transactional, Subject: subject, Size: 24_310, AcceptedAt: at,
		From: message.Mailbox{Name: "Hafenkontor Immobilien", Address: message.Address{Local: "besichtigung", Domain: "hafenkontor.example"}},
		Body: spool.Handle{Salt: seal.Salt{1}}, DeliveryCount: 1,
	}
	m.ID[13], m.ID[15] = byte(len(w.messages)+1), 0
	m.Body.Message = m.ID
	m.MessageID = "nr" + subject[:1] + "@hafenkontor.example"
	d.ID, d.Recipient = message.Delivery(m.ID, 1), message.Address{Local: local, Domain: domain}
	if d.UpdatedAt.IsZero() {
		d.UpdatedAt = at
	}
	d.ExpiresAt = at.Add(120 * time.Hour)
	m.To = []message.Mailbox{{Name: name, Address: d.Recipient}}
	m.Deliveries = []insight.Delivery{d}
	w.messages = append(w.messages, m)
	w.facts[m.ID] = []event.Event{{Message: m.ID, Type: event.Accepted, At: at}}
	for _, f := range facts {
		f.Message, f.Delivery = m.ID, d.ID
		w.facts[m.ID] = append(w.facts[m.ID], f)
	}
	w.bodies[m.ID] = []byte("From: x@hafenkontor.example\r\nTo: " + address + "\r\nCc: geheim@kunde.example\r\nSubject: S\r\nMessage-ID: <alt@x>\r\nDate: Thu, 19 Nov 2026 10:00:00 +0100\r\n" +
		"DKIM-Signature: v=1;\r\n a=b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n")
	return m
}

func (w *world) Message(_ context.Context, t tenant.ID, m message.ID) (insight.Message, error) {
	for _, one := range w.messages {
		if one.ID == m && one.Tenant == t {
			return one, nil
		}
	}
	return insight.Message{}, fault.New(fault.NotFound, "message_not_found", "")
}

func (w *world) Messages(_ context.Context, t tenant.ID, f insight.Filter) (insight.Page, error) {
	var p insight.Page
	for _, m := range slices.Backward(w.messages) {
		words := strings.ToLower(m.Subject + " " + m.MessageID + " " + m.To[0].Name + " " + m.ID.String() + " " + m.Deliveries[0].Recipient.Local + "@" + m.Deliveries[0].Recipient.Domain)
		if m.Tenant == t && (f.Tag == "" || slices.Contains(m.Tags, f.Tag)) && strings.Contains(words, strings.ToLower(f.Text)) && len(p.Messages) < f.Limit {
			p.Messages = append(p.Messages, m)
		}
	}
	return p, nil
}

func (w *world) Events(_ context.Context, t tenant.ID, m message.ID) ([]event.Event, error) {
	if _, err := w.Message(context.Background(), t, m); err != nil {
		return nil, err
	}
	return w.facts[m], nil
}

func (w *world) Body(_ context.Context, h spool.Handle) ([]byte, error) {
	for _, m := range w.messages {
		if m.Body == h && w.bodies[m.ID] != nil {
			return w.bodies[m.ID], nil
		}
	}
	return nil, spool.ErrGone
}

func (w *world) Profile(context.Context, tenant.ID) (tenant.Profile, error) {
	return tenant.Profile{}, nil
}

func (w *world) Tenant(context.Context, tenant.ID) (tenant.Tenant, error) {
	return tenant.Tenant{Name: "Hafenkontor Immobilien"}, nil
}

func (w *world) Accept(_ context.Context, _ ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	w.accepted = append(w.accepted, s)
	return ingest.Receipt{ID: message.NewID(w.now)}, w.refusal
}

func (w *world) AcceptAll(context.Context, ingest.Principal, []ingest.Submission) []ingest.Result {
	return nil
}

// attempt is a try at a server that ended some time ago.
func attempt(ago time.Duration, outcome event.Outcome, host string, code int, reply string) event.Event {
	types := map[event.Outcome]event.Type{event.OutcomeDelivered: event.Completed, event.OutcomeBounced: event.Refused}
	e := event.Event{Type: event.AttemptFailed, At: start.Add(-ago), Attempt: &event.Attempt{
		Number: 1, Source: "192.0.2.17", EHLO: "hk-a.mail.stafette.example", MX: host, Address: "198.51.100.25:25", TLS: "TLS 1.3", Stage: "dot",
		Code: code, Reply: reply, Outcome: outcome,
	}}
	if t := types[outcome]; t != "" {
		e.Type = t
	}
	return e
}
