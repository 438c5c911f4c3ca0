package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"slices"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// eventRows gathers the facts of one transaction.
type eventRows struct {
	args  []any
	proof proof
	hooks hookNotes
}

func (s *Store) newEventRows() *eventRows { return &eventRows{hooks: s.newHookNotes()} }

func (r *eventRows) add(t tenant.ID, e *event.Event) {
	if r.proof.event.IsZero() {
		r.proof = proof{tenant: t, message: e.Message, event: e.ID}
	}
	var attempt any
	if e.Attempt != nil {
		attempt = asJSON(e.Attempt)
	}
	r.args = append(r.args, t[:], e.Message[:], e.ID[:], deliveryNumber(e.Delivery), string(e.Type), millis(e.At),
		e.Actor, e.Reason, attempt)
	r.hooks.add(t, e)
}

func (r *eventRows) insert(ctx context.Context, st *statements, tx *sql.Tx) error {
	if err := st.events.insert(ctx, st, tx, r.args); err != nil {
		return err
	}
	return r.hooks.insert(ctx, st, tx)
}

// insertNoted is insert with why all of it was commanded.
func (r *eventRows) insertNoted(ctx context.Context, st *statements, tx *sql.Tx, note string) error {
	if note == "" {
		return r.insert(ctx, st, tx)
	}
	var args []any
	for one := range slices.Chunk(r.args, st.events.width) {
		args = append(append(args, one...), plain(note))
	}
	if err := st.noted.insert(ctx, st, tx, args); err != nil {
		return err
	}
	return r.hooks.insert(ctx, st, tx)
}

// deliveryNumber is the part of a delivery's id that its message's lacks; 0 for
// the zero id.
func deliveryNumber(d message.DeliveryID) int64 {
	return int64(binary.BigEndian.Uint16(d[14:]))
}

const eventColumns = "message, id, number, type, at, actor, reason, attempt, report, note"

func readEvent(row *sql.Rows) (event.Event, error) {
	var e event.Event
	var number int
	var attempt *event.Attempt
	err := row.Scan(&e.Message, &e.ID, &number, &e.Type, instant{&e.At}, &e.Actor, &e.Reason, document{&attempt}, document{&e.Report}, nullText[string]{&e.Note})
	if number > 0 {
		e.Delivery = message.Delivery(e.Message, number)
	}
	e.Attempt = attempt
	return e, err
}
