package i18n_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"stafette/internal/i18n"
)

func TestClock(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	// Half past midnight in Berlin, still the day before in UTC.
	now := at("2026-11-21T23:30:00Z")
	de := i18n.Clock{Lang: i18n.German, Zone: berlin, Now: now}
	en := i18n.Clock{Lang: i18n.English, Zone: berlin, Now: now}
	cases := []struct{ name, got, want string }{
		{"full", de.Full(at("2026-07-17T12:05:00Z")), "17.07.2026, 14:05 Uhr"},
		{"full English", en.Full(at("2026-07-17T12:05:00Z")), "17 July 2026, 14:05 (CEST)"},
		{"winter English", en.Full(at("2026-11-02T12:05:00Z")), "2 November 2026, 13:05 (CET)"},
		{"today is the reader's", de.Near(at("2026-11-21T23:05:00Z")), "heute, 00:05 Uhr"},
		{"yesterday", de.Near(at("2026-11-21T22:59:00Z")), "gestern, 23:59 Uhr"},
		{"yesterday English", en.Near(at("2026-11-21T22:59:00Z")), "yesterday, 23:59"},
		{"tomorrow", de.Near(at("2026-11-22T23:00:00Z")), "morgen, 00:00 Uhr"},
		{"farther", de.Near(at("2026-11-24T08:20:00Z")), "24.11.2026, 09:20 Uhr"},
		{"row today", de.Row(at("2026-11-21T23:05:00Z")), "00:05"},
		{"row this year", de.Row(at("2026-10-02T08:00:00Z")), "02.10. 10:00"},
		{"row English", en.Row(at("2026-10-02T08:00:00Z")), "2 Oct 10:00"},
		{"row last year", de.Row(at("2025-10-02T08:00:00Z")), "02.10.2025"},
		{"exact", de.Exact(at("2026-11-19T08:20:04Z")), "09:20:04"},
		{"weekday", de.Weekday(now), "Sonntag, 22. November"},
		{"weekday English", en.Weekday(now), "Sunday, 22 November"},
		{"day begins at midnight there", de.Day(now).UTC().Format(time.RFC3339), "2026-11-21T23:00:00Z"},
		{"no zone is UTC", i18n.Clock{Now: now}.Exact(now), "23:30:00"},
	}
	for _, c := range cases {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
}

// The day of a change to summer time has 23 hours and is still one day.
func TestNearAcrossTheClockChange(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 29, 0, 30, 0, 0, berlin)
	c := i18n.Clock{Lang: i18n.German, Zone: berlin, Now: now}
	if got := c.Near(time.Date(2026, 3, 30, 0, 10, 0, 0, berlin)); got != "morgen, 00:10 Uhr" {
		t.Errorf("got %q", got)
	}
}

func TestFigures(t *testing.T) {
	cases := []struct{ got, want string }{
		{i18n.Number(i18n.German, 1234567), "1.234.567"},
		{i18n.Number(i18n.English, 1234567), "1,234,567"},
		{i18n.Number(i18n.German, 999), "999"},
		{i18n.Number(i18n.German, -1000), "-1.000"},
		{i18n.Number(i18n.German, 0), "0"},
		{i18n.Percent(i18n.German, 0.997), "99,7\u00a0%"},
		{i18n.Percent(i18n.English, 0.997), "99.7%"},
		{i18n.Bytes(i18n.German, 999), "999 B"},
		{i18n.Bytes(i18n.German, 218_400), "218 kB"},
		{i18n.Bytes(i18n.German, 1_500), "1,5 kB"},
		{i18n.Bytes(i18n.English, 12_500_000), "12.5 MB"},
		{i18n.Bytes(i18n.German, 999_900), "1 MB"},
		{i18n.Bytes(i18n.German, 30_000_000), "30 MB"},
		{i18n.Span(i18n.German, 3400*time.Millisecond), "3 s"},
		{i18n.Span(i18n.German, -time.Second), "0 s"},
		{i18n.Span(i18n.German, 49*time.Minute), "49 min"},
		{i18n.Span(i18n.German, 26*time.Hour), "26 h"},
		{i18n.Span(i18n.German, 50*time.Hour), "2 Tage"},
		{i18n.Span(i18n.English, 50*time.Hour), "2 days"},
	}
	for _, c := range cases {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
