package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stafette/internal/notice"
	"stafette/internal/tenant"
)

var _ notice.Store = (*Store)(nil)

func insertNotice(ctx context.Context, q querier, d *notice.Due) error {
	_, err := q.ExecContext(ctx, "INSERT INTO notices (tenant, key, at, due_at, sealed) VALUES ($1, $2, $3, $3, $4) ON CONFLICT DO NOTHING",
		d.Tenant[:], d.Key, millis(d.At), d.Sealed)
	return err
}

func insertNotices(ctx context.Context, q querier, list []notice.Due) error {
	for i := range list {
		if err := insertNotice(ctx, q, &list[i]); err != nil {
			return fmt.Errorf("keep notice: %w", err)
		}
	}
	return nil
}

// PutNotice implements notice.Store.
func (s *Store) PutNotice(ctx context.Context, d notice.Due) error {
	if err := insertNotice(ctx, s.write, &d); err != nil {
		return fmt.Errorf("put notice: %w", s.refusal(err))
	}
	return nil
}

// anyNoticeDue is asked before a claim, so that nothing is written while nothing is due.
const anyNoticeDue = "SELECT 1 FROM notices WHERE due_at <= $1 LIMIT 1"

const noticesDue = "SELECT d.tenant, d.key, d.at, d.sealed FROM notices d WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT $2"

// ClaimNotices implements notice.Store. The lease of a claim is its new due time.
func (s *Store) ClaimNotices(ctx context.Context, c notice.Claim) ([]notice.Due, error) {
	var one int
	err := s.read.QueryRowContext(ctx, anyNoticeDue, millis(c.Now)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	var list []notice.Due
	if err == nil {
		err = s.transact(ctx, func(tx *sql.Tx) error {
			list = nil
			rows, err := tx.QueryContext(ctx, noticesDue+s.dialect.lockRows(true), millis(c.Now), c.Limit)
			err = scan(rows, err, func(row *sql.Rows) error {
				var d notice.Due
				err := row.Scan(&d.Tenant, &d.Key, instant{&d.At}, &d.Sealed)
				list = append(list, d)
				return err
			})
			if err != nil {
				return err
			}
			for _, d := range list {
				_, err := tx.ExecContext(ctx, "UPDATE notices SET due_at = $3 WHERE tenant = $1 AND key = $2", d.Tenant[:], d.Key, millis(c.Now.Add(c.Lease)))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("claim notices: %w", s.refusal(err))
	}
	return list, nil
}

// EndNotice implements notice.Store.
func (s *Store) EndNotice(ctx context.Context, t tenant.ID, key string, at time.Time) error {
	_, err := s.write.ExecContext(ctx, "UPDATE notices SET due_at = NULL, sealed = NULL, at = $3 WHERE tenant = $1 AND key = $2", t[:], key, millis(at))
	if err != nil {
		return fmt.Errorf("end notice: %w", s.refusal(err))
	}
	return nil
}

// SenderOf implements notice.Store.
func (s *Store) SenderOf(ctx context.Context, domain string) (tenant.ID, error) {
	var t tenant.ID
	err := s.read.QueryRowContext(ctx, "SELECT tenant FROM domains WHERE name = $1 AND state IN ('verified', 'grace', 'trusted')", domain).Scan(&t)
	if err != nil {
		return tenant.ID{}, fmt.Errorf("find sender: %w", s.refusal(missing(err, "domain_not_found")))
	}
	return t, nil
}
