package published

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"stafette/internal/egress"
	"stafette/internal/tenant"
)

// retiredFor is how long an address that is used no more stays in the list, so that
// receivers can see that it is to go.
const retiredFor = 90 * 24 * time.Hour

// Derive makes the list of an owner at a time: the sources of all pools that the owner's
// mail may leave from, by their dates, and those that a changeover under way brings in,
// which are new until they stand in a pool. A source whose address the system chooses has none
// to publish. names are reverse names by source, as far as they are known; before is the
// list so far, from which comes what the sources do not tell: since when an address is
// retired, and names that could not be asked for.
func Derive(plan egress.Plan, owner tenant.ID, names map[string]string, before []Entry, now time.Time) []Entry {
	now = now.UTC().Truncate(time.Second)
	found := map[netip.Addr]Entry{}
	for _, s := range plan.Sources {
		streams := streamsOf(plan, owner, s.Name)
		coming := len(streams) == 0
		if coming {
			streams = shiftedTo(plan, owner, s.Name)
		}
		if !s.Fixed() || len(streams) == 0 {
			continue
		}
		e := Entry{Address: s.IP.Unmap(), EHLO: s.EHLO, PTR: names[s.Name], Role: roleOf(s, now), Streams: streams,
			ValidFrom: s.ValidFrom.UTC().Truncate(time.Second), ValidUntil: s.ValidUntil.UTC().Truncate(time.Second)}
		if coming && e.Role == egress.StateActive {
			e.Role = egress.StateNew
		}
		old, listed := entryOf(before, e.Address)
		if e.PTR == "" && old.EHLO == e.EHLO {
			e.PTR = old.PTR
		}
		if e.Role == egress.StateRetired {
			e = retired(e, old, now)
			if !listed || now.After(e.ValidUntil.Add(retiredFor)) {
				continue
			}
		}
		// One address may be that of a retired source and of a new one.
		if other, twice := found[e.Address]; !twice || rank(e) < rank(other) {
			found[e.Address] = e
		}
	}
	// An address that left the pools is used no more, as one that is retired.
	for _, old := range before {
		if _, there := found[old.Address]; !there {
			if e := retired(old, old, now); !now.After(e.ValidUntil.Add(retiredFor)) {
				found[e.Address] = e
			}
		}
	}
	list := make([]Entry, 0, len(found))
	for _, e := range found {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Address.Compare(b.Address)) })
	return list
}

// retired makes an entry one of an address that is used no more: since its last moment,
// or since this was seen first.
func retired(e, old Entry, now time.Time) Entry {
	e.Role, e.Streams = egress.StateRetired, nil
	switch {
	case old.Role == egress.StateRetired && !old.ValidUntil.IsZero():
		e.ValidUntil = old.ValidUntil
	case e.ValidUntil.IsZero() || e.ValidUntil.After(now):
		e.ValidUntil = now
	}
	return e
}

func rank(e Entry) int {
	return slices.Index([]egress.SourceState{egress.StateActive, egress.StateNew, egress.StateRetiring, egress.StateRetired}, e.Role)
}

func entryOf(list []Entry, a netip.Addr) (Entry, bool) {
	if i := slices.IndexFunc(list, func(e Entry) bool { return e.Address == a }); i >= 0 {
		return list[i], true
	}
	return Entry{}, false
}

// roleOf is what a source is to receivers: its state, but for what its dates say.
func roleOf(s egress.Source, now time.Time) egress.SourceState {
	switch {
	case s.State == egress.StateRetired, !s.ValidUntil.IsZero() && !now.Before(s.ValidUntil):
		return egress.StateRetired
	case s.State == egress.StateRetiring, s.State == egress.StateNew:
		return s.State
	case now.Before(s.ValidFrom):
		return egress.StateNew
	}
	return egress.StateActive
}

// streamsOf are the streams of the owner whose pool has the source; of the platform those
// of accounts without a pool of their own.
func streamsOf(plan egress.Plan, owner tenant.ID, source string) []tenant.Stream {
	var list []tenant.Stream
	for _, stream := range tenant.Streams() {
		pool, _ := plan.Pool(poolOf(plan, owner, stream))
		if slices.ContainsFunc(pool.Members, func(m egress.Member) bool { return m.Source == source }) {
			list = append(list, stream)
		}
	}
	return list
}

// shiftedTo are the streams of the owner that a changeover takes to the source, though
// none of their pools has it.
func shiftedTo(plan egress.Plan, owner tenant.ID, source string) []tenant.Stream {
	var list []tenant.Stream
	for _, shift := range plan.Shifts {
		if !shift.IsNew(source) || !shift.Tenant.IsZero() && shift.Tenant != owner {
			continue
		}
		for _, stream := range tenant.Streams() {
			pool, _ := plan.Pool(poolOf(plan, owner, stream))
			moved := slices.ContainsFunc(pool.Members, func(m egress.Member) bool {
				return slices.Contains(shift.Old, m.Source) || shift.IsNew(m.Source)
			})
			if moved && !slices.Contains(list, stream) {
				list = append(list, stream)
			}
		}
	}
	return list
}

// poolOf is where the assignment that fits best sends a stream, see egress.Assignment.
func poolOf(plan egress.Plan, owner tenant.ID, stream tenant.Stream) string {
	for _, want := range []egress.Assignment{{Tenant: owner, Stream: stream}, {Tenant: owner}, {Stream: stream}, {}} {
		for _, a := range plan.Assignments {
			if a.Tenant == want.Tenant && a.Stream == want.Stream {
				return a.Pool
			}
		}
	}
	return egress.DefaultPool
}

// owners are the platform and the accounts with pools or changeovers of their own.
func owners(plan egress.Plan) []tenant.ID {
	list := []tenant.ID{{}}
	for _, a := range plan.Assignments {
		if !slices.Contains(list, a.Tenant) {
			list = append(list, a.Tenant)
		}
	}
	for _, shift := range plan.Shifts {
		if !slices.Contains(list, shift.Tenant) {
			list = append(list, shift.Tenant)
		}
	}
	return list
}

// changes lists the differences between two lists, one for an address: the one that says
// most.
func changes(before, after []Entry) []Change {
	var list []Change
	for _, e := range after {
		old, there := entryOf(before, e.Address)
		var kind ChangeKind
		switch {
		case !there:
			kind = Added
		case old.Role != e.Role:
			kind = Moved
		case !old.ValidFrom.Equal(e.ValidFrom) || !old.ValidUntil.Equal(e.ValidUntil):
			kind = Dated
		case old.EHLO != e.EHLO || old.PTR != e.PTR:
			kind = Renamed
		case !slices.Equal(old.Streams, e.Streams):
			kind = Reassigns
		default:
			continue
		}
		list = append(list, Change{kind, e})
	}
	for _, old := range before {
		if _, there := entryOf(after, old.Address); !there {
			list = append(list, Change{Dropped, old})
		}
	}
	return list
}

// reverseNames are the names that the hourly check found in reverse records.
func reverseNames(findings []egress.Finding) map[string]string {
	names := map[string]string{}
	for _, f := range findings {
		if f.Check == egress.CheckPTR && (f.Problem == egress.ProblemNone || f.Problem == egress.ProblemGeneric) {
			names[f.Source], _, _ = strings.Cut(f.Have, ", ")
		}
	}
	return names
}
