package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/ledger"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// defaultSelection bounds a Selection without a Limit.
const defaultSelection = 1000

// action is what a command does.
type action struct {
	from []event.State
	fact event.Type // "": no event tells of it
	set  string     // $1 is now
}

func actionOf(c queue.Command) (action, error) {
	switch c {
	case queue.Hold:
		return action{[]event.State{event.Queued, event.Deferred}, event.Paused,
			"state = 'held', owner = 0, updated_at = $1"}, nil
	case queue.Resume:
		return action{[]event.State{event.Held}, event.Released,
			"state = 'queued', owner = 0, reason = '', due_at = $1, updated_at = $1"}, nil
	case queue.Cancel:
		return action{[]event.State{event.Queued, event.Deferred, event.Held}, event.Stopped,
			"state = 'cancelled', owner = 0, reason = '', signature = NULL, updated_at = $1"}, nil
	case queue.Retry:
		// What is being attempted right now keeps its owner: a second attempt beside
		// the first could deliver twice.
		return action{[]event.State{event.Deferred}, event.Retried, "due_at = $1"}, nil
	case queue.Due:
		return action{[]event.State{event.Queued, event.Deferred}, "", "due_at = $1"}, nil
	}
	return action{}, fmt.Errorf("unknown command %q", c)
}

// Apply implements queue.Store.
func (s *Store) Apply(ctx context.Context, c queue.Command, sel queue.Selection, actor string, now time.Time) ([]message.DeliveryID, error) {
	changed, err := s.ApplyNoted(ctx, c, sel, actor, "", now)
	var ids []message.DeliveryID
	for _, v := range changed {
		ids = append(ids, v.Delivery)
	}
	return ids, err
}

// ApplyNoted implements queue.OperatorStore.
func (s *Store) ApplyNoted(ctx context.Context, c queue.Command, sel queue.Selection, actor, note string, now time.Time) ([]queue.Listed, error) {
	act, err := actionOf(c)
	if err != nil {
		return nil, err
	}
	late := time.Time{}
	if c == queue.Resume {
		sel.Unless = ledger.ReasonHeld // it goes on when it can be charged, not when somebody likes
	}
	if c == queue.Due {
		late = now
	}
	changed, err := s.act(ctx, act, actor, note, now, func(tx *sql.Tx) ([]queue.Listed, error) {
		return s.selected(ctx, tx, sel, act.from, late, s.dialect.lockRows(false))
	})
	if err != nil {
		return nil, fmt.Errorf("%s deliveries: %w", c, err)
	}
	return changed, nil
}

// act does an action to the deliveries that pick chooses and locks.
func (s *Store) act(ctx context.Context, act action, actor, note string, now time.Time, pick func(*sql.Tx) ([]queue.Listed, error)) ([]queue.Listed, error) {
	var changed []queue.Listed
	var facts []fact
	err := s.transact(ctx, func(tx *sql.Tx) error {
		changed, facts = nil, nil
		list, err := pick(tx)
		if err != nil {
			return err
		}
		rows := s.newEventRows()
		for _, v := range list {
			changed = append(changed, v)
			if act.fact == "" {
				continue
			}
			facts = append(facts, fact{v.Tenant, event.Event{ID: id.New[event.Kind](now), Message: message.Of(v.Delivery),
				Delivery: v.Delivery, Type: act.fact, At: now.UTC().Truncate(time.Millisecond), Actor: actor, Note: plain(note)}})
		}
		for i := range facts {
			rows.add(facts[i].tenant, &facts[i].event)
		}
		if err := s.change(ctx, tx, act.set, now, list); err != nil {
			return err
		}
		if len(facts) == 0 {
			return nil
		}
		return rows.insertNoted(ctx, s.texts, tx, note)
	})
	if err != nil {
		return nil, err
	}
	if s.cfg.OnCommit != nil {
		for _, f := range facts {
			s.cfg.OnCommit(f.tenant, f.event)
		}
	}
	return changed, nil
}

type fact struct {
	tenant tenant.ID
	event  event.Event
}

