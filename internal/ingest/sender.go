package ingest

import (
	"context"
	"fmt"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// checkSender demands that every address the message claims to come from is of a
// usable domain of this tenant: From, Sender and the sender of the envelope. The
// domain found for From is the one that signs.
func (s *Service) checkSender(ctx context.Context, w *parcel) error {
	if w.from.Address == (message.Address{}) {
		return fault.Field("from", CodeFromMissing, "The message has no sender.")
	}
	if w.PassedOn {
		return w.passOn()
	}
	e, err := s.directory.entry(ctx, w.tenant.ID, w.now)
	if err != nil {
		return fmt.Errorf("load domains: %w", err)
	}
	domain, err := usable(e.domains, w.from.Domain, "from")
	if err != nil {
		return err
	}
	w.m.From, w.m.SignDomain = w.from, domain
	if w.inspected != nil && w.inspected.Sender != nil {
		if _, err := usable(e.domains, w.inspected.Sender.Domain, "sender"); err != nil {
			return err
		}
	}
	w.envelope = w.from.Address
	if w.Sender != nil {
		w.envelope = *w.Sender
	}
	if w.envelope == (message.Address{}) {
		return nil
	}
	if _, err := usable(e.domains, w.envelope.Domain, "envelope_sender"); err != nil {
		return err
	}
	w.m.Sender = w.envelope.String()
	return nil
}

// unsigned is a sending domain that can never have keys (RFC 2606, 2): with the
// tenant's signature a stranger who writes its name into From would be believed.
const unsigned = "invalid"

// passOn takes the author as given. Only the null sender may stand in the envelope, so
// that nothing ever comes back.
func (w *parcel) passOn() error {
	if w.Draft != nil || w.Sender == nil || !w.Sender.IsZero() {
		return fault.Field("envelope_sender", CodeSenderNotNull, "Mail that is passed on has the null sender.")
	}
	w.m.From, w.m.SignDomain = w.from, unsigned
	return nil
}

// usable returns the most specific domain of the tenant that name is, or lies
// under. A domain that only waits for its DNS gets a refusal of its own, since that
// is something the tenant can mend.
func usable(domains []tenant.Domain, name, field string) (string, error) {
	best, pending := "", false
	for _, d := range domains {
		if name != d.Name && !strings.HasSuffix(name, "."+d.Name) {
			continue
		}
		if !d.Usable() {
			pending = true
		} else if len(d.Name) > len(best) {
			best = d.Name
		}
	}
	if best != "" {
		return best, nil
	}
	if pending {
		return "", &fault.Error{Kind: fault.Forbidden, Code: CodeFromDomainUnverified, Field: field,
			Detail: "The DNS records of this domain have not been found yet."}
	}
	return "", &fault.Error{Kind: fault.Forbidden, Code: CodeFromDomainNotYours, Field: field,
		Detail: "The address is not of a sending domain of this account."}
}
