package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"time"

	"stafette/internal/notice"
	"stafette/internal/tenant"
)

const keyColumns = "tenant, id, name, hint, hash, scopes, created_at, last_used_at, revoked_at, expires_at, networks, daily_cap, created_by"

func (s *Store) insertKey(ctx context.Context, q querier, k *tenant.Key) error {
	_, err := q.ExecContext(ctx, "INSERT INTO api_keys ("+keyColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
		k.Tenant[:], k.ID[:], k.Name, k.Hint, k.Hash[:], asJSON(k.Scopes), millis(k.CreatedAt), optional(k.LastUsedAt), optional(k.RevokedAt),
		optional(k.ExpiresAt), networksText(k.Networks), k.DailyCap, k.CreatedBy)
	return s.taken(err, "key_exists", "This key exists already.")
}

func readKey(row scanner) (tenant.Key, error) {
	var k tenant.Key
	err := row.Scan(&k.Tenant, &k.ID, &k.Name, &k.Hint, bytes32{&k.Hash}, document{&k.Scopes},
		instant{&k.CreatedAt}, instant{&k.LastUsedAt}, instant{&k.RevokedAt}, instant{&k.ExpiresAt}, document{&k.Networks}, &k.DailyCap, &k.CreatedBy)
	return k, err
}

// networksText is NULL for a key that may be used from everywhere.
func networksText(list []netip.Prefix) any {
	if len(list) == 0 {
		return nil
	}
	return asJSON(list)
}

// AddKey implements tenant.Store.
func (s *Store) AddKey(ctx context.Context, k tenant.Key) error { return s.IssueKey(ctx, k, nil) }

// IssueKey implements account.Keys.
func (s *Store) IssueKey(ctx context.Context, k tenant.Key, letters []notice.Due) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if err := s.insertKey(ctx, tx, &k); err != nil {
			return err
		}
		return insertNotices(ctx, tx, letters)
	})
	if err != nil {
		return fmt.Errorf("add key: %w", err)
	}
	return nil
}

// KeyByHash implements tenant.Store.
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (tenant.Key, error) {
	k, err := readKey(s.read.QueryRowContext(ctx, "SELECT "+keyColumns+" FROM api_keys WHERE hash = $1", hash[:]))
	if err != nil {
		return tenant.Key{}, fmt.Errorf("read key: %w", s.refusal(missing(err, "key_not_found")))
	}
	return k, nil
}

// Keys implements tenant.Store.
func (s *Store) Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error) {
	var list []tenant.Key
	rows, err := s.read.QueryContext(ctx, "SELECT "+keyColumns+" FROM api_keys WHERE tenant = $1 ORDER BY created_at DESC, id DESC", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		k, err := readKey(row)
		list = append(list, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", s.refusal(err))
	}
	return list, nil
}

// RevokeKey implements tenant.Store. A key revoked before keeps its first time.
func (s *Store) RevokeKey(ctx context.Context, t tenant.ID, k tenant.KeyID, at time.Time) error {
	err := s.change1(ctx, "key_not_found", "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant = $1 AND id = $2", t[:], k[:], millis(at))
	if err != nil {
		return fmt.Errorf("revoke key: %w", err)
	}
	return nil
}

// TouchKey implements tenant.Store.
func (s *Store) TouchKey(ctx context.Context, t tenant.ID, k tenant.KeyID, at time.Time) error {
	res, err := s.write.ExecContext(ctx, "UPDATE api_keys SET last_used_at = $3 WHERE tenant = $1 AND id = $2",
		t[:], k[:], millis(at.Truncate(time.Minute)))
	if err := touched(res, err, "key_not_found"); err != nil {
		return fmt.Errorf("touch key: %w", s.refusal(err))
	}
	return nil
}
