package store

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"stafette/internal/queue"
)

// verdictsDir is the directory of the journal of verdicts in the data directory.
const verdictsDir = "verdicts"

// verdictNotes are verdicts that must be durable before their rows are, in a journal: a
// flush of some hundred bytes, where rows wait for the group commit. The process that has
// the queue of a data directory has them (lockQueue); elsewhere nothing is noted. The zero
// value is ready for use.
type verdictNotes struct {
	mu      sync.Mutex
	journal *journal // nil: nothing is noted
	raw     []byte   // kept for the next call
	done    uint64   // up to which all notes may go
	apart   map[uint64]struct{}
}

// Note implements queue.Store.
func (s *Store) Note(list []*queue.Settlement) ([]uint64, error) {
	n := &s.verdicts
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.journal == nil || len(list) == 0 {
		return nil, nil
	}
	if err := s.commits.failure(); err != nil {
		return nil, err
	}
	n.raw = n.raw[:0]
	for _, v := range list {
		n.raw = appendVerdict(n.raw, v)
	}
	first, err := n.journal.write(n.raw)
	if err != nil {
		return nil, fmt.Errorf("note verdicts: %w", s.refusal(err))
	}
	numbers := make([]uint64, len(list))
	for i := range numbers {
		numbers[i] = first + uint64(i)
	}
	return numbers, nil
}

// Drop implements queue.Store. Files go when no number up to their last is missing.
func (s *Store) Drop(notes []uint64) error {
	n := &s.verdicts
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.journal == nil {
		return nil
	}
	for _, number := range notes {
		n.apart[number] = struct{}{}
	}
	for {
		if _, ok := n.apart[n.done+1]; !ok {
			break
		}
		n.done++
		delete(n.apart, n.done)
	}
	if err := n.journal.drop(n.done); err != nil {
		return fmt.Errorf("drop notes of verdicts: %w", err)
	}
	return nil
}

// takeUpVerdicts settles what an earlier process noted and did not live to settle, and opens
// the journal. What cannot be settled now must not be sent anew: then there is no queue.
func (s *Store) takeUpVerdicts(ctx context.Context) error {
	n := &s.verdicts
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.journal != nil {
		return nil
	}
	var left []queue.Settlement
	j, err := openJournal(s.cfg.DataDir, verdictsDir, s.disk(), 0, func(note []byte, _ uint64) error {
		v, err := readVerdict(note)
		if err == nil {
			left = append(left, v)
		}
		return err
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(left, s.cfg.GroupLimit) {
		fenced, err := s.Settle(ctx, part)
		if err != nil {
			return fmt.Errorf("settle what was noted: %w", err)
		}
		s.cfg.Log.Info("noted verdicts taken up", "notes", len(part), "settled", len(part)-len(fenced))
	}
	n.journal, n.done, n.apart = j, j.last, map[uint64]struct{}{}
	return j.drop(n.done)
}

// close gives the journal up. What is not settled stays in it for the next process.
func (n *verdictNotes) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.journal == nil {
		return nil
	}
	j := n.journal
	n.journal = nil
	return j.close(n.done)
}
