package redelivery

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Codes of refusals.
const (
	CodeTooMany     = "redelivery_too_many"
	CodeNothing     = "redelivery_nothing"
	CodeValue       = "redelivery_value"
	CodeState       = "redelivery_state"
	CodeNotFound    = "redelivery_not_found"
	CodeOther       = "redelivery_second_person"
	CodeKeyConflict = "idempotency_conflict"
	CodeNoOld       = "redelivery_no_old_sources"
)

// Leads makes the mail of a lead anew; *lead.Service does.
type Leads interface {
	Lead(ctx context.Context, t tenant.ID, l lead.ID) (lead.Lead, error)
	Rewrite(ctx context.Context, l lead.Lead, r lead.Redelivery) (message.Draft, error)
}

// Bodies reads kept mail; *spool.Spool does.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Config is what a Service needs.
type Config struct {
	Store    Store
	Acceptor ingest.Acceptor
	Leads    Leads
	Bodies   Bodies
	// PersonOf names the person behind an actor: of a key who made it, of a user
	// themselves; "" if nobody can be named. The second of two persons must have another
	// name than the first. nil: actors are their own names.
	PersonOf func(ctx context.Context, t tenant.ID, actor string) (string, error)
	// ConfirmAbove is how many mails one person may send alone; 0: 500.
	ConfirmAbove int
	// Awaits is told of each job that begins to wait for a second person, once it does; nil:
	// nobody is.
	Awaits func(ctx context.Context, j Job)
	// OldSources names the sources that a changeover under way moves a tenant's mail away
	// from and that still send; nil: there are no changeovers.
	OldSources func(ctx context.Context, t tenant.ID) ([]string, error)
	// Kept is how long the content of mail is kept where a tenant has set nothing; 0: 42
	// days.
	Kept time.Duration
	Now  func() time.Time
	// Zone is where the day of the first sending is read from a clock. nil: UTC.
	Zone *time.Location
	Log  *slog.Logger // nil: discard
}

const (
	defaultConfirmAbove = 500
	defaultKept         = 42 * 24 * time.Hour
)

// Service plans and runs redeliveries. It is safe for concurrent use; Turn must be
// called by one caller at a time on all nodes together.
type Service struct{ c Config }

// New makes a Service.
func New(c Config) *Service {
	if c.ConfirmAbove <= 0 {
		c.ConfirmAbove = defaultConfirmAbove
	}
	if c.Kept <= 0 {
		c.Kept = defaultKept
	}
	if c.PersonOf == nil {
		c.PersonOf = func(_ context.Context, _ tenant.ID, actor string) (string, error) { return actor, nil }
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c}
}

// ConfirmAbove is how many mails one person may send alone.
func (s *Service) ConfirmAbove() int { return s.c.ConfirmAbove }

const (
	maxText   = 300
	maxReason = 500
	maxKey    = 200
)

// check holds filter and options against their rules, fills in defaults and returns the
// one address all goes to, if any.
func (s *Service) check(f *Filter, o *Options) (to message.Address, err error) {
	var wrong []*fault.Error
	bad := func(field, detail string) { wrong = append(wrong, fault.Field(field, CodeValue, detail)) }
	if f.Stream != "" && !f.Stream.Valid() {
		bad("stream", "There is no such stream.")
	}
	for _, v := range f.States {
		if !slices.Contains(States(), v) {
			bad("states", "Only deliveries that have ended can be redelivered.")
			break
		}
	}
	for field, text := range map[string]string{"recipient": f.Recipient, "advertiser": f.Advertiser, "object": f.Object, "reply": f.Reply, "class": f.Class, "source": f.Source} {
		if !oneLine(text, maxText) {
			bad(field, "At most 300 characters on one line.")
		}
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		bad("to", "The end lies before the beginning.")
	}
	if f.Recipient != "" && !strings.HasPrefix(f.Recipient, "@") {
		if _, err := message.ParseAddress(f.Recipient); err != nil {
			bad("recipient", "A whole address, or @ and a domain.")
		}
	}
	if o.To != "" {
		if to, err = message.ParseAddress(o.To); err != nil {
			bad("to_address", "This is not an address.")
		}
	}
	if !oneLine(o.Reason, maxReason) {
		bad("reason", "At most 500 characters on one line.")
	}
	wrong = append(wrong, o.fill()...)
	if f.From.IsZero() && !f.one() {
		f.From = s.c.Now().Add(-s.c.Kept).UTC().Truncate(time.Millisecond)
	}
	slices.SortFunc(wrong, func(a, b *fault.Error) int { return strings.Compare(a.Field, b.Field) })
	return to, fault.Join(wrong)
}

