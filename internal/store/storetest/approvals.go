package storetest

import (
	"fmt"
	"testing"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

func approvalTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"ReadBack": approvalReadBack, "Queue": approvalQueue, "Evidence": approvalEvidence, "Voided": approvalVoided, "Freed": approvalFreed,
		"Alarms": patternAlarms, "Patterns": patternsCounted, "TimeAgain": heldTimeAgain, "Rewritten": approvalRewritten, "Dropped": approvalsDropped,
	}
}

// approvalOf makes the row of a group's case.
func (w *World) approvalOf(g audience.Group, s approval.State) approval.Row {
	now := w.Clock.Advance(time.Second)
	return approval.Row{ID: id.New[approval.Kind](now), Tenant: g.Tenant, Group: g.ID, Version: 1, State: s, Since: now, Examined: true, Freed: true, Sealed: []byte("sealed")}
}

func approvalReadBack(t *testing.T, w *World) {
	ctx, g := t.Context(), w.Group(w.A, "Käufer")
	if _, ok, err := w.Store.Approval(ctx, w.A, g.ID); ok || err != nil {
		t.Fatalf("a case before there is one: %v, %v", ok, err)
	}
	r := w.approvalOf(g, approval.InReview)
	r.SubmittedAt, r.Due, r.ClaimedBy, r.Examined = r.Since, r.Since.Add(time.Hour), "usr_1", false
	line := approval.Line{ID: id.New[approval.EntryKind](r.Since), Act: approval.Submit, Actor: "usr_1", Sealed: []byte("said")}
	w.must(w.Store.SaveApproval(ctx, r, []approval.Line{line}, nil))
	have, ok, err := w.Store.Approval(ctx, w.A, g.ID)
	if err != nil || !ok || fmt.Sprint(have) != fmt.Sprint(r) {
		t.Errorf("read %+v, %v; want %+v", have, err, r)
	}
	if have, err = w.Store.Review(ctx, r.ID); err != nil || have.Group != g.ID {
		t.Errorf("by its identifier: %+v, %v", have, err)
	}
	for name, version := range map[string]int64{"made twice": 1, "skipped": 3} {
		r.Version = version
		if err := w.Store.SaveApproval(ctx, r, nil, nil); !fault.IsKind(err, fault.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.Version, r.State, r.DecidedAt = 2, approval.Rejected, r.Since
	w.must(w.Store.SaveApproval(ctx, r, nil, nil))
	r.Sealed, r.Examined = []byte("noted"), true
	if ok, err := w.Store.NoteApproval(ctx, r); !ok || err != nil {
		t.Errorf("noted %v, %v", ok, err)
	}
	r.Version = 1
	if ok, err := w.Store.NoteApproval(ctx, r); ok || err != nil {
		t.Errorf("noted an old version: %v, %v", ok, err)
	}
	list, err := w.Store.Approvals(ctx, w.A)
	if err != nil || len(list) != 1 || string(list[0].Sealed) != "noted" || list[0].State != approval.Rejected {
		t.Errorf("listed %+v, %v", list, err)
	}
	if list, _ := w.Store.Approvals(ctx, w.B); len(list) != 0 {
		t.Error("another tenant lists it")
	}
	if _, ok, _ := w.Store.Approval(ctx, w.B, g.ID); ok {
		t.Error("another tenant reads it")
	}
	log, err := w.Store.ApprovalLog(ctx, w.A, r.ID)
	if err != nil || len(log) != 1 || fmt.Sprint(log[0]) != fmt.Sprint(line) {
		t.Errorf("log %+v, %v", log, err)
	}
	if log, _ := w.Store.ApprovalLog(ctx, w.B, r.ID); len(log) != 0 {
		t.Error("another tenant reads its log")
	}
	acts, err := w.Store.Decisions(ctx, w.A)
	if err != nil || acts[approval.Submit] != 1 || len(acts) != 1 {
		t.Errorf("decisions %v, %v", acts, err)
	}
}

func approvalQueue(t *testing.T, w *World) {
	late, soon, rests, done := w.approvalOf(w.Group(w.A, "spät"), approval.InReview), w.approvalOf(w.Group(w.B, "früh"), approval.InReview),
		w.approvalOf(w.Group(w.A, "ruht"), approval.Question), w.approvalOf(w.Group(w.A, "fertig"), approval.Approved)
	late.Due, soon.Due = late.Since.Add(9*time.Hour), late.Since.Add(time.Hour)
	for _, r := range []approval.Row{late, soon, rests, done} {
		w.must(w.Store.SaveApproval(t.Context(), r, nil, nil))
	}
	list, err := w.Store.Reviews(t.Context(), []approval.State{approval.InReview, approval.Question}, 9)
	if err != nil || len(list) != 3 || list[0].ID != soon.ID || list[1].ID != late.ID || list[2].ID != rests.ID {
		t.Errorf("%+v, %v", list, err)
	}
	if list, _ = w.Store.Reviews(t.Context(), []approval.State{approval.InReview}, 1); len(list) != 1 {
		t.Errorf("limited to one: %d", len(list))
	}
}

func approvalEvidence(t *testing.T, w *World) {
	ctx := t.Context()
	r := w.approvalOf(w.Group(w.A, "Messe"), approval.Required)
	file := approval.Exhibit{ID: id.New[approval.FileKind](r.Since), Meta: []byte("meta"), Body: []byte("body")}
	w.must(w.Store.SaveApproval(ctx, r, nil, []approval.Exhibit{file}))
	have, err := w.Store.Exhibit(ctx, w.A, r.ID, file.ID)
	if err != nil || fmt.Sprint(have) != fmt.Sprint(file) {
		t.Errorf("%+v, %v", have, err)
	}
	if _, err := w.Store.Exhibit(ctx, w.B, r.ID, file.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	list, err := w.Store.Exhibits(ctx, w.A, r.ID)
	if err != nil || len(list) != 1 || list[0].Body != nil || string(list[0].Meta) != "meta" {
		t.Errorf("%+v, %v", list, err)
	}
	var many []approval.Exhibit
	for range approval.MaxFiles {
		many = append(many, approval.Exhibit{ID: id.New[approval.FileKind](w.Clock.Now()), Meta: []byte("m"), Body: []byte("b")})
	}
	r.Version++
	if err := w.Store.SaveApproval(ctx, r, nil, many); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("one file too many: %v", err)
	}
	if list, _ = w.Store.Exhibits(ctx, w.A, r.ID); len(list) != 1 {
		t.Errorf("%d files after a refusal", len(list))
	}
}

func approvalVoided(t *testing.T, w *World) {
	ctx := t.Context()
	r := w.approvalOf(w.Group(w.A, "eins"), approval.Required)
	w.must(w.Store.SaveApproval(ctx, r, nil, nil))
	if at, err := w.Store.Voided(ctx, w.A); !at.IsZero() || err != nil {
		t.Errorf("nothing was decided: %s, %v", at, err)
	}
	r = w.approvalOf(w.Group(w.A, "zwei"), approval.Rejected)
	r.DecidedAt = r.Since
	w.must(w.Store.SaveApproval(ctx, r, nil, nil))
	if at, err := w.Store.Voided(ctx, w.A); !at.Equal(r.Since) || err != nil {
		t.Errorf("rejected at %s: %s, %v", r.Since, at, err)
	}
	if at, _ := w.Store.Voided(ctx, w.B); !at.IsZero() {
		t.Error("another tenant's")
	}
}

func approvalFreed(t *testing.T, w *World) {
	ctx := t.Context()
	a, other := w.Draft(w.A, "eva@x.example"), w.Draft(w.A, "max@x.example")
	a.Deliveries[0].State, a.Deliveries[0].Reason = event.Held, approval.ReasonHeld
	other.Deliveries[0].State, other.Deliveries[0].Reason = event.Held, audience.ReasonHalted
	w.Accept(a, other)
	r := w.approvalOf(w.Group(w.A, "eins"), approval.Approved)
	r.Freed = false
	w.must(w.Store.SaveApproval(ctx, r, nil, nil))
	list, err := w.Store.UnfreedApprovals(ctx, 9)
	if err != nil || len(list) != 1 || list[0].ID != r.ID {
		t.Fatalf("%+v, %v", list, err)
	}
	for tenantID, want := range map[tenant.ID]int{w.B: 0, w.A: 1} {
		if n, err := w.Store.FreeUnapproved(ctx, tenantID, 9, w.Clock.Now()); n != want || err != nil {
			t.Errorf("freed %d, %v; want %d", n, err, want)
		}
	}
	equal(t, "states", w.States(w.A, a.Message.ID)+" "+w.States(w.A, other.Message.ID), "queued held")
	r.Freed = true
	if _, err := w.Store.NoteApproval(ctx, r); err != nil {
		t.Fatal(err)
	}
	if list, _ = w.Store.UnfreedApprovals(ctx, 9); len(list) != 0 {
		t.Error("freed and listed")
	}
}

func patternAlarms(t *testing.T, w *World) {
	ctx := t.Context()
	a := approval.Alarm{Tenant: w.A, Group: w.Group(w.A, "Messe").ID, Shape: [16]byte{1}, Stream: tenant.Transactional, Members: 300, At: w.Clock.Now()}
	for i, want := range []bool{true, false} {
		if made, err := w.Store.RaisePatternAlarm(ctx, a); made != want || err != nil {
			t.Errorf("raised for the %d. time: %v, %v", i+1, made, err)
		}
	}
	list, err := w.Store.PatternAlarms(ctx)
	if err != nil || len(list) != 1 || fmt.Sprint(list[0]) != fmt.Sprint(a) {
		t.Errorf("%+v, %v", list, err)
	}
	if err := w.Store.EndPatternAlarm(ctx, w.B, a.Shape, w.Clock.Now()); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	w.must(w.Store.EndPatternAlarm(ctx, w.A, a.Shape, w.Clock.Now()))
	if list, _ = w.Store.PatternAlarms(ctx); len(list) != 0 {
		t.Error("ended and listed")
	}
	if made, err := w.Store.RaisePatternAlarm(ctx, a); !made || err != nil {
		t.Errorf("raised again: %v, %v", made, err)
	}
}

// patternsCounted: each member once, within the window and since the last alarm ended.
func patternsCounted(t *testing.T, w *World) {
	ctx, one, two := t.Context(), w.Group(w.A, "eins"), w.Group(w.A, "zwei")
	count := func(owner tenant.ID, g audience.Group, want int, members ...byte) {
		t.Helper()
		p := approval.Pattern{Tenant: owner, Shape: approval.Shape{7}, At: w.Clock.Advance(time.Second)}
		for _, m := range members {
			p.Members = append(p.Members, approval.PatternMember{Hash: audience.Hash{m}, Group: g.ID})
		}
		n, most, err := w.Store.CountPattern(ctx, p)
		if err != nil || n != want || most != one.ID {
			t.Errorf("counted %d, most in %s, %v; want %d", n, most, err, want)
		}
	}
	count(w.A, one, 3, 1, 2, 3)
	count(w.A, one, 4, 3, 4) // as another node does
	count(w.A, two, 5, 5)
	count(w.B, one, 1, 1)
	held := w.Draft(w.A, "eva@x.example")
	held.Deliveries[0].State, held.Deliveries[0].Reason = event.Held, approval.ReasonShape
	w.Accept(held)
	a := approval.Alarm{Tenant: w.A, Group: one.ID, Shape: approval.Shape{7}, Stream: tenant.Transactional, Members: 5, At: w.Clock.Now()}
	for _, shape := range []approval.Shape{{7}, {8}} {
		a.Shape = shape
		if _, err := w.Store.RaisePatternAlarm(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	shown, err := w.Store.PatternAlarms(ctx)
	standing, err2 := w.Store.StandingPatterns(ctx)
	if err != nil || err2 != nil || len(shown) != 1 || len(standing) != 2 {
		t.Errorf("shown %d, standing %d, %v, %v", len(shown), len(standing), err, err2)
	}
	free := func(want int, state string) {
		t.Helper()
		if n, err := w.Store.FreePatterns(ctx, 10, w.Clock.Advance(time.Second)); n != want || err != nil {
			t.Errorf("freed %d, %v; want %d", n, err, want)
		}
		equal(t, "state", w.States(w.A, held.Message.ID), state)
	}
	free(0, "held")
	w.must(w.Store.EndPatternAlarm(ctx, w.A, approval.Shape{8}, w.Clock.Advance(time.Second)))
	free(1, "queued")
	count(w.A, one, 1, 9)
	w.Clock.Advance(2 * time.Hour)
	w.must(w.Store.DropPatterns(ctx, w.Clock.Now().Add(-time.Hour)))
	free(0, "queued")
	count(w.A, one, 1, 1)
}

// heldTimeAgain: a mail that was held for a reviewer's weekend has its whole time left.
func heldTimeAgain(t *testing.T, w *World) {
	a := w.Draft(w.A, "eva@x.example")
	a.Deliveries[0].State, a.Deliveries[0].Reason = event.Held, approval.ReasonHeld
	w.Accept(a)
	w.Clock.Advance(10 * 24 * time.Hour)
	if n, err := w.Store.FreeUnapproved(t.Context(), w.A, 9, w.Clock.Now()); n != 1 || err != nil {
		t.Fatalf("freed %d, %v", n, err)
	}
	list := w.Claim(w.Epoch("n"), w.A, 9)
	if want := a.Message.ExpiresAt.Add(10 * 24 * time.Hour); len(list) != 1 || !list[0].ExpiresAt.Equal(want) {
		t.Errorf("claimed %+v, want an end at %s", list, want)
	}
}

// approvalRewritten: sealed texts are replaced, in the version they are in.
func approvalRewritten(t *testing.T, w *World) {
	ctx, g := t.Context(), w.Group(w.A, "Käufer")
	r := w.approvalOf(g, approval.InReview)
	line := approval.Line{ID: id.New[approval.EntryKind](r.Since), Act: approval.Submit, Actor: "usr_1", Sealed: []byte("said")}
	w.must(w.Store.SaveApproval(ctx, r, []approval.Line{line}, nil))
	r.Sealed, line.Sealed = []byte("other"), []byte("other said")
	w.must(w.Store.RewriteApproval(ctx, r, []approval.Line{line}))
	old := r
	old.Version, old.Sealed = 9, []byte("of another version")
	w.must(w.Store.RewriteApproval(ctx, old, nil))
	have, _, err := w.Store.Approval(ctx, w.A, g.ID)
	log, err2 := w.Store.ApprovalLog(ctx, w.A, r.ID)
	if err != nil || err2 != nil || string(have.Sealed) != "other" || len(log) != 1 || string(log[0].Sealed) != "other said" || log[0].Actor != "usr_1" {
		t.Errorf("%+v, %+v, %v, %v", have, log, err, err2)
	}
}

func approvalsDropped(t *testing.T, w *World) {
	ctx := t.Context()
	kept, gone := w.Group(w.A, "bleibt"), w.Group(w.A, "geht")
	file := approval.Exhibit{ID: id.New[approval.FileKind](w.Clock.Now()), Meta: []byte("meta"), Body: []byte("body")}
	var rows []approval.Row
	for _, g := range []audience.Group{kept, gone} {
		r := w.approvalOf(g, approval.Rejected)
		rows = append(rows, r)
		w.must(w.Store.SaveApproval(ctx, r, []approval.Line{{ID: id.New[approval.EntryKind](r.Since), Act: approval.Submit, Sealed: []byte("x")}}, []approval.Exhibit{file}))
	}
	w.must(w.Store.DeleteGroup(ctx, w.A, gone.ID, w.Clock.Now()))
	long := w.Clock.Advance(time.Hour)
	drop := func(before time.Time, want int) {
		t.Helper()
		if n, err := w.Store.DropApprovals(ctx, before, 9); n != want || err != nil {
			t.Errorf("dropped %d, %v; want %d", n, err, want)
		}
	}
	drop(rows[0].Since.Add(-time.Hour), 0) // evidence goes at once, the decision stays
	if list, _ := w.Store.Exhibits(ctx, w.A, rows[1].ID); len(list) != 0 {
		t.Error("evidence of a group that is gone is kept")
	}
	if _, err := w.Store.Review(ctx, rows[1].ID); err != nil {
		t.Errorf("the case went too early: %v", err)
	}
	drop(long, 1)
	drop(long, 0)
	if list, _ := w.Store.Exhibits(ctx, w.A, rows[0].ID); len(list) != 1 {
		t.Error("evidence of a group that is there is gone")
	}
	if log, _ := w.Store.ApprovalLog(ctx, w.A, rows[1].ID); len(log) != 0 {
		t.Error("a log outlives its case")
	}
}
