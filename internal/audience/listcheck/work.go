package listcheck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// page is how many rows of a list are checked before it is another tenant's turn.
	page = 250
	// tenantsAtOnce is how many tenants' pages are checked at the same time: a list of
	// domains that do not answer holds up none but its own.
	tenantsAtOnce = 4
	// patience is how long one page may take; what is not answered by then is asked for
	// again, and is remembered as silent after that.
	patience = 10 * time.Minute
)

// Wake makes a running Service look for lists at once. It never blocks.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run checks lists until ctx ends. Trouble is logged and tried again.
func (s *Service) Run(ctx context.Context) {
	timer := time.NewTimer(s.c.Every)
	defer timer.Stop()
	for {
		n, err := s.Turn(ctx)
		if err != nil && ctx.Err() == nil {
			s.c.Log.Error("lists not checked", "err", err)
		}
		if n > 0 && err == nil && ctx.Err() == nil {
			continue
		}
		timer.Reset(s.c.Every)
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// Turn checks the next page of the oldest list of each tenant that has one, and returns
// how many pages that were. The trouble of one stops no other.
func (s *Service) Turn(ctx context.Context) (int, error) {
	open, err := s.c.Store.OpenChecks(ctx)
	if err != nil || len(open) == 0 {
		return 0, err
	}
	if s.c.Mine != nil {
		if mine, err := s.c.Mine(ctx); err != nil || !mine {
			return 0, err
		}
	}
	errs := make([]error, len(open))
	var group errgroup.Group
	group.SetLimit(tenantsAtOnce)
	for i, c := range open {
		group.Go(func() error {
			if err := s.work(ctx, c); err != nil {
				errs[i] = fmt.Errorf("check list %s: %w", c.ID, err)
			}
			return nil
		})
	}
	_ = group.Wait() // no member returns an error
	return len(open), errors.Join(errs...)
}

// work checks the next page of a list.
func (s *Service) work(ctx context.Context, c Check) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := s.c.Store.NextRows(ctx, c.Tenant, c.ID, c.Done, page)
	if err != nil {
		return err
	}
	var texts []string
	for _, r := range rows {
		if r.First == r.Number {
			texts = append(texts, r.Text)
		}
	}
	verdicts, err := s.c.Validator.ValidateAll(ctx, c.Tenant, c.Stream, texts)
	if err != nil {
		return err
	}
	before := c.Done
	if c.Counts = maps.Clone(c.Counts); c.Counts == nil {
		c.Counts = Counts{}
	}
	for i := range rows {
		r := &rows[i]
		if r.First != r.Number {
			r.Result = Duplicate
		} else {
			r.sum(verdicts[0])
			verdicts = verdicts[1:]
		}
		c.Counts[r.Result]++
	}
	c.Done += len(rows)
	if len(rows) == 0 || c.Done >= c.Rows {
		c.State, c.EndedAt = Done, s.now()
	}
	_, err = s.c.Store.SettleRows(ctx, c, before, rows)
	return err
}
