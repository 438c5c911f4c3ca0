package store

import (
	"context"
	"database/sql"
	"fmt"

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
	var due []any
	i := 0
	for _, w := range group {
		w.changed = changed[i : i+len(w.settle)]
		i += len(w.settle)
		for n, ok := range w.changed {
			if ok {
				events.add(w.settle[n].Tenant, &w.settle[n].Event)
				due = appendReportDue(due, &w.settle[n].Tenant, &w.settle[n].Delivery, &w.settle[n].Report)
			}
		}
	}
	return s.texts.reports.insert(ctx, s.texts, tx, due)
}
