package webtest

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// The people of the world.
const (
	Owner    = "h.voss@hafenkontor.example"     // role owner
	Clerk    = "j.petersen@hafenkontor.example" // role office
	Reader   = "praktikum@hafenkontor.example"  // role read_only
	Stranger = "post@salon-lund.example"        // of another tenant
	Coder    = "technik@hafenkontor.example"    // role developer
	Staff    = "betrieb@stafette.example"       // of the platform, role operator
	Helper   = "kundendienst@stafette.example"  // of the platform, role support
	Checker  = "pruefung@stafette.example"      // of the platform, role reviewer
)

// People names one person of the world for each role.
func People() map[tenant.Role]string {
	return map[tenant.Role]string{
		tenant.Owner: Owner, tenant.Office: Clerk, tenant.ReadOnly: Reader, tenant.Developer: Coder,
		tenant.Operator: Staff, tenant.Support: Helper, tenant.Reviewer: Checker,
	}
}

// sample describes one message; the states belong to the recipients in order.
type sample struct {
	ago     time.Duration
	subject string
	stream  tenant.Stream
	actor   string
	door    string
	from    message.Mailbox
	to      []message.Mailbox
	hidden  []message.Mailbox
	states  []event.State
	mark    event.Mark // on the first recipient
	reason  string
	text    string
	html    string
	files   []string
	tags    []string
	erased  bool
}

// New makes the world at noon of a fixed winter's day.
func New() *World {
	now := time.Date(2026, 11, 19, 9, 41, 30, 0, time.UTC)
	w := &World{
		Hub: event.NewHub(), now: now,
		users: map[string]tenant.User{}, sessions: map[string]tenant.Identity{},
		events: map[message.ID][]event.Event{}, bodies: map[message.ID][]byte{}, replays: map[string]ingest.Receipt{},
	}
	w.Tenant = tenant.Tenant{ID: id.New[tenant.Kind](now), Name: "Hafenkontor Immobilien", State: tenant.Active, OfficeTone: tenant.Sie}
	w.Other = tenant.Tenant{ID: id.New[tenant.Kind](now), Name: "Salon Lund", State: tenant.Active, OfficeTone: tenant.Du}
	w.person(Owner, "H. Voss", w.Tenant.ID, tenant.Owner)
	w.person(Clerk, "J. Petersen", w.Tenant.ID, tenant.Office)
	w.person(Reader, "M. Thiel", w.Tenant.ID, tenant.ReadOnly)
	w.person(Stranger, "K. Lund", w.Other.ID, tenant.Owner)
	w.person(Coder, "L. Brandt", w.Tenant.ID, tenant.Developer)
	w.person(Staff, "Betrieb", tenant.ID{}, tenant.Operator)
	w.person(Helper, "Kundendienst", tenant.ID{}, tenant.Support)
	w.person(Checker, "Prüfung", tenant.ID{}, tenant.Reviewer)
	for _, d := range []struct {
		name  string
		owner tenant.ID
		state tenant.DomainState
	}{
		{"hafenkontor.example", w.Tenant.ID, tenant.Verified},
		{"noch-offen.example", w.Tenant.ID, tenant.Pending},
		{"salon-lund.example", w.Other.ID, tenant.Trusted},
	} {
		w.domains = append(w.domains, tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: d.owner, Name: d.name, State: d.state})
	}
	w.register = newRegister(w)
	w.put(w.Other.ID, now.Add(-time.Hour), sample{subject: "Termin im Salon", states: []event.State{event.Delivered}, to: boxes("Ada Holm <ada@holm.example>")})
	list := w.samples()
	for i := len(list) - 1; i >= 0; i-- {
		w.put(w.Tenant.ID, now.Add(-list[i].ago), list[i])
	}
	return w
}

func (w *World) person(email, name string, t tenant.ID, r tenant.Role) {
	w.users[email] = tenant.User{ID: id.New[tenant.UserKind](w.now), Tenant: t, Email: email, Name: name, Role: r}
}

