package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const suppressionColumns = "id, hash, stream, address, reason, class, source, actor, note, created_at, expires_at"

func readSuppression(row scanner, t tenant.ID) (audience.Entry, error) {
	e := audience.Entry{Tenant: t}
	var hash, source []byte
	var address string
	err := row.Scan(&e.ID, &hash, &e.Stream, &address, &e.Reason, &e.Class, &source, &e.Actor, &e.Note,
		instant{&e.CreatedAt}, instant{&e.ExpiresAt})
	if err != nil {
		return audience.Entry{}, err
	}
	copy(e.Hash[:], hash)
	copy(e.Source[:], source)
	if address != "" {
		e.Address = recipientOf(address, sql.NullString{})
	}
	return e, nil
}

// addressText is how the address of an entry is kept; "" is erased.
func addressText(a message.Address) string {
	if a.IsZero() {
		return ""
	}
	return canonicalAddress(a)
}

// sourceOf is NULL where no delivery led to it.
func sourceOf(d message.DeliveryID) any {
	if d.IsZero() {
		return nil
	}
	return d[:]
}

// Suppress implements audience.Store.
func (s *Store) Suppress(ctx context.Context, t tenant.ID, list []audience.Entry, now time.Time) ([]audience.Entry, error) {
	stored := make([]audience.Entry, len(list))
	// In the order of keys, so that two callers wait for each other in one direction only.
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(bytes.Compare(list[a].Hash[:], list[b].Hash[:]), cmp.Compare(list[a].Stream, list[b].Stream))
	})
	err := s.transact(ctx, func(tx *sql.Tx) error {
		seq, err := mark(ctx, tx, t, len(list))
		for _, i := range order {
			if err != nil {
				return err
			}
			stored[i], err = s.suppress(ctx, tx, list[i], seq-int64(i), now)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("suppress addresses: %w", err)
	}
	hashes := make([]audience.Hash, len(list))
	for i := range list {
		hashes[i] = list[i].Hash
	}
	s.suppressedNow(hashes)
	return stored, nil
}

// mark takes the next n numbers of a tenant's changes and returns the last. Whoever
// comes next waits here for the commit, which keeps numbers visible in their order.
func mark(ctx context.Context, tx *sql.Tx, t tenant.ID, n int) (seq int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO suppression_marks (tenant, seq) VALUES ($1, $2)
		ON CONFLICT (tenant) DO UPDATE SET seq = suppression_marks.seq + excluded.seq RETURNING seq`, t[:], n).Scan(&seq)
	return seq, err
}

// suppress merges an entry into what is there and notes it in the history if that
// changed anything. The tenant's mark is held, so nobody else writes meanwhile.
func (s *Store) suppress(ctx context.Context, tx *sql.Tx, e audience.Entry, seq int64, now time.Time) (audience.Entry, error) {
	old, err := readSuppression(tx.QueryRowContext(ctx, "SELECT "+suppressionColumns+` FROM suppressions
		WHERE tenant = $1 AND hash = $2 AND stream = $3`, e.Tenant[:], e.Hash[:], string(e.Stream)), e.Tenant)
	if err == nil {
		merged := audience.Merge(old, e, now)
		if merged == old {
			return old, nil
		}
		e = merged
	} else if !errors.Is(err, sql.ErrNoRows) {
		return audience.Entry{}, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO suppressions (tenant, hash, stream, id, address, reason, class, source, actor, note, seq, changed_at, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (tenant, hash, stream) DO UPDATE SET
		address = excluded.address, reason = excluded.reason, class = excluded.class, source = excluded.source, actor = excluded.actor, note = excluded.note,
		seq = excluded.seq, changed_at = excluded.changed_at, created_at = excluded.created_at, expires_at = excluded.expires_at`,
		e.Tenant[:], e.Hash[:], string(e.Stream), e.ID[:], addressText(e.Address), string(e.Reason), plain(e.Class), sourceOf(e.Source),
		plain(e.Actor), plain(e.Note), seq, millis(now), millis(e.CreatedAt), optional(e.ExpiresAt))
	if err != nil {
		return audience.Entry{}, err
	}
	return e, s.chronicle(ctx, tx, e, audience.ActSuppressed, e.Actor, e.Note, now)
}

