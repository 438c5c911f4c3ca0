package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A note, as it lies in a journal:
//
//	4 bytes  length of what follows the checksum
//	4 bytes  CRC-32C of what follows
//	8 bytes  number of the note, from 1, rising
//	1 byte   version of the form
//	…        what is noted: fixed fields raw, numbers as varints, texts with their length before
//
// Numbers are little-endian.
const (
	noteHead   = 8
	noteNumber = 8
	// maxNote bounds a note in bytes: recipients of a mail are at most
	// message.MaxRecipients, texts are bounded by what was accepted.
	maxNote = 8 << 20
)

// errNote says that bytes are no whole note: the end of what was written before a crash.
var errNote = errors.New("no whole note")

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// beginNote makes room for the head of a note; what is noted is appended to what it
// returns, and endNote called with the length of b.
func beginNote(b []byte, version byte) []byte {
	return append(append(b, make([]byte, noteHead+noteNumber)...), version)
}

// endNote writes the length of the note that begins at from. The rest of the head is written
// by numberNotes.
func endNote(b []byte, from int) []byte {
	binary.LittleEndian.PutUint32(b[from:], uint32(len(b)-from-noteHead))
	return b
}

// numberNotes completes notes that stand in raw one after the other and returns the number
// of the last.
func numberNotes(raw []byte, first uint64) (last uint64) {
	table, number := castagnoli(), first
	for ; len(raw) > 0; number++ {
		size := noteHead + int(binary.LittleEndian.Uint32(raw))
		body := raw[noteHead:size]
		binary.LittleEndian.PutUint64(body, number)
		binary.LittleEndian.PutUint32(raw[4:], crc32.Checksum(body, table))
		raw = raw[size:]
	}
	return number - 1
}

// readNote reads the first note of b, from its version on, and returns what follows it. The
// error is errNote.
func readNote(b []byte) (note []byte, number uint64, rest []byte, err error) {
	if len(b) < noteHead {
		return nil, 0, nil, errNote
	}
	size := binary.LittleEndian.Uint32(b)
	if size <= noteNumber || size > maxNote || int64(size) > int64(len(b)-noteHead) {
		return nil, 0, nil, errNote
	}
	body, rest := b[noteHead:noteHead+size], b[noteHead+size:]
	if crc32.Checksum(body, castagnoli()) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, 0, nil, errNote
	}
	return body[noteNumber:], binary.LittleEndian.Uint64(body), rest, nil
}

func appendText[T ~string | ~[]byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// noteReader takes fields from a note; broken says that one was not there.
type noteReader struct {
	b      []byte
	broken bool
}

// readerOf reads a note of a version. Others are broken.
func readerOf(note []byte, version byte) noteReader {
	if note[0] != version {
		return noteReader{broken: true}
	}
	return noteReader{b: note[1:]}
}

// end is errNote unless every field was there and nothing is left.
func (r *noteReader) end() error {
	if r.broken || len(r.b) > 0 {
		return errNote
	}
	return nil
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
