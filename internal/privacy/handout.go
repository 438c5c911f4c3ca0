package privacy

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/spool"
)

const (
	handOutPage = 200
	// maxHandOut bounds the bodies in one file. Whoever got more has them in the mailbox;
	// the list names all of them.
	maxHandOut = 1 << 30
)

// personFile is person.json of a file.
type personFile struct {
	Format       int                     `json:"format"` // 1
	MadeAt       time.Time               `json:"made_at"`
	By           string                  `json:"by"` // the tenant
	ByContact    string                  `json:"by_contact,omitempty"`
	ByImprint    string                  `json:"by_imprint,omitempty"`
	Name         string                  `json:"name"`
	Addresses    []string                `json:"addresses"`
	Contact      *audience.ContactRecord `json:"contact"`
	Notes        []noteFile              `json:"notes,omitempty"`
	Acts         []actFile               `json:"history"`
	Suppressions []suppressionFile       `json:"suppressions"`
	Requests     []requestFile           `json:"requests"` // of the person before this one
	Sections     map[string]any          `json:"sections,omitempty"`
}

type noteFile struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

type actFile struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Fields []string  `json:"fields,omitempty"`
}

type suppressionFile struct {
	Address   string     `json:"address"`
	Stream    string     `json:"stream"` // "": every one
	Reason    string     `json:"reason"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
}

type requestFile struct {
	Kind  Kind      `json:"kind"`
	State State     `json:"state"`
	At    time.Time `json:"at"`
}

// messageFile is one line of messages.json: a message with the person's own deliveries.
type messageFile struct {
	ID         string            `json:"id"`
	MessageID  string            `json:"message_id"`
	Stream     string            `json:"stream"`
	From       string            `json:"from"`
	Subject    string            `json:"subject"`
	Size       int64             `json:"size"`
	AcceptedAt time.Time         `json:"accepted_at"`
	Tags       []string          `json:"tags,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Deliveries []deliveryFile    `json:"deliveries"`
	Events     []eventFile       `json:"events"`
	// Body is the name of the file with the content, or "": NoBody says why.
	Body   string `json:"body"`
	NoBody string `json:"no_body,omitempty"`
}

type deliveryFile struct {
	Address   string       `json:"address"`
	State     event.State  `json:"state"`
	Reason    string       `json:"reason,omitempty"`
	Host      string       `json:"host,omitempty"`
	Attempts  int          `json:"attempts"`
	UpdatedAt time.Time    `json:"updated_at"`
	Marks     []event.Mark `json:"marks,omitempty"`
}

type eventFile struct {
	At      time.Time      `json:"at"`
	Type    event.Type     `json:"type"`
	Reason  string         `json:"reason,omitempty"`
	Attempt *event.Attempt `json:"attempt,omitempty"`
	Report  *event.Report  `json:"report,omitempty"`
}

// handOut puts the file of an access request together.
func (s *Service) handOut(ctx context.Context, r Request) error {
	total, err := s.c.Mail.CountTo(ctx, r.Tenant, r.Person.Addresses, nil, 1_000_000)
	if err != nil {
		return err
	}
	owner, err := s.c.Tenants.Tenant(ctx, r.Tenant)
	if err != nil {
		return err
	}
	said, err := s.c.Tenants.Profile(ctx, r.Tenant)
	if err != nil {
		return err
	}
	r.Done, r.Total, r.Counts = 0, int64(total), map[string]int64{}
	p, err := s.personFile(ctx, r, owner.Name)
	if err != nil {
		return err
	}
	p.ByContact, p.ByImprint = said.Contact, said.Imprint
	out := s.newFile(ctx, &r)
	z := zip.NewWriter(out)
	h := &handOut{s: s, r: &r, zip: z, now: p.MadeAt}
	if err := h.writeJSON("person.json", p); err != nil {
		return err
	}
	rows, err := h.messages(ctx)
	if err != nil {
		return err
	}
	for _, page := range summaryPages() {
		w, err := h.create(page.name)
		if err != nil {
			return err
		}
		if err := s.summarise(w, page.lang, p, rows); err != nil {
			return err
		}
	}
	if err := errors.Join(z.Close(), out.Close()); err != nil {
		return err
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	r.State, r.FinishedAt, r.ExpiresAt, r.Why = Done, now, now.Add(s.c.Lives), ""
	r.Done = r.Total
	return s.c.Store.ConcludeRequest(ctx, r)
}

func (s *Service) personFile(ctx context.Context, r Request, by string) (personFile, error) {
	p := personFile{Format: 1, MadeAt: s.c.Now().UTC().Truncate(time.Millisecond), By: by, Name: r.Person.Name,
		Addresses: []string{}, Acts: []actFile{}, Suppressions: []suppressionFile{}, Requests: []requestFile{}}
	for _, a := range r.Person.Addresses {
		p.Addresses = append(p.Addresses, a.String())
		page, err := s.c.Audience.Suppressions(ctx, r.Tenant, audience.Filter{Text: a.String(), Limit: 100})
		if err != nil {
			return p, err
		}
		for _, e := range page.Entries {
			one := suppressionFile{Address: a.String(), Stream: string(e.Stream), Reason: string(e.Reason), CreatedAt: e.CreatedAt}
			if !e.ExpiresAt.IsZero() {
				one.ExpiresAt = &e.ExpiresAt
			}
			p.Suppressions = append(p.Suppressions, one)
		}
	}
	if !r.Person.Contact.IsZero() {
		if err := s.contactFile(ctx, r, &p); err != nil {
			return p, err
		}
	}
	earlier, _, err := s.c.Store.Requests(ctx, r.Tenant, r.ID, 500)
	if err != nil {
		return p, err
	}
	for _, one := range earlier {
		if sharesHash(one.Hashes, r.Hashes) {
			p.Requests = append(p.Requests, requestFile{one.Kind, one.State, one.CreatedAt})
		}
	}
	for _, section := range s.c.Sections {
		v, err := section.Read(ctx, r.Person)
		if err != nil {
			return p, fmt.Errorf("read %s: %w", section.Name, err)
		}
		if v != nil {
			if p.Sections == nil {
				p.Sections = map[string]any{}
			}
			p.Sections[section.Name] = v
		}
	}
	return p, nil
}

func sharesHash(a, b []audience.Hash) bool {
	for _, h := range a {
		for _, other := range b {
			if h == other {
				return true
			}
		}
	}
	return false
}

func (s *Service) contactFile(ctx context.Context, r Request, p *personFile) error {
	c, err := s.c.Contacts.Contact(ctx, r.Tenant, r.Person.Contact)
	if err != nil {
		return err
	}
	record := c.Record()
	record.Actor = "" // the staff's, not the person's
	p.Contact = &record
	acts, err := s.c.Contacts.Acts(ctx, r.Tenant, c.ID)
	if err != nil {
		return err
	}
	for _, a := range acts {
		p.Acts = append(p.Acts, actFile{a.At, string(a.Type), a.Fields})
	}
	settings, err := s.c.Store.PrivacySettings(ctx, r.Tenant)
	if err != nil || !settings.Notes {
		return err
	}
	notes, err := s.c.Contacts.Notes(ctx, r.Tenant, c.ID)
	for _, n := range notes {
		p.Notes = append(p.Notes, noteFile{n.CreatedAt, n.Text})
	}
	return err
}

// handOut writes one file.
type handOut struct {
	s      *Service
	r      *Request
	zip    *zip.Writer
	now    time.Time
	bodies int64 // bytes written
}

func (h *handOut) create(name string) (io.Writer, error) {
	return h.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: h.now})
}

