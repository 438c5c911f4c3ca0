package genuine

import (
	"crypto/hmac"
	"encoding/base32"
	"strings"
	"time"

	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Header is the field of each mail that bears its code.
const Header = "X-Stafette-Code"

const (
	timeBytes, macBytes = 5, 5
	codeBytes           = timeBytes + macBytes
	// codeAlphabet is Crockford's: without I, L, O and U, which people misread.
	codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// epoch is where the time in codes begins; five bytes of milliseconds last until 2058.
func epoch() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }

// code names a message: when it was accepted, which finds it without an index, and a MAC
// over its identifier, which nobody can make without the root key.
type code [codeBytes]byte

func (c code) time() time.Time {
	var ms int64
	for _, b := range c[:timeBytes] {
		ms = ms<<8 | int64(b)
	}
	return epoch().Add(time.Duration(ms) * time.Millisecond)
}

// String writes the code in four groups of four.
func (c code) String() string {
	text := encoding().EncodeToString(c[:])
	return text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
}

func encoding() *base32.Encoding {
	return base32.NewEncoding(codeAlphabet).WithPadding(base32.NoPadding)
}

// parseCode reads what somebody typed: in any case, with any blanks and hyphens, with the
// letters that are taken for digits.
func parseCode(text string) (c code, ok bool) {
	if len(text) > 64 {
		return c, false
	}
	text = strings.NewReplacer("-", "", " ", "", "\t", "", "\u2011", "", "\u00a0", "", "I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(text))
	raw, err := encoding().DecodeString(text)
	if err != nil || len(text) != encoding().EncodedLen(codeBytes) || len(raw) != codeBytes {
		return c, false
	}
	return code(raw), true
}

// Coder makes the codes of messages. It is safe for concurrent use.
type Coder struct{ coder }

// NewCoder makes a Coder.
func NewCoder(k *seal.Keeper) Coder { return Coder{newCoder(k)} }

// Code is the code of a message, four groups of four digits and capitals.
func (c Coder) Code(t tenant.ID, m message.ID) string { return c.of(t, m).String() }

type coder struct{ codes *seal.Codes }

func newCoder(k *seal.Keeper) coder { return coder{seal.NewCodes(k.MACKey("genuine codes"))} }

func (k coder) of(t tenant.ID, m message.ID) (c code) {
	ms := m.Time().Sub(epoch()).Milliseconds()
	for i := range timeBytes {
		c[timeBytes-1-i] = byte(ms >> (8 * i))
	}
	mac := k.codes.Of(t[:], m[:])
	copy(c[timeBytes:], mac[:])
	return c
}

func (k coder) fits(c code, t tenant.ID, m message.ID) bool {
	want := k.of(t, m)
	return hmac.Equal(c[:], want[:])
}
