package audience

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// ReasonHalted is the reason of deliveries that are held because their tenant's bulk
// mail is halted.
const ReasonHalted = "bulk_halted"

const (
	// judgeEvery is the least time between two countings of one tenant's mail, which may
	// be a million rows.
	judgeEvery = 30 * time.Second
	// judgeAfter is how long a counting waits after the fact that asked for it: the fact
	// itself is committed in between.
	judgeAfter = 2 * time.Second
	// freePage is how many held deliveries are released in one transaction, freeTime how
	// long others may hold some after the release because they have not learnt of it yet.
	freePage = 500
	freeTime = time.Minute
)

// Cause says what was too much.
type Cause string

// The causes.
const (
	TooManyComplaints Cause = "complaints"
	TooManyBounces    Cause = "hard_bounces"
	// TooManyUnsubscribes: so many want no more that the others were not asked either.
	TooManyUnsubscribes Cause = "unsubscribes"
)

// Limit is one threshold of Limits.
type Limit struct {
	Least   int      `toml:"least"`
	Share   int      `toml:"share"` // of the mail sent, in parts of a thousand
	Classes []string `toml:"classes"`
}

func (l Limit) passed(n, sent int) bool { return n >= l.Least && n*1000 >= l.Share*sent }

// Limits say when a tenant's bulk mail is halted; see halts.toml.
type Limits struct {
	Window       int             `toml:"window"` // hours
	Streams      []tenant.Stream `toml:"streams"`
	Sent         int             `toml:"sent"`
	Complaints   Limit           `toml:"complaints"`
	Hard         Limit           `toml:"hard"`
	Unsubscribes Limit           `toml:"unsubscribes"`
}

//go:embed halts.toml
var haltsFile []byte

// DefaultLimits are those of halts.toml. An error is a mistake in that file.
func DefaultLimits() (Limits, error) {
	var l Limits
	if err := toml.NewDecoder(bytes.NewReader(haltsFile)).DisallowUnknownFields().Decode(&l); err != nil {
		return Limits{}, fmt.Errorf("halts.toml: %w", err)
	}
	return l, nil
}

// Tally is how a tenant's bulk mail fared.
type Tally struct {
	Sent       int // came to an end: taken over or refused for good
	Hard       int // of these refused or sent back because the address does not exist
	Complaints int // of these complained of
	// Unsubscribes are people who wanted no more by the link of a mail or an answer to it,
	// whichever mail it was.
	Unsubscribes int
}

// Of is the figure that a cause is about.
func (v Tally) Of(c Cause) int {
	switch c {
	case TooManyComplaints:
		return v.Complaints
	case TooManyBounces:
		return v.Hard
	}
	return v.Unsubscribes
}

// judge returns what was too much, "" if nothing was.
func (l Limits) judge(v Tally) Cause {
	switch {
	case v.Sent < l.Sent:
		return ""
	case l.Complaints.passed(v.Complaints, v.Sent):
		return TooManyComplaints
	case l.Hard.passed(v.Hard, v.Sent):
		return TooManyBounces
	case l.Unsubscribes.Share > 0 && l.Unsubscribes.passed(v.Unsubscribes, v.Sent):
		return TooManyUnsubscribes
	}
	return ""
}

// Span is what mail a Tally counts.
type Span struct {
	Streams  []tenant.Stream
	Classes  []string  // that count as Hard
	Accepted time.Time // at or after
	Settled  time.Time // at or after
}

// Halt is one time during which a tenant's bulk mail is held. Others are not touched,
// nor are the tenant's other streams.
type Halt struct {
	Tenant tenant.ID
	At     time.Time
	Cause  Cause
	Tally
	Window     time.Duration // what the Tally looked back
	ReleasedAt time.Time     // zero while it is in force
	ReleasedBy string
	Self       bool   // released by the account itself
	Note       string // why it was released
	Freed      bool   // what was held is on its way again
}

// InForce reports whether the halt was not released.
func (h Halt) InForce() bool { return !h.At.IsZero() && h.ReleasedAt.IsZero() }

// Release is how a halt ends.
type Release struct {
	At    time.Time
	Actor string
	Self  bool // by the account itself
	Note  string
}

