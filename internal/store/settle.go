package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
)

// Settle implements queue.Store. A settlement holds while the row is still queued
// or deferred under its epoch. One that says delivered holds also for a row that
// nobody owns, whatever a command made of it: the mail is with the recipient.
func (s *Store) Settle(ctx context.Context, list []queue.Settlement) ([]message.DeliveryID, error) {
	if len(list) == 0 {
		return nil, nil
	}
	for i := range list {
		if v := &list[i]; !settles(v.State) || v.Event.ID.IsZero() || v.Event.Message != message.Of(v.Delivery) {
			return nil, fmt.Errorf("settle %s: state %q or its event is not one of a settlement", v.Delivery, v.State)
		}
	}
	w := &work{settle: list}
	err := s.commits.submit(ctx, w)
	if err != nil {
		return nil, err
	}
	var fenced []message.DeliveryID
	for i, ok := range w.changed {
		if !ok {
			fenced = append(fenced, list[i].Delivery)
		}
	}
	return fenced, nil
}

// settles reports whether an attempt can end in the state.
func settles(state event.State) bool {
	return state.Final() || state == event.Deferred || state == event.Held
}

func (s *Store) writeSettlements(ctx context.Context, tx *sql.Tx, group []*work, events *eventRows) error {
	var list []queue.Settlement
	for _, w := range group {
		list = append(list, w.settle...)
	}
	if len(list) == 0 {
		return nil
	}
	changed, err := s.dialect.settle(ctx, s.texts, tx, list)
	if err != nil {
		return err
	}
	var due, said []any
	notes := tallyNotes{}
	i := 0
	for _, w := range group {
		w.changed = changed[i : i+len(w.settle)]
		i += len(w.settle)
		for n, ok := range w.changed {
			if ok {
				for e := range w.settle[n].Earlier {
					events.add(w.settle[n].Tenant, &w.settle[n].Earlier[e])
				}
				events.add(w.settle[n].Tenant, &w.settle[n].Event)
				notes.settled(&w.settle[n])
				due = appendReportDue(due, &w.settle[n].Tenant, &w.settle[n].Delivery, &w.settle[n].Report)
				said = appendDialogue(said, &w.settle[n])
			}
		}
	}
	if err := s.texts.reports.insert(ctx, s.texts, tx, due); err != nil {
		return err
	}
	if err := s.texts.dialogues.insert(ctx, s.texts, tx, said); err != nil {
		return err
	}
	if err := s.texts.notes.insert(ctx, s.texts, tx, notes.rows()); err != nil {
		return err
	}
	if err := writeFallbacks(ctx, tx, group); err != nil {
		return err
	}
	return s.writeStrikes(ctx, tx, group)
}

// writeStrikes takes in what settlements that took effect count against their
// recipients: few, so each is written by itself. They are written in the order of their
// keys, so that two nodes wait for each other in one direction only.
func (s *Store) writeStrikes(ctx context.Context, tx *sql.Tx, group []*work) error {
	type one struct {
		w *work
		k *audience.Strike
	}
	var list []one
	for _, w := range group {
		w.struck = nil
		for n, v := range w.settle {
			if v.Strike != nil && w.changed[n] {
				list = append(list, one{w, v.Strike})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b one) int {
		return cmp.Or(bytes.Compare(a.k.Entry.Tenant[:], b.k.Entry.Tenant[:]), bytes.Compare(a.k.Entry.Hash[:], b.k.Entry.Hash[:]))
	})
	now := s.Now()
	for _, v := range list {
		made, err := s.strike(ctx, tx, *v.k, now)
		if err != nil {
			return fmt.Errorf("strike: %w", err)
		}
		if made {
			v.w.struck = append(v.w.struck, v.k.Entry.Hash)
		}
	}
	return nil
}
