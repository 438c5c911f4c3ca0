package clock

import (
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/queue"
	"stafette/internal/store/storetest"
)

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func utc(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err) // a mistake in this file
	}
	return at
}

// TestDaysOfOtherLengths: the day that has 23 hours and the one that has 25, seen from
// Berlin.
func TestDaysOfOtherLengths(t *testing.T) {
	zone := berlin(t)
	for name, c := range map[string]struct {
		now, at   string
		near, row string
		begins    string // the day of at
		hours     int    // of that day
	}{
		"before the gap":           {"2026-03-29T12:00:00Z", "2026-03-29T00:59:59Z", "heute, 01:59 Uhr", "01:59", "2026-03-28T23:00:00Z", 23},
		"after the gap":            {"2026-03-29T12:00:00Z", "2026-03-29T01:00:00Z", "heute, 03:00 Uhr", "03:00", "2026-03-28T23:00:00Z", 23},
		"yesterday was short":      {"2026-03-30T00:30:00Z", "2026-03-29T01:00:00Z", "gestern, 03:00 Uhr", "29.03. 03:00", "2026-03-28T23:00:00Z", 23},
		"tomorrow is short":        {"2026-03-28T22:59:00Z", "2026-03-28T23:00:00Z", "morgen, 00:00 Uhr", "29.03. 00:00", "2026-03-28T23:00:00Z", 23},
		"half past two":            {"2026-10-25T12:00:00Z", "2026-10-25T00:30:00Z", "heute, 02:30 Uhr", "02:30", "2026-10-24T22:00:00Z", 25},
		"half past two, once more": {"2026-10-25T12:00:00Z", "2026-10-25T01:30:00Z", "heute, 02:30 Uhr", "02:30", "2026-10-24T22:00:00Z", 25},
		"yesterday was long":       {"2026-10-25T23:30:00Z", "2026-10-24T22:30:00Z", "gestern, 00:30 Uhr", "25.10. 00:30", "2026-10-24T22:00:00Z", 25},
		"the last of a long day":   {"2026-10-25T22:59:59Z", "2026-10-24T22:00:00Z", "heute, 00:00 Uhr", "00:00", "2026-10-24T22:00:00Z", 25},
	} {
		clock, at := i18n.Clock{Lang: i18n.German, Zone: zone, Now: utc(c.now)}, utc(c.at)
		if near, row := clock.Near(at), clock.Row(at); near != c.near || row != c.row {
			t.Errorf("%s: %q, %q; want %q, %q", name, near, row, c.near, c.row)
		}
		day := clock.Day(at)
		if next := day.AddDate(0, 0, 1); !day.Equal(utc(c.begins)) || next.Sub(day) != time.Duration(c.hours)*time.Hour {
			t.Errorf("%s: the day begins at %v and lasts %v", name, day.UTC(), next.Sub(day))
		}
	}
}

// TestCountsOfLocalDays: mails are counted on the local day they came on, each once,
// although the books are kept by UTC hours.
func TestCountsOfLocalDays(t *testing.T) {
	zone := berlin(t)
	for _, day := range []time.Time{time.Date(2026, 3, 29, 0, 0, 0, 0, zone), time.Date(2026, 10, 25, 0, 0, 0, 0, zone)} {
		clock := &wall{at: func() time.Time { return day }}
		w := openWorld(t, clock.Now)
		next := day.AddDate(0, 0, 1)
		clock.set(-90 * time.Minute)
		want, all := 0, 0
		for ; clock.Now().Before(next.Add(2 * time.Hour)); clock.set(30 * time.Minute) {
			w.accept(t)
			if all++; !clock.Now().Before(day) && clock.Now().Before(next) {
				want++
			}
		}
		sum := int64(0)
		for from := day.AddDate(0, 0, -1); from.Before(next.AddDate(0, 0, 1)); from = from.AddDate(0, 0, 1) {
			counts, err := w.store.Counts(t.Context(), w.tenant, from, from.AddDate(0, 0, 1))
			if err != nil {
				t.Fatal(err)
			}
			sum += counts[event.Queued]
			if from.Equal(day) && counts[event.Queued] != int64(want) {
				t.Errorf("%s: %d counted, %d came", day.Format(time.DateOnly), counts[event.Queued], want)
			}
		}
		if sum != int64(all) {
			t.Errorf("%s: %d counted on three days, %d came", day.Format(time.DateOnly), sum, all)
		}
	}
}

// TestPlannedOverTheChange: a mail planned by local time for the day after the change
// leaves at that local time, and its five days are five times 24 hours.
func TestPlannedOverTheChange(t *testing.T) {
	zone := berlin(t)
	start := time.Date(2026, 3, 28, 18, 0, 0, 0, zone)
	clock := &wall{at: func() time.Time { return start }}
	who, tenants := activeTenant(t, clock.Now())
	sub := letter()
	sub.SendAt = time.Date(2026, 3, 29, 9, 0, 0, 0, zone)
	r, err := entrance(t, clock.Now, tenants).Accept(t.Context(), ingest.Principal{Tenant: who, Actor: "key", Door: "http"}, sub)
	if err != nil || len(r.Deliveries) != 1 {
		t.Fatal(err)
	}
	w := openWorld(t, clock.Now)
	a := storetest.Draft(clock.Now(), w.tenant, "eva@kunde.example")
	a.Deliveries[0].DueAt = sub.SendAt
	if err := w.store.Accept(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	clock.set(14*time.Hour - time.Millisecond) // 15 hours by the walls of Berlin
	w.claim(t, 0)
	clock.set(time.Millisecond)
	list, err := w.store.Claim(t.Context(), queue.Claim{Epoch: w.epoch, Tenant: w.tenant, Now: clock.Now(), Limit: 1})
	if err != nil || len(list) != 1 || list[0].DueAt.In(zone).Hour() != 9 {
		t.Errorf("%d due, %v", len(list), err)
	}
}
