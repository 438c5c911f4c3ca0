package egress

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Shift lays a changeover over the pools: of the mail it is about that would leave from
// a pool with one of its sources, a share leaves from the new ones and the rest from
// the old ones, whatever the pool says of their weights against each other. New sources
// need not be members of the pool.
type Shift struct {
	Name   string    `json:"name"`            // the changeover's identifier
	Tenant tenant.ID `json:"tenant,omitzero"` // zero: every tenant's mail
	Old    []string  `json:"old"`
	New    []string  `json:"new"`
	// Share is the percentage over the new sources, 0 to 100, where Shares has no
	// exception.
	Share  int     `json:"share"`
	Shares []Share `json:"shares,omitempty"`
	// Fallback sends a delivery that was refused because of a new source through an old
	// one at once, once.
	Fallback bool `json:"fallback,omitempty"`
}

// Share is an exception of a Shift. Empty fields fit everything; of those that fit the
// one with most fields counts, provider before stream before tenant.
type Share struct {
	Tenant   tenant.ID     `json:"tenant,omitzero"`
	Stream   tenant.Stream `json:"stream,omitempty"`
	Provider string        `json:"provider,omitempty"` // of Pair
	Percent  int           `json:"percent"`
}

// fits ranks how exactly the exception names the mail; -1 if it does not.
func (s Share) fits(w Wish) int {
	rank := 0
	for _, f := range [...]struct {
		named, same bool
		worth       int
	}{
		{!s.Tenant.IsZero(), s.Tenant == w.Tenant, 1},
		{s.Stream != "", s.Stream == w.Stream, 2},
		{s.Provider != "", s.Provider == w.Provider, 4},
	} {
		switch {
		case f.named && !f.same:
			return -1
		case f.named:
			rank += 8 + f.worth
		}
	}
	return rank
}

// ShareOf is the percentage of such mail that goes over the new sources.
func (s *Shift) ShareOf(w Wish) int {
	best, share := -1, s.Share
	for _, v := range s.Shares {
		if rank := v.fits(w); rank > best {
			best, share = rank, v.Percent
		}
	}
	return share
}

// IsNew reports whether a source is one of the new ones.
func (s *Shift) IsNew(source string) bool { return slices.Contains(s.New, source) }

// oldFrom is how many attempts a delivery makes by share before the old sources of a
// Shift with Fallback are turned to. Whoever lets only known addresses through a
// firewall sends no reply that could be judged; whoever asks to come again (greylisting)
// has taken the mail by then.
const oldFrom = 2

// overlay is a Shift laid over one pool.
type overlay struct {
	*Shift
	hash uint64
	// fresh are the new sources, rest all others of the pool, old those of the rest that
	// catch refusals.
	fresh, rest, old []member
}

// layShifts lays the plan's shifts over its pools.
func (c *compiled) layShifts() {
	if len(c.plan.Shifts) == 0 {
		return
	}
	list := slices.Clone(c.plan.Shifts)
	slices.SortStableFunc(list, func(a, b Shift) int {
		switch {
		case a.Tenant.IsZero() == b.Tenant.IsZero():
			return 0
		case b.Tenant.IsZero():
			return -1
		}
		return 1
	})
	c.shifts = map[string][]overlay{}
	for i := range list {
		for pool, members := range c.pools {
			if o, ok := c.lay(&list[i], members); ok {
				c.shifts[pool] = append(c.shifts[pool], o)
			}
		}
	}
}

// lay lays a shift over the members of a pool; ok is false if none is of the shift.
// Sources of the shift that are no members bring their own weight.
func (c *compiled) lay(s *Shift, members []member) (o overlay, ok bool) {
	o = overlay{Shift: s, hash: hashText(s.Name)}
	for _, m := range members {
		switch {
		case slices.Contains(s.New, m.source.Name):
			o.fresh = append(o.fresh, m)
		case slices.Contains(s.Old, m.source.Name):
			o.old = append(o.old, m)
			o.rest = append(o.rest, m)
		default:
			o.rest = append(o.rest, m)
		}
	}
	if len(o.fresh)+len(o.old) == 0 {
		return o, false
	}
	if len(o.fresh) == 0 {
		o.fresh = c.membersOf(s.New)
	}
	if len(o.old) == 0 {
		o.old = c.membersOf(s.Old)
		o.rest = append(o.rest, o.old...)
	}
	return o, true
}

// membersOf makes members of sources, each with its own weight.
func (c *compiled) membersOf(names []string) []member {
	var list []member
	for _, name := range names {
		if s := c.sources[name]; s != nil {
			list = append(list, member{source: s, weight: s.Weight, hash: hashText(name)})
		}
	}
	return list
}

// overlayOf returns the shift over a tenant's mail from a pool; nil if there is none.
func (c *compiled) overlayOf(pool string, t tenant.ID) *overlay {
	if len(c.shifts) == 0 {
		return nil
	}
	list := c.shifts[pool]
	for i := range list {
		if list[i].Tenant.IsZero() || list[i].Tenant == t {
			return &list[i]
		}
	}
	return nil
}

