package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
)

var _ privacy.Store = (*Store)(nil)

const requestColumns = `tenant, id, kind, state, actor, contact, name, addresses, hashes, block, locale, tries, done, total, size, counts, why,
	created_at, finished_at, expires_at`

func readRequest(row scanner) (r privacy.Request, err error) {
	var contact, addresses, hashes []byte
	err = row.Scan(&r.Tenant, &r.ID, &r.Kind, &r.State, &r.Actor, &contact, &r.Person.Name, (*textBytes)(&addresses), (*textBytes)(&hashes), truth{&r.Block}, &r.Locale,
		&r.Tries, &r.Done, &r.Total, &r.Size, document{&r.Counts}, &r.Why, instant{&r.CreatedAt}, instant{&r.FinishedAt}, instant{&r.ExpiresAt})
	if err != nil {
		return r, err
	}
	r.Person.Tenant = r.Tenant
	copy(r.Person.Contact[:], contact)
	if len(addresses) > 0 {
		var list [][2]string
		if err := json.Unmarshal(addresses, &list); err != nil {
			return r, err
		}
		for _, a := range list {
			r.Person.Addresses = append(r.Person.Addresses, message.Address{Local: a[0], Domain: a[1]})
		}
	}
	return r, json.Unmarshal(hashes, &r.Hashes)
}

// textBytes reads text into bytes.
type textBytes []byte

// Scan implements sql.Scanner.
func (t *textBytes) Scan(src any) error {
	switch v := src.(type) {
	case string:
		*t = []byte(v)
	case []byte:
		*t = append((*t)[:0], v...)
	default:
		return fmt.Errorf("scan text: unexpected %T", src)
	}
	return nil
}

func personColumns(p privacy.Person) (contact any, name, addresses string) {
	if len(p.Addresses) == 0 {
		return nil, "", ""
	}
	list := make([][2]string, len(p.Addresses))
	for i, a := range p.Addresses {
		list[i] = [2]string{plain(a.Local), plain(a.Domain)}
	}
	return orNone(p.Contact), plain(p.Name), asJSON(list)
}