// HaltStore keeps halts. Every method is one whole transaction.
type HaltStore interface {
	// Tally counts a tenant's mail.
	Tally(ctx context.Context, t tenant.ID, v Span) (Tally, error)
	// Halt stores a halt unless one is in force, and reports whether it did. It counts as
	// a change.
	Halt(ctx context.Context, h Halt) (bool, error)
	// LastHalt returns the tenant's last halt, in force or not; the zero Halt if it never
	// had one.
	LastHalt(ctx context.Context, t tenant.ID) (Halt, error)
	// Halts returns the halts of all tenants, new ones first, at most 200.
	Halts(ctx context.Context) ([]Halt, error)
	// ReleaseBulk ends the halt in force, by the account itself or by the platform, or fails
	// with NotFound "halt_not_found". It counts as a change.
	ReleaseBulk(ctx context.Context, t tenant.ID, r Release) error
	// SelfReleased is when the tenant released its bulk mail by itself for the last time;
	// zero: never.
	SelfReleased(ctx context.Context, t tenant.ID) (time.Time, error)
	// FreeHeld lets at most limit deliveries go on that are held with ReasonHalted, and
	// returns how many these were.
	FreeHeld(ctx context.Context, t tenant.ID, limit int, now time.Time) (int, error)
	// HeldFreed notes that nothing is held any more because of a halt.
	HeldFreed(ctx context.Context, h Halt) error
}

