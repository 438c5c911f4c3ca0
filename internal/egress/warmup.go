package egress

import "time"

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
