package offer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Letter is the mail with which an offer is made.
type Letter struct {
	// Subject and Text as they are sent; in both, {name} is the recipient's name and {link}
	// in the text the address of their page. A text without {link} has it at its end.
	Subject, Text string
	To            []message.Mailbox
	// Expires is how long the links hold; 0: as long as the offer.
	Expires time.Duration
	// Password is asked on the page; "": none. It does not stand in the mail.
	Password string
	Lang     i18n.Lang
}

// Limits and codes of letters.
const (
	MaxLetterTo   = 200
	maxExpiry     = 2 * 366 * 24 * time.Hour
	minPassword   = 6
	maxPassword   = 128
	maxMailText   = 20_000
	CodeExpiry    = "offer_expiry"
	CodePassword  = "offer_password"
	CodeUnsent    = "offer_unpublished"
	linkMark      = "{link}"
	nameMark      = "{name}"
	maxMailTitle  = 240
	letterMessage = "offer"
)

func (l Letter) check() error {
	k := &checker{}
	k.needed("subject", l.Subject, maxMailTitle)
	if strings.TrimSpace(l.Text) == "" {
		k.add("text", CodeMissing, "The mail needs a text.")
	}
	k.text("text", l.Text, maxMailText, true)
	if len(l.To) == 0 {
		k.add("to", CodeMissing, "Somebody must receive it.")
	}
	k.count("to", len(l.To), MaxLetterTo)
	if l.Expires < 0 || l.Expires > maxExpiry {
		k.add("expires", CodeExpiry, "Links hold for at most two years.")
	}
	if n := len([]rune(l.Password)); n > 0 && (n < minPassword || n > maxPassword) {
		k.add("password", CodePassword, fmt.Sprintf("%d to %d characters.", minPassword, maxPassword))
	}
	return fault.Join(k.found)
}

// Send makes an offer to people: each gets a link and a mail of their own. Recipients are
// kept before their mails; one whose mail was refused has the Reason and can be tried
// again (Resend). Refusals: Invalid at "subject", "text", "to", "expires" and "password";
// Conflict CodeUnsent before the offer was published.
func (s *Service) Send(ctx context.Context, p ingest.Principal, o ID, l Letter) ([]Recipient, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	v, content, err := s.published(ctx, p.Tenant, o)
	if err != nil {
		return nil, err
	}
	now := s.now()
	hash := ""
	if l.Password != "" {
		leave, err := enter(ctx, s.hashing)
		if err != nil {
			return nil, err
		}
		hash = tenant.HashPassword(l.Password)
		leave()
	}
	list := make([]Recipient, 0, len(l.To))
	seen := map[string]bool{}
	for _, box := range l.To {
		if key := strings.ToLower(box.Address.String()); !seen[key] {
			seen[key] = true
			r := Recipient{ID: id.New[RecipientKind](now), Tenant: p.Tenant, Offer: v.ID, Address: box.Address, Name: line(box.Name, 120), Actor: p.Actor, CreatedAt: now, Password: hash}
			if l.Expires > 0 {
				r.ExpiresAt = now.Add(l.Expires)
			}
			if r.Decision, err = s.decide(ctx, p.Tenant, box.Address); err != nil {
				return nil, err
			}
			list = append(list, r)
		}
	}
	if err := s.c.Store.AddOfferRecipients(ctx, list); err != nil {
		return nil, fmt.Errorf("keep recipients of offer: %w", err)
	}
	for i := range list {
		if err := s.post(ctx, p, content, l, &list[i]); err != nil {
			return list, err
		}
	}
	return list, nil
}

// published returns an offer that can be sent, with what recipients see.
func (s *Service) published(ctx context.Context, t tenant.ID, o ID) (Offer, Content, error) {
	v, err := s.Offer(ctx, t, o)
	if err != nil {
		return v, Content{}, err
	}
	if v.State != Published {
		return v, Content{}, fault.New(fault.Conflict, CodeUnsent, "The offer is not published.")
	}
	version, err := s.Version(ctx, t, o, v.Version)
	return v, version.Content, err
}

// Resend mails a recipient's link once more. Errors are those of Send; Conflict CodeState
// if the link is closed.
func (s *Service) Resend(ctx context.Context, p ingest.Principal, o ID, r RecipientID, l Letter) (Recipient, error) {
	v, err := s.Recipient(ctx, p.Tenant, o, r)
	if err != nil {
		return v, err
	}
	if v.Over(s.now()) {
		return v, fault.New(fault.Conflict, CodeState, "This link is closed.")
	}
	l.To = []message.Mailbox{v.Mailbox()}
	if err := l.check(); err != nil {
		return v, err
	}
	_, content, err := s.published(ctx, p.Tenant, o)
	if err != nil {
		return v, err
	}
	return v, s.post(ctx, p, content, l, &v)
}

