package series

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
)

const (
	// batch is how many runs or signals one step of the worker takes.
	batch = 200
	// scanned is how many members one step looks at for their dates.
	scanned = 500
	// turnLasts bounds one Turn, so that the lease of whoever does it does not run out.
	turnLasts = 4 * time.Second
	// openAtOnce is how many series one Turn looks at.
	openAtOnce = 100
	// retryAfter is how long a series rests after an error that may pass, limitedAfter after
	// a limit of the tenant.
	retryAfter   = 30 * time.Second
	limitedAfter = 10 * time.Minute
	// missedDays is how far back days are made up for that no node looked at.
	missedDays = 3
)

// Turn does what is due of all series, one step of each in turn, for some seconds. It is to be
// called every few seconds. Two nodes at it at once do no harm: a run is moved by one of them,
// and a mail has its identifier before it is handed over.
func (s *Service) Turn(ctx context.Context, now time.Time) error {
	open, err := s.c.Store.OpenSeries(ctx, now, openAtOnce)
	if err != nil {
		return fmt.Errorf("find series: %w", err)
	}
	var errs []error
	for len(open) > 0 && ctx.Err() == nil && s.c.Now().Sub(now) < turnLasts {
		next := open[:0]
		for _, v := range open {
			more, err := s.step(ctx, v)
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("series %s: %w", v.ID, err))
			case more:
				next = append(next, v)
			default:
				errs = append(errs, s.sleep(ctx, v))
			}
		}
		open = next
	}
	for _, v := range open { // there was no time for more: others have their turn first
		errs = append(errs, s.sleep(ctx, v))
	}
	return errors.Join(errs...)
}

func (s *Service) sleep(ctx context.Context, v Series) error {
	err := s.c.Store.SleepSeries(ctx, v.Tenant, v.ID, s.stamp())
	if fault.IsKind(err, fault.NotFound) || ctx.Err() != nil {
		return nil //nolint:nilerr // it is gone, or we are
	}
	return err
}

// step does one step of a series; more says that another one is due at once.
func (s *Service) step(ctx context.Context, v Series) (more bool, err error) {
	if v, err = s.c.Store.Series(ctx, v.Tenant, v.ID); err != nil {
		if fault.IsKind(err, fault.NotFound) {
			return false, nil
		}
		return false, err
	}
	now := s.stamp()
	switch {
	case v.RestAt.After(now):
		return false, nil
	case v.State == Ended:
		n, err := s.c.Store.StopRuns(ctx, v, now, batch)
		return n == batch, err
	case v.State != Active:
		return false, nil
	}
	who, err := s.c.Store.Tenant(ctx, v.Tenant)
	if err != nil {
		return false, err
	}
	if who.State != tenant.Active {
		return false, s.rest(ctx, v, ingest.CodeTenantLocked, retryAfter)
	}
	if v.Definition, err = s.version(ctx, v, v.Version); err != nil {
		return false, err
	}
	zone := v.Definition.zone(who, s.c.Zone)
	if !v.ScanAt.IsZero() && !v.ScanAt.After(now) {
		return true, s.scan(ctx, v, zone, now)
	}
	signals, err := s.c.Store.SeriesSignals(ctx, v.Tenant, v.ID, batch)
	if err != nil {
		return false, err
	}
	if len(signals) > 0 {
		if err := s.hear(ctx, v, signals, now); err != nil {
			return false, err
		}
	}
	runs, err := s.c.Store.DueRuns(ctx, v.Tenant, v.ID, now, batch)
	if err != nil {
		return false, err
	}
	if stop, err := s.advance(ctx, v, runs, zone); err != nil {
		return false, err
	} else if stop != nil {
		return false, s.stopped(ctx, v, stop)
	}
	if v.Reason != "" {
		err = s.rest(ctx, v, "", 0)
	}
	return len(runs)+len(signals) > 0, err
}

