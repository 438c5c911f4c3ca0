package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// Figures is what became of mail, as programs read it.
type Figures struct {
	Delivered   int64 `json:"delivered" doc:"A receiving server took responsibility"`
	Bounced     int64 `json:"bounced" doc:"Refused for good"`
	Expired     int64 `json:"expired" doc:"Given up after all attempts"`
	Delayed     int64 `json:"delayed" doc:"The first attempt failed for now"`
	LateBounced int64 `json:"late_bounced" doc:"Came back after delivery"`
	Complained  int64 `json:"complained" doc:"Reported as spam; not every provider reports it"`
	// DeliveryRate is delivered by results.
	DeliveryRate *float64 `json:"delivery_rate" doc:"delivered / (delivered + bounced + expired), 0 to 1; null below 20 results"`
	P50Seconds   *float64 `json:"p50_seconds" doc:"Half were delivered in at most this time from acceptance, or from send_at; null if none was, or it took longer than a day"`
	P95Seconds   *float64 `json:"p95_seconds" doc:"Likewise 95 of 100"`
	Slow         int64    `json:"slow" doc:"Deliveries that took longer than 15 minutes"`
}

func figuresOf(f *insight.Figures) Figures {
	out := Figures{Delivered: f.Delivered, Bounced: f.Bounced, Expired: f.Expired, Delayed: f.Delayed,
		LateBounced: f.LateBounced, Complained: f.Complained, Slow: f.Slow(), P50Seconds: seconds(f, .5), P95Seconds: seconds(f, .95)}
	if rate, ok := f.Rate(); ok {
		out.DeliveryRate = &rate
	}
	return out
}

func seconds(f *insight.Figures, q float64) *float64 {
	d, ok := f.Within(q)
	if !ok || d == 0 {
		return nil
	}
	s := d.Seconds()
	return &s
}

// ProviderFigures are the figures at one mailbox provider.
type ProviderFigures struct {
	Provider string `json:"provider" doc:"gmx, webde, tonline, gmail, ms, yahoo …; empty for all others together"`
	Name     string `json:"name"`
	Figures
	Before Figures `json:"before" doc:"The same in as long a time before"`
}

// DeliveryFigures are the figures of one hour, day, stream or provider.
type DeliveryFigures struct {
	From     *time.Time `json:"from" doc:"Beginning of the hour or day; null where not told apart by it"`
	Stream   string     `json:"stream" doc:"Empty where not told apart by it"`
	Provider string     `json:"provider" doc:"Empty where not told apart by it, and for providers without a name"`
	Figures
}

// Span is the time that figures are asked for.
type Span struct {
	From string `query:"from" maxLength:"40" doc:"RFC 3339, or a date in UTC; rounded down to the hour. Default: seven days ago"`
	To   string `query:"to" maxLength:"40" doc:"Before this. Default: now"`
}

// longestSpan bounds what is read at once; by the hour it is insight.HoursKept.
const longestSpan = 3 * 366 * 24 * time.Hour

func (in Span) span(now time.Time) (from, to time.Time, err error) {
	d := &decoder{place: "query/"}
	from, to = d.instant("from", in.From), d.instant("to", in.To)
	if to.IsZero() {
		to = now
	}
	if from.IsZero() {
		from = to.AddDate(0, 0, -7)
	}
	if len(d.wrong) == 0 && (!from.Before(to) || to.Sub(from) > longestSpan) {
		d.refuse("from", fault.Field("", "span_malformed", "The time from is not before to, or more than three years before it."))
	}
	return from, to, fault.Join(d.wrong)
}

type providersInput struct {
	Span
	Stream string `query:"stream" enum:"transactional,lead,reminder,newsletter,system"`
}

type providersOutput struct {
	Body struct {
		From time.Time         `json:"from"`
		To   time.Time         `json:"to"`
		Data []ProviderFigures `json:"data" nullable:"false" doc:"Most results first"`
	}
}

func (a *API) providerStatistics(ctx context.Context, in *providersInput) (*providersOutput, error) {
	from, to, err := in.span(a.c.Now())
	if err != nil {
		return nil, err
	}
	t := keyOf(ctx).Tenant
	now, err := a.c.Statistics.Providers(ctx, t, tenant.Stream(in.Stream), from, to)
	if err != nil {
		return nil, err
	}
	before, err := a.c.Statistics.Providers(ctx, t, tenant.Stream(in.Stream), from.Add(-to.Sub(from)), from)
	if err != nil {
		return nil, err
	}
	out := &providersOutput{}
	out.Body.From, out.Body.To, out.Body.Data = from, to, make([]ProviderFigures, len(now))
	for i := range now {
		one := ProviderFigures{Provider: now[i].Provider, Name: a.c.ProviderName(now[i].Provider), Figures: figuresOf(&now[i].Figures)}
		for j := range before {
			if before[j].Provider == now[i].Provider {
				one.Before = figuresOf(&before[j].Figures)
			}
		}
		out.Body.Data[i] = one
	}
	return out, nil
}

type deliveriesInput struct {
	Span
	By string `query:"by" enum:"hour,day,provider,stream" default:"day" doc:"Days are those of UTC; hours go back 100 days"`
}

type deliveriesOutput struct {
	Body struct {
		From time.Time         `json:"from"`
		To   time.Time         `json:"to"`
		Data []DeliveryFigures `json:"data" nullable:"false" doc:"Hours and days without a gap, in order; else most results first"`
	}
}

func (a *API) deliveryStatistics(ctx context.Context, in *deliveriesInput) (*deliveriesOutput, error) {
	from, to, err := in.span(a.c.Now())
	if err != nil {
		return nil, err
	}
	by := insight.By(in.By)
	if (by == insight.ByHour || by == insight.ByDay) && from.Before(a.c.Now().Add(-insight.HoursKept)) {
		return nil, fault.Field("/query/from", "span_too_old", "By hour or day, figures go back 100 days.")
	}
	groups, err := a.c.Statistics.Groups(ctx, keyOf(ctx).Tenant, by, from, to, nil)
	if err != nil {
		return nil, err
	}
	out := &deliveriesOutput{}
	out.Body.From, out.Body.To, out.Body.Data = from, to, make([]DeliveryFigures, len(groups))
	for i := range groups {
		one := DeliveryFigures{Stream: string(groups[i].Stream), Provider: groups[i].Provider, Figures: figuresOf(&groups[i].Figures)}
		if !groups[i].From.IsZero() {
			one.From = &groups[i].From
		}
		out.Body.Data[i] = one
	}
	return out, nil
}

func statisticsRoutes() []Route {
	return []Route{
		{Method: http.MethodGet, Path: "/v1/statistics/providers", Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "provider-statistics", summary: "Compare mailbox providers", register: registerWith((*API).providerStatistics)},
		{Method: http.MethodGet, Path: "/v1/statistics/deliveries", Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "delivery-statistics", summary: "Read what became of mail in figures", register: registerWith((*API).deliveryStatistics)},
	}
}
