package redelivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// RunKind is the id.Kind of runs.
type RunKind struct{}

// Prefix implements id.Kind.
func (RunKind) Prefix() string { return "arc" }

// RunID names a run.
type RunID = id.Of[RunKind]

// Bounds of a term.
const (
	MinDays = 1
	MaxDays = 365
)

// Term is how long the content of the mail of a stream is kept.
type Term struct {
	Stream tenant.Stream
	Days   int // 0: as the platform does
}

// Run is the proof of what one run dropped of a tenant's stream. The zero Run has
// dropped nothing.
type Run struct {
	ID       RunID
	Tenant   tenant.ID
	Stream   tenant.Stream
	Before   time.Time // content of mail accepted before
	Messages int64
	Bytes    int64 // of the mail in clear
	Leads    int64 // enquiries whose content went with it
	// Oldest and Newest are when the first and the last of the messages were accepted.
	Oldest, Newest time.Time
	// Digest is a chain over the identifiers in their order, from zeros on: each link is
	// the SHA-256 of the link before and the 16 bytes of the next identifier.
	Digest  [32]byte
	BeganAt time.Time
	EndedAt time.Time // zero: it lasts, or was cut short; the next run goes on
}

// Add counts a message and adds a link to the chain. Messages come in the order of their
// identifiers.
func (r *Run) Add(m message.ID, size int64, at time.Time) {
	r.Messages++
	r.Bytes += size
	if r.Oldest.IsZero() {
		r.Oldest = at
	}
	r.Newest = at
	r.Digest = sha256.Sum256(append(r.Digest[:], m[:]...))
}

// ArchiveStore keeps terms and drops content. Each method is one transaction.
type ArchiveStore interface {
	// Terms are those the tenant has set.
	Terms(ctx context.Context, t tenant.ID) ([]Term, error)
	// SaveTerm sets one; Days 0 takes it back.
	SaveTerm(ctx context.Context, t tenant.ID, v Term) error
	// LongestTerm is the most days any tenant has set; 0 if none has.
	LongestTerm(ctx context.Context) (int, error)
	// DropContent erases the content of up to limit messages of the run's tenant and
	// stream, in order from where the last run ended, and adds them to the run, which it
	// keeps if it holds anything. It stops at mail that still waits. Without more the
	// run has ended, at now.
	DropContent(ctx context.Context, r Run, limit int, now time.Time) (after Run, more bool, err error)
	// DropLeadsOf erases the enquiries of up to limit leads of the tenant taken before, and
	// says how many there were.
	DropLeadsOf(ctx context.Context, t tenant.ID, before time.Time, limit int) (int, error)
	// ArchiveRuns lists from new to old, below after if it is not zero.
	ArchiveRuns(ctx context.Context, t tenant.ID, after RunID, limit int) (list []Run, more bool, err error)
}

// Tenants lists tenants by their identifiers.
type Tenants interface {
	Tenants(ctx context.Context, after tenant.ID, limit int) ([]tenant.Tenant, error)
}

// ArchiveConfig is what an Archive needs.
type ArchiveConfig struct {
	Store   ArchiveStore
	Tenants Tenants
	Audit   audit.Store
	// Kept holds where a tenant has set nothing; 0: 42 days.
	Kept time.Duration
	Now  func() time.Time
}

// Archive keeps content for its time and no longer. It is safe for concurrent use; Drop
// must be called by one caller at a time on all nodes together.
type Archive struct{ c ArchiveConfig }

// NewArchive makes an Archive.
func NewArchive(c ArchiveConfig) *Archive {
	if c.Kept <= 0 {
		c.Kept = defaultKept
	}
	return &Archive{c}
}

// terms is how long each stream's content is kept.
type terms struct {
	days map[tenant.Stream]int
	kept time.Duration
}

func (t terms) of(s tenant.Stream) time.Duration {
	if d := t.days[s]; d > 0 {
		return time.Duration(d) * 24 * time.Hour
	}
	return t.kept
}

func termsOf(ctx context.Context, store interface {
	Terms(ctx context.Context, t tenant.ID) ([]Term, error)
}, t tenant.ID, kept time.Duration) (terms, error) {
	list, err := store.Terms(ctx, t)
	if err != nil {
		return terms{}, fmt.Errorf("read retention times: %w", err)
	}
	v := terms{map[tenant.Stream]int{}, kept}
	for _, one := range list {
		v.days[one.Stream] = one.Days
	}
	return v, nil
}

// Kept is how long the platform keeps content.
func (a *Archive) Kept() time.Duration { return a.c.Kept }

