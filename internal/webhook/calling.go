package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
)

const (
	// every is how often notes are folded and calls looked for.
	every = time.Second
	// followEvery is how often it is looked which tenants have endpoints.
	followEvery = 2 * time.Second
	// foldLimit is how many notes are folded in one transaction.
	foldLimit = 200
	// atOnce bounds the endpoints that one process calls at a time, perTenant those of one
	// tenant, so that nobody's slow endpoints hold up the others'.
	atOnce    = 32
	perTenant = 4
	// perEndpoint bounds the calls to one endpoint at a time; batch those that are claimed
	// for it together.
	perEndpoint = 8
	batch       = 40
	// lease is how long claimed calls are left alone: longer than a batch may take.
	lease = (batch/perEndpoint+1)*CallTime + time.Minute
	// tryFor is for how long a call is tried, and an endpoint that never answers is kept.
	tryFor = 72 * time.Hour
	// KeptFor is how long settled calls can be seen and repeated.
	KeptFor = 7 * 24 * time.Hour
)

// pauses are those between the tries of one call, as Standard Webhooks proposes.
func pauses() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// rest is how long an endpoint is left alone after n failures in a row: one call that it
// cannot take holds up no other, but a server that is down is not called for each.
func rest(n int) time.Duration {
	steps := []time.Duration{0, 0, 5 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}
	return steps[min(n, len(steps)-1)]
}

