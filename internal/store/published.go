package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/published"
	"stafette/internal/tenant"
)

var _ published.Store = (*Store)(nil)

const editionColumns = "version, at, entries, changes"

func readEdition(row scanner, owner tenant.ID) (published.Edition, error) {
	e := published.Edition{Owner: owner}
	err := row.Scan(&e.Version, instant{&e.At}, document{&e.Entries}, document{&e.Changes})
	return e, err
}

// Edition implements published.Store.
func (s *Store) Edition(ctx context.Context, owner tenant.ID) (published.Edition, error) {
	e, err := readEdition(s.read.QueryRowContext(ctx, "SELECT "+editionColumns+" FROM published_editions WHERE tenant = $1 ORDER BY version DESC LIMIT 1", owner[:]), owner)
	if err != nil {
		return published.Edition{}, fmt.Errorf("read edition: %w", s.refusal(missing(err, "edition_not_found")))
	}
	return e, nil
}

// Editions implements published.Store.
func (s *Store) Editions(ctx context.Context, owner tenant.ID, limit int) (list []published.Edition, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+editionColumns+" FROM published_editions WHERE tenant = $1 ORDER BY version DESC LIMIT $2", owner[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		e, err := readEdition(row, owner)
		list = append(list, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list editions: %w", s.refusal(err))
	}
	return list, nil
}

// EditionOwners implements published.Store.
func (s *Store) EditionOwners(ctx context.Context) (list []tenant.ID, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT DISTINCT tenant FROM published_editions ORDER BY tenant")
	err = scan(rows, err, func(row *sql.Rows) error {
		var t tenant.ID
		err := row.Scan(&t)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list owners of editions: %w", s.refusal(err))
	}
	return list, nil
}

// AddEdition implements published.Store.
func (s *Store) AddEdition(ctx context.Context, e published.Edition) (added bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		added = false
		res, err := tx.ExecContext(ctx, "INSERT INTO published_editions (tenant, "+editionColumns+") VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
			e.Owner[:], e.Version, millis(e.At), asJSON(e.Entries), asJSON(e.Changes))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		added = true
		if e.Version == 1 {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO published_tellings (tenant, subscription, version, attempts, due_at)
			SELECT tenant, id, CAST($2 AS BIGINT), 0, CAST($3 AS BIGINT) FROM published_subscriptions WHERE tenant = $1 AND confirmed_at IS NOT NULL`,
			e.Owner[:], e.Version, millis(e.At))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("add edition: %w", err)
	}
	return added, nil
}

const subscriptionColumns = "tenant, id, medium, lang, hash, sealed, created_at, confirmed_at"

func readSubscription(row scanner) (v published.Subscription, err error) {
	err = row.Scan(&v.Owner, &v.ID, &v.Medium, &v.Lang, bytes32{&v.Hash}, &v.Sealed, instant{&v.CreatedAt}, instant{&v.ConfirmedAt})
	return v, err
}

// PutSubscription implements published.Store.
func (s *Store) PutSubscription(ctx context.Context, v published.Subscription) (kept published.Subscription, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO published_subscriptions ("+subscriptionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)
			ON CONFLICT (tenant, hash) DO UPDATE SET sealed = excluded.sealed, lang = excluded.lang, created_at = excluded.created_at
			WHERE published_subscriptions.confirmed_at IS NULL`,
			v.Owner[:], v.ID[:], string(v.Medium), v.Lang, v.Hash[:], v.Sealed, millis(v.CreatedAt))
		if err != nil {
			return err
		}
		kept, err = readSubscription(tx.QueryRowContext(ctx, "SELECT "+subscriptionColumns+" FROM published_subscriptions WHERE tenant = $1 AND hash = $2", v.Owner[:], v.Hash[:]))
		return err
	})
	if err != nil {
		return published.Subscription{}, fmt.Errorf("keep subscription: %w", err)
	}
	return kept, nil
}

// AddressSubscription implements published.Store.
func (s *Store) AddressSubscription(ctx context.Context, owner tenant.ID, id published.SubscriptionID) (published.Subscription, error) {
	v, err := readSubscription(s.read.QueryRowContext(ctx, "SELECT "+subscriptionColumns+" FROM published_subscriptions WHERE tenant = $1 AND id = $2", owner[:], id[:]))
	if err != nil {
		return published.Subscription{}, fmt.Errorf("read subscription: %w", s.refusal(missing(err, "subscription_not_found")))
	}
	return v, nil
}

