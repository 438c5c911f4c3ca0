package bounce

import (
	"crypto/hmac"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"stafette/internal/message"
	"stafette/internal/seal"
)

// ReturnPaths makes and reads the envelope senders of deliveries. Each names its
// delivery and carries a MAC, so that a report sent to it is tied to the delivery
// without a look-up, and nobody can make one up:
//
//	b+<delivery><tag>.<mac>@<return domain>
//
// The local part is 59 bytes, below the 64 of RFC 5321, 4.5.3.1.1, and reads the same
// in upper case, as some servers fold it. It proves where a report came from, not
// that it is true: whoever has received the mail knows its return path. Return paths
// without a tag, as they were made before, are still read.
//
// Addresses to unsubscribe at (RFC 2369, 3.2) are made the same way with another mark,
// "u+", so that neither can be taken for the other.
//
// A ReturnPaths is safe for concurrent use.
type ReturnPaths struct {
	codes   *seal.Codes
	mark    string
	purpose string
}

// Tag is a part of the identifier of a delivery's tenant, so that the delivery is looked
// for there alone. The zero Tag tells nothing.
type Tag [4]byte

// Path is what a return path tells.
type Path struct {
	Delivery message.DeliveryID
	Tag      Tag
}

// ErrForeign means that an address is none of our return paths. It does not tell
// whether the form or the MAC was wrong.
var ErrForeign = errors.New("not a return path of ours")

const (
	returnMark      = "b+"
	unsubscribeMark = "u+"
	// returnMAC is the length of the MAC in bytes: 120 bits, 24 characters.
	returnMAC = 15
	// untaggedSize is the length in bytes of what a return path without a tag names,
	// pathSize of what it names now.
	untaggedSize = 16
	pathSize     = untaggedSize + 4
	// minReturnKey is the shortest key taken, in bytes.
	minReturnKey = 32
)

// base32Lower is the alphabet of RFC 4648, 6 in lower case, without padding.
var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewReturnPaths takes a secret key of at least 32 bytes, used for nothing else.
func NewReturnPaths(key []byte) (*ReturnPaths, error) {
	return newReturnPaths(key, returnMark, "return path\x00")
}

// NewUnsubscribePaths takes such a key and makes the addresses of List-Unsubscribe.
func NewUnsubscribePaths(key []byte) (*ReturnPaths, error) {
	return newReturnPaths(key, unsubscribeMark, "unsubscribe\x00")
}

func newReturnPaths(key []byte, mark, purpose string) (*ReturnPaths, error) {
	if len(key) < minReturnKey {
		return nil, fmt.Errorf("return path key: want %d bytes, have %d", minReturnKey, len(key))
	}
	return &ReturnPaths{codes: seal.NewCodes(key), mark: mark, purpose: purpose}, nil
}

// Make returns the return path of a delivery. The domain must be one that
// message.ParseDomain returns; the address is as valid as the domain.
func (p *ReturnPaths) Make(path Path, domain string) message.Address {
	name := append(path.Delivery[:], path.Tag[:]...)
	return message.Address{
		Local:  p.mark + base32Lower.EncodeToString(name) + "." + base32Lower.EncodeToString(p.mac(name, domain)),
		Domain: domain,
	}
}

// Parse returns what a return path was made for. The only error is ErrForeign; the MAC
// is compared in constant time.
func (p *ReturnPaths) Parse(a message.Address) (Path, error) {
	var none Path
	local := strings.ToLower(a.Local)
	rest, ok := strings.CutPrefix(local, p.mark)
	name, mac, dotted := strings.Cut(rest, ".")
	size := base32Lower.DecodedLen(len(name))
	if !ok || !dotted || size != pathSize && size != untaggedSize || len(name) != base32Lower.EncodedLen(size) || len(mac) != base32Lower.EncodedLen(returnMAC) {
		return none, ErrForeign
	}
	id, err := base32Lower.DecodeString(name)
	if err != nil {
		return none, ErrForeign
	}
	given, err := base32Lower.DecodeString(mac)
	if err != nil {
		return none, ErrForeign
	}
	// Base32 has spare bits: only the one spelling Make uses is ours.
	if !hmac.Equal(given, p.mac(id, strings.ToLower(a.Domain))) || base32Lower.EncodeToString(id) != name {
		return none, ErrForeign
	}
	path := Path{Delivery: message.DeliveryID(id[:untaggedSize])}
	if copy(path.Tag[:], id[untaggedSize:]); path.Delivery.IsZero() {
		return none, ErrForeign
	}
	return path, nil
}

// mac binds the name to the domain, so that the return path of one tenant's domain is
// none at another's.
func (p *ReturnPaths) mac(name []byte, domain string) []byte {
	tagged := ""
	if len(name) == pathSize {
		tagged = "tagged\x00" // where the name ends must not be open to doubt
	}
	code := p.codes.Of([]byte(p.purpose), []byte(tagged), name, []byte(domain))
	return code[:returnMAC]
}
