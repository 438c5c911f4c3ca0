package lead

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// codes are the two codes of a test lead: one inside the XML, one in the words of the
// mail. Who enters them on the page of confirmation proves which part arrived; neither
// can be had from the other or from the lead's number.
func (s *Service) codes(l Lead) (xml, body string) {
	return s.code(l, "xml"), s.code(l, "body")
}

// code is 8 characters that can be read out: 40 bits, of which a few guesses are
// allowed.
func (s *Service) code(l Lead, part string) string {
	m := hmac.New(sha256.New, s.c.Keeper.MACKey("test lead"))
	m.Write(l.Tenant[:])
	m.Write(l.ID[:])
	m.Write([]byte(part))
	text := base32.NewEncoding("ABCDEFGHJKLMNPQRSTUVWXYZ23456789").EncodeToString(m.Sum(nil)[:5])
	return text[:4] + "-" + text[4:]
}

// Proof is what a test lead has proven.
type Proof struct{ XML, Body bool }

// Prove tells which of the codes of a test lead a person has entered. Case, spaces and
// dashes do not matter.
func (s *Service) Prove(l Lead, entered string) Proof {
	plain := strings.NewReplacer(" ", "", "-", "", "\t", "").Replace(strings.ToUpper(entered))
	xml, body := s.codes(l)
	is := func(code string) bool { return hmac.Equal([]byte(strings.ReplaceAll(code, "-", "")), []byte(plain)) }
	return Proof{XML: l.Test && is(xml), Body: l.Test && is(body)}
}