// chronicle notes an act in the history of an entry's address.
func (s *Store) chronicle(ctx context.Context, tx *sql.Tx, e audience.Entry, act audience.ActType, actor, note string, now time.Time) error {
	h := id.New[audience.Kind](now)
	_, err := tx.ExecContext(ctx, `INSERT INTO suppression_history (tenant, hash, id, act, stream, reason, class, source, actor, note, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, e.Tenant[:], e.Hash[:], h[:], string(act), string(e.Stream),
		string(e.Reason), plain(e.Class), sourceOf(e.Source), plain(actor), plain(note), millis(now))
	return err
}

// Strike implements audience.Store.
func (s *Store) Strike(ctx context.Context, k audience.Strike, now time.Time) (made bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) (err error) {
		made, err = s.strike(ctx, tx, k, now)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("strike: %w", err)
	}
	if made {
		s.suppressedNow([]audience.Hash{k.Entry.Hash})
	}
	return made, nil
}

func (s *Store) strike(ctx context.Context, tx *sql.Tx, k audience.Strike, now time.Time) (bool, error) {
	e := k.Entry
	if k.Count > 1 {
		n, err := countStrike(ctx, tx, k)
		if err != nil || n < k.Count {
			return false, err
		}
	}
	e.ID = id.New[audience.Kind](now)
	seq, err := mark(ctx, tx, e.Tenant, 1)
	if err != nil {
		return false, err
	}
	_, err = s.suppress(ctx, tx, e, seq, now)
	return err == nil, err
}

// countStrike adds an outcome and returns how many there are now.
func countStrike(ctx context.Context, tx *sql.Tx, k audience.Strike) (n int, err error) {
	e := k.Entry
	_, err = tx.ExecContext(ctx, `INSERT INTO suppression_strikes (tenant, hash, class, stream, source, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`, e.Tenant[:], e.Hash[:], plain(e.Class), string(e.Stream), e.Source[:], millis(e.CreatedAt))
	if err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM suppression_strikes WHERE tenant = $1 AND hash = $2 AND class = $3 AND stream = $4 AND at >= $5`,
		e.Tenant[:], e.Hash[:], plain(e.Class), string(e.Stream), millis(k.Since)).Scan(&n)
	return n, err
}

// Lift implements audience.Store.
func (s *Store) Lift(ctx context.Context, t tenant.ID, v audience.ID, actor, note string, now time.Time) (audience.Entry, error) {
	var lifted audience.Entry
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := mark(ctx, tx, t, 0); err != nil { // nobody else writes meanwhile
			return err
		}
		e, err := readSuppression(tx.QueryRowContext(ctx, "DELETE FROM suppressions WHERE tenant = $1 AND id = $2 RETURNING "+suppressionColumns, t[:], v[:]), t)
		if err != nil {
			return missing(err, "suppression_not_found")
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM suppression_strikes WHERE tenant = $1 AND hash = $2", t[:], e.Hash[:]); err != nil {
			return err
		}
		lifted = e
		return s.chronicle(ctx, tx, e, audience.ActLifted, actor, note, now)
	})
	if err != nil {
		return audience.Entry{}, fmt.Errorf("lift suppression: %w", err)
	}
	return lifted, nil
}

// Erase implements audience.Store.
func (s *Store) Erase(ctx context.Context, t tenant.ID, h audience.Hash, actor string, now time.Time) (n int64, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := mark(ctx, tx, t, 0); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "UPDATE suppressions SET address = '', note = '' WHERE tenant = $1 AND hash = $2", t[:], h[:])
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if _, err = tx.ExecContext(ctx, "UPDATE suppression_history SET note = '' WHERE tenant = $1 AND hash = $2", t[:], h[:]); err != nil {
			return err
		}
		return s.chronicle(ctx, tx, audience.Entry{Tenant: t, Hash: h}, audience.ActErased, actor, "", now)
	})
	if err != nil {
		return 0, fmt.Errorf("erase suppressed address: %w", err)
	}
	return n, nil
}

// Suppression implements audience.Store.
func (s *Store) Suppression(ctx context.Context, t tenant.ID, v audience.ID) (audience.Entry, error) {
	e, err := readSuppression(s.read.QueryRowContext(ctx, "SELECT "+suppressionColumns+" FROM suppressions WHERE tenant = $1 AND id = $2", t[:], v[:]), t)
	if err != nil {
		return audience.Entry{}, fmt.Errorf("read suppression: %w", s.refusal(missing(err, "suppression_not_found")))
	}
	return e, nil
}

// defaultSuppressions bounds a Filter without a Limit.
const defaultSuppressions = 50

// Suppressions implements audience.Store.
func (s *Store) Suppressions(ctx context.Context, t tenant.ID, f audience.Filter) (audience.Page, error) {
	if f.Limit <= 0 {
		f.Limit = defaultSuppressions
	}
	where, args := []string{"tenant = $1"}, []any{t[:], f.Limit + 1}
	and := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where = append(where, condition)
	}
	if f.Hash != (audience.Hash{}) {
		and("hash = ?", f.Hash[:])
	}
	if f.Text != "" {
		and(`address LIKE ? ESCAPE '\'`, "%"+likeLiteral(strings.ToLower(plain(f.Text)))+"%")
	}
	if f.Stream != "" {
		and("stream IN (?, '')", string(f.Stream))
	}
	if f.Reason != "" {
		and("reason = ?", string(f.Reason))
	}
	key, sign, direction := "id", "<", " DESC"
	if f.Ascending {
		sign, direction = ">", ""
	}
	order := "id" + direction
	if f.ByAddress {
		key, order = "(address, id)", "address"+direction+", id"+direction
	}
	if !f.After.IsZero() {
		if f.ByAddress {
			and(key+" "+sign+" (SELECT address, id FROM suppressions WHERE tenant = $1 AND id = ?)", f.After[:])
		} else {
			and(key+" "+sign+" ?", f.After[:])
		}
	}
	var page audience.Page
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+suppressionColumns+" FROM suppressions WHERE "+strings.Join(where, " AND ")+
		" ORDER BY "+order+" LIMIT $2", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		e, err := readSuppression(row, t)
		page.Entries = append(page.Entries, e)
		return err
	})
	if err != nil {
		return audience.Page{}, fmt.Errorf("list suppressions: %w", s.refusal(err))
	}
	if page.More = len(page.Entries) > f.Limit; page.More {
		page.Entries = page.Entries[:f.Limit]
	}
	return page, nil
}

// historyLimit bounds the acts shown of one address.
const historyLimit = 200

// History implements audience.Store.
func (s *Store) History(ctx context.Context, t tenant.ID, h audience.Hash) ([]audience.Act, error) {
	var list []audience.Act
	rows, err := s.read.QueryContext(ctx, `SELECT act, stream, reason, class, source, actor, note, at FROM suppression_history
		WHERE tenant = $1 AND hash = $2 ORDER BY id LIMIT $3`, t[:], h[:], historyLimit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var a audience.Act
		var source []byte
		err := row.Scan(&a.Type, &a.Stream, &a.Reason, &a.Class, &source, &a.Actor, &a.Note, instant{&a.At})
		copy(a.Source[:], source)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read history of suppressions: %w", s.refusal(err))
	}
	return list, nil
}
