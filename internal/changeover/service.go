package changeover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Planner changes the plan of egress; *egress.Planner is one.
type Planner interface {
	Ways(ctx context.Context) (egress.Ways, error)
	SaveShift(ctx context.Context, s egress.Shift, by string) error
	EndShift(ctx context.Context, name, by string) error
	SaveSource(ctx context.Context, s egress.Source, pools []string, by string, version int) error
	SavePool(ctx context.Context, p egress.Pool, by string, version int) error
	Assign(ctx context.Context, a egress.Assignment, by string, version int) error
	Revisions(ctx context.Context, t egress.Thing, name string) ([]egress.Revision, error)
}

// Tenants tells whether there is an account; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Config of a Service. Store, Planner, Tenants and Now are demanded.
type Config struct {
	Store   Store
	Planner Planner
	Tenants Tenants
	// Lookup asks the name servers for the checks.
	Lookup egress.Lookup
	// SPF is what a domain's SPF record says of an address: "pass", "temperror" or
	// something else (RFC 7208, 2.6); nil: it is not asked.
	SPF func(ctx context.Context, domain string, addr netip.Addr) string
	// DNSBL lists the zones of block lists to ask.
	DNSBL []string
	// Certificate tells until when the doors' certificate is valid, and whether it is one
	// that others can verify; nil: it is not looked at.
	Certificate func() (until time.Time, verifiable bool)
	Now         func() time.Time
	Log         *slog.Logger // nil discards
}

// Service plans changeovers and carries them out. by is a person's identifier or "cli".
// It is safe for concurrent use: who changes what somebody else has just changed gets
// Conflict "changeover_changed".
type Service struct{ cfg Config }

// New makes a Service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c}
}

// byClock is the actor of what happens by schedule.
const byClock = "clock"

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// Changeovers lists those that concern a tenant, for the zero tenant all; newest first.
func (s *Service) Changeovers(ctx context.Context, t tenant.ID) ([]Changeover, error) {
	return s.cfg.Store.Changeovers(ctx, t)
}

// Changeover returns one; NotFound "changeover_unknown".
func (s *Service) Changeover(ctx context.Context, c ID) (Changeover, error) {
	return s.cfg.Store.Changeover(ctx, c)
}

// Deeds returns the history of one, newest first.
func (s *Service) Deeds(ctx context.Context, c ID) ([]Deed, error) {
	return s.cfg.Store.ChangeoverDeeds(ctx, c)
}

// Marks returns the customers on fallback of a tenant, for the zero tenant of all.
func (s *Service) Marks(ctx context.Context, t tenant.ID, c ID) ([]Mark, error) {
	return s.cfg.Store.FallbackMarks(ctx, t, c)
}

// put writes a changeover with what was done to it, and brings egress in step.
func (s *Service) put(ctx context.Context, c Changeover, by, what, detail string) (Changeover, error) {
	c.UpdatedAt = s.now()
	if err := s.cfg.Store.PutChangeover(ctx, c, Deed{At: c.UpdatedAt, Actor: by, What: what, Detail: detail}); err != nil {
		return c, err
	}
	c.Version++
	s.cfg.Log.Info("changeover", "id", c.ID.String(), "deed", what, "stage", string(c.Stage), "share", c.Share, "by", by)
	return c, s.follow(ctx, c, by)
}

// follow makes the plan of egress say what the changeover says. What fails here is made
// good by the next Tick.
func (s *Service) follow(ctx context.Context, c Changeover, by string) error {
	ways, err := s.cfg.Planner.Ways(ctx)
	if err != nil {
		return fmt.Errorf("read plan of egress: %w", err)
	}
	have, there := ways.Shift(c.ID.String())
	want, wanted := c.shift()
	switch {
	case wanted && (!there || !reflect.DeepEqual(have, want)):
		err = s.cfg.Planner.SaveShift(ctx, want, by)
	case !wanted && there:
		err = s.cfg.Planner.EndShift(ctx, have.Name, by)
	}
	if err != nil {
		return fmt.Errorf("shift mail: %w", err)
	}
	return nil
}

// Create keeps a new plan as a draft and returns it. Refusals are Invalid with the fields
// of the plan, and tenant.
func (s *Service) Create(ctx context.Context, c Changeover, by string) (Changeover, error) {
	now := s.now()
	c.ID, c.Stage, c.Version, c.CreatedBy, c.CreatedAt = id.New[Kind](now), Draft, 0, by, now
	if err := s.check(ctx, c); err != nil {
		return c, err
	}
	return s.put(ctx, c, by, "created", "")
}

