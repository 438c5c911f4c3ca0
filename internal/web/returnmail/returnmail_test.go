package returnmail_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/web/webtest"
)

const path = "/platform/returns"

func TestListTellsWhatBecameOfEach(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	webtest.Expect(t, d.Get(path), http.StatusOK,
		"Meldung eines Mailservers Zugeordnet", "Hafenkontor Immobilien dlv_", "SPF pass, DKIM none, DMARC none",
		"Beschwerde oder Abmeldung Ohne Wirkung: Nichts belegt, dass es um eine unserer Zustellungen geht.", "Beschwerdestelle (abuse, fbl)",
		"Noch nicht gelesen", "Abwesend Eva <eva@gmx.example>")
	for query, want := range map[string]int{"": 5, "?state=matched": 3, "?kind=dsn": 1, "?state=unmatched&kind=dsn": 0, "?state=x&kind=y&after=z": 5} {
		n := 0
		webtest.Each(d.Get(path+query).Document(t), func(e *html.Node) {
			if e.Data == "tr" && strings.HasPrefix(webtest.Attribute(e, "id"), "ret_") {
				n++
			}
		})
		if n != want {
			t.Errorf("%q: %d rows, want %d", query, n, want)
		}
	}
}

// T14: a stranger's bytes are text, whatever they are made of.
func TestRawIsText(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	a := d.Get(d.World.Concrete(path+"/{id}", false))
	webtest.Expect(t, a, http.StatusOK, "<script>alert(1)</script><img src=x onerror=alert(2)>", "<script>alert(1)</script> Undelivered",
		"Rückweg einer Zustellung", "mx00.gmx.example [198.51.100.7]", "<>")
	webtest.Each(a.Document(t), func(n *html.Node) {
		if n.Data == "img" || n.Data == "script" && webtest.Attribute(n, "src") == "" {
			t.Errorf("<%s> came in from outside", n.Data)
		}
	})
	for _, odd := range []string{"x", "msg_01k00000000000000000000000", "ret_01k00000000000000000000000"} {
		if a := d.Get(path + "/" + odd); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", odd, a.StatusCode)
		}
	}
}

func TestExport(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	a := d.Get(path + ".csv?state=unmatched")
	lines := strings.Split(strings.TrimSpace(a.Text), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], ";'=fbl@provider.example;") || !strings.Contains(lines[1], "SPF fail, DKIM fail, DMARC fail") {
		t.Errorf("exported %q", lines)
	}
}
