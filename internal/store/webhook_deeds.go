package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/pause"
	"stafette/internal/series"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

// toldTo reports whether an endpoint of a tenant wants to be told of one of the types, so
// that nothing is gathered for nobody.
func (s *Store) toldTo(t tenant.ID, types ...webhook.Type) bool {
	hooked := s.hooked.Load()
	return hooked != nil && slices.ContainsFunc(types, (*hooked)[t].Has)
}

// noteDeeds writes down what happened to an account, in the transaction in which it did,
// for the endpoints that want it. Names of groups and series are looked up by the caller.
func (s *Store) noteDeeds(ctx context.Context, tx *sql.Tx, t tenant.ID, list ...webhook.Deed) error {
	list = slices.DeleteFunc(list, func(d webhook.Deed) bool { return !s.toldTo(t, d.Type) })
	if len(list) == 0 {
		return nil
	}
	var rows []any
	facts := make([]hookFact, 0, len(list))
	for _, d := range list {
		fact := id.New[event.Kind](d.At)
		rows = append(rows, t[:], fact[:], orNone(d.Contact), asJSON(d.Data))
		facts = append(facts, hookFact{Event: fact, At: millis(d.At), Deed: d.Type})
	}
	if err := s.texts.deeds.insert(ctx, s.texts, tx, rows); err != nil {
		return err
	}
	return s.texts.hooks.insert(ctx, s.texts, tx, []any{t[:], facts[0].Event[:], asJSON(facts)})
}

// DeedOf implements webhook.Store.
func (s *Store) DeedOf(ctx context.Context, t tenant.ID, c webhook.CallID) (json.RawMessage, error) {
	var data string
	err := s.read.QueryRowContext(ctx, "SELECT data FROM webhook_deeds WHERE tenant = $1 AND id = $2", t[:], c[:]).Scan(&data)
	if err != nil {
		return nil, fmt.Errorf("read fact of account: %w", s.refusal(missing(err, "fact_not_found")))
	}
	return json.RawMessage(data), nil
}

// deedsLast is how much longer than settled calls their content is kept: one that is
// repeated at the last moment is tried for three days.
const deedsLast = 4 * 24 * time.Hour

func (s *Store) dropDeeds(ctx context.Context, before time.Time) error {
	low := id.Lowest[event.Kind](before.Add(-deedsLast))
	_, err := s.write.ExecContext(ctx, "DELETE FROM webhook_deeds WHERE id < $1", low[:])
	return err
}

// groupNamed is the beginning of what is told of a group.
func groupNamed(ctx context.Context, tx *sql.Tx, t tenant.ID, g audience.GroupID) (webhook.Group, error) {
	v := webhook.Group{Group: g}
	err := tx.QueryRowContext(ctx, "SELECT name FROM contact_groups WHERE tenant = $1 AND id = $2", t[:], g[:]).Scan(&v.Name)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil // it is told nevertheless
	}
	return v, err
}

// approvalType is what an act in a case is told as; "" for what is the reviewers' own.
func approvalType(a approval.Act) webhook.Type {
	switch a {
	case approval.Submit:
		return webhook.GroupSubmitted
	case approval.AskAct:
		return webhook.GroupQuestion
	case approval.Answer:
		return webhook.GroupAnswered
	case approval.Approve:
		return webhook.GroupApproved
	case approval.Reject:
		return webhook.GroupRejected
	case approval.Reopen:
		return webhook.GroupReopened
	}
	return ""
}

// noteApproval tells of the acts of a case that it is now in the state of r.
func (s *Store) noteApproval(ctx context.Context, tx *sql.Tx, r approval.Row, lines []approval.Line) error {
	for _, l := range lines {
		told := approvalType(l.Act)
		if told == "" || !s.toldTo(r.Tenant, told) {
			continue
		}
		v, err := groupNamed(ctx, tx, r.Tenant, r.Group)
		if err != nil {
			return err
		}
		if v.State = string(r.State); !r.Due.IsZero() && r.State == approval.InReview {
			v.Due = &r.Due
		}
		if err := s.noteDeeds(ctx, tx, r.Tenant, webhook.Deed{Type: told, At: l.ID.Time(), Data: v}); err != nil {
			return err
		}
	}
	return nil
}

