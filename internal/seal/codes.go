package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// Codes makes message authentication codes under one key: HMAC-SHA256, RFC 2104. It keeps
// computations that bear the key, as making one costs more than using it. It is safe for
// concurrent use.
type Codes struct {
	pool sync.Pool // of *code
}

// code is one computation, with room for what goes in and comes out.
type code struct {
	hash hash.Hash
	in   []byte
	out  [sha256.Size]byte
}

// NewCodes takes a key that is used for nothing else, see Keeper.MACKey.
func NewCodes(key []byte) *Codes {
	key = append([]byte(nil), key...)
	return &Codes{sync.Pool{New: func() any { return &code{hash: hmac.New(sha256.New, key)} }}}
}

// Of is the code of the parts, one after the other: where one ends and the next begins is the
// caller's to tell, as by a length that is fixed or a zero byte.
func (c *Codes) Of(parts ...[]byte) [sha256.Size]byte {
	m, _ := c.pool.Get().(*code)
	defer c.pool.Put(m)
	m.in = m.in[:0]
	for _, p := range parts {
		m.in = append(m.in, p...)
	}
	m.hash.Reset()
	m.hash.Write(m.in)
	return [sha256.Size]byte(m.hash.Sum(m.out[:0]))
}
