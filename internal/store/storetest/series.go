package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/series"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func seriesTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Rows": seriesRows, "Entering": seriesEntering, "Moving": seriesMoving, "Heard": seriesHeard, "Signals": seriesSignals, "Sleep": seriesSleep, "Ended": seriesEnded, "HandedOut": seriesHandedOut, "Checks": seriesChecks}
}

// flow stores an active one for a group that begins with the tag "neu".
func (w *World) flow(t tenant.ID, g audience.Group, change ...func(*series.Series)) series.Series {
	w.t.Helper()
	now := w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
	v := series.Series{ID: id.New[series.Kind](now), Tenant: t, Revision: 1, Name: "Willkommen", Group: g.ID, State: series.Draft, Actor: "usr_1", Version: 1, Since: 1,
		CreatedAt: now, UpdatedAt: now, Definition: series.Definition{Trigger: series.Trigger{On: series.Tagged, Tag: "neu"}, Zone: "Europe/Berlin", Steps: []series.Step{
			{Key: "a", Do: series.Send, Form: id.New[campaign.Kind](now), Letter: &campaign.Letter{From: "info@a.example", Subject: "Hallo"}},
			{Key: "w", Do: series.Wait, Minutes: 60}}}}
	for _, f := range change {
		f(&v)
	}
	w.must(w.Store.CreateSeries(w.t.Context(), v, 10))
	v.Revision, v.State = 2, series.Active
	w.must(w.Store.ChangeSeries(w.t.Context(), v, series.Draft, false))
	return v
}

func seriesRows(t *testing.T, w *World) {
	ctx := t.Context()
	g := w.Group(w.A, "Kunden")
	v := w.flow(w.A, g)
	found, err := w.Store.Series(ctx, w.A, v.ID)
	w.must(err)
	d, err := w.Store.SeriesVersion(ctx, w.A, v.ID, 1)
	w.must(err)
	found.Definition = d
	equal(t, "read back", plainJSON(found), plainJSON(v))
	form := v.Definition.Steps[0].Form
	l, group, err := w.Store.SeriesLetter(ctx, w.A, form)
	if err != nil || l.Subject != "Hallo" || group != g.ID {
		t.Errorf("letter: %+v %v %v", l, group, err)
	}
	for what, err := range map[string]error{
		"series":  errOf(w.Store.Series(ctx, w.B, v.ID)),
		"version": errOf(w.Store.SeriesVersion(ctx, w.B, v.ID, 1)),
		"letter":  errOfTwo(w.Store.SeriesLetter(ctx, w.B, form)),
		"delete":  w.Store.DeleteSeries(ctx, w.B, v.ID),
	} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("another tenant's %s: %v", what, err)
		}
	}
	if err := w.Store.CreateSeries(ctx, v, 1); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("too many: %v", err)
	}
	if err := w.Store.ChangeSeries(ctx, v, series.Active, false); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("changed in an old revision: %v", err)
	}
	if err := w.Store.DeleteSeries(ctx, w.A, v.ID); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("deleted while active: %v", err)
	}
	v.Revision, v.Version, v.Since, v.Name = 3, 2, 2, "Neu"
	v.Definition.Steps = v.Definition.Steps[:1]
	w.must(w.Store.ChangeSeries(ctx, v, series.Active, true))
	if old, err := w.Store.SeriesVersion(ctx, w.A, v.ID, 1); err != nil || len(old.Steps) != 2 || old.Steps[0].Letter == nil {
		t.Errorf("the version before: %+v %v", old, err)
	}
	if list, err := w.Store.SeriesList(ctx, w.A); err != nil || len(list) != 1 || list[0].Name != "Neu" || list[0].Since != 2 {
		t.Errorf("list: %+v %v", list, err)
	}
	if list, err := w.Store.SeriesList(ctx, w.B); err != nil || len(list) != 0 {
		t.Errorf("another tenant's list: %+v %v", list, err)
	}
	v.State, v.Reason = series.Paused, "group_not_approved"
	moved, err := w.Store.MoveSeries(ctx, v, series.Active)
	w.must(err)
	again, err := w.Store.MoveSeries(ctx, v, series.Active)
	w.must(err)
	equal(t, "moved", words(moved, again), "true false")
}

