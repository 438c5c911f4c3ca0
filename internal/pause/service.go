package pause

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

const (
	// believed is for how long Holds believes what it was told, and so the longest time a
	// pause takes to hold on other nodes.
	believed = 5 * time.Second
	// stirred is how far back Judge looks for groups whose figures may have changed.
	stirred = 2 * time.Hour
	// freePage is how many held deliveries go on in one transaction, freeTime how long others
	// may hold some after the end of a pause because they have not learnt of it yet.
	freePage = 500
	freeTime = time.Minute
	// remembered bounds what Holds keeps in memory.
	remembered = 10_000
)

// GroupOf names a group of a tenant.
type GroupOf struct {
	Tenant tenant.ID
	Group  audience.GroupID
}

// Store is what this room needs of the database. Each method is one whole transaction.
type Store interface {
	// GroupFigures sums what was counted of a group in whole hours from since on.
	GroupFigures(ctx context.Context, t tenant.ID, g audience.GroupID, since time.Time) (Figures, error)
	// StirredGroups lists groups of which something was counted since an instant.
	StirredGroups(ctx context.Context, since time.Time) ([]GroupOf, error)
	// PutPause keeps a pause unless one of the group is in force, and reports whether it did.
	PutPause(ctx context.Context, p Pause) (bool, error)
	// PausesOf lists the pauses of a tenant's groups from new to old, at most 200.
	PausesOf(ctx context.Context, t tenant.ID) ([]Pause, error)
	// Pauses lists those of all tenants from new to old, at most 200.
	Pauses(ctx context.Context) ([]Pause, error)
	// EndPause ends the one in force as p says; NotFound "pause_not_found".
	EndPause(ctx context.Context, p Pause) error
	// UnfreedPauses lists pauses that ended while mail may still be held for them.
	UnfreedPauses(ctx context.Context) ([]Pause, error)
	// FreePaused lets at most limit deliveries to a group go on that are held with ReasonHeld,
	// and returns how many these were.
	FreePaused(ctx context.Context, t tenant.ID, g audience.GroupID, limit int, now time.Time) (int, error)
	// PauseFreed notes that nothing is held any more for a pause.
	PauseFreed(ctx context.Context, p Pause) error
	// GroupLimits returns what staff have set for a tenant; false: nothing.
	GroupLimits(ctx context.Context, t tenant.ID) (Limits, bool, error)
	// PutGroupLimits sets it, or with nil takes it away.
	PutGroupLimits(ctx context.Context, t tenant.ID, l *Limits) error
	// GroupBounds lists what an account and staff have set of their own, at most 1,000.
	GroupBounds(ctx context.Context, t tenant.ID) ([]Bound, error)
	// PutGroupBound replaces what the side of b has set for its group; zero Shares take it
	// away.
	PutGroupBound(ctx context.Context, b Bound) error
	// DropGroupTallies removes sums of hours before an instant.
	DropGroupTallies(ctx context.Context, before time.Time) error
}

// Config is what a Service needs. Fields without a stated default are demanded.
type Config struct {
	Store  Store
	Limits Limits // of accounts for which staff have set nothing; zero: DefaultLimits
	Now    func() time.Time
	// Tell tells people of an account that a group was paused; nil: nobody.
	Tell func(ctx context.Context, p Pause) error
	Log  *slog.Logger // nil discards
}

// Service judges, pauses and ends pauses. It is safe for concurrent use.
type Service struct {
	c Config

	mu    sync.Mutex
	known map[tenant.ID]paused
}

// paused are a tenant's groups that are paused, as far as is known.
type paused struct {
	groups map[audience.GroupID]bool
	until  time.Time
}

// New makes a Service.
func New(c Config) *Service {
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, known: map[tenant.ID]paused{}}
}