// SubscriptionOf implements published.Store.
func (s *Store) SubscriptionOf(ctx context.Context, owner tenant.ID, hash [32]byte) (published.Subscription, error) {
	v, err := readSubscription(s.read.QueryRowContext(ctx, "SELECT "+subscriptionColumns+" FROM published_subscriptions WHERE tenant = $1 AND hash = $2", owner[:], hash[:]))
	if err != nil {
		return published.Subscription{}, fmt.Errorf("find subscription: %w", s.refusal(missing(err, "subscription_not_found")))
	}
	return v, nil
}

// AddressSubscriptions implements published.Store.
func (s *Store) AddressSubscriptions(ctx context.Context, limit int) (list []published.Subscription, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+subscriptionColumns+" FROM published_subscriptions ORDER BY id DESC LIMIT $1", limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		v, err := readSubscription(row)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", s.refusal(err))
	}
	return list, nil
}

// CountSubscriptions implements published.Store.
func (s *Store) CountSubscriptions(ctx context.Context, owner tenant.ID) (n int, err error) {
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM published_subscriptions WHERE tenant = $1", owner[:]).Scan(&n); err != nil {
		return 0, fmt.Errorf("count subscriptions: %w", s.refusal(err))
	}
	return n, nil
}

// ConfirmSubscription implements published.Store.
func (s *Store) ConfirmSubscription(ctx context.Context, owner tenant.ID, id published.SubscriptionID, at time.Time) error {
	err := s.change1(ctx, "subscription_not_found", "UPDATE published_subscriptions SET confirmed_at = COALESCE(confirmed_at, CAST($3 AS BIGINT)) WHERE tenant = $1 AND id = $2",
		owner[:], id[:], millis(at))
	if err != nil {
		return fmt.Errorf("confirm subscription: %w", err)
	}
	return nil
}

// EndSubscription implements published.Store.
func (s *Store) EndSubscription(ctx context.Context, owner tenant.ID, id published.SubscriptionID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM published_tellings WHERE tenant = $1 AND subscription = $2", owner[:], id[:]); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM published_subscriptions WHERE tenant = $1 AND id = $2", owner[:], id[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("end subscription: %w", err)
	}
	return nil
}

// DropUnconfirmed implements published.Store.
func (s *Store) DropUnconfirmed(ctx context.Context, before time.Time) error {
	if _, err := s.write.ExecContext(ctx, "DELETE FROM published_subscriptions WHERE confirmed_at IS NULL AND created_at < $1", millis(before)); err != nil {
		return fmt.Errorf("drop subscriptions: %w", s.refusal(err))
	}
	return nil
}

const tellingsDue = "SELECT d.tenant, d.subscription, d.version, d.attempts, d.due_at FROM published_tellings d WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT $2"

// ClaimTellings implements published.Store. The lease of a claim is its new due time.
func (s *Store) ClaimTellings(ctx context.Context, now time.Time, lease time.Duration, limit int) (list []published.Telling, err error) {
	var due int
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM published_tellings WHERE due_at <= $1 LIMIT 1) AS due", millis(now)).Scan(&due); err != nil {
		return nil, fmt.Errorf("look for tellings: %w", s.refusal(err))
	}
	if due == 0 {
		return nil, nil
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		list = nil
		rows, err := tx.QueryContext(ctx, tellingsDue+s.dialect.lockRows(true), millis(now), limit)
		if err = scan(rows, err, func(row *sql.Rows) error {
			var t published.Telling
			err := row.Scan(&t.Owner, &t.Subscription, &t.Version, &t.Attempts, instant{&t.DueAt})
			list = append(list, t)
			return err
		}); err != nil {
			return err
		}
		for _, t := range list {
			if _, err := tx.ExecContext(ctx, "UPDATE published_tellings SET due_at = $4 WHERE tenant = $1 AND subscription = $2 AND version = $3",
				t.Owner[:], t.Subscription[:], t.Version, millis(now.Add(lease))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim tellings: %w", err)
	}
	return list, nil
}

// SettleTelling implements published.Store.
func (s *Store) SettleTelling(ctx context.Context, t published.Telling, next time.Time) error {
	text, args := "DELETE FROM published_tellings WHERE tenant = $1 AND subscription = $2 AND version = $3", []any{t.Owner[:], t.Subscription[:], t.Version}
	if !next.IsZero() {
		text = "UPDATE published_tellings SET attempts = attempts + 1, due_at = $4 WHERE tenant = $1 AND subscription = $2 AND version = $3"
		args = append(args, millis(next))
	}
	if _, err := s.write.ExecContext(ctx, text, args...); err != nil {
		return fmt.Errorf("settle telling: %w", s.refusal(err))
	}
	return nil
}