// Change replaces what a draft says; it is read from c by ID and Version. After the start
// Conflict "changeover_started": then shares and the end can be changed, nothing else.
func (s *Service) Change(ctx context.Context, c Changeover, by string) (Changeover, error) {
	old, err := s.cfg.Store.Changeover(ctx, c.ID)
	if err != nil {
		return c, err
	}
	if old.Stage != Draft {
		return old, fault.New(fault.Conflict, "changeover_started", "The changeover has begun.")
	}
	c.Stage, c.Tenant, c.CreatedBy, c.CreatedAt, c.Checks, c.CheckedAt = Draft, old.Tenant, old.CreatedBy, old.CreatedAt, nil, time.Time{}
	if err := s.check(ctx, c); err != nil {
		return c, err
	}
	return s.put(ctx, c, by, "changed", "")
}

// check refuses what no plan can be.
func (s *Service) check(ctx context.Context, c Changeover) error {
	ways, err := s.cfg.Planner.Ways(ctx)
	if err != nil {
		return fmt.Errorf("read plan of egress: %w", err)
	}
	wrong := c.wrong(ways.Plan)
	if !c.Tenant.IsZero() {
		if _, err := s.cfg.Tenants.Tenant(ctx, c.Tenant); fault.IsKind(err, fault.NotFound) {
			wrong = append(wrong, fault.Field("tenant", "tenant_unknown", "There is no such tenant."))
		} else if err != nil {
			return err
		}
	}
	return fault.Join(wrong)
}

// Preflight runs the checks and keeps what they came to. It takes as long as the name
// servers do; ctx bounds it.
func (s *Service) Preflight(ctx context.Context, which ID, by string) (Changeover, error) {
	c, err := s.cfg.Store.Changeover(ctx, which)
	if err != nil {
		return c, err
	}
	if c.Checks, err = s.preflight(ctx, c); err != nil {
		return c, err
	}
	c.CheckedAt = s.now()
	return s.put(ctx, c, by, "checked", strconv.Itoa(len(c.Blocking())))
}

// checksLast is how long a pre-flight counts.
const checksLast = time.Hour

// Start puts the plan in force: from now on the clock moves it. It checks first unless
// that was done within the hour, and refuses with Conflict "changeover_blocked" while a
// check blocks, "changeover_started" when it has begun, and "changeover_overlaps" when
// another one under way moves the same sources.
func (s *Service) Start(ctx context.Context, which ID, by string) (Changeover, error) {
	c, err := s.cfg.Store.Changeover(ctx, which)
	if err != nil {
		return c, err
	}
	if c.Stage != Draft {
		return c, fault.New(fault.Conflict, "changeover_started", "The changeover has begun.")
	}
	if err := s.check(ctx, c); err != nil {
		return c, err
	}
	if err := s.alone(ctx, c); err != nil {
		return c, err
	}
	if c.CheckedAt.IsZero() || s.now().Sub(c.CheckedAt) > checksLast {
		if c, err = s.Preflight(ctx, which, by); err != nil {
			return c, err
		}
	}
	if n := len(c.Blocking()); n > 0 {
		return c, fault.New(fault.Conflict, "changeover_blocked", fmt.Sprintf("%d checks are open.", n))
	}
	c.Stage, c.Share = Announced, 0
	return s.put(ctx, c, by, "started", "")
}

// alone refuses a changeover whose sources another one moves already.
func (s *Service) alone(ctx context.Context, c Changeover) error {
	list, err := s.cfg.Store.Changeovers(ctx, tenant.ID{})
	if err != nil {
		return err
	}
	for _, other := range list {
		if other.ID == c.ID || !other.Stage.Under() || !other.Tenant.IsZero() && !c.Tenant.IsZero() && other.Tenant != c.Tenant {
			continue
		}
		for _, source := range append(append([]string(nil), c.Old...), c.New...) {
			if _, used := other.Uses(source); used {
				return fault.New(fault.Conflict, "changeover_overlaps", "Another changeover moves the source "+fault.Quote(source)+".")
			}
		}
	}
	return nil
}

