package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/signup"
	"stafette/internal/tenant"
)

var (
	_ consent.Store = (*Store)(nil)
	_ signup.Store  = (*Store)(nil)
)

const evidenceColumns = "tenant, id, hash, address, purpose, grp, basis, state, asked_at, expires_at, spec"

func readConsent(row scanner) (c consent.Consent, err error) {
	var hash, group []byte
	var address string
	var head consent.Consent
	err = row.Scan(&head.Tenant, &head.ID, &hash, &address, &head.Purpose, &group, &head.Basis, &head.State, instant{&head.AskedAt}, instant{&head.ExpiresAt}, document{&c})
	if err != nil {
		return c, err
	}
	c.Tenant, c.ID, c.Purpose, c.Basis, c.State, c.AskedAt, c.ExpiresAt = head.Tenant, head.ID, head.Purpose, head.Basis, head.State, head.AskedAt, head.ExpiresAt
	copy(c.Hash[:], hash)
	copy(c.Group[:], group)
	if at := strings.LastIndexByte(address, '@'); at > 0 {
		c.Address = message.Address{Local: address[:at], Domain: address[at+1:]}
	}
	return c, nil
}

// consentAddress is how an address is kept with a consent: as it was entered.
func consentAddress(a message.Address) string {
	if a.IsZero() {
		return ""
	}
	return plain(a.String())
}

// AddConsent implements consent.Store.
func (s *Store) AddConsent(ctx context.Context, c consent.Consent) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO consents (tenant, id, hash, address, purpose, grp, basis, state, form, spec, asked_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
			c.Tenant[:], c.ID[:], c.Hash[:], consentAddress(c.Address), string(c.Purpose), orNone(c.Group), string(c.Basis), string(c.State), c.Form, plain(asJSON(c)), millis(c.AskedAt), optional(c.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("add consent: %w", err)
	}
	return nil
}

// ChangeConsent implements consent.Store.
func (s *Store) ChangeConsent(ctx context.Context, c consent.Consent, from consent.State) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		// Who was erased meanwhile stays so: the address and what was entered come back with
		// no later change.
		res, err := tx.ExecContext(ctx, "UPDATE consents SET state = $3, spec = $4, expires_at = $5 WHERE tenant = $1 AND id = $2 AND state = $6 AND address <> ''",
			c.Tenant[:], c.ID[:], string(c.State), plain(asJSON(c)), optional(c.ExpiresAt), string(from))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return fault.New(fault.Conflict, "consent_state", "The consent is not in a state that allows this.")
	})
	if err != nil {
		return fmt.Errorf("change consent: %w", err)
	}
	return nil
}

// Consent implements consent.Store.
func (s *Store) Consent(ctx context.Context, t tenant.ID, number consent.ID) (consent.Consent, error) {
	c, err := readConsent(s.read.QueryRowContext(ctx, "SELECT "+evidenceColumns+" FROM consents WHERE tenant = $1 AND id = $2", t[:], number[:]))
	if err != nil {
		return consent.Consent{}, fmt.Errorf("read consent: %w", s.refusal(missing(err, "consent_not_found")))
	}
	return c, nil
}

// Consents implements consent.Store.
func (s *Store) Consents(ctx context.Context, t tenant.ID, f consent.Filter) (list []consent.Consent, more bool, err error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, 500)
	if f.After.IsZero() {
		for i := range f.After {
			f.After[i] = 0xff
		}
	}
	where, args := "tenant = $1 AND id < $2", []any{t[:], f.After[:]}
	add := func(condition string, value any) {
		args = append(args, value)
		where += fmt.Sprintf(" AND "+condition, len(args))
	}
	if f.Hash != (audience.Hash{}) {
		add("hash = $%d", f.Hash[:])
	}
	if !f.Group.IsZero() {
		add("grp = $%d", f.Group[:])
	}
	if f.Form != "" {
		add("form = $%d AND form <> ''", f.Form)
	}
	if f.State != "" {
		add("state = $%d", string(f.State))
	}
	args = append(args, f.Limit+1)
	rows, err := s.read.QueryContext(ctx, fmt.Sprintf("SELECT "+evidenceColumns+" FROM consents WHERE "+where+" ORDER BY id DESC LIMIT $%d", len(args)), args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readConsent(row)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list consents: %w", s.refusal(err))
	}
	return list[:min(len(list), f.Limit)], len(list) > f.Limit, nil
}

// Confirmed implements approval.Consents.
func (s *Store) Confirmed(ctx context.Context, t tenant.ID, list []audience.Hash) (n int, err error) {
	if len(list) == 0 {
		return 0, nil
	}
	args := []any{t[:]}
	marks := make([]string, len(list))
	for i := range list {
		args = append(args, list[i][:])
		marks[i] = fmt.Sprintf("$%d", len(args))
	}
	err = s.read.QueryRowContext(ctx, "SELECT count(DISTINCT hash) FROM consents WHERE tenant = $1 AND state = 'given' AND basis = 'double_opt_in' AND hash IN ("+
		strings.Join(marks, ", ")+")", args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count confirmed consents: %w", s.refusal(err))
	}
	return n, nil
}

const forgetUnconfirmed = "SELECT tenant, id FROM consents WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2"

