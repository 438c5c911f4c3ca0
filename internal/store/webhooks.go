package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

var _ webhook.Store = (*Store)(nil)

// hookedTenants are those for which commits leave notes, with what of.
type hookedTenants map[tenant.ID]webhook.Wanted

// hookFact is one fact in a note.
type hookFact struct {
	Message message.ID `json:"m,omitzero"`
	Event   event.ID   `json:"e"`
	Type    event.Type `json:"t,omitempty"`
	At      int64      `json:"a"`
	// Deed is the type of a fact of the account; Message is zero then.
	Deed webhook.Type `json:"d,omitempty"`
}

// told is the type that a fact is told as and where it is found.
func (f hookFact) told() (webhook.Type, webhook.Origin) {
	if f.Deed != "" {
		return f.Deed, webhook.OfAccount
	}
	return webhook.TypeOf(f.Type), webhook.OfEvent
}

// hookNotes gathers what one transaction has to tell. The zero value gathers nothing.
type hookNotes struct {
	hooked hookedTenants
	facts  map[tenant.ID][]hookFact
}

func (s *Store) newHookNotes() hookNotes {
	if hooked := s.hooked.Load(); hooked != nil {
		return hookNotes{hooked: *hooked}
	}
	return hookNotes{}
}

func (n *hookNotes) add(t tenant.ID, e *event.Event) {
	if told := webhook.TypeOf(e.Type); told == "" || !n.hooked[t].Has(told) {
		return
	}
	if n.facts == nil {
		n.facts = map[tenant.ID][]hookFact{}
	}
	n.facts[t] = append(n.facts[t], hookFact{Message: e.Message, Event: e.ID, Type: e.Type, At: millis(e.At)})
}

// insert leaves one row for each tenant that has an endpoint, whatever the number of
// facts; as a rule there is none.
func (n *hookNotes) insert(ctx context.Context, st *statements, tx *sql.Tx) error {
	if len(n.facts) == 0 {
		return nil
	}
	var args []any
	for t, facts := range n.facts {
		args = append(args, t[:], facts[0].Event[:], asJSON(facts))
	}
	return st.hooks.insert(ctx, st, tx, args)
}

// noteHooks is for facts that are not written by eventRows.
func (s *Store) noteHooks(ctx context.Context, tx *sql.Tx, t tenant.ID, facts []event.Event) error {
	notes := s.newHookNotes()
	for i := range facts {
		notes.add(t, &facts[i])
	}
	return notes.insert(ctx, s.texts, tx)
}

const webhookColumns = "tenant, id, name, types, state, sealed, created_at, created_by, failing_since, failures, rests_until, off_at"

func readWebhook(row scanner) (e webhook.Endpoint, err error) {
	err = row.Scan(&e.Tenant, &e.ID, &e.Name, document{&e.Types}, &e.State, &e.Sealed, instant{&e.CreatedAt}, &e.CreatedBy,
		instant{&e.FailingSince}, &e.Failures, instant{&e.RestsUntil}, instant{&e.OffAt})
	return e, err
}

func webhookRows(rows *sql.Rows, err error) (list []webhook.Endpoint, _ error) {
	return list, scan(rows, err, func(row *sql.Rows) error {
		e, err := readWebhook(row)
		list = append(list, e)
		return err
	})
}

// AddWebhook implements webhook.Store.
func (s *Store) AddWebhook(ctx context.Context, e webhook.Endpoint, limit int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM webhooks WHERE tenant = $1", e.Tenant[:]).Scan(&n); err != nil {
			return err
		}
		if n >= limit {
			return fault.New(fault.Conflict, "webhooks_full", "The account has as many webhooks as it can have.")
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO webhooks ("+webhookColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
			e.Tenant[:], e.ID[:], plain(e.Name), asJSON(e.Types), string(e.State), e.Sealed, millis(e.CreatedAt), e.CreatedBy,
			optional(e.FailingSince), e.Failures, millis(e.RestsUntil), optional(e.OffAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("add webhook: %w", err)
	}
	return nil
}

// Webhooks implements webhook.Store.
func (s *Store) Webhooks(ctx context.Context, t tenant.ID) ([]webhook.Endpoint, error) {
	list, err := webhookRows(s.read.QueryContext(ctx, "SELECT "+webhookColumns+" FROM webhooks WHERE tenant = $1 ORDER BY id", t[:]))
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", s.refusal(err))
	}
	return list, nil
}

