package lead

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
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

// Part is what of a test lead can be proven to have arrived.
type Part string

// The parts. XML and Body are proven by their codes; that the entry stands in the CRM is
// the receiver's word alone.
const (
	PartBody Part = "body"
	PartXML  Part = "xml"
	PartCRM  Part = "crm"
)

// Proven is when each part of a test lead was first seen to arrive; zero: not yet.
type Proven struct{ Body, XML, CRM time.Time }

// CodeCode is an entered code that belongs to no part of this test lead.
const CodeCode = "lead_code_wrong"

// Confirm notes what the receiver of a test lead has seen: the codes he entered, in any
// order, and whether the entry stands in his CRM. A code that is not of this lead is
// Invalid "lead_code_wrong" and nothing is noted; callers bound the guesses.
func (s *Service) Confirm(ctx context.Context, l Lead, entered []string, crm bool) (Proven, error) {
	var seen Proof
	for _, text := range entered {
		if strings.TrimSpace(text) == "" {
			continue
		}
		one := s.Prove(l, text)
		if one == (Proof{}) {
			return Proven{}, fault.New(fault.Invalid, CodeCode, "This code belongs to no part of this test lead.")
		}
		seen.XML, seen.Body = seen.XML || one.XML, seen.Body || one.Body
	}
	var parts []Part
	for part, there := range map[Part]bool{PartBody: seen.Body, PartXML: seen.XML, PartCRM: crm} {
		if there && l.Test {
			parts = append(parts, part)
		}
	}
	if len(parts) > 0 {
		if err := s.c.Store.ProveLead(ctx, l, parts, s.c.Now().UTC().Truncate(time.Millisecond)); err != nil {
			return Proven{}, fmt.Errorf("note what of a test lead arrived: %w", err)
		}
	}
	return s.Proven(ctx, l.Tenant, l.ID)
}

// Proven tells what of a test lead was seen to arrive.
func (s *Service) Proven(ctx context.Context, t tenant.ID, number ID) (Proven, error) {
	return s.c.Store.LeadProof(ctx, t, number)
}
