package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/account"
	"stafette/internal/fault"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// NewPassword implements account.Secrets.
func (s *Store) NewPassword(ctx context.Context, t tenant.ID, u tenant.UserID, hash string, letters []notice.Due) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE users SET password_hash = $3 WHERE tenant = $1 AND id = $2", t[:], u[:], hash)
		if err := touched(res, err, "user_not_found"); err != nil {
			return err
		}
		if err := endSessions(ctx, tx, t, u); err != nil {
			return err
		}
		// A link for a new password that was mailed before is none any more.
		if _, err := tx.ExecContext(ctx, "DELETE FROM ceremonies WHERE tenant = $1 AND user_id = $2", t[:], u[:]); err != nil {
			return err
		}
		return insertNotices(ctx, tx, letters)
	})
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// Sessions implements account.Secrets.
func (s *Store) Sessions(ctx context.Context, t tenant.ID, u tenant.UserID, now time.Time) ([]tenant.Session, error) {
	var list []tenant.Session
	rows, err := s.read.QueryContext(ctx, "SELECT hash, "+sessionColumns+` FROM sessions
		WHERE tenant = $1 AND user_id = $2 AND expires_at > $3 AND seen_at > $4 AND pending = 0 ORDER BY created_at DESC, hash`,
		t[:], u[:], millis(now), millis(now.Add(-tenant.SessionIdle)))
	err = scan(rows, err, func(row *sql.Rows) error {
		var v tenant.Session
		err := readSession(row, &v, bytes32{&v.Hash})
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", s.refusal(err))
	}
	return list, nil
}

// CloseSessions implements account.Secrets.
func (s *Store) CloseSessions(ctx context.Context, t tenant.ID, u tenant.UserID, hashes [][32]byte, keep bool) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if keep {
			var kept [32]byte
			if len(hashes) > 0 {
				kept = hashes[0]
			}
			return endOthers(ctx, tx, t, u, kept)
		}
		for _, h := range hashes {
			if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE tenant = $1 AND user_id = $2 AND hash = $3", t[:], u[:], h[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("close sessions: %w", err)
	}
	return nil
}

func endOthers(ctx context.Context, tx *sql.Tx, t tenant.ID, u tenant.UserID, keep [32]byte) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE tenant = $1 AND user_id = $2 AND hash <> $3", t[:], u[:], keep[:])
	return err
}

// ProveSession implements account.Secrets.
func (s *Store) ProveSession(ctx context.Context, hash [32]byte, at time.Time) error {
	if err := s.change1(ctx, "session_not_found", "UPDATE sessions SET proved_at = $2 WHERE hash = $1", hash[:], millis(at)); err != nil {
		return fmt.Errorf("prove session: %w", err)
	}
	return nil
}

// SetVisit implements account.Secrets.
func (s *Store) SetVisit(ctx context.Context, hash [32]byte, v tenant.Visit, letters []notice.Due) error {
	var of, reason any
	if !v.Tenant.IsZero() {
		of, reason = v.Tenant[:], plain(v.Reason)
	}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		visited := v.Tenant
		if err := tx.QueryRowContext(ctx, "SELECT visit FROM sessions WHERE hash = $1", hash[:]).Scan(&visited); err != nil {
			return missing(err, "session_not_found")
		}
		res, err := tx.ExecContext(ctx, "UPDATE sessions SET visit = $2, visit_reason = $3, visit_since = $4, visit_until = $5 WHERE hash = $1",
			hash[:], of, reason, optional(v.Since), optional(v.Until))
		if err := touched(res, err, "session_not_found"); err != nil {
			return err
		}
		for _, t := range []tenant.ID{visited, v.Tenant} {
			if _, err := tx.ExecContext(ctx, "UPDATE tenants SET visited_until = (SELECT max(s.visit_until) FROM sessions s WHERE s.visit = $1) WHERE id = $1", t[:]); err != nil {
				return err
			}
		}
		return insertNotices(ctx, tx, letters)
	})
	if err != nil {
		return fmt.Errorf("set visit: %w", err)
	}
	return nil
}

