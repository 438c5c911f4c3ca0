package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"stafette/internal/event"
	"stafette/internal/insight"
)

// overview is what the first page shows: today's deliveries by state and what
// lately went wrong.
type overview struct {
	shares   []share
	total    int64
	problems []row
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

func (o *office) showOverview(w http.ResponseWriter, r *http.Request, p page) error {
	p.room, p.title, p.live = "overview", p.T("nav.overview"), true
	today := p.Day(p.Now)
	counts, err := o.Insight.Counts(r.Context(), p.who.Tenant.ID, today, today.AddDate(0, 0, 1))
	if err != nil {
		return fmt.Errorf("overview: %w", err)
	}
	v := overview{}
	v.shares, v.total = shares(counts)
	for _, state := range problemStates {
		found, err := o.Insight.Messages(r.Context(), p.who.Tenant.ID, insight.Filter{
			State: state, From: p.Now.Add(-problemsSince), Limit: problemsShown,
		})
		if err != nil {
			return fmt.Errorf("overview: %w", err)
		}
		for _, m := range found.Messages {
			v.problems = append(v.problems, o.newRow(p, m, state))
		}
	}
	slices.SortFunc(v.problems, func(a, b row) int { return -cmp.Compare(a.id.String(), b.id.String()) })
	v.problems = slices.CompactFunc(v.problems, func(a, b row) bool { return a.id == b.id })
	v.problems = v.problems[:min(len(v.problems), problemsShown)]
	return o.render(w, r, http.StatusOK, overviewPage(p, v))
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
