package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/fault"
)

// Intake imports lists into the world's groups.
func (w *World) Intake() *intake.Service {
	return intake.New(intake.Config{Store: w.Store, People: w.Store, Now: w.Clock.Now})
}

// imported is a list on its way through to the end, by the plan guessed for it.
func (w *World) imported(s *intake.Service, g audience.Group, list string, change ...func(*intake.Plan)) intake.Import {
	w.t.Helper()
	ctx := w.t.Context()
	w.Clock.Advance(time.Second)
	i, err := s.Receive(ctx, w.A, g.ID, "messe.csv", "usr_1", strings.NewReader(list))
	w.must(err)
	i.Plan.Source = "Messe Hamburg"
	for _, f := range change {
		f(&i.Plan)
	}
	_, err = s.Start(ctx, w.A, i.ID, i.Plan)
	w.must(err)
	return w.worked(s, i)
}

func (w *World) worked(s *intake.Service, i intake.Import) intake.Import {
	w.t.Helper()
	for {
		n, err := s.Turn(w.t.Context())
		w.must(err)
		if n == 0 {
			break
		}
	}
	i, err := s.Import(w.t.Context(), w.A, i.ID)
	w.must(err)
	return i
}

func groupEnlists(t *testing.T, w *World) {
	ctx, groups := t.Context(), w.Groups()
	w.must(w.Contacts().SetField(ctx, w.A, audience.Field{Key: "city", Type: audience.TextField}))
	eva := w.Contact(w.A, "Eva", "", "", "K-1", []string{"eva@x.example", "e@x.example"})
	g := w.Group(w.A, "g")
	people := []audience.Person{
		{Email: "E@X.example", Fields: map[string]string{"city": "Bremen", "given_name": "Else"}},
		{Email: "max@x.example", Fields: map[string]string{"family_name": "Reuter", "reference": "K-2"}},
		{Email: "nobody"},
		{Email: "ida@x.example", Fields: map[string]string{"reference": "K-1"}},
		{Email: "MAX@x.example"},
		{Email: "uwe@x.example", Fields: map[string]string{"shoe": "43"}},
	}
	results, err := groups.Enlist(ctx, w.A, g.ID, people, audience.OriginAPI, "key_1")
	w.must(err)
	var have []string
	for _, r := range results {
		text := string(r.Result)
		if r.Err != nil {
			text += " " + r.Err.Field
		}
		have = append(have, text)
	}
	equal(t, "results", strings.Join(have, ", "), "changed, created, refused email, refused reference, known, refused shoe")
	equal(t, "count", w.counted(g), 2)
	c, err := w.Store.Contact(ctx, w.A, eva.ID)
	if err != nil || c.GivenName != "Eva" || c.Fields["city"] != "Bremen" || c.Version != 2 || len(c.Addresses) != 2 {
		t.Errorf("filled in %+v, %v", c, err)
	}
	equal(t, "found", w.listed(audience.ContactFilter{Text: "reut"}), "Reuter")
	again, err := groups.Enlist(ctx, w.A, g.ID, people[:2], audience.OriginAPI, "key_1")
	if err != nil || again[0].Result != audience.EnlistKnown || again[1].Result != audience.EnlistKnown {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := groups.Enlist(ctx, w.B, g.ID, people, audience.OriginAPI, "key_2"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("into a foreign group: %v", err)
	}
}

const fair = "\ufeffE-Mail;Vorname;Nachname;Schlagwörter\r\n" +
	"jürgen@mueller.example;Jürgen;Müller;messe\r\n" +
	"eva@x.example;Evi;Sommer;\r\n" +
	"\r\n" +
	"kein-at;Nie;Mand;\r\n" +
	"JÜRGEN@mueller.example;;;\r\n" +
	"\"ada@x.example\";\"Ada;Lovelace\";;\"a,b\"\r\n"

func groupImports(t *testing.T, w *World) {
	ctx, s := t.Context(), w.Intake()
	w.Contact(w.A, "Eva", "", "", "", []string{"eva@x.example"})
	g := w.Group(w.A, "g")
	i := w.imported(s, g, fair)
	equal(t, "progress", fmt.Sprint(i.State, i.Created, i.Changed, i.Twice, i.Refused, i.Total, i.Rows()), "done2 1 1 1 5 5")
	equal(t, "members", w.members(g, audience.MemberFilter{ByName: true, Ascending: true}), "Ada;Lovelace, Jürgen Müller, Eva Sommer")
	equal(t, "count", w.counted(g), 3)
	faults, more, err := s.Faults(ctx, w.A, i.ID, 0, 10)
	if err != nil || more || len(faults) != 1 || faults[0].Line != 5 || faults[0].Field != "email" || faults[0].Value != "kein-at" {
		t.Errorf("faults %+v, %v, %v", faults, more, err)
	}
	facts, err := w.Store.GroupFacts(ctx, w.A, g.ID, time.Time{})
	if err != nil || len(facts.Batches) != 1 || facts.Batches[0].Source != "Messe Hamburg" || facts.Batches[0].Added != 3 || facts.Batches[0].Name != "messe.csv" {
		t.Errorf("facts %+v, %v", facts, err)
	}
	data, err := w.Store.ImportPart(ctx, w.A, i.ID, 0)
	if err != nil || data != nil {
		t.Errorf("the list is kept: %s, %v", data, err)
	}
	for what, err := range map[string]error{"read": failed(s.Import(ctx, w.B, i.ID)), "undone": s.Undo(ctx, w.B, i.ID), "stopped": s.Cancel(ctx, w.B, i.ID)} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("a foreign import is %s: %v", what, err)
		}
	}
	if _, err := s.Receive(ctx, w.B, g.ID, "x.csv", "usr_2", strings.NewReader(fair)); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("a list for a foreign group: %v", err)
	}
}

