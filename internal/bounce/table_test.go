package bounce_test

import (
	"testing"

	"stafette/internal/bounce"
)

func load(t testing.TB) *bounce.Table {
	t.Helper()
	table, err := bounce.Load()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestLoad(t *testing.T) { load(t) }
