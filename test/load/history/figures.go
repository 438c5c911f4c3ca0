package history

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// sums writes what the fold makes of the past: by hour and by day, for each provider, for
// the stream and for all streams together, delivered within seconds but for one in a
// hundred. It is written per hour of @per messages.
const sums = `WITH RECURSIVE h(start) AS (SELECT @from UNION ALL SELECT start + @span FROM h WHERE start + @span < @to),
	p(provider, share) AS (VALUES ('gmx', 30), ('gmail', 25), ('t-online', 15), ('outlook', 10), ('', 20)),
	w(what, part) AS (VALUES ('delivered', 0.99), ('bounced', 0.01), ('took02', 0.9), ('took03', 0.09)),
	s(stream) AS (VALUES ('*'), ('transactional'))
	INSERT INTO tallies (tenant, span, what, start, provider, stream, n)
	SELECT @tenant, @name, what, start, provider, stream, CAST(@per * share * part / 100 AS INTEGER) FROM h, p, w, s`

// Figures adds the sums of a past of n messages that begins at began, which Fill does not
// write: the product has them from its settlements.
func (d *Database) Figures(ctx context.Context, began time.Time, n int) error {
	end := began.Add(time.Duration(n) * Spacing)
	for name, span := range map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour} {
		_, err := d.db.ExecContext(ctx, sums, sql.Named("tenant", d.tenant), sql.Named("name", name), sql.Named("span", span.Milliseconds()),
			sql.Named("from", began.UTC().Truncate(span).UnixMilli()), sql.Named("to", end.UnixMilli()), sql.Named("per", int64(span/Spacing)))
		if err != nil {
			return fmt.Errorf("insert figures: %w", err)
		}
	}
	return nil
}
