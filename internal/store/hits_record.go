package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"stafette/internal/message"
	"stafette/internal/tracking"
)

// A note of a hit, as it lies in the journal:
//
//	4 bytes  length of what follows the checksum
//	4 bytes  CRC-32C of what follows
//	8 bytes  number of the note, from 1, rising
//	1 byte   version of the form
//	…        the hit: fixed fields raw, numbers as varints, texts with their length before
//
// Numbers are little-endian.
const (
	noteHead    = 8
	noteVersion = 1
	// maxNote bounds a note in bytes: recipients of a mail are at most
	// message.MaxRecipients, texts are bounded by what was accepted.
	maxNote = 8 << 20
)

// errNote says that bytes are no whole note: the end of what was written before a crash.
var errNote = errors.New("no whole note of a hit")

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// appendNote adds the note of a hit with number 0; number is put in by numberNote.
func appendNote(b []byte, h *tracking.Hit) []byte {
	a := &h.Activity
	b = append(b, make([]byte, noteHead+8)...)
	b = append(b, noteVersion)
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
	return b
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

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// numberNote completes a note that appendNote made.
func numberNote(note []byte, number uint64) {
	binary.LittleEndian.PutUint64(note[noteHead:], number)
	binary.LittleEndian.PutUint32(note, uint32(len(note)-noteHead))
	binary.LittleEndian.PutUint32(note[4:], crc32.Checksum(note[noteHead:], castagnoli()))
}

// readNote reads the first note of b and returns what follows it. The error is errNote.
func readNote(b []byte) (h tracking.Hit, number uint64, rest []byte, err error) {
	if len(b) < noteHead {
		return h, 0, nil, errNote
	}
	size := binary.LittleEndian.Uint32(b)
	if size > maxNote || int64(size) > int64(len(b)-noteHead) {
		return h, 0, nil, errNote
	}
	body, rest := b[noteHead:noteHead+size], b[noteHead+size:]
	if crc32.Checksum(body, castagnoli()) != binary.LittleEndian.Uint32(b[4:]) || len(body) < 9 || body[8] != noteVersion {
		return h, 0, nil, errNote
	}
	r := noteReader{b: body[9:]}
	h = r.hit()
	if r.broken || len(r.b) > 0 {
		return h, 0, nil, errNote
	}
	return h, binary.LittleEndian.Uint64(body), rest, nil
}

// noteReader takes fields from a note; broken says that one was not there.
type noteReader struct {
	b      []byte
	broken bool
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

func (r *noteReader) raw(to []byte) {
	if len(r.b) < len(to) {
		r.broken = true
		return
	}
	copy(to, r.b)
	r.b = r.b[len(to):]
}

func (r *noteReader) number() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.broken = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count is how many of something follow, each of a byte at least.
func (r *noteReader) count() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(len(r.b)-n) {
		r.broken = true
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *noteReader) text() string {
	size := r.count()
	text := string(r.b[:min(size, len(r.b))])
	r.b = r.b[len(text):]
	return text
}
