package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// leadKeyLasts is how long an idempotency key of a lead is remembered.
const leadKeyLasts = 24 * time.Hour

const leadColumns = "tenant, id, advertiser, object, title, test, state, reason, message, xml, taken_at, sealed, salt"

func readLead(row scanner) (l lead.Lead, err error) {
	var test int
	var mail, xml, salt []byte
	err = row.Scan(&l.Tenant, &l.ID, &l.Advertiser, &l.Object, &l.Title, &test, &l.State, &l.Reason, &mail, &xml, instant{&l.TakenAt}, &l.Sealed, &salt)
	l.Test = test != 0
	copy(l.Message[:], mail)
	copy(l.XML[:], xml)
	copy(l.Salt[:], salt)
	return l, err
}

// TakeLead implements lead.Store.
func (s *Store) TakeLead(ctx context.Context, l lead.Lead, a lead.Advertiser, key string, hash [32]byte) (first *lead.Lead, request [32]byte, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		first = nil
		if key != "" {
			if first, request, err = s.leadOfKey(ctx, tx, l, key); err != nil || first != nil {
				return err
			}
		}
		if err := saveAdvertiser(ctx, tx, l.Tenant, a); err != nil {
			return err
		}
		//nolint:dupword // two columns without a value
		_, err := tx.ExecContext(ctx, `INSERT INTO leads (`+leadColumns+`, idempotency, request) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, NULL, $9, $10, $11, $12, $13)`,
			l.Tenant[:], l.ID[:], l.Advertiser, l.Object, l.Title, flag(l.Test), string(l.State), l.Reason, millis(l.TakenAt), l.Sealed, l.Salt[:],
			sql.NullString{String: key, Valid: key != ""}, hash[:])
		return err
	})
	if err != nil {
		return nil, request, fmt.Errorf("take lead: %w", err)
	}
	return first, request, nil
}

// leadOfKey finds the lead that an idempotency key was used for, and frees the key when
// its day is over.
func (s *Store) leadOfKey(ctx context.Context, tx *sql.Tx, l lead.Lead, key string) (*lead.Lead, [32]byte, error) {
	var hash [32]byte
	if _, err := tx.ExecContext(ctx, "UPDATE leads SET idempotency = NULL WHERE tenant = $1 AND idempotency = $2 AND taken_at <= $3",
		l.Tenant[:], key, millis(l.TakenAt.Add(-leadKeyLasts))); err != nil {
		return nil, hash, err
	}
	var request []byte
	if err := tx.QueryRowContext(ctx, "SELECT request FROM leads WHERE tenant = $1 AND idempotency = $2", l.Tenant[:], key).Scan(&request); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return nil, hash, err
	}
	copy(hash[:], request)
	first, err := readLead(tx.QueryRowContext(ctx, "SELECT "+leadColumns+" FROM leads WHERE tenant = $1 AND idempotency = $2", l.Tenant[:], key))
	return &first, hash, err
}

