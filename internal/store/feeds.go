package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/feed"
	"stafette/internal/tenant"
)

var _ feed.Store = (*Store)(nil)

const feedColumns = "f.tenant, f.id, f.revision, f.turn, f.spec, f.primed, f.etag, f.modified, f.pending, f.failures, f.next_at, f.created_at, f.updated_at"

// readFeed reads feedColumns, and what stands behind them into more.
func readFeed(row scanner, more ...any) (f feed.Feed, err error) {
	var pending []byte
	var spec feed.Feed
	var base feed.Feed
	err = row.Scan(append([]any{&base.Tenant, &base.ID, &base.Revision, &base.Turn, document{&spec}, truth{&base.Primed}, &base.ETag, &base.Modified, &pending, &base.Failures,
		instant{&base.NextAt}, instant{&base.CreatedAt}, instant{&base.UpdatedAt}}, more...)...)
	f = spec
	f.Tenant, f.ID, f.Revision, f.Turn, f.Primed, f.ETag, f.Modified = base.Tenant, base.ID, base.Revision, base.Turn, base.Primed, base.ETag, base.Modified
	f.Failures, f.NextAt, f.CreatedAt, f.UpdatedAt = base.Failures, base.NextAt, base.CreatedAt, base.UpdatedAt
	copy(f.Pending[:], pending)
	return f, err
}

// feedNext is when a feed is looked at; NULL: not at all.
func feedNext(f feed.Feed) any {
	if f.Paused {
		return nil
	}
	return optional(f.NextAt)
}

// CreateFeed implements feed.Store.
func (s *Store) CreateFeed(ctx context.Context, f feed.Feed, most int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM feeds WHERE tenant = $1", f.Tenant[:]).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return fault.New(fault.Conflict, feed.CodeMany, "An account has at most 20 feeds.")
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO feeds (tenant, id, revision, turn, spec, primed, etag, modified, failures, next_at, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11)`, f.Tenant[:], f.ID[:], f.Revision, f.Turn, plain(asJSON(f)), flag(f.Primed), plain(f.ETag), plain(f.Modified),
			feedNext(f), millis(f.CreatedAt), millis(f.UpdatedAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("create feed: %w", err)
	}
	return nil
}

// ChangeFeed implements feed.Store.
func (s *Store) ChangeFeed(ctx context.Context, f feed.Feed, afresh bool) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE feeds SET revision = $3, spec = $5, primed = $6, etag = $7, modified = $8, pending = $9, next_at = $10, updated_at = $11, failures = $12
			WHERE tenant = $1 AND id = $2 AND revision = $3 - 1 AND turn = $4`, f.Tenant[:], f.ID[:], f.Revision, f.Turn, plain(asJSON(f)), flag(f.Primed), plain(f.ETag),
			plain(f.Modified), orNone(f.Pending), feedNext(f), millis(f.UpdatedAt), f.Failures)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, feedRefused(ctx, tx, f.Tenant, f.ID))
		}
		if !afresh {
			return nil
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM feed_entries WHERE tenant = $1 AND feed = $2", f.Tenant[:], f.ID[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("change feed: %w", err)
	}
	return nil
}

// feedRefused is why a feed could not be changed.
func feedRefused(ctx context.Context, tx *sql.Tx, t tenant.ID, f feed.ID) error {
	var one int
	if err := tx.QueryRowContext(ctx, "SELECT 1 FROM feeds WHERE tenant = $1 AND id = $2", t[:], f[:]).Scan(&one); err != nil {
		return missing(err, feed.CodeNotFound)
	}
	return fault.New(fault.Conflict, feed.CodeState, "Somebody else has changed the feed meanwhile.")
}

