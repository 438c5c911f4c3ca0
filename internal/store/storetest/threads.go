package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/pause"
	"stafette/internal/privacy"
	"stafette/internal/ticket"
)

// threadsErased: what accounts and the platform wrote to each other about a person, in
// tickets, cases of approvals, and notes of pauses and halts, names them no more.
func threadsErased(t *testing.T, w *World) {
	ctx := t.Context()
	const eva, said = "eva.sommer@gmx.example", "Eva.Sommer@gmx.example hat sich beschwert, Max@gmx.example nicht."
	tickets, g := w.tickets(), w.Group(w.A, "Käufer", w.Contact(w.A, "Eva", "Sommer", "", "", []string{eva}))
	cases, err := approval.New(approval.Config{Store: w.Store, Groups: w.Store, Keeper: Keeper(), Now: w.Clock.Now, Calendar: approval.DefaultCalendar(time.UTC)})
	w.must(err)
	s := w.Privacy(func(c *privacy.Config) { c.Holders = append(c.Holders, privacy.Threads{cases, tickets}) })

	one, err := w.Store.Tenant(ctx, w.A)
	w.must(err)
	k, err := tickets.Open(ctx, one, ticket.Wish{Category: ticket.Delivery, Subject: "Wegen " + eva, Text: said}, "usr_1")
	w.must(err)
	w.Clock.Advance(time.Minute)
	k, err = tickets.Reply(ctx, k, said, nil, "usr_9", true)
	w.must(err)
	foreign, err := w.Store.Tenant(ctx, w.B)
	w.must(err)
	other, err := tickets.Open(ctx, foreign, ticket.Wish{Category: ticket.Delivery, Subject: "Wegen " + eva, Text: said}, "usr_2")
	w.must(err)
	_, err = cases.SaveDraft(ctx, w.A, g.ID, approval.Submission{
		Read: true, Contact: approval.Contact{Name: "Jana Petersen", Email: "jana@hafenkontor.example"},
		Sources: []approval.Source{{Kind: approval.Written, Description: said}},
	}, nil, "usr_1")
	w.must(err)
	now := w.Clock.Now()
	p := pause.Pause{Tenant: w.A, Group: g.ID, At: now, Cause: pause.Complaints}
	made, err := w.Store.PutPause(ctx, p)
	if err != nil || !made {
		t.Fatalf("paused: %v, %v", made, err)
	}
	p.ReleasedAt, p.ReleasedBy, p.Note = now.Add(time.Minute), "usr_1", said
	w.must(w.Store.EndPause(ctx, p))
	_, err = w.Store.Halt(ctx, audience.Halt{Tenant: w.A, At: now, Cause: audience.TooManyComplaints})
	w.must(err)
	w.must(w.Store.ReleaseBulk(ctx, w.A, audience.Release{At: now, Actor: "usr_1", Note: said}))

	v, err := s.Preview(ctx, w.person(s, eva))
	w.must(err)
	held := map[string]int64{}
	for _, h := range v.Goes {
		held[h.Name] = h.Count
	}
	equal(t, "preview", fmt.Sprint(held["threads"], held["mentions"]), "4 2")
	_, err = s.ConfirmErasure(ctx, privacy.Wish{Person: w.person(s, eva), Actor: "usr_1"}, eva)
	w.must(err)
	w.turn(s)

	have := w.spoken(tickets, k)
	row, err := cases.Cases(ctx, w.A)
	w.must(err)
	log, err := cases.Log(ctx, row[g.ID])
	w.must(err)
	pauses, err := w.Store.PausesOf(ctx, w.A)
	w.must(err)
	halt, err := w.Store.LastHalt(ctx, w.A)
	w.must(err)
	for name, text := range map[string]string{"ticket": have, "case": fmt.Sprint(row[g.ID].Submission, row[g.ID].Draft), "log": fmt.Sprint(log), "pause": pauses[0].Note, "halt": halt.Note} {
		if strings.Contains(strings.ToLower(text), "eva.sommer@") {
			t.Errorf("%s names the person: %s", name, text)
		}
	}
	for name, text := range map[string]string{"ticket": have, "pause": pauses[0].Note, "halt": halt.Note} {
		if !strings.Contains(text, "Max@gmx.example") {
			t.Errorf("%s lost what is not theirs: %s", name, text)
		}
	}
	if text := w.spoken(tickets, other); !strings.Contains(text, said) {
		t.Errorf("another account's ticket was changed: %s", text)
	}
}

// spoken is all that stands in a ticket.
func (w *World) spoken(s *ticket.Service, k ticket.Ticket) string {
	w.t.Helper()
	now, err := s.Find(w.t.Context(), k.ID)
	w.must(err)
	list, err := s.Entries(w.t.Context(), now)
	w.must(err)
	text := now.Subject
	for _, e := range list {
		text += "\n" + e.Text
	}
	return text
}

// ticketRewritten: sealed content is replaced in the version it was read in, of the one
// account's ticket alone; an answer that came meanwhile is not overwritten.
func ticketRewritten(t *testing.T, w *World) {
	ctx, now := t.Context(), w.Clock.Now()
	r := ticket.Row{ID: id.New[ticket.Kind](now), Tenant: w.A, Version: 1, Category: ticket.Delivery, State: ticket.Open, ChangedAt: now, Sealed: []byte("subject")}
	line := ticket.Line{ID: id.New[ticket.EntryKind](now), Sealed: []byte("said")}
	w.must(w.Store.SaveTicket(ctx, r, line, nil))
	r.Sealed, line.Sealed = []byte("other"), []byte("other said")
	foreign, stale := r, r
	foreign.Tenant, foreign.Sealed = w.B, []byte("foreign")
	w.must(w.Store.RewriteTicket(ctx, foreign, nil))
	w.must(w.Store.RewriteTicket(ctx, r, []ticket.Line{line}))
	stale.Version, stale.Sealed = 9, []byte("of another version")
	w.must(w.Store.RewriteTicket(ctx, stale, nil))
	have, err := w.Store.Ticket(ctx, w.A, r.ID)
	lines, err2 := w.Store.TicketEntries(ctx, w.A, r.ID)
	if err != nil || err2 != nil || string(have.Sealed) != "other" || have.Version != 1 || len(lines) != 1 || string(lines[0].Sealed) != "other said" {
		t.Errorf("%+v, %+v, %v, %v", have, lines, err, err2)
	}
}
