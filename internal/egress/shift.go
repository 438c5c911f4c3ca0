package egress

import (
	"slices"

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
