package storetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"stafette/internal/approval"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
)

func ticketTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Thread": ticketThread, "Appeal": ticketAppeal, "Dropped": ticketsDropped, "Rewritten": ticketRewritten}
}

// storeLocks is the lock of accounts as the store keeps it.
type storeLocks struct{ *World }

// LockedBy implements ticket.Locks.
func (l storeLocks) LockedBy(context.Context, tenant.ID) (string, error) { return "usr_locker", nil }

// Unlock implements ticket.Locks.
func (l storeLocks) Unlock(ctx context.Context, t tenant.ID, reason string) error {
	return l.Store.SetState(ctx, t, tenant.Active, reason)
}

func (w *World) tickets() *ticket.Service {
	return ticket.New(ticket.Config{Store: w.Store, Keeper: Keeper(), Locks: storeLocks{w}, Now: w.Clock.Now})
}

func ticketThread(t *testing.T, w *World) {
	ctx, s := t.Context(), w.tickets()
	one, err := w.Store.Tenant(ctx, w.A)
	w.must(err)
	f, err := approval.NewFile(id.New[approval.FileKind](w.Clock.Now()), "beleg.txt", []byte("Zeilen"))
	w.must(err)
	k, err := s.Open(ctx, one, ticket.Wish{Category: ticket.Approval, Subject: "Wie weiter?", Ref: "/groups/x/approval", Text: "Was fehlt noch?", Files: []ticket.File{f}}, "usr_1")
	w.must(err)
	stale := k
	w.Clock.Advance(time.Minute)
	k, err = s.Reply(ctx, k, "Der Link zum Formular.", nil, "usr_9", true)
	w.must(err)
	if _, err := s.Reply(ctx, stale, "Zu spät.", nil, "usr_1", false); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("an answer to what was changed: %v", err)
	}
	have, err := s.Ticket(ctx, w.A, k.ID)
	equal(t, "ticket", have, k)
	w.must(err)
	if have, err = s.Find(ctx, k.ID); have != k || err != nil {
		t.Errorf("found by staff: %+v, %v", have, err)
	}
	list, err := s.Entries(ctx, k)
	if err != nil || len(list) != 2 || list[0].Text != "Was fehlt noch?" || !list[1].Staff || len(list[0].Files) != 1 {
		t.Errorf("entries %+v, %v", list, err)
	}
	files, err := s.Files(ctx, k)
	if err != nil || len(files) != 1 || files[0].Name != "beleg.txt" || files[0].Body != nil {
		t.Errorf("files %+v, %v", files, err)
	}
	got, err := s.File(ctx, k, f.ID)
	if err != nil || !bytes.Equal(got.Body, f.Body) {
		t.Errorf("file %+v, %v", got, err)
	}
	if _, err := s.Ticket(ctx, w.B, k.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant reads it: %v", err)
	}
	foreign := k
	foreign.Tenant = w.B
	if _, err := s.File(ctx, foreign, f.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant reads its file: %v", err)
	}
	if list, err := s.Queue(ctx, ticket.Answered); len(list) != 1 || err != nil {
		t.Errorf("queue %v, %v", list, err)
	}
	k, err = s.Close(ctx, k, "", "usr_1", false)
	w.must(err)
	if _, err := s.Reply(ctx, k, "Noch etwas.", nil, "usr_9", true); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("staff wrote into a closed ticket: %v", err)
	}
	if k, err = s.Reply(ctx, k, "Doch nicht.", nil, "usr_1", false); err != nil || k.State != ticket.Open {
		t.Errorf("asked again: %v, %v", k.State, err)
	}
}

// ticketAppeal: a locked account may appeal and nothing else, and who locked it does not decide.
func ticketAppeal(t *testing.T, w *World) {
	ctx, s := t.Context(), w.tickets()
	wish := ticket.Wish{Category: ticket.Appeal, Subject: "Einspruch", Text: "Die Angaben stimmen."}
	one, err := w.Store.Tenant(ctx, w.A)
	w.must(err)
	if _, err := s.Open(ctx, one, wish, "usr_1"); err == nil {
		t.Error("an appeal against nothing")
	}
	w.must(w.Store.SetState(ctx, w.A, tenant.Locked, "falsche Angaben"))
	one.State = tenant.Locked
	k, err := s.Open(ctx, one, wish, "usr_1")
	w.must(err)
	for name, other := range map[string]ticket.Wish{"second": wish, "other": {Category: ticket.Other, Subject: "Hallo", Text: "Hallo"}} {
		if _, err := s.Open(ctx, one, other, "usr_1"); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := s.Decide(ctx, k, true, "Stimmt.", "usr_locker"); !fault.IsKind(err, fault.Forbidden) {
		t.Errorf("who locked decided: %v", err)
	}
	if k, err = s.Decide(ctx, k, true, "Stimmt.", "usr_other"); err != nil || k.State != ticket.Closed {
		t.Fatalf("decided: %+v, %v", k, err)
	}
	if one, err = w.Store.Tenant(ctx, w.A); one.State != tenant.Active || err != nil {
		t.Errorf("the account is %s, %v", one.State, err)
	}
	if _, err := s.Decide(ctx, k, false, "Doch nicht.", "usr_other"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("decided twice: %v", err)
	}
}

func ticketsDropped(t *testing.T, w *World) {
	ctx, s := t.Context(), w.tickets()
	one, err := w.Store.Tenant(ctx, w.A)
	w.must(err)
	k, err := s.Open(ctx, one, ticket.Wish{Category: ticket.Other, Subject: "Frage", Text: "Eine Frage."}, "usr_1")
	w.must(err)
	open, err := s.Open(ctx, one, ticket.Wish{Category: ticket.Other, Subject: "Frage", Text: "Noch eine."}, "usr_1")
	w.must(err)
	_, err = s.Close(ctx, k, "", "usr_1", false)
	w.must(err)
	w.Clock.Advance(4 * 365 * 24 * time.Hour)
	w.must(s.Sweep(ctx))
	if list, err := s.Tickets(ctx, w.A); len(list) != 1 || list[0].ID != open.ID || err != nil {
		t.Errorf("left %v, %v", list, err)
	}
}
