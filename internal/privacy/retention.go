package privacy

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// RetentionStore drops rows of mail whose time is over.
type RetentionStore interface {
	// Fold turns messages accepted before an instant, from after on, into counts and drops
	// their rows: at most limit messages in one short transaction. Messages with a delivery
	// that still waits stay. More says that there is something left to look at behind Last.
	Fold(ctx context.Context, t tenant.ID, before time.Time, after message.ID, limit int) (Folding, error)
	// FoldReturns drops what is left of return mail about the tenant's deliveries that came
	// before an instant, at most limit rows.
	FoldReturns(ctx context.Context, t tenant.ID, before time.Time, limit int) (int64, error)
	// AddRetention writes down what was dropped.
	AddRetention(ctx context.Context, v Retention) error
	// Retentions lists what was dropped, new ones first.
	Retentions(ctx context.Context, t tenant.ID, limit int) ([]Retention, error)
}

// Folding is what one step of folding did.
type Folding struct {
	Messages, Deliveries, Events int64
	Last                         message.ID
	More                         bool
}

// Retention is the proof of what was dropped in one run.
type Retention struct {
	Tenant                                tenant.ID
	Before                                time.Time // messages accepted before
	Messages, Deliveries, Events, Returns int64
	BeganAt, EndedAt                      time.Time
}

const (
	// foldStep is how many messages one transaction drops: some milliseconds, so that
	// acceptances wait no longer than they do for each other.
	foldStep = 100
	// foldPause is left to the others between two steps.
	foldPause = 50 * time.Millisecond
)

// Retain drops the rows of all tenants' mail whose time is over and leaves counts. It is
// meant to run every hour; what it did not get to when ctx ends comes next time.
func (s *Service) Retain(ctx context.Context) error {
	var after tenant.ID
	for {
		list, err := s.c.Tenants.Tenants(ctx, after, 100)
		if err != nil {
			return fmt.Errorf("retention: %w", err)
		}
		for _, t := range list {
			if err := s.retain(ctx, t.ID); err != nil {
				return fmt.Errorf("retention of %s: %w", t.ID, err)
			}
			after = t.ID
		}
		if len(list) < 100 {
			return nil
		}
	}
}

// Months is how long rows of a tenant's mail are kept.
func (s *Service) Months(ctx context.Context, t tenant.ID) (int, error) {
	v, err := s.c.Store.PrivacySettings(ctx, t)
	if err != nil || v.Months > 0 {
		return v.Months, err
	}
	return s.c.Months, nil
}

// Retentions lists what was dropped of a tenant's mail, new ones first.
func (s *Service) Retentions(ctx context.Context, t tenant.ID, limit int) ([]Retention, error) {
	return s.c.Store.Retentions(ctx, t, limit)
}

func (s *Service) retain(ctx context.Context, t tenant.ID) error {
	months, err := s.Months(ctx, t)
	if err != nil {
		return err
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	// Whole hours: counts are kept by the hour, and no hour is half rows and half counts.
	run := Retention{Tenant: t, Before: now.AddDate(0, -months, 0).Truncate(time.Hour), BeganAt: now}
	foldErr := s.fold(ctx, t, &run)
	if run.Messages+run.Returns == 0 {
		return foldErr
	}
	run.EndedAt = s.c.Now().UTC().Truncate(time.Millisecond)
	s.c.Log.Info("rows of mail dropped", "tenant", t.String(), "before", run.Before, "messages", run.Messages, "deliveries", run.Deliveries)
	// What was dropped is written down even if the process is told to stop.
	if err := s.c.Store.AddRetention(context.WithoutCancel(ctx), run); err != nil {
		return err
	}
	return foldErr
}

func (s *Service) fold(ctx context.Context, t tenant.ID, run *Retention) error {
	var after message.ID
	for {
		f, err := s.c.Store.Fold(ctx, t, run.Before, after, foldStep)
		if err != nil {
			return err
		}
		run.Messages, run.Deliveries, run.Events = run.Messages+f.Messages, run.Deliveries+f.Deliveries, run.Events+f.Events
		if after = f.Last; !f.More {
			break
		}
		if err := pause(ctx, foldPause); err != nil {
			return err
		}
	}
	for {
		n, err := s.c.Store.FoldReturns(ctx, t, run.Before, foldStep)
		if err != nil {
			return err
		}
		run.Returns += n
		if n < foldStep {
			return nil
		}
		if err := pause(ctx, foldPause); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
