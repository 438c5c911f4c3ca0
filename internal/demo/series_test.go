package demo

import (
	"testing"
	"time"
)

// The mailing at local times begins at the account's own: zones ahead of it are over at once,
// some are to come, and whoever has none shares the account's.
func TestZonesAreOnBothSidesOfTheAccounts(t *testing.T) {
	home, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)} {
		_, own := at.In(home).Zone()
		_, people, _ := Viewings()
		later, none := map[int]bool{}, 0
		ahead := false
		for i := range people {
			name := ZoneOf(i)
			if name == "" {
				none++
				continue
			}
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatalf("zone of the member %d: %v", i, err)
			}
			_, offset := at.In(zone).Zone()
			ahead = ahead || offset > own
			if offset < own {
				later[offset] = true
			}
		}
		if !ahead || len(later) < 2 || none == 0 {
			t.Errorf("%s: ahead %t, %d waves to come, %d without a zone", at, ahead, len(later), none)
		}
	}
}
