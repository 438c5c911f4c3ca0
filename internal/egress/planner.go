package egress

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// PlannerConfig configures a Planner. Store, Tenants and Now are needed.
type PlannerConfig struct {
	Store   Store
	Tenants Tenants
	// Ordered reports whether an order in force sends mail to the pool; nil: none does.
	Ordered func(ctx context.Context, pool string) (bool, error)
	// Changed is told when the plan changed, so that this node knows at once; nil:
	// nobody is.
	Changed func(ctx context.Context)
	Now     func() time.Time
}

// Tenants tells whether there is an account; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Planner changes the plan as people ask, in the office and on the command line. What
// does not fit is refused with the field at fault, before anything is written. It is
// safe for concurrent use.
type Planner struct{ cfg PlannerConfig }

// NewPlanner makes a Planner.
func NewPlanner(c PlannerConfig) *Planner { return &Planner{c} }

// Ways returns the plan as it is now.
func (p *Planner) Ways(ctx context.Context) (Ways, error) { return p.cfg.Store.Ways(ctx) }

// Revisions returns what was changed about a thing, newest first.
func (p *Planner) Revisions(ctx context.Context, t Thing, name string) ([]Revision, error) {
	return p.cfg.Store.Revisions(ctx, t, name)
}

// change makes a Change of now.
func (p *Planner) change(by string, version int) Change {
	return Change{By: by, At: p.cfg.Now(), Version: version}
}

// told passes on that the plan changed.
func (p *Planner) told(ctx context.Context, err error) error {
	if err == nil && p.cfg.Changed != nil {
		p.cfg.Changed(ctx)
	}
	return err
}

// SaveSource adds a source (version Absent) or changes one. Its days of warm-up and
// draining begin when its state does; the fields for them are not read. pools are
// those a new source joins. Refusals are Invalid with the fields name, ip, node, ehlo,
// state, valid_until, weight and pools, and those of Store.PutSource.
func (p *Planner) SaveSource(ctx context.Context, s Source, pools []string, by string, version int) error {
	ways, err := p.cfg.Store.Ways(ctx)
	if err != nil {
		return err
	}
	old, there := ways.Source(s.Name)
	if version == Absent && there {
		return fault.Field("name", "source_taken", "Another source has this name.")
	}
	wrong := slices.Concat(s.wrong(), ways.misplaced(s, old, there))
	for _, pool := range pools {
		if _, ok := ways.Pool(pool); !ok {
			wrong = append(wrong, fault.Field("pools", "pool_unknown", "There is no such pool."))
		}
	}
	if len(wrong) > 0 {
		return fault.Join(wrong)
	}
	s = begun(s, old, there, p.cfg.Now())
	return p.told(ctx, p.cfg.Store.PutSource(ctx, s, pools, p.change(by, version)))
}

// begun sets when a state began.
func begun(s, old Source, there bool, now time.Time) Source {
	s.WarmUpFrom, s.RetiringSince = time.Time{}, time.Time{}
	same := there && old.State == s.State
	switch {
	case s.State == StateNew && same && !old.WarmUpFrom.IsZero() && !s.ValidFrom.After(old.WarmUpFrom):
		s.WarmUpFrom = old.WarmUpFrom
	case s.State == StateNew:
		if s.WarmUpFrom = now; s.ValidFrom.After(now) {
			s.WarmUpFrom = s.ValidFrom
		}
	case s.State == StateRetiring && same && !old.RetiringSince.IsZero():
		s.RetiringSince = old.RetiringSince
	case s.State == StateRetiring:
		s.RetiringSince = now
	}
	return s
}

// MaxWeight bounds a weight: shares finer than a thousandth mean nothing.
const MaxWeight = 1000

var thingName = regexp.MustCompile(`^[a-z0-9][a-z0-9._:-]{0,62}$`)

// wrong lists what is wrong with the source itself.
func (s Source) wrong() []*fault.Error {
	var list []*fault.Error
	bad := func(field, code, detail string) { list = append(list, fault.Field(field, code, detail)) }
	if !thingName.MatchString(s.Name) {
		bad("name", "thing_name_malformed", "A name has up to 63 small letters, digits, dots, colons, underscores and hyphens.")
	}
	if a := s.IP; a.IsValid() && (a.IsUnspecified() || a.IsMulticast() || a.Zone() != "" || a.Is4In6()) {
		bad("ip", "ip_unusable", "Mail cannot be sent from such an address.")
	}
	if name, err := message.ParseDomain(s.EHLO); err != nil || !strings.Contains(name, ".") {
		bad("ehlo", "ehlo_malformed", "The name must be a full host name.")
	}
	if !s.State.Valid() {
		bad("state", "state_unknown", "The states are new, active, retiring and retired.")
	}
	if !s.ValidUntil.IsZero() && !s.ValidUntil.After(s.ValidFrom) {
		bad("valid_until", "ends_before_it_begins", "The end must be after the beginning.")
	}
	if s.Weight < 0 || s.Weight > MaxWeight {
		bad("weight", "weight_out_of_range", "A weight is 0 to 1000.")
	}
	return list
}