// samples is the morning of an estate agent's office, from new to old.
func (w *World) samples() []sample {
	me := w.users[Clerk].ID.String()
	one := func(s event.State) []event.State { return []event.State{s} }
	return []sample{
		{ago: 20 * time.Second, subject: "Exposé Speicherblock 7, Wohnung 4.2", states: one(event.Queued), to: boxes("Eva Sommer <eva.sommer@gmx.example>"), actor: me, door: "office", html: "<p>Guten Tag Frau Sommer,</p><p>anbei das <b>Exposé</b>.</p>", files: []string{"Exposé-Speicherblock-7.pdf"}},
		{ago: 3 * time.Minute, subject: "Besichtigung am Samstag, 11 Uhr", states: one(event.Deferred), reason: "rate_limited", to: boxes("Karl Brandt <k.brandt@yahoo.example>"), tags: []string{"besichtigung"}},
		{ago: 5 * time.Minute, subject: "Exposé Speicherblock 7, Wohnung 2.1", states: one(event.Bounced), reason: "domain_no_mail", to: boxes("Miriam Voss <m.voss@t-onlin.example>")},
		{ago: 20 * time.Minute, subject: "Kontaktanfrage HK-2214", stream: tenant.Lead, states: one(event.Held), reason: "attachment_changed", to: boxes("Makler Muster <anfragen@muster-makler.example>"), files: []string{"kontaktanfrage.xml"}},
		{ago: 43 * time.Minute, subject: "Neubau-Brief November", stream: tenant.Newsletter, states: one(event.Suppressed), reason: "unsubscribed", to: boxes("Jonas Reuter <j.reuter@web.example>")},
		{ago: 70 * time.Minute, subject: "Rechnung 2026-1184", states: one(event.Bounced), reason: "user_unknown", to: boxes("Buchhaltung Kranz <rechnung@kranz-bau.example>")},
		{
			ago: 81 * time.Minute, subject: "Besichtigung am Samstag, 11 Uhr", door: "office", actor: me,
			states: []event.State{event.Delivered, event.Deferred, event.Bounced}, reason: "rate_limited",
			to:    boxes("Eva Sommer <eva.sommer@gmx.example>", "Karl Brandt <k.brandt@yahoo.example>", "Miriam Voss <m.voss@t-online.example>"),
			files: []string{"Anfahrt-Speicherblock-7.pdf", "termin.ics"}, tags: []string{"besichtigung", "speicherblock"},
			text: "Guten Tag,\r\n\r\nwir treffen uns am Samstag um 11 Uhr vor dem Haus.\r\n\r\nFreundliche Grüße\r\nJ. Petersen",
			html: `<style>p{color:#223}</style><p>Guten Tag,</p><p>wir treffen uns am <b>Samstag um 11 Uhr</b> vor dem Haus. <a href="https://hafenkontor.example/anfahrt">Anfahrt</a></p><img src="https://verfolger.example/pixel.gif" alt="">`,
		},
		{ago: 106 * time.Minute, subject: "Ihr Termin morgen um 14 Uhr", stream: tenant.Reminder, states: one(event.Delivered), to: boxes("Piet Hansen <piet@hansen.example>")},
		{ago: 125 * time.Minute, subject: "Unterlagen Finanzierung", states: one(event.Expired), reason: "network", to: boxes("Büro Thiel <post@thiel-notare.example>")},
		{ago: 150 * time.Minute, subject: "Neubau-Brief November (Probe)", stream: tenant.Newsletter, states: one(event.Cancelled), to: boxes("<probe@hafenkontor.example>"), actor: me, door: "office"},
		{ago: 26 * time.Hour, subject: "", states: one(event.Delivered), to: boxes("<ohne.betreff@gmx.example>")},
		{ago: 27 * time.Hour, subject: "Reservierung Wohnung 2.4", states: one(event.Delivered), mark: event.MarkLateBounce, reason: "user_unknown", to: boxes("Ole Wendt <o.wendt@firma.example>")},
		{ago: 28 * time.Hour, subject: "Neubau-Brief Oktober", stream: tenant.Newsletter, states: one(event.Delivered), mark: event.MarkComplained, to: boxes("Ida Krohn <ida@krohn.example>")},
		{ago: 60 * 24 * time.Hour, subject: "Zusage Wohnung 1.3", states: one(event.Delivered), to: boxes("Ada Holm <ada@holm.example>"), erased: true},
		{ago: 61 * 24 * time.Hour, subject: `=cmd|' /C calc'!A0 <script>alert(1)</script>`, states: one(event.Delivered), to: boxes(`"><img src=x onerror=alert(1)> <xss@gmx.example>`), files: []string{`"><svg onload=alert(1)>.pdf`}, tags: []string{"<b>tag</b>"}},
	}
}

