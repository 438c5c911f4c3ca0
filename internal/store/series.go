package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/series"
	"stafette/internal/tenant"
)

var _ series.Store = (*Store)(nil)

// seriesSpec is what of a series' newest version lists show.
type seriesSpec struct {
	Trigger series.Trigger `json:"trigger"`
	Zone    string         `json:"zone,omitempty"`
}

const seriesColumns = `s.tenant, s.id, s.revision, s.state, s.reason, s.name, s.actor, s.grp, s.again, s.version, s.since, s.spec, s.rest_at, s.scan_at,
	s.scan_after, s.entered, s.created_at, s.updated_at`

func readSeries(row scanner) (v series.Series, err error) {
	var spec seriesSpec
	var after []byte
	err = row.Scan(&v.Tenant, &v.ID, &v.Revision, &v.State, &v.Reason, &v.Name, &v.Actor, &v.Group, &v.Again, &v.Version, &v.Since, document{&spec},
		instant{&v.RestAt}, instant{&v.ScanAt}, &after, &v.Entered, instant{&v.CreatedAt}, instant{&v.UpdatedAt})
	v.Definition.Trigger, v.Definition.Zone = spec.Trigger, spec.Zone
	copy(v.ScanAfter[:], after)
	return v, err
}

func seriesSpecOf(v series.Series) string {
	return plain(asJSON(seriesSpec{v.Definition.Trigger, v.Definition.Zone}))
}

// seriesNext is when the worker is to look at a series that was changed: at once, when it
// rested enough, or not at all (NULL).
func seriesNext(v series.Series) any {
	if v.State != series.Active && v.State != series.Ended {
		return nil
	}
	return millis(v.RestAt)
}

// CreateSeries implements series.Store.
func (s *Store) CreateSeries(ctx context.Context, v series.Series, most int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM series WHERE tenant = $1", v.Tenant[:]).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return fault.New(fault.Conflict, series.CodeMany, "An account has at most 50 series.")
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO series (tenant, id, revision, state, reason, name, actor, grp, again, version, since, trigger_on, trigger_key, spec,
			next_at, entered, created_at, updated_at) VALUES ($1, $2, $3, $4, '', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, $16)`,
			v.Tenant[:], v.ID[:], v.Revision, string(v.State), plain(v.Name), plain(v.Actor), v.Group[:], v.Again, v.Version, v.Since,
			string(v.Definition.Trigger.On), plain(v.Definition.Trigger.Key()), seriesSpecOf(v), seriesNext(v), millis(v.CreatedAt), millis(v.UpdatedAt))
		if err != nil {
			return err
		}
		return putVersion(ctx, tx, v)
	})
	if err != nil {
		return fmt.Errorf("create series: %w", err)
	}
	return nil
}

// putVersion keeps what a series says as its newest version, and letters that are new.
func putVersion(ctx context.Context, tx *sql.Tx, v series.Series) error {
	d := v.Definition
	d.Steps = append([]series.Step(nil), d.Steps...)
	for i, step := range d.Steps {
		if step.Letter == nil {
			continue
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO series_letters (tenant, id, series, letter) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			v.Tenant[:], step.Form[:], v.ID[:], plain(asJSON(step.Letter)))
		if err != nil {
			return err
		}
		d.Steps[i].Letter = nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO series_versions (tenant, series, version, spec) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant, series, version) DO UPDATE SET spec = excluded.spec`, v.Tenant[:], v.ID[:], v.Version, plain(asJSON(d)))
	return err
}

