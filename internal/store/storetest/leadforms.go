package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/lead/openimmo"
	"stafette/internal/tenant"
)

func leadSuspects(t *testing.T, w *World) {
	ctx := t.Context()
	l := w.lead(w.A, "1")
	l.State, l.Reason = lead.Suspect, leadform.SuspectTrap
	w.takeLead(l, "", 7)
	w.takeLead(w.lead(w.A, "1"), "", 1)
	w.takeLead(w.lead(w.B, "1"), "", 7)
	page, err := w.Store.Leads(ctx, w.A, lead.Filter{Limit: 9})
	if err != nil || len(page.Leads) != 1 {
		t.Errorf("a list has the suspect: %d, %v", len(page.Leads), err)
	}
	if page, err = w.Store.Leads(ctx, w.A, lead.Filter{Suspects: true, Limit: 9}); err != nil || len(page.Leads) != 2 {
		t.Errorf("all: %d, %v", len(page.Leads), err)
	}
	if page, err = w.Store.Leads(ctx, w.A, lead.Filter{State: lead.Suspect, Limit: 9}); err != nil || len(page.Leads) != 1 || page.Leads[0].ID != l.ID {
		t.Errorf("suspects: %v, %v", page, err)
	}
	if n, since, err := w.Store.CountLeads(ctx, w.A, lead.Suspect); err != nil || n != 1 || !since.Equal(l.TakenAt) {
		t.Errorf("waiting %d since %v, %v", n, since, err)
	}
	if n, _, err := w.Store.CountLeads(ctx, w.A, lead.Stopped); err != nil || n != 0 {
		t.Errorf("stopped %d, %v", n, err)
	}
	if _, _, err := w.Store.CountLeads(ctx, w.A, lead.Sent); err == nil {
		t.Error("all sent leads are counted")
	}
	for name, c := range map[string]struct {
		of     tenant.ID
		number string
		hash   byte
		since  time.Time
		want   bool
	}{
		"same": {w.A, "1", 7, l.TakenAt, true}, "later": {w.A, "1", 7, l.TakenAt.Add(time.Minute), false},
		"another text": {w.A, "1", 8, l.TakenAt, false}, "another advertiser": {w.A, "2", 7, l.TakenAt, false},
	} {
		if got, err := w.Store.HasLeadLike(ctx, c.of, c.number, [32]byte{c.hash}, c.since); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	l.State, l.Sealed = lead.Discarded, nil
	if err := w.Store.SettleLead(ctx, l); err != nil {
		t.Fatal(err)
	}
	if n, _, err := w.Store.CountLeads(ctx, w.A, lead.Suspect); err != nil || n != 0 {
		t.Errorf("a discarded one waits: %d, %v", n, err)
	}
}

func leadProof(t *testing.T, w *World) {
	ctx := t.Context()
	l := w.lead(w.A, "1")
	l.Test = true
	w.takeLead(l, "", 1)
	first, second := l.TakenAt.Add(time.Minute), l.TakenAt.Add(time.Hour)
	prove := func(at time.Time, parts ...lead.Part) {
		t.Helper()
		if err := w.Store.ProveLead(ctx, l, parts, at); err != nil {
			t.Fatal(err)
		}
	}
	prove(first, lead.PartBody)
	if a, err := w.Store.Advertiser(ctx, w.A, "1"); err != nil || !a.Profile.VerifiedOn.IsZero() {
		t.Errorf("verified by half of it: %v, %v", a.Profile.VerifiedOn, err)
	}
	prove(second, lead.PartBody, lead.PartXML, lead.PartCRM)
	got, err := w.Store.LeadProof(ctx, w.A, l.ID)
	same(t, "proof", got, lead.Proven{Body: first, XML: second, CRM: second}, err)
	if a, err := w.Store.Advertiser(ctx, w.A, "1"); err != nil || !a.Profile.VerifiedOn.Equal(second) {
		t.Errorf("verified on %v, %v", a.Profile.VerifiedOn, err)
	}
	got, err = w.Store.LeadProof(ctx, w.B, l.ID)
	same(t, "foreign", got, lead.Proven{}, err)
}

func leadForms(t *testing.T, w *World) {
	ctx := t.Context()
	now := w.Clock.Advance(time.Second)
	f := leadform.Form{ID: id.New[leadform.Kind](now), Tenant: w.A, Name: "B", Active: true, Lang: "de", Advertiser: "1", Object: openimmo.Object{AdvertiserRef: "MA-1", Marketing: []string{"KAUF"}},
		Fields: map[leadform.Field]leadform.Need{leadform.Email: leadform.Mandatory}, Origins: []string{"https://a.example"}, Notice: "Größe", CreatedAt: now, UpdatedAt: now}
	other := leadform.Form{ID: id.New[leadform.Kind](now), Tenant: w.A, Name: "A", Signed: true, CreatedAt: now, UpdatedAt: now}
	for _, one := range []leadform.Form{f, other} {
		if err := w.Store.SaveLeadForm(ctx, one); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.Store.LeadForm(ctx, w.A, f.ID)
	same(t, "form", got, f, err)
	list, err := w.Store.LeadForms(ctx, w.A)
	same(t, "forms", list, []leadform.Form{other, f}, err)
	f.Active, f.Origins, f.UpdatedAt = false, nil, now.Add(time.Hour)
	if err := w.Store.SaveLeadForm(ctx, f); err != nil {
		t.Fatal(err)
	}
	got, err = w.Store.LeadForm(ctx, w.A, f.ID)
	same(t, "changed", got, f, err)
	if _, err := w.Store.LeadForm(ctx, w.B, f.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant reads it: %v", err)
	}
	if err := w.Store.DropLeadForm(ctx, w.B, f.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant removes it: %v", err)
	}
	if err := w.Store.DropLeadForm(ctx, w.A, f.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.LeadForm(ctx, w.A, f.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("removed: %v", err)
	}
}

// leadCase is a report about a lead, or about none if it is zero.
func (w *World) leadCase(t tenant.ID, about lead.ID) leadcase.Case {
	now := w.Clock.Advance(time.Second)
	return leadcase.Case{ID: id.New[leadcase.IDKind](now), Tenant: t, Kind: leadcase.NoXML, State: leadcase.Open, Advertiser: "4711", Object: "MA-1", Lead: about,
		ByAdvertiser: true, Evidence: leadcase.Evidence{At: now, State: lead.Sent, XML: leadcase.XML{Bytes: 9, Valid: true}}, OpenedAt: now}
}

func (w *World) leadNote() leadcase.Note {
	return leadcase.Note{ID: id.New[leadcase.NoteKind](w.Clock.Advance(time.Second)), Sealed: []byte("sealed")}
}

func (w *World) openCase(c leadcase.Case, notes int) (leadcase.Case, bool) {
	w.t.Helper()
	got, made, err := w.Store.OpenLeadCase(context.Background(), c, w.leadNote(), notes)
	if err != nil {
		w.t.Fatal(err)
	}
	return got, made
}

func leadCases(t *testing.T, w *World) {
	ctx := t.Context()
	about := id.New[lead.Kind](w.Clock.Now())
	first := w.leadCase(w.A, about)
	opened, made := w.openCase(first, 3)
	if first.Number = 1; !made {
		t.Error("the first report opened nothing")
	}
	same(t, "opened", opened, first, nil)
	for range 4 { // repeated reports, of which two more notes are kept
		if again, made := w.openCase(w.leadCase(w.A, about), 3); made || again.ID != first.ID {
			t.Errorf("a repeated report opened %v", again.Number)
		}
	}
	if second, made := w.openCase(w.leadCase(w.A, lead.ID{}), 3); !made || second.Number != 2 {
		t.Errorf("another report: %v, number %d", made, second.Number)
	}
	if foreign, made := w.openCase(w.leadCase(w.B, about), 3); !made || foreign.Number != 1 {
		t.Errorf("another tenant's: %v, number %d", made, foreign.Number)
	}
	got, notes, err := w.Store.LeadCase(ctx, w.A, first.ID)
	same(t, "read", got, first, err)
	if len(notes) != 3 {
		t.Errorf("%d notes", len(notes))
	}
	if _, _, err := w.Store.LeadCase(ctx, w.B, first.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant reads it: %v", err)
	}
	if n, since, err := w.Store.CountLeadCases(ctx, w.A); err != nil || n != 2 || !since.Equal(first.OpenedAt) {
		t.Errorf("open %d since %v, %v", n, since, err)
	}
	last := w.leadNote()
	last.Actor = "usr_1"
	first.State, first.Outcome, first.ClosedAt, first.Test, first.Evidence.XML.Valid = leadcase.Closed, leadcase.Receiver, w.Clock.Now(), id.New[lead.Kind](w.Clock.Now()), false
	if err := w.Store.SettleLeadCase(ctx, first, &last); err != nil {
		t.Fatal(err)
	}
	got, notes, err = w.Store.LeadCase(ctx, w.A, first.ID)
	same(t, "closed", got, first, err)
	same(t, "last note", notes[len(notes)-1], last, nil)
	if again, made := w.openCase(w.leadCase(w.A, about), 3); !made || again.Number != 3 {
		t.Errorf("a report after the end: %v, number %d", made, again.Number)
	}
}

func leadCaseLists(t *testing.T, w *World) {
	var all []leadcase.Case
	for i, about := range []lead.ID{{1}, {2}, {3}} {
		c := w.leadCase(w.A, about)
		if i == 1 {
			c.Kind, c.Advertiser = leadcase.Refused, "2"
		}
		c, _ = w.openCase(c, 3)
		all = append(all, c)
	}
	for name, c := range map[string]struct {
		f    leadcase.Filter
		want []int
		more bool
	}{
		"new to old": {leadcase.Filter{Limit: 9}, []int{2, 1, 0}, false}, "old to new": {leadcase.Filter{Limit: 9, Oldest: true}, []int{0, 1, 2}, false},
		"kind": {leadcase.Filter{Limit: 9, Kind: leadcase.Refused}, []int{1}, false}, "advertiser": {leadcase.Filter{Limit: 9, Advertiser: "4711"}, []int{2, 0}, false},
		"closed": {leadcase.Filter{Limit: 9, State: leadcase.Closed}, nil, false}, "page": {leadcase.Filter{Limit: 1}, []int{2}, true},
		"next": {leadcase.Filter{Limit: 1, After: all[2].ID}, []int{1}, true}, "next of old": {leadcase.Filter{Limit: 9, Oldest: true, After: all[1].ID}, []int{2}, false},
	} {
		page, err := w.Store.LeadCases(t.Context(), w.A, c.f)
		var want []leadcase.Case
		for _, i := range c.want {
			want = append(want, all[i])
		}
		same(t, name, page, leadcase.Page{Cases: want, More: c.more}, err)
	}
}

func leadCaseWords(t *testing.T, w *World) {
	c, _ := w.openCase(w.leadCase(w.A, lead.ID{1}), 3)
	open, _ := w.openCase(w.leadCase(w.A, lead.ID{2}), 3)
	c.State, c.ClosedAt = leadcase.Closed, w.Clock.Now()
	if err := w.Store.SettleLeadCase(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1, 0} {
		if n, err := w.Store.DropLeadCaseNotes(t.Context(), c.ClosedAt.Add(time.Duration(i)*time.Hour), 9); err != nil || n != want {
			t.Errorf("turn %d dropped %d, %v", i, n, err)
		}
	}
	for of, gone := range map[leadcase.ID]bool{c.ID: true, open.ID: false} {
		if _, notes, err := w.Store.LeadCase(t.Context(), w.A, of); err != nil || len(notes) != 1 || (notes[0].Sealed == nil) != gone {
			t.Errorf("notes %v, %v", notes, err)
		}
	}
}
