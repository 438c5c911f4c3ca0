package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/ledger"
	"stafette/internal/tenant"
)

// charges are the accounts with a plan that a group of acceptances is charged to, as long
// as their transaction lasts.
type charges map[tenant.ID]*charging

// charging is one of them.
type charging struct {
	account ledger.Account
	now     time.Time
	entries []ledger.Entry // of a month that began
	sum     ledger.Charged
	took    map[*work]ledger.Charged
	changed bool
}

// charges reads and locks the accounts of a group's tenants that have a plan, in one order,
// after their quotas: no other node can charge at the same time. Tenants without a plan cost
// nothing.
func (s *Store) charges(ctx context.Context, tx *sql.Tx, group []*work) (charges, error) {
	var asked []tenant.ID
	for _, w := range group {
		if w.err == nil && w.accept.Metered {
			asked = append(asked, w.accept.Message.Tenant)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	slices.SortFunc(asked, func(a, b tenant.ID) int { return slices.Compare(a[:], b[:]) })
	list := charges{}
	for _, t := range slices.Compact(asked) {
		a, err := s.lockAccount(ctx, tx, t)
		if err != nil {
			return nil, fmt.Errorf("account of %s: %w", t, err)
		}
		if !a.Metered() && !a.Waiting {
			continue // its plan ended since the tenant was last looked at
		}
		c := &charging{account: a, now: s.cfg.Now(), took: map[*work]ledger.Charged{}}
		if c.entries = c.account.Roll(c.now); len(c.entries) > 0 || !c.account.Month.Equal(a.Month) {
			c.changed = true
		}
		list[t] = c
	}
	return list, nil
}

// take charges a work, all or none; if not enough is left, the work is refused.
func (l charges) take(w *work) bool {
	c := l[w.accept.Message.Tenant]
	if c == nil || !w.accept.Metered {
		return true
	}
	var n int64
	waits := false
	for i := range w.accept.Deliveries {
		switch d := &w.accept.Deliveries[i]; {
		case d.State == event.Suppressed:
		case d.State == event.Held && d.Reason == ledger.ReasonHeld:
			waits = true
		default:
			n++
		}
	}
	if waits && !c.account.Waiting {
		c.account.Waiting, c.changed = true, true
	}
	if n == 0 || !c.account.Metered() {
		return true
	}
	took, ok := c.account.Take(n)
	if !ok {
		if w.err = ingest.ErrPlanHolds; c.account.Overage == ledger.Refuse {
			w.err = ingest.PlanSpent(c.account.Month.AddDate(0, 1, 0).Sub(c.now))
		}
		return false
	}
	c.changed, c.took[w] = true, took
	c.sum.Included += took.Included
	c.sum.Credit += took.Credit
	return true
}

// giveBack charges a work no more that was refused for another reason.
func (l charges) giveBack(w *work) {
	c := l[w.accept.Message.Tenant]
	if c == nil {
		return
	}
	took := c.took[w]
	delete(c.took, w)
	c.account.PutBack(took)
	c.sum.Included -= took.Included
	c.sum.Credit -= took.Credit
}

// writeCharges keeps what was charged, in the transaction that accepts.
func (s *Store) writeCharges(ctx context.Context, tx *sql.Tx, l charges) error {
	tenants := make([]tenant.ID, 0, len(l))
	for t, c := range l {
		if c.changed {
			tenants = append(tenants, t)
		}
	}
	slices.SortFunc(tenants, func(a, b tenant.ID) int { return slices.Compare(a[:], b[:]) })
	for _, t := range tenants {
		if err := s.writeCharge(ctx, tx, l[t]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) writeCharge(ctx context.Context, tx *sql.Tx, c *charging) error {
	a := &c.account
	if err := insertEntries(ctx, tx, c.entries); err != nil {
		return err
	}
	if err := writeAccount(ctx, tx, a); err != nil {
		return err
	}
	if c.sum.Included+c.sum.Credit == 0 {
		return nil
	}
	day := c.now.UTC().Truncate(24 * time.Hour)
	_, err := tx.ExecContext(ctx, `INSERT INTO ledger_charges (tenant, day, included, credit) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant, day) DO UPDATE SET included = ledger_charges.included + excluded.included, credit = ledger_charges.credit + excluded.credit`,
		a.Tenant[:], millis(day), c.sum.Included, c.sum.Credit)
	return err
}

const accountColumns = "tenant, plan, allowance, overage, month, included, used, credit, base, spent, warned, waiting"

func readAccount(row scanner) (a ledger.Account, err error) {
	err = row.Scan(&a.Tenant, &a.Plan, &a.Allowance, &a.Overage, instant{&a.Month}, &a.Included, &a.Used, &a.Credit, &a.Base, &a.Spent, &a.Warned, truth{&a.Waiting})
	return a, err
}

// lockAccount reads a tenant's account, which nobody else changes until the commit; the
// zero Account with Tenant if there is none.
func (s *Store) lockAccount(ctx context.Context, tx *sql.Tx, t tenant.ID) (ledger.Account, error) {
	a, err := readAccount(tx.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM ledger_accounts WHERE tenant = $1"+s.dialect.lockRow(), t[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Account{Tenant: t}, nil
	}
	return a, err
}

// writeAccount keeps an account that is there.
func writeAccount(ctx context.Context, tx *sql.Tx, a *ledger.Account) error {
	_, err := tx.ExecContext(ctx, `UPDATE ledger_accounts SET plan = $2, allowance = $3, overage = $4, month = $5, included = $6, used = $7, credit = $8,
		base = $9, spent = $10, warned = $11, waiting = $12 WHERE tenant = $1`,
		a.Tenant[:], a.Plan[:], a.Allowance, string(a.Overage), millis(a.Month), a.Included, a.Used, a.Credit, a.Base, a.Spent, a.Warned, flag(a.Waiting))
	return err
}

func insertEntries(ctx context.Context, tx *sql.Tx, list []ledger.Entry) error {
	for _, e := range list {
		_, err := tx.ExecContext(ctx, "INSERT INTO ledger_entries (tenant, id, kind, amount, of_entry, actor, note) VALUES ($1, $2, $3, $4, $5, $6, $7)",
			e.Tenant[:], e.ID[:], string(e.Type), e.Amount, e.Of[:], plain(e.Actor), plain(e.Note))
		if err != nil {
			return err
		}
	}
	return nil
}
