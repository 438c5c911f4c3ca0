package audience

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Pair names two contacts, the smaller identifier first; PairOf makes one.
type Pair [2]ContactID

// PairOf is the pair of two contacts, in whatever order they are named.
func PairOf(a, b ContactID) Pair {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return Pair{a, b}
}

// Distinct says that two contacts are two people, though they look like one.
type Distinct struct {
	Pair  Pair
	Actor string
	At    time.Time
}

// MaxDistinct bounds what is read of them at once.
const MaxDistinct = 10_000

// Distinguish notes that contacts are two people each: Duplicates proposes them no more. A
// contact that is not there is passed over.
func (s *Contacts) Distinguish(ctx context.Context, t tenant.ID, pairs []Pair, actor string) error {
	now := s.now().UTC().Truncate(time.Millisecond)
	var list []Distinct
	for _, p := range pairs {
		if p[0] != p[1] {
			list = append(list, Distinct{PairOf(p[0], p[1]), actor, now})
		}
	}
	return s.store.PutDistinct(ctx, t, list)
}

// Resemble takes back that two contacts are two people.
func (s *Contacts) Resemble(ctx context.Context, t tenant.ID, p Pair) error {
	return s.store.DropDistinct(ctx, t, PairOf(p[0], p[1]))
}

// Distinct lists what was said of pairs of contacts, the last said first, at most limit.
func (s *Contacts) Distinct(ctx context.Context, t tenant.ID, limit int) ([]Distinct, error) {
	return s.store.Distinct(ctx, t, limit)
}

// Joining is one merge of several: Other becomes part of Kept, both in the versions that
// somebody looked at.
type Joining struct {
	Kept, Other           ContactID
	Version, OtherVersion int64
}

// MergeSeveral merges pair after pair, as Merge does, and returns how many it merged. A
// contact that went into another one in the same call stands for that one afterwards. What
// somebody else changed meanwhile, what cannot be one contact, and whom a merge would make
// one with somebody they were called distinct of, is left as it is.
func (s *Contacts) MergeSeveral(ctx context.Context, t tenant.ID, list []Joining, actor string) (merged int, err error) {
	apart, err := s.apart(ctx, t)
	if err != nil {
		return 0, fmt.Errorf("merge several contacts: %w", err)
	}
	into, versions := map[ContactID]ContactID{}, map[ContactID]int64{}
	now := func(c ContactID) ContactID {
		for next, ok := into[c]; ok; next, ok = into[c] {
			c = next
		}
		return c
	}
	distinct := func(a, b ContactID) bool {
		for p := range apart {
			if PairOf(now(p[0]), now(p[1])) == PairOf(a, b) {
				return true
			}
		}
		return false
	}
	for _, one := range list {
		kept, other := now(one.Kept), now(one.Other)
		if kept == other || distinct(kept, other) {
			continue
		}
		version, otherVersion := one.Version, one.OtherVersion
		if v, ok := versions[kept]; ok {
			version = v
		}
		if v, ok := versions[other]; ok {
			otherVersion = v
		}
		c, err := s.Merge(ctx, t, kept, other, version, otherVersion, actor)
		if f := fault.As(err); f != nil && (f.Kind == fault.Conflict || f.Kind == fault.NotFound || f.Kind == fault.Invalid) {
			continue
		}
		if err != nil {
			return merged, fmt.Errorf("merge several contacts: %w", err)
		}
		into[other], versions[kept] = kept, c.Version
		merged++
	}
	return merged, nil
}

// apart reads which pairs are not to be proposed.
func (s *Contacts) apart(ctx context.Context, t tenant.ID) (map[Pair]bool, error) {
	list, err := s.store.Distinct(ctx, t, MaxDistinct)
	if err != nil {
		return nil, err
	}
	apart := make(map[Pair]bool, len(list))
	for _, d := range list {
		apart[d.Pair] = true
	}
	return apart, nil
}
