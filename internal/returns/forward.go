package returns

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// maxReceived is how many servers a reply may have passed and still be passed on: with
// the tenant's own a loop ends long before a server gives up (RFC 5321, 6.3).
const maxReceived = 25

// forward passes a person's reply on to the envelope sender that the message was
// submitted with: a person answers to where the mail seems to come from. The bytes stay
// as they are, so that the author's signatures hold; the envelope has no sender, so that
// nothing can come back.
func (s *Sorter) forward(ctx context.Context, r *reading) error {
	to, known := addressOf(r.origin.Sender)
	switch {
	case !known || s.ours(to):
		r.because(WhyNobody)
		return nil
	case r.Auth.Rejected:
		r.because(WhyForged)
		return nil
	case strings.EqualFold(r.author.String(), to.String()) || r.received() > maxReceived:
		r.because(WhyLoop)
		return nil
	}
	raw := bytes.Clone(r.raw)
	null := message.Address{}
	_, err := s.c.Acceptor.Accept(ctx, ingest.Principal{Tenant: r.origin.Tenant, Actor: "system", Door: "returns"}, ingest.Submission{
		Raw: message.RemoveFields(raw, ownField), Recipients: []message.Address{to}, Sender: &null, PassedOn: true,
		Stream: tenant.System, Idempotency: r.ID.String(), RequestHash: sha256.Sum256(r.raw),
	})
	if f := fault.As(err); f != nil && f.Kind != fault.Unavailable && f.Kind != fault.Limited {
		s.c.Log.Info("reply not passed on", "return", r.ID.String(), "code", f.Code)
		r.because(WhyRefused)
		return nil
	}
	if err != nil {
		return fmt.Errorf("pass reply on: %w", err)
	}
	return nil
}

// addressOf reads an envelope sender; the null one is no address.
func addressOf(sender string) (message.Address, bool) {
	a, err := message.ParseAddress(sender)
	return a, err == nil
}

// ours reports whether an address leads back here.
func (s *Sorter) ours(a message.Address) bool {
	_, _, ok := s.c.Addresses.Purpose(a)
	return ok
}

// ownField tells the fields that mean something to the entrance; a stranger's are not
// heard.
func ownField(name string) bool {
	const prefix = "x-stafette-"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

func (r *reading) received() int {
	n := 0
	for _, f := range r.fields {
		if f.Is("Received") {
			n++
		}
	}
	return n
}