// change updates the listed deliveries, which lie grouped by tenant.
func (s *Store) change(ctx context.Context, tx *sql.Tx, set string, now time.Time, list []queue.Listed) error {
	for len(list) > 0 {
		t := list[0].Tenant
		var ids []message.DeliveryID
		for len(list) > 0 && list[0].Tenant == t && len(ids) < inListMax {
			ids, list = append(ids, list[0].Delivery), list[1:]
		}
		in, args := inList(s.dialect, 3, ids)
		//nolint:gosec // G202: constants and placeholders only
		_, err := tx.ExecContext(ctx, "UPDATE deliveries SET "+set+" WHERE tenant = $2 AND id "+in,
			append([]any{millis(now), t[:]}, args...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// List implements queue.Store. Tenants come in order; of each, what is queued
// comes first, then deferred, then held.
func (s *Store) List(ctx context.Context, sel queue.Selection) ([]queue.Listed, error) {
	list, err := s.selected(ctx, s.read, sel, []event.State{event.Queued, event.Deferred, event.Held}, time.Time{}, "")
	if err != nil {
		return nil, fmt.Errorf("list queue: %w", s.refusal(err))
	}
	return list, nil
}

// selected reads the deliveries of a selection that are in one of the states; with
// late only those that were put off until after it, though their senders would have
// them gone.
func (s *Store) selected(ctx context.Context, q querier, sel queue.Selection, states []event.State, late time.Time, lock string) ([]queue.Listed, error) {
	tenants := []tenant.ID{sel.Tenant}
	if sel.Tenant.IsZero() {
		if !sel.Platform {
			return nil, errors.New("selection names no tenant")
		}
		var err error
		if tenants, err = tenantsOf(ctx, q, waitingText); err != nil {
			return nil, err
		}
	}
	limit := sel.Limit
	if limit <= 0 {
		limit = defaultSelection
	}
	var list []queue.Listed
	for _, t := range tenants {
		for _, state := range states {
			if len(list) == limit {
				return list, nil
			}
			if len(sel.States) > 0 && !slices.Contains(sel.States, state) {
				continue
			}
			part, err := s.selectedOf(ctx, q, t, sel, state, late, limit-len(list), lock)
			if err != nil {
				return nil, err
			}
			list = append(list, part...)
		}
	}
	return list, nil
}

// waitingText asks for the tenants with deliveries that are queued, deferred or held.
const waitingText = `SELECT t.id FROM tenants t WHERE
	(EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant = t.id AND d.state IN ('queued', 'deferred'))) IS TRUE OR
	(EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant = t.id AND d.state IN ('deferred', 'held'))) IS TRUE ORDER BY t.id`

// waitingRange names the index that a state is found in, and its order. The
// states are constants: a parameter would keep the planner from a partial index.
func waitingRange(state event.State) (where, order string) {
	if state == event.Queued {
		return "d.state = 'queued' AND d.state IN ('queued', 'deferred')", "d.tenant, d.owner, d.urgency, d.due_at"
	}
	return "d.state = '" + string(state) + "' AND d.state IN ('deferred', 'held')", "d.tenant, d.state, d.id"
}

func (s *Store) selectedOf(ctx context.Context, q querier, t tenant.ID, sel queue.Selection, state event.State, late time.Time, limit int, lock string) ([]queue.Listed, error) {
	n, err := s.chosen(ctx, q, t, sel, state, limit)
	if err != nil {
		return nil, err
	}
	if !late.IsZero() {
		n.and("d.owner = 0 AND d.due_at > ? AND (m.send_at IS NULL OR m.send_at <= ?)", millis(late), millis(late))
	}
	if sel.After.IsZero() || n.byID {
		return s.listed(ctx, q, t, n, lock)
	}
	return s.listedBehind(ctx, q, t, n, sel, limit, lock)
}

// fromPlace is what nobody holds, from a place in the order of the queue on.
const fromPlace = "d.owner = 0 AND (d.urgency, d.due_at) >= (?, ?)"

// listedBehind reads what is queued from the place of a delivery on, in the order of the
// queue. That of what is in a process's memory is another one, but it is not much.
func (s *Store) listedBehind(ctx context.Context, q querier, t tenant.ID, n condition, sel queue.Selection, limit int, lock string) ([]queue.Listed, error) {
	var urgency, due int64
	err := q.QueryRowContext(ctx, "SELECT urgency, due_at FROM deliveries WHERE tenant = $1 AND id = $2", t[:], sel.After[:]).Scan(&urgency, &due)
	if errors.Is(err, sql.ErrNoRows) {
		return s.listed(ctx, q, t, n, lock)
	}
	if err != nil {
		return nil, err
	}
	if !sel.AfterDue.IsZero() {
		due = millis(sel.AfterDue)
	}
	free, taken := n, n
	free.args, taken.args = slices.Clone(n.args), slices.Clone(n.args)
	free.and(fromPlace, urgency, due)
	list, err := s.listed(ctx, q, t, free, lock)
	if err != nil || len(list) == limit {
		return list, err
	}
	taken.args[1] = limit - len(list)
	taken.and("d.owner > 0")
	rest, err := s.listed(ctx, q, t, taken, lock)
	return append(list, rest...), err
}

func (s *Store) listed(ctx context.Context, q querier, t tenant.ID, n condition, lock string) ([]queue.Listed, error) {
	var list []queue.Listed
	rows, err := q.QueryContext(ctx, n.text(lock), n.args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		v := queue.Listed{Tenant: t}
		var canonical string
		var local sql.NullString
		err := row.Scan(&v.Delivery, &v.Stream, &canonical, &local, &v.State, &v.Attempts, instant{&v.DueAt}, instant{&v.ExpiresAt}, &v.Reason, &v.Host)
		v.Recipient = recipientOf(canonical, local)
		list = append(list, v)
		return err
	})
	return list, err
}

// condition is the WHERE of a selection in one state of one tenant, whose parameters
// begin with the tenant and another value.
type condition struct {
	from, where, order string
	byID               bool // the order is that of the deliveries' identifiers
	args               []any
}

// text asks for the deliveries, at most as many as the second parameter says.
func (c *condition) text(lock string) string {
	return "SELECT d.id, m.stream, d.recipient, d.local, d.state, d.attempts, d.due_at, d.expires_at, d.reason, d.host FROM " + c.from +
		" WHERE d.tenant = $1 AND " + c.where + " ORDER BY " + c.order + " LIMIT $2" + lock
}

// maxRareTag is how many messages a tag may have to be looked up from. Of more, the queue
// is the shorter way.
const maxRareTag = 50_000

// chosen decides from where a selection is read: from the queue, or from the messages of
// a tag that few have. A command on one of them among a million would walk the queue once
// for each of its parts otherwise.
func (s *Store) chosen(ctx context.Context, q querier, t tenant.ID, sel queue.Selection, state event.State, limit int) (condition, error) {
	if sel.Tag != "" {
		var n int
		err := q.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM message_tags WHERE tenant = $1 AND tag = $2 LIMIT $3) few",
			t[:], plain(sel.Tag), maxRareTag+1).Scan(&n)
		if err != nil {
			return condition{}, err
		}
		if n <= maxRareTag {
			return s.tagged(t, sel, state, limit), nil
		}
	}
	c := narrowed(t, sel, state, limit)
	c.from = "deliveries d JOIN messages m ON m.tenant = d.tenant AND m.id = " + s.dialect.messageOf("d.id")
	return c, nil
}

// tagged reads from the tag. CROSS JOIN keeps SQLite to this order of tables, IS TRUE both
// planners from the indexes of the queue.
func (s *Store) tagged(t tenant.ID, sel queue.Selection, state event.State, limit int) condition {
	c := condition{
		from: "message_tags g CROSS JOIN messages m CROSS JOIN deliveries d",
		where: "g.tenant = $1 AND m.tenant = $1 AND m.id = g.message AND d.id > m.id AND d.id <= " + s.dialect.deliveryAt("m.id", 1<<16-1) +
			" AND (d.state = '" + string(state) + "') IS TRUE",
		order: "g.message, d.id", byID: true, args: []any{t[:], limit},
	}
	c.and("g.tag = ?", plain(sel.Tag))
	if !sel.After.IsZero() {
		first := message.Of(sel.After)
		c.and("g.message >= ?", first[:])
	}
	sel.Tag = ""
	c.narrow(sel, state)
	return c
}

// and adds a condition whose values stand for its question marks.
func (c *condition) and(text string, values ...any) {
	for _, v := range values {
		c.args = append(c.args, v)
		text = strings.Replace(text, "?", fmt.Sprintf("$%d", len(c.args)), 1)
	}
	c.where += " AND " + text
}

func narrowed(t tenant.ID, sel queue.Selection, state event.State, second any) condition {
	c := condition{args: []any{t[:], second}, byID: state != event.Queued}
	c.where, c.order = waitingRange(state)
	c.narrow(sel, state)
	return c
}

// narrow adds what a selection asks for.
func (c *condition) narrow(sel queue.Selection, state event.State) {
	if !sel.Message.IsZero() {
		top := message.Delivery(sel.Message, 1<<16-1)
		c.and("d.id BETWEEN ? AND ?", sel.Message[:], top[:])
		c.order, c.byID = "d.tenant, d.id", true
	}
	if !sel.Delivery.IsZero() {
		c.and("d.id = ?", sel.Delivery[:])
		c.order, c.byID = "d.tenant, d.id", true
	}
	if !sel.Before.IsZero() {
		low := id.Lowest[message.DeliveryKind](sel.Before)
		// IS TRUE keeps the planner from reading every delivery there ever was in order
		// of the key, once for each part of a long command.
		c.and("(d.id < ?) IS TRUE", low[:])
	}
	if !sel.After.IsZero() && c.byID {
		c.and("d.id > ?", sel.After[:])
	}
	if sel.Stream != "" {
		c.and("m.stream = ?", string(sel.Stream))
	}
	if sel.Tag != "" {
		c.and("EXISTS (SELECT 1 FROM message_tags g WHERE g.tenant = d.tenant AND g.tag = ? AND g.message = m.id)", plain(sel.Tag))
	}
	if sel.Unless != "" && state == event.Held {
		c.and("d.reason <> ?", sel.Unless)
	}
	if len(sel.Domains) > 0 {
		list := make([]any, len(sel.Domains))
		for i, name := range sel.Domains {
			list[i] = endsIn(name)
		}
		either := strings.Repeat(" OR "+behindAt, len(list))
		c.and("("+strings.TrimPrefix(either, " OR ")+")", list...)
	}
	if sel.Domain != "" {
		c.and(behindAt, endsIn(sel.Domain))
	}
}

// behindAt asks for recipients of a domain, which endsIn gives.
const behindAt = `d.recipient LIKE ? ESCAPE '\'`

func endsIn(domain string) string { return "%@" + likeLiteral(strings.ToLower(plain(domain))) }

// likeLiteral escapes what LIKE would take for a pattern.
func likeLiteral(s string) string {
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(s)
}
