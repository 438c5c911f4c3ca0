package httpapi_test

import (
	"testing"

	"stafette/internal/i18n"
)

// Whatever programs write into the record has its words there.
func TestActsOfTheAPIHaveWords(t *testing.T) {
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range newWorld(t).api.Routes() {
		if name := r.Action(); name != "" && !catalog.Has("act."+name) {
			t.Errorf("act.%s has no text", name)
		}
	}
}
