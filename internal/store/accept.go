package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Accept implements ingest.Store. Beyond its contract: an acceptance under an
// epoch that was declared dead is Unavailable wrapping queue.ErrFenced, because
// nobody would ever attempt it; a message ID that is there already is Conflict
// "message_exists". A quota counts by the UTC day of the message's id.
func (s *Store) Accept(ctx context.Context, a *ingest.Acceptance) error {
	w, err := newAcceptance(a)
	if err != nil {
		return err
	}
	return s.commits.submit(ctx, w)
}

// AcceptAll implements ingest.Store. All of it waits for the committer at once.
func (s *Store) AcceptAll(ctx context.Context, list []*ingest.Acceptance) []error {
	errs := make([]error, len(list))
	waiting := make([]*work, len(list))
	for i, a := range list {
		w, err := newAcceptance(a)
		if err == nil {
			err = s.commits.hand(ctx, w)
		}
		if errs[i] = err; err == nil {
			waiting[i] = w
		}
	}
	for i, w := range waiting {
		if w != nil {
			errs[i] = s.commits.await(ctx, w)
		}
	}
	return errs
}

func newAcceptance(a *ingest.Acceptance) (*work, error) {
	if a.Message.Tenant.IsZero() || len(a.Deliveries) == 0 || len(a.Deliveries) > message.MaxRecipients {
		return nil, fmt.Errorf("accept %s: no tenant, or %d deliveries", a.Message.ID, len(a.Deliveries))
	}
	a.Ref = spool.Ref{} // of an earlier call that failed
	return &work{accept: a}, nil
}

// writeAcceptances stores all that is not refused. A refusal is left in the work. The
// bodies are durable once the function it returns has returned nil; it is never nil.
func (s *Store) writeAcceptances(ctx context.Context, tx *sql.Tx, group []*work, events *eventRows) (durable func() error, err error) {
	if len(group) == 0 {
		return noWait, nil
	}
	if err := s.refuseFenced(ctx, tx, group); err != nil {
		return noWait, err
	}
	left, err := s.allowances(ctx, tx, group)
	if err != nil {
		return noWait, fmt.Errorf("quotas: %w", err)
	}
	if err := s.claimIdempotency(ctx, tx, group, left); err != nil {
		return noWait, err
	}
	left.takeRest(group)
	if err := s.writeCharges(ctx, tx, left.plans); err != nil {
		return noWait, fmt.Errorf("charge plans: %w", err)
	}
	var list []*ingest.Acceptance
	for _, w := range group {
		if w.err == nil {
			list = append(list, w.accept)
		}
	}
	if len(list) == 0 {
		return noWait, nil
	}
	durable, err = s.archive.put(ctx, tx, list)
	if err != nil {
		return durable, fmt.Errorf("bodies: %w", s.taken(err, "message_exists", "This message was accepted before."))
	}
	s.pass(afterBodyBeforeRows)
	return durable, s.writeMessages(ctx, tx, list, events)
}

// writeMessages inserts the rows of acceptances.
func (s *Store) writeMessages(ctx context.Context, tx *sql.Tx, list []*ingest.Acceptance, events *eventRows) error {
	var messages, tags, references, deliveries, due []any
	for _, a := range list {
		messages = appendMessage(messages, a)
		for _, tag := range a.Message.Tags {
			tags = append(tags, a.Message.Tenant[:], plain(tag), a.Message.ID[:])
		}
		for _, value := range referencesOf(a.Message.Metadata) {
			references = append(references, a.Message.Tenant[:], value, a.Message.ID[:])
		}
		deliveries = appendDeliveries(deliveries, a)
		for i := range a.Deliveries {
			due = appendReportDue(due, &a.Message.Tenant, &a.Deliveries[i].ID, &a.Deliveries[i].Report)
		}
		for i := range a.Events {
			events.add(a.Message.Tenant, &a.Events[i])
		}
	}
	if err := s.texts.messages.insert(ctx, s.texts, tx, messages); err != nil {
		return s.taken(err, "message_exists", "This message was accepted before.")
	}
	if err := s.texts.tags.insert(ctx, s.texts, tx, tags); err != nil {
		return err
	}
	if err := s.texts.references.insert(ctx, s.texts, tx, references); err != nil {
		return err
	}
	if err := s.texts.deliveries.insert(ctx, s.texts, tx, deliveries); err != nil {
		return err
	}
	if err := s.texts.reports.insert(ctx, s.texts, tx, due); err != nil {
		return err
	}
	if err := s.texts.tracked.insert(ctx, s.texts, tx, trackedRows(list)); err != nil {
		return err
	}
	return s.texts.usage.insert(ctx, s.texts, tx, usageRows(list))
}

// refuseFenced refuses what was accepted for an epoch that is not alive.
func (s *Store) refuseFenced(ctx context.Context, tx *sql.Tx, group []*work) error {
	alive := map[queue.Epoch]bool{0: true}
	for _, w := range group {
		e := w.accept.Epoch
		ok, known := alive[e]
		if !known {
			//nolint:sqlclosecheck // the statement is kept for the store's life
			err := s.texts.in(ctx, tx, aliveText(s.dialect)).QueryRowContext(ctx, int64(e)).Scan(truth{&ok})
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			alive[e] = ok
		}
		if !ok {
			w.err = &fault.Error{Kind: fault.Unavailable, Code: "node_fenced",
				Detail: "This node was declared dead.", Err: queue.ErrFenced}
		}
	}
	return nil
}