// seriesChecks go with the letter they are about.
func seriesChecks(t *testing.T, w *World) {
	ctx := t.Context()
	v := w.flow(w.A, w.Group(w.A, "Kunden"))
	now := w.Clock.Now().UTC().Truncate(time.Millisecond)
	kept := v.Definition.Steps[0].Form
	second := series.Step{Key: "b", Do: series.Send, Form: id.New[campaign.Kind](now.Add(time.Second)), Letter: &campaign.Letter{Subject: "Noch etwas"}}
	v.Revision, v.Version, v.Definition.Steps = 3, 2, append(slices.Clone(v.Definition.Steps), second)
	w.must(w.Store.ChangeSeries(ctx, v, series.Active, true))
	foreign := id.New[campaign.Kind](now.Add(2 * time.Second))
	for _, c := range []campaign.ID{kept, second.Form, foreign} {
		w.must(w.Store.BeginCampaignCheck(ctx, preflight.Check{Tenant: w.A, Campaign: c, Step: 1, Total: 1, At: now}))
	}
	left := func() (list []bool) {
		t.Helper()
		for _, c := range []campaign.ID{kept, second.Form, foreign} {
			found, err := w.Store.CampaignCheck(ctx, w.A, c)
			w.must(err)
			list = append(list, !found.At.IsZero())
		}
		return list
	}
	v.Revision, v.Version, v.Definition.Steps = 4, 3, v.Definition.Steps[:2]
	w.must(w.Store.ChangeSeries(ctx, v, series.Active, true))
	equal(t, "left when a letter is another one", words(left()), "[true false true]")
	v.Revision, v.State = 5, series.Ended
	w.must(w.Store.ChangeSeries(ctx, v, series.Active, false))
	equal(t, "left when it is over", words(left()), "[true false true]")
	w.must(w.Store.DeleteSeries(ctx, w.A, v.ID))
	equal(t, "left when it is deleted", words(left()), "[false false true]")
}

// words are values with a space between each two.
func words(v ...any) string { return strings.TrimSuffix(fmt.Sprintln(v...), "\n") }

func plainJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func errOf[A any](_ A, err error) error            { return err }
func errOfTwo[A, B any](_ A, _ B, err error) error { return err }

// entrants are runs that begin now at the step "a".
func (w *World) entrants(people ...audience.Contact) (list []series.Run) {
	now := w.Clock.Now().UTC().Truncate(time.Millisecond)
	for _, p := range people {
		list = append(list, series.Run{Contact: p.ID, Version: 1, Step: "a", At: now, DueAt: now, EnteredAt: now})
	}
	return list
}

func (w *World) readers(t tenant.ID, n int) (people []audience.Contact) {
	for i := range n {
		people = append(people, w.Contact(t, "P", words(i), "", "", []string{fmt.Sprintf("p%d@x.example", i)}))
	}
	return people
}

func (w *World) enter(v series.Series, list []series.Run) int {
	w.t.Helper()
	n, err := w.Store.EnterSeries(w.t.Context(), v, list, nil)
	w.must(err)
	return n
}

func (w *World) due(v series.Series) []series.Run {
	w.t.Helper()
	list, err := w.Store.DueRuns(w.t.Context(), v.Tenant, v.ID, w.Clock.Now(), 100)
	w.must(err)
	return list
}

