package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/trace"
)

var _ trace.Store = (*Store)(nil)

// appendDialogue adds the row of what was said in the attempt that a settlement ends, if
// it is to be kept.
func appendDialogue(args []any, v *queue.Settlement) []any {
	if v.Dialogue == nil {
		return args
	}
	return append(args, v.Tenant[:], int64(spool.DayOf(v.Event.At)), v.Delivery[:], v.Attempts, v.Dialogue)
}

// Dialogues implements trace.Store.
func (s *Store) Dialogues(ctx context.Context, t tenant.ID, m message.ID, days []spool.Day) ([]trace.Kept, error) {
	if len(days) == 0 {
		return nil, nil
	}
	top := message.Delivery(m, message.MaxRecipients)
	args := []any{t[:], m[:], top[:]}
	var in []string
	for _, d := range days {
		args = append(args, int64(d))
		in = append(in, fmt.Sprintf("$%d", len(args)))
	}
	var list []trace.Kept
	//nolint:gosec // G202: placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT delivery, number, sealed FROM dialogues WHERE tenant = $1 AND day IN ("+strings.Join(in, ", ")+
		") AND delivery > $2 AND delivery <= $3 ORDER BY delivery, number", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var k trace.Kept
		err := row.Scan(&k.Delivery, &k.Number, &k.Sealed)
		list = append(list, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read dialogues: %w", s.refusal(err))
	}
	return list, nil
}

// oldDialoguesText asks for the tenants with dialogues of days before one.
const oldDialoguesText = `SELECT t.id FROM tenants t WHERE
	(EXISTS (SELECT 1 FROM dialogues d WHERE d.tenant = t.id AND d.day < $1)) IS TRUE ORDER BY t.id`

const dropDialoguesText = `DELETE FROM dialogues WHERE tenant = $1 AND (day, delivery, number) IN
	(SELECT day, delivery, number FROM dialogues WHERE tenant = $1 AND day < $2 ORDER BY day, delivery, number LIMIT $3)`

// DropDialogues drops what was said before the day, in transactions of bounded size, and
// returns how many dialogues that were.
func (s *Store) DropDialogues(ctx context.Context, before spool.Day) (int64, error) {
	total := int64(0)
	tenants, err := tenantsOf(ctx, s.read, oldDialoguesText, int64(before))
	if err != nil {
		return 0, fmt.Errorf("drop dialogues: %w", s.refusal(err))
	}
	for _, t := range tenants {
		for n := int64(dropStep); n == dropStep; {
			res, err := s.write.ExecContext(ctx, dropDialoguesText, t[:], int64(before), dropStep)
			if err == nil {
				n, err = res.RowsAffected()
			}
			if err != nil {
				return total, fmt.Errorf("drop dialogues: %w", s.refusal(err))
			}
			total += n
		}
	}
	return total, nil
}