// version reads a version of a series, without what its letters were compiled of.
func (s *Service) version(ctx context.Context, v Series, number int64) (Definition, error) {
	key := versionOf{v.ID, number}
	s.mu.Lock()
	d, ok := s.known[key]
	s.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := s.c.Store.SeriesVersion(ctx, v.Tenant, v.ID, number)
	if err != nil {
		return d, err
	}
	for i := range d.Steps {
		if l := d.Steps[i].Letter; l != nil {
			l.Made = nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxKnown {
		clear(s.known)
	}
	s.known[key] = d
	return d, nil
}

// rest puts the next step off, and says why.
func (s *Service) rest(ctx context.Context, v Series, reason string, d time.Duration) error {
	v.Reason, v.RestAt = reason, time.Time{}
	if d > 0 {
		v.RestAt = s.stamp().Add(d)
	}
	_, err := s.c.Store.MoveSeries(ctx, v, Active)
	return err
}

// stopped puts a series off after an error that may pass, and pauses it where only a person
// can help.
func (s *Service) stopped(ctx context.Context, v Series, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // we are to stop; the next process goes on
	}
	f := fault.As(err)
	switch {
	case f == nil:
		return errors.Join(err, s.rest(ctx, v, "internal", retryAfter))
	case f.Kind == fault.Forbidden && f.Code != ingest.CodeTenantLocked, f.Kind == fault.Invalid:
		s.c.Log.WarnContext(ctx, "series paused", "series", v.ID.String(), "reason", f.Code)
		v.State, v.Reason, v.RestAt = Paused, f.Code, time.Time{}
		_, err := s.c.Store.MoveSeries(ctx, v, Active)
		return err
	case f.Kind == fault.Limited:
		return s.rest(ctx, v, f.Code, limitedAfter)
	}
	return s.rest(ctx, v, f.Code, retryAfter)
}

// entrant is the run of a contact that begins.
func (v Series) entrant(c audience.ContactID, data json.RawMessage, now time.Time) Run {
	r := Run{Contact: c, Version: v.Version, Data: data, EnteredAt: now}
	return v.Definition.arrive(r, 0, now)
}

// arrive puts a run at the i-th step; beyond the last one it is over.
func (d Definition) arrive(r Run, i int, now time.Time) Run {
	if i < 0 || i >= len(d.Steps) {
		return over(r, ReasonEnd, now)
	}
	r.Step, r.At, r.DueAt = d.Steps[i].Key, now, now
	return r
}

func over(r Run, reason string, now time.Time) Run {
	r.Reason, r.DueAt, r.EndedAt, r.Data = reason, time.Time{}, now, nil
	return r
}

// hear lets contacts begin of whom signals tell, if they are members of the group.
func (s *Service) hear(ctx context.Context, v Series, signals []Signal, now time.Time) error {
	people := make([]audience.ContactID, len(signals))
	seen := make([]SignalID, len(signals))
	for i, g := range signals {
		people[i], seen[i] = g.Contact, g.ID
	}
	members, err := s.c.Store.InGroup(ctx, v.Tenant, v.Group, people)
	if err != nil {
		return err
	}
	var list []Run
	once := map[audience.ContactID]bool{}
	for _, g := range signals {
		if members[g.Contact] && !once[g.Contact] {
			once[g.Contact] = true
			list = append(list, v.entrant(g.Contact, g.Data, now))
		}
	}
	v.Again = v.again()
	_, err = s.c.Store.EnterSeries(ctx, v, list, seen)
	return err
}

// scan looks at the dates of some members for the day of ScanAt.
func (s *Service) scan(ctx context.Context, v Series, zone *time.Location, now time.Time) error {
	day := v.ScanAt.In(zone)
	next := v.Definition.Trigger.nextScan(v.ScanAt.Add(time.Hour), zone)
	if now.Sub(v.ScanAt) > missedDays*24*time.Hour {
		v.ScanAt, v.ScanAfter = v.Definition.Trigger.nextScan(now.AddDate(0, 0, -missedDays), zone), audience.ContactID{}
		_, err := s.c.Store.EnterSeries(ctx, v, nil, nil)
		return err
	}
	page, err := s.c.Store.Members(ctx, v.Tenant, v.Group, audience.MemberFilter{Ascending: true, After: v.ScanAfter, Limit: scanned})
	if err != nil && !fault.IsKind(err, fault.NotFound) {
		return err
	}
	var list []Run
	for _, m := range page.Members {
		if falls(m.Fields[v.Definition.Trigger.Field], day) {
			list = append(list, v.entrant(m.ID, nil, now))
		}
		v.ScanAfter = m.ID
	}
	if !page.More {
		v.ScanAt, v.ScanAfter = next, audience.ContactID{}
	}
	v.Again = v.again()
	_, err = s.c.Store.EnterSeries(ctx, v, list, nil)
	return err
}
