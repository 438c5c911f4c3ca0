package diagnosis_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/fault"
)

// T25: a token cannot be made up, altered or moved to another tenant, and what does not
// hold is told from nothing else.
func TestLinksAreCapabilities(t *testing.T) {
	w := newWorld(t)
	d, a := delivered()
	m := w.put(w.a, time.Hour, "Betreff", "Eva|eva@gmx.de", d, a)
	id := m.Deliveries[0].ID
	l, err := w.LinkTo(t.Context(), w.a, id, "usr_1")
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimPrefix(w.URL(l), "https://post.example/status/")
	v, _, err := w.Open(t.Context(), token)
	if err != nil || v.Delivery.ID != id || len(token) != diagnosis.TokenLength {
		t.Fatalf("%+v, %v", v, err)
	}
	bad := func(name, token string) {
		t.Helper()
		_, _, err := w.Open(t.Context(), token)
		if e := fault.As(err); e == nil || e.Code != "status_link_not_found" || e.Kind != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	for i := range len(raw) * 8 {
		raw[i/8] ^= 1 << (i % 8)
		bad("a flipped bit", base64.RawURLEncoding.EncodeToString(raw))
		raw[i/8] ^= 1 << (i % 8)
	}
	for _, text := range []string{"", "x", token[:40], token + "A", token + "=", strings.Repeat("A", diagnosis.TokenLength), strings.Repeat("/", 64), "\x00"} {
		bad("nonsense", text)
	}
	same, err := w.LinkTo(t.Context(), w.a, id, "usr_2")
	if err != nil || same != l {
		t.Errorf("a second link while the first is good: %+v, %v", same, err)
	}
	if _, err := w.LinkTo(t.Context(), w.b, id, "usr_1"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	if _, err := w.Revoke(t.Context(), w.b, id); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	w.now = start.Add(16 * 24 * time.Hour)
	fresh, err := w.LinkTo(t.Context(), w.a, id, "usr_1")
	if err != nil || fresh == l {
		t.Errorf("no new link in the second half: %v", err)
	}
	w.now = start.Add(30 * 24 * time.Hour)
	bad("expired", token)
	if n, err := w.Revoke(t.Context(), w.a, id); err != nil || n == 0 {
		t.Errorf("revoked %d, %v", n, err)
	}
	bad("taken back", strings.TrimPrefix(w.URL(fresh), "https://post.example/status/"))
}

func FuzzOpen(f *testing.F) {
	w := newWorld(f)
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if _, _, err := w.Open(t.Context(), token); err == nil {
			t.Error("opened")
		}
	})
}