// releasedBy says who ended a pause or a halt.
func releasedBy(self bool) string {
	if self {
		return "account"
	}
	return "platform"
}

// notePause tells that a group is paused, or goes on.
func (s *Store) notePause(ctx context.Context, tx *sql.Tx, p pause.Pause) error {
	told, at := webhook.GroupPaused, p.At
	if !p.InForce() {
		told, at = webhook.GroupReleased, p.ReleasedAt
	}
	if !s.toldTo(p.Tenant, told) {
		return nil
	}
	v, err := groupNamed(ctx, tx, p.Tenant, p.Group)
	if err != nil {
		return err
	}
	if v.Cause = string(p.Cause); p.InForce() {
		v.Figures = p.Figures
	} else {
		v.By = releasedBy(p.Self)
	}
	return s.noteDeeds(ctx, tx, p.Tenant, webhook.Deed{Type: told, At: at, Data: v})
}

// noteHalt tells that an account's bulk mail is halted.
func (s *Store) noteHalt(ctx context.Context, tx *sql.Tx, h audience.Halt) error {
	return s.noteDeeds(ctx, tx, h.Tenant, webhook.Deed{Type: webhook.AccountHalted, At: h.At, Data: webhook.Halt{
		Cause: string(h.Cause), Sent: h.Sent, Hard: h.Hard, Complaints: h.Complaints, Unsubscribes: h.Unsubscribes, Hours: int(h.Window.Hours()),
	}})
}

// noteLock tells that an account is locked, or open again.
func (s *Store) noteLock(ctx context.Context, tx *sql.Tx, t tenant.ID, state tenant.State) error {
	told := webhook.AccountUnlocked
	if state == tenant.Locked {
		told = webhook.AccountLocked
	}
	return s.noteDeeds(ctx, tx, t, webhook.Deed{Type: told, At: s.cfg.Now(), Data: webhook.Account{Account: t, State: string(state)}})
}

// runNotes gathers what one transaction tells of the runs of a series.
type runNotes struct {
	name  string
	of    series.ID
	deeds []webhook.Deed
}

// runNotes begins a note, or returns nil where nobody wants to be told of runs. All its
// methods may be called on nil.
func (s *Store) runNotes(ctx context.Context, tx *sql.Tx, t tenant.ID, v series.ID) (*runNotes, error) {
	if !s.toldTo(t, webhook.RunStarted, webhook.RunEnded, webhook.StepSkipped) {
		return nil, nil //nolint:nilnil // nil is a note that nobody reads
	}
	n := &runNotes{of: v}
	err := tx.QueryRowContext(ctx, "SELECT name FROM series WHERE tenant = $1 AND id = $2", t[:], v[:]).Scan(&n.name)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return n, err
}

func (n *runNotes) add(told webhook.Type, at time.Time, c audience.ContactID, entry int64, step, reason string) {
	if n != nil {
		n.deeds = append(n.deeds, webhook.Deed{Type: told, At: at, Contact: c,
			Data: webhook.Run{Series: n.of.String(), Name: n.name, Contact: c, Entry: entry, Step: step, Reason: reason}})
	}
}

// moved tells what became of a step and whether the run is over.
func (n *runNotes) moved(m series.Move) {
	if m.Deed.Outcome == series.Excluded {
		n.add(webhook.StepSkipped, m.Deed.At, m.Run.Contact, m.Run.Entry, m.Deed.Step, m.Deed.Reason)
	}
	if m.Run.DueAt.IsZero() {
		n.add(webhook.RunEnded, m.Run.EndedAt, m.Run.Contact, m.Run.Entry, "", m.Run.Reason)
	}
}

// ended reads the runs that a statement ended, as contact and entry, and counts them in count.
func (n *runNotes) ended(rows *sql.Rows, err error, reason string, now time.Time, count *int) error {
	return scan(rows, err, func(row *sql.Rows) error {
		var c audience.ContactID
		var entry int64
		err := row.Scan(&c, &entry)
		n.add(webhook.RunEnded, now, c, entry, "", reason)
		*count++
		return err
	})
}

func (s *Store) noteRuns(ctx context.Context, tx *sql.Tx, t tenant.ID, n *runNotes) error {
	if n == nil {
		return nil
	}
	return s.noteDeeds(ctx, tx, t, n.deeds...)
}
