package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"stafette/internal/tenant"
)

// Found implements tenant.Store.
func (s *Store) Found(ctx context.Context, f tenant.Founding) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if t := f.Tenant; !t.ID.IsZero() {
			_, err := tx.ExecContext(ctx, "INSERT INTO tenants ("+tenantColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
				t.ID[:], t.Name, string(t.State), t.LockReason, t.Locale, string(t.OfficeTone), string(t.CustomerTone), t.DailyQuota, millis(t.CreatedAt), flag(t.NoFailureReports), optional(t.VisitedUntil), t.TimeZone, flag(t.Metered))
			if err != nil {
				return s.taken(err, "tenant_exists", "This tenant exists already.")
			}
			for i := range f.Domains {
				if err := s.insertDomain(ctx, tx, &f.Domains[i], nil); err != nil {
					return err
				}
			}
			if err := s.insertDKIMKeys(ctx, tx, f.DKIMKeys); err != nil {
				return err
			}
		}
		for i := range f.Users {
			if err := s.insertUser(ctx, tx, &f.Users[i]); err != nil {
				return err
			}
		}
		for i := range f.Keys {
			if err := s.insertKey(ctx, tx, &f.Keys[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("found tenant: %w", err)
	}
	return nil
}

const tenantColumns = "id, name, state, lock_reason, locale, office_tone, customer_tone, daily_quota, created_at, no_failure_reports, visited_until, time_zone, metered"

type scanner interface{ Scan(...any) error }

func readTenant(row scanner) (tenant.Tenant, error) {
	var t tenant.Tenant
	err := row.Scan(&t.ID, &t.Name, &t.State, &t.LockReason, &t.Locale, &t.OfficeTone, &t.CustomerTone, &t.DailyQuota, instant{&t.CreatedAt}, truth{&t.NoFailureReports}, instant{&t.VisitedUntil}, &t.TimeZone, truth{&t.Metered})
	return t, err
}

// Tenant implements tenant.Store.
func (s *Store) Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error) {
	found, err := readTenant(s.read.QueryRowContext(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE id = $1", t[:]))
	if err != nil {
		return tenant.Tenant{}, fmt.Errorf("read tenant: %w", s.refusal(missing(err, "tenant_not_found")))
	}
	return found, nil
}

// Tenants implements tenant.Store.
func (s *Store) Tenants(ctx context.Context, after tenant.ID, limit int) ([]tenant.Tenant, error) {
	var list []tenant.Tenant
	rows, err := s.read.QueryContext(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE id > $1 ORDER BY id LIMIT $2", after[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		t, err := readTenant(row)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", s.refusal(err))
	}
	return list, nil
}

// SetState implements tenant.Store.
func (s *Store) SetState(ctx context.Context, t tenant.ID, state tenant.State, reason string) error {
	return s.LockTenant(ctx, t, state, reason, nil)
}

// SetFailureReports says whether senders of SMTP submission who ask for nothing are told
// of failures by mail; see tenant.Tenant.NoFailureReports.
func (s *Store) SetFailureReports(ctx context.Context, t tenant.ID, on bool) error {
	err := s.change1(ctx, "tenant_not_found", "UPDATE tenants SET no_failure_reports = $2 WHERE id = $1", t[:], flag(!on))
	if err != nil {
		return fmt.Errorf("set failure reports of tenant: %w", err)
	}
	return nil
}

// change1 runs a statement that must change a row, with the act that ctx owes.
func (s *Store) change1(ctx context.Context, none, text string, args ...any) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, text, args...)
		return touched(res, err, none)
	})
}

const userColumns = "tenant, id, email, name, password_hash, role, locale, created_at, disabled_at, guarded"

func (s *Store) insertUser(ctx context.Context, q querier, u *tenant.User) error {
	_, err := q.ExecContext(ctx, "INSERT INTO users ("+userColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		u.Tenant[:], u.ID[:], strings.ToLower(u.Email), u.Name, u.PasswordHash, string(u.Role), u.Locale, millis(u.CreatedAt), optional(u.DisabledAt), flag(u.Guarded))
	return s.taken(err, "email_taken", "A user with this address exists already.")
}