func boxes(list ...string) []message.Mailbox {
	var out []message.Mailbox
	for _, one := range list {
		// Not ParseMailbox: hostile names are meant to get in.
		cut := strings.LastIndexByte(one, '<')
		local, domain, _ := strings.Cut(strings.TrimSuffix(one[cut+1:], ">"), "@")
		out = append(out, message.Mailbox{Name: strings.TrimSpace(one[:cut]), Address: message.Address{Local: local, Domain: domain}})
	}
	return out
}

// put stores a message with the facts that lead to its states.
func (w *World) put(t tenant.ID, at time.Time, s sample) insight.Message {
	m := insight.Message{
		ID: message.NewID(at), Tenant: t, Stream: s.stream, Actor: s.actor, Door: s.door, From: s.from, To: s.to,
		Subject: s.subject, Tags: s.tags, AcceptedAt: at, Size: 24_310, DeliveryCount: len(s.states),
		Metadata: map[string]string{"auftrag": "HK-2214"},
	}
	if m.Stream == "" {
		m.Stream = tenant.Transactional
	}
	if m.Door == "" {
		m.Door = "http"
	}
	if m.From.Domain == "" {
		m.From = boxes("Hafenkontor Immobilien <besichtigung@hafenkontor.example>")[0]
	}
	m.MessageID = strings.TrimPrefix(m.ID.String(), "msg_") + "@" + m.From.Domain
	if !s.erased {
		m.Body = handle(t, m.ID)
		w.bodies[m.ID] = body(m, s)
	} else {
		m.Body = spool.Handle{}
	}
	for _, name := range s.files {
		m.Digests = append(m.Digests, message.Digest{Filename: name, ContentType: "application/pdf", Size: 218_400, SHA256: sha256.Sum256([]byte(name))})
	}
	w.events[m.ID] = []event.Event{{ID: id.New[event.Kind](at), Message: m.ID, Type: event.Accepted, At: at, Actor: s.actor}}
	all := append(append([]message.Mailbox(nil), s.to...), s.hidden...)
	for i, state := range s.states {
		d := insight.Delivery{
			ID: message.Delivery(m.ID, i+1), Recipient: all[i].Address, Hidden: i >= len(s.to), State: state,
			DueAt: at, ExpiresAt: at.Add(5 * 24 * time.Hour), UpdatedAt: at,
		}
		d = w.happen(m, d, s)
		if i == 0 && s.mark != "" {
			w.mark(m, &d, s)
		}
		m.Deliveries = append(m.Deliveries, d)
	}
	w.messages = append(w.messages, m)
	return m
}