// DeleteFeed implements feed.Store.
func (s *Store) DeleteFeed(ctx context.Context, t tenant.ID, f feed.ID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM feeds WHERE tenant = $1 AND id = $2", t[:], f[:])
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, missing(sql.ErrNoRows, feed.CodeNotFound))
		}
		for _, text := range []string{"DELETE FROM feed_entries WHERE tenant = $1 AND feed = $2", "DELETE FROM feed_looks WHERE tenant = $1 AND feed = $2"} {
			if _, err := tx.ExecContext(ctx, text, t[:], f[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete feed: %w", err)
	}
	return nil
}

// Feed implements feed.Store.
func (s *Store) Feed(ctx context.Context, t tenant.ID, number feed.ID) (feed.Feed, error) {
	f, err := readFeed(s.read.QueryRowContext(ctx, "SELECT "+feedColumns+" FROM feeds f WHERE f.tenant = $1 AND f.id = $2", t[:], number[:]))
	if err != nil {
		return feed.Feed{}, fmt.Errorf("read feed: %w", s.refusal(missing(err, feed.CodeNotFound)))
	}
	return f, nil
}

// Feeds implements feed.Store.
func (s *Store) Feeds(ctx context.Context, t tenant.ID) ([]feed.Feed, error) {
	return s.feedsOf(ctx, "SELECT "+feedColumns+" FROM feeds f WHERE f.tenant = $1 ORDER BY f.id DESC", t[:])
}

// DueFeeds implements feed.Store.
func (s *Store) DueFeeds(ctx context.Context, now time.Time, limit int) ([]feed.Feed, error) {
	return s.feedsOf(ctx, "SELECT "+feedColumns+" FROM feeds f WHERE f.next_at IS NOT NULL AND f.next_at <= $1 ORDER BY f.next_at LIMIT $2", millis(now), limit)
}

func (s *Store) feedsOf(ctx context.Context, text string, args ...any) (list []feed.Feed, err error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		f, err := readFeed(row)
		list = append(list, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list feeds: %w", s.refusal(err))
	}
	return list, nil
}

// KnownEntries implements feed.Store. A feed has some hundreds of them; all are read.
func (s *Store) KnownEntries(ctx context.Context, t tenant.ID, f feed.ID, list []feed.Hash) (map[feed.Hash]bool, error) {
	all, known := map[feed.Hash]bool{}, map[feed.Hash]bool{}
	rows, err := s.read.QueryContext(ctx, "SELECT hash FROM feed_entries WHERE tenant = $1 AND feed = $2", t[:], f[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var b []byte
		var h feed.Hash
		err := row.Scan(&b)
		copy(h[:], b)
		all[h] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read entries of feed: %w", s.refusal(err))
	}
	for _, h := range list {
		if all[h] {
			known[h] = true
		}
	}
	return known, nil
}

// KeepLook implements feed.Store.
func (s *Store) KeepLook(ctx context.Context, f feed.Feed, l feed.Look, seen []feed.Hash, c campaign.Campaign) (ok bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE feeds SET turn = $4, primed = $5, etag = $6, modified = $7, pending = $8, next_at = $9, failures = $10
			WHERE tenant = $1 AND id = $2 AND revision = $3 AND turn = $4 - 1`, f.Tenant[:], f.ID[:], f.Revision, f.Turn, flag(f.Primed), plain(f.ETag), plain(f.Modified),
			orNone(f.Pending), feedNext(f), f.Failures)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if ok = err == nil && n > 0; !ok {
			return err
		}
		if err := rememberEntries(ctx, tx, f, l.At, seen); err != nil {
			return err
		}
		if !c.ID.IsZero() {
			if err := addCampaign(ctx, tx, c); err != nil {
				return err
			}
		}
		return addLook(ctx, tx, f, l)
	})
	if err != nil {
		return false, fmt.Errorf("keep look at feed: %w", err)
	}
	return ok, nil
}

func rememberEntries(ctx context.Context, tx *sql.Tx, f feed.Feed, at time.Time, seen []feed.Hash) error {
	for _, h := range seen {
		_, err := tx.ExecContext(ctx, `INSERT INTO feed_entries (tenant, feed, hash, seen_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, feed, hash) DO UPDATE SET seen_at = excluded.seen_at`, f.Tenant[:], f.ID[:], h[:], millis(at))
		if err != nil {
			return err
		}
	}
	if len(seen) == 0 {
		return nil // not read, or as it was: what is in it may be old
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM feed_entries WHERE tenant = $1 AND feed = $2 AND seen_at < $3", f.Tenant[:], f.ID[:], millis(at.Add(-feed.Remembered)))
	return err
}

// PutOffFeed implements feed.Store.
func (s *Store) PutOffFeed(ctx context.Context, f feed.Feed) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE feeds SET turn = $4, next_at = $5 WHERE tenant = $1 AND id = $2 AND revision = $3 AND turn = $4 - 1",
			f.Tenant[:], f.ID[:], f.Revision, f.Turn, feedNext(f))
		return err
	})
	if err != nil {
		return fmt.Errorf("put off feed: %w", err)
	}
	return nil
}
