package approval

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the days lie in Europe/Berlin, whatever the machine has
)

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// movable are the days of each year that follow from Easter and that Germany's laws
// print: Good Friday, Easter Monday, Ascension, Whit Monday, Corpus Christi, and Saxony's
// day of repentance.
func movable() map[int][6]string {
	return map[int][6]string{
		2024: {"03-29", "04-01", "05-09", "05-20", "05-30", "11-20"},
		2025: {"04-18", "04-21", "05-29", "06-09", "06-19", "11-19"},
		2026: {"04-03", "04-06", "05-14", "05-25", "06-04", "11-18"},
		2027: {"03-26", "03-29", "05-06", "05-17", "05-27", "11-17"},
		2028: {"04-14", "04-17", "05-25", "06-05", "06-15", "11-22"},
		2029: {"03-30", "04-02", "05-10", "05-21", "05-31", "11-21"},
		2030: {"04-19", "04-22", "05-30", "06-10", "06-20", "11-20"},
	}
}

// more are the holidays of each Land beside those that all have; "fr" is Corpus Christi,
// "bb" repentance.
func more() map[Land]string {
	return map[Land]string{
		"BW": "01-06 fr 11-01", "BY": "01-06 fr 11-01", "BE": "03-08", "BB": "10-31", "HB": "10-31", "HH": "10-31",
		"HE": "fr", "MV": "03-08 10-31", "NI": "10-31", "NW": "fr 11-01", "RP": "fr 11-01", "SL": "fr 08-15 11-01",
		"SN": "10-31 bb", "ST": "01-06 10-31", "SH": "10-31", "TH": "09-20 10-31",
	}
}

func TestHolidaysOfAllLands(t *testing.T) {
	for year, days := range movable() {
		for _, land := range Lands() {
			want := append([]string{"01-01", "05-01", "10-03", "12-25", "12-26"}, days[:4]...)
			for _, word := range strings.Fields(more()[land]) {
				switch word {
				case "fr":
					word = days[4]
				case "bb":
					word = days[5]
				}
				want = append(want, word)
			}
			if land == "BE" && year == 2025 {
				want = append(want, "05-08")
			}
			if land == "BE" && year == 2028 {
				want = append(want, "06-17")
			}
			var have []string
			for d := (date{year, time.January, 1}); d.year == year; d = d.plus(1) {
				at := time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC)
				// Brandenburg's Easter and Whit Sunday close nothing that Sunday does not.
				sunday := land == "BB" && at.Weekday() == time.Sunday && (d == easter(year) || d == easter(year).plus(49))
				if land.holiday(d) && !sunday {
					have = append(have, at.Format("01-02"))
				}
			}
			slices.Sort(want)
			if want = slices.Compact(want); !slices.Equal(have, want) {
				t.Errorf("%s %d: %v, want %v", land, year, have, want)
			}
		}
	}
}

func TestAfterAWorkingDay(t *testing.T) {
	zone := berlin(t)
	c := DefaultCalendar(zone)
	for _, v := range []struct{ from, due, why string }{
		{"2026-11-18 16:38", "2026-11-19 16:38", "the same minute of the next day"},
		{"2026-11-20 16:00", "2026-11-23 16:00", "over a weekend"},
		{"2026-11-21 12:00", "2026-11-23 17:00", "on a Saturday: the whole Monday"},
		{"2026-11-19 07:00", "2026-11-19 17:00", "before opening"},
		{"2026-11-19 17:00", "2026-11-20 17:00", "as it closes"},
		{"2026-04-02 12:00", "2026-04-07 12:00", "over Easter"},
		{"2026-12-24 15:00", "2026-12-28 15:00", "over Christmas and a weekend"},
		{"2026-10-30 12:00", "2026-11-02 12:00", "Reformation day on a Saturday"},
		{"2026-03-27 12:00", "2026-03-30 12:00", "the night the clocks go forward"},
		{"2026-10-23 12:00", "2026-10-26 12:00", "the night they go back"},
	} {
		from, err := time.ParseInLocation("2006-01-02 15:04", v.from, zone)
		if err != nil {
			t.Fatal(err)
		}
		if due := c.After(from, c.Day()).In(zone).Format("2006-01-02 15:04"); due != v.due {
			t.Errorf("%s (%s): due %s, want %s", v.from, v.why, due, v.due)
		}
	}
}

// TestBetweenIsTheInverse holds the two ways to count against each other, at every hour
// of two years and for several amounts.
func TestBetweenIsTheInverse(t *testing.T) {
	zone := berlin(t)
	c := DefaultCalendar(zone)
	c.Land, c.Closed = "SN", []string{"2026-12-24"}
	for from := time.Date(2026, 1, 1, 0, 0, 0, 0, zone); from.Year() < 2028; from = from.Add(37 * time.Hour) {
		for _, amount := range []time.Duration{time.Minute, 3 * time.Hour, c.Day(), 3*c.Day() + time.Hour} {
			due := c.After(from, amount)
			if got := c.Between(from, due); got != amount {
				t.Fatalf("from %s: %s of %s counted", from, got, amount)
			}
			if !c.Works(due) {
				t.Fatalf("from %s: due %s, when nobody works", from, due)
			}
		}
	}
}

func TestCalendarCheck(t *testing.T) {
	good := DefaultCalendar(time.UTC)
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Calendar){
		"zone": func(c *Calendar) { c.Zone = nil }, "land": func(c *Calendar) { c.Land = "XX" }, "days": func(c *Calendar) { c.Days = nil },
		"hours": func(c *Calendar) { c.Opens = c.Closes }, "closed": func(c *Calendar) { c.Closed = []string{"24.12."} },
	} {
		bad := good
		if spoil(&bad); bad.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestClock(t *testing.T) {
	c := DefaultCalendar(time.UTC)
	now := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	for _, v := range []struct {
		a    Case
		want Clock
	}{
		{Case{State: InReview, Due: now.Add(3 * time.Hour)}, Clock{Due: now.Add(3 * time.Hour), Left: 3 * time.Hour}},
		{Case{State: InReview, Due: now.Add(time.Hour)}, Clock{Due: now.Add(time.Hour), Left: time.Hour, Soon: true}},
		{Case{State: InReview, Due: now.Add(-time.Hour)}, Clock{Due: now.Add(-time.Hour), Late: true}},
		{Case{State: Question, Left: time.Hour}, Clock{Left: time.Hour, Rest: true}},
		{Case{State: Approved}, Clock{}},
	} {
		if got := c.Clock(v.a, now); got != v.want {
			t.Errorf("%s: %s, want %s", v.a.State, fmt.Sprint(got), fmt.Sprint(v.want))
		}
	}
}
