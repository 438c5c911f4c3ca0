package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// trailGroup bounds the messages of one question.
const trailGroup = 256

// trailCall is one call of Trail that waits.
type trailCall struct {
	tenant  tenant.ID
	message message.ID
	tracked tracking.Tracked
	to      []tracking.Recipient
	err     error
	done    chan struct{}
}

// trails asks for all who wait at one moment together. After a mailing every first open is
// of another message, which no memory knows: one by one their questions would cost more
// than keeping what they tell.
type trails struct {
	s     *Store
	in    chan *trailCall
	once  sync.Once
	quit  chan struct{}
	ended chan struct{}
}

func startTrails(s *Store) *trails {
	r := &trails{s: s, in: make(chan *trailCall, trailGroup), quit: make(chan struct{}), ended: make(chan struct{})}
	go r.run()
	return r
}

func (r *trails) stop() {
	r.once.Do(func() { close(r.quit) })
	<-r.ended
}

func (r *trails) run() {
	defer close(r.ended)
	for {
		select {
		case <-r.quit:
			return
		case first := <-r.in:
			r.answer(r.gather(first))
		}
	}
}

// gather takes who waits, by tenant.
func (r *trails) gather(first *trailCall) map[tenant.ID][]*trailCall {
	group := map[tenant.ID][]*trailCall{first.tenant: {first}}
	for n := 1; n < trailGroup; n++ {
		select {
		case c := <-r.in:
			group[c.tenant] = append(group[c.tenant], c)
		default:
			return group
		}
	}
	return group
}

// answer asks for a group. Who waits for another one's question that fails asks alone.
func (r *trails) answer(group map[tenant.ID][]*trailCall) {
	// The callers' contexts do not reach here: a group is not one caller's.
	ctx := context.Background()
	for t, calls := range group {
		if len(calls) == 1 || r.s.findTrails(ctx, t, calls) != nil {
			for _, c := range calls {
				c.tracked, c.to, c.err = r.s.trail(ctx, c.tenant, c.message)
			}
		}
		for _, c := range calls {
			close(c.done)
		}
	}
}

// Trail implements tracking.ActivityStore.
func (s *Store) Trail(ctx context.Context, t tenant.ID, m message.ID) (tracking.Tracked, []tracking.Recipient, error) {
	c := &trailCall{tenant: t, message: m, done: make(chan struct{})}
	select {
	case s.trails.in <- c:
	case <-ctx.Done():
		return tracking.Tracked{}, nil, ctx.Err()
	case <-s.trails.ended:
		return tracking.Tracked{}, nil, errClosed()
	}
	select {
	case <-c.done:
		return c.tracked, c.to, c.err
	case <-ctx.Done():
		return tracking.Tracked{}, nil, ctx.Err()
	case <-s.trails.ended:
		return tracking.Tracked{}, nil, errClosed()
	}
}

// trail asks for one message by prepared statements.
func (s *Store) trail(ctx context.Context, t tenant.ID, m message.ID) (tracking.Tracked, []tracking.Recipient, error) {
	v, err := s.Tracked(ctx, t, m)
	if err != nil {
		return v, nil, err
	}
	to, err := s.Recipients(ctx, t, m)
	return v, to, err
}

// findTrails asks for messages of one tenant. Those of more than one recipient are asked
// for one by one: they are few, and remembered.
func (s *Store) findTrails(ctx context.Context, t tenant.ID, calls []*trailCall) error {
	found := make(map[message.ID]*tracking.Tracked, len(calls))
	wanted := make([]message.ID, len(calls))
	for i, c := range calls {
		wanted[i] = c.message
	}
	text, args := inList(s.dialect, 2, wanted)
	//nolint:gosec // G202: placeholders only
	rows, err := s.read.QueryContext(ctx, trackedText("k.message, ")+text, append([]any{t[:]}, args...)...)
	err = scan(rows, err, func(row *sql.Rows) error {
		v := tracking.Tracked{Tenant: t}
		err := row.Scan(&v.Message, &v.Decision.Level, &v.Decision.Rule, &v.Recipients, document{&v.Links}, &v.Stream, &v.Sender)
		found[v.Message] = &v
		return err
	})
	if err != nil {
		return fmt.Errorf("read tracking of messages: %w", err)
	}
	var single []message.DeliveryID
	for _, v := range found {
		if v.Recipients == 1 {
			single = append(single, message.Delivery(v.Message, 1))
		}
	}
	to, err := s.findRecipients(ctx, t, single)
	if err != nil {
		return err
	}
	for _, c := range calls {
		if v := found[c.message]; v == nil {
			c.err = fmt.Errorf("read tracking of message: %w", s.refusal(missing(sql.ErrNoRows, "message_untracked")))
		} else if c.tracked = *v; v.Recipients == 1 {
			c.to = to[c.message]
		} else {
			c.to, c.err = s.Recipients(ctx, t, c.message)
		}
	}
	return nil
}

func (s *Store) findRecipients(ctx context.Context, t tenant.ID, of []message.DeliveryID) (map[message.ID][]tracking.Recipient, error) {
	to := make(map[message.ID][]tracking.Recipient, len(of))
	if len(of) == 0 {
		return to, nil
	}
	text, args := inList(s.dialect, 2, of)
	//nolint:gosec // G202: placeholders only
	rows, err := s.read.QueryContext(ctx, recipientsText+"id "+text, append([]any{t[:]}, args...)...)
	err = scan(rows, err, func(row *sql.Rows) error {
		v, err := readRecipient(row)
		m := message.Of(v.Delivery)
		to[m] = append(to[m], v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list recipients: %w", err)
	}
	return to, nil
}
