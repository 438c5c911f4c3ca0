package message

import "strings"

// TLSNeed is what a message's sender says about encryption on its way (RFC 8689).
// The zero value leaves it to the policies of the recipients' domains.
type TLSNeed uint8

// The needs. Their numbers are kept in the database.
const (
	TLSByPolicy TLSNeed = 0
	TLSDemanded TLSNeed = 1 // REQUIRETLS: over proven, encrypted sessions only, or not at all
	TLSWaived   TLSNeed = 2 // "TLS-Required: No": rather in clear than not
)

// tlsRequired is the header field of RFC 8689, 5.
const tlsRequired = "TLS-Required"

// NeedOf returns what header fields say of encryption: TLSWaived if there is exactly
// one TLS-Required field and it says "No", as RFC 8689, 5 has it.
func NeedOf(fields []Field) TLSNeed {
	need, seen := TLSByPolicy, 0
	for _, f := range fields {
		if !f.Is(tlsRequired) {
			continue
		}
		seen++
		if strings.EqualFold(strings.TrimSpace(f.Value), "no") {
			need = TLSWaived
		}
	}
	if seen != 1 {
		return TLSByPolicy
	}
	return need
}