func aliveText(d dialect) string { return "SELECT alive FROM epochs WHERE epoch = $1" + d.shareRow() }

const idempotencyInsert = `INSERT INTO idempotency (tenant, key, hash, message, expires_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (tenant, key) DO UPDATE SET hash = excluded.hash, message = excluded.message, expires_at = excluded.expires_at
	WHERE idempotency.expires_at <= $6`

// claimIdempotency takes the keys of a group and refuses those that are in use:
// the insert itself is the test, so that two nodes cannot both pass it. Keys are
// taken in one order, lest two nodes wait for each other.
//
// What is claimed is within its tenant's quota: a refused message leaves no key.
func (s *Store) claimIdempotency(ctx context.Context, tx *sql.Tx, group []*work, left allowances) error {
	var keyed []*work
	for _, w := range group {
		if w.err == nil && w.accept.Idempotency != nil {
			keyed = append(keyed, w)
		}
	}
	slices.SortStableFunc(keyed, func(a, b *work) int {
		return cmp.Or(slices.Compare(a.accept.Message.Tenant[:], b.accept.Message.Tenant[:]),
			strings.Compare(a.accept.Idempotency.Key, b.accept.Idempotency.Key))
	})
	now := s.cfg.Now()
	for _, w := range keyed {
		if !left.take(w) {
			continue
		}
		m, k := &w.accept.Message, w.accept.Idempotency
		res, err := s.texts.exec(ctx, tx, idempotencyInsert, m.Tenant[:], plain(k.Key), k.Hash[:], m.ID[:], millis(k.ExpiresAt), millis(now))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n > 0 {
			continue
		}
		used, err := replay(ctx, tx, m.Tenant, k.Key, now)
		if err != nil {
			return err
		}
		if used == nil {
			return fmt.Errorf("idempotency key of %s vanished", m.ID)
		}
		left.giveBack(w)
		w.err = used
	}
	return nil
}

const messageInsertColumns = `tenant, id, stream, actor, door, sender, from_box, to_boxes, subject, message_id, sign_domain,
	size, salt, eight_bit, utf8, digests, tags, metadata, recipients, accepted_at, send_at, expires_at,
	body_day, body_segment, body_offset, body_length, tls, ret, envelope_id`

func appendMessage(args []any, a *ingest.Acceptance) []any {
	m := &a.Message
	var foreign any
	if m.MessageID != ownMessageID(m.ID, m.SignDomain) {
		foreign = plain(m.MessageID)
	}
	return append(args, m.Tenant[:], m.ID[:], string(m.Stream), m.Actor, m.Door, plain(m.Sender), boxJSON(m.From), boxesJSON(m.To),
		plain(m.Subject), foreign, m.SignDomain, m.Size, m.Salt[:], flag(m.EightBit), flag(m.UTF8),
		orNull(len(m.Digests), m.Digests), orNull(len(m.Tags), m.Tags), orNull(len(m.Metadata), m.Metadata),
		len(a.Deliveries), millis(m.AcceptedAt), optional(m.SendAt), millis(m.ExpiresAt),
		int64(a.Ref.Day), int64(a.Ref.Segment), a.Ref.Offset, int64(a.Ref.Length), int64(m.TLS),
		textOrNull(string(m.Return)), textOrNull(m.EnvelopeID))
}

// ownMessageID is the Message-ID that we give and that therefore is not stored.
func ownMessageID(m message.ID, domain string) string { return m.String() + "@" + domain }

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orNull(n int, v any) any {
	if n == 0 {
		return nil
	}
	return asJSON(v)
}

// box is a mailbox as it is kept: [name, local part, domain].
type box [3]string

func boxOf(m message.Mailbox) box { return box{m.Name, m.Local, m.Domain} }

func boxesOf(list []message.Mailbox) []box {
	boxes := make([]box, len(list))
	for i, m := range list {
		boxes[i] = boxOf(m)
	}
	return boxes
}

// boxJSON and boxesJSON are the JSON of mailboxes. That in which nothing need be escaped is
// written without the general way: each message has two.
func boxJSON(m message.Mailbox) string {
	if text, ok := appendBox(nil, m); ok {
		return string(text)
	}
	return asJSON(boxOf(m))
}

func boxesJSON(list []message.Mailbox) string {
	text := []byte("[")
	for i, m := range list {
		if i > 0 {
			text = append(text, ',')
		}
		var ok bool
		if text, ok = appendBox(text, m); !ok {
			return asJSON(boxesOf(list))
		}
	}
	return string(append(text, ']'))
}

// appendBox is false for a mailbox in which something need be escaped.
func appendBox(b []byte, m message.Mailbox) ([]byte, bool) {
	if !bare(m.Name) || !bare(m.Local) || !bare(m.Domain) {
		return nil, false
	}
	b = append(append(b, `["`...), m.Name...)
	b = append(append(b, `","`...), m.Local...)
	b = append(append(b, `","`...), m.Domain...)
	return append(b, `"]`...), true
}

