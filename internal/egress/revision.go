package egress

import (
	"net/netip"
	"time"
)

// Thing is a kind of what people change about the ways out.
type Thing string

// The things.
const (
	ThingSource     Thing = "source"     // named by Source.Name
	ThingPool       Thing = "pool"       // named by Pool.Name
	ThingAssignment Thing = "assignment" // named by Assignment.Name
	ThingPace       Thing = "warm_up"    // named by Pair.Name
	ThingShift      Thing = "changeover" // named by Shift.Name
)

// Valid reports whether t is a thing.
func (t Thing) Valid() bool {
	switch t {
	case ThingSource, ThingPool, ThingAssignment, ThingPace, ThingShift:
		return true
	}
	return false
}

// Name is that of the pair among the revisions of warm-ups.
func (p Pair) Name() string { return p.Source + "/" + p.Provider }

// Special values of Change.Version.
const (
	AnyVersion = -1 // whatever is there now
	Absent     = -2 // the thing must not be there
)

// Change says who changes what they read.
type Change struct {
	// By is a person's identifier, "cli", or "configuration of <node>".
	By string
	At time.Time
	// Version of the thing as it was read: the number of its last Revision, 0 for one
	// that has none. If it is another one by now the change is refused.
	Version int
}

// ByConfiguration is Change.By where a node's configuration changed a thing.
func ByConfiguration(node string) string { return "configuration of " + node }

// Revision is one change of one thing, kept for good.
type Revision struct {
	Thing   Thing
	Name    string
	Version int // counted from 1 for each thing
	At      time.Time
	By      string
	// Before and After are the thing in JSON (Source, Pool, Assignment, Pace, Shift); "" where
	// it was not there.
	Before, After string
}

// Standing is where a thing stands beside its configuration.
type Standing struct {
	Version int // see Change.Version
	// Seeder is the node whose configuration the thing follows at each start; "" once
	// a person changed it.
	Seeder string
}

// Ways is the plan with what is needed to change it.
type Ways struct {
	Plan
	// Standings are those of sources, pools and assignments, by Thing and name.
	Standings map[Thing]map[string]Standing
	// Addresses are those each node's machine has, as it told last.
	Addresses map[string][]netip.Addr
}

// Standing of a thing; the zero one of a thing that is not there.
func (w Ways) Standing(t Thing, name string) Standing { return w.Standings[t][name] }
