package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"stafette/internal/audience"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

var _ tracking.Store = (*Store)(nil)

const settingColumns = "level, basis, justification, actor, at"

func readSetting(row scanner, t tenant.ID) (tracking.Setting, error) {
	v := tracking.Setting{Tenant: t}
	err := row.Scan(&v.Level, &v.Basis, &v.Justification, &v.By, instant{&v.At})
	return v, err
}

// TrackingSetting implements tracking.SettingStore.
func (s *Store) TrackingSetting(ctx context.Context, t tenant.ID) (tracking.Setting, error) {
	v, err := readSetting(s.read.QueryRowContext(ctx, "SELECT "+settingColumns+" FROM tracking_settings WHERE tenant = $1 ORDER BY number DESC LIMIT 1", t[:]), t)
	if errors.Is(err, sql.ErrNoRows) {
		return tracking.DefaultSetting(t), nil
	}
	if err != nil {
		return v, fmt.Errorf("read tracking setting: %w", s.refusal(err))
	}
	return v, nil
}

// TrackingSettings implements tracking.SettingStore.
func (s *Store) TrackingSettings(ctx context.Context, t tenant.ID, limit int) ([]tracking.Setting, error) {
	var list []tracking.Setting
	rows, err := s.read.QueryContext(ctx, "SELECT "+settingColumns+" FROM tracking_settings WHERE tenant = $1 ORDER BY number DESC LIMIT $2", t[:], limit)
	err = scan(rows, err, func(row *sql.Rows) error {
		v, err := readSetting(row, t)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tracking settings: %w", s.refusal(err))
	}
	return list, nil
}

// PutTrackingSetting implements tracking.SettingStore.
func (s *Store) PutTrackingSetting(ctx context.Context, v tracking.Setting) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var number int64
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(max(number), 0) FROM tracking_settings WHERE tenant = $1", v.Tenant[:]).Scan(&number); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO tracking_settings (tenant, number, "+settingColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7)",
			v.Tenant[:], number+1, int64(v.Level), string(v.Basis), plain(v.Justification), plain(v.By), millis(v.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("put tracking setting: %w", s.taken(err, "tracking_changed", "Somebody else has changed this meanwhile."))
	}
	return nil
}

// TrackingStreams implements tracking.SettingStore.
func (s *Store) TrackingStreams(ctx context.Context, t tenant.ID) ([]tracking.StreamLevel, error) {
	var list []tracking.StreamLevel
	rows, err := s.read.QueryContext(ctx, "SELECT stream, level, actor, at FROM tracking_streams WHERE tenant = $1 ORDER BY stream", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var v tracking.StreamLevel
		err := row.Scan(&v.Stream, &v.Level, &v.By, instant{&v.At})
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tracking of streams: %w", s.refusal(err))
	}
	return list, nil
}

