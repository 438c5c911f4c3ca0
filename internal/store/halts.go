package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

// Tally implements audience.HaltStore. It reads the deliveries of the span one by one:
// callers ask seldom, and only for tenants that had a refusal or complaint.
func (s *Store) Tally(ctx context.Context, t tenant.ID, v audience.Span) (audience.Tally, error) {
	low := id.Lowest[message.DeliveryKind](v.Accepted)
	args := []any{t[:], low[:], millis(v.Settled), bitOf(event.MarkComplained)}
	in := func(values []string) string {
		list := make([]string, len(values))
		for i, value := range values {
			args = append(args, value)
			list[i] = fmt.Sprintf("$%d", len(args)) // numbered, for one list stands in two places
		}
		return "IN (" + strings.Join(list, ", ") + ")"
	}
	var streams []string
	for _, one := range v.Streams {
		streams = append(streams, string(one))
	}
	if len(streams) == 0 || len(v.Classes) == 0 {
		return audience.Tally{}, errors.New("tally bulk mail: no streams or no classes")
	}
	inStreams, inClasses := in(streams), in(v.Classes)
	text := `SELECT count(*),
		COALESCE(sum(CASE WHEN d.state = 'bounced' AND d.reason ` + inClasses + ` OR d.late_reason ` + inClasses + ` THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN (d.marks & $4) <> 0 THEN 1 ELSE 0 END), 0)
		FROM deliveries d JOIN messages m ON m.tenant = d.tenant AND m.id = ` + s.dialect.messageOf("d.id") + `
		WHERE d.tenant = $1 AND d.id >= $2 AND d.state IN ('delivered', 'bounced') AND d.updated_at >= $3 AND m.stream ` + inStreams
	var n audience.Tally
	var err error
	if err = s.read.QueryRowContext(ctx, text, args...).Scan(&n.Sent, &n.Hard, &n.Complaints); err != nil {
		return audience.Tally{}, fmt.Errorf("tally bulk mail: %w", s.refusal(err))
	}
	if n.Unsubscribes, err = s.unsubscribesOf(ctx, t, v); err != nil {
		return audience.Tally{}, fmt.Errorf("tally bulk mail: %w", s.refusal(err))
	}
	return n, nil
}

// unsubscribesOf counts people who wanted no more by a link or an answer. Entries that
// somebody of the account made, or brought along, do not count.
func (s *Store) unsubscribesOf(ctx context.Context, t tenant.ID, v audience.Span) (n int, err error) {
	since := v.Accepted
	if v.Settled.After(since) {
		since = v.Settled
	}
	args := []any{t[:], millis(since), string(audience.Unsubscribed), audience.ByRecipient, audience.ClassUnsubscribe}
	var in strings.Builder
	for i, one := range v.Streams {
		args = append(args, string(one))
		fmt.Fprintf(&in, ", $%d", 6+i)
	}
	err = s.read.QueryRowContext(ctx, `SELECT count(DISTINCT hash) FROM suppressions WHERE tenant = $1 AND changed_at >= $2 AND created_at >= $2
		AND reason = $3 AND (actor = $4 OR class = $5) AND stream IN (''`+in.String()+")", args...).Scan(&n)
	return n, err
}

const haltColumns = "tenant, at, cause, sent, hard, complaints, unsubscribes, lookback, released_at, released_by, self, note, freed"

func readHalt(row scanner) (h audience.Halt, err error) {
	var lookback int64
	var freed int
	err = row.Scan(&h.Tenant, instant{&h.At}, &h.Cause, &h.Sent, &h.Hard, &h.Complaints, &h.Unsubscribes, &lookback, instant{&h.ReleasedAt}, &h.ReleasedBy,
		truth{&h.Self}, &h.Note, &freed)
	h.Window, h.Freed = time.Duration(lookback)*time.Millisecond, freed != 0
	return h, err
}

