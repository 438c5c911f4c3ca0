package id_test

import (
	"errors"
	"testing"
	"time"

	"stafette/internal/id"

	"pgregory.net/rapid"
)

type thing struct{}

func (thing) Prefix() string { return "thing" }

func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v id.Of[thing]
		copy(v[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		if v.IsZero() {
			return
		}
		got, err := id.Parse[thing](v.String())
		if err != nil || got != v {
			t.Fatalf("%x -> %s -> %x, %v", v[:], v, got[:], err)
		}
	})
}

func TestOrderFollowsTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	a, b := id.New[thing](at), id.New[thing](at.Add(time.Millisecond))
	if a.String() >= b.String() {
		t.Errorf("%s is not before %s", a, b)
	}
	if !a.Time().Equal(at) {
		t.Errorf("time %s, want %s", a.Time(), at)
	}
	if low := id.Lowest[thing](at); low.String() > a.String() || low.String() <= id.New[thing](at.Add(-time.Millisecond)).String() {
		t.Errorf("Lowest %s does not bound %s from below", low, a)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "thing_", "other_00000000000000000000000001", "thing_0000000000000000000000000u",
		"thing_80000000000000000000000000", "thing_000000000000000000000000011", "thing-00000000000000000000000001"} {
		if _, err := id.Parse[thing](s); !errors.Is(err, id.ErrMalformed) {
			t.Errorf("Parse(%q): %v", s, err)
		}
	}
}
