package audience_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

func TestFoldMakesOneOfManyWritings(t *testing.T) {
	for text, want := range map[string]string{
		"Müller": "mueller", "MUELLER": "mueller", "Mu\u0308ller": "mueller", "Straße": "strasse", "Éva  Łuc": "eva łuc", "": "", "ÅSA": "asa",
	} {
		if have := audience.Fold(text); have != want {
			t.Errorf("%q folds to %q, want %q", text, have, want)
		}
	}
	c := audience.Contact{GivenName: "Eva-Maria", FamilyName: "von der Heide", Company: "Kranz & Söhne", Reference: "K-1 b", Addresses: []message.Address{{Local: "x", Domain: "a.example"}, {Local: "y", Domain: "a.example"}}}
	want := []string{"@a.example", "der", "eva", "heide", "k-1 b", "kranz", "maria", "soehne", "von"}
	if have := c.Words(); !slices.Equal(have, want) {
		t.Errorf("words %q, want %q", have, want)
	}
}

// T3: no field of a contact takes a line break or what else could leave its place.
func TestContactsAreHeldToTheRules(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	s := audience.NewContacts(&audiencetest.Contacts{}, func() time.Time { return now })
	owner, ctx := id.New[tenant.Kind](now), t.Context()
	for _, f := range []audience.Field{{Key: "n", Type: audience.NumberField}, {Key: "d", Type: audience.DateField}, {Key: "c", Type: audience.ChoiceField, Choices: []string{"rot"}}, {Key: "z", Type: audience.ZoneField}} {
		if err := s.SetField(ctx, owner, f); err != nil {
			t.Fatal(err)
		}
	}
	good := func() audience.Contact {
		return audience.Contact{Addresses: []message.Address{{Local: "eva", Domain: "x.example"}}, Fields: map[string]string{"n": "1,5", "d": "1.2.2020", "c": "rot", "z": " Europe/Lisbon "}}
	}
	c, err := s.Create(ctx, owner, good(), audience.OriginAPI, "key_1")
	if err != nil || c.Fields["n"] != "1.5" || c.Fields["d"] != "2020-02-01" || c.Fields["z"] != "Europe/Lisbon" {
		t.Fatalf("%+v, %v", c, err)
	}
	for code, spoil := range map[string]func(*audience.Contact){
		"contact_text_malformed given_name": func(c *audience.Contact) { c.GivenName = "a\r\nBcc: x" },
		"contact_text_malformed company":    func(c *audience.Contact) { c.Company = "a\u2028b" },
		"contact_text_malformed phone":      func(c *audience.Contact) { c.Phone = strings.Repeat("1", 201) },
		"locale_unknown locale":             func(c *audience.Contact) { c.Locale = "fr" },
		"address_missing addresses":         func(c *audience.Contact) { c.Addresses = nil },
		"address_missing addresses/0":       func(c *audience.Contact) { c.Addresses = []message.Address{{Domain: "x.example"}} },
		"contact_address_twice addresses/1": func(c *audience.Contact) {
			c.Addresses = append(c.Addresses, message.Address{Local: "EVA", Domain: "X.example"})
		},
		"contact_address_taken addresses/0": func(*audience.Contact) {},
		"tag_malformed tags/0":              func(c *audience.Contact) { c.Tags = []string{"a,b"} },
		"contact_field_unknown fields/x":    func(c *audience.Contact) { c.Fields["x"] = "1" },
		"contact_field_malformed fields/n":  func(c *audience.Contact) { c.Fields["n"] = "NaN" },
		"contact_field_malformed fields/d":  func(c *audience.Contact) { c.Fields["d"] = "31.2.2020" },
		"contact_field_malformed fields/c":  func(c *audience.Contact) { c.Fields["c"] = "blau" },
		"time_zone_unknown fields/z":        func(c *audience.Contact) { c.Fields["z"] = "Europe/Mond" },
		"contact_too_many_addresses addresses": func(c *audience.Contact) {
			for i := range 11 {
				c.Addresses = append(c.Addresses, message.Address{Local: string(rune('a' + i)), Domain: "x.example"})
			}
		},
	} {
		c := good()
		spoil(&c)
		_, err := s.Create(ctx, owner, c, audience.OriginAPI, "key_1")
		if f := fault.As(err); f == nil || f.Code+" "+f.Field != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	for _, name := range []string{"Local", "../etc/passwd", "europe", "+02:00", "Europe/Berlin\n", strings.Repeat("x", 65)} {
		if _, ok := audience.LoadZone(name); ok {
			t.Errorf("%q is a time zone", name)
		}
	}
	if err := s.SetField(ctx, owner, audience.Field{Key: "z", Label: "Zeitzone", Type: audience.ZoneField}); err != nil {
		t.Errorf("the field itself again: %v", err)
	}
	for code, f := range map[string]audience.Field{
		"contact_field_key_malformed": {Key: "A b", Type: audience.TextField}, "contact_field_type_unknown": {Key: "a", Type: "x"}, "contact_field_choices": {Key: "a", Type: audience.ChoiceField},
		"contact_field_zone_twice": {Key: "a", Type: audience.ZoneField},
	} {
		if e := fault.As(s.SetField(ctx, owner, f)); e == nil || e.Code != code {
			t.Errorf("%s: %v", code, e)
		}
	}
}
