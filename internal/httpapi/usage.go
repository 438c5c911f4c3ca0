package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/ledger"
	"stafette/internal/tenant"
)

// Ledger tells what is left of plans; *ledger.Service does.
type Ledger interface {
	Statement(ctx context.Context, t tenant.ID) (ledger.Statement, error)
}

func usageRoutes() []Route {
	return []Route{
		{Method: http.MethodGet, Path: "/v1/usage", Scope: tenant.ScopeRead, status: 200,
			id: "get-usage", summary: "Read what is used and left of the own plan", register: registerWith((*API).usage)},
	}
}

// Usage is what is used and left of a plan.
type Usage struct {
	Plan     string     `json:"plan" doc:"Its name; empty: there is no plan, and nothing is charged"`
	Month    *time.Time `json:"month" doc:"The calendar month (UTC) that the figures are of, its beginning; null without a plan"`
	Included int64      `json:"included" doc:"Recipients that the month includes"`
	Used     int64      `json:"used" doc:"Of these used"`
	Credit   int64      `json:"credit" doc:"Recipients that were bought or given, and are not used"`
	Left     int64      `json:"left" doc:"Recipients that can still be written to"`
	Sent     int64      `json:"sent" doc:"Recipients charged in the month, of what it includes and of credit"`
	Percent  int        `json:"percent" doc:"Used of what there was, 0 to 100"`
	Overage  string     `json:"overage" enum:"hold,refuse," doc:"What becomes of mail for which nothing is left: it is accepted and waits, or is refused"`
	Waiting  bool       `json:"waiting" doc:"Mail may be waiting for the plan"`
	Forecast int64      `json:"forecast" doc:"Recipients that the month comes to at this rate; 0: too early to say"`
	Days     []UsageDay `json:"days" nullable:"false" doc:"What each day (UTC) took, from new to old, at most 400"`
}

// UsageDay is what one day took.
type UsageDay struct {
	Day    string `json:"day" format:"date"`
	Amount int64  `json:"amount"`
}

type usageOutput struct{ Body *Usage }

func (a *API) usage(ctx context.Context, _ *struct{}) (*usageOutput, error) {
	v, err := a.c.Ledger.Statement(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	u := &Usage{Days: []UsageDay{}}
	for _, c := range v.Charges {
		u.Days = append(u.Days, UsageDay{c.Day.Format(time.DateOnly), c.Included + c.Credit})
	}
	if !v.Metered() {
		return &usageOutput{u}, nil
	}
	u.Plan, u.Month, u.Included, u.Used, u.Credit, u.Left, u.Sent = v.Name, &v.Month, v.Included, v.Used, v.Credit, v.Left(), v.Spent
	u.Percent, u.Overage, u.Waiting = v.Percent(), string(v.Overage), v.Waiting
	u.Forecast, _ = v.Forecast(a.c.Now())
	return &usageOutput{u}, nil
}