// AddRequest implements privacy.Store.
func (s *Store) AddRequest(ctx context.Context, r privacy.Request) error {
	contact, name, addresses := personColumns(r.Person)
	var key any
	if r.Idempotency != nil {
		key = r.Idempotency
	}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO privacy_requests (tenant, id, kind, state, actor, contact, name, addresses, hashes, block,
		locale, due_at, tries, done, total, size, counts, why, created_at, idempotency) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, 0, 0, NULL, '', $12, $13)`,
			r.Tenant[:], r.ID[:], string(r.Kind), string(r.State), plain(r.Actor), contact, name, addresses, asJSON(r.Hashes), flag(r.Block), r.Locale, millis(r.CreatedAt), key)
		return s.taken(err, "idempotency_conflict", "This idempotency key was used for another request.")
	})
	if err != nil {
		return fmt.Errorf("add privacy request: %w", err)
	}
	return nil
}

// RequestByKey implements privacy.Store.
func (s *Store) RequestByKey(ctx context.Context, t tenant.ID, key []byte) (privacy.Request, error) {
	r, err := readRequest(s.read.QueryRowContext(ctx, "SELECT "+requestColumns+" FROM privacy_requests WHERE tenant = $1 AND idempotency = $2", t[:], key))
	if err != nil {
		return privacy.Request{}, fmt.Errorf("read privacy request: %w", s.refusal(missing(err, "privacy_request_not_found")))
	}
	r.Idempotency = key
	return r, nil
}

// Request implements privacy.Store.
func (s *Store) Request(ctx context.Context, t tenant.ID, r privacy.RequestID) (privacy.Request, error) {
	found, err := readRequest(s.read.QueryRowContext(ctx, "SELECT "+requestColumns+" FROM privacy_requests WHERE tenant = $1 AND id = $2", t[:], r[:]))
	if err != nil {
		return privacy.Request{}, fmt.Errorf("read privacy request: %w", s.refusal(missing(err, "privacy_request_not_found")))
	}
	return found, nil
}

// Requests implements privacy.Store.
func (s *Store) Requests(ctx context.Context, t tenant.ID, after privacy.RequestID, limit int) (list []privacy.Request, more bool, err error) {
	if after.IsZero() {
		for i := range after {
			after[i] = 0xff
		}
	}
	rows, err := s.read.QueryContext(ctx, "SELECT "+requestColumns+" FROM privacy_requests WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
		t[:], after[:], limit+1)
	err = scan(rows, err, func(row *sql.Rows) error {
		r, err := readRequest(row)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list privacy requests: %w", s.refusal(err))
	}
	return list[:min(len(list), limit)], len(list) > limit, nil
}

const dueRequest = "SELECT " + requestColumns + ` FROM privacy_requests WHERE state IN ('waiting', 'running', 'settling') AND due_at <= $1 ORDER BY due_at LIMIT 1`

// TakeRequest implements privacy.Store. It asks before it writes: as a rule nothing is due.
func (s *Store) TakeRequest(ctx context.Context, now, until time.Time) (privacy.Request, bool, error) {
	r, err := readRequest(s.read.QueryRowContext(ctx, dueRequest, millis(now)))
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err == nil {
		var res sql.Result
		res, err = s.write.ExecContext(ctx, "UPDATE privacy_requests SET due_at = $3, tries = tries + 1 WHERE tenant = $1 AND id = $2 AND tries = $4",
			r.Tenant[:], r.ID[:], millis(until), r.Tries)
		if err == nil {
			var n int64
			if n, err = res.RowsAffected(); err == nil && n == 0 {
				return r, false, nil // another node was faster
			}
		}
	}
	if err != nil {
		return r, false, fmt.Errorf("take privacy request: %w", s.refusal(err))
	}
	r.Tries++
	return r, true, nil
}

// AdvanceRequest implements privacy.Store.
func (s *Store) AdvanceRequest(ctx context.Context, r privacy.Request, until time.Time) error {
	res, err := s.write.ExecContext(ctx, `UPDATE privacy_requests SET state = $3, due_at = $4, done = $5, total = $6, counts = $7, why = $8
		WHERE tenant = $1 AND id = $2 AND tries = $9`, r.Tenant[:], r.ID[:], string(r.State), millis(until), r.Done, r.Total, orNull(len(r.Counts), r.Counts), r.Why, r.Tries)
	return s.mine(res, err, "advance")
}

// mine is the error of a statement that only who took the request may run.
func (s *Store) mine(res sql.Result, err error, what string) error {
	if err == nil {
		var n int64
		if n, err = res.RowsAffected(); err == nil && n == 0 {
			err = privacy.ErrTaken
		}
	}
	if err != nil {
		return fmt.Errorf("%s privacy request: %w", what, s.refusal(err))
	}
	return nil
}

// ConcludeRequest implements privacy.Store.
func (s *Store) ConcludeRequest(ctx context.Context, r privacy.Request) error {
	if r.Kind == privacy.Erasure && r.State == privacy.Done {
		r.Person = privacy.Person{}
	}
	contact, name, addresses := personColumns(r.Person)
	res, err := s.write.ExecContext(ctx, `UPDATE privacy_requests SET state = $3, contact = $4, name = $5, addresses = $6, done = $7, total = $8, size = $9,
		counts = $10, why = $11, finished_at = $12, expires_at = $13 WHERE tenant = $1 AND id = $2 AND tries = $14`, r.Tenant[:], r.ID[:], string(r.State),
		contact, name, addresses, r.Done, r.Total, r.Size, orNull(len(r.Counts), r.Counts), r.Why, optional(r.FinishedAt), optional(r.ExpiresAt), r.Tries)
	return s.mine(res, err, "conclude")
}

// ExpireRequests implements privacy.Store.
func (s *Store) ExpireRequests(ctx context.Context, now time.Time) (int, error) {
	var list []privacy.Request
	rows, err := s.read.QueryContext(ctx, "SELECT "+requestColumns+" FROM privacy_requests WHERE expires_at <= $1 AND state = 'done'", millis(now))
	err = scan(rows, err, func(row *sql.Rows) error {
		r, err := readRequest(row)
		list = append(list, r)
		return err
	})
	for _, r := range list {
		if err == nil {
			err = s.transact(ctx, func(tx *sql.Tx) error { return expireRequest(ctx, tx, r.Tenant, r.ID) })
		}
	}
	if err != nil {
		return 0, fmt.Errorf("expire privacy requests: %w", s.refusal(err))
	}
	return len(list), nil
}

// expireRequest drops the file of a request and whom it was about.
func expireRequest(ctx context.Context, tx *sql.Tx, t tenant.ID, r privacy.RequestID) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM privacy_files WHERE tenant = $1 AND request = $2", t[:], r[:]); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE privacy_requests SET state = 'expired', contact = NULL, name = '', addresses = ''
		WHERE tenant = $1 AND id = $2`, t[:], r[:])
	return err
}

// PutPart implements privacy.Store.
func (s *Store) PutPart(ctx context.Context, t tenant.ID, r privacy.RequestID, n int, p privacy.Part) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if n == 0 {
			if _, err := tx.ExecContext(ctx, "DELETE FROM privacy_files WHERE tenant = $1 AND request = $2", t[:], r[:]); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO privacy_files (tenant, request, part, salt, sealed) VALUES ($1, $2, $3, $4, $5)",
			t[:], r[:], n, p.Salt[:], p.Sealed)
		return err
	})
	if err != nil {
		return fmt.Errorf("put part of file: %w", err)
	}
	return nil
}