// ForgetUnconfirmed implements consent.Store.
func (s *Store) ForgetUnconfirmed(ctx context.Context, now time.Time, limit int) (n int, err error) {
	type key struct {
		tenant tenant.ID
		id     consent.ID
	}
	var list []key
	rows, err := s.read.QueryContext(ctx, forgetUnconfirmed, millis(now), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var k key
		err := row.Scan(&k.tenant, &k.id)
		list = append(list, k)
		return err
	})
	if err == nil && len(list) > 0 {
		err = s.transactSecurely(ctx, func(tx *sql.Tx) error {
			n = 0
			for _, k := range list {
				res, err := tx.ExecContext(ctx, "DELETE FROM consents WHERE tenant = $1 AND id = $2 AND expires_at <= $3", k.tenant[:], k.id[:], millis(now))
				if err != nil {
					return err
				}
				gone, err := res.RowsAffected()
				if err != nil {
					return err
				}
				n += int(gone)
			}
			return nil
		})
	}
	if err != nil {
		return 0, fmt.Errorf("forget unconfirmed sign-ups: %w", s.refusal(err))
	}
	return n, nil
}

// consentHolder holds what a person has agreed to. That it was so, when, and in which
// words stays, with the hash of the address (GDPR, art. 17 (3) e); who it was goes.
type consentHolder struct{ s *Store }

// Name implements privacy.Holder.
func (consentHolder) Name() string { return "consents" }

// Count implements privacy.Holder.
func (h consentHolder) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	for _, address := range distinct(p.Addresses) {
		var one int64
		if err := h.s.read.QueryRowContext(ctx, "SELECT count(*) FROM consents WHERE tenant = $1 AND lower(address) = $2", p.Tenant[:], address).Scan(&one); err != nil {
			return 0, h.s.refusal(err)
		}
		n += one
	}
	return n, nil
}

// Erase implements privacy.Holder. What awaits confirmation goes altogether.
func (h consentHolder) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	for _, address := range distinct(p.Addresses) {
		var n int64
		err := h.s.transactSecurely(ctx, func(tx *sql.Tx) error {
			var list []consent.Consent
			rows, err := tx.QueryContext(ctx, "SELECT "+evidenceColumns+" FROM consents WHERE tenant = $1 AND lower(address) = $2", p.Tenant[:], address)
			err = scan(rows, err, func(row *sql.Rows) error {
				c, err := readConsent(row)
				list = append(list, c)
				return err
			})
			for _, c := range list {
				if err != nil {
					break
				}
				n++
				if c.State == consent.Suspect || c.State == consent.Asked {
					_, err = tx.ExecContext(ctx, "DELETE FROM consents WHERE tenant = $1 AND id = $2", c.Tenant[:], c.ID[:])
					continue
				}
				c.Person, c.IP, c.Agent, c.ConfirmedIP, c.ConfirmedAgent, c.Sale, c.Evidence = nil, "", "", "", "", "", ""
				_, err = tx.ExecContext(ctx, "UPDATE consents SET address = '', spec = $3 WHERE tenant = $1 AND id = $2", c.Tenant[:], c.ID[:], plain(asJSON(c)))
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("erase consents: %w", err)
		}
		if n > 0 {
			if err := note(n); err != nil {
				return err
			}
		}
	}
	return nil
}

const signupColumns = "tenant, id, name, active, created_at, updated_at, spec"

func readSignup(row scanner) (f signup.Form, err error) {
	var head signup.Form
	err = row.Scan(&head.Tenant, &head.ID, &head.Name, truth{&head.Active}, instant{&head.CreatedAt}, instant{&head.UpdatedAt}, document{&f})
	f.Tenant, f.ID, f.Name, f.Active, f.CreatedAt, f.UpdatedAt = head.Tenant, head.ID, head.Name, head.Active, head.CreatedAt, head.UpdatedAt
	return f, err
}

// SaveSignupForm implements signup.Store.
func (s *Store) SaveSignupForm(ctx context.Context, f signup.Form) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO signup_forms (`+signupColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, active = excluded.active, updated_at = excluded.updated_at, spec = excluded.spec`,
			f.Tenant[:], f.ID[:], plain(f.Name), flag(f.Active), millis(f.CreatedAt), millis(f.UpdatedAt), plain(asJSON(f)))
		return err
	})
	if err != nil {
		return fmt.Errorf("save sign-up form: %w", err)
	}
	return nil
}

// SignupForm implements signup.Store.
func (s *Store) SignupForm(ctx context.Context, t tenant.ID, id signup.ID) (signup.Form, error) {
	f, err := readSignup(s.read.QueryRowContext(ctx, "SELECT "+signupColumns+" FROM signup_forms WHERE tenant = $1 AND id = $2", t[:], id[:]))
	if err != nil {
		return signup.Form{}, fmt.Errorf("read sign-up form: %w", s.refusal(missing(err, signup.CodeUnknown)))
	}
	return f, nil
}

// SignupForms implements signup.Store.
func (s *Store) SignupForms(ctx context.Context, t tenant.ID) (list []signup.Form, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+signupColumns+" FROM signup_forms WHERE tenant = $1 ORDER BY name, id LIMIT $2", t[:], signup.MaxForms)
	err = scan(rows, err, func(row *sql.Rows) error {
		f, err := readSignup(row)
		list = append(list, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sign-up forms: %w", s.refusal(err))
	}
	return list, nil
}

// DropSignupForm implements signup.Store.
func (s *Store) DropSignupForm(ctx context.Context, t tenant.ID, id signup.ID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM signup_forms WHERE tenant = $1 AND id = $2", t[:], id[:])
		return touched(res, err, signup.CodeUnknown)
	})
	if err != nil {
		return fmt.Errorf("remove sign-up form: %w", err)
	}
	return nil
}