// Halted reports whether mail of a stream is to be held now. It asks memory alone.
func (s *Service) Halted(t tenant.ID, stream tenant.Stream) bool {
	if !slices.Contains(s.limits.Streams, stream) {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.halts[t].InForce()
}

// HaltOf returns the tenant's halt; ok is false if none is in force.
func (s *Service) HaltOf(ctx context.Context, t tenant.ID) (h Halt, ok bool, err error) {
	h, err = s.cfg.Store.LastHalt(ctx, t)
	return h, err == nil && h.InForce(), err
}

// Halts returns the halts of all tenants, new ones first; for staff of the platform.
func (s *Service) Halts(ctx context.Context) ([]Halt, error) { return s.cfg.Store.Halts(ctx) }

// ReleaseBulk ends a tenant's halt, by staff of the platform. What was held goes
// on within moments, and from now on only what is settled later counts. Errors:
// "release_reason_missing", "note_malformed" (field "reason"), "halt_not_found".
func (s *Service) ReleaseBulk(ctx context.Context, t tenant.ID, actor, why string) error {
	return s.release(ctx, t, Release{At: s.cfg.Now(), Actor: actor, Note: why})
}

// SelfAgain is how long after an account has released its bulk mail by itself the next halt is
// for the platform to release.
const SelfAgain = 30 * day

// MayResume reports whether the tenant may release its own bulk mail, should it be halted.
func (s *Service) MayResume(ctx context.Context, t tenant.ID) (bool, error) {
	last, err := s.cfg.Store.SelfReleased(ctx, t)
	return err == nil && (last.IsZero() || s.cfg.Now().Sub(last) >= SelfAgain), err
}

// ResumeBulk is ReleaseBulk by the account itself, which says what it changed; once in
// SelfAgain, else Conflict "halt_self_used".
func (s *Service) ResumeBulk(ctx context.Context, t tenant.ID, actor, why string) error {
	may, err := s.MayResume(ctx, t)
	if err != nil {
		return err
	}
	if _, halted, err := s.HaltOf(ctx, t); err != nil {
		return err
	} else if halted && !may {
		return fault.New(fault.Conflict, "halt_self_used", "This account has released its bulk mail by itself before; the platform must release it now.")
	}
	return s.release(ctx, t, Release{At: s.cfg.Now(), Actor: actor, Self: true, Note: why})
}

func (s *Service) release(ctx context.Context, t tenant.ID, r Release) error {
	why := r.Note
	switch {
	case utf8.RuneCountInString(why) < 3:
		return fault.Field("reason", "release_reason_missing", "A release needs a reason of at least 3 characters.")
	case !note(why):
		return fault.Field("reason", "note_malformed", "A reason has at most 500 characters on one line.")
	}
	if err := s.cfg.Store.ReleaseBulk(ctx, t, r); err != nil {
		return err
	}
	return s.loadHalt(ctx, t)
}

func (s *Service) loadHalt(ctx context.Context, t tenant.ID) error {
	h, err := s.cfg.Store.LastHalt(ctx, t)
	if err != nil {
		return fmt.Errorf("load halt: %w", err)
	}
	s.mu.Lock()
	known := s.halts[t].At.Equal(h.At)
	if s.halts[t] = h; h.At.IsZero() {
		delete(s.halts, t)
	}
	s.mu.Unlock()
	if known || !h.InForce() || s.cfg.OnHalt == nil || s.cfg.Now().Sub(h.At) > day {
		return nil
	}
	if err := s.cfg.OnHalt(ctx, h); err != nil {
		s.cfg.Log.Error("halt not told", "tenant", t.String(), "err", err)
	}
	return nil
}

// suspect asks for the tenant's mail to be counted, if the outcome is one that counts.
func (s *Service) suspect(v Report) {
	if !slices.Contains(s.limits.Streams, v.Stream) ||
		v.Class != ClassComplaint && v.Class != ClassUnsubscribe && !slices.Contains(s.limits.Hard.Classes, v.Class) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.suspects[v.Tenant]; ok {
		return
	}
	due := s.cfg.Now().Add(judgeAfter)
	if next := s.judged[v.Tenant].Add(judgeEvery); due.Before(next) {
		due = next
	}
	s.suspects[v.Tenant] = due
}

// Judge counts the mail of tenants that outcomes made suspect and halts where it is too
// much; then it lets go what was held before a release. Run calls it.
func (s *Service) Judge(ctx context.Context) error {
	now := s.cfg.Now()
	s.mu.Lock()
	var due []tenant.ID
	for t, at := range s.suspects {
		if !at.After(now) {
			due = append(due, t)
			s.judged[t] = now
			delete(s.suspects, t)
		}
	}
	for t, at := range s.judged {
		if now.Sub(at) > judgeEvery {
			delete(s.judged, t)
		}
	}
	var released []Halt
	for _, h := range s.halts {
		if !h.InForce() && !h.Freed {
			released = append(released, h)
		}
	}
	s.mu.Unlock()
	for _, t := range due {
		if err := s.judge(ctx, t, now); err != nil {
			return fmt.Errorf("judge bulk mail of %s: %w", t, err)
		}
	}
	for _, h := range released {
		if err := s.free(ctx, h, now); err != nil {
			return fmt.Errorf("free held mail of %s: %w", h.Tenant, err)
		}
	}
	return nil
}

func (s *Service) judge(ctx context.Context, t tenant.ID, now time.Time) error {
	last, err := s.cfg.Store.LastHalt(ctx, t)
	if err != nil || last.InForce() {
		return err
	}
	window := time.Duration(s.limits.Window) * time.Hour
	span := Span{Streams: s.limits.Streams, Classes: s.limits.Hard.Classes, Accepted: now.Add(-window)}
	if last.ReleasedAt.After(span.Accepted) {
		// What led to the halt has been looked at; what it held counts when it is settled.
		span.Accepted, span.Settled = last.At.Add(-window), last.ReleasedAt
	}
	tally, err := s.cfg.Store.Tally(ctx, t, span)
	if err != nil {
		return err
	}
	cause := s.LimitsOf(t).judge(tally)
	if cause == "" {
		return nil
	}
	made, err := s.cfg.Store.Halt(ctx, Halt{Tenant: t, At: now.UTC().Truncate(time.Millisecond), Cause: cause, Tally: tally, Window: window})
	if err != nil {
		return err
	}
	if made {
		s.cfg.Log.Warn("bulk mail of a tenant halted", "tenant", t.String(), "cause", string(cause),
			"sent", tally.Sent, "complaints", tally.Complaints, "hard_bounces", tally.Hard, "unsubscribes", tally.Unsubscribes)
	}
	return s.loadHalt(ctx, t)
}

// free lets held mail go on after a release, and says so once nobody can hold any more.
func (s *Service) free(ctx context.Context, h Halt, now time.Time) error {
	for {
		n, err := s.cfg.Store.FreeHeld(ctx, h.Tenant, freePage, now)
		if err != nil {
			return err
		}
		if n == freePage {
			continue
		}
		if n > 0 || now.Sub(h.ReleasedAt) < freeTime {
			return nil
		}
		if err := s.cfg.Store.HeldFreed(ctx, h); err != nil {
			return err
		}
		return s.loadHalt(ctx, h.Tenant)
	}
}
