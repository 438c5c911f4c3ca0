package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/tenant"
)

const offerRecipientColumns = `tenant, id, offer, address, local, name, actor, message, reason, sendings, created_at, sent_at, expires_at, revoked_at,
	password, level, rule, restricted_at`

func readOfferRecipient(row scanner) (r offer.Recipient, err error) {
	var address string
	var local sql.NullString
	var mail []byte
	err = row.Scan(&r.Tenant, &r.ID, &r.Offer, &address, &local, &r.Name, &r.Actor, &mail, &r.Reason, &r.Sendings, instant{&r.CreatedAt},
		instant{&r.SentAt}, instant{&r.ExpiresAt}, instant{&r.RevokedAt}, &r.Password, &r.Decision.Level, &r.Decision.Rule, instant{&r.RestrictedAt})
	copy(r.Message[:], mail)
	r.Address = recipientOf(address, local)
	return r, err
}

// AddOfferRecipients implements offer.Store.
func (s *Store) AddOfferRecipients(ctx context.Context, list []offer.Recipient) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for _, r := range list {
			address, local := splitRecipient(r.Address)
			if _, err := tx.ExecContext(ctx, "INSERT INTO offer_recipients ("+offerRecipientColumns+`)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
				r.Tenant[:], r.ID[:], r.Offer[:], address, local, plain(r.Name), r.Actor, noneOr(r.Message), r.Reason, r.Sendings, millis(r.CreatedAt),
				optional(r.SentAt), optional(r.ExpiresAt), optional(r.RevokedAt), r.Password, int64(r.Decision.Level), string(r.Decision.Rule), optional(r.RestrictedAt)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep recipients of offer: %w", err)
	}
	return nil
}

// SettleOfferRecipient implements offer.Store.
func (s *Store) SettleOfferRecipient(ctx context.Context, r offer.Recipient) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE offer_recipients SET message = $3, reason = $4, sendings = $5, sent_at = $6, expires_at = $7, revoked_at = $8, password = $9
			WHERE tenant = $1 AND id = $2`, r.Tenant[:], r.ID[:], noneOr(r.Message), r.Reason, r.Sendings, optional(r.SentAt), optional(r.ExpiresAt),
			optional(r.RevokedAt), r.Password)
		return touched(res, err, offer.CodeUnknown)
	})
	if err != nil {
		return fmt.Errorf("keep recipient of offer: %w", err)
	}
	return nil
}

// OfferRecipient implements offer.Store.
func (s *Store) OfferRecipient(ctx context.Context, t tenant.ID, r offer.RecipientID) (offer.Recipient, error) {
	v, err := readOfferRecipient(s.read.QueryRowContext(ctx, "SELECT "+offerRecipientColumns+" FROM offer_recipients WHERE tenant = $1 AND id = $2", t[:], r[:]))
	if err != nil {
		return offer.Recipient{}, fmt.Errorf("read recipient of offer: %w", s.refusal(missing(err, offer.CodeUnknown)))
	}
	return v, nil
}

// OfferRecipients implements offer.Store.
func (s *Store) OfferRecipients(ctx context.Context, t tenant.ID, o offer.ID, limit int) ([]offer.Recipient, error) {
	return s.offerRecipients(ctx, "SELECT "+offerRecipientColumns+" FROM offer_recipients WHERE tenant = $1 AND offer = $2 ORDER BY id DESC LIMIT $3", t[:], o[:], limit)
}

// OfferRecipientsAt implements offer.Store.
func (s *Store) OfferRecipientsAt(ctx context.Context, t tenant.ID, a message.Address) ([]offer.Recipient, error) {
	return s.offerRecipients(ctx, "SELECT "+offerRecipientColumns+" FROM offer_recipients WHERE tenant = $1 AND address = $2 ORDER BY id", t[:], canonicalAddress(a))
}

func (s *Store) offerRecipients(ctx context.Context, text string, args ...any) (list []offer.Recipient, err error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		r, err := readOfferRecipient(row)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list recipients of offer: %w", s.refusal(err))
	}
	return list, nil
}

// ForgetOfferRecipient implements offer.Store.
func (s *Store) ForgetOfferRecipient(ctx context.Context, t tenant.ID, r offer.RecipientID, now time.Time) (n int64, err error) {
	err = s.transactSecurely(ctx, func(tx *sql.Tx) error {
		n = 0
		v, err := readOfferRecipient(tx.QueryRowContext(ctx, "SELECT "+offerRecipientColumns+" FROM offer_recipients WHERE tenant = $1 AND id = $2", t[:], r[:]))
		if err != nil {
			return missing(err, offer.CodeUnknown)
		}
		var acts int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM offer_acts WHERE tenant = $1 AND offer = $2 AND recipient = $3", t[:], v.Offer[:], r[:]).Scan(&acts); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "DELETE FROM offer_likes WHERE tenant = $1 AND offer = $2 AND recipient = $3", t[:], v.Offer[:], r[:])
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil {
			return err
		}
		n++
		if acts > 0 {
			_, err = tx.ExecContext(ctx, "UPDATE offer_recipients SET restricted_at = $3, revoked_at = COALESCE(revoked_at, $3), message = NULL WHERE tenant = $1 AND id = $2", t[:], r[:], millis(now))
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM offer_recipients WHERE tenant = $1 AND id = $2", t[:], r[:])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forget recipient of offer: %w", err)
	}
	return n, nil
}

// LikeUnit implements offer.Store.
func (s *Store) LikeUnit(ctx context.Context, l offer.Like, on bool) (changed bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		text, args := "DELETE FROM offer_likes WHERE tenant = $1 AND offer = $2 AND recipient = $3 AND unit = $4", []any{l.Tenant[:], l.Offer[:], l.Recipient[:], l.Unit}
		if on {
			text = "INSERT INTO offer_likes (tenant, offer, recipient, unit, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
			args = append(args, millis(l.At))
		}
		res, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		changed = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("like unit: %w", err)
	}
	return changed, nil
}