// Holds reports whether mail to a group must wait now. It asks the database once in five
// seconds for each tenant.
func (s *Service) Holds(ctx context.Context, t tenant.ID, g audience.GroupID) (bool, error) {
	now := s.c.Now()
	s.mu.Lock()
	known, ok := s.known[t]
	s.mu.Unlock()
	if left := known.until.Sub(now); ok && left > 0 && left <= believed {
		return known.groups[g], nil
	}
	list, err := s.c.Store.PausesOf(ctx, t)
	if err != nil {
		return false, fmt.Errorf("read pauses: %w", err)
	}
	known = paused{map[audience.GroupID]bool{}, now.Add(believed)}
	for _, p := range list {
		if p.InForce() {
			known.groups[p.Group] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= remembered {
		clear(s.known)
	}
	s.known[t] = known
	return known.groups[g], nil
}

func (s *Service) forget(t tenant.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, t)
}

// LimitsOf are the platform's limits for an account, and whether staff have set them for it.
func (s *Service) LimitsOf(ctx context.Context, t tenant.ID) (Limits, bool, error) {
	l, ok, err := s.c.Store.GroupLimits(ctx, t)
	if err != nil {
		return Limits{}, false, err
	}
	if !ok {
		l = s.c.Limits
	}
	return l, ok, nil
}

// SetLimits sets the limits of an account by staff, or with nil gives it those of the
// platform. Looser ones than these need a reason: "reason_malformed". Other errors are Invalid for "hours", "sent", "hard", "complaints", "unsubscribes" or "warn"
// ("limit_malformed").
func (s *Service) SetLimits(ctx context.Context, t tenant.ID, l *Limits, reason string) error {
	if l != nil {
		var wrong []*fault.Error
		check := func(field string, ok bool) {
			if !ok {
				wrong = append(wrong, fault.Field(field, "limit_malformed", "This limit makes no sense."))
			}
		}
		check("hours", l.Hours >= 1 && l.Hours <= 30*24)
		check("sent", l.Sent >= 1 && l.Sent <= 1_000_000)
		for _, c := range Causes() {
			check(string(c), l.Of(c).Share >= 0 && l.Of(c).Share <= 10_000 && l.Of(c).Least >= 1)
		}
		check("warn", l.Warn >= 0 && l.Warn <= 10_000)
		if _, bad := reasonOf("reason", reason); bad != nil && l.looser(s.c.Limits) {
			wrong = append(wrong, bad)
		}
		if err := fault.Join(wrong); err != nil {
			return err
		}
	}
	return s.c.Store.PutGroupLimits(ctx, t, l)
}

// Standing tells how a group fares.
func (s *Service) Standing(ctx context.Context, t tenant.ID, g audience.GroupID) (v Standing, err error) {
	if v.Limits, err = s.limitsFor(ctx, t, g); err != nil {
		return v, err
	}
	list, err := s.c.Store.PausesOf(ctx, t)
	if err != nil {
		return v, err
	}
	v.Pause, v.MaySelf = lastOf(list, g, s.c.Now())
	v.Figures, err = s.figures(ctx, GroupOf{t, g}, v.Limits, v.Pause)
	return v, err
}

// lastOf picks a group's last pause, and says whether the account may end it by itself.
func lastOf(list []Pause, g audience.GroupID, now time.Time) (last Pause, self bool) {
	self = true
	for _, p := range list {
		if p.Group != g {
			continue
		}
		if last.At.IsZero() {
			last = p
		}
		if p.Self && now.Sub(p.ReleasedAt) < SelfAgain {
			self = false
		}
	}
	return last, self && last.InForce()
}

// figures are those that count now: of the window, and only what came after the hour in which
// a pause ended, for what came before has been looked at.
func (s *Service) figures(ctx context.Context, of GroupOf, l Limits, last Pause) (Figures, error) {
	since := s.c.Now().Add(-time.Duration(l.Hours) * time.Hour).Truncate(time.Hour)
	if !last.ReleasedAt.IsZero() {
		if after := last.ReleasedAt.Truncate(time.Hour).Add(time.Hour); after.After(since) {
			since = after
		}
	}
	f, err := s.c.Store.GroupFigures(ctx, of.Tenant, of.Group, since)
	f.Hours = l.Hours
	return f, err
}

// PausesOf lists the pauses of an account's groups, from new to old.
func (s *Service) PausesOf(ctx context.Context, t tenant.ID) ([]Pause, error) {
	return s.c.Store.PausesOf(ctx, t)
}

// Pauses lists those of all accounts; for staff.
func (s *Service) Pauses(ctx context.Context) ([]Pause, error) { return s.c.Store.Pauses(ctx) }

// Release ends a group's pause: by the account itself (staff false) once in SelfAgain, or by
// the platform. note says what was done. What was held goes on within moments. Errors:
// Invalid for "note" ("reason_malformed"), "pause_not_found", "pause_self_used".
func (s *Service) Release(ctx context.Context, t tenant.ID, g audience.GroupID, actor, note string, staff bool) error {
	note, bad := reasonOf("note", note)
	if bad != nil {
		return bad
	}
	now := s.now()
	list, err := s.c.Store.PausesOf(ctx, t)
	if err != nil {
		return err
	}
	p, self := lastOf(list, g, now)
	switch {
	case !p.InForce():
		return fault.New(fault.NotFound, CodeNone, "The group is not paused.")
	case !staff && !self:
		return fault.New(fault.Conflict, CodeSelfUsed, "This group was released by its account before; the platform must release it now.")
	}
	p.ReleasedAt, p.ReleasedBy, p.Self, p.Note = now, actor, !staff, note
	if err := s.c.Store.EndPause(ctx, p); err != nil {
		return err
	}
	s.forget(t)
	return nil
}

// Turn pauses groups that fare too badly, and lets mail go on whose pause has ended. One
// node calls it twice a minute.
func (s *Service) Turn(ctx context.Context) error {
	return errors.Join(s.judge(ctx), s.free(ctx))
}

func (s *Service) judge(ctx context.Context) error {
	now := s.c.Now()
	list, err := s.c.Store.StirredGroups(ctx, now.Add(-stirred))
	if err != nil {
		return fmt.Errorf("find groups to judge: %w", err)
	}
	var errs []error
	for _, of := range list {
		if err := s.judgeGroup(ctx, of, now); err != nil {
			errs = append(errs, fmt.Errorf("judge mail to %s: %w", of.Group, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) judgeGroup(ctx context.Context, of GroupOf, now time.Time) error {
	v, err := s.Standing(ctx, of.Tenant, of.Group)
	if err != nil || v.Pause.InForce() {
		return err
	}
	cause := v.Limits.Judge(v.Figures)
	if cause == "" {
		return nil
	}
	p := Pause{Tenant: of.Tenant, Group: of.Group, At: now.UTC().Truncate(time.Millisecond), Cause: cause, Figures: v.Figures}
	made, err := s.c.Store.PutPause(ctx, p)
	if err != nil || !made {
		return err
	}
	s.forget(of.Tenant)
	s.c.Log.Warn("mail to a group paused", "tenant", of.Tenant.String(), "group", of.Group.String(), "cause", string(cause))
	if s.c.Tell == nil {
		return nil
	}
	return s.c.Tell(ctx, p)
}

func (s *Service) free(ctx context.Context) error {
	list, err := s.c.Store.UnfreedPauses(ctx)
	if err != nil {
		return fmt.Errorf("find mail whose pause has ended: %w", err)
	}
	now := s.c.Now()
	for _, p := range list {
		for sum := 0; ; {
			n, err := s.c.Store.FreePaused(ctx, p.Tenant, p.Group, freePage, now)
			if err != nil {
				return fmt.Errorf("let mail to %s go on: %w", p.Group, err)
			}
			if sum += n; n == freePage {
				continue
			}
			if sum == 0 && now.Sub(p.ReleasedAt) >= freeTime {
				if err := s.c.Store.PauseFreed(ctx, p); err != nil {
					return err
				}
			}
			break
		}
	}
	return nil
}

// kept is for how long sums are kept: the longest window, and some time to look at it.
const kept = 60 * 24 * time.Hour

// Sweep removes sums that nobody looks at any more.
func (s *Service) Sweep(ctx context.Context) error {
	return s.c.Store.DropGroupTallies(ctx, s.c.Now().Add(-kept))
}
