// Package id makes and reads the identifiers of every thing Stafette keeps.
//
// An identifier is a UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then
// random bits, so identifiers sort by the time they were made and are created
// before the insert. Its text form is a prefix that names the kind of thing and
// 26 characters of lower-case Crockford base32: msg_01k…. In the database it is
// 16 raw bytes.
//
// The package knows no kind itself: each room declares a Kind for the things it
// owns and an alias, for example message.ID = id.Of[message.Kind]. Identifiers
// are names, not secrets; what must not be guessed carries a MAC of its own.
package id

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind names a kind of thing. Implementations are empty structs.
type Kind interface {
	// Prefix is the text before the underscore, for example "msg".
	Prefix() string
}

// Of is the identifier of one thing of kind K. The zero value means "none".
type Of[K Kind] [16]byte

// ErrMalformed is wrapped by every error Parse returns.
var ErrMalformed = errors.New("malformed identifier")

// New returns a fresh identifier carrying the instant now, which is kept to the
// millisecond. It is safe for concurrent use.
func New[K Kind](now time.Time) Of[K] {
	var v Of[K]
	// crypto/rand.Read never fails and never returns short since Go 1.24.
	_, _ = rand.Read(v[6:])
	stamp(&v, now)
	return v
}

func stamp[K Kind](v *Of[K], now time.Time) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(v[:6], ms[2:])
	v[6] = v[6]&0x0f | 0x70
	v[8] = v[8]&0x3f | 0x80
}

// Lowest returns the smallest identifier that New could have made at instant t.
// It bounds ranges: rows of a time span are the ids in [Lowest(from), Lowest(to)).
func Lowest[K Kind](t time.Time) Of[K] {
	var v Of[K]
	stamp(&v, t)
	return v
}

// Parse reads the text form. The prefix must be that of K.
func Parse[K Kind](s string) (Of[K], error) {
	var v Of[K]
	err := v.UnmarshalText([]byte(s))
	return v, err
}

// Time returns the instant the identifier was made, in UTC, to the millisecond.
func (v Of[K]) Time() time.Time {
	var ms [8]byte
	copy(ms[2:], v[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).UTC()
}

// IsZero reports whether v names nothing.
func (v Of[K]) IsZero() bool { return v == Of[K]{} }

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// String returns the text form, or "" for the zero value.
func (v Of[K]) String() string {
	if v.IsZero() {
		return ""
	}
	var k K
	b := make([]byte, 0, len(k.Prefix())+27)
	b = append(b, k.Prefix()...)
	b = append(b, '_')
	// 130 bits of text carry 128 bits of value: two zero bits lead.
	hi, lo := binary.BigEndian.Uint64(v[:8]), binary.BigEndian.Uint64(v[8:])
	for shift := 125; shift >= 0; shift -= 5 {
		b = append(b, alphabet[bitsAt(hi, lo, shift)])
	}
	return string(b)
}

// bitsAt returns the five bits of hi:lo that start at the given bit from the right.
func bitsAt(hi, lo uint64, shift int) byte {
	switch {
	case shift >= 64:
		return byte(hi>>(shift-64)) & 31
	case shift > 59:
		return byte(lo>>shift|hi<<(64-shift)) & 31
	default:
		return byte(lo>>shift) & 31
	}
}

// MarshalText implements encoding.TextMarshaler; the zero value is empty text.
func (v Of[K]) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Upper case is accepted,
// any other deviation is ErrMalformed.
func (v *Of[K]) UnmarshalText(text []byte) error {
	var k K
	s := strings.ToLower(string(text))
	body, ok := strings.CutPrefix(s, k.Prefix()+"_")
	if !ok || len(body) != 26 {
		return fmt.Errorf("%w: want %s_ and 26 characters", ErrMalformed, k.Prefix())
	}
	var hi, lo uint64
	for i := range len(body) {
		d := strings.IndexByte(alphabet, body[i])
		if d < 0 || i == 0 && d > 7 {
			return fmt.Errorf("%w: character %d", ErrMalformed, i+1)
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(d)
	}
	binary.BigEndian.PutUint64(v[:8], hi)
	binary.BigEndian.PutUint64(v[8:], lo)
	return nil
}

// Value implements driver.Valuer: 16 raw bytes, or NULL for the zero value.
func (v Of[K]) Value() (driver.Value, error) {
	if v.IsZero() {
		return nil, nil
	}
	return v[:], nil
}

// Scan implements sql.Scanner for 16 raw bytes or NULL.
func (v *Of[K]) Scan(src any) error {
	switch b := src.(type) {
	case nil:
		*v = Of[K]{}
		return nil
	case []byte:
		if len(b) == len(v) {
			copy(v[:], b)
			return nil
		}
	}
	return fmt.Errorf("scan identifier: %w", ErrMalformed)
}