// happen fills in a delivery's way to its state and records the facts.
func (w *World) happen(m insight.Message, d insight.Delivery, s sample) insight.Delivery {
	a := &event.Attempt{
		Number: 1, Source: "192.0.2.17", EHLO: "hk-a.mail.stafette.example", MX: "mx00." + d.Recipient.Domain,
		Address: "198.51.100.7:25", TLS: "TLS 1.3", Stage: "dot",
	}
	e := event.Event{ID: id.New[event.Kind](m.AcceptedAt), Message: m.ID, Delivery: d.ID, At: m.AcceptedAt.Add(3 * time.Second), Actor: "system"}
	switch d.State {
	case event.Delivered:
		a.TLSPolicy, a.TLSResult = "dane", "verified"
		e.Type, a.Outcome, a.Code, a.Reply = event.Completed, event.OutcomeDelivered, 250, "Requested mail action okay, completed: id=0LzJfk-1tYq2r"
	case event.Deferred:
		d.Reason, d.DueAt = "rate_limited", w.now.Add(12*time.Minute)
		e.Type, a.Outcome, a.Class, a.Code, a.Enhanced = event.AttemptFailed, event.OutcomeDeferred, d.Reason, 421, "4.7.0"
		a.Reply = "[TSS04] Messages from 192.0.2.17 temporarily deferred due to unexpected volume or user complaints"
	case event.Bounced:
		d.Reason = s.reason
		if len(s.states) > 1 {
			d.Reason = "user_unknown"
		}
		e.Type, a.Outcome, a.Class, a.Code, a.Enhanced = event.Refused, event.OutcomeBounced, d.Reason, 550, "5.1.1"
		a.Reply = "<script>alert(1)</script> Requested action not taken: mailbox unavailable\nhttps://postmaster.example/case?c=r0104"
	case event.Held:
		e.Type, e.Reason, d.Reason, a = event.Paused, s.reason, s.reason, nil
	case event.Suppressed:
		e.Type, e.Reason, d.Reason, a = event.Withheld, s.reason, s.reason, nil
	case event.Expired:
		e.Type, e.Reason, d.Reason, a = event.GaveUp, s.reason, s.reason, nil
	case event.Cancelled:
		e.Type, e.Actor, a = event.Stopped, s.actor, nil
	default:
		return d
	}
	e.Attempt = a
	d.UpdatedAt = e.At
	if a != nil {
		d.Attempts, d.Host = 1, a.MX
	}
	w.events[m.ID] = append(w.events[m.ID], e)
	return d
}

// mark leaves a mark on a delivery with the fact that leads to it.
func (w *World) mark(m insight.Message, d *insight.Delivery, s sample) {
	at := d.UpdatedAt.Add(4 * time.Minute)
	e := event.Event{ID: id.New[event.Kind](at), Message: m.ID, Delivery: d.ID, At: at, Actor: "system", Type: event.Complained, Reason: "complaint",
		Report: &event.Report{Return: "ret_01k00000000000000000000000", From: "fbl.provider.example", Feedback: "abuse", Unproven: true}}
	if s.mark == event.MarkLateBounce {
		e.Type, e.Reason, d.LateReason = event.LateBounced, s.reason, s.reason
		e.Report = &event.Report{Return: e.Report.Return, From: "mx00." + d.Recipient.Domain, Recipient: "wendt@daheim.example", Code: 550,
			Status: "5.1.1", Reply: "<script>alert(1)</script> 550 5.1.1 mailbox unknown", Hard: true}
	}
	d.Marks = []event.Mark{s.mark}
	w.events[m.ID] = append(w.events[m.ID], e)
}

// body writes the message as it would lie in the spool.
func body(m insight.Message, s sample) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s <%s@%s>\r\nTo: undisclosed-recipients:;\r\nSubject: =?utf-8?q?Besichtigung_am_Samstag=2C_11_Uhr?=\r\n", "Hafenkontor", m.From.Local, m.From.Domain)
	fmt.Fprintf(&b, "Date: %s\r\nMessage-ID: <%s>\r\nMIME-Version: 1.0\r\n", m.AcceptedAt.Format(time.RFC1123Z), m.MessageID)
	text := s.text
	if text == "" && s.html == "" {
		text = "Guten Tag,\r\n\r\nanbei wie besprochen.\r\n"
	}
	if s.html == "" {
		return []byte(b.String() + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text)
	}
	b.WriteString("Content-Type: multipart/alternative; boundary=rand\r\n\r\n")
	fmt.Fprintf(&b, "--rand\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", text)
	fmt.Fprintf(&b, "--rand\r\nContent-Type: text/html; charset=utf-8\r\n\r\n%s\r\n--rand--\r\n", s.html)
	return []byte(b.String())
}
