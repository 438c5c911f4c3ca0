package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"stafette/internal/audience"
	"stafette/internal/privacy"
)

// membershipsHandedOut asks for the files of people in different groups: each names the
// groups the person is in, with what brought them there, and nobody else's.
func membershipsHandedOut(t *testing.T, w *World) {
	ctx, groups := t.Context(), w.Groups()
	s := w.Privacy(func(c *privacy.Config) { c.Sections = []privacy.Section{privacy.Memberships(w.Contacts(), groups)} })
	eva := w.Contact(w.A, "Eva", "Sommer", "", "", []string{"eva@x.example", "e.sommer@y.example"})
	max := w.Contact(w.A, "Max", "Reuter", "", "", []string{"max@x.example"})
	w.Contact(w.A, "Uwe", "Alt", "", "", []string{"uwe@x.example"})
	stranger := w.Contact(w.B, "Eva", "Sommer", "", "", []string{"eva@x.example", "uwe@x.example"})
	w.Group(w.A, "Käufer", eva, max)
	fair := w.Group(w.A, "Messe")
	w.imported(w.Intake(), fair, "E-Mail;Vorname\nida@x.example;Ida\neva@x.example;Eva\n")
	left, gone := w.Group(w.A, "Verlassen", max), w.Group(w.A, "Gelöscht", eva, max)
	_, err := groups.Remove(ctx, w.A, left.ID, []audience.ContactID{max.ID}, "usr_1")
	w.must(err)
	w.must(groups.Delete(ctx, w.A, gone.ID))
	w.Group(w.B, "Fremd", stranger)
	for _, c := range []struct{ name, address, want string }{
		{"by hand and by a list", "eva@x.example", "Käufer (office: ), Messe (import: Messe Hamburg)"},
		{"by another address of the same person", "e.sommer@y.example", "Käufer (office: ), Messe (import: Messe Hamburg)"},
		{"one that was left, and one that was deleted", "max@x.example", "Käufer (office: )"},
		{"who came with a list", "ida@x.example", "Messe (import: Messe Hamburg)"},
		{"in another account's group only", "uwe@x.example", ""},
		{"no contact", "nobody@x.example", ""},
	} {
		r := w.ask(s, privacy.Access, c.address)
		w.turn(s)
		var file struct {
			Sections struct {
				Groups []struct {
					Group, Origin, Source string
					AddedAt               string `json:"added_at"`
				}
			}
		}
		text := w.fetch(s, r)["person.json"]
		if err := json.Unmarshal([]byte(text), &file); err != nil {
			t.Errorf("%s: %v: %s", c.name, err, text)
			continue
		}
		var have []string
		for _, g := range file.Sections.Groups {
			have = append(have, fmt.Sprintf("%s (%s: %s)", g.Group, g.Origin, g.Source))
			if g.AddedAt == "" || strings.HasPrefix(g.AddedAt, "0001") {
				t.Errorf("%s: %s was joined at %q", c.name, g.Group, g.AddedAt)
			}
		}
		slices.Sort(have) // groups made within one millisecond are in no order
		equal(t, c.name, strings.Join(have, ", "), c.want)
	}
}
