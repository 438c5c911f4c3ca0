package signup_test

import (
	"testing"

	"stafette/internal/audience"
	"stafette/internal/i18n"
	"stafette/internal/signup"
)

// Every zone that is offered is one of the tz database and has a word in both languages.
func TestOfferedZones(t *testing.T) {
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, zone := range signup.Zones() {
		if _, ok := audience.LoadZone(zone); !ok {
			t.Errorf("there is no zone %s", zone)
		}
		if !catalog.Has(signup.ZoneKey(zone)) {
			t.Errorf("nobody says what %s is called", zone)
		}
	}
}