// misplaced lists what does not fit the other sources and the machines. The address
// of a source stays: what providers know of it is bound to the address.
func (w Ways) misplaced(s, old Source, there bool) []*fault.Error {
	var list []*fault.Error
	if there && old.IP != s.IP && (old.State != StateNew || s.State != StateNew) {
		list = append(list, fault.Field("ip", "ip_fixed", "The address of a source in use stays; set up another source."))
	}
	taken := func(o Source) bool {
		return o.Name != s.Name && o.State != StateRetired && o.Fixed() && o.IP.Unmap() == s.IP.Unmap()
	}
	if s.Fixed() && s.State != StateRetired && slices.ContainsFunc(w.Sources, taken) {
		list = append(list, fault.Field("ip", "ip_taken", "Another source has this address."))
	}
	if s.Node != "" && (!there || old.Node != s.Node) && !slices.Contains(w.Nodes(), s.Node) {
		list = append(list, fault.Field("node", "node_unknown", "No such node has told of its addresses."))
	}
	moved := !there || old.IP != s.IP || old.Node != s.Node || old.State == StateRetired
	if s.Fixed() && s.State != StateRetired && moved && !w.Has(s.Node, s.IP) {
		list = append(list, fault.Field("ip", "ip_not_here", "The machine does not have this address."))
	}
	return list
}