// OfferLikes implements offer.Store.
func (s *Store) OfferLikes(ctx context.Context, t tenant.ID, o offer.ID) (list []offer.Like, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT tenant, offer, recipient, unit, at FROM offer_likes WHERE tenant = $1 AND offer = $2 ORDER BY at, recipient, unit", t[:], o[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var l offer.Like
		err := row.Scan(&l.Tenant, &l.Offer, &l.Recipient, &l.Unit, instant{&l.At})
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list likes of offer: %w", s.refusal(err))
	}
	return list, nil
}

const offerActColumns = "tenant, offer, recipient, id, kind, version, at, detail, answered, receipt, reason, handled_at, handled_by"

func readOfferAct(row scanner) (a offer.Act, err error) {
	var receipt []byte
	err = row.Scan(&a.Tenant, &a.Offer, &a.Recipient, &a.ID, &a.Kind, &a.Version, instant{&a.At}, document{&a.Detail}, truth{&a.Answered}, &receipt, &a.Reason,
		instant{&a.HandledAt}, &a.HandledBy)
	copy(a.Receipt[:], receipt)
	return a, err
}

// AddOfferAct implements offer.Store.
func (s *Store) AddOfferAct(ctx context.Context, a offer.Act, most int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM offer_acts WHERE tenant = $1 AND offer = $2 AND recipient = $3", a.Tenant[:], a.Offer[:], a.Recipient[:]).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return fault.New(fault.Limited, offer.CodeActs, "This link was used for as many forms as it can be.")
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO offer_acts ("+offerActColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
			a.Tenant[:], a.Offer[:], a.Recipient[:], a.ID[:], string(a.Kind), a.Version, millis(a.At), plain(asJSON(a.Detail)), flag(a.Answered), noneOr(a.Receipt), a.Reason,
			optional(a.HandledAt), a.HandledBy)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep act: %w", err)
	}
	return nil
}

// SettleOfferAct implements offer.Store.
func (s *Store) SettleOfferAct(ctx context.Context, a offer.Act) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE offer_acts SET answered = $5, receipt = $6, reason = $7, handled_at = $8, handled_by = $9
			WHERE tenant = $1 AND offer = $2 AND recipient = $3 AND id = $4`, a.Tenant[:], a.Offer[:], a.Recipient[:], a.ID[:], flag(a.Answered), noneOr(a.Receipt), a.Reason,
			optional(a.HandledAt), a.HandledBy)
		return touched(res, err, offer.CodeUnknown)
	})
	if err != nil {
		return fmt.Errorf("settle act: %w", err)
	}
	return nil
}

// OfferActs implements offer.Store.
func (s *Store) OfferActs(ctx context.Context, t tenant.ID, o offer.ID, r offer.RecipientID) ([]offer.Act, error) {
	if r.IsZero() {
		return s.offerActs(ctx, "SELECT "+offerActColumns+" FROM offer_acts WHERE tenant = $1 AND offer = $2 ORDER BY id", t[:], o[:])
	}
	return s.offerActs(ctx, "SELECT "+offerActColumns+" FROM offer_acts WHERE tenant = $1 AND offer = $2 AND recipient = $3 ORDER BY id", t[:], o[:], r[:])
}

// OfferWithdrawals implements offer.Store.
func (s *Store) OfferWithdrawals(ctx context.Context, t tenant.ID, limit int) ([]offer.Act, error) {
	return s.offerActs(ctx, "SELECT "+offerActColumns+" FROM offer_acts WHERE tenant = $1 AND kind = 'withdrawn' AND handled_at IS NULL ORDER BY at LIMIT $2", t[:], limit)
}

// UnansweredOfferActs implements offer.Unanswered.
func (s *Store) UnansweredOfferActs(ctx context.Context, before time.Time, limit int) ([]offer.Act, error) {
	return s.offerActs(ctx, "SELECT "+offerActColumns+" FROM offer_acts WHERE answered = 0 AND at < $1 ORDER BY at LIMIT $2", millis(before), limit)
}

func (s *Store) offerActs(ctx context.Context, text string, args ...any) (list []offer.Act, err error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		a, err := readOfferAct(row)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list acts on offer: %w", s.refusal(err))
	}
	return list, nil
}

// offersCounted bounds what is counted of withdrawals that wait.
const offersCounted = 1000

// CountOfferWithdrawals implements offer.Store.
func (s *Store) CountOfferWithdrawals(ctx context.Context, t tenant.ID) (n int, since time.Time, err error) {
	var first sql.NullInt64
	if err := s.read.QueryRowContext(ctx, `SELECT count(*), min(at) FROM (SELECT at FROM offer_acts WHERE tenant = $1 AND kind = 'withdrawn' AND handled_at IS NULL
		ORDER BY at LIMIT $2) w`, t[:], offersCounted).Scan(&n, &first); err != nil {
		return 0, time.Time{}, fmt.Errorf("count withdrawals: %w", s.refusal(err))
	}
	if first.Valid {
		since = time.UnixMilli(first.Int64).UTC()
	}
	return n, since, nil
}

var _ offer.Unanswered = (*Store)(nil)