// ChangeSeries implements series.Store.
func (s *Store) ChangeSeries(ctx context.Context, v series.Series, from series.State, fresh bool) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE series SET revision = $3, state = $5, reason = $6, name = $7, actor = $8, grp = $9, again = $10, version = $11, since = $12,
			trigger_on = $13, trigger_key = $14, spec = $15, next_at = $16, rest_at = $17, scan_at = $18, scan_after = $19, updated_at = $20
			WHERE tenant = $1 AND id = $2 AND revision = $3 - 1 AND state = $4`,
			v.Tenant[:], v.ID[:], v.Revision, string(from), string(v.State), v.Reason, plain(v.Name), plain(v.Actor), v.Group[:], v.Again, v.Version, v.Since,
			string(v.Definition.Trigger.On), plain(v.Definition.Trigger.Key()), seriesSpecOf(v), seriesNext(v), optional(v.RestAt), optional(v.ScanAt),
			orNone(v.ScanAfter), millis(v.UpdatedAt))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, seriesRefused(ctx, tx, v.Tenant, v.ID))
		}
		if !fresh {
			return nil
		}
		if err := dropSeriesChecks(ctx, tx, v); err != nil {
			return err
		}
		if from == series.Draft {
			// Nobody has letters of a draft.
			if _, err := tx.ExecContext(ctx, "DELETE FROM series_letters WHERE tenant = $1 AND series = $2", v.Tenant[:], v.ID[:]); err != nil {
				return err
			}
		}
		return putVersion(ctx, tx, v)
	})
	if err != nil {
		return fmt.Errorf("change series: %w", err)
	}
	return nil
}

// dropSeriesChecks takes away what was found about letters that v has no more.
func dropSeriesChecks(ctx context.Context, tx *sql.Tx, v series.Series) error {
	text, args := "DELETE FROM campaign_checks WHERE tenant = $1 AND campaign IN (SELECT l.id FROM series_letters l WHERE l.tenant = $1 AND l.series = $2)", []any{v.Tenant[:], v.ID[:]}
	for _, step := range v.Definition.Steps {
		if step.Do == series.Send {
			args = append(args, step.Form[:])
			//nolint:gosec // G202: constants and placeholders only
			text += fmt.Sprintf(" AND campaign <> $%d", len(args))
		}
	}
	_, err := tx.ExecContext(ctx, text, args...)
	return err
}

// seriesRefused is why a series could not be changed.
func seriesRefused(ctx context.Context, tx *sql.Tx, t tenant.ID, v series.ID) error {
	var one int
	if err := tx.QueryRowContext(ctx, "SELECT 1 FROM series WHERE tenant = $1 AND id = $2", t[:], v[:]).Scan(&one); err != nil {
		return missing(err, series.CodeNotFound)
	}
	return fault.New(fault.Conflict, series.CodeState, "The series is not in a state that allows this, or somebody else has changed it meanwhile.")
}

// MoveSeries implements series.Store.
func (s *Store) MoveSeries(ctx context.Context, v series.Series, from series.State) (moved bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE series SET state = $4, reason = $5, rest_at = $6, next_at = $7 WHERE tenant = $1 AND id = $2 AND state = $3",
			v.Tenant[:], v.ID[:], string(from), string(v.State), v.Reason, optional(v.RestAt), seriesNext(v))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		moved = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("move series: %w", err)
	}
	return moved, nil
}

// seriesChunk is how many runs one transaction of a deletion takes away.
const seriesChunk = 1000

// DeleteSeries implements series.Store. Its runs go first, in short transactions; should this
// be cut short, the series is still there and can be deleted again.
func (s *Store) DeleteSeries(ctx context.Context, t tenant.ID, v series.ID) error {
	found, err := s.Series(ctx, t, v)
	if err != nil {
		return err
	}
	if found.State != series.Draft && found.State != series.Ended {
		return fmt.Errorf("delete series: %w", fault.New(fault.Conflict, series.CodeState, "The series is not in a state that allows this."))
	}
	for _, table := range []string{"series_deeds", "series_runs"} {
		for n := int64(seriesChunk); n == seriesChunk; {
			//nolint:gosec // G202: constants only
			res, err := s.write.ExecContext(ctx, "DELETE FROM "+table+" WHERE tenant = $1 AND series = $2 AND contact IN (SELECT x.contact FROM "+table+
				" x WHERE x.tenant = $1 AND x.series = $2 ORDER BY x.contact LIMIT $3)", t[:], v[:], seriesChunk)
			if err == nil {
				n, err = res.RowsAffected()
				n = min(n, seriesChunk)
			}
			if err != nil {
				return fmt.Errorf("delete series: %w", s.refusal(err))
			}
		}
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM series WHERE tenant = $1 AND id = $2 AND state IN ('draft', 'ended')", t[:], v[:])
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, seriesRefused(ctx, tx, t, v))
		}
		if err := dropSeriesChecks(ctx, tx, series.Series{Tenant: t, ID: v}); err != nil {
			return err
		}
		for _, table := range []string{"series_versions", "series_letters", "series_signals", "series_runs", "series_deeds"} {
			//nolint:gosec // G202: constants only
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE tenant = $1 AND series = $2", t[:], v[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete series: %w", err)
	}
	return nil
}

// Series implements series.Store. Its steps are left out.
func (s *Store) Series(ctx context.Context, t tenant.ID, number series.ID) (series.Series, error) {
	v, err := readSeries(s.read.QueryRowContext(ctx, "SELECT "+seriesColumns+" FROM series s WHERE s.tenant = $1 AND s.id = $2", t[:], number[:]))
	if err != nil {
		return series.Series{}, fmt.Errorf("read series: %w", s.refusal(missing(err, series.CodeNotFound)))
	}
	return v, nil
}

// SeriesList implements series.Store. Their steps are left out.
func (s *Store) SeriesList(ctx context.Context, t tenant.ID) ([]series.Series, error) {
	return s.seriesOf(ctx, "SELECT "+seriesColumns+" FROM series s WHERE s.tenant = $1 ORDER BY s.id DESC", t[:])
}

func (s *Store) seriesOf(ctx context.Context, text string, args ...any) (list []series.Series, err error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		v, err := readSeries(row)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list series: %w", s.refusal(err))
	}
	return list, nil
}

const openSeries = "SELECT " + seriesColumns + " FROM series s WHERE s.next_at IS NOT NULL AND s.next_at <= $1 ORDER BY s.next_at LIMIT $2"

// OpenSeries implements series.Store.
func (s *Store) OpenSeries(ctx context.Context, now time.Time, limit int) ([]series.Series, error) {
	return s.seriesOf(ctx, openSeries, millis(now), limit)
}

// seriesSleeps is how long nobody looks at an active series that has nothing to do.
const seriesSleeps = time.Hour

// SleepSeries implements series.Store. The row is held while signals and runs are looked at,
// and whoever adds a signal changes it too: none is overlooked.
func (s *Store) SleepSeries(ctx context.Context, t tenant.ID, number series.ID, now time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		v, err := readSeries(tx.QueryRowContext(ctx, "SELECT "+seriesColumns+" FROM series s WHERE s.tenant = $1 AND s.id = $2"+s.dialect.lockRow(), t[:], number[:]))
		if err != nil || v.State != series.Active {
			return missing(err, series.CodeNotFound)
		}
		next := now.Add(seriesSleeps)
		sooner := func(at time.Time) {
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		sooner(v.ScanAt)
		var due sql.NullInt64
		if err := tx.QueryRowContext(ctx, "SELECT min(r.due_at) FROM series_runs r WHERE r.tenant = $1 AND r.series = $2 AND r.due_at IS NOT NULL", t[:], number[:]).Scan(&due); err != nil {
			return err
		}
		if due.Valid {
			sooner(time.UnixMilli(due.Int64))
		}
		var signals int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM series_signals g WHERE g.tenant = $1 AND g.series = $2 LIMIT 1) x", t[:], number[:]).Scan(&signals); err != nil {
			return err
		}
		if signals > 0 {
			next = now
		}
		if next.Before(now) {
			next = now // behind those that have waited longer
		}
		if next.Before(v.RestAt) {
			next = v.RestAt
		}
		_, err = tx.ExecContext(ctx, "UPDATE series SET next_at = $3 WHERE tenant = $1 AND id = $2", t[:], number[:], millis(next))
		return err
	})
	if err != nil {
		return fmt.Errorf("let series sleep: %w", err)
	}
	return nil
}

// SeriesVersion implements series.Store.
func (s *Store) SeriesVersion(ctx context.Context, t tenant.ID, v series.ID, version int64) (d series.Definition, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT spec FROM series_versions WHERE tenant = $1 AND series = $2 AND version = $3", t[:], v[:], version).Scan(document{&d})
	if err != nil {
		return d, fmt.Errorf("read series: %w", s.refusal(missing(err, series.CodeNotFound)))
	}
	for i, step := range d.Steps {
		if step.Do != series.Send {
			continue
		}
		letter, _, err := s.SeriesLetter(ctx, t, step.Form)
		if err != nil {
			return d, err
		}
		d.Steps[i].Letter = &letter
	}
	return d, nil
}

// SeriesLetter implements series.Store.
func (s *Store) SeriesLetter(ctx context.Context, t tenant.ID, form campaign.ID) (l campaign.Letter, g audience.GroupID, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT l.letter, s.grp FROM series_letters l JOIN series s ON s.tenant = l.tenant AND s.id = l.series
		WHERE l.tenant = $1 AND l.id = $2`, t[:], form[:]).Scan(document{&l}, &g)
	if err != nil {
		return l, g, fmt.Errorf("read letter of series: %w", s.refusal(missing(err, series.CodeNotFound)))
	}
	return l, g, nil
}