// Nodes lists the nodes that told of their addresses or have sources.
func (w Ways) Nodes() []string {
	list := slices.Collect(maps.Keys(w.Addresses))
	for _, s := range w.Sources {
		if s.Node != "" {
			list = append(list, s.Node)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Has reports whether the node's machine has an address, or every node's for "". A
// node that told nothing is taken at its word, and loopback is everywhere.
func (w Ways) Has(node string, a netip.Addr) bool {
	if a.Unmap().IsLoopback() {
		return true
	}
	for name, list := range w.Addresses {
		if (node == "" || node == name) && len(list) > 0 && !slices.Contains(list, a.Unmap()) {
			return false
		}
	}
	return true
}

// SavePool adds a pool (version Absent) or replaces its members. Refusals are Invalid with
// the fields name and members, and those of Store.PutPool.
func (p *Planner) SavePool(ctx context.Context, pool Pool, by string, version int) error {
	ways, err := p.cfg.Store.Ways(ctx)
	if err != nil {
		return err
	}
	var wrong []*fault.Error
	if _, there := ways.Pool(pool.Name); there && version == Absent {
		wrong = append(wrong, fault.Field("name", "pool_taken", "Another pool has this name."))
	}
	if !thingName.MatchString(pool.Name) {
		wrong = append(wrong, fault.Field("name", "thing_name_malformed", "A name has up to 63 small letters, digits, dots, colons, underscores and hyphens."))
	}
	for i, m := range pool.Members {
		field := fmt.Sprintf("members/%d", i)
		if _, ok := ways.Source(m.Source); !ok {
			wrong = append(wrong, fault.Field(field, "source_unknown", "There is no such source."))
		}
		if m.Weight < -1 || m.Weight > MaxWeight {
			wrong = append(wrong, fault.Field(field, "weight_out_of_range", "A weight is 0 to 1000."))
		}
	}
	if len(wrong) > 0 {
		return fault.Join(wrong)
	}
	slices.SortFunc(pool.Members, func(a, b Member) int { return strings.Compare(a.Source, b.Source) })
	return p.told(ctx, p.cfg.Store.PutPool(ctx, pool, p.change(by, version)))
}

// RemovePool takes a pool away. Nothing may be assigned to it, and no order may send
// mail there: Conflict "pool_in_use".
func (p *Planner) RemovePool(ctx context.Context, name, by string, version int) error {
	if p.cfg.Ordered != nil {
		used, err := p.cfg.Ordered(ctx, name)
		if err != nil {
			return err
		}
		if used {
			return fault.New(fault.Conflict, "pool_in_use", "An order sends mail to this pool.")
		}
	}
	return p.told(ctx, p.cfg.Store.RemovePool(ctx, name, p.change(by, version)))
}

// Assign sends a tenant's stream to a pool; without a pool it ends that. Refusals are
// Invalid with the fields tenant, stream and pool, and those of Store.Assign.
func (p *Planner) Assign(ctx context.Context, a Assignment, by string, version int) error {
	if a.Stream != "" && !a.Stream.Valid() {
		return fault.Field("stream", "stream_unknown", "There is no such stream.")
	}
	ways, err := p.cfg.Store.Ways(ctx)
	if err != nil {
		return err
	}
	if _, ok := ways.Pool(a.Pool); !ok && a.Pool != "" {
		return fault.Field("pool", "pool_unknown", "There is no such pool.")
	}
	if !a.Tenant.IsZero() && a.Pool != "" {
		if _, err := p.cfg.Tenants.Tenant(ctx, a.Tenant); fault.IsKind(err, fault.NotFound) {
			return fault.Field("tenant", "tenant_unknown", "There is no such tenant.")
		} else if err != nil {
			return err
		}
	}
	return p.told(ctx, p.cfg.Store.Assign(ctx, a, p.change(by, version)))
}

// Pace takes a step in a pair's warm-up; one that changes nothing is no error.
func (p *Planner) Pace(ctx context.Context, pair Pair, step PaceStep, by string) error {
	if !step.Valid() {
		return fault.Field("step", "step_unknown", "The steps are pause, resume, skip, finish and reopen.")
	}
	ways, err := p.cfg.Store.Ways(ctx)
	if err != nil {
		return err
	}
	if s, ok := ways.Source(pair.Source); !ok || s.State != StateNew {
		return fault.New(fault.NotFound, "warm_up_unknown", "The source does not warm up.")
	}
	next, changed := ways.Pace(pair).after(step, DayOf(p.cfg.Now()))
	if !changed {
		return nil
	}
	return p.told(ctx, p.cfg.Store.PutPace(ctx, next, p.change(by, AnyVersion)))
}

// FollowConfiguration hands a source back to the configuration of its node.
func (p *Planner) FollowConfiguration(ctx context.Context, source, by string, version int) error {
	return p.told(ctx, p.cfg.Store.FollowConfiguration(ctx, source, p.change(by, version)))
}

// Restore makes a thing again what it was after one of its revisions, as a change of
// its own; the latest but one is how a change is undone. version is that of the thing
// now. NotFound "revision_unknown"; everything else as if it were entered by hand.
func (p *Planner) Restore(ctx context.Context, t Thing, name string, revision int, by string, version int) error {
	list, err := p.cfg.Store.Revisions(ctx, t, name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(r Revision) bool { return r.Version == revision })
	if i < 0 {
		return fault.New(fault.NotFound, "revision_unknown", "There is no such revision.")
	}
	return p.restore(ctx, t, name, list[i].After, by, version)
}

// Undo takes the last change of a thing back. Where it had created the thing it is
// taken away, a source retired.
func (p *Planner) Undo(ctx context.Context, t Thing, name, by string, version int) error {
	list, err := p.cfg.Store.Revisions(ctx, t, name)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fault.New(fault.NotFound, "revision_unknown", "Nothing was changed.")
	}
	return p.restore(ctx, t, name, list[0].Before, by, version)
}

// restore puts the thing that a revision holds.
func (p *Planner) restore(ctx context.Context, t Thing, name, text, by string, version int) error {
	switch t {
	case ThingSource:
		var s Source
		if text == "" {
			ways, err := p.cfg.Store.Ways(ctx)
			if err != nil {
				return err
			}
			s, _ = ways.Source(name)
			s.State = StateRetired
		} else if err := read(text, &s); err != nil {
			return err
		}
		return p.SaveSource(ctx, s, nil, by, version)
	case ThingPool:
		if text == "" {
			return p.RemovePool(ctx, name, by, version)
		}
		var pool Pool
		if err := read(text, &pool); err != nil {
			return err
		}
		return p.SavePool(ctx, pool, by, version)
	case ThingAssignment:
		a, err := ParseAssignment(name)
		if err != nil {
			return err
		}
		if text != "" {
			if err := read(text, &a); err != nil {
				return err
			}
		}
		return p.Assign(ctx, a, by, version)
	}
	return fault.New(fault.NotFound, "revision_unknown", "Such changes are not restored.")
}

func read(text string, v any) error {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("read revision: %w", err)
	}
	return nil
}
