package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"stafette/internal/audience/listcheck"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

func listTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"Settled": listSettled, "Bounds": listBounds, "Foreign": listForeign, "Ended": listEnded,
	}
}

// List stores a list of the texts that is ready to be checked.
func (w *World) List(t tenant.ID, texts ...string) listcheck.Check {
	w.t.Helper()
	ctx, now := context.Background(), w.Clock.Advance(time.Millisecond) // identifiers order lists
	c := listcheck.Check{ID: id.New[listcheck.Kind](now), Tenant: t, Name: "a\x00.csv", Stream: tenant.Newsletter, Actor: "usr_1",
		State: listcheck.Receiving, Counts: listcheck.Counts{}, CreatedAt: now, ExpiresAt: now.Add(listcheck.Lasts)}
	if err := w.Store.BeginCheck(ctx, c); err != nil {
		w.t.Fatal(err)
	}
	var rows []listcheck.Row
	for i, text := range texts {
		rows = append(rows, listcheck.Row{Number: i + 1, Line: 2 * i, Text: text, Print: int64(len(text))})
	}
	if err := w.Store.AddCheckRows(ctx, t, c.ID, rows); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Store.ReadyCheck(ctx, t, c.ID, len(rows), "Mail"); err != nil {
		w.t.Fatal(err)
	}
	c.Name, c.Column, c.State, c.Rows = "a.csv", "Mail", listcheck.Running, len(rows)
	return c
}

// listSettled: results and the place are written together, once; rows with the same
// print know their first.
func listSettled(t *testing.T, w *World) {
	ctx := context.Background()
	c := w.List(w.A, "aa", "b", "cc", "ddd")
	later := w.List(w.A, "x")
	other := w.List(w.B, "y")
	open, err := w.Store.OpenChecks(ctx)
	if err != nil || len(open) != 2 {
		t.Fatalf("open: %+v, %v", open, err)
	}
	for _, have := range open {
		if have.ID == c.ID {
			same(t, "open", have, c, nil)
		} else if have.ID != other.ID {
			t.Errorf("the second of one tenant is open: %v", have.ID == later.ID)
		}
	}
	rows, err := w.Store.NextRows(ctx, w.A, c.ID, 1, 2)
	same(t, "next", rows, []listcheck.Row{{Number: 2, Line: 2, Text: "b", Print: 1, First: 2}, {Number: 3, Line: 4, Text: "cc", Print: 2, First: 1}}, err)

	rows, err = w.Store.NextRows(ctx, w.A, c.ID, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		rows[i].Result, rows[i].Codes, rows[i].Reason, rows[i].Suggestion = listcheck.Typo, []string{"typo", "role"}, "manual", "a@b.example"
	}
	c.Done, c.Counts = 3, listcheck.Counts{listcheck.Typo: 3}
	for i, want := range []bool{true, false} { // whoever comes second changes nothing
		if done, err := w.Store.SettleRows(ctx, c, 0, rows); done != want || err != nil {
			t.Errorf("settle %d: %v, %v", i, done, err)
		}
	}
	have, err := w.Store.Check(ctx, w.A, c.ID, w.Clock.Now())
	same(t, "check", have, c, err)
	page, err := w.Store.CheckRows(ctx, w.A, c.ID, listcheck.Filter{After: 1, Limit: 1})
	rows[1].First = 0
	same(t, "page", page, rows[1:2], err)
	for want, f := range map[int]listcheck.Filter{3: {Results: []listcheck.Result{listcheck.Valid, listcheck.Typo}}, 0: {Results: []listcheck.Result{listcheck.Role}}} {
		if page, err := w.Store.CheckRows(ctx, w.A, c.ID, f); len(page) != want || err != nil {
			t.Errorf("%+v: %d rows, %v", f, len(page), err)
		}
	}
	list, err := w.Store.Checks(ctx, w.A, w.Clock.Now())
	same(t, "list", list, []listcheck.Check{later, c}, err)
}

