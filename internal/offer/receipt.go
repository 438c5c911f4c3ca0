package offer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// answer mails the receipt of an act and keeps that it was. What could not be done now is
// done by Answer; nobody who acted is told of it as an error.
func (s *Service) answer(ctx context.Context, v Visit, a Act) Act {
	done, err := s.mailReceipt(ctx, v, a)
	if err != nil {
		if ctx.Err() == nil {
			s.c.Log.ErrorContext(ctx, "receipt waits", "act", a.ID.String(), "err", err)
		}
		return a
	}
	return done
}

func (s *Service) mailReceipt(ctx context.Context, v Visit, a Act) (Act, error) {
	d, err := s.receipt(v, a)
	if err != nil {
		return a, err
	}
	key := "offer act " + a.ID.String()
	r, err := s.c.Acceptor.Accept(ctx, ingest.Principal{Tenant: a.Tenant, Actor: "system", Door: Door}, ingest.Submission{
		// A receipt is evidence for whom it goes to: nothing about it is told of.
		Draft: &d, Stream: tenant.Transactional, Tags: []string{"offer-receipt"}, Tracking: tracking.None,
		Metadata: map[string]string{"offer": a.Offer.String(), "offer_recipient": a.Recipient.String()}, Idempotency: key, RequestHash: sha256.Sum256([]byte(key)),
	})
	e := fault.As(err)
	if err != nil && (e == nil || e.Kind == fault.Unavailable || e.Kind == fault.Limited) {
		return a, fmt.Errorf("send receipt: %w", err)
	}
	a.Answered = true
	if e != nil {
		a.Reason = e.Code
	} else {
		a.Receipt = r.ID
		if len(r.Deliveries) == 1 && r.Deliveries[0].State == event.Suppressed {
			a.Reason = r.Deliveries[0].Reason
		}
	}
	if err := s.c.Store.SettleOfferAct(ctx, a); err != nil {
		return a, fmt.Errorf("keep receipt: %w", err)
	}
	return a, nil
}

// receipt is the mail that repeats an act, with all of its wording as PDF: what stays with
// the recipient (§ 126b BGB).
func (s *Service) receipt(v Visit, a Act) (message.Draft, error) {
	from, err := message.ParseMailbox(v.Version.Content.From)
	if err != nil {
		return message.Draft{}, errNoFrom
	}
	to := v.Recipient.Mailbox()
	if a.Kind == Withdrawn {
		address, err := message.ParseAddress(a.Detail.Email)
		if err != nil {
			return message.Draft{}, fmt.Errorf("address of receipt: %w", err)
		}
		to = message.Mailbox{Name: line(a.Detail.Name, 100), Address: address}
	}
	w := s.receiptVoice(v, a)
	pdf, err := s.ReceiptPDF(v, a)
	if err != nil {
		return message.Draft{}, err
	}
	kind := "offermail." + string(a.Kind)
	text := strings.TrimSpace(w.say(kind+".text", w.args)) + "\n"
	d := message.Draft{
		From: from, To: []message.Mailbox{to}, Subject: line(w.say(kind+".subject", w.args), maxMailTitle), Text: text, HTML: receiptHTML(v, text, s.LinkOf(v.Recipient)),
		Attachments: []message.Attachment{{Filename: w.say(kind+".file", nil), ContentType: "application/pdf", Content: pdf}}, Date: a.At,
		// RFC 3834, 5: vacation programs must not answer.
		Headers: []message.Header{{Name: "Auto-Submitted", Value: "auto-replied"}},
	}
	if l := v.Logo; !l.None() {
		d.Attachments = append(d.Attachments, message.Attachment{Filename: "logo" + l.End, ContentType: l.Media, Content: l.Data, ContentID: logoID})
	}
	return d, nil
}

type receiptVoice struct {
	voice
	args i18n.Args
}

func (s *Service) receiptVoice(v Visit, a Act) receiptVoice {
	w := s.voice(v.Tenant, a.Detail.Lang, a.At)
	name := a.Detail.Name
	if name == "" {
		name = v.Recipient.Title()
	}
	ticked := 0
	var boxes []string
	for _, b := range a.Detail.Boxes {
		mark := "[ ] "
		if b.Ticked {
			mark = "[x] "
			ticked++
		}
		boxes = append(boxes, mark+b.Text)
	}
	return receiptVoice{w, i18n.Args{
		"name": line(name, 120), "title": v.Version.Content.Title, "tenant": v.Tenant.Name, "date": w.Date(a.At), "time": w.Time(a.At),
		"contract": a.Detail.Contract, "declaration": a.Detail.Declaration, "case": a.ID.String(), "imprint": v.Profile.Imprint,
		"boxes": strings.Join(boxes, "\n"), "n": ticked, "link": s.LinkOf(v.Recipient), "notice": v.Version.Content.Legal.Notice,
	}}
}

