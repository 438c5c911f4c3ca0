package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

func contactTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"ReadBack": contactReadBack,
		"Found":    contactsFound,
		"Paged":    contactsPaged,
		"Changed":  contactChanged,
		"Runs":     contactRuns,
		"Merged":   contactsMerged,
		"Unmerged": contactsUnmerged,
		"Twins":    contactTwins,
		"Distinct": contactsDistinct,
		"Notes":    contactNotes,
		"Foreign":  contactsForeign,
	}
}

// Contacts are those of the world's store.
func (w *World) Contacts() *audience.Contacts { return audience.NewContacts(w.Store, w.Clock.Now) }

// Contact stores one person; tags may follow.
func (w *World) Contact(t tenant.ID, given, family, company, reference string, addresses []string, tags ...string) audience.Contact {
	w.t.Helper()
	c := audience.Contact{GivenName: given, FamilyName: family, Company: company, Reference: reference, Tags: tags}
	for _, a := range addresses {
		c.Addresses = append(c.Addresses, Address(a))
	}
	w.Clock.Advance(time.Millisecond) // lists are ordered by it
	stored, err := w.Contacts().Create(context.Background(), t, c, audience.OriginOffice, "usr_1")
	if err != nil {
		w.t.Fatal(err)
	}
	return stored
}

func contactReadBack(t *testing.T, w *World) {
	ctx := t.Context()
	if err := w.Contacts().SetField(ctx, w.A, audience.Field{Key: "birthday", Type: audience.DateField}); err != nil {
		t.Fatal(err)
	}
	c := audience.Contact{Salutation: "Frau Dr.", GivenName: "Eva", FamilyName: "Größe", Company: "Kranz & Söhne", Phone: "+49 421 1", Locale: "de", Reference: "K-7",
		Addresses: []message.Address{Address("Eva.G@gmx.example"), Address("jörg@kranz.example")}, Tags: []string{"b", "a", "b"}, Fields: map[string]string{"birthday": "3.4.1980"}}
	made, err := w.Contacts().Create(ctx, w.A, c, audience.OriginAPI, "key_1")
	if err != nil {
		t.Fatal(err)
	}
	if made.Fields["birthday"] != "1980-04-03" || !slices.Equal(made.Tags, []string{"a", "b"}) {
		t.Errorf("made %+v", made)
	}
	have, err := w.Store.Contact(ctx, w.A, made.ID)
	if err != nil || fmt.Sprint(have) != fmt.Sprint(made) {
		t.Errorf("read %+v, %v; want %+v", have, err, made)
	}
	of, ok, err := w.Store.ContactOf(ctx, w.A, Address("EVA.g@GMX.example"))
	if err != nil || !ok || of.ID != made.ID {
		t.Errorf("by address: %v, %v, %v", of.ID, ok, err)
	}
	for _, second := range []audience.Contact{
		{Addresses: []message.Address{Address("new@x.example"), Address("eva.g@gmx.example")}},
		{Addresses: []message.Address{Address("new@x.example")}, Reference: "K-7"},
	} {
		_, err := w.Contacts().Create(ctx, w.A, second, audience.OriginAPI, "key_1")
		if f := fault.As(err); f == nil || f.Kind != fault.Conflict || !strings.HasSuffix(f.Code, "_taken") {
			t.Errorf("second of the same: %v", err)
		}
		if _, ok, _ := w.Store.ContactOf(ctx, w.A, Address("new@x.example")); ok {
			t.Error("half of a contact was stored")
		}
	}
}

func (w *World) listed(f audience.ContactFilter) string {
	w.t.Helper()
	page, err := w.Store.Contacts(context.Background(), w.A, f)
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, c := range page.Contacts {
		names = append(names, c.Name())
	}
	return strings.Join(names, ", ")
}

func contactsFound(t *testing.T, w *World) {
	w.Contact(w.A, "Jürgen", "Reuter", "", "A-1", []string{"j.reuter@web.example"}, "vip")
	w.Contact(w.A, "Éva", "Sommer", "Kranz Bau GmbH", "", []string{"eva@kranz-bau.example", "e.sommer@gmx.example"}, "vip", "neu")
	w.Contact(w.A, "", "", "Müller & Söhne", "", []string{"post@mueller.example"})
	w.Contact(w.A, "%", "_", "", "", []string{"odd@x.example"})
	for _, c := range []struct {
		f    audience.ContactFilter
		want string
	}{
		{audience.ContactFilter{}, "% _, Müller & Söhne, Éva Sommer, Jürgen Reuter"},
		{audience.ContactFilter{ByName: true, Ascending: true}, "% _, Müller & Söhne, Jürgen Reuter, Éva Sommer"},
		{audience.ContactFilter{Text: "juer"}, "Jürgen Reuter"},
		{audience.ContactFilter{Text: "reuter j"}, "Jürgen Reuter"},
		{audience.ContactFilter{Text: "eva SOM"}, "Éva Sommer"},
		{audience.ContactFilter{Text: "soehne"}, "Müller & Söhne"},
		{audience.ContactFilter{Text: "a-1"}, "Jürgen Reuter"},
		{audience.ContactFilter{Text: "e.sommer@g"}, "Éva Sommer"},
		{audience.ContactFilter{Text: "@kranz-bau.example"}, "Éva Sommer"},
		{audience.ContactFilter{Text: "j.reu"}, "Jürgen Reuter"},
		{audience.ContactFilter{Text: "e.som bau"}, "Éva Sommer"},
		{audience.ContactFilter{Text: "%"}, ""},
		{audience.ContactFilter{Text: "eva reuter"}, ""},
		{audience.ContactFilter{Tag: "vip"}, "Éva Sommer, Jürgen Reuter"},
		{audience.ContactFilter{Tag: "vip", ByName: true, Ascending: true}, "Jürgen Reuter, Éva Sommer"},
		{audience.ContactFilter{Tag: "neu", Text: "som"}, "Éva Sommer"},
		{audience.ContactFilter{Tag: "neu", Text: "reu"}, ""},
	} {
		equal(t, fmt.Sprintf("%+v", c.f), w.listed(c.f), c.want)
	}
	tags, err := w.Store.ContactTags(t.Context(), w.A, 10)
	if err != nil || !slices.Equal(tags, []string{"neu", "vip"}) {
		t.Errorf("tags %v, %v", tags, err)
	}
}

