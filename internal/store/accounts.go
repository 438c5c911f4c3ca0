package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"stafette/internal/account"
	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

var (
	_ account.Store   = (*Store)(nil)
	_ tenant.TryStore = (*Store)(nil)
)

// Users implements account.People.
func (s *Store) Users(ctx context.Context, t tenant.ID) ([]tenant.User, error) {
	var list []tenant.User
	rows, err := s.read.QueryContext(ctx, "SELECT "+userColumns+" FROM users WHERE tenant = $1 ORDER BY name, email", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		u, err := readUser(row)
		list = append(list, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list users: %w", s.refusal(err))
	}
	return list, nil
}

// ChangeUser implements account.People.
func (s *Store) ChangeUser(ctx context.Context, t tenant.ID, u tenant.UserID, c account.UserChange) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		user, err := s.lockUser(ctx, tx, t, u)
		if err != nil {
			return err
		}
		if c.Role != "" {
			user.Role = c.Role
		}
		if c.Disable != nil {
			user.DisabledAt = time.Time{}
			if *c.Disable {
				user.DisabledAt = c.At
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE users SET role = $3, disabled_at = $4 WHERE tenant = $1 AND id = $2", t[:], u[:], string(user.Role), optional(user.DisabledAt))
		if err != nil {
			return err
		}
		if err := endSessions(ctx, tx, t, u); err != nil {
			return err
		}
		if !user.DisabledAt.IsZero() {
			if err := revokeKeysOf(ctx, tx, t, u, c.At); err != nil {
				return err
			}
		}
		if err := s.someoneManages(ctx, tx, t); err != nil {
			return err
		}
		return insertNotices(ctx, tx, c.Letters)
	})
	if err != nil {
		return fmt.Errorf("change user: %w", err)
	}
	return nil
}

const usersInOrder = "SELECT " + userColumns + " FROM users WHERE tenant = $1 ORDER BY id"

// lockUser reads a user with the tenant's users locked in order, so that of two who
// remove each other's ownership one sees what the other did.
func (s *Store) lockUser(ctx context.Context, tx *sql.Tx, t tenant.ID, u tenant.UserID) (tenant.User, error) {
	var found *tenant.User
	rows, err := tx.QueryContext(ctx, usersInOrder+s.dialect.lockRow(), t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		one, err := readUser(row)
		if one.ID == u {
			found = &one
		}
		return err
	})
	if err != nil {
		return tenant.User{}, err
	}
	if found == nil {
		return tenant.User{}, missing(sql.ErrNoRows, "user_not_found")
	}
	return *found, nil
}

// someoneManages refuses to leave a tenant, or the platform, to nobody.
func (s *Store) someoneManages(ctx context.Context, tx *sql.Tx, t tenant.ID) error {
	role := tenant.Owner
	if t.IsZero() {
		role = tenant.Operator
	}
	var n int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM users WHERE tenant = $1 AND role = $2 AND disabled_at IS NULL", t[:], string(role)).Scan(&n)
	if err == nil && n == 0 {
		return fault.New(fault.Conflict, "last_owner", "Nobody would be left who manages this account.")
	}
	return err
}

func endSessions(ctx context.Context, tx *sql.Tx, t tenant.ID, u tenant.UserID) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE tenant = $1 AND user_id = $2", t[:], u[:])
	return err
}

func revokeKeysOf(ctx context.Context, tx *sql.Tx, t tenant.ID, u tenant.UserID, at time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE api_keys SET revoked_at = $3 WHERE tenant = $1 AND created_by = $2 AND revoked_at IS NULL", t[:], u.String(), millis(at))
	return err
}

// forgetUser removes what goes with a user.
func forgetUser() []string {
	return []string{
		"DELETE FROM sessions WHERE tenant = $1 AND user_id = $2",
		"DELETE FROM recovery_codes WHERE tenant = $1 AND user_id = $2",
		"DELETE FROM passkeys WHERE tenant = $1 AND user_id = $2",
		"DELETE FROM ceremonies WHERE tenant = $1 AND user_id = $2",
		"DELETE FROM devices WHERE tenant = $1 AND user_id = $2",
		"DELETE FROM users WHERE tenant = $1 AND id = $2",
	}
}

// RemoveUser implements account.People.
func (s *Store) RemoveUser(ctx context.Context, t tenant.ID, u tenant.UserID, at time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := s.lockUser(ctx, tx, t, u); err != nil {
			return err
		}
		for _, text := range forgetUser() {
			if _, err := tx.ExecContext(ctx, text, t[:], u[:]); err != nil {
				return err
			}
		}
		if err := revokeKeysOf(ctx, tx, t, u, at); err != nil {
			return err
		}
		return s.someoneManages(ctx, tx, t)
	})
	if err != nil {
		return fmt.Errorf("remove user: %w", err)
	}
	return nil
}

const invitationColumns = "tenant, id, hash, email, name, role, invited_by, created_at, expires_at"

