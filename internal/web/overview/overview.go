// Package overview is the first page of a tenant: what needs somebody now, where mail
// stands, the delivery rate at each provider beside its definition, how long deliveries
// take, and what lately went wrong.
//
// It is a subject of the door web (floor 4); it asks insight, lets figures write its
// numbers and words messages as package messages does.
package overview

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"stafette/internal/audit"
	"stafette/internal/event"
	"stafette/internal/insight"
	"stafette/internal/tenant"
	"stafette/internal/web/figures"
	"stafette/internal/web/frame"
	"stafette/internal/web/messages"
)

// Config is what the page stands on; all of it is needed.
type Config struct {
	Record  Record // of deeds
	Insight insight.Store
	Teller  messages.Teller
	Figures figures.Config
	Todos   insight.Todos
	Log     *slog.Logger
}

// Record tells who did what in the account; audit.Store does.
type Record interface {
	Audit(ctx context.Context, t tenant.ID, f audit.Filter) ([]audit.Entry, error)
}

// Routes is the first page.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{Pattern: "GET /{$}", Permission: tenant.MessagesRead, Do: c.show, Entry: frame.Entry{Room: "overview", Icon: "home", Key: "h"}},
		{Pattern: "POST /todos/dismiss", Permission: tenant.ProfileManage, Do: c.dismiss},
	}
}

// overview is what the page shows.
type overview struct {
	span      figures.Span
	todos     []insight.Todo
	partial   bool // not everybody could be asked what there is to do
	shares    []share
	total     int64
	problems  []messages.Row
	visits    []audit.Entry // of support, lately
	now       insight.Figures
	before    insight.Figures
	providers []provider
	findings  []insight.Finding
}

// provider is a line of the table of rates.
type provider struct {
	insight.Group
	name  string
	trace []insight.Group // the last seven days
}

// share is one state's part of a whole; Offset and Width are parts of 1,000 for
// the drawn bar.
type share struct {
	state         event.State
	count         int64
	offset, width int
}

// problemStates are those in which a person may have to do something.
var problemStates = [...]event.State{event.Bounced, event.Expired}

const (
	problemsShown  = 6
	problemsSince  = 7 * 24 * time.Hour
	providersShown = 8
	traceDays      = 7
)

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title, p.Live = "overview", p.T("nav.overview"), true
	v := overview{span: figures.ReadSpan(p, r, "today")}
	ctx, t := r.Context(), p.Tenant()
	var err error
	if v.todos, err = c.Todos.For(ctx, t, p.Who.User.ID, p.Now); err != nil {
		if ctx.Err() != nil {
			return err
		}
		// What one room cannot say must not hide what the others do.
		c.Log.ErrorContext(ctx, "things to do are not complete", "tenant", t.String(), "err", err)
		v.partial = true
	}
	v.todos = insight.Allowed(v.todos, p.Can)
	counts, err := c.Insight.Counts(ctx, t, v.span.From, v.span.To)
	if err != nil {
		return fmt.Errorf("overview: %w", err)
	}
	v.shares, v.total = shares(counts)
	if err := c.addFigures(ctx, p, &v); err != nil {
		return fmt.Errorf("overview: %w", err)
	}
	if v.problems, err = c.problems(ctx, p); err != nil {
		return fmt.Errorf("overview: %w", err)
	}
	if v.visits, err = c.Record.Audit(ctx, p.Tenant(), audit.Filter{Action: "visit.begin", From: p.Now.Add(-problemsSince), Limit: 3}); err != nil {
		return fmt.Errorf("overview: %w", err)
	}
	return p.Render(w, r, http.StatusOK, c.overviewPage(p, v))
}

// addFigures adds what is known of providers.
func (c Config) addFigures(ctx context.Context, p frame.Page, v *overview) error {
	s, t := c.Figures.Statistics, p.Tenant()
	now, err := s.Providers(ctx, t, "", v.span.From, v.span.To)
	if err != nil {
		return err
	}
	from, to := v.span.Before()
	before, err := s.Providers(ctx, t, "", from, to)
	if err != nil {
		return err
	}
	traces, err := s.Traces(ctx, t, p.Day(p.Now).AddDate(0, 0, 1-traceDays), v.span.To, p.Zone)
	if err != nil {
		return err
	}
	v.now, v.before, v.findings = insight.Join(now), insight.Join(before), insight.Findings(now, before)
	rest := insight.Group{}
	hidden := 0
	for i, g := range now {
		if i < providersShown || g.Provider == "" {
			v.providers = append(v.providers, provider{Group: g, name: c.Figures.Name(p, g.Provider), trace: traces[g.Provider]})
			continue
		}
		rest.Figures = insight.Join([]insight.Group{rest, g})
		hidden++
	}
	if hidden > 0 {
		v.providers = append(v.providers, provider{Group: rest, name: p.T("overview.more", "n", hidden)})
	}
	return nil
}

// problems are the newest deliveries that failed.
func (c Config) problems(ctx context.Context, p frame.Page) ([]messages.Row, error) {
	var list []messages.Row
	for _, state := range problemStates {
		found, err := c.Insight.Messages(ctx, p.Tenant(), insight.Filter{State: state, From: p.Now.Add(-problemsSince), Limit: problemsShown})
		if err != nil {
			return nil, err
		}
		for _, m := range found.Messages {
			list = append(list, c.Teller.Row(p, m, state))
		}
	}
	slices.SortFunc(list, func(a, b messages.Row) int { return -cmp.Compare(a.ID.String(), b.ID.String()) })
	list = slices.CompactFunc(list, func(a, b messages.Row) bool { return a.ID == b.ID })
	return list[:min(len(list), problemsShown)], nil
}

// dismiss puts something aside for the reader.
func (c Config) dismiss(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	if err := c.Todos.Dismiss(r.Context(), p.Tenant(), p.Who.User.ID, r.PostForm.Get("key"), p.Now); err != nil {
		return err
	}
	frame.Redirect(w, r, "/", "dismissed")
	return nil
}

// shares lists the states that have deliveries, in the order a mail meets them
// but delivered first, as the good news of the bar.
func shares(counts map[event.State]int64) ([]share, int64) {
	order := append([]event.State{event.Delivered}, event.States()...)
	var list []share
	var total int64
	for i, s := range order {
		if n := counts[s]; n > 0 && (i == 0 || s != event.Delivered) {
			list = append(list, share{state: s, count: n})
			total += n
		}
	}
	var before int64
	for i := range list {
		list[i].offset = int(before * 1000 / total)
		before += list[i].count
		// A state with a single delivery is still a visible sliver.
		list[i].width = max(int(before*1000/total)-list[i].offset-2, 3)
	}
	return list, total
}
