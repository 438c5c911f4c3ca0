package approval

import (
	"fmt"
	"slices"
	"time"
)

// Calendar is when reviewers work. The zero Calendar never opens; DefaultCalendar is
// Monday to Friday, 9 to 17 h. It is not changed once in use.
type Calendar struct {
	Zone *time.Location
	Land Land // whose public holidays count; "" none
	Days []time.Weekday
	// Opens and Closes are the minutes since midnight, by the wall clock of Zone.
	Opens, Closes int
	// Closed are further days off, of the form "2026-12-24".
	Closed []string
}

// DefaultCalendar is what holds where nothing is configured.
func DefaultCalendar(zone *time.Location) Calendar {
	return Calendar{
		Zone: zone, Land: "HH", Opens: 9 * 60, Closes: 17 * 60,
		Days: []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday},
	}
}

// Check returns an error if the calendar never opens or names what does not exist.
func (c Calendar) Check() error {
	switch {
	case c.Zone == nil:
		return fmt.Errorf("calendar: no time zone")
	case c.Land != "" && !c.Land.Valid():
		return fmt.Errorf("calendar: there is no Land %q", c.Land)
	case len(c.Days) == 0:
		return fmt.Errorf("calendar: no working day")
	case c.Opens < 0 || c.Closes > 24*60 || c.Opens >= c.Closes:
		return fmt.Errorf("calendar: the hours from minute %d to %d are none", c.Opens, c.Closes)
	}
	for _, day := range c.Closed {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return fmt.Errorf("calendar: %q is not a day of the form 2026-12-24", day)
		}
	}
	return nil
}

// Day is one working day.
func (c Calendar) Day() time.Duration { return time.Duration(c.Closes-c.Opens) * time.Minute }

// Works reports whether anybody works on the day of t.
func (c Calendar) Works(t time.Time) bool {
	t = t.In(c.Zone)
	if !slices.Contains(c.Days, t.Weekday()) || slices.Contains(c.Closed, t.Format(time.DateOnly)) {
		return false
	}
	return c.Land == "" || !c.Land.holiday(dateOf(t))
}

// hours are the first and the last instant of work on the day of t, by the wall clock.
func (c Calendar) hours(t time.Time) (from, to time.Time) {
	y, m, d := t.In(c.Zone).Date()
	return time.Date(y, m, d, 0, c.Opens, 0, 0, c.Zone), time.Date(y, m, d, 0, c.Closes, 0, 0, c.Zone)
}

// next is the beginning of the day after that of t.
func (c Calendar) next(t time.Time) time.Time {
	y, m, d := t.In(c.Zone).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, c.Zone)
}

// farthest bounds how many days a calculation looks ahead.
const farthest = 3 * 366

// After is the instant at which an amount of working time has gone by since t. With an
// amount that ends as a day closes, it is that closing.
func (c Calendar) After(t time.Time, amount time.Duration) time.Time {
	for range farthest {
		if from, to := c.hours(t); c.Works(t) && t.Before(to) {
			if t.Before(from) {
				t = from
			}
			left := to.Sub(t)
			if amount <= left {
				return t.Add(amount).UTC()
			}
			amount -= left
		}
		t = c.next(t)
	}
	return t.UTC()
}

// Between is how much working time lies between two instants; 0 if to is not after from.
func (c Calendar) Between(from, to time.Time) (sum time.Duration) {
	for range farthest {
		if !from.Before(to) {
			break
		}
		if opens, closes := c.hours(from); c.Works(from) {
			begin, end := opens, closes
			if from.After(begin) {
				begin = from
			}
			if to.Before(end) {
				end = to
			}
			sum += max(end.Sub(begin), 0)
		}
		from = c.next(from)
	}
	return sum
}

// Clock is how much time a case has left.
type Clock struct {
	Due  time.Time
	Left time.Duration // of working time; 0 when late
	Late bool
	Soon bool // a quarter of a day or less is left
	Rest bool // a question is open: it does not run
}

// Clock tells the time of a case.
func (c Calendar) Clock(a Case, now time.Time) Clock {
	switch a.State {
	case Question:
		return Clock{Left: a.Left, Rest: true}
	case InReview:
		k := Clock{Due: a.Due, Left: c.Between(now, a.Due), Late: now.After(a.Due)}
		k.Soon = !k.Late && k.Left <= c.Day()/4
		return k
	}
	return Clock{}
}