// The parts of a long list go together, and of two lines with one address the first counts.
func importLong(t *testing.T, w *World) {
	ctx, s, g := t.Context(), w.Intake(), w.Group(w.A, "g")
	var list strings.Builder
	list.WriteString("E-Mail;Vorname\n")
	for n := range 2300 {
		fmt.Fprintf(&list, "p%d@x.example;%d\n", n*7%2300, n)
		if n == 1500 {
			list.WriteString("Dora@x.example;Erste\n")
		}
	}
	list.WriteString("DORA@x.example;Zweite\nkein-at;Nie\n")
	i := w.imported(s, g, list.String())
	equal(t, "progress", fmt.Sprint(i.State, i.Parts, i.Done, i.Created, i.Twice, i.Refused, i.Total), "done3 3 2301 1 1 2303")
	equal(t, "count", w.counted(g), 2301)
	dora, _, err := w.Contacts().Of(ctx, w.A, Address("dora@x.example"))
	if err != nil || dora.GivenName != "Erste" {
		t.Errorf("of two lines %q counts, %v", dora.GivenName, err)
	}
	for part := range i.Parts {
		if data, err := w.Store.ImportPart(ctx, w.A, i.ID, part); err != nil || data != nil {
			t.Errorf("part %d is kept, %v", part, err)
		}
	}
	faults, _, err := s.Faults(ctx, w.A, i.ID, 0, 10)
	if err != nil || len(faults) != 1 || faults[0].Line != 2304 {
		t.Errorf("faults %+v, %v", faults, err)
	}
}

// A long list that names people who are there, and many who are found by the same words, is
// taken back in steps; others who have those words stay found by them.
func importLongUndone(t *testing.T, w *World) {
	ctx, s, g := t.Context(), w.Intake(), w.Group(w.A, "g")
	list := func(first, last int) string {
		var s strings.Builder
		s.WriteString("E-Mail;Vorname;Nachname;Schlagwörter\n")
		for n := first; n < last; n++ {
			fmt.Fprintf(&s, "p%04d@x.example;Anna;N%d;messe\n", n, n%40)
		}
		return s.String()
	}
	keep := func(p *intake.Plan) { p.Existing = audience.KeepExisting }
	stays := w.imported(s, g, list(0, 150), keep)
	goes := w.imported(s, g, list(100, 1300), keep)
	equal(t, "progress", fmt.Sprint(goes.State, goes.Created, goes.Known, goes.Twice, goes.Refused), "done1150 50 0 0")
	w.must(s.Undo(ctx, w.A, goes.ID))
	goes = w.worked(s, goes)
	equal(t, "undone", fmt.Sprint(goes.State, goes.Removed, goes.Deleted, goes.Kept), "undone1150 1150 0")
	equal(t, "count", w.counted(g), 150)
	for text, want := range map[string]int{"anna": 50, "n39": 3, "@x.example": 50, "p0149@x.example": 1, "p0150@x.example": 0} {
		page, err := w.Store.Contacts(ctx, w.A, audience.ContactFilter{Text: text})
		w.must(err)
		equal(t, "found by "+text, len(page.Contacts), want)
	}
	again := w.imported(s, g, list(100, 1300), keep)
	equal(t, "again", fmt.Sprint(again.State, again.Created, again.Known), "done1150 50")
	equal(t, "the first", fmt.Sprint(stays.State, stays.Created), "done150")
}

func failed[T any](_ T, err error) error { return err }

