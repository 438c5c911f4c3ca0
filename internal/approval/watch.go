package approval

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const (
	// PatternWindow is how long recipients of the same are counted together.
	PatternWindow = time.Hour
	// watchShapes and watchTenants bound the memory: the shapes of one tenant, and tenants.
	watchShapes  = 256
	watchTenants = 2000
	// watchLetters is how many mails wait to be looked at; more are not looked at.
	watchLetters = 512
	// watchEvery is how often a node adds what it saw to what others saw.
	watchEvery = 15 * time.Second
	// watchNodes is of how many nodes each may see only its part of a pattern: what many
	// recipients of a shape are for one node.
	watchNodes = 8
	// watchAloof is for how long a tenant without groups is not looked at.
	watchAloof = time.Minute
	// freeAtOnce is how many deliveries go on in one transaction.
	freeAtOnce = 500
)

// Watch notices who writes the same to many people on streams that ask nobody: mail to
// one person each, about a thing of theirs, does not look alike a hundred times an hour to
// members of a group that is not approved. Each node counts in memory what it sees; of
// shapes with many recipients it adds those who are members of such groups, and nobody else,
// to a count that all nodes share, a few times a minute. No mail costs a statement. It is
// safe for concurrent use; the zero Watch is not usable.
type Watch struct {
	groups  Groups
	gate    *Gate
	store   Store
	now     func() time.Time
	hash    func(tenant.ID, message.Address) audience.Hash
	log     *slog.Logger
	most    int
	hold    bool
	seed    maphash.Seed
	letters chan letter

	mu      sync.Mutex
	tenants map[tenant.ID]*watched
}

// letter is a mail that was accepted.
type letter struct {
	tenant  tenant.ID
	stream  tenant.Stream
	subject string
	body    Body
	to      []message.Address
}

// watched is a tenant with what it sends.
type watched struct {
	runs    map[Shape]*run
	alarmed map[Shape]struct{} // alarms that stand
	aloof   time.Time          // it has no groups; until then it is not looked at
}

// run is what one shape came to within the window, on this node.
type run struct {
	began  time.Time
	stream tenant.Stream
	seen   map[uint64]struct{} // hashes of recipients
	fresh  []message.Address   // of whom it is not known yet whether they are members
}

// WatchConfig is what a Watch needs. Fields without a stated default are demanded.
type WatchConfig struct {
	Service *Service
	Gate    *Gate
	// Hash stands for an address in the count that nodes share.
	Hash func(t tenant.ID, a message.Address) audience.Hash
	// Most is how many members of groups that are not approved may get the same within an
	// hour. 0: 200.
	Most int
	// Hold makes mail of a shape wait while an alarm about it stands.
	Hold bool
}

// NewWatch makes a Watch. Run must be called for it to raise alarms.
func NewWatch(c WatchConfig) *Watch {
	if c.Most <= 0 {
		c.Most = 200
	}
	s := c.Service
	return &Watch{groups: s.c.Groups, gate: c.Gate, store: s.c.Store, now: s.c.Now, hash: c.Hash, log: s.c.Log, most: c.Most, hold: c.Hold,
		seed: maphash.MakeSeed(), tenants: map[tenant.ID]*watched{}, letters: make(chan letter, watchLetters)}
}

// ReasonShape is the reason of mail that waits because of an alarm.
const ReasonShape = "stream_misused"

// Saw takes note of a message that is about to be accepted, and reports whether it must wait.
// It never asks the database, keeps nothing of body, and looks into it only while an alarm
// about the tenant holds mail. Of what comes faster than it can be looked at some is left out.
func (w *Watch) Saw(t tenant.ID, s tenant.Stream, subject string, body Body, to []message.Address) (hold bool) {
	if s == tenant.Newsletter || s == tenant.System {
		return false
	}
	w.mu.Lock()
	known := w.tenants[t]
	aloof := known != nil && known.aloof.After(w.now())
	alarmed := w.hold && known != nil && len(known.alarmed) > 0
	w.mu.Unlock()
	if aloof && !alarmed {
		return false
	}
	if len(w.letters) < cap(w.letters) { // a copy for nothing is spared
		select {
		case w.letters <- letter{t, s, subject, body.kept(), append([]message.Address(nil), to...)}:
		default:
		}
	}
	return alarmed && w.stands(t, Shapes(subject, body.kept()))
}

