package web_test

import (
	"testing"

	"stafette/internal/i18n"
	"stafette/internal/web/frame"
)

// Whatever the office writes into the record has its words there.
func TestActsOfTheOfficeHaveWords(t *testing.T) {
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range frame.Actions(routes(t)) {
		if !catalog.Has("act." + name) {
			t.Errorf("act.%s has no text", name)
		}
	}
}