func importUndone(t *testing.T, w *World) {
	ctx := t.Context()
	// The clock goes on between reading a row and storing it, as clocks do.
	s := intake.New(intake.Config{Store: w.Store, People: w.Store, Now: func() time.Time {
		w.Clock.Advance(time.Millisecond)
		return w.Clock.Now()
	}})
	eva := w.Contact(w.A, "Eva", "", "", "", []string{"eva@x.example"})
	g, other := w.Group(w.A, "g"), w.Group(w.A, "other")
	i := w.imported(s, g, fair)
	ada, _, err := w.Contacts().Of(ctx, w.A, Address("ada@x.example"))
	w.must(err)
	w.add(w.A, other, ada)
	w.must(s.Undo(ctx, w.A, i.ID))
	i = w.worked(s, i)
	equal(t, "undone", fmt.Sprint(i.State, i.Removed, i.Deleted, i.Restored, i.Kept), "undone3 1 1 1")
	equal(t, "group", fmt.Sprint(w.members(g, audience.MemberFilter{}), w.counted(g), w.counted(other)), "0 1")
	back, err := w.Store.Contact(ctx, w.A, eva.ID)
	if err != nil || back.FamilyName != "" || back.Version != 3 {
		t.Errorf("as before: %+v, %v", back, err)
	}
	equal(t, "left", w.listed(audience.ContactFilter{ByName: true, Ascending: true}), "Ada;Lovelace, Eva")
	if err := s.Undo(ctx, w.A, i.ID); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("undone twice: %v", err)
	}
	facts, err := w.Store.GroupFacts(ctx, w.A, g.ID, time.Time{})
	if err != nil || !facts.Batches[0].Undone {
		t.Errorf("facts %+v, %v", facts, err)
	}
}

// What was stopped in the middle can be taken back; what was not begun goes.
func importStopped(t *testing.T, w *World) {
	ctx, s := t.Context(), w.Intake()
	g := w.Group(w.A, "g")
	var list strings.Builder
	for n := range 1200 {
		fmt.Fprintf(&list, "p%d@x.example\n", n)
	}
	i, err := s.Receive(ctx, w.A, g.ID, "list.txt", "usr_1", strings.NewReader(list.String()))
	w.must(err)
	i.Plan.Source = "Formular"
	i, err = s.Start(ctx, w.A, i.ID, i.Plan)
	w.must(err)
	if _, err := s.Start(ctx, w.A, i.ID, i.Plan); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("begun twice: %v", err)
	}
	step := intake.Step{Import: i, Enlistment: audience.Enlistment{Batch: i.Batch()}}
	done, err := w.Store.SettlePart(ctx, step, w.Clock.Now())
	if err != nil || !done {
		t.Fatalf("first part: %v, %v", done, err)
	}
	if done, err = w.Store.SettlePart(ctx, step, w.Clock.Now()); err != nil || done {
		t.Errorf("the same part again: %v, %v", done, err)
	}
	w.must(s.Cancel(ctx, w.A, i.ID))
	i = w.worked(s, i)
	equal(t, "stopped", fmt.Sprint(string(i.State), i.Done, i.Revocable(w.Clock.Now())), "cancelled1 true")
	for range intake.MaxOpen {
		_, err = s.Receive(ctx, w.A, g.ID, "list.txt", "usr_1", strings.NewReader("a@x.example"))
		w.must(err)
	}
	if _, err = s.Receive(ctx, w.A, g.ID, "list.txt", "usr_1", strings.NewReader("a@x.example")); !fault.IsKind(err, fault.Limited) {
		t.Errorf("one too many: %v", err)
	}
}

func importExpires(t *testing.T, w *World) {
	ctx, s := t.Context(), w.Intake()
	g := w.Group(w.A, "g")
	done := w.imported(s, g, fair)
	draft, err := s.Receive(ctx, w.A, g.ID, "list.txt", "usr_1", strings.NewReader("a@x.example"))
	w.must(err)
	w.Clock.Advance(25 * time.Hour)
	w.must(s.Sweep(ctx, w.Clock.Now()))
	if _, err := s.Import(ctx, w.A, draft.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("an old draft: %v", err)
	}
	w.Clock.Advance(intake.UndoLasts)
	w.must(s.Sweep(ctx, w.Clock.Now()))
	done, err = s.Import(ctx, w.A, done.ID)
	w.must(err)
	equal(t, "kept", fmt.Sprint(done.State, done.Revocable(w.Clock.Now()), done.Created), "donefalse 3")
	faults, _, err := s.Faults(ctx, w.A, done.ID, 0, 10)
	if err != nil || len(faults) > 0 {
		t.Errorf("refused rows are kept: %+v, %v", faults, err)
	}
	w.must(w.Groups().Delete(ctx, w.A, g.ID))
	w.must(s.Sweep(ctx, w.Clock.Now()))
	if _, err := s.Import(ctx, w.A, done.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("an import into a group that is gone: %v", err)
	}
}
