// Package webtest is a small world for tests of the office: an in-memory stand-in
// for everything web.Config asks for, with the same refusals and the same
// separation of tenants as the real rooms, and a set of messages in every state. A
// subject of the office brings its own stand-ins as a Subject; Desk is a browser.
package webtest

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"mime"
	"net/mail"
	"slices"
	"stafette/internal/blitz/blitztest"
	"stafette/internal/tracking"
	"strings"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/changeover"
	"stafette/internal/changeover/changeovertest"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/message"
	"stafette/internal/published"
	"stafette/internal/queue"
	"stafette/internal/redelivery"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/frame"
	"stafette/internal/web/messages"
)

// Password opens every account of the world.
const Password = "Seidenpapier-7-Anker"

// World is the state behind the office. It is safe for concurrent use.
type World struct {
	Tenant tenant.Tenant
	Other  tenant.Tenant
	Hub    *event.Hub

	// Partial is the address of a reviewer who has to do with Tenant; "": none has.
	Partial string

	mu       sync.Mutex
	now      time.Time
	users    map[string]tenant.User
	sessions map[string]tenant.Identity
	tries    int
	messages []insight.Message // from old to new
	events   map[message.ID][]event.Event
	bodies   map[message.ID][]byte
	replays  map[string]ingest.Receipt
	domains  []tenant.Domain
	register register
	broken   error
	commands []queue.Selection
	refusal  error
	accepted []ingest.Submission

	listed sync.Once
	list   *audience.Service // of suppressions

	mailings         mailings
	sequences        sequences
	syndication      syndication
	redeliveriesOnce sync.Once
	redeliveries     *redelivery.Service
	shelf            *redelivery.Archive

	leadsOnce sync.Once
	// LeadForms and LeadCases are there once the office is wired.
	LeadForms *leadform.Service
	LeadCases *leadcase.Service
	leads     *lead.Service
	offered   offered
	stationed stationed
	pictured  pictured
	halts     []audience.Halt
	customers *moves // changeovers and their customers
	outlets   *Outlets

	listsOnce sync.Once
	lists     *published.Service

	movesOnce sync.Once
	moves     changeovertest.Store
	movesList []changeover.Changeover

	checkedOnce sync.Once
	ruled       sync.Once
	checked     *checklists

	accounts *Accounts

	crowd         crowd   // of contacts
	joined        joined  // through sign-up forms
	circles       circles // of groups
	limitsOnce    sync.Once
	limitDesk     *limits
	approvalsOnce sync.Once
	approvals     *approvalDesk
	watch         watched
	// Tracked tells of activities; it is there once the office is wired.
	Tracked   *tracking.Hub
	blitzOnce sync.Once
	blitz     *blitztest.Store

	hooked      sync.Once
	hookService *hooks
}

// Now is the world's clock.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Advance moves the clock.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Break makes every question to insight fail with err; nil mends it.
func (w *World) Break(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = err
}

// Refuse makes the acceptor answer every submission with err; nil mends it.
func (w *World) Refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusal = err
}

// Accepted lists what was submitted and accepted.
func (w *World) Accepted() []ingest.Submission {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.accepted)
}

// Commanded lists the selections commands were applied to.
func (w *World) Commanded() []queue.Selection {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.commands)
}

// Config is the office's configuration on this world at a public URL.
func (w *World) Config(publicURL string) (web.Config, error) {
	catalog, err := i18n.Load()
	if err != nil {
		return web.Config{}, err
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return web.Config{}, err
	}
	c := web.Config{
		Config: frame.Config{Auth: w, Catalog: catalog, PublicURL: publicURL, Now: w.Now, Zone: zone},
		Messages: messages.Config{
			Tenants: w, Acceptor: w, Insight: w, Spool: w, Commands: w, Hub: w.Hub,
			Reasons: reasons{}, ParseMailbox: ParseMailbox, Dialogues: w,
		},
	}
	for _, s := range Subjects() {
		if s.Wire != nil {
			s.Wire(w, &c)
		}
	}
	return c, nil
}

// ParseMailbox stands in for message.ParseMailbox.
func ParseMailbox(text string) (message.Mailbox, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return message.Mailbox{}, fault.Field("", "address_malformed", "not an address")
	}
	at := strings.LastIndexByte(a.Address, '@')
	return message.Mailbox{Name: a.Name, Address: message.Address{
		Local: a.Address[:at], Domain: strings.ToLower(a.Address[at+1:]),
	}}, nil
}

