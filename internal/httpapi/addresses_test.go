package httpapi_test

import (
	"context"
	"testing"

	"stafette/internal/dns"
	"stafette/internal/httpapi"
)

// closed is a resolver whose domains take no mail.
type closed struct{}

func (closed) MX(context.Context, string) ([]dns.MX, error) { return nil, dns.ErrNoMail }

func TestValidateAddress(t *testing.T) {
	w := newWorld(t)
	w.suppress("eva@kunde.example")
	for body, want := range map[string]string{
		`{"address":"eva@kunde.example"}`: "bad suppressed manual domain_closed",
		`{"address":"max@gmial.com"}`:     "bad domain_closed typo max@gmail.com",
		`{"address":"max"}`:               "bad syntax",
	} {
		v := read[httpapi.AddressVerdict](w, w.put("/v1/addresses/validate", w.key, body), 200)
		have := v.Rating
		for _, f := range v.Findings {
			have += " " + f.Code
			if f.Reason != "" {
				have += " " + f.Reason
			}
		}
		if v.Suggestion != "" {
			have += " " + v.Suggestion
		}
		if have != want {
			t.Errorf("%s: %s, want %s", body, have, want)
		}
	}
	// T20: another tenant's list has no say.
	if v := read[httpapi.AddressVerdict](w, w.put("/v1/addresses/validate", w.other, `{"address":"eva@kunde.example"}`), 200); len(v.Findings) != 1 {
		t.Errorf("other tenant: %+v", v)
	}
}
