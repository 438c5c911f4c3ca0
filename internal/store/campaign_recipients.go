package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// TakeRecipients implements campaign.Store.
func (s *Store) TakeRecipients(ctx context.Context, c campaign.Campaign, list []campaign.Recipient) (fresh []audience.ContactID, ok bool, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		fresh, ok = nil, false
		var after any
		if !c.After.IsZero() {
			after = c.After[:]
		}
		res, err := tx.ExecContext(ctx, `UPDATE campaigns SET groups_at = $4, after = $5, listed = $6, wave_at = $7, step = step + 1
			WHERE tenant = $1 AND id = $2 AND step = $3 AND state = 'sending'`, c.Tenant[:], c.ID[:], c.Step, c.At, after, flag(c.Listed), optional(c.WaveAt))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		ok = true
		var total, excluded int64
		added, err := s.insertRecipients(ctx, tx, c, list)
		if err != nil {
			return err
		}
		total += int64(len(added))
		for _, r := range list {
			switch {
			case !added[r.Contact]:
			case r.State == campaign.Excluded:
				excluded++
			default:
				fresh = append(fresh, r.Contact)
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE campaigns SET total = total + $3, excluded = excluded + $4 WHERE tenant = $1 AND id = $2", c.Tenant[:], c.ID[:], total, excluded)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("take recipients: %w", err)
	}
	s.pass(afterRecipientsBeforeMail)
	return fresh, ok, nil
}

// recipientWidth is how many columns of campaign_recipients a row has of its own.
const recipientWidth = 9

// insertRecipients returns who was not there before.
func (s *Store) insertRecipients(ctx context.Context, tx *sql.Tx, c campaign.Campaign, list []campaign.Recipient) (map[audience.ContactID]bool, error) {
	added := make(map[audience.ContactID]bool, len(list))
	for len(list) > 0 {
		n := chunk(len(list))
		args := append(make([]any, 0, 2+recipientWidth*n), c.Tenant[:], c.ID[:])
		for i := range list[:n] {
			r := &list[i]
			var delivery any
			if !r.Delivery.IsZero() {
				delivery = r.Delivery[:]
			}
			args = append(args, r.Contact[:], r.Group[:], delivery, string(r.State), r.Reason, millis(r.At), string(r.Version), r.Provider, plain(r.Zone))
		}
		rows, err := s.texts.query(ctx, tx, s.texts.recipients.texts[n], args...)
		err = scan(rows, err, func(row *sql.Rows) error {
			var p audience.ContactID
			err := row.Scan(&p)
			added[p] = true
			return err
		})
		if err != nil {
			return nil, err
		}
		list = list[n:]
	}
	return added, nil
}

// answerText writes down what became of recipients who waited; whose follows. answerOnlyText
// leaves their time as it is, and with it the index by contact and time.
const (
	answerText = `UPDATE campaign_recipients SET state = $3, reason = $4, at = $5
		WHERE tenant = $1 AND campaign = $2 AND state = 'waiting' AND contact `
	answerOnlyText = `UPDATE campaign_recipients SET state = $3, reason = $4
		WHERE tenant = $1 AND campaign = $2 AND state = 'waiting' AND contact `
)

// SettleRecipients implements campaign.Store.
func (s *Store) SettleRecipients(ctx context.Context, t tenant.ID, c campaign.ID, list []campaign.Recipient) error {
	s.pass(afterMailBeforeAnswers)
	type answer struct {
		state  campaign.RecipientState
		reason string
		at     int64
	}
	same := map[answer][]audience.ContactID{}
	for _, r := range list {
		a := answer{r.State, r.Reason, millis(r.At)}
		same[a] = append(same[a], r.Contact)
	}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var accepted, excluded int64
		for a, people := range same {
			for part := range slices.Chunk(people, askedMax) {
				contacts := make([]any, len(part))
				for i := range part {
					contacts[i] = part[i][:]
				}
				texts, args := s.texts.answersOnly, []any{t[:], c[:], string(a.state), a.reason}
				if a.at != 0 {
					texts, args = s.texts.answers, append(args, a.at)
				}
				res, err := s.texts.exec(ctx, tx, texts[askedSize(len(part))], filled(args, contacts)...)
				if err != nil {
					return err
				}
				n, err := res.RowsAffected()
				if err != nil {
					return err
				}
				if a.state == campaign.Accepted {
					accepted += n
				} else {
					excluded += n
				}
			}
		}
		_, err := tx.ExecContext(ctx, "UPDATE campaigns SET accepted = accepted + $3, excluded = excluded + $4 WHERE tenant = $1 AND id = $2", t[:], c[:], accepted, excluded)
		return err
	})
	if err != nil {
		return fmt.Errorf("settle recipients: %w", err)
	}
	return nil
}

