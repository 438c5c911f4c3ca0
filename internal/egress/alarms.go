package egress

import (
	"cmp"
	"slices"
	"time"
)

// Blamed counts a provider's reply that blames a source. At the threshold the pair
// is paused and an alarm raised; a probe that is blamed prolongs the pause. It
// reports whether the pair is paused now, so that what waits for it moves away.
func (f *Fleet) Blamed(p Pair, b Blame) (paused bool) {
	now := f.cfg.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.alarms[p]; a != nil {
		a.Count++
		a.Last, a.Blame, a.dirty = now, b, true
		if !now.Before(a.PausedUntil) {
			f.pause(a, now, f.pauseOf(a.Pauses))
		}
		return true
	}
	list := f.blamed[p]
	for len(list) > 0 && !list[0].After(now.Add(-f.cfg.Alarms.Window)) {
		list = list[1:]
	}
	list = append(slices.Clip(list), now)
	if len(list) < f.cfg.Alarms.Threshold {
		if len(f.blamed) >= maxWatched {
			clear(f.blamed)
		}
		f.blamed[p] = list
		return false
	}
	delete(f.blamed, p)
	f.raise(p, b, len(list), list[0], f.pauseOf(0))
	return true
}

// Suspend raises an alarm at once, as a rule asks.
func (f *Fleet) Suspend(p Pair, b Blame, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.cfg.Now()
	if a := f.alarms[p]; a != nil {
		a.Count++
		a.Last, a.Blame, a.dirty = now, b, true
		if until := now.Add(pause); until.After(a.PausedUntil) {
			a.PausedUntil = until
		}
		return
	}
	f.raise(p, b, 1, now, pause)
}

// raise makes an alarm; mu is held.
func (f *Fleet) raise(p Pair, b Blame, count int, first time.Time, pause time.Duration) {
	a := &alarm{Alarm: Alarm{Pair: p, Blame: b, Count: count, First: first, Last: f.cfg.Now()}}
	f.alarms[p] = a
	f.pause(a, f.cfg.Now(), pause)
}

// pause begins a pause; mu is held.
func (f *Fleet) pause(a *alarm, now time.Time, d time.Duration) {
	a.PausedUntil, a.probing, a.dirty = now.Add(d), time.Time{}, true
	a.Pauses++
	f.cfg.Log.Warn("source paused", "source", a.Source, "provider", a.Provider, "until", a.PausedUntil, "reply", a.Text)
}

// pauseOf returns the pause after so many before it: doubled each time.
func (f *Fleet) pauseOf(before int) time.Duration {
	d := f.cfg.Alarms.Pause
	for range before {
		if d *= 2; d >= f.cfg.Alarms.MaxPause {
			return f.cfg.Alarms.MaxPause
		}
	}
	return min(d, f.cfg.Alarms.MaxPause)
}

// Taken tells that the provider took a mail over the pair: blame below the threshold
// is forgotten, and a probe's alarm ends.
func (f *Fleet) Taken(p Pair) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.blamed) == 0 && len(f.alarms) == 0 {
		return
	}
	delete(f.blamed, p)
	// What was under way before the pause says nothing about it.
	if a := f.alarms[p]; a != nil && !f.cfg.Now().Before(a.PausedUntil) {
		f.end(a, "probe")
	}
}

// Clear ends an alarm by hand; false if there is none.
func (f *Fleet) Clear(p Pair, by string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.alarms[p]
	if a == nil {
		return false
	}
	f.end(a, by)
	return true
}

// end closes an alarm; mu is held.
func (f *Fleet) end(a *alarm, by string) {
	a.ClearedAt, a.ClearedBy = f.cfg.Now(), by
	delete(f.alarms, a.Pair)
	f.ended = append(f.ended, a.Alarm)
	f.cfg.Log.Info("source taken again", "source", a.Source, "provider", a.Provider, "by", by)
}

// Alarms returns the alarms that last, by source and provider.
func (f *Fleet) Alarms() []Alarm {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Alarm, 0, len(f.alarms))
	for _, a := range f.alarms {
		list = append(list, a.Alarm)
	}
	slices.SortFunc(list, func(a, b Alarm) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Provider, b.Provider))
	})
	return list
}

// Paused returns the alarm of a pair, if it has one.
func (f *Fleet) Paused(p Pair) (Alarm, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.alarms[p]; a != nil {
		return a.Alarm, true
	}
	return Alarm{}, false
}
