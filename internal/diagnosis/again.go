package diagnosis

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/spool"
)

// againPrefix begins the tag that a message sent again bears; the delivery it repeats
// follows. A tag, because tags are part of the acceptance and lead both ways by an index.
const againPrefix = "again:"

func againTag(d message.DeliveryID) string { return againPrefix + d.String() }

// maxTags is how many tags ingest takes.
const maxTags = 20

// Again names the delivery that a message repeats; false if it repeats none.
func Again(tags []string) (first string, ok bool) {
	for _, tag := range tags {
		if d, is := strings.CutPrefix(tag, againPrefix); is {
			return d, true
		}
	}
	return "", false
}

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
	raw, err := readdress(body, to)
	if err != nil {
		return ingest.Receipt{}, fmt.Errorf("send again: %w", err)
	}
	tags := slices.DeleteFunc(slices.Clone(v.Message.Tags), func(tag string) bool { return strings.HasPrefix(tag, againPrefix) })
	receipt, err := s.Acceptor.Accept(ctx, p, ingest.Submission{
		Raw: raw, Recipients: []message.Address{to.Address}, Stream: v.Message.Stream,
		Tags: append(tags[:min(len(tags), maxTags-1)], againTag(d)), Metadata: v.Message.Metadata,
		Idempotency: "again/" + key, RequestHash: sha256.Sum256([]byte(d.String() + " " + to.Address.String())),
	})
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

// readdress makes of a message one to a single recipient. What ingest puts before
// messages where it is missing (Message-ID, Date) is taken out; so are the other
// recipients, who need not be told to this one, the trace, and a foreign signature,
// which covers To and Date and would be broken.
func readdress(body []byte, to message.Mailbox) ([]byte, error) {
	rest := message.RemoveFields(body, func(name string) bool {
		switch strings.ToLower(name) {
		case "to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc", "message-id", "date", "received", "return-path", "dkim-signature":
			return true
		}
		return false
	})
	return message.PrependFields(rest, message.Header{Name: "To", Value: headerMailbox(to)})
}

// headerMailbox writes a mailbox for a header field. Names beyond ASCII become encoded
// words (RFC 2047, 5); an address beyond ASCII stays out of the header, which would need
// SMTPUTF8 on the whole way.
func headerMailbox(m message.Mailbox) string {
	if !m.Address.IsASCII() {
		return "undisclosed-recipients:;"
	}
	name := mime.QEncoding.Encode("utf-8", m.Name)
	if name == m.Name {
		return m.String()
	}
	return strings.ReplaceAll(name, "\r\n ", " ") + " <" + m.Address.String() + ">"
}
