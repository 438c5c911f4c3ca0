package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"stafette/internal/queue"
)

// pulses is what this process has seen of the heartbeats of all epochs. An epoch
// whose beat stands still for its lease, by this process's own clock, is dead: the
// node that holds it counts the same lease from before it sent that beat, so it has
// stopped by then. Clocks of two machines are never compared. The zero value has
// seen nothing. It is safe for concurrent use.
type pulses struct {
	mu   sync.Mutex
	seen map[queue.Epoch]pulse
	dead map[queue.Epoch]time.Time // since when this process knows them to be dead
}

// pulse is the last beat seen of an epoch, and when it was seen first.
type pulse struct {
	beat  int64
	since time.Time
}

// heartbeat is one living row of epochs.
type heartbeat struct {
	epoch queue.Epoch
	node  string
	beat  int64
	lease time.Duration
}

// note remembers a beat that this process sent itself, at a time before it did.
func (p *pulses) note(e queue.Epoch, beat int64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = map[queue.Epoch]pulse{}
	}
	p.seen[e] = pulse{beat, at}
}

// still compares all living epochs, read before now, with what was seen earlier and
// returns those whose beat has stood still for longer than their lease.
func (p *pulses) still(all []heartbeat, now time.Time) []heartbeat {
	p.mu.Lock()
	defer p.mu.Unlock()
	var silent []heartbeat
	seen := make(map[queue.Epoch]pulse, len(all))
	for _, h := range all {
		last, known := p.seen[h.epoch]
		if !known || last.beat != h.beat {
			last = pulse{h.beat, now}
		}
		seen[h.epoch] = last
		if now.Sub(last.since) > h.lease {
			silent = append(silent, h)
		}
	}
	p.seen = seen
	return silent
}

// longDead notes which epochs are dead now and returns those that have been for at
// least so long, as far as this process has seen.
func (p *pulses) longDead(all []queue.Epoch, now time.Time, least time.Duration) []queue.Epoch {
	p.mu.Lock()
	defer p.mu.Unlock()
	dead := make(map[queue.Epoch]time.Time, len(all))
	var long []queue.Epoch
	for _, e := range all {
		since, known := p.dead[e]
		if !known {
			since = now
		}
		dead[e] = since
		if now.Sub(since) >= least {
			long = append(long, e)
		}
	}
	p.dead = dead
	return long
}

// buryEpochs declares silent epochs dead, so that their processes are told so
// before anybody takes what they hold. One that beat in the last moment lives on.
func (s *Store) buryEpochs(ctx context.Context) error {
	var living []heartbeat
	rows, err := s.read.QueryContext(ctx, "SELECT epoch, node, beat, lease FROM epochs WHERE alive = 1")
	err = scan(rows, err, func(row *sql.Rows) error {
		var h heartbeat
		var lease int64
		err := row.Scan(&h.epoch, &h.node, &h.beat, &lease)
		h.lease = time.Duration(lease) * time.Millisecond
		living = append(living, h)
		return err
	})
	if err != nil {
		return fmt.Errorf("watch epochs: %w", s.refusal(err))
	}
	for _, h := range s.pulses.still(living, s.cfg.Now()) {
		res, err := s.write.ExecContext(ctx, "UPDATE epochs SET alive = 0 WHERE epoch = $1 AND beat = $2 AND alive = 1", int64(h.epoch), h.beat)
		if err != nil {
			return fmt.Errorf("bury epoch: %w", s.refusal(err))
		}
		if n, err := res.RowsAffected(); err == nil && n > 0 {
			s.cfg.Log.Warn("epoch declared dead", "epoch", int64(h.epoch), "node", h.node)
		}
	}
	return nil
}
