package privacy

import (
	"testing"

	"stafette/internal/message"
)

func TestStruckFrom(t *testing.T) {
	p := Person{Addresses: []message.Address{{Local: "Eva.Sommer", Domain: "gmx.example"}, {Local: "e", Domain: "x.example"}}}
	for text, want := range map[string]string{
		"":                                     "",
		"Frau Sommer":                          "Frau Sommer",
		"EVA.sommer@GMX.example, e@x.example!": "[…], […]!",
		"eva.sommer@gmx.example İ Eva.Sommer@gmx.example": "[…] İ […]", // whose lower case is longer
	} {
		if have := struckFrom(text, p); have != want {
			t.Errorf("%q became %q, want %q", text, have, want)
		}
	}
}
