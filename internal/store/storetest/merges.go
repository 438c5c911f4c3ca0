package storetest

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
)

// contactsUnmerged takes a merge back: contacts, notes, history and groups are as they
// were, but for a group that was left meanwhile.
func contactsUnmerged(t *testing.T, w *World) {
	ctx, people, groups := t.Context(), w.Contacts(), w.Groups()
	kept := w.Contact(w.A, "Eva", "Groß", "Kranz", "K-1", []string{"eva@x.example"}, "a")
	other := w.Contact(w.A, "Eva", "Groß", "", "", []string{"eva+brief@x.example", "e@y.example"}, "b")
	list := map[string]audience.Group{}
	for name, in := range map[string][]audience.ContactID{"both": {kept.ID, other.ID}, "other": {other.ID}, "left": {other.ID}, "own": {kept.ID}} {
		g, err := groups.Create(ctx, w.A, audience.Group{Name: name, Kind: audience.Static}, "usr_1")
		w.must(err)
		_, err = groups.Add(ctx, w.A, g.ID, in, audience.OriginOffice, "usr_1")
		w.must(err)
		list[name] = g
	}
	_, err := people.AddNote(ctx, w.A, other.ID, "usr_1", "Rief an.")
	w.must(err)
	for _, c := range []*audience.Contact{&kept, &other} {
		*c, err = people.Contact(ctx, w.A, c.ID) // as it is read
		w.must(err)
	}
	merged, err := people.Merge(ctx, w.A, kept.ID, other.ID, 1, 1, "usr_1")
	w.must(err)
	if until, ok, err := people.Undoable(ctx, w.A, kept.ID); err != nil || !ok || !until.Equal(merged.UpdatedAt.Add(audience.MergeLasts)) {
		t.Errorf("until %v %t %v", until, ok, err)
	}
	if _, ok, _ := people.Undoable(ctx, w.B, kept.ID); ok {
		t.Error("another tenant may take it back")
	}
	if _, err := people.Unmerge(ctx, w.B, kept.ID, "usr_2"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	_, err = groups.Remove(ctx, w.A, list["left"].ID, []audience.ContactID{kept.ID}, "usr_1")
	w.must(err)
	w.Clock.Advance(time.Hour)
	gone, err := people.Unmerge(ctx, w.A, kept.ID, "usr_1")
	if err != nil || gone != other.ID {
		t.Fatalf("%v %v", gone, err)
	}
	for _, c := range []struct {
		want    audience.Contact
		version int64
		groups  []string
		notes   int
	}{{kept, 3, []string{"both", "own"}, 0}, {other, 2, []string{"both", "other"}, 1}} {
		got, err := people.Contact(ctx, w.A, c.want.ID)
		w.must(err)
		c.want.Version, c.want.UpdatedAt = c.version, w.Clock.Now().UTC().Truncate(time.Millisecond)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("\n%+v, want\n%+v", got, c.want)
		}
		for _, a := range c.want.Addresses {
			if found, ok, err := people.Of(ctx, w.A, a); err != nil || !ok || found.ID != c.want.ID {
				t.Errorf("%s leads to %v %t %v", a, found.ID, ok, err)
			}
		}
		in, err := groups.Of(ctx, w.A, c.want.ID)
		w.must(err)
		if len(in) != len(c.groups) || slices.ContainsFunc(c.groups, func(name string) bool {
			return !slices.ContainsFunc(in, func(m audience.Membership) bool { return m.Group == list[name].ID })
		}) {
			t.Errorf("%s in %v, want %v", c.want.Main(), in, c.groups)
		}
		notes, err := people.Notes(ctx, w.A, c.want.ID)
		if err != nil || len(notes) != c.notes {
			t.Errorf("notes %v %v", notes, err)
		}
		acts, err := people.Acts(ctx, w.A, c.want.ID)
		if err != nil || len(acts) == 0 || acts[0].Type != audience.ContactUnmerged || acts[len(acts)-1].Type != audience.ContactCreated {
			t.Errorf("acts %v %v", acts, err)
		}
	}
	for name, n := range map[string]int64{"both": 2, "other": 1, "left": 0, "own": 1} {
		if g, err := groups.Group(ctx, w.A, list[name].ID); err != nil || g.Members != n {
			t.Errorf("%s has %d, want %d, %v", name, g.Members, n, err)
		}
	}
	w.mergesEnd(t, kept, other)
}

