package egress

import (
	"cmp"
	"errors"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"stafette/internal/tenant"
)

// FleetConfig configures a Fleet. Now, Plan and Shaping are demanded.
type FleetConfig struct {
	Plan    Plan
	Shaping *Shaping
	Node    string // this process's name among the nodes
	Alarms  AlarmPolicy
	Now     func() time.Time
	Log     *slog.Logger // nil discards
}

// Fleet chooses the source of each attempt. It knows which sources may send, whom
// a provider refuses and how far each is warmed up. It is safe for concurrent use;
// Keeper keeps it in step with the database.
type Fleet struct {
	cfg     FleetConfig
	shaping atomic.Pointer[Shaping]
	nodes   atomic.Int64  // live ones
	shifted chan struct{} // capacity 1: shifts changed

	mu      sync.Mutex
	plan    *compiled
	alarms  map[Pair]*alarm
	blamed  map[Pair][]time.Time // below the threshold
	tallies map[Pair]*tally
	today   Day
	unsaved []Tally // of earlier days, or not taken by the database
	ended   []Alarm // not saved yet
}

// alarm is an Alarm and what this process does about it.
type alarm struct {
	Alarm
	probing time.Time // until then a mail is under way to find out
	dirty   bool
}

// compiled is a plan made ready for choosing. It does not change.
type compiled struct {
	plan    Plan
	sources map[string]*Source
	pools   map[string][]member
	to      map[Assignment]string // without Pool
	paces   map[Pair]Pace
	shifts  map[string][]overlay // by pool, those of one tenant first
}

type member struct {
	source *Source
	weight int
	hash   uint64
}

