package announce_test

import (
	"strings"
	"testing"

	"stafette/internal/fault"
)

// FuzzLink hands the page of customers made-up links and codes: no other link opens
// anything, and nothing but the codes of the customer's own tests proves anything.
func FuzzLink(f *testing.F) {
	f.Add("", "")
	f.Add(strings.Repeat("A", 64), "TXT-new-a;XML-new-a")
	f.Add("../../etc/passwd", strings.Repeat("x ", 500)+"\x00\xff")
	f.Fuzz(func(t *testing.T, token, codes string) {
		w := newWorld(t)
		good := w.token("1")
		if _, err := w.Open(t.Context(), token); token != good && token != w.token("2") && !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%q opens a page: %v", token, err)
		}
		w.must(w.Order(t.Context(), good))
		e, err := w.Enter(t.Context(), good, codes)
		w.must(err)
		if e.Body > 0 && !strings.Contains(codes, "TXT-new-") || e.XML > 0 && !strings.Contains(codes, "XML-new-") {
			t.Errorf("%q proves %+v", codes, e)
		}
	})
}