// Halt implements audience.HaltStore.
func (s *Store) Halt(ctx context.Context, h audience.Halt) (made bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := mark(ctx, tx, h.Tenant, 1); err != nil { // nobody else writes meanwhile
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO bulk_halts (`+haltColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, '', 0, '', 0)
			ON CONFLICT DO NOTHING`, h.Tenant[:], millis(h.At), string(h.Cause), h.Sent, h.Hard, h.Complaints, h.Unsubscribes, h.Window.Milliseconds())
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if made = n > 0; err != nil || !made {
			return err
		}
		return s.noteHalt(ctx, tx, h)
	})
	if err != nil {
		return false, fmt.Errorf("halt bulk mail: %w", err)
	}
	return made, nil
}

// LastHalt implements audience.HaltStore.
func (s *Store) LastHalt(ctx context.Context, t tenant.ID) (audience.Halt, error) {
	h, err := readHalt(s.read.QueryRowContext(ctx, "SELECT "+haltColumns+" FROM bulk_halts WHERE tenant = $1 ORDER BY at DESC LIMIT 1", t[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return audience.Halt{}, nil
	}
	if err != nil {
		return audience.Halt{}, fmt.Errorf("read halt: %w", s.refusal(err))
	}
	return h, nil
}

// haltsShown bounds the halts of all tenants.
const haltsShown = 200

// Halts implements audience.HaltStore.
func (s *Store) Halts(ctx context.Context) (list []audience.Halt, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+haltColumns+" FROM bulk_halts ORDER BY at DESC, tenant LIMIT $1", haltsShown)
	err = scan(rows, err, func(row *sql.Rows) error {
		h, err := readHalt(row)
		list = append(list, h)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list halts: %w", s.refusal(err))
	}
	return list, nil
}

// ReleaseBulk implements audience.HaltStore.
func (s *Store) ReleaseBulk(ctx context.Context, t tenant.ID, r audience.Release) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := mark(ctx, tx, t, 1); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "UPDATE bulk_halts SET released_at = $2, released_by = $3, note = $4, self = $5 WHERE tenant = $1 AND released_at IS NULL",
			t[:], millis(r.At), plain(r.Actor), plain(r.Note), flag(r.Self))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return fault.New(fault.NotFound, "halt_not_found", "The tenant's bulk mail is not halted.")
		}
		return s.noteDeeds(ctx, tx, t, webhook.Deed{Type: webhook.AccountReleased, At: r.At, Data: webhook.Halt{By: releasedBy(r.Self)}})
	})
	if err != nil {
		return fmt.Errorf("release bulk mail: %w", err)
	}
	return nil
}

// SelfReleased implements audience.HaltStore.
func (s *Store) SelfReleased(ctx context.Context, t tenant.ID) (at time.Time, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT max(released_at) FROM bulk_halts WHERE tenant = $1 AND self = 1", t[:]).Scan(instant{&at})
	if err != nil {
		return at, fmt.Errorf("read own release: %w", s.refusal(err))
	}
	return at, nil
}

// FreeHeld implements audience.HaltStore.
func (s *Store) FreeHeld(ctx context.Context, t tenant.ID, limit int, now time.Time) (int, error) {
	return s.freeHeld(ctx, t, audience.ReasonHalted, limit, now)
}

// HeldFreed implements audience.HaltStore.
func (s *Store) HeldFreed(ctx context.Context, h audience.Halt) error {
	_, err := s.write.ExecContext(ctx, "UPDATE bulk_halts SET freed = 1 WHERE tenant = $1 AND at = $2", h.Tenant[:], millis(h.At))
	if err != nil {
		return fmt.Errorf("note freed deliveries: %w", s.refusal(err))
	}
	return nil
}

// Owners returns the people who own a tenant and may sign in, whom a halt is told.
func (s *Store) Owners(ctx context.Context, t tenant.ID) (list []tenant.User, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+userColumns+" FROM users WHERE tenant = $1 AND role = $2 AND disabled_at IS NULL ORDER BY id", t[:], string(tenant.Owner))
	err = scan(rows, err, func(row *sql.Rows) error {
		u, err := readUser(row)
		list = append(list, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list owners: %w", s.refusal(err))
	}
	return list, nil
}