func readInvitation(row scanner) (account.Invitation, error) {
	var i account.Invitation
	err := row.Scan(&i.Tenant, &i.ID, bytes32{&i.Hash}, &i.Email, &i.Name, &i.Role, &i.InvitedBy, instant{&i.CreatedAt}, instant{&i.ExpiresAt})
	return i, err
}

// Invitations implements account.People.
func (s *Store) Invitations(ctx context.Context, t tenant.ID) ([]account.Invitation, error) {
	var list []account.Invitation
	rows, err := s.read.QueryContext(ctx, "SELECT "+invitationColumns+" FROM invitations WHERE tenant = $1 ORDER BY email", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		i, err := readInvitation(row)
		list = append(list, i)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", s.refusal(err))
	}
	return list, nil
}

// PutInvitation implements account.People.
func (s *Store) PutInvitation(ctx context.Context, i account.Invitation, letters []notice.Due) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM users WHERE email = $1", strings.ToLower(i.Email)).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fault.New(fault.Conflict, "email_taken", "A user with this address exists already.")
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO invitations ("+invitationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (tenant, id) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at`,
			i.Tenant[:], i.ID[:], i.Hash[:], strings.ToLower(i.Email), i.Name, string(i.Role), i.InvitedBy[:], millis(i.CreatedAt), millis(i.ExpiresAt))
		if err != nil {
			return s.taken(err, "invitation_exists", "This address is invited already.")
		}
		return insertNotices(ctx, tx, letters)
	})
	if err != nil {
		return fmt.Errorf("put invitation: %w", err)
	}
	return nil
}

// RemoveInvitation implements account.People.
func (s *Store) RemoveInvitation(ctx context.Context, t tenant.ID, i account.InvitationID) error {
	if err := s.change1(ctx, "invitation_not_found", "DELETE FROM invitations WHERE tenant = $1 AND id = $2", t[:], i[:]); err != nil {
		return fmt.Errorf("remove invitation: %w", err)
	}
	return nil
}

// InvitationByHash implements account.People.
func (s *Store) InvitationByHash(ctx context.Context, hash [32]byte) (account.Invitation, error) {
	i, err := readInvitation(s.read.QueryRowContext(ctx, "SELECT "+invitationColumns+" FROM invitations WHERE hash = $1", hash[:]))
	if err != nil {
		return account.Invitation{}, fmt.Errorf("read invitation: %w", s.refusal(missing(err, "invitation_not_found")))
	}
	return i, nil
}

// AcceptInvitation implements account.People.
func (s *Store) AcceptInvitation(ctx context.Context, i account.Invitation, u tenant.User) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM invitations WHERE tenant = $1 AND id = $2 AND hash = $3", i.Tenant[:], i.ID[:], i.Hash[:])
		if err := touched(res, err, "invitation_not_found"); err != nil {
			return err
		}
		return s.insertUser(ctx, tx, &u)
	})
	if err != nil {
		return fmt.Errorf("accept invitation: %w", err)
	}
	return nil
}

// FindTenants implements account.Offices.
func (s *Store) FindTenants(ctx context.Context, text string, limit int) ([]tenant.Tenant, error) {
	pattern := "%" + likeText(strings.ToLower(plain(text))) + "%"
	var list []tenant.Tenant
	rows, err := s.read.QueryContext(ctx, "SELECT "+tenantColumns+` FROM tenants t WHERE lower(t.name) LIKE $1 ESCAPE '!'
		OR t.id IN (SELECT d.tenant FROM domains d WHERE d.name LIKE $1 ESCAPE '!') ORDER BY lower(t.name), t.id LIMIT $2`, pattern, limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		t, err := readTenant(row)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find tenants: %w", s.refusal(err))
	}
	return list, nil
}

// likeText makes foreign text stand for itself in a pattern with ESCAPE '!'.
func likeText(text string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text)
}

// LockTenant implements account.Offices.
func (s *Store) LockTenant(ctx context.Context, t tenant.ID, state tenant.State, reason string, letters []notice.Due) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		by := ""
		if state == tenant.Locked {
			by = audit.Actor(ctx)
		}
		var before string
		if err := tx.QueryRowContext(ctx, "SELECT state FROM tenants WHERE id = $1", t[:]).Scan(&before); err != nil {
			return missing(err, "tenant_not_found")
		}
		res, err := tx.ExecContext(ctx, "UPDATE tenants SET state = $2, lock_reason = $3, locked_by = $4, lock_changed = $5 WHERE id = $1",
			t[:], string(state), plain(reason), by, millis(s.cfg.Now()))
		if err := touched(res, err, "tenant_not_found"); err != nil {
			return err
		}
		if state == tenant.Locked {
			if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE tenant = $1", t[:]); err != nil {
				return err
			}
		}
		if before != string(state) {
			if err := s.noteLock(ctx, tx, t, state); err != nil {
				return err
			}
		}
		return insertNotices(ctx, tx, letters)
	})
	if err != nil {
		return fmt.Errorf("set state of tenant: %w", err)
	}
	return nil
}