// NewFleet makes a Fleet of a sound plan.
func NewFleet(c FleetConfig) (*Fleet, error) {
	if c.Now == nil || c.Shaping == nil {
		return nil, errors.New("egress fleet: a demanded part is missing from its configuration")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Alarms = c.Alarms.withDefaults()
	f := &Fleet{cfg: c, alarms: map[Pair]*alarm{}, blamed: map[Pair][]time.Time{}, tallies: map[Pair]*tally{}, today: DayOf(c.Now()),
		shifted: make(chan struct{}, 1)}
	f.shaping.Store(c.Shaping)
	f.nodes.Store(1)
	return f, f.Follow(c.Plan)
}

// Follow puts another plan in force, from the next choice on.
func (f *Fleet) Follow(p Plan) error {
	if err := p.Check(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan == nil || !reflect.DeepEqual(f.plan.plan, p) {
		if f.plan != nil && !reflect.DeepEqual(f.plan.plan.Shifts, p.Shifts) {
			f.tellShifted()
		}
		f.plan = compile(p)
	}
	return nil
}

func compile(p Plan) *compiled {
	c := &compiled{plan: p, sources: map[string]*Source{}, pools: map[string][]member{}, to: map[Assignment]string{}, paces: map[Pair]Pace{}}
	for i := range p.Sources {
		c.sources[p.Sources[i].Name] = &p.Sources[i]
	}
	for _, pool := range p.Pools {
		list := make([]member, 0, len(pool.Members))
		for _, m := range pool.Members {
			s := c.sources[m.Source]
			if m.Weight < 0 {
				m.Weight = s.Weight
			}
			list = append(list, member{source: s, weight: m.Weight, hash: hashText(m.Source)})
		}
		c.pools[pool.Name] = list
	}
	for _, v := range p.Paces {
		c.paces[v.Pair] = v
	}
	for _, a := range p.Assignments {
		c.to[Assignment{Tenant: a.Tenant, Stream: a.Stream}] = a.Pool
	}
	c.layShifts()
	return c
}

// poolFor names the pool of a tenant's stream.
func (c *compiled) poolFor(t tenant.ID, s tenant.Stream) string {
	if len(c.to) > 0 {
		for _, key := range [...]Assignment{{Tenant: t, Stream: s}, {Tenant: t}, {Stream: s}, {}} {
			if pool, ok := c.to[key]; ok {
				return pool
			}
		}
	}
	return DefaultPool
}

// poolOf names the pool of a mail.
func (c *compiled) poolOf(w Wish) string {
	if _, there := c.pools[w.Pool]; there && w.Pool != "" {
		return w.Pool
	}
	return c.poolFor(w.Tenant, w.Stream)
}

// Plan returns the plan in force.
func (f *Fleet) Plan() Plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.plan.plan
}

// Shaping returns the limits in force.
func (f *Fleet) Shaping() *Shaping { return f.shaping.Load() }

// Reshape puts other limits in force. What was counted and learnt stays.
func (f *Fleet) Reshape(s *Shaping) { f.shaping.Store(s) }

// Nodes returns how many nodes live.
func (f *Fleet) Nodes() int { return int(f.nodes.Load()) }

// Holders returns on how many live nodes a source is in use: on one if it belongs
// to a node.
func (f *Fleet) Holders(s Source) int {
	if s.Node != "" {
		return 1
	}
	return f.Nodes()
}

// Wish is a mail that looks for a source.
type Wish struct {
	Tenant   tenant.ID
	Stream   tenant.Stream
	Provider string   // of Pair
	Mail     uint64   // differs between mails and between their attempts
	Tried    []string // names of sources that were refused this very mail
	Pool     string   // ordered by a person; "" or one that is gone: as assigned
	Only     string   // name of the one source that may be chosen, for tests; "": any
	// Old asks for an old source of the Shift over the mail; without one it means nothing.
	Old bool
	// Attempt counts those that were made before.
	Attempt int
}

// Choose returns the source for an attempt: one of the pool's that may send to the
// provider now, by weight. While those that may have equal weights a tenant keeps
// to one of them, across restarts, so that its reputation stays on one address;
// otherwise each mail draws anew, so that the shares hold for every tenant. If no
// source may send it returns what stands in the way and until when, the nearest
// end first.
func (f *Fleet) Choose(w Wish) (Source, *Waiting) { return f.choose(w, true) }

// Another reports whether Choose would find a source now, and if not, whether it
// would when a new day begins.
func (f *Fleet) Another(w Wish) (now, later bool) {
	_, hindered := f.choose(w, false)
	if hindered == nil {
		return true, false
	}
	return false, hindered.Why == HinderedWarmUp || hindered.Why == HinderedDay
}

func (f *Fleet) choose(w Wish, probe bool) (Source, *Waiting) {
	now := f.cfg.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turnDay(now)
	if w.Only != "" {
		return f.only(w, now)
	}
	first, second := f.plan.halves(w)
	source, why := f.pick(first, w, now, probe)
	if why != nil && len(second) > 0 {
		other, also := f.pick(second, w, now, probe)
		if also == nil {
			f.overflowed(first, w, now, probe)
			return other, nil
		}
		*why = nearer(*why, *also)
	}
	if why != nil && why.Why == "" {
		why.Why = HinderedNoSource
	}
	return source, why
}

// pick chooses among members; mu is held. The Waiting is empty where there is none.
func (f *Fleet) pick(members []member, w Wish, now time.Time, probe bool) (Source, *Waiting) {
	type lot struct {
		source *Source
		hash   uint64
		weight float64
	}
	var room [16]lot // so that a choice among few allocates nothing
	lots, equal := room[:0], true
	var nearest Waiting
	var coldRoom [16]int
	cold := coldRoom[:0] // members whose warm-up has no room
	for i := range members {
		m := &members[i]
		why := f.hindered(m, w, now)
		switch {
		case why.Why == HinderedProbe && why.Until.IsZero(): // nobody probes it yet
			// The one mail that finds out goes before the usual choice: without it a
			// source beside good ones would never come back.
			if probe {
				f.alarms[Pair{m.source.Name, w.Provider}].probing = now.Add(probeTime)
			}
			return *m.source, nil
		case why.Why != "":
			nearest = nearer(nearest, why)
			if why.Why == HinderedWarmUp && probe {
				cold = append(cold, i)
			}
		default:
			weight := m.source.drained(m.weight, now)
			equal = equal && (len(lots) == 0 || weight == lots[0].weight)
			lots = append(lots, lot{m.source, m.hash, weight})
		}
	}
	if len(lots) == 0 {
		why := nearest // apart, so that a choice that succeeds allocates nothing
		return Source{}, &why
	}
	for _, i := range cold {
		f.tallies[Pair{members[i].source.Name, w.Provider}].overflow++
	}
	if len(lots) == 1 {
		return *lots[0].source, nil
	}
	draw := w.Mail
	if equal {
		draw = hashTenant(w.Tenant)
	}
	best, highest := 0, 0.0
	for i, l := range lots {
		if t := ticket(draw^l.hash, l.weight); i == 0 || t > highest {
			best, highest = i, t
		}
	}
	return *lots[best].source, nil
}

// nearer returns what ends sooner; what has an end is nearer than what has none.
func nearer(a, b Waiting) Waiting {
	switch {
	case a.Why == "", a.Until.IsZero() && !b.Until.IsZero():
		return b
	case b.Until.IsZero():
		return a
	}
	return slices.MinFunc([]Waiting{a, b}, func(a, b Waiting) int { return a.Until.Compare(b.Until) })
}

// hindered says why a member is not chosen, or nothing; mu is held.
func (f *Fleet) hindered(m *member, w Wish, now time.Time) Waiting {
	s := m.source
	stop := func(why Hindrance, until time.Time) Waiting { return Waiting{Why: why, Source: s.Name, Until: until} }
	if ok, why := s.usable(now); !ok {
		until := time.Time{}
		if why == HinderedNotYet {
			until = s.ValidFrom
		}
		return stop(why, until)
	}
	switch {
	case s.Node != "" && f.cfg.Node != "" && s.Node != f.cfg.Node:
		return stop(HinderedNode, time.Time{})
	case slices.Contains(w.Tried, s.Name):
		return stop(HinderedTried, time.Time{})
	case s.drained(m.weight, now) <= 0:
		return stop(HinderedWeight, time.Time{})
	}
	pair := Pair{s.Name, w.Provider}
	if len(f.alarms) > 0 {
		if a := f.alarms[pair]; a != nil {
			why := stop(HinderedAlarm, a.PausedUntil)
			why.Reply = a.Text
			switch {
			case now.Before(a.PausedUntil):
				return why
			case now.Before(a.probing):
				why.Why, why.Until = HinderedProbe, now.Add(askAgain)
				if a.probing.Before(why.Until) {
					why.Until = a.probing
				}
				return why
			}
			return stop(HinderedProbe, time.Time{})
		}
	}
	if t := f.tally(pair, s); t.limit > 0 && t.total >= ceilingFor(t.limit, w.Stream.Urgency() == 0) {
		return stop(t.hinder, (f.today + 1).Start())
	}
	return Waiting{}
}

const (
	// probeTime is how long a probe may take before another mail is sent as one.
	probeTime = 10 * time.Minute
	// askAgain is how soon what waits for a probe asks again: as a rule the probe is told
	// yes or no within seconds.
	askAgain = time.Minute
)

// ticket is a source's lot in a draw: of all, the highest wins, and each wins in
// proportion to its weight (weighted rendezvous hashing: a source that comes or goes
// moves no more mail than its share).
func ticket(draw uint64, weight float64) float64 {
	u := (float64(mix(draw)>>11) + 0.5) / (1 << 53)
	return -weight / math.Log(u)
}

// mix spreads a number over all bits (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func hashText(s string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

func hashTenant(t tenant.ID) uint64 { return hashText(string(t[:])) }

// Draw makes the Mail of a Wish: from a delivery's identifier and its attempt.
func Draw(id [16]byte, attempt int) uint64 {
	return mix(hashText(string(id[:])) + uint64(attempt))
}

// Choices shows what Choose sees: every source of the pool in charge, and those that a
// Shift brings in.
func (f *Fleet) Choices(w Wish) (pool string, list []SourceChoice) {
	now := f.cfg.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turnDay(now)
	pool = f.plan.poolOf(w)
	for _, part := range f.plan.parts(pool, w) {
		list = append(list, f.choicesOf(part, w, now)...)
	}
	whole := 0.0
	for _, c := range list {
		whole += c.Share
	}
	for i := range list {
		if whole > 0 {
			list[i].Share /= whole
		}
	}
	return pool, list
}

// choicesOf shows the members of one part of a choice; their shares add up to the
// part's, or to nothing if none may send; mu is held.
func (f *Fleet) choicesOf(part part, w Wish, now time.Time) (list []SourceChoice) {
	whole := 0.0
	for i := range part.members {
		m := &part.members[i]
		c := SourceChoice{Source: m.source.Name, EHLO: m.source.EHLO, State: cmp.Or(m.source.State, StateActive)}
		if m.source.Fixed() {
			c.IP = m.source.IP.String()
		}
		if why := f.hindered(m, w, now); why.Why != "" {
			c.Hindered = &why
		} else {
			c.Share = m.source.drained(m.weight, now)
			whole += c.Share
		}
		if t := f.tally(Pair{m.source.Name, w.Provider}, m.source); t.ramp.Number > 0 {
			ramp := t.ramp
			ramp.Sent = t.total
			c.WarmUp = &ramp
		}
		list = append(list, c)
	}
	for i := range list {
		if whole > 0 {
			list[i].Share *= part.share / whole
		}
	}
	return list
}

// Source returns a source of the plan by name.
func (f *Fleet) Source(name string) (Source, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.plan.sources[name]
	if !ok {
		return Source{}, false
	}
	return *s, true
}
