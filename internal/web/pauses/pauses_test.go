package pauses_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// TestWayBack: an account lets a paused group go on by saying what it did, and nobody else's.
func TestWayBack(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	groups, err := d.World.Groups().List(t.Context(), d.World.Tenant.ID)
	if err != nil || len(groups) == 0 {
		t.Fatal(err)
	}
	at := "/groups/" + groups[0].ID.String() + "/pause"
	if a := d.Get(at); !strings.Contains(a.Text, "Der Weg zurück") {
		t.Error("the page does not say how to go on")
	}
	for _, c := range []struct {
		note   string
		status int
	}{{"x", http.StatusUnprocessableEntity}, {"212 Adressen entfernt", http.StatusSeeOther}, {"noch einmal", http.StatusNotFound}} {
		if a := d.Post(at, url.Values{"note": {c.note}}); a.StatusCode != c.status {
			t.Errorf("%q: status %d, want %d", c.note, a.StatusCode, c.status)
		}
	}
	d.SignIn(webtest.Stranger)
	if a := d.Get(at); a.StatusCode != http.StatusNotFound {
		t.Errorf("another tenant reads it: %d", a.StatusCode)
	}
}

// TestLimits: shares are typed in percent, with a comma or a point.
func TestLimits(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Checker)
	at := "/platform/tenants/" + d.World.Tenant.ID.String() + "/limits"
	form := url.Values{"hours": {"72"}, "sent": {"200"}, "warn": {"0,2"}, "hard": {"2.5"}, "complaints": {"0,4"}, "unsubscribes": {"0"}}
	if a := d.Post(at, form); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="reason-problem"`) {
		t.Errorf("looser without a reason: status %d", a.StatusCode)
	}
	form.Set("reason", "Vereinszeitung, abgesprochen")
	if a := d.Post(at, form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	if a := d.Get(at); !strings.Contains(a.Text, `value="2,5"`) || !strings.Contains(a.Text, `value="0,4"`) || !strings.Contains(a.Text, `value="72"`) {
		t.Error("what was set is not there")
	}
	form.Set("hard", "viel")
	if a := d.Post(at, form); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="hard-problem"`) {
		t.Errorf("no number: status %d", a.StatusCode)
	}
	if a := d.Post(at, url.Values{"default": {"1"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("back to the platform's: status %d", a.StatusCode)
	}
}

// TestOwnLimits: an account tightens for a group and for all; staff see the group of another
// account, change its limits with a reason, and the account reads it.
func TestOwnLimits(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	groups, err := d.World.Groups().List(t.Context(), d.World.Tenant.ID)
	if err != nil || len(groups) == 0 {
		t.Fatal(err)
	}
	g := "/groups/" + groups[0].ID.String()
	at := g + "/pause"
	if a := d.Post(at+"/limits", url.Values{"for": {"group"}, "group-hard": {"50"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="group-hard-problem"`) || !strings.Contains(a.Text, `value="50"`) {
		t.Errorf("looser: status %d", a.StatusCode)
	}
	for _, form := range []url.Values{{"for": {"group"}, "group-unsubscribes": {"1,5"}}, {"for": {"account"}, "account-hard": {"0.5"}}} {
		if a := d.Post(at+"/limits", form); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d: %s", a.StatusCode, a.Text)
		}
	}
	if a := d.Get(at); !strings.Contains(a.Text, `value="1,5"`) || !strings.Contains(a.Text, `value="0,5"`) {
		t.Error("what was set is not there")
	}
	staff := "/platform/tenants/" + d.World.Tenant.ID.String() + g + "/limits"
	if a := d.Get(staff); a.StatusCode == http.StatusOK {
		t.Errorf("the account sees the page of staff: %d", a.StatusCode)
	}
	d.SignIn(webtest.Checker)
	if a := d.Post(staff, url.Values{"group-hard": {"4"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="reason-problem"`) {
		t.Errorf("without a reason: status %d", a.StatusCode)
	}
	if a := d.Post(staff, url.Values{"group-hard": {"4"}, "reason": {"Alter Bestand, abgesprochen"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	d.SignIn(webtest.Owner)
	if a := d.Get(at); !strings.Contains(a.Text, "Alter Bestand, abgesprochen") {
		t.Error("the account does not read why")
	}
}
