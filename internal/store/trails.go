package store

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
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

// gather takes who waits, by tenant. As hits.gather it lets run who can.
func (r *trails) gather(first *trailCall) map[tenant.ID][]*trailCall {
	group := map[tenant.ID][]*trailCall{first.tenant: {first}}
	for n, before := 1, 0; n < trailGroup; {
		select {
		case c := <-r.in:
			group[c.tenant] = append(group[c.tenant], c)
			n++
		default:
			if n == before {
				return group
			}
			before = n
			runtime.Gosched()
		}
	}
	return group
}

// answer asks for a group. Who waits for another one's question that fails asks alone.
func (r *trails) answer(group map[tenant.ID][]*trailCall) {
	// The callers' contexts do not reach here: a group is not one caller's.
	ctx := context.Background()
	for t, calls := range group {
		if r.s.findTrails(ctx, t, calls) != nil {
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

// findTrails asks for messages of one tenant. The recipients of those that have several are
// asked for one by one: such mails are few, and remembered.
func (s *Store) findTrails(ctx context.Context, t tenant.ID, calls []*trailCall) error {
	wanted := make([]message.ID, len(calls))
	for i, c := range calls {
		wanted[i] = c.message
	}
	_, args := inList(s.dialect, 2, wanted)
	found := make(map[message.ID]trailCall, len(calls))
	var links lastLinks
	rows, err := s.tracked.trails[len(args)].QueryContext(ctx, append([]any{t[:]}, args...)...)
	err = scan(rows, err, func(row *sql.Rows) error {
		c, err := readTrail(row, t, &links)
		found[c.message] = c
		return err
	})
	if err != nil {
		return fmt.Errorf("read tracking of messages: %w", err)
	}
	for _, c := range calls {
		v, ok := found[c.message]
		switch {
		case !ok:
			c.err = fmt.Errorf("read tracking of message: %w", s.refusal(missing(sql.ErrNoRows, "message_untracked")))
		case v.tracked.Recipients == 1:
			c.tracked, c.to = v.tracked, v.to
		default:
			c.tracked = v.tracked
			c.to, c.err = s.Recipients(ctx, t, c.message)
		}
	}
	return nil
}

// lastLinks scans links. Mails of a mailing have the same ones, so that those of the row
// before are read once.
type lastLinks struct {
	text string
	list []tracking.Link
}

// Scan implements sql.Scanner.
func (l *lastLinks) Scan(src any) error {
	if text, ok := src.(string); ok && text == l.text && l.list != nil {
		return nil
	}
	l.list = nil
	l.text, _ = src.(string)
	return document{&l.list}.Scan(src)
}

// readTrail reads a row of trailsText.
func readTrail(row *sql.Rows, t tenant.ID, links *lastLinks) (c trailCall, err error) {
	v := &c.tracked
	v.Tenant = t
	var canonical, local sql.NullString
	var to tracking.Recipient
	if err := row.Scan(&c.message, &v.Decision.Level, &v.Decision.Rule, &v.Recipients, links, &v.Stream, &v.Sender,
		&canonical, &local, instant{&to.DeliveredAt}); err != nil {
		return c, err
	}
	v.Message, v.Links = c.message, links.list
	if canonical.Valid {
		to.Delivery, to.Address = message.Delivery(c.message, 1), recipientOf(canonical.String, local)
		c.to = []tracking.Recipient{to}
	}
	return c, nil
}
