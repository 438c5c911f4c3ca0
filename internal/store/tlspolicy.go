package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
)

// usedStep is how exactly it is known when a policy was used last.
const usedStep = 24 * time.Hour

// STS implements tlspolicy.Store.
func (s *Store) STS(ctx context.Context, domain string, now time.Time) (*tlspolicy.STSPolicy, error) {
	var p tlspolicy.STSPolicy
	var used time.Time
	var age int64
	err := s.read.QueryRowContext(ctx, `SELECT policy_id, mode, mx, max_age, fetched_at, expires_at, used_at FROM sts_policies
		WHERE domain = $1 AND expires_at > $2`, plain(domain), millis(now)).
		Scan(&p.ID, &p.Mode, document{&p.MX}, &age, instant{&p.FetchedAt}, instant{&p.ExpiresAt}, instant{&used})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil && now.Sub(used) > usedStep {
		_, err = s.write.ExecContext(ctx, "UPDATE sts_policies SET used_at = $2 WHERE domain = $1", plain(domain), millis(now))
	}
	if err != nil {
		return nil, fmt.Errorf("read mta-sts policy: %w", s.refusal(err))
	}
	p.MaxAge = time.Duration(age) * time.Millisecond
	return &p, nil
}

// SaveSTS implements tlspolicy.Store.
func (s *Store) SaveSTS(ctx context.Context, domain string, p tlspolicy.STSPolicy, now time.Time) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO sts_policies (domain, policy_id, mode, mx, max_age, fetched_at, expires_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (domain) DO UPDATE SET policy_id = excluded.policy_id, mode = excluded.mode,
		mx = excluded.mx, max_age = excluded.max_age, fetched_at = excluded.fetched_at, expires_at = excluded.expires_at`,
		plain(domain), p.ID, string(p.Mode), asJSON(p.MX), p.MaxAge.Milliseconds(), millis(p.FetchedAt), millis(p.ExpiresAt), millis(now))
	if err != nil {
		return fmt.Errorf("keep mta-sts policy: %w", s.refusal(err))
	}
	return nil
}

// STSDue implements tlspolicy.Store.
func (s *Store) STSDue(ctx context.Context, fetched, used time.Time, limit int) ([]string, error) {
	var list []string
	rows, err := s.read.QueryContext(ctx, `SELECT domain FROM sts_policies WHERE fetched_at < $1 AND used_at > $2
		ORDER BY fetched_at LIMIT $3`, millis(fetched), millis(used), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var domain string
		err := row.Scan(&domain)
		list = append(list, domain)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find old mta-sts policies: %w", s.refusal(err))
	}
	return list, nil
}

// ForgetSTS implements tlspolicy.Store.
func (s *Store) ForgetSTS(ctx context.Context, now time.Time) error {
	if _, err := s.write.ExecContext(ctx, "DELETE FROM sts_policies WHERE expires_at <= $1", millis(now)); err != nil {
		return fmt.Errorf("forget mta-sts policies: %w", s.refusal(err))
	}
	return nil
}

// AddTallies implements tlspolicy.Store.
func (s *Store) AddTallies(ctx context.Context, list []tlspolicy.Tally) error {
	if len(list) == 0 {
		return nil
	}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for i := range list {
			t := &list[i]
			_, err := tx.ExecContext(ctx, `INSERT INTO tls_tallies (day, domain, digest, type, policy, result, host, sender, receiver, reason, sessions)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
				ON CONFLICT (day, domain, digest) DO UPDATE SET sessions = tls_tallies.sessions + excluded.sessions`,
				int64(t.Day), plain(t.Domain), digestOf(t), string(t.Type), plain(t.Policy), string(t.Result), plain(t.Host),
				t.Sender, t.Receiver, plain(t.Reason), t.Sessions)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count sessions: %w", err)
	}
	return nil
}

// digestOf tells apart what is counted for one domain.
func digestOf(t *tlspolicy.Tally) []byte {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(t.Type), t.Policy, string(t.Result), t.Host, t.Sender, t.Receiver, t.Reason}, "\x00")))
	return sum[:16]
}

// ReportsDue implements tlspolicy.Store.
func (s *Store) ReportsDue(ctx context.Context, before tlspolicy.Day, limit int) ([]tlspolicy.Due, error) {
	var list []tlspolicy.Due
	rows, err := s.read.QueryContext(ctx, `SELECT DISTINCT day, domain FROM tls_tallies t WHERE day < $1
		AND NOT EXISTS (SELECT 1 FROM tls_reports_sent r WHERE r.day = t.day AND r.domain = t.domain)
		ORDER BY day, domain LIMIT $2`, int64(before), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var d tlspolicy.Due
		err := row.Scan(&d.Day, &d.Domain)
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find due TLS reports: %w", s.refusal(err))
	}
	return list, nil
}

// Tallies implements tlspolicy.Store.
func (s *Store) Tallies(ctx context.Context, d tlspolicy.Due, limit int) ([]tlspolicy.Tally, error) {
	var list []tlspolicy.Tally
	rows, err := s.read.QueryContext(ctx, `SELECT type, policy, result, host, sender, receiver, reason, sessions FROM tls_tallies
		WHERE day = $1 AND domain = $2 ORDER BY type, policy, result, sessions DESC, digest LIMIT $3`, int64(d.Day), d.Domain, limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		t := tlspolicy.Tally{Due: d}
		err := row.Scan(&t.Type, &t.Policy, &t.Result, &t.Host, &t.Sender, &t.Receiver, &t.Reason, &t.Sessions)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read counts for TLS report: %w", s.refusal(err))
	}
	return list, nil
}

// ReportDone implements tlspolicy.Store.
func (s *Store) ReportDone(ctx context.Context, d tlspolicy.Due, now time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO tls_reports_sent (day, domain, sent_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			int64(d.Day), d.Domain, millis(now))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM tls_tallies WHERE day = $1 AND domain = $2", int64(d.Day), d.Domain)
		return err
	})
	if err != nil {
		return fmt.Errorf("note TLS report: %w", err)
	}
	return nil
}

// ForgetReports implements tlspolicy.Store.
func (s *Store) ForgetReports(ctx context.Context, before tlspolicy.Day) error {
	for _, text := range []string{"DELETE FROM tls_reports_sent WHERE day < $1", "DELETE FROM tls_tallies WHERE day < $1"} {
		if _, err := s.write.ExecContext(ctx, text, int64(before)); err != nil {
			return fmt.Errorf("forget TLS reports: %w", s.refusal(err))
		}
	}
	return nil
}

// DomainOwner implements tlspolicy.Store.
func (s *Store) DomainOwner(ctx context.Context, domain string) (tenant.ID, error) {
	var owner tenant.ID
	err := s.read.QueryRowContext(ctx, "SELECT tenant FROM domains WHERE name = $1 AND state IN ('verified', 'trusted')", plain(domain)).Scan(&owner)
	if err != nil {
		return tenant.ID{}, fmt.Errorf("find owner of domain: %w", s.refusal(missing(err, "domain_unknown")))
	}
	return owner, nil
}

// SaveReport implements tlspolicy.Store.
func (s *Store) SaveReport(ctx context.Context, t tenant.ID, domain string, r tlspolicy.Report, now time.Time) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO tls_reports (tenant, domain, organization, report_id, ends_at, received_at, report)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		t[:], plain(domain), plain(r.Organization), plain(r.ID), millis(r.Dates.End), millis(now), asJSON(r))
	if err != nil {
		return fmt.Errorf("keep TLS report: %w", s.refusal(err))
	}
	return nil
}

// Reports implements tlspolicy.Store.
func (s *Store) Reports(ctx context.Context, t tenant.ID, domain string, limit int) ([]tlspolicy.Received, error) {
	var list []tlspolicy.Received
	rows, err := s.read.QueryContext(ctx, `SELECT domain, report, received_at FROM tls_reports WHERE tenant = $1 AND ($2 = '' OR domain = $2)
		ORDER BY ends_at DESC, domain, organization, report_id LIMIT $3`, t[:], domain, limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var r tlspolicy.Received
		err := row.Scan(&r.Domain, document{&r.Report}, instant{&r.ReceivedAt})
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read TLS reports: %w", s.refusal(err))
	}
	return list, nil
}