type reasons struct{}

// Sentence implements messages.Reasons for the classes of the sample.
func (reasons) Sentence(class bounce.Class, lang string) string {
	de, en := "", ""
	switch class {
	case "user_unknown":
		de, en = "Die Adresse existiert nicht.", "The address does not exist."
	case "rate_limited":
		de, en = "Der Anbieter begrenzt die Menge.", "The provider limits the volume."
	case "domain_no_mail":
		de, en = "Die Domain nimmt keine E-Mails an.", "The domain takes no e-mail."
	case "network":
		de, en = "Der Empfängerserver ist nicht erreichbar.", "The receiving server cannot be reached."
	}
	if lang == "en" {
		return en
	}
	return de
}

// SignIn implements tenant.Authenticator. The tenth wrong try in a row is throttled.
func (w *World) SignIn(_ context.Context, email, password, _, _ string) (string, tenant.Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tries >= 10 {
		return "", tenant.Identity{}, &fault.Error{Kind: fault.Limited, Code: "too_many_tries", RetryAfter: 15 * time.Minute}
	}
	u, ok := w.users[strings.ToLower(email)]
	if !ok || password != Password {
		w.tries++
		return "", tenant.Identity{}, fault.New(fault.Unauthenticated, "credentials_wrong", "")
	}
	w.tries = 0
	token := "token-" + id.New[tenant.UserKind](w.now).String()
	who := tenant.Identity{User: u, Session: tenant.Session{
		Hash: [32]byte{1}, User: u.ID, Tenant: u.Tenant, CreatedAt: w.now, SeenAt: w.now, ProvedAt: w.now, Device: "Firefox · Linux", Network: "127.0.0.0/24", Pending: u.Guarded,
	}}
	for _, t := range []tenant.Tenant{w.Tenant, w.Other} {
		if t.ID == u.Tenant {
			who.Tenant = t
		}
	}
	w.sessions[token] = who
	return token, who, nil
}

// Resume implements tenant.Authenticator.
func (w *World) Resume(_ context.Context, token string) (tenant.Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	who, ok := w.sessions[token]
	if !ok || who.Session.Pending {
		return tenant.Identity{}, fault.New(fault.Unauthenticated, "session_ended", "")
	}
	return who, nil
}

// SignOut implements tenant.Authenticator.
func (w *World) SignOut(_ context.Context, token string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sessions, token)
	return nil
}

// Key implements tenant.Authenticator; this world has no keys.
func (w *World) Key(context.Context, string, string) (tenant.Key, error) {
	return tenant.Key{}, fault.New(fault.Unauthenticated, "key_unknown", "")
}

// Keys implements messages.Tenants.
func (w *World) Keys(context.Context, tenant.ID) ([]tenant.Key, error) { return nil, nil }

// Profile implements messages.Tenants: World.Tenant says something of itself.
func (w *World) Profile(_ context.Context, t tenant.ID) (tenant.Profile, error) {
	if t != w.Tenant.ID {
		return tenant.Profile{}, nil
	}
	return tenant.Profile{
		Stream: tenant.Reminder, From: message.Mailbox{Name: "Hafenkontor", Address: message.Address{Local: "info", Domain: "hafenkontor.example"}},
		Contact: "040 123456", Imprint: "Hafenkontor Immobilien GmbH\nAm Kai 1, 20457 Hamburg",
	}, nil
}

// Domains implements messages.Tenants.
func (w *World) Domains(_ context.Context, t tenant.ID) ([]tenant.Domain, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return keep(w.domains, func(d tenant.Domain) bool { return d.Tenant == t }), nil
}

// User implements messages.Tenants.
func (w *World) User(_ context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, user := range w.users {
		if user.ID == u && user.Tenant == t {
			return user, nil
		}
	}
	return tenant.User{}, fault.New(fault.NotFound, "user_not_found", "")
}

// Message implements insight.Store.
func (w *World) Message(_ context.Context, t tenant.ID, m message.ID) (insight.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.messages {
		if one.ID == m && one.Tenant == t {
			return clone(one), w.broken
		}
	}
	return insight.Message{}, cmp.Or(w.broken, error(fault.New(fault.NotFound, "message_not_found", "")))
}

