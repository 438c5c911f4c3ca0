package privacy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/message"
)

// maxTries is after how many attempts a request is given up: whatever stops it then is
// not going to pass by itself.
const maxTries = 20

// Run works requests off as they come in, until ctx ends. What it leaves unfinished is
// taken up after the lease.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(s.c.Every)
	defer tick.Stop()
	for {
		if _, err := s.Turn(ctx); err != nil && ctx.Err() == nil {
			s.c.Log.Error("privacy request not worked on", "err", err)
		}
		select {
		case <-tick.C:
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

// Turn works off what is due now and returns how many requests that were.
func (s *Service) Turn(ctx context.Context) (n int, err error) {
	for {
		now := s.c.Now()
		r, ok, err := s.c.Store.TakeRequest(ctx, now, now.Add(s.c.Lease))
		if err != nil || !ok {
			return n, err
		}
		n++
		if err := s.work(ctx, r); err != nil && !errors.Is(err, ErrTaken) {
			if ctx.Err() != nil {
				return n, ctx.Err()
			}
			s.c.Log.Error("privacy request failed", "tenant", r.Tenant.String(), "request", r.ID.String(), "tries", r.Tries, "err", err)
			if err := s.postpone(ctx, r); err != nil {
				return n, err
			}
		}
	}
}

func (s *Service) work(ctx context.Context, r Request) error {
	settling := r.State == Settling
	if !settling {
		r.State = Running
	}
	switch r.Kind {
	case Access:
		return s.handOut(ctx, r)
	case Erasure:
		return s.erase(ctx, r, settling)
	}
	return fmt.Errorf("unknown kind of request %q", r.Kind)
}

// postpone lets a request wait after an error, longer each time, or gives it up.
func (s *Service) postpone(ctx context.Context, r Request) error {
	now := s.c.Now()
	fresh, err := s.c.Store.Request(ctx, r.Tenant, r.ID)
	if err != nil || fresh.Tries != r.Tries {
		return err
	}
	fresh.Why = "internal"
	if r.Tries >= maxTries {
		fresh.State, fresh.FinishedAt = Failed, now.UTC().Truncate(time.Millisecond)
		return s.c.Store.ConcludeRequest(ctx, fresh)
	}
	if fresh.State = Waiting; r.State == Settling {
		fresh.State = Settling
	}
	return s.c.Store.AdvanceRequest(ctx, fresh, now.Add(time.Duration(r.Tries)*s.c.Lease))
}

// erase takes a person out of every holder. settling says that it is not done for the
// first time, but after attempts that were under way have reported.
func (s *Service) erase(ctx context.Context, r Request, settling bool) error {
	if r.Counts == nil {
		r.Counts = map[string]int64{}
	}
	if err := s.block(ctx, r); err != nil {
		return err
	}
	if !settling {
		v, err := s.Preview(ctx, r.Person)
		if err != nil {
			return err
		}
		r.Total = r.Done
		for _, h := range v.Goes {
			r.Total += h.Count
		}
	}
	for _, h := range s.c.Holders {
		err := h.Erase(ctx, r.Person, func(n int64) error {
			r.Counts[h.Name()] += n
			r.Done += n
			r.Total = max(r.Total, r.Done)
			return s.c.Store.AdvanceRequest(ctx, r, s.c.Now().Add(s.c.Lease))
		})
		if err != nil {
			return fmt.Errorf("erase %s: %w", h.Name(), err)
		}
	}
	left, err := s.c.Mail.CountTo(ctx, r.Tenant, r.Person.Addresses, nil, 1)
	if err != nil {
		return err
	}
	if left > 0 {
		r.State = Settling
		return s.c.Store.AdvanceRequest(ctx, r, s.c.Now().Add(SettleAfter))
	}
	r.State, r.FinishedAt, r.Why = Done, s.c.Now().UTC().Truncate(time.Millisecond), ""
	r.Done = r.Total
	if err := s.c.Store.ConcludeRequest(ctx, r); err != nil {
		return err
	}
	s.c.Log.Info("person erased", "tenant", r.Tenant.String(), "request", r.ID.String())
	if s.c.Shed != nil {
		if err := s.c.Shed(ctx); err != nil {
			s.c.Log.Warn("deletions are not in the files yet", "err", err)
		}
	}
	return nil
}

// SettleAfter is how long an attempt may still report that was under way when its mail was
// cancelled. Holders leave the delivery alone until then, so that they find what the
// attempt writes.
const SettleAfter = 15 * time.Minute

// hush is how long nobody writes to a person who is being erased, where the suppression
// is not for good: longer than any attempt takes.
const hush = 24 * time.Hour

// block keeps mail from leaving to the person while they are erased, and for good where
// that was asked for. The addresses go out of the suppressions again with the rest.
func (s *Service) block(ctx context.Context, r Request) error {
	for _, a := range r.Person.Addresses {
		w := audience.Wish{Address: a, Reason: audience.Unnamed, ExpiresAt: s.c.Now().Add(hush)}
		if r.Block {
			w.Reason, w.ExpiresAt = audience.Unsubscribed, time.Time{}
		}
		if _, err := s.c.Audience.Suppress(ctx, r.Tenant, w, r.Actor); err != nil {
			return fmt.Errorf("block address: %w", err)
		}
	}
	return nil
}

// Suppressed is the holder of suppressions: the addresses go, their hashes stay.
type Suppressed struct {
	Audience Audience
	// Actor is who is noted in the history.
	Actor string
}

// Name implements Holder.
func (Suppressed) Name() string { return "suppressions" }

// Count implements Holder: entries that still have their address.
func (h Suppressed) Count(ctx context.Context, p Person) (int64, error) {
	var sum int64
	for _, a := range p.Addresses {
		n, err := h.named(ctx, p, a)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func (h Suppressed) named(ctx context.Context, p Person, a message.Address) (n int64, err error) {
	page, err := h.Audience.Suppressions(ctx, p.Tenant, audience.Filter{Text: a.String()})
	for _, e := range page.Entries {
		if !e.Erased() {
			n++
		}
	}
	return n, err
}

// Erase implements Holder.
func (h Suppressed) Erase(ctx context.Context, p Person, note func(int64) error) error {
	for _, a := range p.Addresses {
		n, err := h.named(ctx, p, a)
		if err != nil {
			return err
		}
		if _, err := h.Audience.Erase(ctx, p.Tenant, a, h.Actor); err != nil {
			return err
		}
		if err := note(n); err != nil {
			return err
		}
	}
	return nil
}

// Sweep drops files whose time is over. It is meant to run every hour.
func (s *Service) Sweep(ctx context.Context) error {
	n, err := s.c.Store.ExpireRequests(ctx, s.c.Now())
	if n > 0 {
		s.c.Log.Info("files of access requests dropped", "files", n)
	}
	return err
}
