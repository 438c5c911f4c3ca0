package store

import (
	"context"
	"database/sql"
	"fmt"

	"stafette/internal/feed"
	"stafette/internal/tenant"
)

const lookColumns = "l.id, l.at, l.outcome, l.why, l.fresh, l.campaign"

// lookRow reads lookColumns.
type lookRow struct {
	of   feed.Look
	made []byte
}

func (r *lookRow) into() []any {
	return []any{&r.of.ID, instant{&r.of.At}, &r.of.Outcome, &r.of.Why, &r.of.New, &r.made}
}

func (r *lookRow) look() feed.Look {
	copy(r.of.Campaign[:], r.made)
	return r.of
}

func addLook(ctx context.Context, tx *sql.Tx, f feed.Feed, l feed.Look) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO feed_looks (tenant, feed, id, at, outcome, why, fresh, campaign) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		f.Tenant[:], f.ID[:], l.ID[:], millis(l.At), l.Outcome, l.Why, l.New, orNone(l.Campaign))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM feed_looks WHERE tenant = $1 AND feed = $2 AND id <=
		(SELECT l.id FROM feed_looks l WHERE l.tenant = $1 AND l.feed = $2 ORDER BY l.id DESC LIMIT 1 OFFSET $3)`, f.Tenant[:], f.ID[:], feed.KeptLooks)
	return err
}

// FeedLooks implements feed.Store.
func (s *Store) FeedLooks(ctx context.Context, t tenant.ID, f feed.ID) (list []feed.Look, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+lookColumns+" FROM feed_looks l WHERE l.tenant = $1 AND l.feed = $2 ORDER BY l.id DESC LIMIT $3", t[:], f[:], feed.KeptLooks)
	err = scan(rows, err, func(row *sql.Rows) error {
		var l lookRow
		err := row.Scan(l.into()...)
		list = append(list, l.look())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list looks of feed: %w", s.refusal(err))
	}
	return list, nil
}

// LastLooks implements feed.Store.
func (s *Store) LastLooks(ctx context.Context, t tenant.ID) (map[feed.ID]feed.Look, error) {
	list := map[feed.ID]feed.Look{}
	rows, err := s.read.QueryContext(ctx, "SELECT l.feed, "+lookColumns+` FROM feed_looks l
		WHERE l.tenant = $1 AND l.id = (SELECT n.id FROM feed_looks n WHERE n.tenant = $1 AND n.feed = l.feed ORDER BY n.id DESC LIMIT 1)`, t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var number feed.ID
		var l lookRow
		err := row.Scan(append([]any{&number}, l.into()...)...)
		list[number] = l.look()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list last looks at feeds: %w", s.refusal(err))
	}
	return list, nil
}

// StuckFeeds implements what feed.Waiting asks.
func (s *Store) StuckFeeds(ctx context.Context, t tenant.ID) (list []feed.Stuck, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+feedColumns+", "+lookColumns+` FROM feed_looks l
		JOIN feeds f ON f.tenant = l.tenant AND f.id = l.feed
		LEFT JOIN campaigns c ON c.tenant = l.tenant AND c.id = l.campaign
		WHERE l.tenant = $1 AND l.outcome = $2 AND (c.state = 'draft' OR l.campaign IS NULL
			AND NOT EXISTS (SELECT 1 FROM feed_looks n WHERE n.tenant = $1 AND n.feed = l.feed AND n.id > l.id))
		ORDER BY l.id DESC`, t[:], feed.Held)
	err = scan(rows, err, func(row *sql.Rows) error {
		var l lookRow
		f, err := readFeed(row, l.into()...)
		list = append(list, feed.Stuck{Feed: f, Held: l.look()})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list held mailings of feeds: %w", s.refusal(err))
	}
	failing, err := s.feedsOf(ctx, "SELECT "+feedColumns+" FROM feeds f WHERE f.tenant = $1 AND f.failures > 2 AND f.next_at IS NOT NULL ORDER BY f.id", t[:])
	for _, f := range failing {
		list = append(list, feed.Stuck{Feed: f})
	}
	return list, err
}
