package egress

import "time"

// only returns the one source that the wish names, whatever pool it is in and whatever
// its weight, warm-up and alarms say: a test is to find out how the source is treated.
// Its dates, its node and that it was refused this very mail stand in the way. mu is
// held.
func (f *Fleet) only(w Wish, now time.Time) (Source, *Waiting) {
	s, ok := f.plan.sources[w.Only]
	if !ok {
		return Source{}, &Waiting{Why: HinderedNoSource}
	}
	why := f.hindered(&member{source: s, weight: max(s.Weight, 1)}, w, now)
	switch why.Why {
	case HinderedRetired, HinderedNotYet, HinderedOver, HinderedNode, HinderedTried:
		return Source{}, &why
	}
	return *s, nil
}
