package ingest

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
)

// collectRecipients makes one delivery for each address, in the order the client
// named them; an address named twice gets the message once.
func (s *Service) collectRecipients(_ context.Context, w *parcel) error {
	shown := map[message.Address]bool{}
	for _, m := range w.m.To {
		shown[m.Address] = true
	}
	due := w.now
	if !w.m.SendAt.IsZero() {
		due = w.m.SendAt
	}
	seen := map[message.Address]bool{}
	for _, a := range envelopeRecipients(w) {
		if seen[a] || a == (message.Address{}) {
			continue
		}
		seen[a] = true
		if len(w.lines) == s.c.Limits.MaxRecipients {
			return &fault.Error{Kind: fault.TooLarge, Code: CodeRecipientsTooMany, Field: "to",
				Detail: fmt.Sprintf("A message has at most %d recipients.", s.c.Limits.MaxRecipients)}
		}
		w.lines = append(w.lines, Delivery{
			ID: message.Delivery(w.m.ID, len(w.lines)+1), Recipient: a,
			Hidden: !shown[a], State: event.Queued, DueAt: due,
		})
		w.m.UTF8 = w.m.UTF8 || !ascii(a.Local)
	}
	if len(w.lines) == 0 {
		return fault.Field("to", CodeRecipientsMissing, "The message has no recipient.")
	}
	w.m.UTF8 = w.m.UTF8 || !ascii(w.envelope.Local)
	return nil
}

func envelopeRecipients(w *parcel) []message.Address {
	if w.Recipients != nil {
		return w.Recipients
	}
	hidden := w.Bcc
	if w.inspected != nil {
		hidden = w.inspected.Bcc
	}
	list := make([]message.Address, 0, len(w.m.To)+len(hidden))
	for _, m := range w.m.To {
		list = append(list, m.Address)
	}
	for _, m := range hidden {
		list = append(list, m.Address)
	}
	return list
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// checkSuppression marks who may not be written to; the others still get the mail.
func (s *Service) checkSuppression(ctx context.Context, w *parcel) error {
	if err := s.markSuppressed(ctx, w, w.now); err != nil {
		return err
	}
	return refuseIfAllSuppressed(w)
}

func refuseIfAllSuppressed(w *parcel) error {
	for _, d := range w.lines {
		if d.State != event.Suppressed {
			return nil
		}
	}
	return fault.Field("to", CodeAllSuppressed, "Every recipient is on the suppression list.")
}

func (s *Service) markSuppressed(ctx context.Context, w *parcel, at time.Time) error {
	addrs := make([]message.Address, len(w.lines))
	for i, d := range w.lines {
		addrs[i] = d.Recipient
	}
	reasons, err := s.c.Store.Suppressed(ctx, w.tenant.ID, w.m.Stream, addrs, at)
	if err != nil {
		return fmt.Errorf("check suppressions: %w", err)
	}
	w.mark(reasons)
	return nil
}

// mark withholds the deliveries to the addresses.
func (w *parcel) mark(reasons map[message.Address]string) {
	for i, d := range w.lines {
		if reason, suppressed := reasons[d.Recipient]; suppressed {
			w.lines[i].State, w.lines[i].Reason = event.Suppressed, reason
		}
	}
}
