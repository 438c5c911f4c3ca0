package tracking_test

import (
	"strings"
	"testing"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func keyed(t testing.TB, letter string) *tracking.Tokens {
	t.Helper()
	k, err := tracking.NewTokens([]byte(strings.Repeat(letter, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// T25: every changed bit, another purpose and another key make a token foreign.
func TestTokensCannotBeForged(t *testing.T) {
	k := keyed(t, "k")
	want := tracking.Token{Purpose: tracking.ForLink, Tenant: tenant.ID{1}, Message: message.NewID(start()), Number: 3}
	text := k.Make(want)
	if have, err := k.Parse(tracking.ForLink, text); err != nil || have != want || len(text) != tracking.TokenLength {
		t.Fatalf("%+v, %v, %d characters", have, err, len(text))
	}
	if _, err := k.Parse(tracking.ForPixel, text); err != tracking.ErrForeign { //nolint:errorlint // exactly this one
		t.Errorf("for another purpose: %v", err)
	}
	if _, err := keyed(t, "x").Parse(tracking.ForLink, text); err != tracking.ErrForeign { //nolint:errorlint // exactly this one
		t.Errorf("of another installation: %v", err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range len(text) {
		for _, c := range []byte(alphabet + "=+/ \n") {
			forged := text[:i] + string(c) + text[i+1:]
			if _, err := k.Parse(tracking.ForLink, forged); c != text[i] && err == nil {
				t.Fatalf("taken with %q at %d", c, i)
			}
		}
	}
	for _, other := range []string{"", text + "A", text[1:], text + "=", strings.Repeat("A", len(text))} {
		if _, err := k.Parse(tracking.ForLink, other); err == nil {
			t.Errorf("taken: %q", other)
		}
	}
	if _, err := tracking.NewTokens(make([]byte, 31)); err == nil {
		t.Error("a short key is taken")
	}
}

func FuzzToken(f *testing.F) {
	k := keyed(f, "k")
	f.Add(k.Make(tracking.Token{Purpose: tracking.ForPixel, Tenant: tenant.ID{1}, Message: message.ID{2}}))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range []tracking.Purpose{tracking.ForPixel, tracking.ForLink, tracking.ForConsent, tracking.ForPage} {
			if have, err := k.Parse(p, text); err == nil && k.Make(have) != text {
				t.Errorf("%q has a second spelling", text)
			}
		}
	})
}
