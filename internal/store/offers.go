package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/offer"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

const offerColumns = "o.tenant, o.id, o.state, o.version, o.draft, o.creator, o.created_at, o.updated_at, o.published_at"

func offerInto(o *offer.Offer) []any {
	return []any{&o.Tenant, &o.ID, &o.State, &o.Version, document{&o.Content}, &o.Creator, instant{&o.CreatedAt}, instant{&o.UpdatedAt}, instant{&o.PublishedAt}}
}

// offerText is a content as it is kept.
func offerText(c offer.Content) (string, error) {
	text, err := json.Marshal(c)
	return plain(string(text)), err
}

// SaveOffer implements offer.Store.
func (s *Store) SaveOffer(ctx context.Context, o offer.Offer, most int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error { return putOffer(ctx, tx, o, most) })
	if err != nil {
		return fmt.Errorf("save offer: %w", err)
	}
	return nil
}

func putOffer(ctx context.Context, tx *sql.Tx, o offer.Offer, most int) error {
	text, err := offerText(o.Content)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, "UPDATE offers SET state = $3, version = $4, draft = $5, updated_at = $6, published_at = $7 WHERE tenant = $1 AND id = $2",
		o.Tenant[:], o.ID[:], string(o.State), o.Version, text, millis(o.UpdatedAt), optional(o.PublishedAt))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM offers WHERE tenant = $1", o.Tenant[:]).Scan(&n); err != nil {
		return err
	}
	if n >= most {
		return fault.New(fault.Conflict, offer.CodeMany, "There are as many offers as there can be.")
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO offers (tenant, id, state, version, draft, creator, created_at, updated_at, published_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		o.Tenant[:], o.ID[:], string(o.State), o.Version, text, o.Creator, millis(o.CreatedAt), millis(o.UpdatedAt), optional(o.PublishedAt))
	return err
}

// PublishOffer implements offer.Store.
func (s *Store) PublishOffer(ctx context.Context, o offer.Offer, v offer.Version) error {
	text, err := offerText(v.Content)
	if err != nil {
		return fmt.Errorf("publish offer: %w", err)
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "INSERT INTO offer_versions (tenant, offer, number, content, actor, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
			o.Tenant[:], o.ID[:], v.Number, text, v.Actor, millis(v.At))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			if err == nil {
				err = fault.New(fault.Conflict, offer.CodeState, "Somebody else has published it this moment.")
			}
			return err
		}
		return putOffer(ctx, tx, o, offer.MaxOffers)
	})
	if err != nil {
		return fmt.Errorf("publish offer: %w", err)
	}
	return nil
}

// Offer implements offer.Store.
func (s *Store) Offer(ctx context.Context, t tenant.ID, o offer.ID) (v offer.Offer, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT "+offerColumns+" FROM offers o WHERE o.tenant = $1 AND o.id = $2", t[:], o[:]).Scan(offerInto(&v)...)
	if err != nil {
		return offer.Offer{}, fmt.Errorf("read offer: %w", s.refusal(missing(err, offer.CodeUnknown)))
	}
	return v, nil
}

// OfferVersion implements offer.Store.
func (s *Store) OfferVersion(ctx context.Context, t tenant.ID, o offer.ID, number int) (v offer.Version, err error) {
	v.Number = number
	err = s.read.QueryRowContext(ctx, "SELECT content, actor, at FROM offer_versions WHERE tenant = $1 AND offer = $2 AND number = $3", t[:], o[:], number).
		Scan(document{&v.Content}, &v.Actor, instant{&v.At})
	if err != nil {
		return offer.Version{}, fmt.Errorf("read version of offer: %w", s.refusal(missing(err, offer.CodeUnknown)))
	}
	return v, nil
}

// Offers implements offer.Store.
func (s *Store) Offers(ctx context.Context, t tenant.ID) (list []offer.Row, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+offerColumns+`,
		(SELECT count(*) FROM offer_recipients r WHERE r.tenant = $1 AND r.offer = o.id),
		(SELECT count(*) FROM offer_recipients r WHERE r.tenant = $1 AND r.offer = o.id AND r.sent_at IS NOT NULL),
		(SELECT count(DISTINCT a.recipient) FROM offer_acts a WHERE a.tenant = $1 AND a.offer = o.id AND a.kind = 'confirmed')
		FROM offers o WHERE o.tenant = $1 ORDER BY o.id DESC LIMIT $2`, t[:], offer.MaxOffers)
	err = scan(rows, err, func(row *sql.Rows) error {
		var v offer.Row
		err := row.Scan(append(offerInto(&v.Offer), &v.Recipients, &v.Sent, &v.Confirmed)...)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list offers: %w", s.refusal(err))
	}
	return list, nil
}