// stands reports whether an alarm stands about one of the shapes.
func (w *Watch) stands(t tenant.ID, shapes []Shape) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range shapes {
		if _, ok := w.tenants[t].alarmed[s]; ok {
			return true
		}
	}
	return false
}

// Run looks into what Saw was told, until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	timer := time.NewTimer(watchEvery)
	defer timer.Stop()
	for {
		select {
		case l := <-w.letters:
			w.count(l)
			continue
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if err := w.Fold(ctx); err != nil && ctx.Err() == nil {
			w.log.Error("patterns of mail not looked into", "err", err)
		}
		timer.Reset(watchEvery)
	}
}

// count adds a mail to the runs of its shapes.
func (w *Watch) count(l letter) {
	shapes := Shapes(l.subject, l.body)
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, shape := range shapes {
		r := w.tenantOf(l.tenant).run(shape, l.stream, now)
		if r == nil {
			continue
		}
		for _, a := range l.to {
			key := maphash.String(w.seed, audience.Canonical(a))
			if _, ok := r.seen[key]; ok || len(r.seen) >= 25*w.most {
				continue
			}
			r.seen[key] = struct{}{}
			r.fresh = append(r.fresh, a)
		}
	}
}

func (w *Watch) tenantOf(t tenant.ID) *watched {
	known := w.tenants[t]
	if known == nil {
		if len(w.tenants) >= watchTenants {
			for other := range w.tenants {
				delete(w.tenants, other)
				break
			}
		}
		known = &watched{runs: map[Shape]*run{}}
		w.tenants[t] = known
	}
	return known
}

// run finds the run of a shape, or begins it; nil where there is no room.
func (k *watched) run(shape Shape, s tenant.Stream, now time.Time) *run {
	r := k.runs[shape]
	if r != nil && now.Sub(r.began).Abs() < PatternWindow {
		return r
	}
	if r == nil && len(k.runs) >= watchShapes {
		k.drop(now)
		if len(k.runs) >= watchShapes {
			return nil
		}
	}
	r = &run{began: now, stream: s, seen: map[uint64]struct{}{}}
	k.runs[shape] = r
	return r
}

// drop forgets what is over, and else the shape with the fewest recipients.
func (k *watched) drop(now time.Time) {
	var least Shape
	few := -1
	for name, r := range k.runs {
		if now.Sub(r.began).Abs() >= PatternWindow {
			delete(k.runs, name)
			continue
		}
		if few < 0 || len(r.seen) < few {
			least, few = name, len(r.seen)
		}
	}
	if few >= 0 && len(k.runs) >= watchShapes {
		delete(k.runs, least)
	}
}

// Fold adds what this node saw to what all saw, raises alarms, and learns which stand. Those
// about groups that are approved by now end, and mail goes on that no alarm holds any more.
// Run calls it a few times a minute. The trouble of one tenant stops no other.
func (w *Watch) Fold(ctx context.Context) error {
	for n := len(w.letters); n > 0; n-- {
		select {
		case l := <-w.letters:
			w.count(l)
		default:
		}
	}
	var errs []error
	for t, list := range w.pending() {
		if err := w.look(ctx, t, list); err != nil {
			errs = append(errs, fmt.Errorf("mail of %s: %w", t, err))
		}
	}
	return errors.Join(append(errs, w.learn(ctx))...)
}

// suspect is a run of which recipients are to be looked up.
type suspect struct {
	shape  Shape
	stream tenant.Stream
	fresh  []message.Address
}

// pending takes out of memory who is to be looked up: recipients of what has many.
func (w *Watch) pending() map[tenant.ID][]suspect {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[tenant.ID][]suspect{}
	for t, known := range w.tenants {
		for shape, r := range known.runs {
			if len(r.fresh) == 0 || len(r.seen) < max(1, w.most/watchNodes) {
				continue
			}
			if _, ok := known.alarmed[shape]; !ok {
				all[t] = append(all[t], suspect{shape, r.stream, r.fresh})
			}
			r.fresh = nil
		}
	}
	return all
}

