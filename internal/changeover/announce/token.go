package announce

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"stafette/internal/changeover/affected"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

const (
	macSize   = 16 // bytes: 128 bits
	tokenSize = 16 + 16 + macSize
)

// Path is where the pages of customers lie; a token follows. FAQPath is where questions
// and answers lie; the changeover and the tenant follow.
const (
	Path    = "/changeover/"
	FAQPath = Path + "questions/"
)

// token is a capability: it names a customer and bears a MAC that nobody can make
// without the root key. What it names is no secret.
func (s *Service) token(t tenant.ID, n affected.ID) string {
	raw := make([]byte, 0, tokenSize)
	raw = append(append(raw, t[:]...), n[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac(raw)...))
}

func (s *Service) mac(named []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write(named)
	return m.Sum(nil)[:macSize]
}

// unknown is the answer to every token that opens nothing, whatever is wrong with it.
func unknown() error {
	return fault.New(fault.NotFound, "changeover_link_unknown", "There is no such link.")
}

func (s *Service) named(token string) (tenant.ID, affected.ID, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenSize || !hmac.Equal(raw[32:], s.mac(raw[:32])) {
		return tenant.ID{}, affected.ID{}, unknown()
	}
	return tenant.ID(raw[:16]), affected.ID(raw[16:32]), nil
}
