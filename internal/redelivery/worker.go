package redelivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/ingest"
)

const (
	// planningLasts is how long the items of a job may take to be written down; whoever
	// was at it has died then.
	planningLasts = 15 * time.Minute
	// retryAfter is how long a job waits after an error that may pass.
	retryAfter = time.Minute
)

// Turn sends what is due of all running jobs and returns how many items got their
// answer. It is to be called every few seconds, on one node at a time. What a node that
// died had taken is looked for first, and sent only if it was not.
func (s *Service) Turn(ctx context.Context, now time.Time) (int, error) {
	list, err := s.c.Store.OpenJobs(ctx, now, now.Add(-planningLasts))
	if err != nil {
		return 0, fmt.Errorf("find redeliveries: %w", err)
	}
	var n int
	var errs []error
	for _, j := range list {
		if j.State == Planning {
			j.State, j.Reason, j.FinishedAt = Cancelled, "interrupted", now.UTC().Truncate(time.Millisecond)
			errs = append(errs, raced(s.c.Store.ChangeJob(ctx, j, Planning)))
			continue
		}
		done, err := s.step(ctx, j, now)
		n += done
		if err != nil {
			errs = append(errs, fmt.Errorf("redelivery %s: %w", j.ID, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return n, errors.Join(errs...)
}

// raced forgives that somebody else has changed the job meanwhile.
func raced(err error) error {
	if f := fault.As(err); f != nil && f.Code == CodeState {
		return nil
	}
	return err
}

// step sends one share of a job.
func (s *Service) step(ctx context.Context, j Job, now time.Time) (n int, err error) {
	since := now.Sub(j.RampAt)
	items, err := s.c.Store.NextItems(ctx, j.Tenant, j.ID, j.Options.share(since))
	if err != nil {
		return 0, fmt.Errorf("take items: %w", err)
	}
	if len(items) == 0 {
		j.State, j.FinishedAt = Done, now.UTC().Truncate(time.Millisecond)
		s.c.Log.InfoContext(ctx, "redelivery done", "job", j.ID.String(), "sent", j.Sent, "skipped", j.Skipped, "failed", j.Failed)
		return 0, raced(s.c.Store.ChangeJob(ctx, j, Running))
	}
	for _, it := range items {
		it, err := s.deliver(ctx, j, it)
		if err != nil {
			return n, errors.Join(err, s.rest(ctx, j, err, now))
		}
		it.At = s.c.Now().UTC().Truncate(time.Millisecond)
		state, err := s.c.Store.SettleItem(ctx, j.Tenant, j.ID, it)
		if err != nil {
			return n, fmt.Errorf("settle item: %w", err)
		}
		if n++; state != Running {
			return n, nil // paused or cancelled meanwhile
		}
	}
	j.DueAt = now.Add(j.Options.wait(since)).UTC().Truncate(time.Millisecond)
	return n, raced(s.c.Store.ChangeJob(ctx, j, Running))
}

// rest puts a job off after an error that may pass, and pauses it where only a person
// can help.
func (s *Service) rest(ctx context.Context, j Job, err error, now time.Time) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the step has told of the error; this is about the job
	}
	j.DueAt = now.Add(retryAfter).UTC().Truncate(time.Millisecond)
	if f := fault.As(err); f != nil {
		if f.RetryAfter > 0 {
			j.DueAt = now.Add(f.RetryAfter).UTC().Truncate(time.Millisecond)
		}
		j.Reason = f.Code
		if f.Code == ingest.CodeTenantLocked {
			j.State = Paused
		}
	}
	return raced(s.c.Store.ChangeJob(ctx, j, Running))
}
