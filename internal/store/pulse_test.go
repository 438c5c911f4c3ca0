package store

import (
	"testing"
	"time"

	"stafette/internal/queue"
)

// TestPulses: an epoch is silent when its beat has stood still for longer than its
// lease since it was seen first, whatever the hour is where it beats.
func TestPulses(t *testing.T) {
	const lease = 30 * time.Second
	start := time.Unix(1_700_000_000, 0)
	var p pulses
	p.note(7, 0, start)
	for i, step := range []struct {
		at     time.Duration
		beats  map[queue.Epoch]int64
		silent []queue.Epoch
	}{
		{0, map[queue.Epoch]int64{7: 0, 8: 100}, nil}, // 8 is new to us: its lease begins now
		{30 * time.Second, map[queue.Epoch]int64{7: 0, 8: 100}, nil},
		{31 * time.Second, map[queue.Epoch]int64{7: 0, 8: 101}, []queue.Epoch{7}},
		{60 * time.Second, map[queue.Epoch]int64{8: 101}, nil},
		{62 * time.Second, map[queue.Epoch]int64{8: 101}, []queue.Epoch{8}},
		{63 * time.Second, map[queue.Epoch]int64{8: 102}, nil}, // it beat in the last moment
		{200 * time.Second, map[queue.Epoch]int64{8: 103}, nil},
		{210 * time.Second, map[queue.Epoch]int64{}, nil},
		{300 * time.Second, map[queue.Epoch]int64{8: 103}, nil}, // seen anew
	} {
		var all []heartbeat
		for e, beat := range step.beats {
			all = append(all, heartbeat{epoch: e, beat: beat, lease: lease})
		}
		var silent []queue.Epoch
		for _, h := range p.still(all, start.Add(step.at)) {
			silent = append(silent, h.epoch)
		}
		if len(silent) != len(step.silent) || len(silent) == 1 && silent[0] != step.silent[0] {
			t.Errorf("step %d: silent are %v, want %v", i, silent, step.silent)
		}
	}
}

// TestLongDead: an epoch counts as dead from when this process sees it so.
func TestLongDead(t *testing.T) {
	var p pulses
	now := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
	for i, step := range []struct {
		pass time.Duration
		dead []queue.Epoch
		want int
	}{
		{0, []queue.Epoch{1}, 0},
		{time.Minute, []queue.Epoch{1, 2}, 0},
		{time.Minute, []queue.Epoch{1, 2}, 1},
		{time.Minute, []queue.Epoch{2}, 1},
		{time.Hour, []queue.Epoch{1}, 0}, // another's number never comes again; a gap begins anew
	} {
		now = now.Add(step.pass)
		if long := p.longDead(step.dead, now, 2*time.Minute); len(long) != step.want {
			t.Errorf("step %d: %v", i, long)
		}
	}
}
