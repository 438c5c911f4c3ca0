// Package overview is the first page of a tenant: today's deliveries by state, what
// lately went wrong, and which sending domains need somebody's hand.
//
// It is a subject of the door web (floor 4); it asks insight and words messages as
// package messages does.
package overview

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audit"
	"stafette/internal/event"
	"stafette/internal/insight"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
	"stafette/internal/web/halts"
	"stafette/internal/web/messages"
)

// Breaker tells whether a tenant's bulk mail is halted; *audience.Service does.
type Breaker interface {
	HaltOf(ctx context.Context, t tenant.ID) (h audience.Halt, ok bool, err error)
}

// Config is what the page stands on; all of it is needed.
type Config struct {
	Breaker Breaker
	Record  Record
	Insight insight.Store
	Teller  messages.Teller
	Domains Domains
}

// Record tells who did what in the account; audit.Store does.
type Record interface {
	Audit(ctx context.Context, t tenant.ID, f audit.Filter) ([]audit.Entry, error)
}

// Domains lists sending domains. *tenant.Registry does.
type Domains interface {
	List(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
}

// Routes is the first page.
func Routes(c Config) []frame.Route {
	return []frame.Route{{
		Pattern: "GET /{$}", Permission: tenant.MessagesRead, Do: c.show,
		Entry: frame.Entry{Room: "overview", Icon: "home"},
	}}
}

// overview is what the page shows.
type overview struct {
	shares   []share
	total    int64
	problems []messages.Row
	domains  []tenant.Domain // in grace, or lapsed
	visits   []audit.Entry   // of support, lately
	halt     string          // why bulk mail is halted, "" if it is not
}

// share is one state's part of a whole; Offset and Width are parts of 1,000 for
// the drawn bar.
type share struct {
	state         event.State
	count         int64
	offset, width int
}

// problemStates are those in which a person may have to do something.
var problemStates = [...]event.State{event.Held, event.Bounced, event.Expired}

const (
	problemsShown = 6
	problemsSince = 7 * 24 * time.Hour
)

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title, p.Live = "overview", p.T("nav.overview"), true
	today := p.Day(p.Now)
	counts, err := c.Insight.Counts(r.Context(), p.Tenant(), today, today.AddDate(0, 0, 1))
	if err != nil {
		return fmt.Errorf("overview: %w", err)
	}
	v := overview{}
	if h, ok, err := c.Breaker.HaltOf(r.Context(), p.Tenant()); err != nil {
		return fmt.Errorf("overview: %w", err)
	} else if ok {
		v.halt = halts.Figures(p, h)
	}
	v.shares, v.total = shares(counts)
	for _, state := range problemStates {
		found, err := c.Insight.Messages(r.Context(), p.Tenant(), insight.Filter{
			State: state, From: p.Now.Add(-problemsSince), Limit: problemsShown,
		})
		if err != nil {
			return fmt.Errorf("overview: %w", err)
		}
		for _, m := range found.Messages {
			v.problems = append(v.problems, c.Teller.Row(p, m, state))
		}
	}
	if v.domains, err = c.Domains.List(r.Context(), p.Tenant()); err != nil {
		return fmt.Errorf("overview: %w", err)
	}
	if v.visits, err = c.Record.Audit(r.Context(), p.Tenant(), audit.Filter{Action: "visit.begin", From: p.Now.Add(-problemsSince), Limit: 3}); err != nil {
		return fmt.Errorf("overview: %w", err)
	}
	v.domains = slices.DeleteFunc(v.domains, func(d tenant.Domain) bool { return d.State != tenant.Grace && d.State != tenant.Lapsed })
	slices.SortFunc(v.problems, func(a, b messages.Row) int { return -cmp.Compare(a.ID.String(), b.ID.String()) })
	v.problems = slices.CompactFunc(v.problems, func(a, b messages.Row) bool { return a.ID == b.ID })
	v.problems = v.problems[:min(len(v.problems), problemsShown)]
	return p.Render(w, r, http.StatusOK, overviewPage(p, v))
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