func seriesEntering(t *testing.T, w *World) {
	ctx := t.Context()
	people := w.readers(w.A, 3)
	v := w.flow(w.A, w.Group(w.A, "Kunden", people...))
	equal(t, "began", words(w.enter(v, w.entrants(people[:2]...)), w.enter(v, w.entrants(people...))), "2 1")
	list := w.due(v)
	equal(t, "due", words(len(list), list[0].Entry, list[0].Step, list[0].Turn), "3 1 a 0")
	end := list[0]
	end.Reason, end.DueAt, end.EndedAt = series.ReasonEnd, time.Time{}, w.Clock.Now()
	w.must(w.Store.MoveRuns(ctx, w.A, v.ID, []series.Move{{Run: end}}))
	mine := people[:0:0]
	for _, p := range people {
		if p.ID == end.Contact {
			mine = append(mine, p)
		}
	}
	equal(t, "never again", words(w.enter(v, w.entrants(mine...))), "0")
	v.Again = 7
	equal(t, "not yet again", words(w.enter(v, w.entrants(mine...))), "0")
	w.Clock.Advance(8 * 24 * time.Hour)
	equal(t, "again, once", words(w.enter(v, append(w.entrants(mine...), w.entrants(mine...)...))), "1")
	runs, _, err := w.Store.SeriesRuns(ctx, w.A, v.ID, series.RunFilter{Contact: end.Contact, Limit: 10})
	w.must(err)
	equal(t, "both", words(len(runs), runs[0].Entry, runs[1].Entry), "2 1 2")
	all, more, err := w.Store.SeriesRuns(ctx, w.A, v.ID, series.RunFilter{Limit: 2})
	w.must(err)
	equal(t, "one line each", words(len(all), more, all[0].Address.Domain, all[0].Name != ""), "2 true x.example true")
	v.State, v.Revision = series.Paused, 3
	w.must(w.Store.ChangeSeries(ctx, v, series.Active, false))
	equal(t, "nobody begins a paused one", words(w.enter(v, w.entrants(w.readers(w.B, 1)...))), "0")
	found, err := w.Store.Series(ctx, w.A, v.ID)
	w.must(err)
	equal(t, "counted", words(found.Entered), "4")
}

// naming is the mail of a run at the step "a" that is about to be handed over.
func (w *World) naming(v series.Series, r series.Run) series.Move {
	now := w.Clock.Now().UTC().Truncate(time.Millisecond)
	return series.Move{Run: r, Deed: series.Deed{Contact: r.Contact, Entry: r.Entry, Step: "a", Outcome: series.Naming, Form: v.Definition.Steps[0].Form,
		Delivery: message.Delivery(message.NewID(now), 1), At: now}}
}

func seriesMoving(t *testing.T, w *World) {
	ctx := t.Context()
	people := w.readers(w.A, 2)
	v := w.flow(w.A, w.Group(w.A, "Kunden", people...))
	w.enter(v, w.entrants(people...))
	runs := w.due(v)
	first := w.naming(v, runs[0])
	deeds, err := w.Store.NameMails(ctx, w.A, v.ID, []series.Move{first})
	w.must(err)
	equal(t, "named", words(deeds[0].Delivery == first.Deed.Delivery, deeds[0].Outcome, deeds[0].Known), "true waiting false")
	// Whoever names it again gets the same mail, and hears that it is there.
	a := w.Draft(w.A, "p0@x.example")
	a.Message.ID, a.Deliveries[0].ID = message.Of(first.Deed.Delivery), first.Deed.Delivery
	for i := range a.Events {
		a.Events[i].Message = a.Message.ID
	}
	w.Accept(a)
	again := w.naming(v, runs[0])
	deeds, err = w.Store.NameMails(ctx, w.A, v.ID, []series.Move{again})
	w.must(err)
	equal(t, "named again", words(deeds[0].Delivery == first.Deed.Delivery, deeds[0].Known), "true true")
	next := first
	next.Run.Step, next.Run.DueAt, next.Deed.Outcome = "w", w.Clock.Now().Add(time.Hour), series.Sent
	w.must(w.Store.MoveRuns(ctx, w.A, v.ID, []series.Move{next}))
	late := next
	late.Run.Step, late.Deed.Outcome, late.Deed.Reason = "a", series.Excluded, "too late"
	w.must(w.Store.MoveRuns(ctx, w.A, v.ID, []series.Move{late}))
	deeds, err = w.Store.NameMails(ctx, w.A, v.ID, []series.Move{again})
	w.must(err)
	equal(t, "too late to name", deeds[0].Step, "")
	told, err := w.Store.SeriesDeeds(ctx, w.A, v.ID, runs[0].Contact)
	w.must(err)
	equal(t, "deeds", words(len(told), told[0].Outcome, told[0].Reason, told[0].Form == first.Deed.Form), "1 sent  true")
	equal(t, "due", words(len(w.due(v))), "1")
	got, err := w.Store.RecentCampaigns(ctx, w.A, []audience.ContactID{people[0].ID, people[1].ID}, w.Clock.Now().Add(-time.Hour))
	w.must(err)
	equal(t, "counts for the cap", words(got[runs[0].Contact], got[runs[1].Contact]), "1 0")
	r, err := w.Store.SeriesReport(ctx, w.A, v.ID)
	w.must(err)
	equal(t, "report", words(len(r.Places), r.Counts, r.Over), "2 [{a sent  1}] map[]")
	if r, err := w.Store.SeriesReport(ctx, w.B, v.ID); err != nil || len(r.Places)+len(r.Counts) > 0 {
		t.Errorf("another tenant's report: %+v %v", r, err)
	}
	w.must(w.Contacts().Delete(ctx, w.A, runs[0].Contact))
	told, err = w.Store.SeriesDeeds(ctx, w.A, v.ID, runs[0].Contact)
	w.must(err)
	lines, _, err := w.Store.SeriesRuns(ctx, w.A, v.ID, series.RunFilter{Limit: 10})
	w.must(err)
	equal(t, "after the contact went", words(len(told), len(lines)), "0 1")
}

