package diagnosis

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/spool"
)

// SendAgain sends the message of a delivery once more, as a message of its own with a
// Message-ID of its own, to the same recipient or, if to is not zero, to another address
// alone. Its bytes are those that were accepted, but for the fields that name the
// transport and the recipients. key makes sending twice the same as sending once.
//
// Errors are those of ingest, "delivery_not_found" and "content_expired".
func (s *Service) SendAgain(ctx context.Context, p ingest.Principal, d message.DeliveryID, to message.Mailbox, key string) (ingest.Receipt, error) {
	v, err := s.Verdict(ctx, p.Tenant, d)
	if err != nil {
		return ingest.Receipt{}, err
	}
	if to.Address.IsZero() {
		to = message.Mailbox{Name: nameOf(v.Message, v.Delivery.Recipient), Address: v.Delivery.Recipient}
	}
	body, err := s.body(ctx, v.Message)
	if err != nil {
		return ingest.Receipt{}, fmt.Errorf("send again: %w", err)
	}
	m := v.Message
	again, err := ingest.Again(ingest.Origin{ID: m.ID, Body: body, Stream: m.Stream, Tags: m.Tags, Metadata: m.Metadata}, []message.Mailbox{to})
	if err != nil {
		return ingest.Receipt{}, fmt.Errorf("send again: %w", err)
	}
	again.Idempotency, again.RequestHash = "again/"+key, sha256.Sum256([]byte(d.String()+" "+to.Address.String()))
	receipt, err := s.Acceptor.Accept(ctx, p, again)
	if err != nil {
		return ingest.Receipt{}, fmt.Errorf("send again: %w", err)
	}
	return receipt, nil
}

// SendLetter sends a text about a delivery to an address, from the address the message
// came from.
//
// Errors are those of ingest and "delivery_not_found".
func (s *Service) SendLetter(ctx context.Context, p ingest.Principal, d message.DeliveryID, to message.Mailbox, l Letter, key string) (ingest.Receipt, error) {
	v, err := s.Verdict(ctx, p.Tenant, d)
	if err != nil {
		return ingest.Receipt{}, err
	}
	receipt, err := s.Acceptor.Accept(ctx, p, ingest.Submission{
		Draft:  &message.Draft{From: v.Message.From, To: []message.Mailbox{to}, Subject: l.Subject, Text: l.Text},
		Stream: v.Message.Stream, Tags: []string{"about:" + d.String()},
		Idempotency: "letter/" + key, RequestHash: sha256.Sum256([]byte(d.String() + " " + to.Address.String() + " " + l.Subject + " " + l.Text)),
	})
	if err != nil {
		return ingest.Receipt{}, fmt.Errorf("send letter: %w", err)
	}
	return receipt, nil
}

// body reads a message's bytes; those no longer kept are "content_expired".
func (s *Service) body(ctx context.Context, m insight.Message) ([]byte, error) {
	gone := fault.New(fault.NotFound, "content_expired", "The content was deleted at the end of its retention time, or erased.")
	if m.Erased() {
		return nil, gone
	}
	body, err := s.Bodies.Body(ctx, m.Body)
	if errors.Is(err, spool.ErrGone) {
		return nil, gone
	}
	if err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	return body, nil
}