// WaitingRecipients implements campaign.Store.
func (s *Store) WaitingRecipients(ctx context.Context, t tenant.ID, c campaign.ID, provider string, limit int) (list []campaign.Recipient, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT r.contact, r.grp, r.delivery, r.state, r.reason, r.at, r.version, r.provider, CASE WHEN d.id IS NULL THEN 0 ELSE 1 END
		FROM campaign_recipients r LEFT JOIN deliveries d ON d.tenant = r.tenant AND d.id = r.delivery
		WHERE r.tenant = $1 AND r.campaign = $2 AND r.state = 'waiting' AND r.provider = $4 ORDER BY r.contact LIMIT $3`, t[:], c[:], limit, provider)
	err = scan(rows, err, func(row *sql.Rows) error {
		var r campaign.Recipient
		err := row.Scan(&r.Contact, &r.Group, &r.Delivery, &r.State, &r.Reason, instant{&r.At}, &r.Version, &r.Provider, truth{&r.Known})
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list recipients that wait: %w", s.refusal(err))
	}
	return list, nil
}

// RecentCampaigns implements campaign.Store.
func (s *Store) RecentCampaigns(ctx context.Context, t tenant.ID, list []audience.ContactID, since time.Time) (map[audience.ContactID]int, error) {
	got := map[audience.ContactID]int{}
	for part := range slices.Chunk(list, inListMax) {
		in, args := inList(s.dialect, 3, part)
		for _, from := range []string{
			"campaign_recipients WHERE tenant = $1 AND at >= $2 AND state <> 'excluded'",
			"series_deeds WHERE tenant = $1 AND at >= $2 AND outcome IN ('waiting', 'sent')",
		} {
			//nolint:gosec // G202: constants and placeholders only
			rows, err := s.read.QueryContext(ctx, "SELECT contact, count(*) FROM "+from+" AND contact "+in+" GROUP BY contact", append([]any{t[:], millis(since)}, args...)...)
			err = scan(rows, err, func(row *sql.Rows) error {
				var p audience.ContactID
				var n int
				err := row.Scan(&p, &n)
				got[p] += n
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("count campaigns of contacts: %w", s.refusal(err))
			}
		}
	}
	return got, nil
}

// CampaignLines implements campaign.Store.
func (s *Store) CampaignLines(ctx context.Context, t tenant.ID, c campaign.ID, f campaign.LineFilter) (list []campaign.Line, more bool, err error) {
	where, args := "", []any{t[:], c[:], f.Limit + 1}
	and := func(text string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(" AND "+text, len(args))
	}
	switch f.Fate {
	case "":
	case string(campaign.Excluded):
		where = " AND r.state = 'excluded'"
	case string(campaign.Waiting):
		where = " AND r.state = 'waiting'"
	default:
		and("d.state = $%d", f.Fate)
	}
	if !f.After.IsZero() {
		and("r.contact > $%d", f.After[:])
	}
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, `SELECT r.contact, r.grp, r.delivery, r.state, r.reason, r.at, d.recipient, d.local, d.state, d.reason, d.marks, d.updated_at, d.attempts,
		c.addresses FROM campaign_recipients r LEFT JOIN deliveries d ON d.tenant = r.tenant AND d.id = r.delivery LEFT JOIN contacts c ON c.tenant = r.tenant AND c.id = r.contact
		WHERE r.tenant = $1 AND r.campaign = $2`+where+" ORDER BY r.contact LIMIT $3", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		l, err := readLine(row)
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list recipients: %w", s.refusal(err))
	}
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	return list, more, nil
}

// readLine reads a recipient beside its delivery and contact, each of which may be gone.
func readLine(row scanner) (l campaign.Line, err error) {
	var delivery []byte
	var recipient, local, fate, why sql.NullString
	var marks, attempts sql.NullInt64
	var boxes [][2]string
	err = row.Scan(&l.Contact, &l.Group, &delivery, &l.State, &l.Reason, instant{&l.At}, &recipient, &local, &fate, &why, &marks, instant{&l.Updated}, &attempts,
		document{&boxes})
	copy(l.Delivery[:], delivery)
	l.Fate, l.FateWhy, l.Marks, l.Attempts = event.State(fate.String), why.String, marksOf(marks.Int64), int(attempts.Int64)
	switch {
	case recipient.String != "":
		l.Address = recipientOf(recipient.String, local)
	case len(boxes) > 0 && !recipient.Valid:
		l.Address = message.Address{Local: boxes[0][0], Domain: boxes[0][1]}
	}
	return l, err
}
