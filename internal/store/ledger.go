package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/ledger"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

var _ ledger.Store = (*Store)(nil)

// Plans implements ledger.Store.
func (s *Store) Plans(ctx context.Context) (list []ledger.Plan, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, name, included, overage, created_at, retired_at FROM plans
		ORDER BY CASE WHEN retired_at = 0 THEN 0 ELSE 1 END, name, id`)
	err = scan(rows, err, func(row *sql.Rows) error {
		var p ledger.Plan
		err := row.Scan(&p.ID, &p.Name, &p.Included, &p.Overage, instant{&p.CreatedAt}, instant{&p.RetiredAt})
		list = append(list, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list plans: %w", s.refusal(err))
	}
	return list, nil
}

// PutPlan implements ledger.Store.
func (s *Store) PutPlan(ctx context.Context, p ledger.Plan) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO plans (id, name, included, overage, created_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6)",
			p.ID[:], plain(p.Name), p.Included, string(p.Overage), millis(p.CreatedAt), millis(p.RetiredAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep plan: %w", err)
	}
	return nil
}

// RetirePlan implements ledger.Store.
func (s *Store) RetirePlan(ctx context.Context, p ledger.PlanID, now time.Time) error {
	err := s.change1(ctx, ledger.CodePlanUnknown, "UPDATE plans SET retired_at = CASE WHEN retired_at = 0 THEN $2 ELSE retired_at END WHERE id = $1", p[:], millis(now))
	if err != nil {
		return fmt.Errorf("retire plan: %w", err)
	}
	return nil
}

// Account implements ledger.Store.
func (s *Store) Account(ctx context.Context, t tenant.ID) (ledger.Account, error) {
	a, err := readAccount(s.read.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM ledger_accounts WHERE tenant = $1", t[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Account{Tenant: t}, nil
	}
	if err != nil {
		return ledger.Account{}, fmt.Errorf("read account of plan: %w", s.refusal(err))
	}
	return a, nil
}

// Accounts implements ledger.Store.
func (s *Store) Accounts(ctx context.Context, limit int) (list []ledger.Account, err error) {
	none := ledger.PlanID{}
	rows, err := s.read.QueryContext(ctx, "SELECT "+accountColumns+" FROM ledger_accounts WHERE plan <> $1 ORDER BY tenant LIMIT $2", none[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		a, err := readAccount(row)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts of plans: %w", s.refusal(err))
	}
	return list, nil
}

// Book implements ledger.Store.
func (s *Store) Book(ctx context.Context, t tenant.ID, change func(a *ledger.Account, list []ledger.Entry) ([]ledger.Entry, error)) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		none := ledger.PlanID{}
		// The row of the tenant is locked first, as acceptance does.
		res, err := tx.ExecContext(ctx, "UPDATE tenants SET metered = metered WHERE id = $1", t[:])
		if err := touched(res, err, "tenant_not_found"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO ledger_accounts ("+accountColumns+") VALUES ($1, $2, 0, '', 0, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING", t[:], none[:])
		if err != nil {
			return err
		}
		a, err := s.lockAccount(ctx, tx, t)
		if err != nil {
			return err
		}
		known, err := ledgerEntries(ctx, tx, t, "ORDER BY id", 1<<30)
		if err != nil {
			return err
		}
		before := a.Plan
		fresh, err := change(&a, known)
		if err != nil {
			return err
		}
		if before != a.Plan {
			a.Waiting = true // what was held under the old one is looked at
			if _, err := tx.ExecContext(ctx, "UPDATE tenants SET metered = $2 WHERE id = $1", t[:], flag(a.Metered())); err != nil {
				return err
			}
		}
		if err := insertEntries(ctx, tx, fresh); err != nil {
			return err
		}
		return writeAccount(ctx, tx, &a)
	})
	if err != nil {
		return fmt.Errorf("book: %w", err)
	}
	return nil
}

func ledgerEntries(ctx context.Context, q querier, t tenant.ID, order string, limit int) (list []ledger.Entry, err error) {
	rows, err := q.QueryContext(ctx, "SELECT tenant, id, kind, amount, of_entry, actor, note FROM ledger_entries WHERE tenant = $1 "+order+" LIMIT $2", t[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var e ledger.Entry
		err := row.Scan(&e.Tenant, &e.ID, &e.Type, &e.Amount, &e.Of, &e.Actor, &e.Note)
		list = append(list, e)
		return err
	})
	return list, err
}

// Entries implements ledger.Store.
func (s *Store) Entries(ctx context.Context, t tenant.ID, limit int) ([]ledger.Entry, error) {
	list, err := ledgerEntries(ctx, s.read, t, "ORDER BY id DESC", limit)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", s.refusal(err))
	}
	return list, nil
}

// Charges implements ledger.Store.
func (s *Store) Charges(ctx context.Context, t tenant.ID, since time.Time) (list []ledger.Charged, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT day, included, credit FROM ledger_charges WHERE tenant = $1 AND day >= $2 ORDER BY day DESC", t[:], millis(since))
	err = scan(rows, err, func(row *sql.Rows) error {
		var c ledger.Charged
		err := row.Scan(instant{&c.Day}, &c.Included, &c.Credit)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read charges: %w", s.refusal(err))
	}
	return list, nil
}

// Warned implements ledger.Store.
func (s *Store) Warned(ctx context.Context, t tenant.ID, level int) error {
	if _, err := s.write.ExecContext(ctx, "UPDATE ledger_accounts SET warned = $2 WHERE tenant = $1", t[:], level); err != nil {
		return fmt.Errorf("note warning of plan: %w", s.refusal(err))
	}
	return nil
}

// WaitingAccounts implements ledger.Store.
func (s *Store) WaitingAccounts(ctx context.Context, limit int) ([]tenant.ID, error) {
	list, err := tenantsOf(ctx, s.read, "SELECT tenant FROM ledger_accounts WHERE waiting = 1 ORDER BY tenant LIMIT $1", limit)
	if err != nil {
		return nil, fmt.Errorf("find accounts that wait: %w", s.refusal(err))
	}
	return list, nil
}

// lateRelease gives mail that waited for its plan the time of five days again, which most
// mail has: it is not given up because it waited for us.
const lateRelease = ", expires_at = CASE WHEN expires_at < CAST($1 AS BIGINT) + 432000000 THEN CAST($1 AS BIGINT) + 432000000 ELSE expires_at END"

// ReleaseCharged implements ledger.Store.
func (s *Store) ReleaseCharged(ctx context.Context, t tenant.ID, limit int, now time.Time) (int, error) {
	act, err := actionOf(queue.Resume)
	if err != nil {
		return 0, err
	}
	act.set += lateRelease
	freed, err := s.act(ctx, act, "system", "", now, func(tx *sql.Tx) ([]queue.Listed, error) {
		a, err := s.lockAccount(ctx, tx, t)
		if err != nil || !a.Waiting {
			return nil, err
		}
		c := &charging{account: a, now: now}
		most := limit
		if a.Metered() {
			c.entries = c.account.Roll(now)
			most = int(min(int64(limit), c.account.Left()))
		}
		list, err := s.heldFor(ctx, tx, t, most)
		if err != nil {
			return nil, err
		}
		if n := int64(len(list)); a.Metered() {
			if c.sum, _ = c.account.Take(n); most > 0 && len(list) < most {
				c.account.Waiting = false
			}
		} else if len(list) < most {
			c.account.Waiting = false
		}
		return list, s.writeCharge(ctx, tx, c)
	})
	if err != nil {
		return 0, fmt.Errorf("release mail that waited for its plan: %w", err)
	}
	return len(freed), nil
}

// heldFor lists deliveries that wait for the plan, from old to new.
func (s *Store) heldFor(ctx context.Context, tx *sql.Tx, t tenant.ID, limit int) (list []queue.Listed, err error) {
	if limit == 0 {
		return nil, nil
	}
	//nolint:gosec // G202: constants and placeholders only
	rows, err := tx.QueryContext(ctx, `SELECT d.id FROM deliveries d WHERE d.tenant = $1 AND d.state = 'held' AND d.state IN ('deferred', 'held')
		AND d.reason = $2 ORDER BY d.id LIMIT $3`+s.dialect.lockRows(false), t[:], ledger.ReasonHeld, limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		v := queue.Listed{Tenant: t}
		err := row.Scan(&v.Delivery)
		list = append(list, v)
		return err
	})
	return list, err
}

// HeldForPlan counts a tenant's deliveries that wait for its plan, up to limit.
func (s *Store) HeldForPlan(ctx context.Context, t tenant.ID, limit int) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT d.id FROM deliveries d WHERE d.tenant = $1 AND d.state = 'held' AND d.state IN ('deferred', 'held')
		AND d.reason = $2 LIMIT $3) AS waiting`, t[:], ledger.ReasonHeld, limit).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count mail that waits for its plan: %w", s.refusal(err))
	}
	return n, nil
}
