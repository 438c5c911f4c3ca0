package bounce_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stafette/internal/bounce"
	"stafette/internal/message"
)

func returnPaths(t interface{ Fatal(...any) }, key byte) *bounce.ReturnPaths {
	p, err := bounce.NewReturnPaths(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func anyPath(t *rapid.T) bounce.Path {
	b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "delivery")
	b[6] |= 0x70 // never zero
	return bounce.Path{Delivery: message.DeliveryID(b), Tag: bounce.Tag(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "tag"))}
}

func TestReturnPathComesBack(t *testing.T) {
	ours := returnPaths(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		d := anyPath(t)
		a := ours.Make(d, "r.kunde.example")
		if len(a.Local) > 64 {
			t.Fatalf("local part of %d bytes: %s", len(a.Local), a)
		}
		parsed, err := message.ParseAddress(a.String())
		if err != nil || parsed != a {
			t.Fatalf("%s reads as %s (%v)", a, parsed, err)
		}
		for _, back := range []message.Address{a, {Local: strings.ToUpper(a.Local), Domain: strings.ToUpper(a.Domain)}} {
			if got, err := ours.Parse(back); err != nil || got != d {
				t.Fatalf("%s: %v (%v), want %v", back, got, err, d)
			}
		}
	})
}

func TestReturnPathIsNotForged(t *testing.T) {
	ours, theirs := returnPaths(t, 1), returnPaths(t, 2)
	rapid.Check(t, func(t *rapid.T) {
		a := ours.Make(anyPath(t), "r.kunde.example")
		if _, err := theirs.Parse(a); !errors.Is(err, bounce.ErrForeign) {
			t.Fatalf("another key took %s: %v", a, err)
		}
		if _, err := ours.Parse(message.Address{Local: a.Local, Domain: "r.other.example"}); !errors.Is(err, bounce.ErrForeign) {
			t.Fatalf("another domain took %s: %v", a, err)
		}
		// Any one character changed, also one that base32 would read the same.
		i := rapid.IntRange(0, len(a.Local)-1).Draw(t, "at")
		c := rapid.SampledFrom([]byte("abcdefghijklmnopqrstuvwxyz234567+.-")).Draw(t, "to")
		changed := a.Local[:i] + string(c) + a.Local[i+1:]
		if _, err := ours.Parse(message.Address{Local: changed, Domain: a.Domain}); changed != a.Local && !errors.Is(err, bounce.ErrForeign) {
			t.Fatalf("%s was changed to %s and taken: %v", a.Local, changed, err)
		}
	})
}

func TestReturnPathRefuses(t *testing.T) {
	ours := returnPaths(t, 1)
	zero := ours.Make(bounce.Path{}, "r.kunde.example")
	for _, local := range []string{"", "b+", "b+.", "info", "b+abc.def", zero.Local, strings.Repeat("b+", 500), zero.Local + "x"} {
		if d, err := ours.Parse(message.Address{Local: local, Domain: "r.kunde.example"}); !errors.Is(err, bounce.ErrForeign) {
			t.Errorf("%q: %v (%v)", local, d, err)
		}
	}
	if _, err := bounce.NewReturnPaths([]byte("short")); err == nil {
		t.Error("a short key was taken")
	}
}

// Mail that left before return paths had tags comes back for weeks.
func TestReturnPathWithoutTag(t *testing.T) {
	const old = "b+ah7777777777777777777777zq.auc2mxfilccjqrjd7ot3ivqq"
	ours := returnPaths(t, 1)
	p, err := ours.Parse(message.Address{Local: old, Domain: "r.kunde.example"})
	if want := (bounce.Path{Delivery: message.DeliveryID{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xcc}}); err != nil || p != want {
		t.Errorf("%v, %v", p, err)
	}
}

func FuzzReturnPath(f *testing.F) {
	ours := returnPaths(f, 1)
	f.Add(ours.Make(bounce.Path{Delivery: message.DeliveryID{1}}, "r.kunde.example").Local, "r.kunde.example")
	f.Add("b+aaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaa", "x")
	f.Fuzz(func(t *testing.T, local, domain string) {
		d, err := ours.Parse(message.Address{Local: local, Domain: domain})
		if err == nil && len(local) > len("b+.")+26+24 && ours.Make(d, strings.ToLower(domain)).Local != strings.ToLower(local) {
			t.Errorf("%q was taken for %v", local, d)
		}
	})
}
