package store

import (
	"encoding/binary"
	"time"

	"stafette/internal/message"
	"stafette/internal/tracking"
)

// hitVersion is the version of the form of notes of hits.
const hitVersion = 1

// appendHit adds the note of a hit, without its number.
func appendHit(b []byte, h *tracking.Hit) []byte {
	a, from := &h.Activity, len(b)
	b = beginNote(b, hitVersion)
	b = append(b, a.ID[:]...)
	b = append(b, a.Tenant[:]...)
	b = append(b, a.Message[:]...)
	b = append(b, a.Delivery[:]...)
	b = append(b, flagBits(h))
	b = binary.AppendVarint(b, a.At.UnixMilli())
	b = binary.AppendVarint(b, a.Burst)
	for _, n := range []int{a.Link, int(a.Decision.Level), a.Machine.Confidence, a.Machine.Rules} {
		b = binary.AppendVarint(b, int64(n))
	}
	for _, text := range []string{string(a.Kind), a.Offer, a.OfferRecipient, a.Sender, a.Title, a.Target, a.Label, a.Version,
		string(a.Decision.Rule), string(a.Machine.Class), a.Agent, a.Network} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(a.Machine.Reasons)))
	for _, text := range a.Machine.Reasons {
		b = appendText(b, text)
	}
	if a.Recipient != nil {
		b = appendText(appendText(b, a.Recipient.Local), a.Recipient.Domain)
	}
	b = binary.AppendUvarint(b, uint64(len(h.Recipients)))
	for _, r := range h.Recipients {
		b = appendText(appendText(b, r.Local), r.Domain)
	}
	return endNote(b, from)
}

// The bits of a note.
const (
	noteIdentified = 1 << iota
	noteRecipient
	noteGranted
	noteTracked
)

func flagBits(h *tracking.Hit) (bits byte) {
	if h.Activity.Identified {
		bits |= noteIdentified
	}
	if h.Activity.Recipient != nil {
		bits |= noteRecipient
	}
	if h.Granted {
		bits |= noteGranted
	}
	if h.Tracked {
		bits |= noteTracked
	}
	return bits
}

// readHit reads a note of a hit. The error is errNote.
func readHit(note []byte) (h tracking.Hit, err error) {
	r := readerOf(note, hitVersion)
	h = r.hit()
	return h, r.end()
}

func (r *noteReader) hit() (h tracking.Hit) {
	a := &h.Activity
	r.raw(a.ID[:])
	r.raw(a.Tenant[:])
	r.raw(a.Message[:])
	r.raw(a.Delivery[:])
	var bits [1]byte
	r.raw(bits[:])
	a.Identified, h.Granted, h.Tracked = bits[0]&noteIdentified != 0, bits[0]&noteGranted != 0, bits[0]&noteTracked != 0
	a.At, a.Burst = time.UnixMilli(r.number()).UTC(), r.number()
	a.Link, a.Decision.Level, a.Machine.Confidence, a.Machine.Rules = int(r.number()), tracking.Level(r.number()), int(r.number()), int(r.number())
	a.Kind = tracking.Kind(r.text())
	for _, to := range []*string{&a.Offer, &a.OfferRecipient, &a.Sender, &a.Title, &a.Target, &a.Label, &a.Version} {
		*to = r.text()
	}
	a.Decision.Rule, a.Machine.Class = tracking.Rule(r.text()), tracking.Class(r.text())
	a.Agent, a.Network = r.text(), r.text()
	for range r.count() {
		a.Machine.Reasons = append(a.Machine.Reasons, r.text())
	}
	if bits[0]&noteRecipient != 0 {
		a.Recipient = &message.Address{Local: r.text(), Domain: r.text()}
	}
	for range r.count() {
		h.Recipients = append(h.Recipients, message.Address{Local: r.text(), Domain: r.text()})
	}
	return h
}
