package approval

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"
	"unicode"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const (
	// watchWindow is how long recipients of the same are counted together.
	watchWindow = time.Hour
	// watchShapes and watchTenants bound the memory: the shapes of one tenant, and tenants.
	watchShapes  = 64
	watchTenants = 2000
	// watchAgain is how often a shape that has many recipients is looked into again.
	watchAgain = 5 * time.Minute
)

// Watch notices who writes the same to many people on streams that ask nobody: mail to
// one person each, about a thing of theirs, does not look alike a hundred times an hour to
// members of a group that is not approved. It counts in memory, for this process alone,
// and asks the database only about shapes with many recipients. It is safe for concurrent
// use; the zero Watch is not usable.
type Watch struct {
	groups Groups
	gate   *Gate
	store  Store
	now    func() time.Time
	log    *slog.Logger
	most   int
	hold   bool
	seed   maphash.Seed

	mu      sync.Mutex
	tenants map[tenant.ID]map[[16]byte]*run
	asked   chan suspect
}

// run is what one shape came to within the window.
type run struct {
	began   time.Time
	asked   time.Time
	seen    map[uint64]struct{} // hashes of recipients
	sample  []message.Address
	alarmed bool
}

// suspect is a run to be looked into.
type suspect struct {
	tenant tenant.ID
	stream tenant.Stream
	shape  [16]byte
	sample []message.Address
	of     int
}

// WatchConfig is what a Watch needs. Fields without a stated default are demanded.
type WatchConfig struct {
	Service *Service
	Gate    *Gate
	// Most is how many members of groups that are not approved may get the same within an
	// hour. 0: 200.
	Most int
	// Hold makes the rest of the hour's mail of a shape wait after an alarm.
	Hold bool
}

// NewWatch makes a Watch. Run must be called for it to raise alarms.
func NewWatch(c WatchConfig) *Watch {
	if c.Most <= 0 {
		c.Most = 200
	}
	s := c.Service
	return &Watch{groups: s.c.Groups, gate: c.Gate, store: s.c.Store, now: s.c.Now, log: s.c.Log, most: c.Most, hold: c.Hold,
		seed: maphash.MakeSeed(), tenants: map[tenant.ID]map[[16]byte]*run{}, asked: make(chan suspect, 16)}
}

// ReasonShape is the reason of mail that waits because of an alarm.
const ReasonShape = "stream_misused"

// Shape is what subjects have in common that differ in names' lengths and numbers only:
// words are kept, runs of digits are one.
func Shape(subject string) [16]byte {
	var b []rune
	digits := false
	for _, r := range subject {
		switch {
		case unicode.IsDigit(r):
			if !digits {
				b = append(b, '0')
			}
			digits = true
			continue
		case unicode.IsLetter(r):
			b = append(b, unicode.ToLower(r))
		}
		digits = false
	}
	sum := sha256.Sum256([]byte(string(b)))
	return [16]byte(sum[:])
}

// Saw counts a message that is about to be accepted, and reports whether it must wait.
// It never asks the database.
func (w *Watch) Saw(t tenant.ID, s tenant.Stream, subject string, to []message.Address) (hold bool) {
	if s == tenant.Newsletter || s == tenant.System {
		return false
	}
	now, shape := w.now(), Shape(subject)
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.run(t, shape, now)
	if r == nil {
		return false
	}
	for _, a := range to {
		key := maphash.String(w.seed, audience.Canonical(a))
		if _, ok := r.seen[key]; ok || len(r.seen) >= 100*w.most {
			continue
		}
		r.seen[key] = struct{}{}
		if len(r.sample) < 2*w.most {
			r.sample = append(r.sample, a)
		}
	}
	if len(r.seen) > w.most && now.Sub(r.asked) >= watchAgain && !r.alarmed {
		select {
		case w.asked <- suspect{t, s, shape, append([]message.Address(nil), r.sample...), len(r.seen)}:
			r.asked = now
		default: // busy; the next message asks again
		}
	}
	return w.hold && r.alarmed
}

// run finds the run of a shape, or begins it; nil where there is no room.
func (w *Watch) run(t tenant.ID, shape [16]byte, now time.Time) *run {
	shapes := w.tenants[t]
	if shapes == nil {
		if len(w.tenants) >= watchTenants {
			for other := range w.tenants {
				delete(w.tenants, other)
				break
			}
		}
		shapes = map[[16]byte]*run{}
		w.tenants[t] = shapes
	}
	r := shapes[shape]
	if r != nil && now.Sub(r.began).Abs() < watchWindow {
		return r
	}
	if r == nil && len(shapes) >= watchShapes {
		drop(shapes, now)
		if len(shapes) >= watchShapes {
			return nil
		}
	}
	r = &run{began: now, seen: map[uint64]struct{}{}}
	shapes[shape] = r
	return r
}

// drop forgets what is over, and else the shape with the fewest recipients.
func drop(shapes map[[16]byte]*run, now time.Time) {
	var least [16]byte
	few := -1
	for name, r := range shapes {
		if now.Sub(r.began).Abs() >= watchWindow {
			delete(shapes, name)
			continue
		}
		if few < 0 || len(r.seen) < few {
			least, few = name, len(r.seen)
		}
	}
	if few >= 0 && len(shapes) >= watchShapes {
		delete(shapes, least)
	}
}

// Run looks into what Saw suspects, until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	for {
		select {
		case s := <-w.asked:
			if err := w.look(ctx, s); err != nil && ctx.Err() == nil {
				w.log.Error("pattern of mail not looked into", "tenant", s.tenant.String(), "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// look finds out how many of the recipients are in groups that are not approved alone.
func (w *Watch) look(ctx context.Context, s suspect) error {
	count := map[audience.GroupID]int{}
	members := 0
	for len(s.sample) > 0 {
		n := min(len(s.sample), inquiry)
		in, err := w.groups.MemberOf(ctx, s.tenant, s.sample[:n])
		if err != nil {
			return fmt.Errorf("find groups of recipients: %w", err)
		}
		for _, groups := range in {
			ok, worst, err := w.gate.any(ctx, s.tenant, groups)
			if err != nil {
				return err
			}
			if !ok && len(groups) > 0 {
				members++
				count[worst.group]++
			}
		}
		s.sample = s.sample[n:]
	}
	if members <= w.most {
		return nil
	}
	alarm := Alarm{Tenant: s.tenant, Shape: s.shape, Stream: s.stream, Members: members, At: w.now().UTC().Truncate(time.Millisecond)}
	for g, n := range count {
		if n > count[alarm.Group] || alarm.Group.IsZero() {
			alarm.Group = g
		}
	}
	if _, err := w.store.RaisePatternAlarm(ctx, alarm); err != nil {
		return fmt.Errorf("raise alarm: %w", err)
	}
	w.log.Warn("many similar mails to members of groups that are not approved", "tenant", s.tenant.String(), "group", alarm.Group.String(), "members", members)
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.tenants[s.tenant][s.shape]; r != nil {
		r.alarmed = true
	}
	return nil
}
