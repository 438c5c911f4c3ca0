package queues_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// TestCommandIsShownBeforeItIsDone walks from the choice over the preview to the deed,
// as a tenant's person and as staff, without scripts.
func TestCommandIsShownBeforeItIsDone(t *testing.T) {
	for who, base := range map[string]string{webtest.Clerk: "/queue", webtest.Staff: "/platform/queue"} {
		d := webtest.Open(t).SignIn(who)
		a := d.Get(base + "/preview?command=hold&domain=kunde.example&reason=Preis")
		if a.StatusCode != http.StatusOK || !strings.Contains(a.Text, "1.203") || !strings.Contains(a.Text, "1.200") {
			t.Fatalf("%s: preview %d: %s", base, a.StatusCode, a.Text)
		}
		token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(a.Text)
		if token == nil {
			t.Fatalf("%s: no token", base)
		}
		if a := d.Post(base+"/commands", url.Values{"token": {"made up"}}); a.StatusCode != http.StatusConflict {
			t.Errorf("%s: a made-up token: %d", base, a.StatusCode)
		}
		a = d.Post(base+"/commands", url.Values{"token": {token[1]}})
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != base+"?done=hold" {
			t.Errorf("%s: done %d to %q", base, a.StatusCode, a.Header.Get("Location"))
		}
	}
}

// TestTenantsSeeTheirOwnOrders: the platform's orders are not theirs, nor is rerouting.
func TestTenantsSeeTheirOwnOrders(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get("/queue")
	if strings.Contains(a.Text, "mx.gmx.example") || strings.Contains(a.Text, `value="reroute"`) || !strings.Contains(a.Text, "ord_") {
		t.Error("the page shows the wrong orders or commands")
	}
	if staff := webtest.Open(t).SignIn(webtest.Staff).Get("/platform/queue"); !strings.Contains(staff.Text, "mx.gmx.example") {
		t.Error("staff do not see all orders")
	}
}

// TestRefusedChoiceStandsAtItsField: what cannot be read comes back with its problem.
func TestRefusedChoiceStandsAtItsField(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for address, field := range map[string]string{
		"/queue/preview?command=suspend&hours=x":  "hours-problem",
		"/queue/preview?command=hold&what=msg_x":  "what-problem",
		"/queue/preview?command=burn&tag=bleibt":  "command-problem",
		"/queue/preview?command=suspend&hours=-1": "hours-problem",
	} {
		if a := d.Get(address); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="`+field+`"`) {
			t.Errorf("%s: %d without %s", address, a.StatusCode, field)
		}
	}
}

// TestAgesAreSortedAndExported: told apart as asked for, whatever the names are.
func TestAgesAreSortedAndExported(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	webtest.Expect(t, d.Get("/platform/queue/ages?by=domain"), http.StatusOK, "1.203", "gmx.example", "=cmd|<script>", "Geschätzt aus einer Stichprobe")
	webtest.Expect(t, d.Get("/platform/queue/ages?by=nonsense"), http.StatusOK, "In Warteschlange", "Vorübergehend verzögert")
	webtest.Expect(t, d.Get("/platform/queue/ages?by=tenant"), http.StatusOK, "Nichts wartet")
	for sort, first := range map[string]string{"": "gmx.example;1200", "oldest": "gmx.example;1200", "-oldest": "'=cmd|<script>;3;180000;45000;90000", "count": "'=cmd|<script>;3"} {
		lines := strings.Split(strings.TrimSpace(d.Get("/platform/queue/ages.csv?by=domain&sort="+sort).Text), "\n")
		if len(lines) != 3 || !strings.HasPrefix(lines[1], first) {
			t.Errorf("%q: %q", sort, lines)
		}
	}
}

// TestOrdersAndLogAreExported: one's own to tenants, all to staff.
func TestOrdersAndLogAreExported(t *testing.T) {
	for who, base := range map[string]string{webtest.Clerk: "/queue", webtest.Staff: "/platform/queue"} {
		d := webtest.Open(t).SignIn(who)
		orders := d.Get(base + "/orders.csv?sort=scope").Text
		if strings.Contains(orders, "mx.gmx.example") != (who == webtest.Staff) || !strings.Contains(orders, "<b>Wartung</b>") {
			t.Errorf("%s: %s", base, orders)
		}
		if log := d.Get(base + "/log.csv").Text; !strings.Contains(log, "Abbrechen;Alles;7;6;;Doppelt") {
			t.Errorf("%s: %s", base, log)
		}
	}
}

// TestTablesAreNarrowed: orders and commands by a text in them and by the command, on
// the page and in the file, with the names of accounts and people instead of what
// identifies them.
func TestTablesAreNarrowed(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	name, id := d.World.Tenant.Name, d.World.Tenant.ID.String()
	webtest.Expect(t, d.Get("/platform/queue?q=wartung&given=suspend"), http.StatusOK, name, "mx.gmx.example")
	webtest.Expect(t, d.Get("/platform/queue?q=gibtesnicht"), http.StatusOK, "Nichts passt zu diesem Filter.")
	if a := d.Get("/platform/queue"); strings.Contains(a.Text, id) {
		t.Errorf("the page calls %s %s", name, id)
	}
	for query, lines := range map[string]int{"": 3, "?q=" + url.QueryEscape(name): 2, "?given=reroute": 1, "?given=nonsense": 3} {
		text := strings.TrimSpace(d.Get("/platform/queue/orders.csv" + query).Text)
		if strings.Count(text, "\n")+1 != lines || strings.Contains(text, id) {
			t.Errorf("%q: %s", query, text)
		}
	}
}
