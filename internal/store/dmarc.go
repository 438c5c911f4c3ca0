package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/dmarc"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// dayNumber counts UTC days from 1970.
func dayNumber(t time.Time) int64 { return t.Unix() / 86400 }

// DomainOwner implements tenant.DomainStore.
func (s *Store) DomainOwner(ctx context.Context, d tenant.DomainID) (tenant.Domain, error) {
	v := tenant.Domain{ID: d}
	err := s.read.QueryRowContext(ctx, "SELECT tenant, name, state FROM domains WHERE id = $1", d[:]).Scan(&v.Tenant, &v.Name, &v.State)
	if err != nil {
		return tenant.Domain{}, fmt.Errorf("find owner of domain: %w", s.refusal(missing(err, "domain_not_found")))
	}
	return v, nil
}

// SaveDMARC implements tenant.DomainStore.
func (s *Store) SaveDMARC(ctx context.Context, t tenant.ID, domain string, r dmarc.Report, received time.Time, maxDay int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM dmarc_reports WHERE tenant = $1 AND domain = $2 AND received_at > $3",
			t[:], domain, millis(received.AddDate(0, 0, -1))).Scan(&n); err != nil {
			return err
		}
		if n >= maxDay {
			return fault.New(fault.Limited, "reports_too_many", "Too many reports about this domain in a day.")
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO dmarc_reports (tenant, domain, reporter, report, begins_at, ends_at, policy, messages, received_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			t[:], domain, plain(r.Reporter), plain(r.ID), millis(r.Begin), millis(r.End), string(r.Policy), r.Messages(), millis(received))
		if err != nil {
			return s.taken(err, "report_known", "This report was counted already.")
		}
		for _, row := range r.Records {
			if _, err := tx.ExecContext(ctx, `INSERT INTO dmarc_tallies (tenant, domain, day, source, signer, sender, dkim, spf, disposition, messages)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
				ON CONFLICT (tenant, domain, day, source, signer, sender, dkim, spf, disposition)
				DO UPDATE SET messages = dmarc_tallies.messages + excluded.messages`,
				t[:], domain, dayNumber(r.Begin), row.Source.String(), plain(row.Signer), plain(row.Sender), flag(row.DKIM), flag(row.SPF),
				string(row.Disposition), row.Messages); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save DMARC report: %w", err)
	}
	return nil
}

// DMARCSources implements tenant.DomainStore.
func (s *Store) DMARCSources(ctx context.Context, t tenant.ID, domain string, from, to time.Time, limit int) ([]tenant.DMARCSource, error) {
	var list []tenant.DMARCSource
	rows, err := s.read.QueryContext(ctx, `SELECT source, signer, sender, dkim, spf, disposition, CAST(sum(messages) AS BIGINT) AS total
		FROM dmarc_tallies WHERE tenant = $1 AND domain = $2 AND day >= $3 AND day < $4
		GROUP BY source, signer, sender, dkim, spf, disposition ORDER BY total DESC, source LIMIT $5`,
		t[:], domain, dayNumber(from), dayNumber(to), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var v tenant.DMARCSource
		err := row.Scan(&v.Source, &v.Signer, &v.Sender, truth{&v.DKIM}, truth{&v.SPF}, &v.Disposition, &v.Messages)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sum DMARC sources up: %w", s.refusal(err))
	}
	return list, nil
}

// DMARCDays implements tenant.DomainStore.
func (s *Store) DMARCDays(ctx context.Context, t tenant.ID, domain string, from, to time.Time) ([]tenant.DMARCDay, error) {
	var list []tenant.DMARCDay
	rows, err := s.read.QueryContext(ctx, `SELECT day, CAST(sum(CASE WHEN dkim + spf > 0 THEN messages ELSE 0 END) AS BIGINT),
		CAST(sum(CASE WHEN dkim + spf > 0 THEN 0 ELSE messages END) AS BIGINT)
		FROM dmarc_tallies WHERE tenant = $1 AND domain = $2 AND day >= $3 AND day < $4 GROUP BY day ORDER BY day`,
		t[:], domain, dayNumber(from), dayNumber(to))
	err = scan(rows, err, func(row *sql.Rows) error {
		var v tenant.DMARCDay
		var day int64
		err := row.Scan(&day, &v.Aligned, &v.Failed)
		v.Day = time.Unix(day*86400, 0).UTC()
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sum DMARC days up: %w", s.refusal(err))
	}
	return list, nil
}

// DropDMARC implements tenant.DomainStore.
func (s *Store) DropDMARC(ctx context.Context, t tenant.ID, before time.Time) error {
	_, err := s.write.ExecContext(ctx, "DELETE FROM dmarc_tallies WHERE tenant = $1 AND day < $2", t[:], dayNumber(before))
	if err == nil {
		_, err = s.write.ExecContext(ctx, "DELETE FROM dmarc_reports WHERE tenant = $1 AND received_at < $2", t[:], millis(before))
	}
	if err != nil {
		return fmt.Errorf("drop DMARC reports: %w", s.refusal(err))
	}
	return nil
}