func seriesHeard(t *testing.T, w *World) {
	ctx := t.Context()
	people := w.readers(w.A, 3)
	v := w.flow(w.A, w.Group(w.A, "Kunden", people...))
	w.enter(v, w.entrants(people...))
	runs := w.due(v)
	for i, r := range runs {
		mail := w.Telling(w.A, tracking.Individual, fmt.Sprintf("p%d@x.example", i))
		m := w.naming(v, r)
		m.Deed.Delivery, m.Deed.Outcome = message.Delivery(mail.Message, 1), series.Sent
		w.must(w.Store.MoveRuns(ctx, w.A, v.ID, []series.Move{m}))
		h := w.Hit(mail, 1, fmt.Sprintf("p%d@x.example", i))
		switch i {
		case 0:
			w.Keep(h)
		case 1:
			h.Activity.Machine.Class = tracking.Scanner
			w.Keep(h)
		case 2:
			w.must(w.Store.AddFact(ctx, w.A, event.Event{ID: id.New[event.Kind](w.Clock.Now()), Message: mail.Message, Delivery: m.Deed.Delivery, Type: event.Replied, At: w.Clock.Now(), Actor: "recipient"}))
		}
	}
	for what, c := range map[string]struct {
		step, did string
		want      string
	}{"clicked": {"a", series.Clicked, "true false false"}, "opened": {"a", series.Opened, "true false false"}, "another step": {"w", series.Clicked, "false false false"}} {
		found, err := w.Store.Acted(ctx, w.A, v.ID, c.step, c.did, runs)
		w.must(err)
		equal(t, what, words(found[runs[0].Contact], found[runs[1].Contact], found[runs[2].Contact]), c.want)
	}
	found, err := w.Store.Replied(ctx, w.A, v.ID, runs)
	w.must(err)
	equal(t, "replied", words(found[runs[0].Contact], found[runs[2].Contact]), "false true")
	// What was done with mail of an earlier run says nothing of the present one.
	runs[2].Entry = 2
	if found, err = w.Store.Replied(ctx, w.A, v.ID, runs); err != nil || len(found) != 0 {
		t.Errorf("of another run: %v %v", found, err)
	}
	picked, err := w.Store.Picked(ctx, w.A, audience.Segment{Of: "family_name", Is: audience.Equals, Value: "1"}, []audience.ContactID{people[0].ID, people[1].ID})
	w.must(err)
	inside, err := w.Store.InGroup(ctx, w.A, v.Group, []audience.ContactID{people[0].ID, id.New[audience.ContactKind](w.Clock.Now())})
	w.must(err)
	gone, err := w.Store.InGroup(ctx, w.A, id.New[audience.GroupKind](w.Clock.Now()), []audience.ContactID{people[0].ID})
	w.must(err)
	there, err := w.Store.SeriesContacts(ctx, w.B, []audience.ContactID{people[0].ID})
	w.must(err)
	equal(t, "looked at", words(len(picked), picked[people[1].ID], len(inside), inside[people[0].ID], len(gone), len(there)), "1 true 1 true 0 0")
}