// dropOfferRows are what belongs to an offer, in the order in which it goes, with the key
// beside the tenant and how many rows one transaction deletes: links first, so that nobody
// sees half an offer, and files, which are large, by few.
func dropOfferRows() []offerRows {
	return []offerRows{
		{"offer_recipients", "id", 500}, {"offer_likes", "recipient, unit", 500}, {"offer_acts", "recipient, id", 500},
		{"offer_files", "file, part", 16}, {"offer_versions", "number", 50},
	}
}

type offerRows struct {
	table, key string
	step       int64
}

// DropOffer implements offer.Store.
func (s *Store) DropOffer(ctx context.Context, t tenant.ID, o offer.ID, since time.Time) error {
	for more := true; more; {
		err := s.transact(ctx, func(tx *sql.Tx) (err error) {
			more, err = dropOfferStep(ctx, tx, t, o, since)
			return err
		})
		if err != nil {
			return fmt.Errorf("delete offer: %w", err)
		}
	}
	return nil
}

// dropOfferStep deletes some of what belongs to an offer, the offer itself last, and
// reports whether there is more.
func dropOfferStep(ctx context.Context, tx *sql.Tx, t tenant.ID, o offer.ID, since time.Time) (more bool, err error) {
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM offer_acts WHERE tenant = $1 AND offer = $2 AND at >= $3", t[:], o[:], millis(since)).Scan(&n); err != nil {
		return false, err
	}
	if n > 0 {
		return false, fault.New(fault.Conflict, offer.CodeProofs, "The offer has confirmations or withdrawals that must be kept.")
	}
	for _, of := range dropOfferRows() {
		//nolint:gosec // G202: constants only
		res, err := tx.ExecContext(ctx, "DELETE FROM "+of.table+" WHERE tenant = $1 AND offer = $2 AND ("+of.key+") IN (SELECT "+of.key+" FROM "+of.table+
			" WHERE tenant = $1 AND offer = $2 LIMIT $3)", t[:], o[:], of.step)
		if err != nil {
			return false, err
		}
		if n, err := res.RowsAffected(); err != nil || n == of.step {
			return true, err
		}
	}
	res, err := tx.ExecContext(ctx, "DELETE FROM offers WHERE tenant = $1 AND id = $2", t[:], o[:])
	return false, touched(res, err, offer.CodeUnknown)
}

// PutOfferPart implements offer.Store.
func (s *Store) PutOfferPart(ctx context.Context, t tenant.ID, o offer.ID, file offer.Hash, n int, p offer.Part) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO offer_files (tenant, offer, file, part, salt, sealed) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
			t[:], o[:], file[:], n, p.Salt[:], p.Sealed)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep file of offer: %w", err)
	}
	return nil
}

// OfferPart implements offer.Store.
func (s *Store) OfferPart(ctx context.Context, t tenant.ID, o offer.ID, file offer.Hash, n int) (p offer.Part, ok bool, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT salt, sealed FROM offer_files WHERE tenant = $1 AND offer = $2 AND file = $3 AND part = $4", t[:], o[:], file[:], n)
	err = scan(rows, err, func(row *sql.Rows) error {
		ok = true
		var salt [32]byte
		err := row.Scan(bytes32{&salt}, &p.Sealed)
		p.Salt = seal.Salt(salt)
		return err
	})
	if err != nil {
		return offer.Part{}, false, fmt.Errorf("read file of offer: %w", s.refusal(err))
	}
	return p, ok, nil
}

// CopyOfferParts implements offer.Store. The sealed bytes and their key are the same:
// what is dropped with one offer stays with the other.
func (s *Store) CopyOfferParts(ctx context.Context, t tenant.ID, from, to offer.ID, file offer.Hash) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO offer_files (tenant, offer, file, part, salt, sealed)
			SELECT tenant, $3, file, part, salt, sealed FROM offer_files WHERE tenant = $1 AND offer = $2 AND file = $4 ON CONFLICT DO NOTHING`,
			t[:], from[:], to[:], file[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("copy file of offer: %w", err)
	}
	return nil
}

var _ offer.Store = (*Store)(nil)
