package store

import (
	"testing"

	"stafette/internal/message"
)

// TestAddressesJSON holds the short way of writing addresses to the general one.
func TestAddressesJSON(t *testing.T) {
	for _, list := range [][]message.Address{
		nil,
		{{Local: "anna", Domain: "kunde.example"}},
		{{Local: "anna", Domain: "kunde.example"}, {Local: "a.b+c", Domain: "x.example"}},
		{{Local: "anna", Domain: "kunde.example"}, {Local: `"a\b"`, Domain: "x.example"}},
		{{Local: "<&>", Domain: "x.example"}}, {{Local: "jürgen", Domain: "müller.example"}}, {{Local: "a\x00\xff\n", Domain: "x.example"}}, {{Local: "\x7f", Domain: "x\u2028"}},
	} {
		pairs := make([][2]string, len(list))
		for i, a := range list {
			pairs[i] = [2]string{plain(a.Local), plain(a.Domain)}
		}
		if got, want := addressesJSON(list), asJSON(pairs); got != want {
			t.Errorf("%v: %s, want %s", list, got, want)
		}
	}
}
