package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Suppressed implements ingest.Store.
func (s *Store) Suppressed(ctx context.Context, t tenant.ID, stream tenant.Stream, addrs []message.Address, now time.Time) (map[message.Address]string, error) {
	found := map[message.Address]string{}
	for part := range slices.Chunk(addrs, inListMax) {
		byText := map[string][]message.Address{}
		args := []any{t[:], string(stream), millis(now)}
		for _, a := range part {
			c := canonicalAddress(a)
			if byText[c] == nil {
				args = append(args, c)
			}
			byText[c] = append(byText[c], a)
		}
		var list strings.Builder
		writePlaceholders(s.dialect, &list, 4, len(args)-3)
		rows, err := s.read.QueryContext(ctx, `SELECT address, reason FROM suppressions WHERE tenant = $1 AND stream = $2
			AND created_at <= $3 AND (expires_at IS NULL OR expires_at > $3) AND address IN (`+list.String()+")", args...)
		err = scan(rows, err, func(row *sql.Rows) error {
			var address, reason string
			if err := row.Scan(&address, &reason); err != nil {
				return err
			}
			for _, a := range byText[address] {
				found[a] = reason
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look up suppressions: %w", s.refusal(err))
		}
	}
	return found, nil
}

// Suppress keeps mail of a stream from an address, until expires or, if that is
// zero, for good. An address suppressed before gets the new reason and end.
func (s *Store) Suppress(ctx context.Context, t tenant.ID, stream tenant.Stream, a message.Address, reason string, now, expires time.Time) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO suppressions (tenant, stream, address, reason, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, stream, address)
		DO UPDATE SET reason = excluded.reason, expires_at = excluded.expires_at`,
		t[:], string(stream), canonicalAddress(a), reason, millis(now), optional(expires))
	if err != nil {
		return fmt.Errorf("suppress address: %w", s.refusal(err))
	}
	return nil
}
