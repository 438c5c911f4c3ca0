package certificate_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/offer/certificate"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

var start = time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)

// world has one message and the facts of one recipient, of tenant 1.
type world struct {
	facts   offer.Facts
	message insight.Message
	events  []event.Event
	seen    []tracking.Activity
}

// Facts implements certificate.Offers.
func (w *world) Facts(_ context.Context, t tenant.ID, _ offer.ID, _ offer.RecipientID) (offer.Facts, error) {
	if t != (tenant.ID{1}) {
		return offer.Facts{}, fault.New(fault.NotFound, "offer_unknown", "none")
	}
	return w.facts, nil
}

// Message implements certificate.Mail.
func (w *world) Message(_ context.Context, t tenant.ID, _ message.ID) (insight.Message, error) {
	if t != (tenant.ID{1}) {
		return insight.Message{}, fault.New(fault.NotFound, "message_not_found", "none")
	}
	return w.message, nil
}

// Events implements certificate.Mail.
func (w *world) Events(context.Context, tenant.ID, message.ID) ([]event.Event, error) {
	return w.events, nil
}

// Activities implements certificate.Activities.
func (w *world) Activities(context.Context, tenant.ID, tracking.Query) ([]tracking.Activity, bool, error) {
	return w.seen, false, nil
}

func newWorld(t *testing.T) (*world, *certificate.Service, []diagnosis.PublicKey) {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := diagnosis.New(diagnosis.Config{Keeper: keeper, PublicURL: "https://post.example", Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	eva := message.Address{Local: "eva", Domain: "gmx.example"}
	seen := []tracking.Activity{
		{Kind: tracking.PageVisited, At: start, Identified: true, Machine: tracking.Machine{Class: tracking.Person, Confidence: 80}},
		{Kind: tracking.Opened, At: start, Machine: tracking.Machine{Class: tracking.Scanner, Confidence: 90}},
		{Kind: tracking.WithdrawalNoticeConfirmed, At: start, Machine: tracking.Machine{Class: tracking.Person}},
	}
	d := message.Delivery(message.ID{1}, 1)
	attempt := &event.Attempt{MX: "mx00.gmx.example", Code: 250, Reply: "ok"}
	w := &world{
		facts: offer.Facts{
			Recipient: offer.Recipient{Address: eva}, Seen: seen,
			Mail: &offer.Mailing{Message: message.ID{1}, Subject: "Ihr Angebot", AcceptedAt: start, State: event.Delivered, Accepted: attempt, AcceptedBy: start},
			Acts: []offer.Act{{Kind: offer.Confirmed, At: start, Version: 3, Detail: offer.Detail{Wording: offer.Hash{0xab}, Notice: offer.Hash{0xcd},
				Boxes: []offer.Ticked{{Box: offer.Box{Text: "Ich habe die Belehrung erhalten."}, Ticked: true}}}}},
		},
		message: insight.Message{Subject: "Besichtigung", AcceptedAt: start, Deliveries: []insight.Delivery{{ID: d, Recipient: eva, State: event.Delivered}}},
		events:  []event.Event{{Type: event.Completed, Delivery: d, At: start, Attempt: attempt}},
		seen:    seen,
	}
	return w, &certificate.Service{Offers: w, Mail: w, Activities: w, Signer: signer, Catalog: catalog}, []diagnosis.PublicKey{diagnosis.KeyOf(keeper)}
}

// What somebody confirmed and what was merely fetched stand apart, in a file whose
// signature fits and a page to print.
func TestProofAndIndicationStandApart(t *testing.T) {
	w, s, keys := newWorld(t)
	ofOffer, err := s.OfOffer(t.Context(), tenant.ID{1}, offer.ID{}, offer.RecipientID{})
	if err != nil || len(ofOffer.Proofs) != 1 || len(ofOffer.Indications) != 2 || ofOffer.Server != "mx00.gmx.example" || !strings.HasPrefix(ofOffer.Proofs[0].Wording, "ab00") {
		t.Fatalf("%+v, %v", ofOffer, err)
	}
	ofMail, err := s.OfMessage(t.Context(), tenant.ID{1}, message.ID{1})
	if err != nil || len(ofMail.Proofs) != 0 || len(ofMail.Indications) != 2 || ofMail.AcceptedAt == "" || ofMail.Indications[1].Counted {
		t.Fatalf("%+v, %v", ofMail, err)
	}
	for _, c := range []certificate.Content{ofOffer, ofMail} {
		file, err := s.JSON(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := diagnosis.VerifyStatement(file, certificate.Name, certificate.Format, keys); err != nil {
			t.Errorf("%v: %s", err, file)
		}
		if _, err := diagnosis.VerifyStatement(bytes.Replace(file, []byte("eva@"), []byte("max@"), 1), certificate.Name, certificate.Format, keys); err == nil {
			t.Error("a changed recipient passes")
		}
		for _, lang := range i18n.Langs() {
			if pdf, err := s.PDF(t.Context(), tenant.ID{1}, c, i18n.Clock{Lang: lang, Zone: time.UTC, Now: start}); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
				t.Errorf("%s: %d bytes, %v", lang, len(pdf), err)
			}
		}
	}
	w.message.Deliveries = append(w.message.Deliveries, insight.Delivery{})
	if _, err := s.OfMessage(t.Context(), tenant.ID{1}, message.ID{1}); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("a mail to several: %v", err)
	}
}

func TestForeignTenant(t *testing.T) {
	_, s, _ := newWorld(t)
	if _, err := s.OfOffer(t.Context(), tenant.ID{2}, offer.ID{}, offer.RecipientID{}); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("offer: %v", err)
	}
	if _, err := s.OfMessage(t.Context(), tenant.ID{2}, message.ID{1}); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("message: %v", err)
	}
}