func seriesSignals(t *testing.T, w *World) {
	ctx := t.Context()
	g := w.Group(w.A, "Kunden")
	v := w.flow(w.A, g)
	paid := w.flow(w.A, g, func(v *series.Series) { v.Definition.Trigger = series.Trigger{On: series.Event, Event: "paid"} })
	confirmed := w.flow(w.A, g, func(v *series.Series) { v.Definition.Trigger = series.Trigger{On: series.Confirmed} })
	c := w.Contact(w.A, "Eva", "Sommer", "", "", []string{"eva@x.example"}, "neu")
	w.Contact(w.A, "Max", "Sommer", "", "", []string{"max@x.example"}, "alt")
	w.Contact(w.B, "Eva", "Sommer", "", "", []string{"eva@x.example"}, "neu")
	n, err := w.Store.AddSignals(ctx, w.A, series.Event, "paid", c.ID, json.RawMessage(`{"order": 1}`), w.Clock.Now())
	w.must(err)
	none, err := w.Store.AddSignals(ctx, w.A, series.Event, "other", c.ID, nil, w.Clock.Now())
	w.must(err)
	equal(t, "heard", words(n, none), "1 0")
	_, err = w.Groups().Add(ctx, w.A, g.ID, []audience.ContactID{c.ID}, audience.OriginForm, "sgn_1")
	w.must(err)
	for name, x := range map[string]struct {
		of   series.Series
		data string
	}{"tag": {v, ""}, "event": {paid, `{"order": 1}`}, "confirmed": {confirmed, ""}} {
		list, err := w.Store.SeriesSignals(ctx, w.A, x.of.ID, 10)
		w.must(err)
		if len(list) != 1 || list[0].Contact != c.ID || string(list[0].Data) != x.data {
			t.Errorf("%s: %+v", name, list)
			continue
		}
		if _, err := w.Store.EnterSeries(ctx, x.of, w.entrants(c), []series.SignalID{list[0].ID}); err != nil {
			t.Error(err)
		}
		if list, err = w.Store.SeriesSignals(ctx, w.A, x.of.ID, 10); err != nil || len(list) != 0 {
			t.Errorf("%s is still there: %+v %v", name, list, err)
		}
	}
	enlisted, err := w.Groups().Enlist(ctx, w.A, g.ID, []audience.Person{
		{Email: "ole@x.example", Fields: map[string]string{"tags": "neu,rot"}}, {Email: "ida@x.example", Fields: map[string]string{"tags": "rot"}},
	}, audience.OriginAPI, "key_1")
	w.must(err)
	list, err := w.Store.SeriesSignals(ctx, w.A, v.ID, 10)
	if err != nil || len(list) != 1 || list[0].Contact != enlisted[0].Contact {
		t.Errorf("of a list that was taken in: %+v, %v", list, err)
	}
	// An import that is taken back takes what waits for its contacts with it.
	s, other := w.Intake(), w.Group(w.A, "Messe")
	taken := w.imported(s, other, "email\nnina@x.example\n", func(p *intake.Plan) { p.Tags = []string{"neu"} })
	if list, err = w.Store.SeriesSignals(ctx, w.A, v.ID, 10); err != nil || len(list) != 2 {
		t.Errorf("of an import: %+v, %v", list, err)
	}
	w.must(s.Undo(ctx, w.A, taken.ID))
	equal(t, "taken back", words(w.worked(s, taken).Deleted), "1")
	if list, err = w.Store.SeriesSignals(ctx, w.A, v.ID, 10); err != nil || len(list) != 1 {
		t.Errorf("of contacts that are gone: %+v, %v", list, err)
	}
}

