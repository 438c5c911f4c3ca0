package plans_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// TestStaffBook: what is wrong comes back in its own form, what is right is booked.
func TestStaffBook(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	at := "/platform/tenants/" + d.World.Tenant.ID.String() + "/plan"
	for _, c := range []struct {
		path   string
		form   url.Values
		status int
		says   string
	}{
		{at + "/grant", url.Values{"grant-amount": {"viele"}, "grant-note": {"x"}}, http.StatusUnprocessableEntity, `id="grant-amount-problem"`},
		{at + "/grant", url.Values{"grant-amount": {"1.000"}, "grant-note": {"bestellt"}}, http.StatusSeeOther, ""},
		{at + "/refund", url.Values{"refund-entry": {"lge_unknown"}, "refund-note": {"doppelt"}}, http.StatusUnprocessableEntity, `id="refund-entry-problem"`},
		{at, url.Values{"plan": {"pln_unknown"}}, http.StatusUnprocessableEntity, `id="plan-problem"`},
		{"/platform/plans", url.Values{"name": {""}, "included": {"-1"}, "overage": {"burn"}}, http.StatusUnprocessableEntity, `id="included-problem"`},
	} {
		a := d.Post(c.path, c.form)
		if a.StatusCode != c.status || !strings.Contains(a.Text, c.says) {
			t.Errorf("%s %v: status %d, without %q", c.path, c.form, a.StatusCode, c.says)
		}
	}
	if a := d.Get(at); !strings.Contains(a.Text, "bestellt") {
		t.Error("the booking is not in the ledger")
	}
}

// TestExport: the ledger is a file, without formulas.
func TestExport(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get("/plan.csv")
	if a.StatusCode != http.StatusOK || !strings.Contains(a.Text, "-900") || !strings.Contains(a.Text, "Kulanz") {
		t.Errorf("status %d: %s", a.StatusCode, a.Text)
	}
}
