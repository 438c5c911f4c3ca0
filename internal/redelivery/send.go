package redelivery

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// MarkText stands before the subject of mail that is redelivered.
const MarkText = "Nachlieferung: "

// OriginHeader names the mail that a redelivery repeats.
const OriginHeader = "X-Redelivery-Of"

// letter is a mail made anew.
type letter struct {
	submission ingest.Submission
	subject    string
	text       string
}

// letter makes the mail of a candidate anew: of a lead from its kept enquiry, of any
// other from its kept bytes. Refusals are *fault.Error; those with the codes Skip… are
// no failures.
func (s *Service) letter(ctx context.Context, c Candidate, o Options, to message.Mailbox) (letter, error) {
	if c.Message.Stream == tenant.Lead {
		if number, err := id.Parse[lead.Kind](c.Message.Metadata["lead"]); err == nil {
			return s.leadLetter(ctx, c, number, to)
		}
	}
	body, err := s.c.Bodies.Body(ctx, c.Message.Body)
	if errors.Is(err, spool.ErrGone) {
		return letter{}, fault.New(fault.NotFound, SkipExpired, "The content is no longer kept.")
	}
	if err != nil {
		return letter{}, fmt.Errorf("read kept mail: %w", err)
	}
	return again(c, body, o, to)
}

func (s *Service) leadLetter(ctx context.Context, c Candidate, number lead.ID, to message.Mailbox) (letter, error) {
	l, err := s.c.Leads.Lead(ctx, c.Message.Tenant, number)
	if err != nil {
		return letter{}, fmt.Errorf("read lead: %w", err)
	}
	fresh := message.NewID(s.c.Now())
	d, err := s.c.Leads.Rewrite(ctx, l, lead.Redelivery{
		ID: fresh, To: to.Address, Mark: MarkText, Origin: message.Header{Name: OriginHeader, Value: originOf(c.Message)}, First: l.TakenAt.In(s.c.Zone),
	})
	if f := fault.As(err); f != nil && f.Code == lead.CodeGone {
		return letter{}, fault.New(fault.NotFound, SkipErased, "The content of the lead is no longer kept.")
	}
	if err != nil {
		return letter{}, fmt.Errorf("make mail of lead: %w", err)
	}
	return letter{ingest.Submission{ID: fresh, Draft: &d, Stream: tenant.Lead, Tags: ingest.OwnTags(c.Message.Tags), Metadata: c.Message.Metadata}, d.Subject, d.Text}, nil
}

// again makes a letter of kept bytes. No byte of the body is changed.
func again(c Candidate, body []byte, o Options, to message.Mailbox) (letter, error) {
	m := c.Message
	sub, err := ingest.Again(ingest.Origin{ID: m.ID, Body: body, Stream: m.Stream, Tags: m.Tags, Metadata: m.Metadata}, []message.Mailbox{to})
	if err != nil {
		return letter{}, err
	}
	fields, _, err := message.Fields(sub.Raw, message.Limits{})
	if err != nil {
		return letter{}, fmt.Errorf("read kept mail: %w", err)
	}
	references := originOf(m)
	for _, f := range fields {
		if f.Is("References") {
			references = strings.TrimSpace(f.Value + " " + references)
		}
	}
	add := []message.Header{{Name: OriginHeader, Value: originOf(m)}, {Name: "References", Value: references}}
	l := letter{submission: sub, subject: m.Subject}
	if o.Mark {
		l.subject = MarkText + strings.TrimPrefix(m.Subject, MarkText)
		add = append(add, message.Header{Name: "Subject", Value: l.subject})
	}
	rest := message.RemoveFields(sub.Raw, func(name string) bool {
		return strings.EqualFold(name, "References") || strings.EqualFold(name, OriginHeader) || o.Mark && strings.EqualFold(name, "Subject")
	})
	if l.submission.Raw, err = message.PrependFields(rest, add...); err != nil {
		return letter{}, fmt.Errorf("mark redelivery: %w", err)
	}
	l.text = plainText(body)
	return l, nil
}

// plainText is the first text of a mail, for people to look at.
func plainText(raw []byte) string {
	parts, err := message.Contents(raw)
	if err != nil {
		return ""
	}
	for _, p := range parts {
		if p.ContentType == "text/plain" || p.ContentType == "" {
			return strings.ToValidUTF8(string(p.Bytes), "\uFFFD")
		}
	}
	return ""
}