func seriesSleep(t *testing.T, w *World) {
	ctx := t.Context()
	people := w.readers(w.A, 1)
	v := w.flow(w.A, w.Group(w.A, "Kunden", people...))
	open := func() string {
		list, err := w.Store.OpenSeries(ctx, w.Clock.Now(), 10)
		w.must(err)
		return words(len(list))
	}
	sleep := func() { w.t.Helper(); w.must(w.Store.SleepSeries(ctx, w.A, v.ID, w.Clock.Now())) }
	equal(t, "when it begins", open(), "1")
	sleep()
	equal(t, "with nothing to do", open(), "0")
	w.tagged(people[0], "neu")
	equal(t, "with a signal", open(), "1")
	sleep()
	equal(t, "while the signal is there", open(), "1")
	list, err := w.Store.SeriesSignals(ctx, w.A, v.ID, 10)
	w.must(err)
	runs := w.entrants(people...)
	runs[0].DueAt = w.Clock.Now().Add(10 * time.Minute)
	_, err = w.Store.EnterSeries(ctx, v, runs, []series.SignalID{list[0].ID})
	w.must(err)
	sleep()
	equal(t, "while it waits", open(), "0")
	w.Clock.Advance(10 * time.Minute)
	equal(t, "when it is due", open(), "1")
	v.RestAt = w.Clock.Now().Add(time.Minute)
	_, err = w.Store.MoveSeries(ctx, v, series.Active)
	w.must(err)
	equal(t, "while it rests", open(), "0")
	sleep()
	equal(t, "still", open(), "0")
}

// tagged gives a contact a tag.
func (w *World) tagged(c audience.Contact, tag string) {
	w.t.Helper()
	c.Tags = append(c.Tags, tag)
	_, err := w.Contacts().Change(w.t.Context(), c.Tenant, c, "usr_1")
	w.must(err)
}

func seriesEnded(t *testing.T, w *World) {
	ctx := t.Context()
	people := w.readers(w.A, 3)
	v := w.flow(w.A, w.Group(w.A, "Kunden", people...))
	w.enter(v, w.entrants(people...))
	stopped, err := w.Store.StopRun(ctx, w.A, v.ID, people[0].ID, series.ReasonTaken, w.Clock.Now())
	w.must(err)
	again, err := w.Store.StopRun(ctx, w.A, v.ID, people[0].ID, series.ReasonTaken, w.Clock.Now())
	w.must(err)
	foreign, err := w.Store.StopRun(ctx, w.B, v.ID, people[1].ID, series.ReasonTaken, w.Clock.Now())
	w.must(err)
	equal(t, "taken out", words(stopped, again, foreign), "true false false")
	v.State, v.Revision = series.Ended, 3
	w.must(w.Store.ChangeSeries(ctx, v, series.Active, false))
	for _, want := range []int{1, 1, 0} {
		n, err := w.Store.StopRuns(ctx, v, w.Clock.Now(), 1)
		w.must(err)
		equal(t, "stopped", words(n), words(want))
	}
	list, err := w.Store.OpenSeries(ctx, w.Clock.Now(), 10)
	w.must(err)
	r, err := w.Store.SeriesReport(ctx, w.A, v.ID)
	w.must(err)
	equal(t, "then", words(len(list), r.Over), "0 map[series_ended:2 taken_out:1]")
	w.must(w.Store.DeleteSeries(ctx, w.A, v.ID))
	lines, _, err := w.Store.SeriesRuns(ctx, w.A, v.ID, series.RunFilter{Limit: 10})
	w.must(err)
	equal(t, "runs of a deleted one", words(len(lines)), "0")
}