// look finds out which recipients are in groups that are not approved alone, and counts them
// with those of other nodes.
func (w *Watch) look(ctx context.Context, t tenant.ID, list []suspect) error {
	know, err := w.gate.tallyOf(ctx, t)
	if err != nil {
		return err
	}
	if !know.groups {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.tenants[t] = &watched{runs: map[Shape]*run{}, aloof: w.now().Add(watchAloof)}
		return nil
	}
	members, err := w.members(ctx, t, list)
	if err != nil || len(members) == 0 {
		return err
	}
	now := w.now().UTC().Truncate(time.Millisecond)
	for _, s := range list {
		p := Pattern{Tenant: t, Shape: s.shape, At: now}
		for _, a := range s.fresh {
			if g, ok := members[a]; ok && len(p.Members) <= w.most {
				p.Members = append(p.Members, PatternMember{w.hash(t, a), g})
			}
		}
		if len(p.Members) == 0 {
			continue
		}
		n, group, err := w.store.CountPattern(ctx, p)
		if err != nil {
			return fmt.Errorf("count pattern: %w", err)
		}
		if n <= w.most {
			continue
		}
		fresh, err := w.store.RaisePatternAlarm(ctx, Alarm{Tenant: t, Shape: s.shape, Group: group, Stream: s.stream, Members: n, At: now})
		if err != nil {
			return fmt.Errorf("raise alarm: %w", err)
		}
		if fresh {
			w.log.Warn("many similar mails to members of groups that are not approved", "tenant", t.String(), "group", group.String(), "members", n)
		}
	}
	return nil
}

// members are the recipients who are in groups, none of them approved, with one of these.
func (w *Watch) members(ctx context.Context, t tenant.ID, list []suspect) (map[message.Address]audience.GroupID, error) {
	asked := map[message.Address]struct{}{}
	var addrs []message.Address
	for _, s := range list {
		for _, a := range s.fresh {
			if _, ok := asked[a]; !ok {
				asked[a], addrs = struct{}{}, append(addrs, a)
			}
		}
	}
	members := map[message.Address]audience.GroupID{}
	for len(addrs) > 0 {
		n := min(len(addrs), inquiry)
		in, err := w.groups.MemberOf(ctx, t, addrs[:n])
		if err != nil {
			return nil, fmt.Errorf("find groups of recipients: %w", err)
		}
		addrs = addrs[n:]
		for a, groups := range in {
			ok, worst, err := w.gate.any(ctx, t, groups)
			if err != nil {
				return nil, err
			}
			if !ok && len(groups) > 0 {
				members[a] = worst.group
			}
		}
	}
	return members, nil
}

// learn brings the alarms that stand to this node.
func (w *Watch) learn(ctx context.Context) error {
	list, err := w.store.StandingPatterns(ctx)
	if err != nil {
		return fmt.Errorf("read alarms: %w", err)
	}
	standing := map[tenant.ID]map[Shape]struct{}{}
	for _, a := range list {
		state, err := w.gate.state(ctx, a.Tenant, a.Group)
		if err != nil {
			return err
		}
		if state.MayBeWritten() {
			if err := w.store.EndPatternAlarm(ctx, a.Tenant, a.Shape, w.now()); err != nil && !fault.IsKind(err, fault.NotFound) {
				return fmt.Errorf("end alarm: %w", err)
			}
			continue
		}
		if standing[a.Tenant] == nil {
			standing[a.Tenant] = map[Shape]struct{}{}
		}
		standing[a.Tenant][a.Shape] = struct{}{}
	}
	w.mu.Lock()
	for t, known := range w.tenants {
		known.alarmed = standing[t]
	}
	for t, shapes := range standing {
		w.tenantOf(t).alarmed = shapes
	}
	w.mu.Unlock()
	if _, err := w.store.FreePatterns(ctx, freeAtOnce, w.now()); err != nil {
		return fmt.Errorf("free mail that alarms held: %w", err)
	}
	return nil
}