func listBounds(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	for range listcheck.MaxOpen {
		w.List(w.A, "x")
	}
	fresh := listcheck.Check{ID: id.New[listcheck.Kind](now), Tenant: w.A, State: listcheck.Receiving, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	refused(t, w.Store.BeginCheck(ctx, fresh), fault.Limited, "checks_too_many")
	huge := w.List(w.B)
	if err := w.Store.ForgetCheck(ctx, w.B, huge.ID, now); err != nil {
		t.Fatal(err)
	}
	fresh.Tenant = w.B
	if err := w.Store.BeginCheck(ctx, fresh); err != nil {
		t.Error(err)
	}
	if err := w.Store.ReadyCheck(ctx, w.B, fresh.ID, listcheck.MaxKept, ""); err != nil {
		t.Fatal(err)
	}
	fresh.ID = id.New[listcheck.Kind](now)
	refused(t, w.Store.BeginCheck(ctx, fresh), fault.Limited, "check_rows_too_many")
	refused(t, w.Store.AddCheckRows(ctx, w.A, huge.ID, []listcheck.Row{{Number: 9}}), fault.NotFound, "check_not_found")
}

func listForeign(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	c := w.List(w.A, "x")
	_, err := w.Store.Check(ctx, w.B, c.ID, now)
	refused(t, err, fault.NotFound, "check_not_found")
	_, err = w.Store.CancelCheck(ctx, w.B, c.ID, now)
	refused(t, err, fault.NotFound, "check_not_found")
	refused(t, w.Store.ForgetCheck(ctx, w.B, c.ID, now), fault.NotFound, "check_not_found")
	refused(t, w.Store.ReadyCheck(ctx, w.B, c.ID, 1, ""), fault.NotFound, "check_not_found")
	rows, err := w.Store.NextRows(ctx, w.B, c.ID, 0, 10)
	same(t, "rows", rows, []listcheck.Row(nil), err)
	list, err := w.Store.Checks(ctx, w.B, now)
	same(t, "list", list, []listcheck.Check(nil), err)
}

// listEnded: a cancelled list takes no results, an expired one is gone, and what never
// came whole goes with it.
func listEnded(t *testing.T, w *World) {
	ctx := context.Background()
	c := w.List(w.A, "x")
	now := w.Clock.Now()
	cancelled, err := w.Store.CancelCheck(ctx, w.A, c.ID, now)
	want := c
	want.State, want.EndedAt = listcheck.Cancelled, now
	same(t, "cancelled", cancelled, want, err)
	c.Done = 1
	if done, err := w.Store.SettleRows(ctx, c, 0, nil); done || err != nil {
		t.Errorf("settled after the end: %v", err)
	}
	if cancelled, err = w.Store.CancelCheck(ctx, w.A, c.ID, now.Add(time.Hour)); !cancelled.EndedAt.Equal(now) || err != nil {
		t.Errorf("cancelled again: %+v, %v", cancelled, err)
	}
	kept := w.List(w.A, "y")
	begun := listcheck.Check{ID: id.New[listcheck.Kind](now), Tenant: w.B, State: listcheck.Receiving, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	if err := w.Store.BeginCheck(ctx, begun); err != nil {
		t.Fatal(err)
	}
	var many []listcheck.Row
	for n := range 7000 {
		many = append(many, listcheck.Row{Number: n + 1, Text: fmt.Sprint(n)})
	}
	if err := w.Store.AddCheckRows(ctx, w.B, begun.ID, many); err != nil {
		t.Fatal(err)
	}
	w.recorded("addresses.lists.delete", func(ctx context.Context) error { return w.Store.ForgetCheck(ctx, w.A, c.ID, now) })
	_, err = w.Store.Check(ctx, w.A, c.ID, now)
	refused(t, err, fault.NotFound, "check_not_found")
	for _, want := range []int{2, 0} {
		if n, err := w.Store.DropChecks(ctx, now, now.Add(time.Minute)); n != want || err != nil {
			t.Errorf("dropped %d, %v; want %d", n, err, want)
		}
	}
	if rows, err := w.Store.NextRows(ctx, w.B, begun.ID, 0, 10); len(rows) != 0 || err != nil {
		t.Errorf("rows stay: %d, %v", len(rows), err)
	}
	have, err := w.Store.Check(ctx, w.A, kept.ID, now)
	same(t, "kept", have, kept, err)
}
