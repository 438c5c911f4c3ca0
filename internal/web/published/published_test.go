package published_test

import (
	"net/http"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// Staff see the list, who is told and what DNS says; an account sees its own list and the
// pages for strangers, and nothing of the others.
func TestPublishedPages(t *testing.T) {
	staff := webtest.Open(t).SignIn(webtest.Staff)
	for path, want := range map[string][]string{
		"/platform/published":     {"192.0.2.17", "Läuft aus", "t…@kunde.example", "kunde.example", "nicht bestätigt", `href="/absender-ips"`, "Plattform"},
		"/platform/published/dns": {"_spf.stafette.example", "Anders", "SPF deckt nicht ab: ", "SPF nennt, obwohl nicht genutzt: 192.0.2.99", "_sending.stafette.example", "Fehlt"},
		"/platform/published/dns?list=" + staff.World.Tenant.ID.String(): {"hafenkontor"},
	} {
		a := staff.Get(path)
		for _, text := range want {
			if a.StatusCode != http.StatusOK || !strings.Contains(a.Text, text) {
				t.Errorf("%s: status %d, lacks %q", path, a.StatusCode, text)
			}
		}
		if strings.Contains(a.Text, "technik@") || strings.Contains(a.Text, "/hook") {
			t.Errorf("%s tells whole targets", path)
		}
	}
	for _, bad := range []string{"x", "ten_00000000000000000000000001"} {
		if a := staff.Get("/platform/published/dns?list=" + bad); a.StatusCode != http.StatusNotFound {
			t.Errorf("list %s: status %d", bad, a.StatusCode)
		}
	}
	clerk := webtest.Open(t).SignIn(webtest.Owner)
	own := clerk.World.Tenant.ID.String()
	if a := clerk.Get("/our-addresses"); !strings.Contains(a.Text, "192.0.2.17") || !strings.Contains(a.Text, "/echt/"+own) || !strings.Contains(a.Text, "/absender-ips/"+own) || strings.Contains(a.Text, "kunde.example") {
		t.Errorf("own page: %s", a.Text)
	}
}