// Webhook implements webhook.Store.
func (s *Store) Webhook(ctx context.Context, t tenant.ID, w webhook.ID) (webhook.Endpoint, error) {
	e, err := readWebhook(s.read.QueryRowContext(ctx, "SELECT "+webhookColumns+" FROM webhooks WHERE tenant = $1 AND id = $2", t[:], w[:]))
	if err != nil {
		return webhook.Endpoint{}, fmt.Errorf("read webhook: %w", s.refusal(missing(err, "webhook_not_found")))
	}
	return e, nil
}

// ChangeWebhook implements webhook.Store. Calls to one that is turned off are dropped with
// the others, see DropCalls.
func (s *Store) ChangeWebhook(ctx context.Context, e webhook.Endpoint) error {
	err := s.change1(ctx, "webhook_not_found", `UPDATE webhooks SET name = $3, types = $4, state = $5, sealed = $6, failing_since = $7, failures = $8,
		rests_until = $9, off_at = $10 WHERE tenant = $1 AND id = $2`,
		e.Tenant[:], e.ID[:], plain(e.Name), asJSON(e.Types), string(e.State), e.Sealed, optional(e.FailingSince), e.Failures,
		millis(e.RestsUntil), optional(e.OffAt))
	if err != nil {
		return fmt.Errorf("change webhook: %w", err)
	}
	return nil
}

// RemoveWebhook implements webhook.Store.
func (s *Store) RemoveWebhook(ctx context.Context, t tenant.ID, w webhook.ID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM webhooks WHERE tenant = $1 AND id = $2", t[:], w[:])
		if err := touched(res, err, "webhook_not_found"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM webhook_calls WHERE tenant = $1 AND endpoint = $2", t[:], w[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("remove webhook: %w", err)
	}
	return nil
}

// NoteHealth implements webhook.Store.
func (s *Store) NoteHealth(ctx context.Context, e webhook.Endpoint) error {
	if _, err := s.write.ExecContext(ctx, `UPDATE webhooks SET failing_since = $3, failures = $4, rests_until = $5, state = $6, off_at = $7
		WHERE tenant = $1 AND id = $2 AND state = 'active'`,
		e.Tenant[:], e.ID[:], optional(e.FailingSince), e.Failures, millis(e.RestsUntil), string(e.State), optional(e.OffAt)); err != nil {
		return fmt.Errorf("note health of webhook: %w", s.refusal(err))
	}
	return nil
}

// FollowWebhooks implements webhook.Store.
func (s *Store) FollowWebhooks(ctx context.Context) error {
	list, err := webhookRows(s.read.QueryContext(ctx, "SELECT "+webhookColumns+" FROM webhooks WHERE state = 'active' ORDER BY tenant, id"))
	if err != nil {
		return fmt.Errorf("follow webhooks: %w", s.refusal(err))
	}
	hooked := hookedTenants{}
	for i := range list {
		wanted := hooked[list[i].Tenant]
		wanted.Add(list[i].Types)
		hooked[list[i].Tenant] = wanted
	}
	s.hooked.Store(&hooked)
	return nil
}

// FoldFacts implements webhook.Store, tenant by tenant as FoldTallies does.
func (s *Store) FoldFacts(ctx context.Context, limit int) (int, error) {
	tenants, err := tenantsOf(ctx, s.read, "SELECT d.tenant FROM webhook_notes d GROUP BY d.tenant ORDER BY d.tenant LIMIT $1", foldTenants)
	sum := 0
	for i := 0; err == nil && i < len(tenants); i++ {
		var n int
		n, err = s.foldFacts(ctx, tenants[i], limit)
		sum = max(sum, n)
	}
	if err != nil {
		return sum, fmt.Errorf("fold facts: %w", s.refusal(err))
	}
	return sum, nil
}

