package store

import (
	"context"
	"fmt"
	"time"
)

// clockTolerance is by how much a node's clock may differ from the database's
// before it is corrected: more than a round trip and well-kept clocks make up, so
// that time does not tremble, and far less than the shortest retry.
const clockTolerance = time.Second

// anchor ties the database's time to this process's clock: at was there.
type anchor struct {
	at    time.Time // by Config.Now
	there time.Time // the same instant, right by the database
}

// Now is the clock that all nodes on one database share. Whatever is written for other
// nodes to compare, such as when a delivery is due, must be told by it. On SQLite it is
// Config.Now. On PostgreSQL it runs on from when the clocks were last compared, by the
// monotonic reading of Config.Now: that somebody sets this machine's clock changes
// nothing. Where this machine's clock was right to a second, it was taken as it is.
//
// The clocks are compared by Open and by each Beat. When the database's is set, Now
// jumps with it, and so does its monotonic reading: what bounds a lease or anything
// else that must not depend on the time of day goes by a clock of its own.
func (s *Store) Now() time.Time {
	now := s.cfg.Now()
	a := s.anchor.Load()
	if a == nil {
		return now
	}
	return a.there.Add(now.Sub(a.at))
}

// setClock compares the clocks. The answer's time is taken to be that of the middle
// of the round trip.
func (s *Store) setClock(ctx context.Context) error {
	text := s.dialect.clock()
	if text == "" {
		return nil
	}
	before := s.cfg.Now()
	var millis int64
	if err := s.read.QueryRowContext(ctx, text).Scan(&millis); err != nil {
		return fmt.Errorf("read clock: %w", s.refusal(err))
	}
	here := before.Add(s.cfg.Now().Sub(before) / 2)
	there := time.UnixMilli(millis)
	old := s.anchor.Load()
	if old != nil && there.Sub(old.there.Add(here.Sub(old.at))).Abs() <= clockTolerance {
		return nil
	}
	// The wall clocks are compared: there has no monotonic reading.
	off := there.Sub(here)
	if off.Abs() <= clockTolerance {
		off = 0
	}
	s.anchor.Store(&anchor{at: here, there: here.Add(off)})
	if old != nil || off != 0 {
		s.cfg.Log.Warn("clock corrected to the database's", "correction", off)
	}
	return nil
}