// ReceiptPDF prints an act with all of its wording. The same act makes the same bytes.
func (s *Service) ReceiptPDF(v Visit, a Act) ([]byte, error) {
	w := s.receiptVoice(v, a)
	say := func(key string) string { return w.say("offermail.paper."+key, w.args) }
	p := diagnosis.NewPrintOn(LetterheadOf(v.Tenant.Name, v.Brand, v.Logo), say(string(a.Kind)), v.Tenant.Name)
	p.Row(say("offer"), v.Version.Content.Title)
	p.Row(say("version"), fmt.Sprint(a.Version))
	p.Row(say("at"), w.Full(a.At))
	p.Row(say("case"), a.ID.String())
	if a.Kind == Withdrawn {
		p.Row(say("name"), a.Detail.Name)
		p.Row(say("email"), a.Detail.Email)
		p.Heading(say("declaration"))
		p.Paragraph(a.Detail.Declaration)
	} else {
		p.Row(say("recipient"), v.Recipient.Address.String())
		p.Reply(say("wording"), "sha256:"+a.Detail.Wording.String())
		p.Heading(say("boxes"))
		for _, b := range a.Detail.Boxes {
			key := "unticked"
			if b.Ticked {
				key = "ticked"
			}
			p.Paragraph(say(key) + " " + b.Text)
		}
		l := v.Version.Content.Legal
		paragraphs(p, say("notice"), l.Notice)
		paragraphs(p, say("terms"), l.Terms)
		paragraphs(p, say("privacy"), l.Privacy)
	}
	paragraphs(p, say("imprint"), v.Profile.Imprint)
	out, err := p.Bytes(func(page, pages int) string {
		return w.say("offermail.paper.page", i18n.Args{"page": page, "pages": pages})
	})
	if err != nil {
		return nil, fmt.Errorf("print receipt: %w", err)
	}
	return out, nil
}

func paragraphs(p *diagnosis.Print, title, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	p.Heading(title)
	for para := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		for l := range strings.SplitSeq(para, "\n") {
			if l = strings.TrimSpace(l); l != "" {
				p.Paragraph(l)
			}
		}
	}
}

// VisitOf is the visit in which an act was done, with the wording of its version.
func (s *Service) VisitOf(ctx context.Context, a Act) (v Visit, err error) {
	if v.Recipient, err = s.c.Store.OfferRecipient(ctx, a.Tenant, a.Recipient); err == nil {
		v.Offer, err = s.c.Store.Offer(ctx, a.Tenant, a.Offer)
	}
	if err == nil {
		v.Version, err = s.c.Store.OfferVersion(ctx, a.Tenant, a.Offer, a.Version)
	}
	if err == nil {
		err = s.whose(ctx, &v)
	}
	if err != nil {
		return Visit{}, fmt.Errorf("read what an act was about: %w", err)
	}
	return v, nil
}

// answerAfter leaves receipts alone that are being made this moment.
const answerAfter = time.Minute

// Unanswered finds acts of all tenants whose receipt still waits.
type Unanswered interface {
	// UnansweredOfferActs returns up to limit acts before an instant without an answer.
	UnansweredOfferActs(ctx context.Context, before time.Time, limit int) ([]Act, error)
}

// Answer sends the receipts that could not be sent at once. It is meant to run every half
// minute, on one node at a time; what it repeats is sent once.
func (s *Service) Answer(ctx context.Context, from Unanswered) error {
	const batch = 100
	list, err := from.UnansweredOfferActs(ctx, s.now().Add(-answerAfter), batch)
	if err != nil {
		return fmt.Errorf("find receipts: %w", err)
	}
	var errs []error
	for _, a := range list {
		v, err := s.VisitOf(ctx, a)
		if err == nil {
			_, err = s.mailReceipt(ctx, v, a)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("receipt of %s: %w", a.ID, err))
		}
	}
	return errors.Join(errs...)
}