// Advance begins the next stage now instead of at its time: the test phase, or the
// cut-over with its first step. Later steps move by as much.
func (s *Service) Advance(ctx context.Context, which ID, by string) (Changeover, error) {
	c, err := s.cfg.Store.Changeover(ctx, which)
	if err != nil {
		return c, err
	}
	now := s.now()
	switch c.Stage {
	case Announced:
		c.TestFrom = now
		if !c.CutoverAt.After(now) {
			c.CutoverAt = now.Add(TestPhase)
		}
	case Testing:
		c.postpone(now.Sub(c.CutoverAt))
		c.CutoverAt = now
	case Shifting:
		if c.Taken >= len(c.Steps) {
			return c, notNow()
		}
		c.postpone(now.Sub(c.Steps[c.Taken].At))
	default:
		return c, notNow()
	}
	next, what := c.at(now)
	return s.put(ctx, next, by, what, detailOf(next, what))
}

func notNow() error {
	return fault.New(fault.Conflict, "changeover_stage", "That is not possible where the changeover stands.")
}

// Shares sets by hand how much goes over the new sources, everywhere and with exceptions.
// The schedule goes on from there: a later step still raises the share. Refusals are
// Invalid with the fields share and shares/<i>, and Conflict "changeover_stage" before
// the test phase and after a roll-back.
func (s *Service) Shares(ctx context.Context, which ID, version, share int, list []egress.Share, by string) (Changeover, error) {
	c, err := s.cfg.Store.Changeover(ctx, which)
	if err != nil {
		return c, err
	}
	if err := fault.Join(wrongShares(share, list)); err != nil {
		return c, err
	}
	if !c.Catches() {
		return c, notNow()
	}
	if version != c.Version {
		return c, fault.New(fault.Conflict, "changeover_changed", "Somebody else has changed this meanwhile.")
	}
	c.Share, c.Shares = share, list
	switch {
	case c.Stage == Overlap && share < 100:
		c.Stage = Shifting
	case c.Stage == Shifting && share == 100: // as the clock would do within a minute
		c.Stage = Overlap
		return s.put(ctx, c, by, string(Overlap), "")
	}
	return s.put(ctx, c, by, "share", strconv.Itoa(share))
}

// Pause freezes the share and the schedule. Refusals of the new sources still go through
// the old ones.
func (s *Service) Pause(ctx context.Context, which ID, by string) (Changeover, error) {
	return s.halt(ctx, which, Paused, "paused", by)
}

// RollBack returns all mail to the old sources at once, what waits in the queue too. It
// works in every stage but before the start and after the end, a pause included.
func (s *Service) RollBack(ctx context.Context, which ID, by string) (Changeover, error) {
	return s.halt(ctx, which, RolledBack, "rolled_back", by)
}

// halt is tried again when the clock or somebody else was a moment faster: a roll-back
// must not fail over a formality.
func (s *Service) halt(ctx context.Context, which ID, stage Stage, what, by string) (c Changeover, err error) {
	for range 3 {
		if c, err = s.cfg.Store.Changeover(ctx, which); err != nil {
			return c, err
		}
		if c.Stage == stage {
			return c, nil
		}
		if !c.Stage.Under() || c.Stage == RolledBack {
			return c, notNow()
		}
		if c.Before == "" {
			c.Before, c.HaltedAt = c.Stage, s.now()
		}
		c.Stage = stage
		next, putErr := s.put(ctx, c, by, what, "")
		if f := fault.As(putErr); f == nil || f.Code != "changeover_changed" {
			return next, putErr
		}
		err = putErr
	}
	return c, err
}

// Resume goes on where a pause or roll-back interrupted, with the share of then; what is
// still to come of the schedule is later by as long as it lasted.
func (s *Service) Resume(ctx context.Context, which ID, by string) (Changeover, error) {
	c, err := s.cfg.Store.Changeover(ctx, which)
	if err != nil {
		return c, err
	}
	if c.Stage != Paused && c.Stage != RolledBack {
		return c, notNow()
	}
	lost := s.now().Sub(c.HaltedAt)
	if c.Before == Announced {
		c.TestFrom = c.TestFrom.Add(lost)
	}
	if c.Before == Announced || c.Before == Testing {
		c.CutoverAt = c.CutoverAt.Add(lost)
	}
	c.postpone(lost)
	c.Stage, c.Before, c.HaltedAt = c.Before, "", time.Time{}
	return s.put(ctx, c, by, "resumed", strconv.Itoa(c.Share))
}

// postpone moves the steps that are still to come, and the end with them.
func (c *Changeover) postpone(d time.Duration) {
	steps := append([]Step(nil), c.Steps...)
	for i := c.Taken; i < len(steps); i++ {
		steps[i].At = steps[i].At.Add(d)
	}
	c.Steps = steps
	if d > 0 {
		c.OverlapUntil = c.OverlapUntil.Add(d)
	}
}

