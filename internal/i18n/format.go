package i18n

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Clock writes instants for one reader: in their language, in their time zone and
// seen from now. The zero Zone is UTC.
type Clock struct {
	Lang Lang
	Zone *time.Location
	Now  time.Time
}

func (c Clock) local(t time.Time) time.Time {
	if c.Zone == nil {
		return t.UTC()
	}
	return t.In(c.Zone)
}

// Time is the time of day: "14:05 Uhr", "14:05".
func (c Clock) Time(t time.Time) string {
	s := c.local(t).Format("15:04")
	if c.Lang == English {
		return s
	}
	return s + " Uhr"
}

// Exact is the time of day with seconds: "09:20:04".
func (c Clock) Exact(t time.Time) string { return c.local(t).Format("15:04:05") }

// Date is the day: "17.07.2026", "17 July 2026".
func (c Clock) Date(t time.Time) string {
	if c.Lang == English {
		return c.local(t).Format("2 January 2006")
	}
	return c.local(t).Format("02.01.2006")
}

// Short is the day within a row: "17.07.", "17 Jul".
func (c Clock) Short(t time.Time) string {
	if c.Lang == English {
		return c.local(t).Format("2 Jan")
	}
	return c.local(t).Format("02.01.")
}

// Full is day and time: "17.07.2026, 14:05 Uhr", "17 July 2026, 14:05 (CEST)".
func (c Clock) Full(t time.Time) string {
	if c.Lang == English {
		return c.Date(t) + ", " + c.local(t).Format("15:04 (MST)")
	}
	return c.Date(t) + ", " + c.Time(t)
}

// Near is Full with today, yesterday and tomorrow named: "heute, 14:05 Uhr".
func (c Clock) Near(t time.Time) string {
	words := [3]string{"gestern", "heute", "morgen"}
	if c.Lang == English {
		words = [3]string{"yesterday", "today", "tomorrow"}
	}
	if d := c.days(t); d >= -1 && d <= 1 {
		return words[d+1] + ", " + c.Time(t)
	}
	return c.Full(t)
}

// Row is the shortest form that is still clear in a list: the time for today,
// otherwise the day, with its year where it is not this one.
func (c Clock) Row(t time.Time) string {
	switch {
	case c.days(t) == 0:
		return c.local(t).Format("15:04")
	case c.local(t).Year() != c.local(c.Now).Year():
		return c.Date(t)
	}
	return c.Short(t) + " " + c.local(t).Format("15:04")
}

// Weekday is today's heading: "Sonntag, 22. November", "Sunday, 22 November".
func (c Clock) Weekday(t time.Time) string {
	l := c.local(t)
	if c.Lang == English {
		return l.Format("Monday, 2 January")
	}
	days := [...]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"}
	months := [...]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}
	return fmt.Sprintf("%s, %d. %s", days[l.Weekday()], l.Day(), months[l.Month()-1])
}

// Day is when the day of t begins in the reader's zone.
func (c Clock) Day(t time.Time) time.Time {
	l := c.local(t)
	return time.Date(l.Year(), l.Month(), l.Day(), 0, 0, 0, 0, l.Location())
}

// days counts calendar days from now to t in the reader's zone.
func (c Clock) days(t time.Time) int {
	a, b := c.local(c.Now), c.local(t)
	from := time.Date(a.Year(), a.Month(), a.Day(), 0, 0, 0, 0, time.UTC)
	to := time.Date(b.Year(), b.Month(), b.Day(), 0, 0, 0, 0, time.UTC)
	return int(to.Sub(from).Hours() / 24)
}

// Span is a duration in one unit, rounded down: "3 s", "49 min", "5 h", "2 Tage".
func Span(lang Lang, d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(int(d/time.Second), 0))
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case lang == English:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return fmt.Sprintf("%d Tage", d/(24*time.Hour))
}

// Number groups an integer in threes: 1.234.567, 1,234,567.
func Number(lang Lang, n int64) string {
	digits, sign := strconv.FormatInt(n, 10), ""
	if n < 0 {
		digits, sign = digits[1:], "-"
	}
	dot := "."
	if lang == English {
		dot = ","
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + dot + digits[i:]
	}
	return sign + digits
}

// Percent writes a share from 0 to 1 with one decimal: "99,7 %", "99.7%".
func Percent(lang Lang, share float64) string {
	s := strconv.FormatFloat(share*100, 'f', 1, 64)
	if lang == English {
		return s + "%"
	}
	return strings.Replace(s, ".", ",", 1) + "\u00a0%"
}

// Bytes writes a size in decimal units: "218 kB", "12,5 MB".
func Bytes(lang Lang, n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	unit, v := "kB", float64(n)/1e3
	if v >= 999.5 {
		unit, v = "MB", v/1e3
	}
	decimals := 0
	if v < 100 && unit == "MB" || v < 10 {
		decimals = 1
	}
	s := strings.TrimSuffix(strconv.FormatFloat(v, 'f', decimals, 64), ".0")
	if lang != English {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s + " " + unit
}