// foldFacts takes notes of one tenant. Removing them and keeping the calls is one
// transaction, and notes that another node is taking are left to it.
func (s *Store) foldFacts(ctx context.Context, t tenant.ID, limit int) (taken int, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		var ids []event.ID
		var facts []hookFact
		//nolint:gosec // G202: constants of the dialect and placeholders only
		rows, err := tx.QueryContext(ctx, "SELECT d.id, d.facts FROM webhook_notes d WHERE d.tenant = $1 ORDER BY d.id LIMIT $2"+s.dialect.lockRows(true), t[:], limit)
		err = scan(rows, err, func(row *sql.Rows) error {
			var id event.ID
			var part []hookFact
			err := row.Scan(&id, document{&part})
			ids, facts = append(ids, id), append(facts, part...)
			return err
		})
		if taken = len(ids); err != nil || taken == 0 {
			return err
		}
		for part := range slices.Chunk(ids, inListMax) {
			in, args := inList(s.dialect, 2, part)
			//nolint:gosec // G202: placeholders only
			if _, err := tx.ExecContext(ctx, "DELETE FROM webhook_notes WHERE tenant = $1 AND id "+in, append([]any{t[:]}, args...)...); err != nil {
				return err
			}
		}
		endpoints, err := webhookRows(tx.QueryContext(ctx, "SELECT "+webhookColumns+" FROM webhooks WHERE tenant = $1 ORDER BY id", t[:]))
		if err != nil {
			return err
		}
		return s.insertCalls(ctx, tx, callsOf(endpoints, facts))
	})
	return taken, err
}

// callsOf are the calls that facts make, each due from the moment of its fact.
func callsOf(endpoints []webhook.Endpoint, facts []hookFact) (list []webhook.Call) {
	for _, f := range facts {
		at := time.UnixMilli(f.At).UTC()
		told, origin := f.told()
		for i := range endpoints {
			if e := &endpoints[i]; told != "" && e.Wants(told) && !at.Before(e.CreatedAt) {
				list = append(list, webhook.Call{Tenant: e.Tenant, Endpoint: e.ID, ID: webhook.CallOf(f.Event), Type: told, Origin: origin,
					Message: f.Message, At: at, State: webhook.Due, DueAt: at})
			}
		}
	}
	return list
}

const callColumns = "tenant, endpoint, id, type, origin, message, at, state, attempts, due_at, tried_at, code, failure, took"

func (s *Store) insertCalls(ctx context.Context, tx *sql.Tx, list []webhook.Call) error {
	var args []any
	for i := range list {
		c := &list[i]
		args = append(args, c.Tenant[:], c.Endpoint[:], c.ID[:], string(c.Type), string(c.Origin), c.Message[:], millis(c.At), string(c.State),
			c.Attempts, optional(c.DueAt), optional(c.TriedAt), c.Code, string(c.Failure), int64(c.Took))
	}
	return s.texts.calls.insert(ctx, s.texts, tx, args)
}

// AddCalls implements webhook.Store.
func (s *Store) AddCalls(ctx context.Context, list []webhook.Call) error {
	if len(list) == 0 {
		return nil
	}
	if err := s.transact(ctx, func(tx *sql.Tx) error { return s.insertCalls(ctx, tx, list) }); err != nil {
		return fmt.Errorf("add calls: %w", err)
	}
	return nil
}