// Messages implements insight.Store.
func (w *World) Messages(_ context.Context, t tenant.ID, f insight.Filter) (insight.Page, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return insight.Page{}, w.broken
	}
	limit := cmp.Or(f.Limit, 50)
	var page insight.Page
	list := slices.Clone(w.messages)
	if !f.OldestFirst {
		slices.Reverse(list)
	}
	for _, m := range list {
		if m.Tenant != t || !matches(m, f) {
			continue
		}
		if len(page.Messages) == limit {
			page.More = true
			break
		}
		m = clone(m)
		m.Deliveries = m.Deliveries[:min(len(m.Deliveries), 20)]
		page.Messages = append(page.Messages, m)
	}
	return page, nil
}

func matches(m insight.Message, f insight.Filter) bool {
	switch {
	case !f.After.IsZero() && (m.ID.String() >= f.After.String()) != f.OldestFirst, m.ID == f.After,
		f.Stream != "" && m.Stream != f.Stream,
		f.Tag != "" && !slices.Contains(m.Tags, f.Tag),
		!f.From.IsZero() && m.AcceptedAt.Before(f.From),
		!f.To.IsZero() && !m.AcceptedAt.Before(f.To):
		return false
	}
	if f.State != "" && !slices.ContainsFunc(m.Deliveries, func(d insight.Delivery) bool { return d.State == f.State }) {
		return false
	}
	if f.Mark != "" && !slices.ContainsFunc(m.Deliveries, func(d insight.Delivery) bool { return d.Marked(f.Mark) }) {
		return false
	}
	if f.Text == "" {
		return true
	}
	words := m.Subject + " " + m.MessageID + " " + m.ID.String()
	for _, box := range m.To {
		words += " " + box.Name
	}
	for _, d := range m.Deliveries {
		words += " " + d.Recipient.Local + "@" + d.Recipient.Domain
	}
	return strings.Contains(strings.ToLower(words), strings.ToLower(f.Text))
}

// Events implements insight.Store.
func (w *World) Events(_ context.Context, t tenant.ID, m message.ID) ([]event.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.messages {
		if one.ID == m && one.Tenant == t {
			return slices.Clone(w.events[m]), nil
		}
	}
	return nil, fault.New(fault.NotFound, "message_not_found", "")
}

// Counts implements insight.Store.
func (w *World) Counts(_ context.Context, t tenant.ID, from, to time.Time) (map[event.State]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[event.State]int64{}
	for _, m := range w.messages {
		if m.Tenant == t && matches(m, insight.Filter{From: from, To: to}) {
			for _, d := range m.Deliveries {
				counts[d.State]++
			}
		}
	}
	return counts, w.broken
}

// Body implements messages.Bodies.
func (w *World) Body(_ context.Context, h spool.Handle) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, ok := w.bodies[h.Message]
	if !ok {
		return nil, spool.ErrGone
	}
	return body, nil
}

// Apply implements messages.Commands with the transitions of package queue.
func (w *World) Apply(_ context.Context, c queue.Command, sel queue.Selection, actor string, now time.Time) ([]message.DeliveryID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commands = append(w.commands, sel)
	var changed []message.DeliveryID
	for i := range w.messages {
		m := &w.messages[i]
		if m.Tenant != sel.Tenant || m.ID != sel.Message {
			continue
		}
		for j := range m.Deliveries {
			d := &m.Deliveries[j]
			if !sel.Delivery.IsZero() && d.ID != sel.Delivery || !apply(c, d, now) {
				continue
			}
			changed = append(changed, d.ID)
			kind := map[queue.Command]event.Type{queue.Hold: event.Paused, queue.Resume: event.Released, queue.Cancel: event.Stopped, queue.Retry: event.Retried}[c]
			w.tell(event.Event{Message: m.ID, Delivery: d.ID, Type: kind, At: now, Actor: actor})
		}
	}
	return changed, nil
}

