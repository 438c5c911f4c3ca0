package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stafette/internal/diagnosis"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const (
	// referencesKept is how many metadata values of a message can be looked for, those
	// with the first keys.
	referencesKept = 10
	// referenceMin and referenceMax bound the bytes of one: "1" tells nothing, and longer
	// ones nobody types.
	referenceMin, referenceMax = 3, 80
)

// referencesOf are the metadata values of a message that can be looked for.
func referencesOf(metadata map[string]string) []string {
	if len(metadata) == 0 {
		return nil
	}
	var list []string
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		value := reference(metadata[key])
		if len(value) >= referenceMin && len(value) <= referenceMax && !slices.Contains(list, value) {
			list = append(list, value)
		}
		if len(list) == referencesKept {
			break
		}
	}
	return list
}

func reference(value string) string { return strings.ToLower(strings.TrimSpace(plain(value))) }

// Referring implements diagnosis.Store.
func (s *Store) Referring(ctx context.Context, t tenant.ID, value string, limit int) ([]message.ID, error) {
	var list []message.ID
	rows, err := s.read.QueryContext(ctx, "SELECT message FROM message_references WHERE tenant = $1 AND value = $2 ORDER BY message DESC LIMIT $3",
		t[:], reference(value), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var m message.ID
		err := row.Scan(&m)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find references: %w", s.refusal(err))
	}
	return list, nil
}

const deliveriesToText = "SELECT id FROM deliveries WHERE tenant = $1 AND recipient = $2 ORDER BY id DESC LIMIT $3"

// DeliveriesTo implements diagnosis.Store.
func (s *Store) DeliveriesTo(ctx context.Context, t tenant.ID, a message.Address, limit int) ([]message.DeliveryID, error) {
	list, err := s.deliveriesTo(ctx, t, canonicalAddress(a), limit)
	if err != nil {
		return nil, fmt.Errorf("find deliveries: %w", s.refusal(err))
	}
	return list, nil
}

func (s *Store) deliveriesTo(ctx context.Context, t tenant.ID, recipient string, limit int) ([]message.DeliveryID, error) {
	var list []message.DeliveryID
	rows, err := s.read.QueryContext(ctx, deliveriesToText, t[:], recipient, limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		var d message.DeliveryID
		err := row.Scan(&d)
		list = append(list, d)
		return err
	})
	return list, err
}

const nextRecipientText = "SELECT recipient FROM deliveries WHERE tenant = $1 AND recipient > $2 AND recipient < $3 ORDER BY recipient LIMIT 1"

// Addressees implements diagnosis.Store. Addresses with one local part are a range of an
// index in which each stands once for every mail to it; so each step seeks the next
// address instead of reading on.
func (s *Store) Addressees(ctx context.Context, t tenant.ID, local string, limit int) ([]diagnosis.Addressee, error) {
	local = strings.ToLower(plain(local))
	at, end := local+"@", local+"A" // the byte after "@"
	var list []diagnosis.Addressee
	for len(list) < limit {
		err := s.read.QueryRowContext(ctx, nextRecipientText, t[:], at, end).Scan(&at)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("find addressees: %w", s.refusal(err))
		}
		last, err := s.deliveriesTo(ctx, t, at, 1)
		if err != nil {
			return nil, fmt.Errorf("find addressees: %w", s.refusal(err))
		}
		if len(last) > 0 {
			list = append(list, diagnosis.Addressee{Address: recipientOf(at, sql.NullString{}), Last: last[0]})
		}
	}
	return list, nil
}

// AddStatusLink implements diagnosis.Store.
func (s *Store) AddStatusLink(ctx context.Context, l diagnosis.StatusLink) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM status_links WHERE tenant = $1 AND expires_at <= $2", l.Tenant[:], millis(l.CreatedAt)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO status_links (tenant, id, delivery, actor, created_at, expires_at, revoked_at)
			VALUES ($1, $2, $3, $4, $5, $6, NULL)`, l.Tenant[:], l.ID[:], l.Delivery[:], l.Actor, millis(l.CreatedAt), millis(l.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("add status link: %w", err)
	}
	return nil
}

const linkColumns = "tenant, id, delivery, actor, created_at, expires_at"

func readLink(row scanner) (l diagnosis.StatusLink, err error) {
	err = row.Scan(&l.Tenant, &l.ID, &l.Delivery, &l.Actor, instant{&l.CreatedAt}, instant{&l.ExpiresAt})
	return l, err
}

// StatusLink implements diagnosis.Store.
func (s *Store) StatusLink(ctx context.Context, t tenant.ID, l diagnosis.LinkID) (diagnosis.StatusLink, error) {
	found, err := readLink(s.read.QueryRowContext(ctx, "SELECT "+linkColumns+" FROM status_links WHERE tenant = $1 AND id = $2 AND revoked_at IS NULL", t[:], l[:]))
	if err != nil {
		return diagnosis.StatusLink{}, fmt.Errorf("read status link: %w", s.refusal(missing(err, "status_link_not_found")))
	}
	return found, nil
}

// StatusLinks implements diagnosis.Store.
func (s *Store) StatusLinks(ctx context.Context, t tenant.ID, d message.DeliveryID) ([]diagnosis.StatusLink, error) {
	var list []diagnosis.StatusLink
	rows, err := s.read.QueryContext(ctx, "SELECT "+linkColumns+" FROM status_links WHERE tenant = $1 AND delivery = $2 AND revoked_at IS NULL ORDER BY id DESC", t[:], d[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		l, err := readLink(row)
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read status links: %w", s.refusal(err))
	}
	return list, nil
}

// RevokeStatusLinks implements diagnosis.Store.
func (s *Store) RevokeStatusLinks(ctx context.Context, t tenant.ID, d message.DeliveryID) (int, error) {
	res, err := s.write.ExecContext(ctx, "UPDATE status_links SET revoked_at = $3 WHERE tenant = $1 AND delivery = $2 AND revoked_at IS NULL",
		t[:], d[:], millis(s.cfg.Now()))
	if err != nil {
		return 0, fmt.Errorf("revoke status links: %w", s.refusal(err))
	}
	n, err := res.RowsAffected()
	return int(n), err
}