// halves returns the members to choose a mail's source from, and those to turn to if
// none of the first may send.
func (c *compiled) halves(w Wish) (first, second []member) {
	pool := c.poolOf(w)
	o := c.overlayOf(pool, w.Tenant)
	if o == nil {
		return c.pools[pool], nil
	}
	share := o.ShareOf(w)
	switch {
	case w.Old:
		return o.old, nil
	case o.Fallback && w.Attempt >= oldFrom:
		return o.rest, o.fresh
	case share <= 0:
		return o.rest, nil
	case mix(w.Mail^o.hash)%100 < uint64(share):
		return o.fresh, o.rest
	}
	return o.rest, o.fresh
}

// part is a group of members that together take a share of the mail.
type part struct {
	members []member
	share   float64
}

// parts shows all that halves chooses from.
func (c *compiled) parts(pool string, w Wish) []part {
	o := c.overlayOf(pool, w.Tenant)
	if o == nil {
		return []part{{c.pools[pool], 1}}
	}
	share := float64(o.ShareOf(w)) / 100
	return []part{{o.rest, 1 - share}, {o.fresh, share}}
}

// overflowed counts mail that went another way because the warm-up of members had no
// room; mu is held.
func (f *Fleet) overflowed(members []member, w Wish, now time.Time, count bool) {
	if !count {
		return
	}
	for i := range members {
		if f.hindered(&members[i], w, now).Why == HinderedWarmUp {
			f.tallies[Pair{members[i].source.Name, w.Provider}].overflow++
		}
	}
}

// Catches reports whether mail that was refused over a source is to go over an old one
// at once, by which Shift, and that one may send now.
func (f *Fleet) Catches(w Wish, source string) (shift string, ok bool) {
	f.mu.Lock()
	o := f.plan.overlayOf(f.plan.poolOf(w), w.Tenant)
	f.mu.Unlock()
	if o == nil || !o.Fallback || !o.IsNew(source) || w.Only != "" {
		return "", false
	}
	w.Old = true
	_, hindered := f.choose(w, false)
	return o.Name, hindered == nil
}

// Shifted tells once after shifts changed: what waits for a source chosen before should
// be chosen one anew. One reader gets each word.
func (f *Fleet) Shifted() <-chan struct{} { return f.shifted }

func (f *Fleet) tellShifted() {
	select {
	case f.shifted <- struct{}{}:
	default:
	}
}

// checkShifts reports the first shift that names a source that is not there, or a share
// that is none.
func (p Plan) checkShifts(sources map[string]bool) error {
	names := map[string]bool{}
	for _, s := range p.Shifts {
		if s.Name == "" || names[s.Name] {
			return fmt.Errorf("egress shift %q is named twice or not at all", s.Name)
		}
		names[s.Name] = true
		for _, source := range slices.Concat(s.Old, s.New) {
			if !sources[source] {
				return fmt.Errorf("egress shift %q: unknown source %q", s.Name, source)
			}
		}
		shares := append([]Share{{Percent: s.Share}}, s.Shares...)
		if slices.ContainsFunc(shares, func(v Share) bool { return v.Percent < 0 || v.Percent > 100 }) {
			return fmt.Errorf("egress shift %q: a share is not 0 to 100", s.Name)
		}
	}
	return nil
}

// Shift returns a shift by name.
func (p Plan) Shift(name string) (Shift, bool) {
	if i := slices.IndexFunc(p.Shifts, func(s Shift) bool { return s.Name == name }); i >= 0 {
		return p.Shifts[i], true
	}
	return Shift{}, false
}

// SaveShift puts a shift in force, or another one of its name in its place. Refusals are
// Invalid with the fields old, new and share, and those of Store.PutShift.
func (p *Planner) SaveShift(ctx context.Context, s Shift, by string) error {
	plan, err := p.cfg.Store.Plan(ctx)
	if err != nil {
		return err
	}
	known := func(name string) bool { _, ok := plan.Source(name); return ok }
	for field, list := range map[string][]string{"old": s.Old, "new": s.New} {
		if len(list) == 0 || !all(list, known) {
			return fault.Field(field, "source_unknown", "There is no such source.")
		}
	}
	if s.Share < 0 || s.Share > 100 {
		return fault.Field("share", "share_out_of_range", "A share is 0 to 100 percent.")
	}
	return p.told(ctx, p.cfg.Store.PutShift(ctx, s, p.change(by, AnyVersion)))
}

func all(list []string, ok func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
}

// EndShift ends a shift: pools hold again as they are. One that is not there is no
// error.
func (p *Planner) EndShift(ctx context.Context, name, by string) error {
	return p.told(ctx, p.cfg.Store.RemoveShift(ctx, name, p.change(by, AnyVersion)))
}
