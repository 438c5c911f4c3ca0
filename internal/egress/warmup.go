package egress

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Day is a day of UTC, counted from 1 January 1970.
type Day int

// DayOf returns the day of t.
func DayOf(t time.Time) Day { return Day(t.Unix() / 86400) }

// Start returns when the day begins.
func (d Day) Start() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Tally is how many mails a pair was given on a day.
type Tally struct {
	Pair
	Day  Day
	Sent int64
	// Overflow counts how often mail for the provider was given to another source
	// because the pair's warm-up left no room.
	Overflow int64
}

// WarmUp is where a pair stands in its warm-up, for pages.
type WarmUp struct {
	Pair
	Number int   `json:"number"` // day of the schedule, counted from 1
	Days   int   `json:"days"`   // of the schedule
	Limit  int64 `json:"limit"`  // mails on this day
	Sent   int64 `json:"sent"`   // of them so far
}

// Ramp lists how many mails a new source may send to a provider on day 1, 2, …;
// after its last day there is no bound. Nil bounds nothing.
type Ramp []int64

// Limit returns the bound of the day for a warm-up that began on from; bounded is
// false once the schedule is over. Days before from count as the first.
func (s Ramp) Limit(from, day Day) (limit int64, number int, bounded bool) {
	number = max(int(day-from), 0) + 1
	if number > len(s) {
		return 0, number, false
	}
	return s[number-1], number, true
}

// Pace is what a person changed about the warm-up of a pair.
type Pace struct {
	Pair
	// Shift is added to the number of the day: what was skipped, less what passed
	// while it was paused.
	Shift int `json:"shift,omitempty"`
	// PausedOn is the day whose amount holds until the warm-up goes on; 0: it goes on.
	PausedOn Day `json:"paused_on,omitempty"`
	// Finished ends the warm-up: the pair takes what its limits allow.
	Finished bool `json:"finished,omitempty"`
}

// day is the day of the schedule's calendar that counts today.
func (p Pace) day(today Day) Day {
	if p.PausedOn > 0 && today > p.PausedOn {
		today = p.PausedOn
	}
	return today + Day(p.Shift)
}

// PaceStep is what a person does to a warm-up.
type PaceStep string

// The steps.
const (
	PacePause  PaceStep = "pause"  // the day's amount holds
	PaceResume PaceStep = "resume" // the next day follows tomorrow
	PaceSkip   PaceStep = "skip"   // the amount of the day after counts now
	PaceFinish PaceStep = "finish" // no bound any more
	PaceReopen PaceStep = "reopen" // a finished one counts on
)

// Valid reports whether s is a step.
func (s PaceStep) Valid() bool {
	switch s {
	case PacePause, PaceResume, PaceSkip, PaceFinish, PaceReopen:
		return true
	}
	return false
}

// after returns the pace after a step on a day; false if it changes nothing.
func (p Pace) after(s PaceStep, today Day) (Pace, bool) {
	before := p
	switch s {
	case PacePause:
		if p.PausedOn == 0 {
			p.PausedOn = today
		}
	case PaceResume:
		if p.PausedOn > 0 {
			p.Shift -= int(max(today-p.PausedOn, 0))
			p.PausedOn = 0
		}
	case PaceSkip:
		p.Shift++
	case PaceFinish:
		p.Finished = true
	case PaceReopen:
		p.Finished = false
	}
	return p, p != before
}

// Progress is how far one source is warmed up towards one provider.
type Progress struct {
	WarmUp
	Pace Pace
	// Done says that no amount bounds the pair any more.
	Done bool
	// Left is how many days of the schedule follow today's.
	Left int
	// Overflow is today's, see Tally.
	Overflow int64
	// Calendar holds the days from the first day, at most the last fortnight, to
	// a fortnight ahead.
	Calendar []ProgressDay
}

// ProgressDay is one day of a warm-up.
type ProgressDay struct {
	Day   Day
	Today bool
	// Limit is today's amount, or that of a day to come if nothing is changed; 0 for
	// days gone by and without a bound.
	Limit          int64
	Sent, Overflow int64 // 0 for days to come
}

// fortnight is how many days a Progress looks back and ahead.
const fortnight = 14

// maxScheduleSites bounds the sites without a known provider that are told of.
const maxScheduleSites = 20

// ProgressOf tells how a source warms up: towards every provider with a schedule and
// the sites it sent to, those with most mail today first. tallies are those of the
// source since its first day. A source that does not warm up has none.
func ProgressOf(p Plan, s *Shaping, source Source, tallies []Tally, now time.Time) []Progress {
	if source.State != StateNew || source.WarmUpFrom.IsZero() {
		return nil
	}
	sent := map[string][]Tally{}
	for _, t := range tallies {
		sent[t.Provider] = append(sent[t.Provider], t)
	}
	known := s.Providers()
	var list, sites []Progress
	for _, provider := range known {
		if len(s.Ramp(provider, source.Name)) > 0 {
			list = append(list, progress(p.Pace(Pair{source.Name, provider}), s.Ramp(provider, source.Name), source, sent[provider], DayOf(now)))
		}
	}
	for site, of := range sent {
		if !slices.Contains(known, site) && !strings.HasPrefix(site, RouteSite) {
			sites = append(sites, progress(p.Pace(Pair{source.Name, site}), s.Ramp(site, source.Name), source, of, DayOf(now)))
		}
	}
	most := func(a, b Progress) int {
		return cmp.Or(cmp.Compare(b.Sent, a.Sent), cmp.Compare(a.Provider, b.Provider))
	}
	slices.SortFunc(sites, most)
	list = append(list, sites[:min(len(sites), maxScheduleSites)]...)
	slices.SortFunc(list, most)
	return list
}

// progress puts one pair's schedule and counts together.
func progress(pace Pace, ramp Ramp, source Source, tallies []Tally, today Day) Progress {
	from := DayOf(source.WarmUpFrom)
	v := Progress{WarmUp: WarmUp{Pair: pace.Pair, Days: len(ramp)}, Pace: pace}
	limit, number, bounded := ramp.Limit(from, pace.day(today))
	v.Number = number
	if v.Done = pace.Finished || !bounded; !v.Done {
		v.Limit, v.Left = limit, len(ramp)-number
	}
	for d := max(from, today-fortnight); d <= today+fortnight; d++ {
		one := ProgressDay{Day: d, Today: d == today}
		if d >= today && !v.Done {
			one.Limit, _, bounded = ramp.Limit(from, pace.day(d))
			if !bounded && d > today {
				break
			}
		}
		for _, t := range tallies {
			if t.Day == d {
				one.Sent, one.Overflow = one.Sent+t.Sent, one.Overflow+t.Overflow
			}
		}
		if one.Today {
			v.Sent, v.Overflow = one.Sent, one.Overflow
		}
		if v.Calendar = append(v.Calendar, one); v.Done && d == today {
			break
		}
	}
	return v
}