func contactsPaged(t *testing.T, w *World) {
	for i := range 7 {
		w.Contact(w.A, "", fmt.Sprintf("N%d", i%3), "", "", []string{fmt.Sprintf("p%d@x.example", i)}, "t")
	}
	for _, f := range []audience.ContactFilter{{}, {Ascending: true}, {ByName: true}, {ByName: true, Ascending: true}, {Tag: "t"}, {Tag: "t", ByName: true}, {Text: "n"}, {Text: "n", ByName: true, Ascending: true}} {
		f.Limit = 2
		seen := map[audience.ContactID]bool{}
		for {
			page, err := w.Store.Contacts(t.Context(), w.A, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.Contacts {
				if seen[c.ID] {
					t.Fatalf("%+v: %s comes twice", f, c.Name())
				}
				seen[c.ID], f.After = true, c.ID
			}
			if !page.More {
				break
			}
		}
		equal(t, fmt.Sprintf("%+v", f), len(seen), 7)
	}
}

func contactChanged(t *testing.T, w *World) {
	ctx, people := t.Context(), w.Contacts()
	c := w.Contact(w.A, "Eva", "Alt", "", "", []string{"eva@x.example"}, "alt")
	first := c
	c.FamilyName, c.Tags, c.Addresses = "Neu", []string{"neu"}, []message.Address{Address("eva@y.example")}
	w.Clock.Advance(time.Millisecond)
	c, err := people.Change(ctx, w.A, c, "usr_2")
	if err != nil || c.Version != 2 {
		t.Fatalf("changed: %+v, %v", c, err)
	}
	if again, err := people.Change(ctx, w.A, c, "usr_2"); err != nil || again.Version != 2 {
		t.Errorf("a change of nothing: version %d, %v", again.Version, err)
	}
	for text, want := range map[string]string{"alt": "", "neu": "Eva Neu", "eva@x.example": "", "eva@y.example": "Eva Neu", "@x.example": ""} {
		equal(t, text, w.listed(audience.ContactFilter{Text: text}), want)
	}
	equal(t, "old tag", w.listed(audience.ContactFilter{Tag: "alt"}), "")
	if _, err := people.Change(ctx, w.A, first, "usr_1"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("a change of what nobody sees any more: %v", err)
	}
	first.Version, first.UpdatedAt = 2, w.Clock.Now()
	if err := w.Store.ChangeContact(ctx, first, audience.ContactAct{}); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("a race: %v", err)
	}
	acts, err := people.Acts(ctx, w.A, c.ID)
	if err != nil || len(acts) != 2 || acts[0].Type != audience.ContactChanged || !slices.Equal(acts[0].Fields, []string{"addresses", "family_name", "tags"}) {
		t.Errorf("acts %+v, %v", acts, err)
	}
}

func contactsMerged(t *testing.T, w *World) {
	ctx, people := t.Context(), w.Contacts()
	kept := w.Contact(w.A, "Eva", "Sommer", "", "", []string{"eva@x.example"}, "a")
	other := w.Contact(w.A, "E.", "Sommer", "Kranz", "K-1", []string{"eva@y.example"}, "b")
	if _, err := people.AddNote(ctx, w.A, other.ID, "usr_1", "ruft zurück"); err != nil {
		t.Fatal(err)
	}
	if _, err := people.Merge(ctx, w.A, kept.ID, other.ID, 1, 9, "usr_1"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("merged what nobody saw: %v", err)
	}
	c, err := people.Merge(ctx, w.A, kept.ID, other.ID, 1, 1, "usr_1")
	if err != nil || c.GivenName != "Eva" || c.Company != "Kranz" || c.Reference != "K-1" || len(c.Addresses) != 2 || len(c.Tags) != 2 {
		t.Fatalf("merged %+v, %v", c, err)
	}
	if _, err := people.Contact(ctx, w.A, other.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("the other one: %v", err)
	}
	of, _, err := people.Of(ctx, w.A, Address("eva@y.example"))
	if err != nil || of.ID != kept.ID {
		t.Errorf("address leads to %v, %v", of.ID, err)
	}
	notes, err := people.Notes(ctx, w.A, kept.ID)
	if err != nil || len(notes) != 1 {
		t.Errorf("notes %v, %v", notes, err)
	}
	if err := people.Delete(ctx, w.A, kept.ID); err != nil {
		t.Fatal(err)
	}
	equal(t, "after deletion", w.listed(audience.ContactFilter{}), "")
	if _, ok, _ := people.Of(ctx, w.A, Address("eva@x.example")); ok {
		t.Error("the address of a deleted contact leads somewhere")
	}
}

