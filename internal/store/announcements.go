package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stafette/internal/changeover"
	"stafette/internal/changeover/announce"
	"stafette/internal/tenant"
)

// Announcement implements announce.Store.
func (s *Store) Announcement(ctx context.Context, t tenant.ID, c changeover.ID) (announce.Announcement, error) {
	var a announce.Announcement
	err := s.read.QueryRowContext(ctx, "SELECT document FROM changeover_announcements WHERE tenant = $1 AND changeover = $2", t[:], c[:]).Scan(document{&a})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("read announcement: %w", s.refusal(err))
	}
	a.Tenant, a.Changeover = t, c
	return a, nil
}

// PutAnnouncement implements announce.Store.
func (s *Store) PutAnnouncement(ctx context.Context, a announce.Announcement) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO changeover_announcements (tenant, changeover, asked, document) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, changeover) DO UPDATE SET asked = excluded.asked, document = excluded.document`,
			a.Tenant[:], a.Changeover[:], flag(a.Scope.Valid()), plain(asJSON(a)))
		return err
	})
	if err != nil {
		return fmt.Errorf("put announcement: %w", err)
	}
	return nil
}

// Announcements implements announce.Store.
func (s *Store) Announcements(ctx context.Context) ([]announce.Announcement, error) {
	var list []announce.Announcement
	rows, err := s.read.QueryContext(ctx, "SELECT tenant, changeover, document FROM changeover_announcements WHERE asked = 1 ORDER BY tenant, changeover")
	err = scan(rows, err, func(row *sql.Rows) error {
		var a announce.Announcement
		var t tenant.ID
		var c changeover.ID
		err := row.Scan(&t, &c, document{&a})
		a.Tenant, a.Changeover = t, c
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list announcements: %w", s.refusal(err))
	}
	return list, nil
}

var _ announce.Store = (*Store)(nil)