func readUser(row scanner) (tenant.User, error) {
	var u tenant.User
	err := row.Scan(&u.Tenant, &u.ID, &u.Email, &u.Name, &u.PasswordHash, &u.Role, &u.Locale, instant{&u.CreatedAt}, instant{&u.DisabledAt}, truth{&u.Guarded})
	return u, err
}

// UserByEmail implements tenant.Store.
func (s *Store) UserByEmail(ctx context.Context, email string) (tenant.User, error) {
	u, err := readUser(s.read.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE email = $1", strings.ToLower(plain(email))))
	if err != nil {
		return tenant.User{}, fmt.Errorf("read user: %w", s.refusal(missing(err, "user_not_found")))
	}
	return u, nil
}

// User implements tenant.Store.
func (s *Store) User(ctx context.Context, t tenant.ID, id tenant.UserID) (tenant.User, error) {
	u, err := readUser(s.read.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE tenant = $1 AND id = $2", t[:], id[:]))
	if err != nil {
		return tenant.User{}, fmt.Errorf("read user: %w", s.refusal(missing(err, "user_not_found")))
	}
	return u, nil
}

// SetPassword implements tenant.Store.
func (s *Store) SetPassword(ctx context.Context, t tenant.ID, u tenant.UserID, hash string) error {
	return s.NewPassword(ctx, t, u, hash, nil)
}

const sessionColumns = `tenant, user_id, created_at, seen_at, expires_at, user_agent, network, pending, proved_at, visit, visit_reason, visit_since, visit_until`

// OpenSession implements tenant.Store.
func (s *Store) OpenSession(ctx context.Context, v tenant.Session) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sessions (hash, tenant, user_id, created_at, seen_at, expires_at, user_agent, network, pending, proved_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			v.Hash[:], v.Tenant[:], v.User[:], millis(v.CreatedAt), millis(v.SeenAt), millis(v.ExpiresAt), v.Device, v.Network, flag(v.Pending), millis(v.ProvedAt))
		return s.taken(err, "session_exists", "This session exists already.")
	})
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	return nil
}

func readSession(row scanner, v *tenant.Session, before ...any) error {
	return row.Scan(append(before, &v.Tenant, &v.User, instant{&v.CreatedAt}, instant{&v.SeenAt}, instant{&v.ExpiresAt}, &v.Device, &v.Network,
		truth{&v.Pending}, instant{&v.ProvedAt}, &v.Visit.Tenant, nullText[string]{&v.Visit.Reason}, instant{&v.Visit.Since}, instant{&v.Visit.Until})...)
}

// Session implements tenant.Store.
func (s *Store) Session(ctx context.Context, hash [32]byte, now time.Time) (tenant.Session, error) {
	v := tenant.Session{Hash: hash}
	row := s.read.QueryRowContext(ctx, "SELECT "+sessionColumns+" FROM sessions WHERE hash = $1 AND expires_at > $2", hash[:], millis(now))
	if err := readSession(row, &v); err != nil {
		return tenant.Session{}, fmt.Errorf("read session: %w", s.refusal(missing(err, "session_not_found")))
	}
	return v, nil
}

// TouchSession implements tenant.Store. A session that is gone is no error.
func (s *Store) TouchSession(ctx context.Context, hash [32]byte, seen time.Time) error {
	_, err := s.write.ExecContext(ctx, "UPDATE sessions SET seen_at = $2 WHERE hash = $1", hash[:], millis(seen))
	if err != nil {
		return fmt.Errorf("touch session: %w", s.refusal(err))
	}
	return nil
}

// CloseSession implements tenant.Store.
func (s *Store) CloseSession(ctx context.Context, hash [32]byte) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE hash = $1", hash[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}