// Terms are those of all streams, set or not.
func (a *Archive) Terms(ctx context.Context, t tenant.ID) ([]Term, error) {
	set, err := termsOf(ctx, a.c.Store, t, a.c.Kept)
	if err != nil {
		return nil, err
	}
	var list []Term
	for _, s := range tenant.Streams() {
		list = append(list, Term{s, set.days[s]})
	}
	return list, nil
}

// SaveTerms sets them. Errors of the input are Invalid with the streams as fields. What
// was dropped already does not come back.
func (a *Archive) SaveTerms(ctx context.Context, t tenant.ID, list []Term) error {
	var wrong []*fault.Error
	for _, v := range list {
		if !v.Stream.Valid() || v.Days != 0 && (v.Days < MinDays || v.Days > MaxDays) {
			wrong = append(wrong, fault.Field(string(v.Stream), CodeValue, "From 1 to 365 days."))
		}
	}
	if err := fault.Join(wrong); err != nil {
		return err
	}
	for _, v := range list {
		if err := a.c.Store.SaveTerm(ctx, t, v); err != nil {
			return fmt.Errorf("save retention time: %w", err)
		}
	}
	return nil
}

// Runs lists what was dropped, from new to old.
func (a *Archive) Runs(ctx context.Context, t tenant.ID, after RunID, limit int) ([]Run, bool, error) {
	return a.c.Store.ArchiveRuns(ctx, t, after, limit)
}

// Longest is how long the content of some tenant's mail is kept: whole days of bodies
// older than that can go.
func (a *Archive) Longest(ctx context.Context) (time.Duration, error) {
	days, err := a.c.Store.LongestTerm(ctx)
	if err != nil {
		return 0, fmt.Errorf("find longest retention time: %w", err)
	}
	return max(a.c.Kept, time.Duration(days)*24*time.Hour), nil
}

const (
	// dropStep is how many messages one transaction empties: some milliseconds.
	dropStep = 200
	// dropPause is left to the others between two steps.
	dropPause = 20 * time.Millisecond
)

// Drop erases the content of all tenants' mail whose time is over, and writes down what
// that was. It is meant to run every hour; what it did not get to comes next time.
func (a *Archive) Drop(ctx context.Context, now time.Time) error {
	var after tenant.ID
	var errs []error
	for {
		list, err := a.c.Tenants.Tenants(ctx, after, 100)
		if err != nil {
			return fmt.Errorf("drop content: %w", err)
		}
		for _, t := range list {
			after = t.ID
			if err := a.dropOf(ctx, t.ID, now); err != nil {
				errs = append(errs, fmt.Errorf("drop content of %s: %w", t.ID, err))
			}
			if ctx.Err() != nil {
				return errors.Join(errs...)
			}
		}
		if len(list) < 100 {
			return errors.Join(errs...)
		}
	}
}

func (a *Archive) dropOf(ctx context.Context, t tenant.ID, now time.Time) error {
	set, err := termsOf(ctx, a.c.Store, t, a.c.Kept)
	if err != nil {
		return err
	}
	for _, s := range tenant.Streams() {
		r := Run{Tenant: t, Stream: s, Before: now.Add(-set.of(s)).UTC().Truncate(time.Millisecond), BeganAt: now.UTC().Truncate(time.Millisecond)}
		r.ID = id.New[RunKind](now)
		if s == tenant.Lead && set.days[s] > 0 {
			if r.Leads, err = a.dropLeads(ctx, r); err != nil {
				return err
			}
		}
		if err := a.run(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// dropLeads empties the enquiries of a tenant with a time of its own; those of all
// others are package lead's to drop.
func (a *Archive) dropLeads(ctx context.Context, r Run) (sum int64, err error) {
	for {
		n, err := a.c.Store.DropLeadsOf(ctx, r.Tenant, r.Before, dropStep)
		sum += int64(n)
		if err != nil || n < dropStep {
			return sum, err
		}
		if err := pause(ctx, dropPause); err != nil {
			return sum, err
		}
	}
}

func (a *Archive) run(ctx context.Context, r Run) error {
	for {
		next, more, err := a.c.Store.DropContent(ctx, r, dropStep, a.c.Now())
		if err != nil {
			return err
		}
		r = next
		if !more {
			break
		}
		if err := pause(ctx, dropPause); err != nil {
			return err
		}
	}
	if r.Messages+r.Leads == 0 {
		return nil
	}
	err := a.c.Audit.PutAudit(context.WithoutCancel(ctx), audit.Act{
		Tenant: r.Tenant, Actor: "system", Action: "archive.drop", Target: r.ID.String(),
		Detail: strings.Join([]string{string(r.Stream), fmt.Sprint(r.Messages), fmt.Sprint(r.Bytes), hex.EncodeToString(r.Digest[:])}, " "),
	})
	if err != nil {
		return fmt.Errorf("record run: %w", err)
	}
	return nil
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
