package tenant

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash/crc32"
	"strings"
)

const (
	keyPrefix   = "stf_"
	keyLength   = len(keyPrefix) + 43 // 32 bytes in unpadded base64url
	sumLength   = 6                   // checksum behind it
	hintLength  = 8
	secretBytes = 32
)

// NewKeyText returns the text of a new API key. It is shown once and never stored;
// HashKey and KeyHint give what is.
func NewKeyText() string {
	text := keyPrefix + randomText()
	return text + keySum(text)
}

// keySum is the checksum by which a scanner of published code tells a key from what
// only looks like one: the CRC-32 of all before it, in six characters of base 62.
func keySum(text string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := crc32.ChecksumIEEE([]byte(text))
	var out [sumLength]byte
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = digits[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// HashKey returns what the store keeps of a key's text. A plain SHA-256 is enough:
// the text has 256 bits of chance, so there is nothing to slow down.
func HashKey(text string) [32]byte { return sha256.Sum256([]byte(text)) }

// KeyHint returns the beginning of a key by which a person recognises it.
func KeyHint(text string) string { return text[:min(len(text), hintLength)] }

// looksLikeKey spares the store the question for text that cannot be a key. The first
// keys had no checksum.
func looksLikeKey(text string) bool {
	if len(text) == keyLength+sumLength {
		if keySum(text[:keyLength]) != text[keyLength:] {
			return false
		}
		text = text[:keyLength]
	}
	rest, ok := strings.CutPrefix(text, keyPrefix)
	if !ok || len(text) != keyLength {
		return false
	}
	_, err := base64.RawURLEncoding.DecodeString(rest)
	return err == nil
}

// randomText returns 32 random bytes as base64url, for keys and session tokens.
func randomText() string {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
