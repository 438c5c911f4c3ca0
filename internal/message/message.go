// Package message is the vocabulary of mail: addresses, identifiers of messages
// and deliveries, composing and inspecting RFC 5322 messages with MIME.
//
// It is floor 0: no tenant, no database, no policy. Bytes that came from outside
// are never re-serialised; they are inspected, and headers are put before them.
package message

import (
	"encoding/binary"
	"time"

	"stafette/internal/id"
)

// Kind is the id.Kind of messages.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "msg" }

// DeliveryKind is the id.Kind of deliveries.
type DeliveryKind struct{}

// Prefix implements id.Kind.
func (DeliveryKind) Prefix() string { return "dlv" }

// ID names content accepted once. Its last two bytes are zero, which leaves room
// for the numbers of its deliveries.
type ID = id.Of[Kind]

// DeliveryID names one message to one recipient. It is the message's ID with the
// delivery's number, from 1, in the last two bytes: a delivery's name tells its
// message, and the deliveries of a message lie beside each other in every index.
type DeliveryID = id.Of[DeliveryKind]

// MaxRecipients bounds the deliveries of one message.
const MaxRecipients = 1000

// NewID returns a fresh message ID made at now.
func NewID(now time.Time) ID {
	v := id.New[Kind](now)
	v[14], v[15] = 0, 0
	return v
}

// Delivery returns the ID of the n-th delivery, counted from 1, of message m.
func Delivery(m ID, n int) DeliveryID {
	d := DeliveryID(m)
	binary.BigEndian.PutUint16(d[14:], uint16(n))
	return d
}

// Of returns the message that delivery d belongs to.
func Of(d DeliveryID) ID {
	m := ID(d)
	m[14], m[15] = 0, 0
	return m
}

// After is a bound above message m and all its deliveries, and below every later one.
func After(m ID) ID {
	binary.BigEndian.PutUint16(m[14:], MaxRecipients+1)
	return m
}

// Address is a mail address. Domain is lower-case ASCII (A-labels, RFC 5891);
// Local is kept as written, without quoting. The zero Address is the null
// reverse path <>.
type Address struct {
	Local, Domain string
}

// Mailbox is an address with an optional display name in plain UTF-8.
type Mailbox struct {
	Name string
	Address
}

// Digest is the fingerprint of one attachment, kept at acceptance and checked
// again when the mail goes out.
type Digest struct {
	Filename    string   `json:"filename"`
	ContentType string   `json:"content_type"`
	Size        int64    `json:"size"`   // decoded bytes
	SHA256      [32]byte `json:"sha256"` // of the decoded bytes
}
