package egress

import (
	"fmt"

	"stafette/internal/tenant"
)

// DefaultPool is the pool of all mail that nothing else is said of.
const DefaultPool = "default"

// DefaultWeight is a source's weight where none was given.
const DefaultWeight = 100

// Pool is a named set of sources that share mail by weight.
type Pool struct {
	Name string
	// Members are the sources; each stands there once.
	Members []Member
}

// Member is a source's place in a pool.
type Member struct {
	Source string
	Weight int // -1: the source's own
}

// Assignment sends mail to a pool. The one that fits best counts: tenant and
// stream, tenant, stream, everything.
type Assignment struct {
	Tenant tenant.ID     // zero: every tenant
	Stream tenant.Stream // "": every stream
	Pool   string
}

// Plan is which sources there are and whose mail leaves from which: data that is
// seeded from the configuration and changed in the office. See Check for what is
// demanded of it.
type Plan struct {
	Sources     []Source
	Pools       []Pool
	Assignments []Assignment
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
