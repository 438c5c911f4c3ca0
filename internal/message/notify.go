package message

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
)

// Notify says of which turns in a recipient's fate the sender wants a report (RFC
// 3461, 4.1). The zero value is for mail whose sender reads its fate elsewhere, as
// that of the HTTP API: nobody is told, and the next hop hears nothing of it.
type Notify uint8

// The wishes. NotifyUnsaid and NotifyNever each stand alone.
const (
	NotifyUnsaid  Notify = 1 << iota // the client said nothing: it is told of failures
	NotifyNever                      // the client wants no report
	NotifySuccess                    // of a delivery
	NotifyFailure                    // of a failure
	NotifyDelay                      // of a delay
)

const notifyAll = NotifyUnsaid | NotifyNever | NotifySuccess | NotifyFailure | NotifyDelay

// notifyWords are the keywords of the NOTIFY parameter, in the order of the bits
// behind NotifyUnsaid.
func notifyWords() [4]string { return [4]string{"NEVER", "SUCCESS", "FAILURE", "DELAY"} }

// ParseNotify reads the value of a NOTIFY parameter; case does not matter. The error
// is *fault.Error "notify_malformed" without Field.
func ParseNotify(s string) (Notify, error) {
	var n Notify
	for word := range strings.SplitSeq(s, ",") {
		bit := NotifyUnsaid
		for i, known := range notifyWords() {
			if strings.EqualFold(word, known) {
				bit = NotifyNever << i
			}
		}
		if bit == NotifyUnsaid || n&bit != 0 {
			return 0, notifyFault(s)
		}
		n |= bit
	}
	if !n.Valid() {
		return 0, notifyFault(s)
	}
	return n, nil
}

func notifyFault(s string) *fault.Error {
	return fault.New(fault.Invalid, "notify_malformed",
		fault.Quote(s)+" is not NEVER, nor a list of SUCCESS, FAILURE and DELAY, each once")
}

// Valid reports whether what stands alone does.
func (n Notify) Valid() bool {
	alone := n & (NotifyUnsaid | NotifyNever)
	return n&^notifyAll == 0 && (alone == 0 || n == NotifyUnsaid || n == NotifyNever)
}

// Asked reports whether the client said anything, which then goes on to the next hop.
func (n Notify) Asked() bool { return n > NotifyUnsaid }

// OfFailure reports whether the sender is told of a failure.
func (n Notify) OfFailure() bool { return n&(NotifyUnsaid|NotifyFailure) != 0 }

// OfSuccess reports whether the sender is told of a delivery.
func (n Notify) OfSuccess() bool { return n&NotifySuccess != 0 }

// OfDelay reports whether the sender is told of a delay.
func (n Notify) OfDelay() bool { return n&NotifyDelay != 0 }

// String returns the value of the NOTIFY parameter, "" where none is sent.
func (n Notify) String() string {
	var words []string
	for i, word := range notifyWords() {
		if n&(NotifyNever<<i) != 0 {
			words = append(words, word)
		}
	}
	return strings.Join(words, ",")
}

// Return says how much of a message a report of its failure brings back: the value of
// the RET parameter (RFC 3461, 4.3).
type Return string

// The values of RET; "" leaves it to the reporting server.
const (
	ReturnFull    Return = "FULL"
	ReturnHeaders Return = "HDRS"
)

// Valid reports whether r is one of them, or "".
func (r Return) Valid() bool { return r == "" || r == ReturnFull || r == ReturnHeaders }

// Limits of what RFC 3461 lets stand behind its parameters, encoded (4.2, 4.4).
const (
	maxOriginalRecipient = 500
	maxEnvelopeID        = 100
)

// CheckEnvelopeID refuses what cannot be a decoded ENVID (RFC 3461, 4.4): it is of
// printable ASCII, and has at most 100 characters as XText writes it. "" is none. The
// error is *fault.Error "envelope_id_malformed" without Field.
func CheckEnvelopeID(s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return fault.New(fault.Invalid, "envelope_id_malformed", "an envelope identifier is of printable ASCII")
		}
	}
	if len(XText(s)) > maxEnvelopeID {
		return fault.New(fault.Invalid, "envelope_id_malformed",
			fmt.Sprintf("an envelope identifier has at most %d characters", maxEnvelopeID))
	}
	return nil
}

// OriginalRecipient is the address a message was first sent to, as its sender calls
// it: the ORCPT parameter (RFC 3461, 4.2), decoded. The zero value is none.
type OriginalRecipient struct {
	Type    string // "rfc822" or "utf-8" (RFC 6533, 3)
	Address string
}

// The address types that are understood.
const (
	addressRFC822 = "rfc822"
	addressUTF8   = "utf-8"
)

// NewOriginalRecipient takes a decoded ORCPT. The address is not read, as it may be
// of a form that only its sender knows; it only must be printable, of ASCII unless its
// type is utf-8, and not longer than the parameter may be. The error is *fault.Error
// "original_recipient_malformed" without Field.
func NewOriginalRecipient(kind, address string) (OriginalRecipient, error) {
	o := OriginalRecipient{Type: strings.ToLower(kind), Address: address}
	refuse := func(why string) (OriginalRecipient, error) {
		return OriginalRecipient{}, fault.New(fault.Invalid, "original_recipient_malformed", why)
	}
	if o.Type != addressRFC822 && o.Type != addressUTF8 {
		return refuse("the address type must be rfc822 or utf-8")
	}
	if address == "" || !utf8.ValidString(address) || !isPrintable(address) || o.Type == addressRFC822 && !isASCII(address) {
		return refuse("the address is empty or has characters that may not stand in one")
	}
	if len(o.Parameter()) > maxOriginalRecipient {
		return refuse("the address is too long")
	}
	return o, nil
}

func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// ParseOriginalRecipient reads what String wrote; its errors are those of
// NewOriginalRecipient. "" is the zero value.
func ParseOriginalRecipient(s string) (OriginalRecipient, error) {
	if s == "" {
		return OriginalRecipient{}, nil
	}
	kind, address, _ := strings.Cut(s, ";")
	return NewOriginalRecipient(kind, address)
}

// IsZero reports whether the client named none.
func (o OriginalRecipient) IsZero() bool { return o == OriginalRecipient{} }

// String returns "type;address" without any encoding, or "".
func (o OriginalRecipient) String() string {
	if o.IsZero() {
		return ""
	}
	return o.Type + ";" + o.Address
}

// Parameter returns the value of the ORCPT parameter: printable ASCII without blanks,
// which fits into a command whatever the address is.
func (o OriginalRecipient) Parameter() string {
	if o.Type == addressUTF8 {
		return o.Type + ";" + EscapeUTF8Address(o.Address)
	}
	return o.Type + ";" + XText(o.Address)
}

// XText encodes ASCII text for a parameter (RFC 3461, 4): all that is not printing, +
// and = become +XX. Bytes above 127 have no place in it and are encoded all the same.
func XText(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && isXChar(s[i])
	}
	if plain {
		return s
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isXChar(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'+', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func isXChar(c byte) bool { return c > ' ' && c <= '~' && c != '+' && c != '=' }

// EscapeUTF8Address writes an address of the type utf-8 in ASCII: utf-8-addr-xtext of
// RFC 6533, 3, good for parameters and for the fields of a report.
func EscapeUTF8Address(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && isXChar(byte(r)) && r != '\\' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		}
	}
	return b.String()
}
