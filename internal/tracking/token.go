package tracking

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Purpose is what a token opens. Tokens of one purpose open nothing of another.
type Purpose byte

// The purposes.
const (
	ForPixel   Purpose = 1
	ForLink    Purpose = 2
	ForConsent Purpose = 3 // the page where a recipient withdraws from tracking
	ForPage    Purpose = 4 // pages of other rooms: a message or another thing of 16 bytes, and a number
)

// Token is a capability: who has it may open what it names. What it names is no secret;
// that it was made here is proven by its MAC.
//
// The MAC is bound to purpose, tenant, message and number. A token bears no target: that
// lies in the store, so that a token can be taken back and leads nowhere else.
type Token struct {
	Purpose Purpose
	Tenant  tenant.ID
	Message message.ID // or the 16 bytes of another thing's identifier, for ForPage
	// Number is that of the link in its message from 1 (ForLink), of the delivery (ForConsent;
	// 0 where a mail went to several), or the owner's own; 0 for pixels.
	Number uint16
}

// ErrForeign means that a text is no token of ours. It does not tell why.
var ErrForeign = errors.New("not a token of ours")

const (
	tokenVersion = 1
	tokenMAC     = 16 // bytes: 128 bits
	tokenNamed   = 1 + 1 + 16 + 16 + 2
	tokenSize    = tokenNamed + tokenMAC
	// TokenLength is how many characters a token has; all are safe in a URL.
	TokenLength = (tokenSize*8 + 5) / 6
	minTokenKey = 32
)

// Tokens makes and reads tokens. It is safe for concurrent use.
type Tokens struct {
	codes *seal.Codes
	text  *base64.Encoding
}

// NewTokens takes a secret key of at least 32 bytes, used for nothing else, the same on
// all nodes (seal.Keeper.MACKey("tracking tokens")).
func NewTokens(key []byte) (*Tokens, error) {
	if len(key) < minTokenKey {
		return nil, fmt.Errorf("tracking token key: want %d bytes, have %d", minTokenKey, len(key))
	}
	return &Tokens{codes: seal.NewCodes(key), text: base64.RawURLEncoding.Strict()}, nil
}

// Make returns the text of a token.
func (k *Tokens) Make(t Token) string {
	raw := make([]byte, 0, tokenSize)
	raw = append(raw, tokenVersion, byte(t.Purpose))
	raw = append(append(raw, t.Tenant[:]...), t.Message[:]...)
	raw = binary.BigEndian.AppendUint16(raw, t.Number)
	sum := k.mac(raw)
	return k.text.EncodeToString(append(raw, sum[:]...))
}

// Parse reads a token of a purpose. The only error is ErrForeign, whatever is wrong; the
// MAC is compared in constant time.
func (k *Tokens) Parse(p Purpose, text string) (Token, error) {
	if len(text) != TokenLength {
		return Token{}, ErrForeign
	}
	var raw [tokenSize]byte
	var in [TokenLength]byte
	copy(in[:], text)
	n, err := k.text.Decode(raw[:], in[:])
	if err != nil || n != tokenSize {
		return Token{}, ErrForeign
	}
	if sum := k.mac(raw[:tokenNamed]); !hmac.Equal(raw[tokenNamed:], sum[:]) {
		return Token{}, ErrForeign
	}
	t := Token{Purpose: Purpose(raw[1]), Tenant: tenant.ID(raw[2:18]), Message: message.ID(raw[18:34]), Number: binary.BigEndian.Uint16(raw[34:36])}
	if raw[0] != tokenVersion || t.Purpose != p {
		return Token{}, ErrForeign
	}
	return t, nil
}

// mac is the MAC of the parts, one after the other.
func (k *Tokens) mac(named []byte) [tokenMAC]byte {
	code := k.codes.Of([]byte(tokenPurpose), named)
	return [tokenMAC]byte(code[:tokenMAC])
}

// tokenPurpose stands before what a token names.
const tokenPurpose = "tracking token\x00"

// Where the public doors serve tokens; the token follows.
const (
	PixelPath   = "/i/"
	LinkPath    = "/l/"
	ConsentPath = "/tracking/"
)

// ConsentURL is the address of the page where the recipient of a delivery withdraws from
// tracking; base is the scheme and host of public pages, without a slash at the end.
func (k *Tokens) ConsentURL(base string, t tenant.ID, d message.DeliveryID) string {
	number := binary.BigEndian.Uint16(d[14:])
	return base + ConsentPath + k.Make(Token{Purpose: ForConsent, Tenant: t, Message: message.Of(d), Number: number})
}