// deliver hands the mail of an item to ingest, once however often this is called.
// It returns the item with its answer; an error means that nothing is known yet.
func (s *Service) deliver(ctx context.Context, j Job, it Item) (Item, error) {
	if it.State == Sending {
		// It was taken before: perhaps its mail was accepted and nobody could say so.
		m, found, err := s.c.Store.Tagged(ctx, j.Tenant, ingest.AgainTagOf(j.ID.String(), it.Delivery))
		if err != nil {
			return it, fmt.Errorf("look for the mail of an item: %w", err)
		}
		if found {
			it.State, it.Message, it.Reason = Sent, m, ""
			return it, nil
		}
	}
	skip := func(reason string) (Item, error) {
		it.State, it.Reason = Skipped, reason
		return it, nil
	}
	if it.Elsewhere && !j.Filter.one() {
		return skip(SkipRedelivered)
	}
	c, err := s.candidate(ctx, j.Tenant, it.Delivery)
	if err != nil {
		return it, err
	}
	if c == nil {
		return skip(SkipErased)
	}
	c.Redelivered = false // by Elsewhere
	kept, err := termsOf(ctx, s.c.Store, j.Tenant, s.c.Kept)
	if err != nil {
		return it, err
	}
	if reason := s.skip(*c, j.Filter, j.Options, kept); reason != "" {
		return skip(reason)
	}
	var to message.Address
	if j.Options.To != "" {
		if to, err = message.ParseAddress(j.Options.To); err != nil {
			return skip(SkipErased) // the address was taken out of the job
		}
	}
	r, err := s.accept(ctx, j, *c, target(*c, to))
	return answer(it, r, err)
}

// candidate reads a delivery as it is now; nil if there is none such any more.
func (s *Service) candidate(ctx context.Context, t tenant.ID, d message.DeliveryID) (*Candidate, error) {
	var before message.DeliveryID
	list, _, err := s.c.Store.Candidates(ctx, t, Filter{Delivery: d}, before, 1)
	if err != nil {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	return &list[0], nil
}

func (s *Service) accept(ctx context.Context, j Job, c Candidate, to message.Mailbox) (ingest.Receipt, error) {
	l, err := s.letter(ctx, c, j.Options, to)
	if err != nil {
		return ingest.Receipt{}, err
	}
	sub := l.submission
	own := []string{ingest.AgainTag(c.Message.ID), ingest.AgainTagOf(j.ID.String(), c.Delivery.ID)}
	sub.Tags = append(own, ingest.OwnTags(sub.Tags)...)
	sub.Tags = sub.Tags[:min(len(sub.Tags), maxTags)]
	if j.Options.Old {
		if sub.Source, err = s.oldSource(ctx, j.Tenant, c.Delivery.ID); err != nil {
			return ingest.Receipt{}, err
		}
	}
	key := j.ID.String() + "/" + c.Delivery.ID.String()
	sub.Idempotency, sub.RequestHash = "redelivery/"+key, sha256.Sum256([]byte(key))
	return s.c.Acceptor.Accept(ctx, ingest.Principal{Tenant: j.Tenant, Actor: j.Actor, Door: j.Door}, sub)
}

// oldSource is one of the addresses that a changeover moves the tenant's mail away from;
// "" when there is none any more, for then mail goes the way of all mail.
func (s *Service) oldSource(ctx context.Context, t tenant.ID, d message.DeliveryID) (string, error) {
	list, err := s.oldSources(ctx, t)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[int(d[len(d)-1])%len(list)], nil
}

func (s *Service) oldSources(ctx context.Context, t tenant.ID) ([]string, error) {
	if s.c.OldSources == nil {
		return nil, nil
	}
	list, err := s.c.OldSources(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("find old sources: %w", err)
	}
	return list, nil
}

// maxTags is what ingest takes.
const maxTags = 20

// answer turns what ingest said into the item's answer. What may pass stays an error.
func answer(it Item, r ingest.Receipt, err error) (Item, error) {
	f := fault.As(err)
	switch {
	case err == nil:
		it.State, it.Message, it.Reason = Sent, r.ID, ""
	case f == nil || f.Kind == fault.Unavailable || f.Kind == fault.Limited || f.Code == ingest.CodeTenantLocked:
		return it, err
	case f.Code == ingest.CodeAllSuppressed:
		it.State, it.Reason = Skipped, SkipSuppressed
	case f.Code == SkipExpired || f.Code == SkipErased:
		it.State, it.Reason = Skipped, f.Code
	default:
		it.State, it.Reason = Failed, f.Code
	}
	return it, nil
}