func (h *handOut) writeJSON(name string, v any) error {
	w, err := h.create(name)
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// messages writes the bodies and then the list of messages: a ZIP is written one file
// after the other. What the list says is kept in memory, without attempts some hundred
// bytes each.
func (h *handOut) messages(ctx context.Context) ([]messageFile, error) {
	var list []messageFile
	var f insight.PersonFilter
	f.Limit = handOutPage
	for {
		page, more, err := h.s.c.Mail.To(ctx, h.r.Tenant, h.r.Person.Addresses, f)
		if err != nil {
			return nil, err
		}
		for _, a := range page {
			f.After = a.Delivery.ID
			if n := len(list); n == 0 || list[n-1].ID != a.Message.ID.String() {
				one, err := h.message(ctx, a.Message)
				if err != nil {
					return nil, err
				}
				list = append(list, one)
			}
			last := &list[len(list)-1]
			last.Deliveries = append(last.Deliveries, deliveryFileOf(a.Delivery))
			events, err := h.events(ctx, a)
			if err != nil {
				return nil, err
			}
			last.Events = append(last.Events, events...)
			h.r.Done++
		}
		h.r.Counts["messages"] = int64(len(list))
		if err := h.s.c.Store.AdvanceRequest(ctx, *h.r, h.s.c.Now().Add(h.s.c.Lease)); err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	return list, h.writeJSON("messages.json", append([]messageFile{}, list...))
}

func deliveryFileOf(d insight.Delivery) deliveryFile {
	return deliveryFile{d.Recipient.String(), d.State, d.Reason, d.Host, d.Attempts, d.UpdatedAt, d.Marks}
}

func (h *handOut) message(ctx context.Context, m insight.Message) (messageFile, error) {
	f := messageFile{ID: m.ID.String(), MessageID: m.MessageID, Stream: string(m.Stream), From: m.From.Address.String(), Subject: m.Subject,
		Size: m.Size, AcceptedAt: m.AcceptedAt, Tags: m.Tags, Metadata: m.Metadata, Deliveries: []deliveryFile{}, Events: []eventFile{}}
	if m.Erased() {
		f.NoBody = "erased"
		return f, nil
	}
	if h.bodies >= maxHandOut {
		f.NoBody = "file_full"
		return f, nil
	}
	body, err := h.s.c.Bodies.Body(ctx, m.Body)
	switch {
	case errors.Is(err, spool.ErrGone):
		f.NoBody = "retention_over"
		return f, nil
	case errors.Is(err, spool.ErrCorrupt):
		f.NoBody = "damaged"
		return f, nil
	case err != nil:
		return f, err
	}
	f.Body = "messages/" + f.ID + ".eml"
	w, err := h.create(f.Body)
	if err == nil {
		_, err = w.Write(body)
	}
	h.bodies += int64(len(body))
	return f, err
}

// events are the facts about a delivery; those about the whole message come with its
// first.
func (h *handOut) events(ctx context.Context, a insight.Addressed) ([]eventFile, error) {
	all, err := h.s.c.Mail.Events(ctx, h.r.Tenant, message.Of(a.Delivery.ID))
	var list []eventFile
	for _, e := range all {
		if e.Delivery == a.Delivery.ID {
			list = append(list, eventFile{e.At, e.Type, e.Reason, e.Attempt, e.Report})
		}
	}
	return list, err
}