// PutTrackingStream implements tracking.SettingStore.
func (s *Store) PutTrackingStream(ctx context.Context, t tenant.ID, v tracking.StreamLevel) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if v.Level == tracking.Unset {
			_, err := tx.ExecContext(ctx, "DELETE FROM tracking_streams WHERE tenant = $1 AND stream = $2", t[:], string(v.Stream))
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO tracking_streams (tenant, stream, level, actor, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, stream) DO UPDATE SET level = excluded.level, actor = excluded.actor, at = excluded.at`,
			t[:], string(v.Stream), int64(v.Level), plain(v.By), millis(v.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("put tracking of stream: %w", err)
	}
	return nil
}

const consentColumns = "state, actor, way, wording, at"

func readTrackingConsent(row scanner, c *tracking.Consent) error {
	return row.Scan(&c.State, &c.Actor, &c.Way, &c.Wording, instant{&c.At})
}

const trackingConsentsText = "SELECT hash, " + consentColumns + " FROM tracking_consents WHERE tenant = $1 AND hash "

// TrackingConsents implements tracking.ConsentStore.
func (s *Store) TrackingConsents(ctx context.Context, t tenant.ID, of []message.Address) (map[string]tracking.Consent, error) {
	known := map[string]tracking.Consent{}
	by := map[audience.Hash]message.Address{}
	asked := map[audience.Hash]bool{}
	for _, a := range of {
		h := s.hashes.Of(t, a)
		by[h], asked[h] = a, true
	}
	for part := range slices.Chunk(sortedKeys(asked), askedMax) {
		hashes := make([]any, len(part))
		for i := range part {
			hashes[i] = part[i][:]
		}
		rows, err := s.questions.consents.ask(ctx, []any{t[:]}, hashes)
		err = scan(rows, err, func(row *sql.Rows) error {
			var raw []byte
			c := tracking.Consent{Tenant: t}
			if err := row.Scan(&raw, &c.State, &c.Actor, &c.Way, &c.Wording, instant{&c.At}); err != nil || len(raw) != len(audience.Hash{}) {
				return err
			}
			c.Address = by[audience.Hash(raw)]
			known[audience.Canonical(c.Address)] = c
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read tracking consents: %w", s.refusal(err))
		}
	}
	return known, nil
}

// PutTrackingConsent implements tracking.ConsentStore.
func (s *Store) PutTrackingConsent(ctx context.Context, c tracking.Consent) error {
	h := s.hashes.Of(c.Tenant, c.Address)
	// What was done before is judged by what was said before.
	if err := s.hits.settled(ctx); err != nil {
		return fmt.Errorf("put tracking consent: %w", s.refusal(err))
	}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		s.hits.known.forget()
		var number int64
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(max(number), 0) FROM tracking_consents WHERE tenant = $1 AND hash = $2", c.Tenant[:], h[:]).Scan(&number); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO tracking_consents (tenant, hash, number, address, "+consentColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
			c.Tenant[:], h[:], number+1, canonicalAddress(c.Address), string(c.State), plain(c.Actor), plain(c.Way), plain(c.Wording), millis(c.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("put tracking consent: %w", s.taken(err, "tracking_changed", "Somebody else has changed this meanwhile."))
	}
	return nil
}

// TrackingConsentHistory implements tracking.ConsentStore.
func (s *Store) TrackingConsentHistory(ctx context.Context, t tenant.ID, a message.Address) ([]tracking.Consent, error) {
	h := s.hashes.Of(t, a)
	var list []tracking.Consent
	rows, err := s.read.QueryContext(ctx, "SELECT "+consentColumns+" FROM tracking_consents WHERE tenant = $1 AND hash = $2 ORDER BY number DESC LIMIT 500", t[:], h[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		c := tracking.Consent{Tenant: t, Address: a}
		err := readTrackingConsent(row, &c)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tracking consents: %w", s.refusal(err))
	}
	return list, nil
}

// trackedRows are the rows of tracked_messages for acceptances: none as a rule.
func trackedRows(list []*ingest.Acceptance) []any {
	var rows []any
	var last []tracking.Link // as written in text
	var text any
	for _, a := range list {
		if v := a.Tracked; v != nil {
			// Mails of a mailing have the same links, one after the other.
			if text == nil || !slices.Equal(last, v.Links) {
				last, text = v.Links, orNull(len(v.Links), v.Links)
			}
			rows = append(rows, a.Message.Tenant[:], a.Message.ID[:], int64(v.Decision.Level), string(v.Decision.Rule), v.Recipients, text)
		}
	}
	return rows
}

// trackedReads are the questions that the first hit of a mail asks, prepared: where
// everybody opens a mailing once, that is every hit.
type trackedReads struct {
	message, recipients *sql.Stmt
	trails              map[int]*sql.Stmt // by how many messages
}

// trackedText asks what is kept beside a message of tenant $1; which one follows.
const trackedText = `SELECT k.level, k.rule, k.recipients, k.links, m.stream, m.actor FROM tracked_messages k
		JOIN messages m ON m.tenant = k.tenant AND m.id = k.message WHERE k.tenant = $1 AND k.message `

// trailsText asks what is kept beside messages of tenant $1, and for the recipient of those
// that have one.
func trailsText(d dialect, list string) string {
	return `SELECT k.message, k.level, k.rule, k.recipients, k.links, m.stream, m.actor, v.recipient, v.local,
		CASE WHEN v.state = 'delivered' THEN v.updated_at ELSE 0 END FROM tracked_messages k
		JOIN messages m ON m.tenant = k.tenant AND m.id = k.message
		LEFT JOIN deliveries v ON k.recipients = 1 AND v.tenant = k.tenant AND v.id = ` + d.deliveryAt("k.message", 1) + `
		WHERE k.tenant = $1 AND k.message ` + list
}

// recipientsText asks for recipients in deliveries of tenant $1; which ones follows.
const recipientsText = `SELECT id, recipient, local, CASE WHEN state = 'delivered' THEN updated_at ELSE 0 END
		FROM deliveries WHERE tenant = $1 AND `

func readRecipient(row *sql.Rows) (v tracking.Recipient, err error) {
	var canonical string
	var local sql.NullString
	if err := row.Scan(&v.Delivery, &canonical, &local, instant{&v.DeliveredAt}); err != nil {
		return v, err
	}
	v.Address = recipientOf(canonical, local)
	return v, nil
}

func prepareTracked(ctx context.Context, db *sql.DB, d dialect) (r trackedReads, err error) {
	r.message, err = db.PrepareContext(ctx, trackedText+"= $2")
	if err != nil {
		return r, fmt.Errorf("prepare tracking: %w", err)
	}
	r.recipients, err = db.PrepareContext(ctx, recipientsText+"id > $2 AND id <= $3 ORDER BY id")
	if err != nil {
		return r, errors.Join(fmt.Errorf("prepare tracking: %w", err), r.close())
	}
	r.trails = map[int]*sql.Stmt{}
	for size := 1; size <= trailGroup; size *= 4 {
		list, _ := inList(d, 2, make([]message.ID, size))
		if r.trails[size], err = db.PrepareContext(ctx, trailsText(d, list)); err != nil { //nolint:sqlclosecheck // kept until close
			delete(r.trails, size)
			return r, errors.Join(fmt.Errorf("prepare tracking: %w", err), r.close())
		}
	}
	return r, nil
}

func (r trackedReads) close() error {
	var errs []error
	for _, stmt := range append(slices.Collect(maps.Values(r.trails)), r.message, r.recipients) {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

// Tracked implements tracking.ActivityStore.
func (s *Store) Tracked(ctx context.Context, t tenant.ID, m message.ID) (tracking.Tracked, error) {
	v := tracking.Tracked{Tenant: t, Message: m}
	err := s.tracked.message.QueryRowContext(ctx, t[:], m[:]).
		Scan(&v.Decision.Level, &v.Decision.Rule, &v.Recipients, document{&v.Links}, &v.Stream, &v.Sender)
	if err != nil {
		return v, fmt.Errorf("read tracking of message: %w", s.refusal(missing(err, "message_untracked")))
	}
	return v, nil
}

// Recipients implements tracking.ActivityStore.
func (s *Store) Recipients(ctx context.Context, t tenant.ID, m message.ID) ([]tracking.Recipient, error) {
	var list []tracking.Recipient
	top := message.Delivery(m, message.MaxRecipients)
	rows, err := s.tracked.recipients.QueryContext(ctx, t[:], m[:], top[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		v, err := readRecipient(row)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list recipients: %w", s.refusal(err))
	}
	return list, nil
}
