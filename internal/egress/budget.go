package egress

import "time"

// urgentShare is the part of every ceiling that bulk mail leaves to urgent mail: a
// tenth, where there is more than one to share.
const urgentShare = 10

// ceilingFor is what mail of an urgency may use of a ceiling; 0 is no bound.
func ceilingFor(ceiling int64, urgent bool) int64 {
	if urgent || ceiling < 2 {
		return ceiling
	}
	return ceiling - max(ceiling/urgentShare, 1)
}

// Budget counts what goes over a pair, or over a lane that has limits of its own,
// against its ceilings, and holds what replies have taught. It is not safe for
// concurrent use. The zero value is not ready; use NewBudget.
type Budget struct {
	limits       Limits
	minute, hour meter
	learnt       learnt
}

// learnt is a rate below the configured one.
type learnt struct {
	rate    int64 // mails per minute; 0: none
	goal    int64 // at which it is forgotten
	step    time.Duration
	next    time.Time // when it is doubled
	because Waiting
}

// NewBudget makes a budget under which nothing was sent yet.
func NewBudget(l Limits) *Budget {
	return &Budget{limits: l, minute: newMeter(time.Minute), hour: newMeter(time.Hour)}
}

// Limit puts other limits in force; what was counted and learnt stays.
func (b *Budget) Limit(l Limits) { b.limits = l }

// Limits returns the limits in force, without what was learnt.
func (b *Budget) Limits() Limits { return b.limits }

// Next returns when the next mail may go; the zero time if now.
func (b *Budget) Next(now time.Time, urgent bool) time.Time {
	var at time.Time
	if c := ceilingFor(b.perMinute(now), urgent); c > 0 {
		at = b.minute.next(now, c)
	}
	if c := ceilingFor(b.limits.PerHour, urgent); c > 0 {
		if t := b.hour.next(now, c); t.After(at) {
			at = t
		}
	}
	return at
}

// Spend counts one mail that goes now.
func (b *Budget) Spend(now time.Time) {
	b.minute.add(now)
	if b.limits.PerHour > 0 {
		b.hour.add(now)
	}
}

// Rate returns mails per minute that bulk mail can hope for; 0: no bound.
func (b *Budget) Rate(now time.Time) float64 {
	rate := float64(ceilingFor(b.perMinute(now), false))
	if hour := float64(ceilingFor(b.limits.PerHour, false)) / 60; hour > 0 && (rate == 0 || hour < rate) {
		rate = hour
	}
	return rate
}

// perMinute is the ceiling of a minute: the configured or the learnt one.
func (b *Budget) perMinute(now time.Time) int64 {
	l := &b.learnt
	for l.rate > 0 && !now.Before(l.next) {
		l.rate *= 2
		l.next = l.next.Add(l.step)
		if l.rate >= l.goal {
			*l = learnt{}
		}
	}
	if l.rate > 0 {
		return l.rate
	}
	return b.limits.PerMinute
}

// recovery is how far a learnt rate grows where none is configured, in multiples of
// what was sent when it was learnt.
const recovery = 16

// Slow lowers the rate to the factor of what it was: of the ceiling of a minute or,
// below it, of what went in the last minute. Every step it is doubled, until it is
// what it was before it was first lowered.
func (b *Budget) Slow(now time.Time, factor float64, step time.Duration, because Waiting) {
	before := b.perMinute(now)
	used := max(b.minute.used(now), 1)
	from := used
	if before > 0 {
		from = min(used, before)
	}
	goal := b.learnt.goal
	if goal == 0 {
		if goal = b.limits.PerMinute; goal == 0 {
			goal = used * recovery
		}
	}
	b.learnt = learnt{rate: max(int64(float64(from)*factor), 1), goal: max(goal, 2), step: step, next: now.Add(step), because: because}
}

// Learnt returns the rate per minute that replies have taught, and why; 0 if none.
func (b *Budget) Learnt(now time.Time) (rate int64, because Waiting) {
	b.perMinute(now)
	because = b.learnt.because
	because.Until = b.learnt.next
	return b.learnt.rate, because
}

// Idle reports whether forgetting the budget would lose nothing.
func (b *Budget) Idle(now time.Time) bool {
	return b.minute.used(now) == 0 && b.hour.used(now) == 0 && b.learnt.rate == 0
}

// Counters returns how much of each ceiling is used.
func (b *Budget) Counters(now time.Time) []Counter {
	list := []Counter{{Limit: "per_minute", Used: b.minute.used(now), Of: b.perMinute(now)}}
	if b.limits.PerHour > 0 {
		list = append(list, Counter{Limit: "per_hour", Used: b.hour.used(now), Of: b.limits.PerHour})
	}
	return list
}
