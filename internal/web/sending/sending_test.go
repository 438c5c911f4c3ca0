package sending_test

import (
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// TestLanesAreSortedNarrowedAndSuspended: what staff do with the list of lanes.
func TestLanesAreSortedNarrowedAndSuspended(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	gmx, own := "mx.gmx.example</td>", "domain:kunde.example</td>"
	for address, first := range map[string]string{"": own, "?sort=depth": gmx, "?sort=-site": gmx, "?sort=nonsense": own} {
		text := d.Get("/platform/lanes" + address).Text
		a, b := strings.Index(text, gmx), strings.Index(text, own)
		if a < 0 || b < 0 || (a < b) != (first == gmx) {
			t.Errorf("%q: gmx at %d, own at %d", address, a, b)
		}
	}
	text := d.Get("/platform/lanes?site=gmx").Text
	if strings.Contains(text, own) || !strings.Contains(text, "command=resume&amp;order=ord_") {
		t.Error("the suspended lane cannot be resumed, or others are shown")
	}
	if text := d.Get("/platform/lanes?source=any").Text; !strings.Contains(text, "command=suspend&amp;domain=kunde.example") {
		t.Error("a domain's own lane is not suspended by its domain")
	}
}

// TestForeignWordsStayWords: what servers say is shown, not run.
func TestForeignWordsStayWords(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	for _, path := range []string{"/platform/lanes", "/platform/explain?domain=%3Cscript%3Ealert"} {
		text := d.Get(path).Text
		if strings.Contains(text, "<script>") || strings.Contains(text, "<b>later") || strings.Contains(text, "NOWL <x>") {
			t.Errorf("%s: foreign words unescaped", path)
		}
	}
}