// Extend sets another end of the overlap, which must be ahead: Invalid with the field
// overlap_until.
func (s *Service) Extend(ctx context.Context, which ID, until time.Time, by string) (Changeover, error) {
	c, err := s.cfg.Store.Changeover(ctx, which)
	if err != nil {
		return c, err
	}
	if !c.Stage.Under() {
		return c, notNow()
	}
	c.OverlapUntil = until.UTC().Truncate(time.Millisecond)
	var wrong []*fault.Error
	if !until.After(s.now()) {
		wrong = append(wrong, fault.Field("overlap_until", "changeover_past", "The end must be ahead."))
	}
	if err := fault.Join(append(wrong, only(c.wrongTimes(), "overlap_until")...)); err != nil {
		return c, err
	}
	return s.put(ctx, c, by, "extended", c.OverlapUntil.Format(time.DateOnly))
}

func only(list []*fault.Error, field string) []*fault.Error {
	var kept []*fault.Error
	for _, e := range list {
		if e.Field == field {
			kept = append(kept, e)
		}
	}
	return kept
}

// UndoShares makes the shares what they were before the last change of them, as egress
// recorded it. NotFound "revision_unknown" if there was none.
func (s *Service) UndoShares(ctx context.Context, which ID, by string) (Changeover, error) {
	c, err := s.cfg.Store.Changeover(ctx, which)
	if err != nil {
		return c, err
	}
	list, err := s.cfg.Planner.Revisions(ctx, egress.ThingShift, which.String())
	if err != nil {
		return c, fmt.Errorf("read revisions: %w", err)
	}
	for _, r := range list {
		before, ok := shiftOf(r.Before)
		if ok && before.Fallback && (before.Share != c.Share || !reflect.DeepEqual(before.Shares, c.Shares)) {
			return s.Shares(ctx, which, c.Version, before.Share, before.Shares, by)
		}
	}
	return c, fault.New(fault.NotFound, "revision_unknown", "Nothing was changed.")
}

// Tick moves every changeover to where its plan has it at a time, and repairs what egress
// says of it. One node does it for all, every minute.
func (s *Service) Tick(ctx context.Context, now time.Time) error {
	list, err := s.cfg.Store.Changeovers(ctx, tenant.ID{})
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range list {
		if c.Stage == Draft {
			continue
		}
		next, what := c.at(now.UTC().Truncate(time.Millisecond))
		if what == "" {
			errs = append(errs, s.follow(ctx, c, byClock))
			continue
		}
		if _, err := s.put(ctx, next, byClock, what, detailOf(next, what)); err != nil {
			errs = append(errs, fmt.Errorf("move changeover %s: %w", c.ID, err))
		}
	}
	return errors.Join(errs...)
}

// marksLast is how long it is kept whose mail fell back, after the end.
const marksLast = 365 * 24 * time.Hour

// Sweep forgets marks of changeovers that ended a year ago.
func (s *Service) Sweep(ctx context.Context, now time.Time) error {
	_, err := s.cfg.Store.DropFallbackMarks(ctx, now.Add(-marksLast))
	return err
}

// detailOf is what the history says besides the deed.
func detailOf(c Changeover, what string) string {
	if what == "share" || what == string(Testing) || what == string(Shifting) {
		return strconv.Itoa(c.Share)
	}
	return ""
}

// at is the changeover as its plan has it at a time, and what happened to it last; ""
// for nothing. Missed steps are taken together: the last one counts.
func (c Changeover) at(now time.Time) (Changeover, string) {
	what := ""
	if c.Stage == Announced && !now.Before(c.TestFrom) {
		c.Stage, c.Share, what = Testing, c.TestShare, string(Testing)
	}
	if c.Stage == Testing && !now.Before(c.CutoverAt) {
		c.Stage, what = Shifting, string(Shifting)
	}
	for c.Stage == Shifting && c.Taken < len(c.Steps) && !now.Before(c.Steps[c.Taken].At) {
		if step := c.Steps[c.Taken]; step.Share > c.Share {
			c.Share = step.Share
			if what == "" {
				what = "share"
			}
		}
		c.Taken++
		if what == "" {
			what = "share"
		}
	}
	if c.Stage == Shifting && c.Share == 100 {
		c.Stage, what = Overlap, string(Overlap)
	}
	return c, what
}