// post hands over the mail to one recipient and keeps what came of it. The key of the
// request is the recipient with the number of the mail, so that what is tried again after
// a crash is not sent twice.
func (s *Service) post(ctx context.Context, p ingest.Principal, c Content, l Letter, r *Recipient) error {
	from, err := message.ParseMailbox(c.From)
	if err != nil {
		return fault.Field("from", CodeFrom, "The offer has no mailbox to come from.")
	}
	key := letterMessage + " " + r.ID.String() + " " + strconv.Itoa(r.Sendings+1)
	receipt, err := s.c.Acceptor.Accept(ctx, ingest.Principal{Tenant: p.Tenant, Actor: p.Actor, Door: Door, Cap: p.Cap}, ingest.Submission{
		Draft: s.compose(c, l, *r, from), Stream: tenant.Transactional, Tags: []string{"offer"},
		Metadata: map[string]string{"offer": r.Offer.String(), "offer_recipient": r.ID.String()}, Idempotency: key, RequestHash: sha256.Sum256([]byte(key)),
	})
	switch e := fault.As(err); {
	case err == nil:
		r.Message, r.SentAt, r.Reason = receipt.ID, s.now(), ""
		r.Sendings++
		if len(receipt.Deliveries) == 1 && receipt.Deliveries[0].State == event.Suppressed {
			r.Reason = receipt.Deliveries[0].Reason
		}
	case e == nil:
		return fmt.Errorf("send offer: %w", err)
	default:
		r.Reason = e.Code
	}
	if err := s.c.Store.SettleOfferRecipient(ctx, *r); err != nil {
		return fmt.Errorf("keep recipient of offer: %w", err)
	}
	return nil
}

func (s *Service) compose(c Content, l Letter, r Recipient, from message.Mailbox) *message.Draft {
	link := s.LinkOf(r)
	text := strings.ReplaceAll(l.Text, nameMark, r.Title())
	if !strings.Contains(text, linkMark) {
		text = strings.TrimRight(text, "\n") + "\n\n" + linkMark
	}
	d := &message.Draft{
		From: from, To: []message.Mailbox{r.Mailbox()}, Subject: line(strings.ReplaceAll(l.Subject, nameMark, r.Title()), maxMailTitle),
		Text: strings.ReplaceAll(text, linkMark, link), HTML: letterHTML(text, c.Title, link), Date: s.now(),
	}
	if a, err := message.ParseAddress(c.Contact.Email); err == nil {
		d.ReplyTo = []message.Mailbox{{Name: line(c.Contact.Name, 100), Address: a}}
	}
	return d
}

// letterHTML is the text with the link as one. The link counts for itself on the page it
// leads to and is not to be led over another address.
func letterHTML(text, title, link string) string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html><head><meta charset="utf-8"></head><body style="font-family:Arial,sans-serif;font-size:16px;line-height:1.5;color:#13202b">`)
	anchor := `<a data-stafette-track="off" style="color:#123f70;font-weight:bold" href="` + template.HTMLEscapeString(link) + `">` + template.HTMLEscapeString(title) + `</a>`
	for para := range strings.SplitSeq(strings.ReplaceAll(strings.TrimSpace(text), "\r\n", "\n"), "\n\n") {
		body := strings.ReplaceAll(template.HTMLEscapeString(para), "\n", "<br>")
		b.WriteString("<p>" + strings.ReplaceAll(body, linkMark, anchor) + "</p>")
	}
	b.WriteString("</body></html>")
	return b.String()
}

// NewLetter is what a letter begins with: the words of the catalogue in the tenant's tone
// towards customers.
func (s *Service) NewLetter(ctx context.Context, o Offer, lang i18n.Lang) (Letter, error) {
	t, err := s.c.Tenants.Tenant(ctx, o.Tenant)
	if err != nil {
		return Letter{}, fmt.Errorf("begin letter of offer: %w", err)
	}
	args := i18n.Args{"title": o.Content.Title, "tenant": t.Name, "contact": o.Content.Contact.Name, "name": nameMark, "link": linkMark}
	v := s.voice(t, lang, s.now())
	return Letter{Subject: v.say("offermail.subject", args), Text: v.say("offermail.text", args), Lang: lang}, nil
}

var errNoFrom = errors.New("the offer has no mailbox to come from")