func contactNotes(t *testing.T, w *World) {
	ctx, people := t.Context(), w.Contacts()
	c := w.Contact(w.A, "Eva", "", "", "", []string{"eva@x.example"})
	n, err := people.AddNote(ctx, w.A, c.ID, "usr_1", " zwei\r\nZeilen ")
	if err != nil || n.Text != "zwei\nZeilen" {
		t.Fatalf("%+v, %v", n, err)
	}
	for what, err := range map[string]error{
		"edited by another": people.EditNote(ctx, w.A, c.ID, n.ID, "usr_2", "x"), "deleted by another": people.DeleteNote(ctx, w.A, c.ID, n.ID, "usr_2"),
	} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.Clock.Advance(time.Second)
	if err := people.EditNote(ctx, w.A, c.ID, n.ID, "usr_1", "neu"); err != nil {
		t.Fatal(err)
	}
	notes, err := people.Notes(ctx, w.A, c.ID)
	if err != nil || len(notes) != 1 || notes[0].Text != "neu" || notes[0].Author != "usr_1" || notes[0].EditedAt != w.Clock.Now() {
		t.Errorf("notes %+v, %v", notes, err)
	}
	w.recorded("contacts.notes.delete", func(ctx context.Context) error { return people.DeleteNote(ctx, w.A, c.ID, n.ID, "usr_1") })
}

func contactsForeign(t *testing.T, w *World) {
	ctx, people := t.Context(), w.Contacts()
	c := w.Contact(w.A, "Eva", "", "", "K-1", []string{"eva@x.example"})
	// The same person may be a contact of another tenant too.
	w.Contact(w.B, "Eva", "", "", "K-1", []string{"eva@x.example"})
	_, note := people.AddNote(ctx, w.B, c.ID, "usr_1", "x")
	_, read := people.Contact(ctx, w.B, c.ID)
	_, change := people.Change(ctx, w.B, c, "usr_1")
	for what, err := range map[string]error{"read": read, "changed": change, "noted": note, "deleted": people.Delete(ctx, w.B, c.ID)} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("foreign contact is %s: %v", what, err)
		}
	}
	equal(t, "of the owner", w.listed(audience.ContactFilter{}), "Eva")
}

// contactRuns: people who came together are found by what they have in common, each as long
// as it is theirs.
func contactRuns(t *testing.T, w *World) {
	ctx := t.Context()
	var list strings.Builder
	list.WriteString("E-Mail;Vorname;Nachname\n")
	for n := range 130 {
		fmt.Fprintf(&list, "p%03d@gmx.example;Anna;Muster%03d\n", n, n)
	}
	g := w.Group(w.A, "g")
	i := w.imported(w.Intake(), g, list.String())
	found := func(text string) []audience.Contact {
		t.Helper()
		page, err := w.Store.Contacts(ctx, w.A, audience.ContactFilter{Text: text, ByName: true, Ascending: true, Limit: 200})
		w.must(err)
		return page.Contacts
	}
	segment := func(want int64) {
		t.Helper()
		if n, err := w.Store.CountSegment(ctx, w.A, audience.Segment{Of: "domain", Is: audience.Equals, Value: "GMX.example"}); n != want || err != nil {
			t.Errorf("%d in the domain, %v; want %d", n, err, want)
		}
	}
	anna := found("ann")
	equal(t, "found", fmt.Sprint(len(anna), len(found("@gmx")), len(found("anna muster12")), len(found("bea"))), "130 130 10 0")
	segment(130)
	other := w.Contact(w.B, "Anna", "Fremd", "", "", []string{"a@gmx.example"})
	_ = other
	changed := anna[0] // the first of its run
	changed.GivenName = "Bea"
	_, err := w.Contacts().Change(ctx, w.A, changed, "usr_1")
	w.must(err)
	for _, c := range []audience.Contact{anna[50], anna[129]} {
		w.must(w.Store.DeleteContact(ctx, w.A, c.ID))
	}
	equal(t, "after changes", fmt.Sprint(len(found("ann")), len(found("@gmx")), len(found("bea"))), "127 128 1")
	segment(128)
	w.must(w.Intake().Undo(ctx, w.A, i.ID))
	w.worked(w.Intake(), i)
	equal(t, "after the undo", fmt.Sprint(len(found("ann")), len(found("@gmx")), len(found("bea"))), "0 1 1")
}
