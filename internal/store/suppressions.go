package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Suppressed implements ingest.Store and audience.Store. It stands in the way of every message, so
// those who ask at the same moment are answered together; see inquiries.
func (s *Store) Suppressed(ctx context.Context, t tenant.ID, stream tenant.Stream, addrs []message.Address, now time.Time) (map[message.Address]string, error) {
	hashes := make([]audience.Hash, len(addrs))
	for i, a := range addrs {
		hashes[i] = s.hashes.Of(t, a)
	}
	rows, err := s.inquiries.ask(ctx, inquiry{scope: scope{t, stream}, hashes: hashes})
	if err != nil {
		return nil, fmt.Errorf("look up suppressions: %w", s.refusal(err))
	}
	found := map[message.Address]string{}
	at := millis(now)
	for i, a := range addrs {
		if reason := holding(rows[hashes[i]], at); reason != "" {
			found[a] = string(reason)
		}
	}
	return found, nil
}

// holding is the strongest reason of the rows that hold at an instant, "" if none does.
func holding(rows []suppression, at int64) (strongest audience.Reason) {
	for _, row := range rows {
		if row.created <= at && (!row.expires.Valid || row.expires.Int64 > at) {
			strongest = strongest.Stronger(row.reason)
		}
	}
	return strongest
}

// suppressionSizes are the list lengths the look-up is prepared for; parsing its
// text anew for each message cost more than the search.
var suppressionSizes = [...]int{1, 8, 64}

// suppressionQuery holds the look-up, prepared for each length.
type suppressionQuery [len(suppressionSizes)]*sql.Stmt

func prepareSuppressed(ctx context.Context, db *sql.DB, d dialect) (q suppressionQuery, err error) {
	for i, n := range suppressionSizes {
		var list strings.Builder
		writePlaceholders(d, &list, 3, n)
		//nolint:gosec,sqlclosecheck // G202: placeholders only; kept until close
		q[i], err = db.PrepareContext(ctx, `SELECT hash, reason, created_at, expires_at FROM suppressions WHERE tenant = $1 AND stream IN ($2, '')
			AND hash IN (`+list.String()+")")
		if err != nil {
			return q, fmt.Errorf("prepare look-up of suppressions: %w", err)
		}
	}
	return q, nil
}

// query runs the shortest prepared look-up that has room for the addresses, which
// begin at the third argument; what room is left repeats the last one.
func (q suppressionQuery) query(ctx context.Context, args []any) (*sql.Rows, error) {
	i := 0
	for suppressionSizes[i] < len(args)-2 {
		i++
	}
	for last := args[len(args)-1]; len(args)-2 < suppressionSizes[i]; {
		args = append(args, last)
	}
	return q[i].QueryContext(ctx, args...)
}

func (q suppressionQuery) close() error {
	var errs []error
	for _, st := range q {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(errs...)
}