// Wake makes Run look for calls now.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run makes calls of facts and makes them, until ctx ends; then it waits for those under
// way.
func (s *Service) Run(ctx context.Context) {
	defer s.work.Wait()
	tick, follow := time.NewTicker(every), time.NewTicker(followEvery)
	defer tick.Stop()
	defer follow.Stop()
	for {
		if err := s.begin(ctx); err != nil && ctx.Err() == nil {
			s.c.Log.ErrorContext(ctx, "webhooks not called", "err", err)
		}
		select {
		case <-tick.C:
		case <-s.wake:
		case <-follow.C:
			if err := s.followed(ctx); err != nil && ctx.Err() == nil {
				s.c.Log.ErrorContext(ctx, "webhooks not followed", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Turn folds what is noted, makes the calls that are due and waits for them.
func (s *Service) Turn(ctx context.Context) error {
	err := s.begin(ctx)
	s.work.Wait()
	return err
}

// begin folds what is noted and sets out to call the endpoints that have something due.
// It does not wait for them: a slow one holds up no other.
func (s *Service) begin(ctx context.Context) error {
	for {
		n, err := s.c.Store.FoldFacts(ctx, foldLimit)
		if err != nil {
			return fmt.Errorf("fold facts: %w", err)
		}
		if n < foldLimit {
			break
		}
	}
	list, err := s.c.Store.DueEndpoints(ctx, s.c.Now(), 4*atOnce)
	if err != nil {
		return fmt.Errorf("find due webhooks: %w", err)
	}
	for _, e := range list {
		if !s.enter(e) {
			continue
		}
		s.work.Go(func() {
			defer s.leave(e)
			if err := s.callAll(ctx, e); err != nil && ctx.Err() == nil {
				s.c.Log.ErrorContext(ctx, "webhook not called", "webhook", e.ID.String(), "err", err)
			}
		})
	}
	return nil
}

func (s *Service) enter(e Endpoint) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := 0
	for _, t := range s.busy {
		if t == e.Tenant {
			mine++
		}
	}
	if _, busy := s.busy[e.ID]; busy || len(s.busy) >= atOnce || mine >= perTenant {
		return false
	}
	s.busy[e.ID] = e.Tenant
	return true
}

func (s *Service) leave(e Endpoint) {
	s.mu.Lock()
	delete(s.busy, e.ID)
	s.mu.Unlock()
	if e.Failures == 0 {
		s.Wake() // there may be more
	}
}

// callAll makes the calls of one endpoint that are due, until it fails.
func (s *Service) callAll(ctx context.Context, e Endpoint) error {
	target, err := s.Target(e)
	if err != nil {
		return err
	}
	list, err := s.c.Store.ClaimCalls(ctx, e.Tenant, e.ID, s.c.Now(), lease, batch)
	if err != nil {
		return fmt.Errorf("claim calls: %w", err)
	}
	health := &health{e: e}
	next := make(chan Call)
	var callers sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for range min(perEndpoint, len(list)) {
		callers.Go(func() {
			for c := range next {
				if err := s.callOne(ctx, target, c, health); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, c := range list {
		next <- c
	}
	close(next)
	callers.Wait()
	return errors.Join(append(errs, s.noteHealth(ctx, health))...)
}

// health is what the calls of one batch say of their endpoint.
type health struct {
	mu       sync.Mutex
	e        Endpoint
	answered bool // with 2xx, at least once
	failed   int  // since then
	gone     bool // it said 410
	first    time.Time
	wait     time.Duration
}

// down reports whether the endpoint has failed so often that further calls can wait. One
// that has rested is tried again.
func (h *health) down() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.e.Failures
	if h.answered {
		before = 0
	}
	return h.gone || h.failed > 0 && rest(before+h.failed) > 0
}

func (h *health) note(a Answer, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.Failure == NoFailure {
		h.answered, h.failed = true, 0
		return
	}
	if h.failed++; h.failed == 1 {
		h.first = now
	}
	h.gone = h.gone || a.Code == http.StatusGone
	if a.Code == http.StatusTooManyRequests || a.Code == http.StatusServiceUnavailable {
		h.wait = max(h.wait, a.Wait)
	}
}

// callOne makes a call and keeps what came of it. One that the end of the process cut
// short is due again when its lease is over.
func (s *Service) callOne(ctx context.Context, to Target, c Call, h *health) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if h.down() {
		c.DueAt = s.c.Now() // as it was, for the endpoint rests
		return s.settle(ctx, c)
	}
	body, err := s.body(ctx, c)
	if fault.IsKind(err, fault.NotFound) {
		c.State, c.DueAt = Void, time.Time{}
		return s.settle(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("word call: %w", err)
	}
	began := s.c.Now()
	var secrets []string
	for _, one := range valid(to.Secrets, began) {
		secrets = append(secrets, one.Key)
	}
	a, err := s.c.Client.Call(ctx, Post{URL: to.URL, Secrets: secrets, Identifier: c.ID.String(), At: began, Body: body})
	if err != nil {
		return err
	}
	now := s.c.Now()
	h.note(a, now)
	c.Attempts++
	c.TriedAt, c.Took, c.Code, c.Failure = now, max(now.Sub(began), 0), a.Code, a.Failure
	steps := pauses()
	switch {
	case a.Failure == NoFailure:
		c.State, c.DueAt = Told, time.Time{}
	case c.Attempts > len(steps) || c.Type == Test:
		c.State, c.DueAt = GivenUp, time.Time{}
	default:
		c.DueAt = now.Add(max(steps[c.Attempts-1], a.Wait))
	}
	return s.settle(ctx, c)
}

func (s *Service) settle(ctx context.Context, c Call) error {
	if err := s.c.Store.SettleCall(ctx, c); err != nil {
		return fmt.Errorf("settle call: %w", err)
	}
	return nil
}

// noteHealth keeps how the endpoint does, and turns it off when it has not answered for
// as long as calls are tried, or says that it is gone.
func (s *Service) noteHealth(ctx context.Context, h *health) error {
	e, now := h.e, s.c.Now().UTC().Truncate(time.Millisecond)
	if h.answered {
		e.FailingSince, e.Failures, e.RestsUntil = time.Time{}, 0, time.Time{}
	}
	if h.failed > 0 {
		if e.Failures += h.failed; e.FailingSince.IsZero() {
			e.FailingSince = h.first.UTC().Truncate(time.Millisecond)
		}
		e.RestsUntil = now.Add(max(rest(e.Failures), h.wait))
	}
	if !h.answered && h.failed == 0 || h.answered && h.failed == 0 && h.e.Failures == 0 {
		return nil // nothing new
	}
	if h.gone || h.failed > 0 && now.Sub(e.FailingSince) >= tryFor {
		e.State, e.OffAt = Failing, now
	}
	if err := s.c.Store.NoteHealth(ctx, e); err != nil {
		return fmt.Errorf("note health of webhook: %w", err)
	}
	if e.State != Failing {
		return nil
	}
	s.c.Log.WarnContext(ctx, "webhook turned off", "tenant", e.Tenant.String(), "webhook", e.ID.String(), "since", e.FailingSince)
	if s.c.GaveUp != nil {
		if err := s.c.GaveUp(ctx, e); err != nil {
			return fmt.Errorf("tell of webhook: %w", err)
		}
	}
	return nil
}

// Sweep forgets calls that nobody can see any more.
func Sweep(ctx context.Context, s Store, now time.Time) error {
	return s.DropCalls(ctx, now.Add(-KeptFor))
}

// Payload is the body of every call.
type Payload struct {
	Type      Type      `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of the fact
	Data      any       `json:"data"`
}

// body words a call. Its facts do not change, so each try has the same.
func (s *Service) body(ctx context.Context, c Call) ([]byte, error) {
	p := Payload{Type: c.Type, Timestamp: c.At.UTC()}
	switch c.Origin {
	case OfTest:
		p.Data = map[string]string{"webhook": c.Endpoint.String()}
	case OfEvent:
		f, err := s.c.Store.FactOf(ctx, c.Tenant, c.Message, event.ID(c.ID))
		if err != nil {
			return nil, err
		}
		p.Data = mailOf(f)
	case OfAccount:
		data, err := s.c.Store.DeedOf(ctx, c.Tenant, c.ID)
		if err != nil {
			return nil, err
		}
		p.Data = data
	default:
		d := s.c.Describers[c.Origin]
		if d == nil {
			return nil, fault.New(fault.NotFound, "fact_not_found", "Nothing is known of this origin.")
		}
		var err error
		if p.Data, err = d.Describe(ctx, c); err != nil {
			return nil, err
		}
	}
	return json.Marshal(p)
}

// Mail is the data of calls about mail.
type Mail struct {
	Message   string            `json:"message"`              // msg_…
	Delivery  string            `json:"delivery,omitempty"`   // dlv_…
	Recipient string            `json:"recipient,omitempty"`  // of the delivery
	Stream    string            `json:"stream"`               // category
	Subject   string            `json:"subject"`              //
	MessageID string            `json:"message_id,omitempty"` // header
	Tags      []string          `json:"tags"`
	Metadata  map[string]string `json:"metadata"`
	Reason    string            `json:"reason,omitempty"` // stable code
	Attempt   *Attempt          `json:"attempt,omitempty"`
}

// Attempt is what a receiving server said.
type Attempt struct {
	Number   int        `json:"number"`
	Server   string     `json:"server,omitempty"`
	Code     int        `json:"code,omitempty"`
	Enhanced string     `json:"enhanced_code,omitempty"`
	Reply    string     `json:"reply,omitempty"`
	TLS      string     `json:"tls,omitempty"`
	NextAt   *time.Time `json:"next_at,omitempty"`
}

func mailOf(f Fact) Mail {
	m := Mail{
		Message: f.Message.String(), Delivery: f.Delivery.String(), Recipient: f.Recipient, Stream: string(f.Stream), Subject: f.Subject,
		MessageID: f.MessageID, Tags: append([]string{}, f.Tags...), Metadata: f.Metadata, Reason: f.Reason,
	}
	if m.Metadata == nil {
		m.Metadata = map[string]string{}
	}
	if a := f.Attempt; a != nil {
		m.Attempt = &Attempt{Number: a.Number, Server: a.MX, Code: a.Code, Enhanced: a.Enhanced, Reply: a.Reply, TLS: a.TLS}
		if a.Reply == "" {
			m.Attempt.Reply = a.Local
		}
		if !a.NextAt.IsZero() {
			m.Attempt.NextAt = &a.NextAt
		}
	}
	if r := f.Report; r != nil && m.Attempt == nil {
		m.Attempt = &Attempt{Server: r.Host, Code: r.Code, Enhanced: r.Status, Reply: r.Reply}
	}
	return m
}
