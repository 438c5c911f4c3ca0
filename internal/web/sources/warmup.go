package sources

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/web/frame"
)

// rising is one source that warms up, with all its providers.
type rising struct {
	source egress.Source
	list   []egress.Progress
}

func (c Config) progress(ctx context.Context, p frame.Page, plan egress.Plan, s egress.Source) ([]egress.Progress, error) {
	if s.State != egress.StateNew || s.WarmUpFrom.IsZero() {
		return nil, nil
	}
	tallies, err := c.Store.SentFrom(ctx, s.Name, egress.DayOf(s.WarmUpFrom))
	if err != nil {
		return nil, fmt.Errorf("warm-up: %w", err)
	}
	return egress.ProgressOf(plan, c.Shaping(), s, tallies, p.Now), nil
}

func (c Config) warmUps(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "warm-up", p.T("nav.warm-up")
	ways, err := c.Planner.Ways(r.Context())
	if err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	var all []rising
	for _, s := range ways.Sources {
		list, err := c.progress(r.Context(), p, ways.Plan, s)
		if err != nil {
			return err
		}
		if list != nil {
			all = append(all, rising{s, list})
		}
	}
	return p.Render(w, r, http.StatusOK, warmUpPage(p, all))
}

func (c Config) pace(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	pair := egress.Pair{Source: r.PostForm.Get("source"), Provider: r.PostForm.Get("provider")}
	step := egress.PaceStep(r.PostForm.Get("step"))
	if pair.Provider == "" {
		return fault.Field("provider", "provider_unknown", "Name a provider.")
	}
	if err := c.Planner.Pace(r.Context(), pair, step, p.Who.User.ID.String()); err != nil {
		return fmt.Errorf("change warm-up: %w", err)
	}
	frame.Redirect(w, r, atWarmUp, "paced")
	return nil
}

// The measures of the drawing of a warm-up, in its own units.
const (
	barWidth    = 10
	barGap      = 3
	chartHeight = 60
)

// bar is one day of a drawn warm-up: what is allowed, and of it what was sent.
type bar struct {
	x, limitY, limitH, sentY, sentH string
	today                           bool
}

// bars draws the days to scale; the table beside it says the same in figures.
func bars(v egress.Progress) (list []bar, width string) {
	top := int64(1)
	for _, d := range v.Calendar {
		top = max(top, d.Limit, d.Sent)
	}
	height := func(n int64) int {
		h := int(n * chartHeight / top)
		if n > 0 {
			h = max(h, 1) // a single mail is still a visible sliver
		}
		return h
	}
	for i, d := range v.Calendar {
		limit, sent := height(d.Limit), height(d.Sent)
		list = append(list, bar{
			x: strconv.Itoa(i * (barWidth + barGap)), limitY: strconv.Itoa(chartHeight - limit), limitH: strconv.Itoa(limit),
			sentY: strconv.Itoa(chartHeight - sent), sentH: strconv.Itoa(sent), today: d.Today,
		})
	}
	return list, strconv.Itoa(max(len(v.Calendar)*(barWidth+barGap)-barGap, barWidth))
}

// providerName names a provider, or a site that is none we know.
func providerName(p frame.Page, provider string) string {
	return p.Either("sources.provider."+provider, "sources.word", "word", provider)
}