// DueEndpoints implements webhook.Store. It looks into the calls endpoint by endpoint, so
// that each look is one shard's; where nobody has a webhook, there is none.
func (s *Store) DueEndpoints(ctx context.Context, now time.Time, limit int) (list []webhook.Endpoint, err error) {
	all, err := webhookRows(s.read.QueryContext(ctx, "SELECT "+webhookColumns+" FROM webhooks WHERE state = 'active' AND rests_until <= $1 ORDER BY tenant, id", millis(now)))
	for i := 0; err == nil && i < len(all) && len(list) < limit; i++ {
		var due int
		err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM webhook_calls WHERE tenant = $1 AND endpoint = $2 AND due_at <= $3 LIMIT 1) AS due`,
			all[i].Tenant[:], all[i].ID[:], millis(now)).Scan(&due)
		if due > 0 {
			list = append(list, all[i])
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find due webhooks: %w", s.refusal(err))
	}
	return list, nil
}

func readCall(row scanner) (c webhook.Call, err error) {
	var took int64
	err = row.Scan(&c.Tenant, &c.Endpoint, &c.ID, &c.Type, &c.Origin, &c.Message, instant{&c.At}, &c.State, &c.Attempts, instant{&c.DueAt},
		instant{&c.TriedAt}, &c.Code, &c.Failure, &took)
	c.Took = time.Duration(took)
	return c, err
}

func callRows(rows *sql.Rows, err error) (list []webhook.Call, _ error) {
	return list, scan(rows, err, func(row *sql.Rows) error {
		c, err := readCall(row)
		list = append(list, c)
		return err
	})
}

// ClaimCalls implements webhook.Store. The lease of a claim is its new due time.
func (s *Store) ClaimCalls(ctx context.Context, t tenant.ID, w webhook.ID, now time.Time, lease time.Duration, limit int) (list []webhook.Call, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		list, err = callRows(tx.QueryContext(ctx, "SELECT "+callColumns+` FROM webhook_calls d WHERE d.tenant = $1 AND d.endpoint = $2 AND d.due_at <= $3
			ORDER BY d.due_at LIMIT $4`+s.dialect.lockRows(true), t[:], w[:], millis(now), limit))
		if err != nil || len(list) == 0 {
			return err
		}
		ids := make([]webhook.CallID, 0, len(list))
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		in, args := inList(s.dialect, 4, ids)
		//nolint:gosec // G202: placeholders only
		_, err := tx.ExecContext(ctx, "UPDATE webhook_calls SET due_at = $3 WHERE tenant = $1 AND endpoint = $2 AND id "+in,
			append([]any{t[:], w[:], millis(now.Add(lease))}, args...)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim calls: %w", err)
	}
	return list, nil
}

// SettleCall implements webhook.Store.
func (s *Store) SettleCall(ctx context.Context, c webhook.Call) error {
	if _, err := s.write.ExecContext(ctx, `UPDATE webhook_calls SET state = $4, attempts = $5, due_at = $6, tried_at = $7, code = $8, failure = $9, took = $10
		WHERE tenant = $1 AND endpoint = $2 AND id = $3`, c.Tenant[:], c.Endpoint[:], c.ID[:], string(c.State), c.Attempts,
		optional(c.DueAt), optional(c.TriedAt), c.Code, string(c.Failure), int64(c.Took)); err != nil {
		return fmt.Errorf("settle call: %w", s.refusal(err))
	}
	return nil
}

const maxCalls = 1000

// Calls implements webhook.Store.
func (s *Store) Calls(ctx context.Context, t tenant.ID, w webhook.ID, f webhook.CallFilter) ([]webhook.Call, error) {
	if f.Limit <= 0 || f.Limit > maxCalls {
		f.Limit = maxCalls
	}
	text, args := "SELECT "+callColumns+" FROM webhook_calls WHERE tenant = $1 AND endpoint = $2", []any{t[:], w[:]}
	bind := func(condition string, v any) {
		args = append(args, v)
		text += strings.ReplaceAll(condition, "?", fmt.Sprintf("$%d", len(args)))
	}
	if f.State != "" {
		bind(" AND state = ?", string(f.State))
	}
	if !f.Before.IsZero() {
		bind(" AND id < ?", f.Before[:])
	}
	bind(" ORDER BY id DESC LIMIT ?", f.Limit)
	list, err := callRows(s.read.QueryContext(ctx, text, args...))
	if err != nil {
		return nil, fmt.Errorf("list calls: %w", s.refusal(err))
	}
	return list, nil
}

// RepeatCalls implements webhook.Store.
func (s *Store) RepeatCalls(ctx context.Context, t tenant.ID, w webhook.ID, one webhook.CallID, since, now time.Time) (n int, err error) {
	which, at := " AND id = $4", one
	if one.IsZero() {
		which, at = " AND id >= $4", id.Lowest[webhook.CallKind](since)
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		//nolint:gosec // G202: constants and placeholders only
		res, err := tx.ExecContext(ctx, "UPDATE webhook_calls SET state = 'due', attempts = 0, due_at = $3 WHERE tenant = $1 AND endpoint = $2 AND due_at IS NULL"+which,
			t[:], w[:], millis(now), at[:])
		if err != nil {
			return err
		}
		rows, err := res.RowsAffected()
		n = int(rows)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("repeat calls: %w", err)
	}
	return n, nil
}

// DropCalls implements webhook.Store.
func (s *Store) DropCalls(ctx context.Context, before time.Time) error {
	all, err := webhookRows(s.read.QueryContext(ctx, "SELECT "+webhookColumns+" FROM webhooks ORDER BY tenant, id"))
	low := id.Lowest[webhook.CallKind](before)
	for i := 0; err == nil && i < len(all); i++ {
		e := &all[i]
		_, err = s.write.ExecContext(ctx, "DELETE FROM webhook_calls WHERE tenant = $1 AND endpoint = $2 AND id < $3 AND due_at IS NULL", e.Tenant[:], e.ID[:], low[:])
		if err == nil && e.State != webhook.Active {
			_, err = s.write.ExecContext(ctx, "DELETE FROM webhook_calls WHERE tenant = $1 AND endpoint = $2 AND due_at IS NOT NULL", e.Tenant[:], e.ID[:])
		}
	}
	if err == nil {
		err = s.dropDeeds(ctx, before)
	}
	if err != nil {
		return fmt.Errorf("drop calls: %w", s.refusal(err))
	}
	return nil
}

// FactOf implements webhook.Store. A fact about somebody who was erased is gone.
func (s *Store) FactOf(ctx context.Context, t tenant.ID, m message.ID, e event.ID) (f webhook.Fact, err error) {
	gone := fault.New(fault.NotFound, "fact_not_found", "The fact is gone.")
	found, err := readMessage(s.read.QueryRowContext(ctx, "SELECT "+messageColumns+" FROM messages WHERE tenant = $1 AND id = $2", t[:], m[:]), t)
	if err == nil {
		rows, failed := s.read.QueryContext(ctx, "SELECT "+eventColumns+" FROM events WHERE tenant = $1 AND message = $2 AND id = $3", t[:], m[:], e[:])
		err = scan(rows, failed, func(row *sql.Rows) (err error) {
			f.Event, err = readEvent(row)
			return err
		})
		if err == nil && f.ID.IsZero() {
			return webhook.Fact{}, gone
		}
	}
	var canonical string
	var local sql.NullString
	if err == nil && !f.Delivery.IsZero() {
		err = s.read.QueryRowContext(ctx, "SELECT recipient, local FROM deliveries WHERE tenant = $1 AND id = $2", t[:], f.Delivery[:]).Scan(&canonical, &local)
	}
	if err != nil {
		return webhook.Fact{}, fmt.Errorf("read fact: %w", s.refusal(missing(err, gone.Code)))
	}
	if strings.HasPrefix(canonical, "@") {
		return webhook.Fact{}, gone
	}
	f.Stream, f.Subject, f.MessageID, f.Tags, f.Metadata = found.Stream, found.Subject, found.MessageID, found.Tags, found.Metadata
	if canonical != "" {
		f.Recipient = recipientOf(canonical, local).String()
	}
	return f, nil
}
