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

// Now is the clock that all nodes on one database share: Config.Now, corrected by
// how far it is from the database's clock, if that is more than a second. Whatever
// is written for other nodes to compare, such as when a delivery is due, must be
// told by it. On SQLite it is Config.Now. A monotonic reading stays.
//
// The correction is found by Open and anew by each Beat.
func (s *Store) Now() time.Time {
	return s.cfg.Now().Add(time.Duration(s.correction.Load()))
}

// setClock compares the clocks. The answer's time is taken to be that of the middle
// of the round trip.
func (s *Store) setClock(ctx context.Context) error {
	text := s.dialect.clock()
	if text == "" {
		return nil
	}
	before := s.cfg.Now()
	var there int64
	if err := s.read.QueryRowContext(ctx, text).Scan(&there); err != nil {
		return fmt.Errorf("read clock: %w", s.refusal(err))
	}
	here := before.Add(s.cfg.Now().Sub(before) / 2)
	off := time.UnixMilli(there).Sub(here)
	old := time.Duration(s.correction.Load())
	if (off - old).Abs() <= clockTolerance {
		return nil
	}
	if off.Abs() <= clockTolerance {
		off = 0
	}
	s.correction.Store(int64(off))
	s.cfg.Log.Warn("clock of this node corrected to the database's", "correction", off)
	return nil
}