// UnmarshalJSON implements json.Unmarshaler, strictly three strings.
func (b *box) UnmarshalJSON(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	if len(list) != len(b) {
		return fmt.Errorf("mailbox of %d parts", len(list))
	}
	copy(b[:], list)
	return nil
}

func (b box) mailbox() message.Mailbox {
	return message.Mailbox{Name: b[0], Address: message.Address{Local: b[1], Domain: b[2]}}
}

const deliveryInsertColumns = `tenant, id, recipient, local, hidden, state, reason, host, attempts, owner, urgency,
	due_at, expires_at, updated_at, signature, notify, original`

func appendDeliveries(args []any, a *ingest.Acceptance) []any {
	m := &a.Message
	urgency := m.Stream.Urgency()
	for i := range a.Deliveries {
		d := &a.Deliveries[i]
		owner := int64(0)
		if d.State == event.Queued {
			owner = int64(a.Epoch)
		}
		canonical, local := splitRecipient(d.Recipient)
		args = append(args, m.Tenant[:], d.ID[:], canonical, local, flag(d.Hidden), string(d.State), d.Reason, "", 0, owner,
			urgency, millis(d.DueAt), millis(m.ExpiresAt), millis(m.AcceptedAt), nil, notifyOrNull(d.Notify), textOrNull(d.Original.String()))
	}
	return args
}

func notifyOrNull(n message.Notify) any {
	if n == 0 {
		return nil
	}
	return int64(n)
}

// canonicalAddress is how addresses are compared: in lower case. Case in a local
// part may matter to its server (RFC 5321, 2.4) and is kept beside it.
func canonicalAddress(a message.Address) string {
	return plain(strings.ToLower(a.Local) + "@" + strings.ToLower(a.Domain))
}

func splitRecipient(a message.Address) (canonical string, local any) {
	if strings.ToLower(a.Local) != a.Local {
		local = plain(a.Local)
	}
	return canonicalAddress(a), local
}

// recipientOf puts together what splitRecipient took apart.
func recipientOf(canonical string, local sql.NullString) message.Address {
	at := strings.LastIndexByte(canonical, '@')
	a := message.Address{Local: canonical[:max(at, 0)], Domain: canonical[at+1:]}
	if local.Valid {
		a.Local = local.String
	}
	return a
}

const millisPerHour = int64(time.Hour / time.Millisecond)

// usageRows sums the deliveries of a group by tenant and hour, in key order.
func usageRows(list []*ingest.Acceptance) []any {
	type key struct {
		tenant tenant.ID
		hour   int64
	}
	sums := map[key]int{}
	for _, a := range list {
		sums[key{a.Message.Tenant, a.Message.ID.Time().UnixMilli() / millisPerHour}] += len(a.Deliveries)
	}
	keys := make([]key, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(slices.Compare(a.tenant[:], b.tenant[:]), cmp.Compare(a.hour, b.hour))
	})
	args := make([]any, 0, 3*len(keys))
	for i := range keys {
		args = append(args, keys[i].tenant[:], keys[i].hour, sums[keys[i]])
	}
	return args
}

// Replay implements ingest.Store.
func (s *Store) Replay(ctx context.Context, t tenant.ID, key string, now time.Time) (*ingest.Replay, error) {
	r, err := replay(ctx, s.read, t, key, now)
	if err == nil && r != nil {
		err = s.flushed() // whoever is told that it is stored relies on it
	}
	if err != nil {
		return nil, fmt.Errorf("look up idempotency key: %w", s.refusal(err))
	}
	return r, nil
}

func replay(ctx context.Context, q querier, t tenant.ID, key string, now time.Time) (*ingest.Replay, error) {
	var r ingest.Replay
	err := q.QueryRowContext(ctx, "SELECT hash, message FROM idempotency WHERE tenant = $1 AND key = $2 AND expires_at > $3",
		t[:], plain(key), millis(now)).Scan(bytes32{&r.Hash}, &r.Message)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// Usage returns how many deliveries the tenant had accepted on the UTC day of now, by
// the time in the messages' ids.
func (s *Store) Usage(ctx context.Context, t tenant.ID, now time.Time) (int64, error) {
	day := now.UTC().Truncate(24 * time.Hour)
	n, err := hourSum(ctx, s.read, t, day, day.Add(24*time.Hour))
	if err != nil {
		return 0, fmt.Errorf("read usage: %w", s.refusal(err))
	}
	return n, nil
}

// hourSum counts the deliveries accepted in the whole hours of [from, to).
func hourSum(ctx context.Context, q querier, t tenant.ID, from, to time.Time) (int64, error) {
	var n int64
	err := q.QueryRowContext(ctx, "SELECT CAST(COALESCE(SUM(deliveries), 0) AS BIGINT) FROM usage WHERE tenant = $1 AND hour >= $2 AND hour < $3",
		t[:], millis(from)/millisPerHour, millis(to)/millisPerHour).Scan(&n)
	return n, err
}