// NoteDevice implements account.Secrets.
func (s *Store) NoteDevice(ctx context.Context, t tenant.ID, u tenant.UserID, hash [32]byte, at time.Time, letters []notice.Due) (fresh bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		var known, same int
		err := tx.QueryRowContext(ctx, "SELECT count(*), count(CASE WHEN hash = $3 THEN 1 END) FROM devices WHERE tenant = $1 AND user_id = $2", t[:], u[:], hash[:]).
			Scan(&known, &same)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO devices (tenant, user_id, hash, seen_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, user_id, hash) DO UPDATE SET seen_at = excluded.seen_at`, t[:], u[:], hash[:], millis(at))
		if fresh = known > 0 && same == 0; err != nil || !fresh {
			return err
		}
		return insertNotices(ctx, tx, letters)
	})
	if err != nil {
		return false, fmt.Errorf("note device: %w", err)
	}
	return fresh, nil
}

// PutCeremony implements account.Secrets.
func (s *Store) PutCeremony(ctx context.Context, c account.Ceremony) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO ceremonies (hash, kind, tenant, user_id, sealed, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
			c.Hash[:], c.Kind, c.Tenant[:], c.User[:], c.Sealed, millis(c.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("put ceremony: %w", err)
	}
	return nil
}

const readCeremony = "SELECT tenant, user_id, sealed, expires_at FROM ceremonies WHERE hash = $1 AND kind = $2 AND expires_at > $3"

// Ceremony implements account.Secrets.
func (s *Store) Ceremony(ctx context.Context, kind string, hash [32]byte, now time.Time) (account.Ceremony, error) {
	c := account.Ceremony{Hash: hash, Kind: kind}
	err := s.read.QueryRowContext(ctx, readCeremony, hash[:], kind, millis(now)).Scan(&c.Tenant, &c.User, &c.Sealed, instant{&c.ExpiresAt})
	if err != nil {
		return account.Ceremony{}, fmt.Errorf("read ceremony: %w", s.refusal(missing(err, "ceremony_not_found")))
	}
	return c, nil
}

// TakeCeremony implements account.Secrets. Of two who take, one gets it.
func (s *Store) TakeCeremony(ctx context.Context, kind string, hash [32]byte, now time.Time) (account.Ceremony, error) {
	c := account.Ceremony{Hash: hash, Kind: kind}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "DELETE FROM ceremonies WHERE hash = $1 AND kind = $2 AND expires_at > $3 RETURNING tenant, user_id, sealed, expires_at",
			hash[:], kind, millis(now)).Scan(&c.Tenant, &c.User, &c.Sealed, instant{&c.ExpiresAt})
		return missing(err, "ceremony_not_found")
	})
	if err != nil {
		return account.Ceremony{}, fmt.Errorf("take ceremony: %w", err)
	}
	return c, nil
}

// Factors implements account.Secrets.
func (s *Store) Factors(ctx context.Context, t tenant.ID, u tenant.UserID) (account.Factors, error) {
	var f account.Factors
	err := s.read.QueryRowContext(ctx, "SELECT totp, totp_step FROM users WHERE tenant = $1 AND id = $2", t[:], u[:]).Scan(&f.TOTP, &f.TOTPStep)
	if err != nil {
		return account.Factors{}, fmt.Errorf("read factors: %w", s.refusal(missing(err, "user_not_found")))
	}
	err = s.read.QueryRowContext(ctx, "SELECT count(*) FROM recovery_codes WHERE tenant = $1 AND user_id = $2 AND used_at IS NULL", t[:], u[:]).Scan(&f.Codes)
	if err == nil {
		var rows *sql.Rows
		rows, err = s.read.QueryContext(ctx, "SELECT "+credentialColumns+" FROM passkeys WHERE tenant = $1 AND user_id = $2 ORDER BY created_at, id", t[:], u[:])
		err = scan(rows, err, func(row *sql.Rows) error {
			p, err := readPasskey(row)
			f.Passkeys = append(f.Passkeys, p)
			return err
		})
	}
	if err != nil {
		return account.Factors{}, fmt.Errorf("read factors: %w", s.refusal(err))
	}
	return f, nil
}

// guard makes the second factor follow the password exactly while there is one, and
// ends the sessions that were opened before the change.
func guard(ctx context.Context, tx *sql.Tx, t tenant.ID, u tenant.UserID, codes [][32]byte, keep [32]byte, letters []notice.Due) error {
	if codes != nil {
		if err := replaceCodes(ctx, tx, t, u, codes); err != nil {
			return err
		}
	}
	var keys int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM passkeys WHERE tenant = $1 AND user_id = $2", t[:], u[:]).Scan(&keys); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "UPDATE users SET guarded = CASE WHEN totp IS NOT NULL OR $3 > 0 THEN 1 ELSE 0 END WHERE tenant = $1 AND id = $2", t[:], u[:], keys)
	if err != nil {
		return err
	}
	if err := endOthers(ctx, tx, t, u, keep); err != nil {
		return err
	}
	return insertNotices(ctx, tx, letters)
}

func replaceCodes(ctx context.Context, tx *sql.Tx, t tenant.ID, u tenant.UserID, codes [][32]byte) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM recovery_codes WHERE tenant = $1 AND user_id = $2", t[:], u[:]); err != nil {
		return err
	}
	for _, c := range codes {
		if _, err := tx.ExecContext(ctx, "INSERT INTO recovery_codes (tenant, user_id, hash) VALUES ($1, $2, $3)", t[:], u[:], c[:]); err != nil {
			return err
		}
	}
	return nil
}

// SetTOTP implements account.Secrets.
func (s *Store) SetTOTP(ctx context.Context, t tenant.ID, u tenant.UserID, sealed []byte, step int64, codes [][32]byte, keep [32]byte, letters []notice.Due) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE users SET totp = $3, totp_step = $4 WHERE tenant = $1 AND id = $2", t[:], u[:], sealed, step)
		if err := touched(res, err, "user_not_found"); err != nil {
			return err
		}
		return guard(ctx, tx, t, u, codes, keep, letters)
	})
	if err != nil {
		return fmt.Errorf("set TOTP: %w", err)
	}
	return nil
}

// UseTOTP implements account.Secrets.
func (s *Store) UseTOTP(ctx context.Context, t tenant.ID, u tenant.UserID, step int64) error {
	err := s.change1(ctx, "code_used", "UPDATE users SET totp_step = $3 WHERE tenant = $1 AND id = $2 AND totp_step < $3", t[:], u[:], step)
	if fault.IsKind(err, fault.NotFound) {
		return fault.New(fault.Conflict, "code_used", "The code was used before.")
	}
	if err != nil {
		return fmt.Errorf("use TOTP: %w", err)
	}
	return nil
}

// SetCodes implements account.Secrets.
func (s *Store) SetCodes(ctx context.Context, t tenant.ID, u tenant.UserID, codes [][32]byte, letters []notice.Due) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if err := replaceCodes(ctx, tx, t, u, codes); err != nil {
			return err
		}
		return insertNotices(ctx, tx, letters)
	})
	if err != nil {
		return fmt.Errorf("set recovery codes: %w", err)
	}
	return nil
}

// UseCode implements account.Secrets.
func (s *Store) UseCode(ctx context.Context, t tenant.ID, u tenant.UserID, code [32]byte, at time.Time) error {
	err := s.change1(ctx, "code_not_found", "UPDATE recovery_codes SET used_at = $4 WHERE tenant = $1 AND user_id = $2 AND hash = $3 AND used_at IS NULL",
		t[:], u[:], code[:], millis(at))
	if err != nil {
		return fmt.Errorf("use recovery code: %w", err)
	}
	return nil
}

//nolint:gosec // G101: names of columns
const credentialColumns = "tenant, user_id, id, name, credential, created_at, used_at"

func readPasskey(row scanner) (account.Passkey, error) {
	var p account.Passkey
	err := row.Scan(&p.Tenant, &p.User, &p.ID, &p.Name, &p.Credential, instant{&p.CreatedAt}, instant{&p.UsedAt})
	return p, err
}

// AddPasskey implements account.Secrets.
func (s *Store) AddPasskey(ctx context.Context, p account.Passkey, codes [][32]byte, keep [32]byte, letters []notice.Due) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO passkeys ("+credentialColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7)",
			p.Tenant[:], p.User[:], p.ID, plain(p.Name), string(p.Credential), millis(p.CreatedAt), optional(p.UsedAt))
		if err != nil {
			return s.taken(err, "passkey_exists", "This passkey is known already.")
		}
		return guard(ctx, tx, p.Tenant, p.User, codes, keep, letters)
	})
	if err != nil {
		return fmt.Errorf("add passkey: %w", err)
	}
	return nil
}

// RemovePasskey implements account.Secrets.
func (s *Store) RemovePasskey(ctx context.Context, t tenant.ID, u tenant.UserID, id []byte, keep [32]byte, letters []notice.Due) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM passkeys WHERE tenant = $1 AND user_id = $2 AND id = $3", t[:], u[:], id)
		if err := touched(res, err, "passkey_not_found"); err != nil {
			return err
		}
		return guard(ctx, tx, t, u, nil, keep, letters)
	})
	if err != nil {
		return fmt.Errorf("remove passkey: %w", err)
	}
	return nil
}

// PasskeyByID implements account.Secrets.
func (s *Store) PasskeyByID(ctx context.Context, id []byte) (account.Passkey, error) {
	p, err := readPasskey(s.read.QueryRowContext(ctx, "SELECT "+credentialColumns+" FROM passkeys WHERE id = $1", id))
	if err != nil {
		return account.Passkey{}, fmt.Errorf("read passkey: %w", s.refusal(missing(err, "passkey_not_found")))
	}
	return p, nil
}

// UsePasskey implements account.Secrets.
func (s *Store) UsePasskey(ctx context.Context, p account.Passkey) error {
	err := s.change1(ctx, "passkey_not_found", "UPDATE passkeys SET credential = $4, used_at = $5 WHERE tenant = $1 AND user_id = $2 AND id = $3",
		p.Tenant[:], p.User[:], p.ID, string(p.Credential), optional(p.UsedAt))
	if err != nil {
		return fmt.Errorf("use passkey: %w", err)
	}
	return nil
}

// UserBySubject implements account.Secrets.
func (s *Store) UserBySubject(ctx context.Context, subject string) (tenant.User, error) {
	u, err := readUser(s.read.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE subject = $1", plain(subject)))
	if err != nil {
		return tenant.User{}, fmt.Errorf("read user: %w", s.refusal(missing(err, "user_not_found")))
	}
	return u, nil
}

// SetSubject implements account.Secrets.
func (s *Store) SetSubject(ctx context.Context, t tenant.ID, u tenant.UserID, subject string) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE users SET subject = $3 WHERE tenant = $1 AND id = $2", t[:], u[:], plain(subject))
		return touched(res, s.taken(err, "subject_taken", "This sign-in belongs to somebody else."), "user_not_found")
	})
	if err != nil {
		return fmt.Errorf("tie user to OpenID provider: %w", err)
	}
	return nil
}