// fill sets the rates that were not said.
func (o *Options) fill() (wrong []*fault.Error) {
	if o.PerMinute == 0 {
		o.PerMinute = DefaultPerMinute
	}
	if o.Ceiling == 0 {
		o.Ceiling = max(DefaultCeiling, o.PerMinute)
	}
	if o.PerMinute < 1 || o.PerMinute > maxRate {
		wrong = append(wrong, fault.Field("per_minute", CodeValue, "From 1 to 10,000 a minute."))
	}
	if o.Ceiling < o.PerMinute || o.Ceiling > maxRate {
		wrong = append(wrong, fault.Field("ceiling", CodeValue, "From the first minute's rate to 10,000 a minute."))
	}
	return wrong
}

func oneLine(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most && strings.IndexFunc(text, unicode.IsControl) < 0
}

// States are those in which a delivery can be redelivered.
func States() []event.State {
	return []event.State{event.Delivered, event.Bounced, event.Expired, event.Suppressed, event.Cancelled}
}

// Start writes a job down and lets it run, or wait for a second person. key makes
// starting twice under it the same as starting once ("" for none): the job of then comes
// back, with replayed. Errors are those of Preview, and Conflict "redelivery_nothing"
// when nothing would be sent.
func (s *Service) Start(ctx context.Context, who ingest.Principal, f Filter, o Options, key string) (j Job, replayed bool, err error) {
	if who.Tenant.IsZero() {
		return j, false, fault.New(fault.Forbidden, ingest.CodeTenantMissing, "Mail is redelivered for a tenant; this account belongs to none.")
	}
	if !oneLine(key, maxKey) {
		return j, false, fault.Field("key", CodeValue, "At most 200 characters on one line.")
	}
	hash := hashOf(f, o)
	p, err := s.planner(ctx, who.Tenant, f, o)
	if err != nil {
		return j, false, err
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	if p.filter.To.IsZero() {
		// What the job itself sends must not match.
		p.filter.To = now.Add(time.Millisecond)
	}
	all, send, err := p.collect(ctx)
	if err != nil {
		return j, false, err
	}
	if send == 0 && key == "" {
		return j, false, nothing()
	}
	j = Job{ID: id.New[Kind](now), Tenant: who.Tenant, Key: key, State: Planning, Actor: who.Actor, Door: who.Door, Filter: p.filter, Options: p.option, CreatedAt: now}
	first, firstHash, err := s.c.Store.AddJob(ctx, j, hash)
	switch {
	case err != nil:
		return j, false, fmt.Errorf("keep redelivery: %w", err)
	case first != nil && firstHash != hash:
		return j, false, fault.New(fault.Conflict, CodeKeyConflict, "The key was used for another redelivery.")
	case first != nil:
		return *first, true, nil
	}
	for part := range slices.Chunk(all, planStep) {
		if err := s.c.Store.AddItems(ctx, j.Tenant, j.ID, part); err != nil {
			return j, false, fmt.Errorf("keep redelivery: %w", err)
		}
	}
	j.Total, j.Skipped = len(all), len(all)-send
	switch {
	case send == 0:
		j.State, j.FinishedAt = Done, now
	case send > s.c.ConfirmAbove:
		j.State = Awaiting
	default:
		j.State, j.RampAt, j.DueAt = Running, now, now
	}
	if err := s.c.Store.ChangeJob(ctx, j, Planning); err != nil {
		return j, false, fmt.Errorf("start redelivery: %w", err)
	}
	if j.State == Awaiting && s.c.Awaits != nil {
		s.c.Awaits(ctx, j)
	}
	return j, false, nil
}

func nothing() error {
	return fault.New(fault.Conflict, CodeNothing, "Nothing that matches can be redelivered; a dry run tells why.")
}

// collect is every item of the job and how many of them are to be sent.
func (p *planner) collect(ctx context.Context) (all []Item, send int, err error) {
	err = p.walk(ctx, func(_ []Candidate, items []Item) error {
		for _, it := range items {
			if it.State == Waiting {
				send++
			}
		}
		all = append(all, items...)
		return nil
	})
	return all, send, err
}

// hashOf tells a repeated request from another under the same key.
func hashOf(f Filter, o Options) [32]byte {
	text, err := json.Marshal(struct {
		Filter  Filter
		Options Options
	}{f, o})
	if err != nil { // strings, numbers and times always marshal
		return [32]byte{}
	}
	return sha256.Sum256(text)
}

// Job returns one; NotFound "redelivery_not_found".
func (s *Service) Job(ctx context.Context, t tenant.ID, j ID) (Job, error) {
	return s.c.Store.Redelivery(ctx, t, j)
}

// Jobs lists from new to old, below after if it is not zero.
func (s *Service) Jobs(ctx context.Context, t tenant.ID, after ID, limit int) ([]Job, bool, error) {
	return s.c.Store.Redeliveries(ctx, t, after, limit)
}

// Items lists what becomes of each delivery of a job.
func (s *Service) Items(ctx context.Context, t tenant.ID, j ID, f ItemFilter) ([]Item, bool, error) {
	return s.c.Store.RedeliveryItems(ctx, t, j, f)
}

// Confirm lets a job run that waits for a second person. Who started it, themselves or
// by a key of theirs, is Forbidden "redelivery_second_person", and so is a key that
// nobody made.
func (s *Service) Confirm(ctx context.Context, who ingest.Principal, number ID) (Job, error) {
	return s.change(ctx, who.Tenant, number, []State{Awaiting}, func(j *Job) error {
		first, err := s.c.PersonOf(ctx, j.Tenant, j.Actor)
		if err != nil {
			return fmt.Errorf("find who started a redelivery: %w", err)
		}
		second, err := s.c.PersonOf(ctx, j.Tenant, who.Actor)
		if err != nil {
			return fmt.Errorf("find who confirms a redelivery: %w", err)
		}
		if second == "" || second == first || who.Actor == j.Actor {
			return fault.New(fault.Forbidden, CodeOther, "A second person must confirm this redelivery.")
		}
		now := s.c.Now().UTC().Truncate(time.Millisecond)
		j.State, j.ConfirmedBy, j.ConfirmedAt, j.RampAt, j.DueAt = Running, who.Actor, now, now, now
		return nil
	})
}

// Pause lets a running job rest; what was handed to ingest goes on.
func (s *Service) Pause(ctx context.Context, t tenant.ID, number ID) (Job, error) {
	return s.change(ctx, t, number, []State{Running}, func(j *Job) error {
		j.State, j.Reason = Paused, ""
		return nil
	})
}

// Resume lets a paused job go on, at its first rate again.
func (s *Service) Resume(ctx context.Context, t tenant.ID, number ID) (Job, error) {
	return s.change(ctx, t, number, []State{Paused}, func(j *Job) error {
		now := s.c.Now().UTC().Truncate(time.Millisecond)
		j.State, j.Reason, j.RampAt, j.DueAt = Running, "", now, now
		return nil
	})
}

// Cancel ends a job; what was sent stays sent.
func (s *Service) Cancel(ctx context.Context, t tenant.ID, number ID) (Job, error) {
	return s.change(ctx, t, number, []State{Awaiting, Running, Paused}, func(j *Job) error {
		j.State, j.FinishedAt = Cancelled, s.c.Now().UTC().Truncate(time.Millisecond)
		return nil
	})
}

// change moves a job that is in one of the states from on; otherwise Conflict
// "redelivery_state".
func (s *Service) change(ctx context.Context, t tenant.ID, number ID, from []State, do func(*Job) error) (Job, error) {
	j, err := s.c.Store.Redelivery(ctx, t, number)
	if err != nil {
		return j, fmt.Errorf("change redelivery: %w", err)
	}
	was := j.State
	if !slices.Contains(from, was) {
		return j, fault.New(fault.Conflict, CodeState, "The redelivery is not in a state that allows this.")
	}
	if err := do(&j); err != nil {
		return j, err
	}
	if err := s.c.Store.ChangeJob(ctx, j, was); err != nil {
		return j, fmt.Errorf("change redelivery: %w", err)
	}
	return j, nil
}
