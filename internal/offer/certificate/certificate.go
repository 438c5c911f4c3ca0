// Package certificate states what is known of one recipient of an offer, or of one mail
// that tells: sent, accepted by the receiving server, opened, downloaded, confirmed. It
// makes signed JSON and a page to print of it, and keeps proof and indication apart.
//
// It belongs to offer (floor 3) and uses the key and paper of delivery proofs
// (diagnosis). It decides nothing and keeps nothing: the same facts make the same bytes.
package certificate

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

const (
	// Format names the kind of content.
	Format = "stafette-activity-certificate/1"
	// Name is the content's member in the signed file.
	Name = "certificate"
	// meaning says in the content itself what it is worth, so that it cannot be read as more.
	meaning = "proofs: the person expressly confirmed something by a form; time, wording, version and checksum are stored. They prove the act, not the identity. " +
		"indications: a page, picture or file was fetched; a person, a prefetching service or somebody the link was passed to may have done it."
	// maxLooks bounds the indications that are stated, the oldest first.
	maxLooks = 500
)

// Offers tells the facts of recipients; *offer.Service does.
type Offers interface {
	Facts(ctx context.Context, t tenant.ID, o offer.ID, r offer.RecipientID) (offer.Facts, error)
}

// Mail reads messages; insight.Store does.
type Mail interface {
	Message(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error)
	Events(ctx context.Context, t tenant.ID, m message.ID) ([]event.Event, error)
}

// Activities reads what recipients did; tracking.Store does.
type Activities interface {
	Activities(ctx context.Context, t tenant.ID, q tracking.Query) ([]tracking.Activity, bool, error)
}

// Service makes certificates. Fields without a stated default are needed; it is
// safe for concurrent use.
type Service struct {
	Offers     Offers
	Mail       Mail
	Activities Activities
	Signer     *diagnosis.Service
	Catalog    *i18n.Catalog
	Tenants    offer.Tenants // nil: paper bears nobody's name
	Brands     offer.Brands  // nil: paper has our look
}

// Content is what a certificate states. Times are RFC 3339 in UTC; what is not known is "".
type Content struct {
	Format      string `json:"format"`
	Issuer      string `json:"issuer"`
	Offer       string `json:"offer"`
	Title       string `json:"title"`
	Recipient   string `json:"recipient"`
	Message     string `json:"message"`
	MessageID   string `json:"message_id"`
	Subject     string `json:"subject"`
	SentAt      string `json:"sent_at"`
	State       string `json:"state"`
	AcceptedAt  string `json:"accepted_at"` // by the receiving server
	Server      string `json:"server"`
	Reply       string `json:"reply"`
	Proofs      []Deed `json:"proofs"`
	Indications []Look `json:"indications"`
	Meaning     string `json:"meaning"`
}

// Deed is what somebody confirmed by a form.
type Deed struct {
	Kind    string `json:"kind"`
	At      string `json:"at"`
	Version int    `json:"version"` // of the offer
	Wording string `json:"wording_sha256"`
	Notice  string `json:"notice_sha256"`
	Expose  string `json:"expose_sha256"`
	Boxes   []Box  `json:"boxes"`
}

// Box is one that could be ticked, in its words.
type Box struct {
	Text   string `json:"text"`
	Ticked bool   `json:"ticked"`
}

