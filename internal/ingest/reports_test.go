package ingest_test

import (
	"testing"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
)

// TestWishesOfTheClient: they are kept and offered to the queue; the null reverse path
// gets no reports, whatever was said.
func TestWishesOfTheClient(t *testing.T) {
	eva, max := addr("eva@kunde.example"), addr("max@kunde.example")
	original := message.OriginalRecipient{Type: "rfc822", Address: "e@v.example"}
	reports := &ingest.Reports{Return: message.ReturnFull, EnvelopeID: "QQ", Recipients: map[message.Address]ingest.RecipientReports{
		eva: {Notify: message.NotifyDelay, Original: original}, addr("nobody@kunde.example"): {Notify: message.NotifyNever},
	}}
	w := newWorld(t)
	for i, sender := range []message.Address{addr("info@muster.example"), {}} {
		s := draft(func(s *ingest.Submission) {
			s.Sender, s.Reports = &sender, reports
			s.Draft.To = append(s.Draft.To, mailbox(max.String()))
		})
		w.mustAccept(s)
		a := w.store.Accepted()[i]
		unsaid := message.NotifyUnsaid
		if sender.IsZero() {
			unsaid = 0
		}
		if d := a.Deliveries; d[0].Notify != message.NotifyDelay || d[0].Original != original || d[1].Notify != unsaid || !d[1].Original.IsZero() {
			t.Errorf("sender %q: deliveries %+v", sender, d)
		}
		if m := a.Message; m.Return != message.ReturnFull || m.EnvelopeID != "QQ" {
			t.Errorf("message %+v", m)
		}
		if e := w.feed.offered[2*i]; e.Notify != message.NotifyDelay || e.OriginalRecipient != original || e.Return != message.ReturnFull || e.EnvelopeID != "QQ" {
			t.Errorf("entry %+v", e)
		}
	}
}

func TestWishesThatCannotBe(t *testing.T) {
	for code, reports := range map[string]ingest.Reports{
		"envelope_id_malformed":        {EnvelopeID: "a\r\nb"},
		ingest.CodeReturnMalformed:     {Return: "SOME"},
		"notify_malformed":             {Recipients: map[message.Address]ingest.RecipientReports{addr("eva@kunde.example"): {Notify: message.NotifyNever | message.NotifyDelay}}},
		"original_recipient_malformed": {Recipients: map[message.Address]ingest.RecipientReports{addr("eva@kunde.example"): {Original: message.OriginalRecipient{Type: "rfc822", Address: "a\r\nb"}}}},
	} {
		w := newWorld(t)
		_, err := w.accept(draft(func(s *ingest.Submission) { s.Reports = &reports }))
		w.wantRefusal(err, fault.Invalid, code, "")
		if len(w.store.Accepted()) != 0 {
			t.Errorf("%s: stored all the same", code)
		}
	}
}
