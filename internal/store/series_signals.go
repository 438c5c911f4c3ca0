package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/series"
	"stafette/internal/tenant"
)

// AddSignals implements series.Store.
func (s *Store) AddSignals(ctx context.Context, t tenant.ID, on series.On, key string, c audience.ContactID, data json.RawMessage, now time.Time) (n int, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		waiting, err := waitingSeries(ctx, tx, t, on)
		if err != nil {
			return err
		}
		n = 0
		for _, v := range waiting {
			if v.key != key {
				continue
			}
			n++
			if err := addSignal(ctx, tx, t, v.id, c, data, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("tell series: %w", err)
	}
	return n, nil
}

// waitingFor is an active series and what begins it.
type waitingFor struct {
	id    series.ID
	key   string
	group audience.GroupID
}

// waitingSeries are the active series of a tenant with a kind of trigger.
func waitingSeries(ctx context.Context, tx *sql.Tx, t tenant.ID, on series.On) (list []waitingFor, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, trigger_key, grp FROM series WHERE tenant = $1 AND trigger_on = $2 AND state = 'active' ORDER BY id", t[:], string(on))
	err = scan(rows, err, func(row *sql.Rows) error {
		var v waitingFor
		err := row.Scan(&v.id, &v.key, &v.group)
		list = append(list, v)
		return err
	})
	return list, err
}

func addSignal(ctx context.Context, tx *sql.Tx, t tenant.ID, v series.ID, c audience.ContactID, data json.RawMessage, now time.Time) error {
	var text any
	if len(data) > 0 {
		text = plain(string(data))
	}
	n := id.New[series.SignalKind](now)
	_, err := tx.ExecContext(ctx, "INSERT INTO series_signals (tenant, series, id, contact, data, at) VALUES ($1, $2, $3, $4, $5, $6)",
		t[:], v[:], n[:], c[:], text, millis(now))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE series SET next_at = 0 WHERE tenant = $1 AND id = $2 AND state = 'active'", t[:], v[:])
	return err
}

// tellConfirmed tells series of contacts that came into a group because they confirmed it.
func tellConfirmed(ctx context.Context, tx *sql.Tx, b audience.Batch, added []audience.ContactID, now time.Time) error {
	if b.Origin != audience.OriginForm || len(added) == 0 {
		return nil
	}
	waiting, err := waitingSeries(ctx, tx, b.Tenant, series.Confirmed)
	if err != nil {
		return err
	}
	for _, v := range waiting {
		if v.group != b.Group {
			continue
		}
		for _, c := range added {
			if err := addSignal(ctx, tx, b.Tenant, v.id, c, nil, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// tagged is a contact with the tags it had before.
type tagged struct {
	audience.Contact
	before []string
}

// tellTagged tells series of contacts of one tenant that got tags.
func tellTagged(ctx context.Context, tx *sql.Tx, list ...tagged) error {
	if !slices.ContainsFunc(list, func(c tagged) bool { return len(c.Tags) > 0 }) {
		return nil
	}
	waiting, err := waitingSeries(ctx, tx, list[0].Tenant, series.Tagged)
	if err != nil {
		return err
	}
	for _, v := range waiting {
		for _, c := range list {
			if !slices.Contains(c.Tags, v.key) || slices.Contains(c.before, v.key) {
				continue
			}
			if err := addSignal(ctx, tx, c.Tenant, v.id, c.ID, nil, c.UpdatedAt); err != nil {
				return err
			}
		}
	}
	return nil
}

// SeriesSignals implements series.Store.
func (s *Store) SeriesSignals(ctx context.Context, t tenant.ID, v series.ID, limit int) (list []series.Signal, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, contact, data, at FROM series_signals WHERE tenant = $1 AND series = $2 ORDER BY id LIMIT $3", t[:], v[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		g := series.Signal{Series: v}
		var data sql.NullString
		err := row.Scan(&g.ID, &g.Contact, &data, instant{&g.At})
		if data.Valid {
			g.Data = json.RawMessage(data.String)
		}
		list = append(list, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list signals: %w", s.refusal(err))
	}
	return list, nil
}