// Part implements privacy.Store.
func (s *Store) Part(ctx context.Context, t tenant.ID, r privacy.RequestID, n int) (p privacy.Part, ok bool, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT salt, sealed FROM privacy_files WHERE tenant = $1 AND request = $2 AND part = $3", t[:], r[:], n).
		Scan(bytes32{(*[32]byte)(&p.Salt)}, &p.Sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("read part of file: %w", s.refusal(err))
	}
	return p, true, nil
}

// PrivacySettings implements privacy.Store.
func (s *Store) PrivacySettings(ctx context.Context, t tenant.ID) (privacy.Settings, error) {
	var v privacy.Settings
	var months sql.NullInt64
	err := s.read.QueryRowContext(ctx, "SELECT months, gather, notes FROM privacy_settings WHERE tenant = $1", t[:]).
		Scan(&months, truth{&v.Gather}, truth{&v.Notes})
	if errors.Is(err, sql.ErrNoRows) {
		return privacy.Settings{Notes: true}, nil
	}
	if err != nil {
		return v, fmt.Errorf("read privacy settings: %w", s.refusal(err))
	}
	v.Months = int(months.Int64)
	return v, nil
}

// SetPrivacySettings implements privacy.Store.
func (s *Store) SetPrivacySettings(ctx context.Context, t tenant.ID, v privacy.Settings, at time.Time) error {
	var months any
	if v.Months > 0 {
		months = v.Months
	}
	now := message.NewID(at)
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO privacy_settings (tenant, months, gather, gathered, notes) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant) DO UPDATE SET months = excluded.months, gather = excluded.gather, notes = excluded.notes,
		gathered = CASE WHEN privacy_settings.gather = 1 THEN privacy_settings.gathered ELSE excluded.gathered END`,
			t[:], months, flag(v.Gather), now[:], flag(v.Notes))
		return err
	})
	if err != nil {
		return fmt.Errorf("store privacy settings: %w", err)
	}
	return nil
}

// Gathering implements privacy.GatherStore.
func (s *Store) Gathering(ctx context.Context) ([]tenant.ID, error) {
	var list []tenant.ID
	rows, err := s.read.QueryContext(ctx, "SELECT tenant FROM privacy_settings WHERE gather = 1")
	err = scan(rows, err, func(row *sql.Rows) error {
		var t tenant.ID
		err := row.Scan(&t)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list who gathers contacts: %w", s.refusal(err))
	}
	return list, nil
}

// Unknown implements privacy.GatherStore.
func (s *Store) Unknown(ctx context.Context, t tenant.ID, streams []tenant.Stream, before time.Time, limit int) ([]message.Mailbox, message.ID, error) {
	var people []message.Mailbox
	var last message.ID
	var from message.ID
	err := s.read.QueryRowContext(ctx, "SELECT gathered FROM privacy_settings WHERE tenant = $1", t[:]).Scan(&from)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, last, fmt.Errorf("find people without contact: %w", s.refusal(err))
	}
	top := id.Lowest[message.Kind](before)
	rows, err := s.read.QueryContext(ctx, `SELECT id, stream, to_boxes FROM messages WHERE tenant = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4`,
		t[:], from[:], top[:], limit)
	names := map[string]message.Mailbox{}
	err = scan(rows, err, func(row *sql.Rows) error {
		var stream tenant.Stream
		var boxes []box
		if err := row.Scan(&last, &stream, document{&boxes}); err != nil {
			return err
		}
		for _, wanted := range streams {
			for _, b := range boxes {
				if wanted == stream {
					m := b.mailbox()
					names[canonicalAddress(m.Address)] = m
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, last, fmt.Errorf("find people without contact: %w", s.refusal(err))
	}
	for _, m := range names {
		_, known, err := s.ContactOf(ctx, t, m.Address)
		if err != nil {
			return nil, last, err
		}
		if !known && m.Local != "" {
			people = append(people, m)
		}
	}
	return people, last, nil
}

// Gathered implements privacy.GatherStore.
func (s *Store) Gathered(ctx context.Context, t tenant.ID, m message.ID) error {
	if _, err := s.write.ExecContext(ctx, "UPDATE privacy_settings SET gathered = $2 WHERE tenant = $1", t[:], m[:]); err != nil {
		return fmt.Errorf("note gathered contacts: %w", s.refusal(err))
	}
	return nil
}

// hashesOf reads the hashes a store knows addresses by.
func (s *Store) hashesOf(p privacy.Person) map[audience.Hash]bool {
	hashes := map[audience.Hash]bool{}
	for _, a := range p.Addresses {
		hashes[s.hashes.Of(p.Tenant, a)] = true
	}
	return hashes
}
