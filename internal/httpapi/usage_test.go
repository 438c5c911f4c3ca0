package httpapi_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"stafette/internal/httpapi"
	"stafette/internal/ledger"
	"stafette/internal/tenant"
)

// plans has a plan of the world's own tenant.
type plans struct{ w *world }

// Statement implements httpapi.Ledger.
func (p plans) Statement(_ context.Context, t tenant.ID) (v ledger.Statement, _ error) {
	if v.Tenant = t; t == p.w.tenant {
		month := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		v.Plan, v.Name, v.Month, v.Included, v.Used, v.Spent, v.Credit, v.Base, v.Overage = ledger.PlanID{1}, "Basis", month, 100, 90, 90, 5, 105, ledger.Hold
		v.Charges = []ledger.Charged{{Day: month, Included: 90}}
	}
	return v, nil
}

// TestUsage: each key reads its own tenant's plan.
func TestUsage(t *testing.T) {
	w := newWorld(t)
	u := read[httpapi.Usage](w, w.ask(http.MethodGet, "/v1/usage", w.key, nil), 200)
	if u.Plan != "Basis" || u.Left != 15 || u.Sent != 90 || u.Percent != 85 || u.Overage != "hold" || len(u.Days) != 1 || u.Days[0].Day != "2026-11-01" {
		t.Errorf("usage %+v", u)
	}
	if u = read[httpapi.Usage](w, w.ask(http.MethodGet, "/v1/usage", w.other, nil), 200); u.Plan != "" || u.Month != nil || len(u.Days) != 0 {
		t.Errorf("another tenant reads %+v", u)
	}
}