func apply(c queue.Command, d *insight.Delivery, now time.Time) bool {
	waiting := d.State == event.Queued || d.State == event.Deferred
	switch {
	case c == queue.Hold && waiting:
		d.State = event.Held
	case c == queue.Resume && d.State == event.Held:
		d.State, d.DueAt = event.Queued, now
	case c == queue.Cancel && (waiting || d.State == event.Held):
		d.State = event.Cancelled
	case c == queue.Retry && d.State == event.Deferred:
		d.DueAt = now
	default:
		return false
	}
	d.UpdatedAt, d.Reason = now, ""
	return true
}

// tell records a fact and publishes it; the caller holds the lock.
func (w *World) tell(e event.Event) {
	e.ID = id.New[event.Kind](e.At)
	w.events[e.Message] = append(w.events[e.Message], e)
	for _, m := range w.messages {
		if m.ID == e.Message {
			w.Hub.Publish(m.Tenant, e)
		}
	}
}

// Deliver lets a server take responsibility for the first delivery of a message.
func (w *World) Deliver(m message.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.messages {
		if w.messages[i].ID != m {
			continue
		}
		d := &w.messages[i].Deliveries[0]
		d.State, d.UpdatedAt, d.Attempts, d.Host = event.Delivered, w.now, d.Attempts+1, "mx00.gmx.example"
		w.tell(event.Event{Message: m, Delivery: d.ID, Type: event.Completed, At: w.now, Actor: "system", Attempt: &event.Attempt{
			Number: d.Attempts, Source: "192.0.2.17", EHLO: "hk-a.mail.stafette.example", MX: d.Host, Address: "198.51.100.7:25",
			TLS: "TLS 1.3", Stage: "dot", Code: 250, Enhanced: "2.0.0", Reply: "Requested mail action okay, completed: id=0LzJfk-1tYq2r", Outcome: event.OutcomeDelivered,
		}})
	}
}

// Accept implements ingest.Acceptor: it queues a message to each address.
func (w *World) Accept(_ context.Context, p ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refusal != nil {
		return ingest.Receipt{}, w.refusal
	}
	if r, ok := w.replays[s.Idempotency]; ok && s.Idempotency != "" {
		r.Replayed = true
		return r, nil
	}
	d := s.Draft
	if d == nil {
		var err error
		if d, err = draftOf(s); err != nil {
			return ingest.Receipt{}, err
		}
	}
	spec := sample{tags: s.Tags, subject: d.Subject, stream: s.Stream, actor: p.Actor, door: p.Door, from: d.From, to: append(slices.Clone(d.To), d.Cc...), text: d.Text, html: d.HTML}
	for range append(slices.Clone(spec.to), s.Bcc...) {
		spec.states = append(spec.states, event.Queued)
	}
	spec.hidden = s.Bcc
	spec.tags = s.Tags
	m := w.put(p.Tenant, w.now, spec)
	r := ingest.Receipt{ID: m.ID, MessageID: m.MessageID, AcceptedAt: w.now}
	w.replays[s.Idempotency] = r
	w.accepted = append(w.accepted, s)
	return r, nil
}

// draftOf reads raw mail as far as the world keeps it.
func draftOf(s ingest.Submission) (*message.Draft, error) {
	m, err := mail.ReadMessage(bytes.NewReader(s.Raw))
	if err != nil {
		return nil, fault.Field("", "message_malformed", err.Error())
	}
	d := &message.Draft{}
	if d.From, err = ParseMailbox(m.Header.Get("From")); err != nil {
		return nil, err
	}
	if d.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return nil, err
	}
	for _, a := range s.Recipients {
		d.To = append(d.To, message.Mailbox{Address: a})
	}
	text, err := io.ReadAll(m.Body)
	d.Text = string(text)
	return d, err
}

// AcceptAll implements ingest.Acceptor.
func (w *World) AcceptAll(ctx context.Context, p ingest.Principal, list []ingest.Submission) []ingest.Result {
	results := make([]ingest.Result, len(list))
	for i, s := range list {
		results[i].Receipt, results[i].Err = w.Accept(ctx, p, s)
	}
	return results
}

func keep[T any](list []T, ok func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !ok(v) })
}

func clone(m insight.Message) insight.Message {
	m.Deliveries = slices.Clone(m.Deliveries)
	return m
}

// handle is where a message's body lies in this world.
func handle(t tenant.ID, m message.ID) spool.Handle {
	return spool.Handle{Tenant: t, Message: m, Salt: seal.Salt{1}}
}
