package storetest

import (
	"testing"
	"time"

	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/series"
)

// Who asks what is known of them is told of the series they are in and what each step did;
// after the contact is gone there is nothing to tell.
func seriesHandedOut(t *testing.T, w *World) {
	ctx := t.Context()
	people := w.readers(w.A, 2)
	v := w.flow(w.A, w.Group(w.A, "Kunden", people...))
	w.enter(v, w.entrants(people[0]))
	run := w.due(v)[0]
	over := series.Move{Run: run, Deed: series.Deed{Contact: run.Contact, Entry: run.Entry, Step: "a", Outcome: series.Excluded, Reason: "frequency", At: w.Clock.Now()}}
	over.Run.DueAt, over.Run.EndedAt, over.Run.Reason = time.Time{}, w.Clock.Now(), series.ReasonEnd
	w.must(w.Store.MoveRuns(ctx, w.A, v.ID, []series.Move{over}))
	section := series.Section(w.Store, w.Contacts())
	told := func(a message.Address) string {
		out, err := section.Read(ctx, privacy.Person{Tenant: w.A, Addresses: []message.Address{a, a}})
		w.must(err)
		list, _ := out.([]series.KeptRun)
		text := ""
		for _, r := range list {
			text += words(r.Series, r.Reason, r.EndedAt != nil)
			for _, s := range r.StepsDone {
				text += " " + words(s.Step, s.Outcome, s.Reason)
			}
		}
		return text
	}
	equal(t, "who is in it", told(people[0].Addresses[0]), "Willkommen end true a excluded frequency")
	equal(t, "who is in none", told(people[1].Addresses[0]), "")
	w.must(w.Store.DeleteContact(ctx, w.A, people[0].ID))
	equal(t, "who is gone", told(people[0].Addresses[0]), "")
}