// mergesEnd holds that a merge stands for good once the contact was changed, once its time
// is over.
func (w *World) mergesEnd(t *testing.T, kept, other audience.Contact) {
	ctx, people := t.Context(), w.Contacts()
	again := func(what string) audience.Contact {
		t.Helper()
		if _, err := people.Unmerge(ctx, w.A, kept.ID, "usr_1"); fault.As(err) == nil || fault.As(err).Code != "merge_not_revocable" {
			t.Errorf("%s: %v", what, err)
		}
		now, err := people.Contact(ctx, w.A, kept.ID)
		w.must(err)
		return now
	}
	again("taken back twice")
	c, err := people.Merge(ctx, w.A, kept.ID, other.ID, 3, 2, "usr_1")
	w.must(err)
	c.Company = "Anders"
	_, err = people.Change(ctx, w.A, c, "usr_1")
	w.must(err)
	c = again("changed since")
	third := w.Contact(w.A, "", "", "", "", []string{"third@x.example"})
	_, err = people.Merge(ctx, w.A, kept.ID, third.ID, c.Version, 1, "usr_1")
	w.must(err)
	w.Clock.Advance(audience.MergeLasts)
	again("too late")
	w.must(w.Store.DropMerges(ctx, w.Clock.Now()))
	fourth := w.Contact(w.A, "", "", "", "", []string{"fourth@x.example"})
	now, err := people.Contact(ctx, w.A, kept.ID)
	w.must(err)
	_, err = people.Merge(ctx, w.A, kept.ID, fourth.ID, now.Version, 1, "usr_1")
	w.must(err)
	w.must(people.Delete(ctx, w.A, kept.ID))
	if _, ok, err := people.Undoable(ctx, w.A, kept.ID); ok || err != nil {
		t.Errorf("a merge outlives its contact: %v", err)
	}
}

func contactTwins(t *testing.T, w *World) {
	eva := w.Contact(w.A, "Eva", "Groß", "", "", []string{"eva@x.example"})
	tagged := w.Contact(w.A, "", "", "", "", []string{"eva+brief@x.example"})
	max := w.Contact(w.A, "", "", "", "", []string{"m.a.x@gmail.com"})
	ximum := w.Contact(w.A, "", "", "", "", []string{"max@googlemail.com"})
	jo := w.Contact(w.A, "Jörg", "Müller", "Kranz & Söhne", "", []string{"j@a.example"})
	joerg := w.Contact(w.A, "JOERG", "Mueller", "Kranz & Soehne", "", []string{"j@b.example"})
	w.Contact(w.A, "Jörg", "Müller", "Anderswo", "", []string{"j@c.example"}) // a namesake, not more
	w.Contact(w.A, "", "", "Kranz & Söhne", "", []string{"info@a.example"})
	w.Contact(w.B, "Eva", "Groß", "", "", []string{"eva+x@x.example"})
	list, err := w.Contacts().Duplicates(t.Context(), w.A)
	w.must(err)
	want := [][2]audience.ContactID{{eva.ID, tagged.ID}, {max.ID, ximum.ID}, {jo.ID, joerg.ID}}
	for _, one := range list {
		pair := [2]audience.ContactID{one.Kept.ID, one.Other.ID}
		if !slices.Contains(want, pair) || (one.Like == audience.SameName) != (one.Kept.ID == jo.ID) {
			t.Errorf("%s: %s and %s", one.Like, one.Kept.Main(), one.Other.Main())
		}
	}
	if len(list) != len(want) {
		t.Errorf("%d pairs, want %d", len(list), len(want))
	}
}

// contactsDistinct: what somebody called two people is proposed no more, until it is taken
// back or one of them goes.
func contactsDistinct(t *testing.T, w *World) {
	ctx, people := t.Context(), w.Contacts()
	a := w.Contact(w.A, "", "", "", "", []string{"a@gmail.com"})
	b := w.Contact(w.A, "", "", "", "", []string{"a+x@gmail.com"})
	c := w.Contact(w.A, "", "", "", "", []string{"a+y@gmail.com"})
	proposed := func(want int) {
		t.Helper()
		list, err := people.Duplicates(ctx, w.A)
		w.must(err)
		told, err := people.Distinct(ctx, w.A, 10)
		w.must(err)
		if len(list) != want || len(told) != 2-want {
			t.Errorf("%d pairs proposed, %d called two people, want %d", len(list), len(told), want)
		}
	}
	proposed(2)
	w.must(people.Distinguish(ctx, w.A, []audience.Pair{{b.ID, a.ID}, {a.ID, c.ID}, {a.ID, b.ID}, {a.ID, a.ID}}, "usr_1"))
	w.must(people.Distinguish(ctx, w.B, []audience.Pair{{a.ID, b.ID}}, "usr_2"))
	if told, err := people.Distinct(ctx, w.B, 10); err != nil || len(told) != 0 {
		t.Errorf("another tenant's contacts: %v, %v", told, err)
	}
	proposed(0)
	w.must(people.Resemble(ctx, w.B, audience.Pair{a.ID, b.ID}))
	proposed(0)
	w.must(people.Resemble(ctx, w.A, audience.Pair{b.ID, a.ID}))
	proposed(1)
	w.must(people.Delete(ctx, w.A, c.ID))
	if told, err := people.Distinct(ctx, w.A, 10); err != nil || len(told) != 0 {
		t.Errorf("it outlives a contact: %v, %v", told, err)
	}
	w.must(people.Distinguish(ctx, w.A, []audience.Pair{{a.ID, b.ID}}, "usr_1"))
	if n, err := people.MergeSeveral(ctx, w.A, []audience.Joining{{Kept: a.ID, Other: b.ID, Version: 1, OtherVersion: 1}}, "usr_1"); err != nil || n != 0 {
		t.Errorf("%d merged, %v", n, err)
	}
	_, err := people.Merge(ctx, w.A, a.ID, b.ID, 1, 1, "usr_1") // whoever looks at both may
	w.must(err)
	if told, err := people.Distinct(ctx, w.A, 10); err != nil || len(told) != 0 {
		t.Errorf("it outlives a merge: %v, %v", told, err)
	}
}
