package approval

import (
	"slices"
	"time"
)

// Land is one of the sixteen Länder of Germany by its usual letters ("HH"); public
// holidays are theirs to make.
type Land string

// Lands are all Länder.
func Lands() []Land {
	return []Land{"BW", "BY", "BE", "BB", "HB", "HH", "HE", "MV", "NI", "NW", "RP", "SL", "SN", "ST", "SH", "TH"}
}

// Valid reports whether l is a Land.
func (l Land) Valid() bool { return slices.Contains(Lands(), l) }

func (l Land) in(list ...Land) bool { return slices.Contains(list, l) }

// date is a day of no particular place.
type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

func (d date) plus(days int) date {
	return dateOf(time.Date(d.year, d.month, d.day+days, 0, 0, 0, 0, time.UTC))
}

// easter is Easter Sunday by the Gregorian rule (Meeus, Jones and Butcher).
func easter(year int) date {
	a, b, c := year%19, year/100, year%100
	h := (19*a + b - b/4 - (b-(b+8)/25+1)/3 + 15) % 30
	l := (32 + 2*(b%4) + 2*(c/4) - h - c%4) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return date{year, time.Month(n / 31), n%31 + 1}
}

// holiday reports whether a day is a public holiday in the whole of the Land. Those of
// single towns (Augsburg's peace festival, Assumption in most of Bavaria, Corpus Christi
// in parts of Saxony and Thuringia) are not; see Calendar.Closed.
func (l Land) holiday(d date) bool {
	return everywhere(d) || l.fixed(d) || l.moving(d) || l.once(d)
}

func everywhere(d date) bool {
	switch (date{0, d.month, d.day}) {
	case date{0, time.January, 1}, date{0, time.May, 1}, date{0, time.October, 3}, date{0, time.December, 25}, date{0, time.December, 26}:
		return true
	}
	sunday := easter(d.year)
	return slices.Contains([]date{sunday.plus(-2), sunday.plus(1), sunday.plus(39), sunday.plus(50)}, d)
}

func (l Land) fixed(d date) bool {
	switch (date{0, d.month, d.day}) {
	case date{0, time.January, 6}:
		return l.in("BW", "BY", "ST")
	case date{0, time.March, 8}:
		return l == "BE" && d.year >= 2019 || l == "MV" && d.year >= 2023
	case date{0, time.August, 15}:
		return l == "SL"
	case date{0, time.September, 20}:
		return l == "TH" && d.year >= 2019
	case date{0, time.October, 31}:
		return l.in("BB", "HB", "HH", "MV", "NI", "SN", "ST", "SH", "TH")
	case date{0, time.November, 1}:
		return l.in("BW", "BY", "NW", "RP", "SL")
	}
	return false
}

func (l Land) moving(d date) bool {
	sunday := easter(d.year)
	switch d {
	case sunday, sunday.plus(49):
		return l == "BB"
	case sunday.plus(60):
		return l.in("BW", "BY", "HE", "NW", "RP", "SL")
	}
	return l == "SN" && d == repentance(d.year)
}

// repentance is the Wednesday before 23 November.
func repentance(year int) date {
	last := time.Date(year, time.November, 22, 0, 0, 0, 0, time.UTC)
	return dateOf(last).plus(-(int(last.Weekday()-time.Wednesday) + 7) % 7)
}

// once are days that were made holidays for one year.
func (l Land) once(d date) bool {
	return l == "BE" && (d == date{2025, time.May, 8} || d == date{2028, time.June, 17})
}
