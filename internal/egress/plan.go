package egress

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// DefaultPool is the pool of all mail that nothing else is said of.
const DefaultPool = "default"

// DefaultWeight is a source's weight where none was given.
const DefaultWeight = 100

// Pool is a named set of sources that share mail by weight.
type Pool struct {
	Name string `json:"name"`
	// Members are the sources; each stands there once.
	Members []Member `json:"members"`
}

// Member is a source's place in a pool.
type Member struct {
	Source string `json:"source"`
	Weight int    `json:"weight"` // -1: the source's own
}

// Assignment sends mail to a pool. The one that fits best counts: tenant and
// stream, tenant, stream, everything.
type Assignment struct {
	Tenant tenant.ID     `json:"tenant,omitzero"`  // zero: every tenant
	Stream tenant.Stream `json:"stream,omitempty"` // "": every stream
	Pool   string        `json:"pool"`
}

// Name is that of the assignment among all: tenant and stream, "*" for every one.
func (a Assignment) Name() string {
	return cmp.Or(a.Tenant.String(), "*") + "/" + cmp.Or(string(a.Stream), "*")
}

// ParseAssignment reads an Assignment.Name; NotFound "assignment_unknown".
func ParseAssignment(name string) (Assignment, error) {
	var a Assignment
	of, stream, ok := strings.Cut(name, "/")
	unknown := fault.New(fault.NotFound, "assignment_unknown", "There is no such assignment.")
	if !ok {
		return a, unknown
	}
	if of != "*" {
		var err error
		if a.Tenant, err = id.Parse[tenant.Kind](of); err != nil {
			return a, unknown
		}
	}
	if stream != "*" {
		if a.Stream = tenant.Stream(stream); !a.Stream.Valid() {
			return a, unknown
		}
	}
	return a, nil
}

// Plan is which sources there are and whose mail leaves from which: data that is
// seeded from the configuration and changed in the office. See Check for what is
// demanded of it.
type Plan struct {
	Sources     []Source
	Pools       []Pool
	Assignments []Assignment
	// Paces are what people changed about warm-ups, one for a pair.
	Paces []Pace
	// Shifts are the changeovers in force, by name.
	Shifts []Shift
}

// Source returns a source by name.
func (p Plan) Source(name string) (Source, bool) {
	if i := slices.IndexFunc(p.Sources, func(s Source) bool { return s.Name == name }); i >= 0 {
		return p.Sources[i], true
	}
	return Source{}, false
}

// Pool returns a pool by name.
func (p Plan) Pool(name string) (Pool, bool) {
	if i := slices.IndexFunc(p.Pools, func(v Pool) bool { return v.Name == name }); i >= 0 {
		return p.Pools[i], true
	}
	return Pool{}, false
}

// Pace returns what was changed about a pair's warm-up; the zero change if nothing.
func (p Plan) Pace(pair Pair) Pace {
	if i := slices.IndexFunc(p.Paces, func(v Pace) bool { return v.Pair == pair }); i >= 0 {
		return p.Paces[i]
	}
	return Pace{Pair: pair}
}

// InUse reports whether mail may be given to the pool: it is the default, or mail is
// assigned to it.
func (p Plan) InUse(pool string) bool {
	return pool == DefaultPool || slices.ContainsFunc(p.Assignments, func(a Assignment) bool { return a.Pool == pool })
}

// Stranded names the pools in use whose mail no source may take at that time,
// whatever providers and warm-ups say.
func (p Plan) Stranded(now time.Time) []string {
	var list []string
	for _, pool := range p.Pools {
		takes := slices.ContainsFunc(pool.Members, func(m Member) bool {
			s, _ := p.Source(m.Source)
			weight := m.Weight
			if weight < 0 {
				weight = s.Weight
			}
			ok, _ := s.usable(now)
			return ok && s.drained(weight, now) > 0
		})
		if !takes && p.InUse(pool.Name) {
			list = append(list, pool.Name)
		}
	}
	return list
}

// EqualPlan makes a plan of sources that share all mail: those without a weight
// get DefaultWeight.
func EqualPlan(sources ...Source) Plan {
	p := Plan{Sources: append([]Source(nil), sources...)}
	pool := Pool{Name: DefaultPool}
	for i := range p.Sources {
		if p.Sources[i].Weight == 0 {
			p.Sources[i].Weight = DefaultWeight
		}
		p.Sources[i].Name = p.Sources[i].String()
		pool.Members = append(pool.Members, Member{Source: p.Sources[i].Name, Weight: -1})
	}
	p.Pools = []Pool{pool}
	return p
}

// Check reports what is wrong with the plan: a source without name or EHLO, a name
// twice, an unknown state, a pool or assignment that names what is not there, no
// source at all.
func (p Plan) Check() error {
	if len(p.Sources) == 0 {
		return fmt.Errorf("egress plan has no source")
	}
	sources := map[string]bool{}
	for _, s := range p.Sources {
		switch {
		case s.Name == "":
			return fmt.Errorf("egress source %s has no name", s)
		case sources[s.Name]:
			return fmt.Errorf("egress source %q is named twice", s.Name)
		case s.EHLO == "":
			return fmt.Errorf("egress source %q has no EHLO name", s.Name)
		case s.State != "" && !s.State.Valid():
			return fmt.Errorf("egress source %q: unknown state %q", s.Name, s.State)
		case s.Weight < 0:
			return fmt.Errorf("egress source %q: weight %d is below 0", s.Name, s.Weight)
		case !s.ValidUntil.IsZero() && !s.ValidUntil.After(s.ValidFrom):
			return fmt.Errorf("egress source %q ends before it begins", s.Name)
		}
		sources[s.Name] = true
	}
	if err := p.checkShifts(sources); err != nil {
		return err
	}
	return p.checkPools(sources)
}

func (p Plan) checkPools(sources map[string]bool) error {
	pools := map[string]bool{}
	for _, pool := range p.Pools {
		if pool.Name == "" || pools[pool.Name] {
			return fmt.Errorf("egress pool %q is named twice or not at all", pool.Name)
		}
		pools[pool.Name] = true
		seen := map[string]bool{}
		for _, m := range pool.Members {
			if !sources[m.Source] || seen[m.Source] {
				return fmt.Errorf("egress pool %q: source %q is unknown or stands there twice", pool.Name, m.Source)
			}
			seen[m.Source] = true
		}
	}
	taken := map[Assignment]bool{}
	for _, a := range p.Assignments {
		if !pools[a.Pool] {
			return fmt.Errorf("mail is assigned to the unknown egress pool %q", a.Pool)
		}
		if a.Stream != "" && !a.Stream.Valid() {
			return fmt.Errorf("egress pool %q is assigned the unknown stream %q", a.Pool, a.Stream)
		}
		key := Assignment{Tenant: a.Tenant, Stream: a.Stream}
		if taken[key] {
			return fmt.Errorf("the same mail is assigned to two egress pools, one of them %q", a.Pool)
		}
		taken[key] = true
	}
	if !pools[DefaultPool] {
		return fmt.Errorf("there is no egress pool %q", DefaultPool)
	}
	return nil
}