// Look is something that was fetched.
type Look struct {
	Kind       string `json:"kind"`
	At         string `json:"at"`
	Label      string `json:"label"`
	Version    string `json:"version_sha256"`
	Class      string `json:"class"` // person, proxy or scanner
	Counted    bool   `json:"counted"`
	Confidence int    `json:"confidence"`
	Identified bool   `json:"identified"`
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// OfOffer states the facts of one recipient of an offer. Errors: NotFound.
func (s *Service) OfOffer(ctx context.Context, t tenant.ID, o offer.ID, r offer.RecipientID) (Content, error) {
	f, err := s.Offers.Facts(ctx, t, o, r)
	if err != nil {
		return Content{}, fmt.Errorf("certify offer: %w", err)
	}
	c := s.content()
	c.Offer, c.Recipient, c.SentAt = f.Offer.ID.String(), f.Recipient.Address.String(), stamp(f.Recipient.SentAt)
	if v, ok := f.Versions[f.Offer.Version]; ok {
		c.Title = v.Content.Title
	}
	if m := f.Mail; m != nil {
		c.Message, c.MessageID, c.Subject, c.SentAt, c.State = m.Message.String(), m.MessageID, m.Subject, stamp(m.AcceptedAt), string(m.State)
		c.accepted(m.Accepted, m.AcceptedBy)
	}
	for _, a := range f.Acts {
		d := Deed{Kind: string(a.Kind), At: stamp(a.At), Version: a.Version, Wording: sum(a.Detail.Wording), Notice: sum(a.Detail.Notice),
			Expose: sum(a.Detail.Expose), Boxes: []Box{}}
		for _, b := range a.Detail.Boxes {
			d.Boxes = append(d.Boxes, Box{Text: b.Text, Ticked: b.Ticked})
		}
		c.Proofs = append(c.Proofs, d)
	}
	c.looks(f.Seen)
	return c, nil
}

func sum(h offer.Hash) string {
	if h == (offer.Hash{}) {
		return ""
	}
	return h.String()
}

// OfMessage states the facts of a mail. A mail to several is nobody's: Conflict
// "certificate_several". Errors: NotFound.
func (s *Service) OfMessage(ctx context.Context, t tenant.ID, m message.ID) (Content, error) {
	found, err := s.Mail.Message(ctx, t, m)
	if err != nil {
		return Content{}, fmt.Errorf("certify message: %w", err)
	}
	if len(found.Deliveries) != 1 {
		return Content{}, fault.New(fault.Conflict, "certificate_several", "The message went to several addresses: nobody can say who did what.")
	}
	facts, err := s.Mail.Events(ctx, t, m)
	if err != nil {
		return Content{}, fmt.Errorf("certify message: %w", err)
	}
	list, _, err := s.Activities.Activities(ctx, t, tracking.Query{Message: m, Forward: true, Limit: tracking.MaxPage})
	if err != nil {
		return Content{}, fmt.Errorf("certify message: %w", err)
	}
	d := found.Deliveries[0]
	c := s.content()
	c.Title, c.Recipient, c.Message, c.MessageID, c.Subject = found.Subject, d.Recipient.String(), m.String(), found.MessageID, found.Subject
	c.SentAt, c.State = stamp(found.AcceptedAt), string(d.State)
	for _, e := range facts {
		if e.Delivery == d.ID && e.Type == event.Completed {
			c.accepted(e.Attempt, e.At)
		}
	}
	c.looks(list)
	return c, nil
}

func (s *Service) content() Content {
	return Content{Format: Format, Issuer: s.Signer.PublicURL, Proofs: []Deed{}, Indications: []Look{}, Meaning: meaning}
}

func (c *Content) accepted(a *event.Attempt, at time.Time) {
	if a != nil {
		c.AcceptedAt, c.Server, c.Reply = stamp(at), a.MX, a.Reply
	}
}

// looks states what was fetched. Declarations stand among the proofs, where the room of
// offers has them whole.
func (c *Content) looks(list []tracking.Activity) {
	for _, a := range list[:min(len(list), maxLooks)] {
		if a.Kind.Declared() {
			continue
		}
		c.Indications = append(c.Indications, Look{Kind: string(a.Kind), At: stamp(a.At), Label: a.Label, Version: a.Version,
			Class: string(a.Machine.Class), Counted: a.Machine.Counted(), Confidence: a.Machine.Confidence, Identified: a.Identified})
	}
}

// JSON is the certificate as a signed file, which any tool for Ed25519 over canonical JSON
// (RFC 8785) can check with the published key.
func (s *Service) JSON(c Content) ([]byte, error) {
	st, err := s.Signer.State(Name, c)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return st.JSON()
}

// letterhead is the paper of a tenant as it is now.
func (s *Service) letterhead(ctx context.Context, t tenant.ID) (diagnosis.Letterhead, error) {
	if s.Tenants == nil || s.Brands == nil {
		return diagnosis.Letterhead{}, nil
	}
	who, err := s.Tenants.Tenant(ctx, t)
	if err != nil {
		return diagnosis.Letterhead{}, fmt.Errorf("print certificate: %w", err)
	}
	brand, err := s.Brands.Brand(ctx, t)
	if err != nil {
		return diagnosis.Letterhead{}, fmt.Errorf("print certificate: %w", err)
	}
	logo, err := s.Brands.Logo(ctx, t)
	if err != nil {
		return diagnosis.Letterhead{}, fmt.Errorf("print certificate: %w", err)
	}
	return offer.LetterheadOf(who.Name, brand, logo), nil
}

// PDF is the certificate on a tenant's paper, in the words of the clock's language. The same
// facts on the same paper make the same bytes.
func (s *Service) PDF(ctx context.Context, t tenant.ID, c Content, clock i18n.Clock) ([]byte, error) {
	head, err := s.letterhead(ctx, t)
	if err != nil {
		return nil, err
	}
	say := func(key string, args ...any) string {
		list := i18n.Args{}
		for i := 0; i+1 < len(args); i += 2 {
			list[fmt.Sprint(args[i])] = args[i+1]
		}
		return s.Catalog.Text(clock.Lang, i18n.Sie, "certificate."+key, list)
	}
	when := func(text string) string {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return ""
		}
		return clock.Full(at) + " (" + text + ")"
	}
	p := diagnosis.NewPrintOn(head, say("title"), c.Title)
	p.Row(say("recipient"), c.Recipient)
	p.Row(say("offer"), c.Offer)
	p.Row(say("message"), c.Subject)
	p.Row("Message-ID", c.MessageID)
	p.Row(say("sent"), when(c.SentAt))
	p.Row(say("accepted"), when(c.AcceptedAt))
	p.Row(say("server"), c.Server)
	p.Reply(say("reply"), c.Reply)
	p.Heading(say("proofs"))
	p.Paragraph(say("proofs.means"))
	if len(c.Proofs) == 0 {
		p.Paragraph(say("proofs.none"))
	}
	for _, d := range c.Proofs {
		p.Row(say("act."+d.Kind), when(d.At))
		p.Row(say("version"), fmt.Sprint(d.Version))
		p.Reply(say("wording"), d.Wording)
		p.Reply(say("notice"), d.Notice)
		p.Reply(say("expose"), d.Expose)
		for _, b := range d.Boxes {
			p.Row(say("ticked."+fmt.Sprint(b.Ticked)), b.Text)
		}
	}
	p.Heading(say("indications"))
	p.Paragraph(say("indications.means"))
	if len(c.Indications) == 0 {
		p.Paragraph(say("indications.none"))
	}
	for _, l := range c.Indications {
		p.Row(when(l.At), s.look(clock.Lang, l))
	}
	p.Heading(say("check"))
	p.Paragraph(say("check.how", "keys", s.Signer.PublicURL+diagnosis.KeysPath, "key", s.Signer.KeyID()))
	return p.Bytes(func(page, pages int) string { return say("page", "page", page, "pages", pages) })
}

func (s *Service) look(lang i18n.Lang, l Look) string {
	text := s.Catalog.Text(lang, i18n.Sie, "certificate.look."+l.Kind, i18n.Args{"label": l.Label})
	if !l.Counted {
		text += " " + s.Catalog.Text(lang, i18n.Sie, "certificate.machine", nil)
	}
	if l.Version != "" {
		text += " · sha256 " + l.Version
	}
	return text
}