// SettleLead implements lead.Store.
func (s *Store) SettleLead(ctx context.Context, l lead.Lead) error {
	var mail, xml []byte
	if !l.Message.IsZero() {
		mail = l.Message[:]
	}
	if l.XML != ([32]byte{}) {
		xml = l.XML[:]
	}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE leads SET state = $3, reason = $4, message = $5, xml = $6, sealed = $7, salt = $8 WHERE tenant = $1 AND id = $2`,
			l.Tenant[:], l.ID[:], string(l.State), l.Reason, mail, xml, l.Sealed, l.Salt[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("settle lead: %w", err)
	}
	return nil
}

// Lead implements lead.Store.
func (s *Store) Lead(ctx context.Context, t tenant.ID, number lead.ID) (lead.Lead, error) {
	l, err := readLead(s.read.QueryRowContext(ctx, "SELECT "+leadColumns+" FROM leads WHERE tenant = $1 AND id = $2", t[:], number[:]))
	if err != nil {
		return lead.Lead{}, fmt.Errorf("read lead: %w", s.refusal(missing(err, "lead_not_found")))
	}
	return l, nil
}

// Leads implements lead.Store.
func (s *Store) Leads(ctx context.Context, t tenant.ID, f lead.Filter) (lead.Page, error) {
	where, args := []string{"tenant = $1"}, []any{t[:]}
	add := func(clause string, v any) {
		args = append(args, v)
		where = append(where, strings.ReplaceAll(clause, "$", fmt.Sprintf("$%d", len(args))))
	}
	if f.Advertiser != "" {
		add("advertiser = $", f.Advertiser)
	}
	if f.State != "" {
		add("state = $", string(f.State))
	}
	if f.Kept {
		where = append(where, "sealed IS NOT NULL")
	}
	if !f.Tests {
		where = append(where, "test = 0")
	}
	if f.State == "" && !f.Suspects {
		where = append(where, "state NOT IN ('suspect', 'discarded')")
	}
	if !f.From.IsZero() {
		add("taken_at >= $", millis(f.From))
	}
	if !f.To.IsZero() {
		add("taken_at < $", millis(f.To))
	}
	if !f.After.IsZero() {
		add("id < $", f.After[:])
	}
	add("id IS NOT NULL ORDER BY id DESC LIMIT $", f.Limit+1)
	var page lead.Page
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+leadColumns+" FROM leads WHERE "+strings.Join(where, " AND "), args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		l, err := readLead(row)
		page.Leads = append(page.Leads, l)
		return err
	})
	if err != nil {
		return lead.Page{}, fmt.Errorf("list leads: %w", s.refusal(err))
	}
	if page.More = len(page.Leads) > f.Limit; page.More {
		page.Leads = page.Leads[:f.Limit]
	}
	return page, nil
}

// TakenLeads implements lead.Store.
func (s *Store) TakenLeads(ctx context.Context, before time.Time, limit int) (list []lead.Lead, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+leadColumns+" FROM leads WHERE state = 'taken' AND taken_at < $1 ORDER BY taken_at LIMIT $2", millis(before), limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		l, err := readLead(row)
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list leads without mail: %w", s.refusal(err))
	}
	return list, nil
}

// DropLeads implements lead.Store. Each lead is emptied by itself: what was emptied before
// a crash is not found again.
func (s *Store) DropLeads(ctx context.Context, before time.Time, limit int) (n int, err error) {
	type one struct {
		tenant tenant.ID
		id     lead.ID
	}
	var list []one
	others, err := s.ownLeadTerms(ctx)
	if err != nil {
		return 0, err
	}
	text, args := "SELECT tenant, id FROM leads WHERE sealed IS NOT NULL AND taken_at < $1", []any{millis(before)}
	if len(others) > 0 {
		in, list := inList(s.dialect, 2, others)
		text, args = text+" AND tenant NOT "+in, append(args, list...)
	}
	rows, err := s.read.QueryContext(ctx, fmt.Sprintf("%s LIMIT %d", text, limit), args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var v one
		err := row.Scan(&v.tenant, &v.id)
		list = append(list, v)
		return err
	})
	for _, v := range list {
		if err != nil {
			break
		}
		if _, err = s.write.ExecContext(ctx, "UPDATE leads SET sealed = NULL, salt = NULL, title = '' WHERE tenant = $1 AND id = $2", v.tenant[:], v.id[:]); err == nil {
			n++
		}
	}
	if err != nil {
		return n, fmt.Errorf("drop content of leads: %w", s.refusal(err))
	}
	return n, nil
}

// ownLeadTerms are the tenants that keep leads for a time of their own, see DropLeadsOf.
func (s *Store) ownLeadTerms(ctx context.Context) (list []tenant.ID, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT tenant FROM archive_terms WHERE days > 0 AND stream = 'lead' ORDER BY tenant")
	err = scan(rows, err, func(row *sql.Rows) error {
		var t tenant.ID
		err := row.Scan(&t)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read retention times: %w", s.refusal(err))
	}
	return list, nil
}

const advertiserColumns = "number, name, emails, software, format, encoding, filename, body, verified_at, seen_at"

func readAdvertiser(row scanner) (a lead.Advertiser, err error) {
	var emails string
	if err := row.Scan(&a.ID, &a.Name, &emails, &a.Profile.Software, &a.Profile.Format, &a.Profile.Encoding, &a.Profile.FileName, &a.Profile.Body,
		instant{&a.Profile.VerifiedOn}, instant{&a.SeenAt}); err != nil {
		return a, err
	}
	var list []string
	if err := json.Unmarshal([]byte(emails), &list); err != nil {
		return a, err
	}
	for _, text := range list {
		one, err := message.ParseAddress(text)
		if err != nil {
			return a, err
		}
		a.Emails = append(a.Emails, one)
	}
	return a, nil
}

// Advertiser implements lead.Store.
func (s *Store) Advertiser(ctx context.Context, t tenant.ID, number string) (lead.Advertiser, error) {
	a, err := readAdvertiser(s.read.QueryRowContext(ctx, "SELECT "+advertiserColumns+" FROM advertisers WHERE tenant = $1 AND number = $2", t[:], number))
	if err != nil {
		return lead.Advertiser{}, fmt.Errorf("read advertiser: %w", s.refusal(missing(err, "advertiser_not_found")))
	}
	return a, nil
}

// Advertisers implements lead.Store.
func (s *Store) Advertisers(ctx context.Context, t tenant.ID, after string, limit int) (list []lead.Advertiser, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+advertiserColumns+" FROM advertisers WHERE tenant = $1 AND number > $2 ORDER BY number LIMIT $3", t[:], after, limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		a, err := readAdvertiser(row)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list advertisers: %w", s.refusal(err))
	}
	return list, nil
}

// SaveAdvertiser implements lead.Store.
func (s *Store) SaveAdvertiser(ctx context.Context, t tenant.ID, a lead.Advertiser) error {
	if err := s.transact(ctx, func(tx *sql.Tx) error { return saveAdvertiser(ctx, tx, t, a) }); err != nil {
		return fmt.Errorf("save advertiser: %w", err)
	}
	return nil
}

func saveAdvertiser(ctx context.Context, tx *sql.Tx, t tenant.ID, a lead.Advertiser) error {
	list := make([]string, len(a.Emails))
	for i, one := range a.Emails {
		list[i] = one.String()
	}
	emails, err := json.Marshal(list)
	if err != nil {
		return err
	}
	var verified, seen sql.NullInt64
	for to, at := range map[*sql.NullInt64]time.Time{&verified: a.Profile.VerifiedOn, &seen: a.SeenAt} {
		if !at.IsZero() {
			*to = sql.NullInt64{Int64: millis(at), Valid: true}
		}
	}
	p := a.Profile
	_, err = tx.ExecContext(ctx, `INSERT INTO advertisers (tenant, `+advertiserColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (tenant, number) DO UPDATE SET name = excluded.name, emails = excluded.emails, software = excluded.software, format = excluded.format,
		encoding = excluded.encoding, filename = excluded.filename, body = excluded.body, verified_at = excluded.verified_at, seen_at = excluded.seen_at`,
		t[:], a.ID, a.Name, string(emails), p.Software, string(p.Format), string(p.Encoding), p.FileName, string(p.Body), verified, seen)
	return err
}

// LeadSettings implements lead.Store.
func (s *Store) LeadSettings(ctx context.Context, t tenant.ID) (v lead.Settings, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT portal, sender FROM lead_settings WHERE tenant = $1", t[:]).Scan(&v.Portal, &v.From)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("read settings of leads: %w", s.refusal(err))
	}
	return v, nil
}

// SaveLeadSettings implements lead.Store.
func (s *Store) SaveLeadSettings(ctx context.Context, t tenant.ID, v lead.Settings) error {
	err := s.change1(ctx, "", `INSERT INTO lead_settings (tenant, portal, sender) VALUES ($1, $2, $3)
		ON CONFLICT (tenant) DO UPDATE SET portal = excluded.portal, sender = excluded.sender`, t[:], v.Portal, v.From)
	if err != nil {
		return fmt.Errorf("save settings of leads: %w", err)
	}
	return nil
}

var _ lead.Store = (*Store)(nil)
