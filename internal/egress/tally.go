package egress

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// tally is a pair's count of today and the bound that holds for it. It is kept for
// every pair so that the bound is looked up once a day.
type tally struct {
	total   int64 // of all nodes, as far as is known
	unsaved int64 // of it not in the database yet
	// overflow counts mail that took another source, not in the database yet.
	overflow int64
	limit    int64 // 0: none
	hinder   Hindrance
	ramp     WarmUp // with Number 0 if none applies
	shaping  *Shaping
	plan     *compiled
}

// maxTallies bounds the pairs remembered; above it those that nothing bounds are
// forgotten.
const maxTallies = 20000

// turnDay begins a new day's counts; mu is held. What the old day had unsaved stays
// for the keeper.
func (f *Fleet) turnDay(now time.Time) {
	day := DayOf(now)
	if day <= f.today {
		return
	}
	f.unsaved = append(f.unsaved, f.collect()...)
	f.tallies = map[Pair]*tally{}
	f.today = day
}

// collect takes what is not saved yet; mu is held.
func (f *Fleet) collect() []Tally {
	var list []Tally
	for pair, t := range f.tallies {
		if t.unsaved+t.overflow > 0 {
			list = append(list, Tally{Pair: pair, Day: f.today, Sent: t.unsaved, Overflow: t.overflow})
			t.unsaved, t.overflow = 0, 0
		}
	}
	return list
}

// tally returns a pair's count with the bound in force; mu is held.
func (f *Fleet) tally(p Pair, s *Source) *tally {
	t := f.tallies[p]
	if t == nil {
		if len(f.tallies) >= maxTallies {
			for pair, t := range f.tallies {
				if t.limit == 0 && t.unsaved+t.overflow == 0 {
					delete(f.tallies, pair)
				}
			}
		}
		t = &tally{}
		f.tallies[p] = t
	}
	if shaping := f.shaping.Load(); t.shaping != shaping || t.plan != f.plan {
		t.shaping, t.plan = shaping, f.plan
		t.bound(p, s, f.today)
	}
	return t
}

// bound finds what bounds the pair on the day: its warm-up or per_day, the lower.
func (t *tally) bound(p Pair, s *Source, day Day) {
	t.limit, t.hinder = t.shaping.Limits(Path{Provider: p.Provider, Site: p.Provider, Source: s.Name}).PerDay, HinderedDay
	t.ramp = WarmUp{}
	// A fixed next hop is a machine the operator knows: nobody there learns our name.
	if s.State != StateNew || s.WarmUpFrom.IsZero() || strings.HasPrefix(p.Provider, RouteSite) {
		return
	}
	ramp, pace := t.shaping.Ramp(p.Provider, s.Name), t.plan.paces[p]
	limit, number, bounded := ramp.Limit(DayOf(s.WarmUpFrom), pace.day(day))
	if !bounded || pace.Finished {
		return
	}
	t.ramp = WarmUp{Pair: p, Number: number, Days: len(ramp), Limit: limit}
	if t.limit == 0 || limit < t.limit {
		t.limit, t.hinder = limit, HinderedWarmUp
	}
}

// Spend counts one mail of the pair against its day. False says that it must not
// go over the pair after all, and nothing is counted: the day is used up, the
// provider refuses the source, or the source left the plan. It is called for every
// mail that is about to go.
func (f *Fleet) Spend(p Pair, urgent bool) bool {
	now := f.cfg.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turnDay(now)
	s := f.plan.sources[p.Source]
	if s == nil {
		return false
	}
	if ok, _ := s.usable(now); !ok {
		return false
	}
	if len(f.alarms) > 0 {
		if a := f.alarms[p]; a != nil && !now.Before(a.probing) {
			return false
		}
	}
	t := f.tally(p, s)
	if t.limit > 0 && t.total >= ceilingFor(t.limit, urgent) {
		return false
	}
	if t.limit > 0 {
		t.total++
		t.unsaved++
	}
	return true
}

// DailyRate returns mails per minute that the bound of a day comes to for mail that
// is not urgent; 0: no bound.
func (f *Fleet) DailyRate(p Pair, d Day) float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.plan.sources[p.Source]
	if s == nil {
		return 0
	}
	t := tally{shaping: f.shaping.Load(), plan: f.plan}
	t.bound(p, s, d)
	return float64(ceilingFor(t.limit, false)) / (24 * 60)
}

// DayCounter returns the day's bound and what is used of it; Of is 0 without one.
func (f *Fleet) DayCounter(p Pair) Counter {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turnDay(f.cfg.Now())
	c := Counter{Limit: "per_day"}
	if t := f.tallies[p]; t != nil {
		c.Used, c.Of = t.total, t.limit
		if t.hinder == HinderedWarmUp {
			c.Limit = "warm_up"
		}
	}
	return c
}

// WarmUps returns where this process's pairs stand that warm up and were used
// today, by source and provider.
func (f *Fleet) WarmUps() []WarmUp {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turnDay(f.cfg.Now())
	var list []WarmUp
	for _, t := range f.tallies {
		if t.ramp.Number > 0 {
			w := t.ramp
			w.Sent = t.total
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b WarmUp) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Provider, b.Provider))
	})
	return list
}
