package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/tenant"
)

// HasLeadLike implements lead.Store.
func (s *Store) HasLeadLike(ctx context.Context, t tenant.ID, advertiser string, request [32]byte, since time.Time) (there bool, err error) {
	low := id.Lowest[lead.Kind](since)
	var n int
	err = s.read.QueryRowContext(ctx, "SELECT count(*) FROM leads WHERE tenant = $1 AND advertiser = $2 AND id >= $3 AND request = $4",
		t[:], plain(advertiser), low[:], request[:]).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("find lead like another: %w", s.refusal(err))
	}
	return n > 0, nil
}

// leadsCounted bounds how many waiting leads are counted.
const leadsCounted = 1000

// CountLeads implements lead.Store. The states stand in the text because the indexes of
// waiting leads are partial.
func (s *Store) CountLeads(ctx context.Context, t tenant.ID, state lead.State) (n int, since time.Time, err error) {
	of := map[lead.State]string{lead.Stopped: "state = 'stopped'", lead.Suspect: "state = 'suspect'"}[state]
	if of == "" {
		return 0, time.Time{}, fmt.Errorf("count leads: state %q does not wait", state)
	}
	var first sql.NullInt64
	err = s.read.QueryRowContext(ctx, "SELECT count(*), min(taken_at) FROM (SELECT taken_at FROM leads WHERE tenant = $1 AND "+of+" AND sealed IS NOT NULL ORDER BY id LIMIT $2) w",
		t[:], leadsCounted).Scan(&n, &first)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count leads: %w", s.refusal(err))
	}
	if first.Valid {
		since = time.UnixMilli(first.Int64).UTC()
	}
	return n, since, nil
}

// ProveLead implements lead.Store.
func (s *Store) ProveLead(ctx context.Context, l lead.Lead, parts []lead.Part, at time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for _, p := range parts {
			if _, err := tx.ExecContext(ctx, "INSERT INTO lead_proofs (tenant, lead, part, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
				l.Tenant[:], l.ID[:], string(p), millis(at)); err != nil {
				return err
			}
		}
		var whole int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM lead_proofs WHERE tenant = $1 AND lead = $2 AND part IN ('body', 'xml')", l.Tenant[:], l.ID[:]).Scan(&whole); err != nil || whole < 2 {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE advertisers SET verified_at = $3 WHERE tenant = $1 AND number = $2 AND (verified_at IS NULL OR verified_at < $3)",
			l.Tenant[:], l.Advertiser, millis(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("prove lead: %w", err)
	}
	return nil
}

// LeadProof implements lead.Store.
func (s *Store) LeadProof(ctx context.Context, t tenant.ID, l lead.ID) (v lead.Proven, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT part, at FROM lead_proofs WHERE tenant = $1 AND lead = $2", t[:], l[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var part lead.Part
		var at time.Time
		if err := row.Scan(&part, instant{&at}); err != nil {
			return err
		}
		switch part {
		case lead.PartBody:
			v.Body = at
		case lead.PartXML:
			v.XML = at
		case lead.PartCRM:
			v.CRM = at
		}
		return nil
	})
	if err != nil {
		return lead.Proven{}, fmt.Errorf("read proof of lead: %w", s.refusal(err))
	}
	return v, nil
}
