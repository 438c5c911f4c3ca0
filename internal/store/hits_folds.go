package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"stafette/internal/tracking"
)

const (
	// foldEvery is how long notes wait for company before they become rows, unless somebody
	// reads activities.
	foldEvery = 200 * time.Millisecond
	// foldMost bounds the notes of one transaction: mail waits for it.
	foldMost = 4096
	// notesMost bounds the notes that wait. Who brings more waits for a fold.
	notesMost = 4 * foldMost
)

// noted is a hit that is on its way into the journal, or there.
type noted struct {
	entry
	number  uint64
	decided func(kept bool) // may be nil
}

// noteGroup is those who share a flush.
type noteGroup struct {
	notes []*noted
	raw   []byte        // their notes, one after the other
	err   error         // of all
	done  chan struct{} // closed when err is final
}

// folds keeps noted hits in a journal and turns them into rows in sets: one flush of a
// short file answers all who wait, and thousands of hits share the pages of the tables
// they change. Only where this process alone writes (SQLite) are there any; readers call
// settled, so that nobody sees less than was answered.
//
// Three goroutines work together: keep writes the journal, hits.run writes the rows, tell
// calls those who want to know what became of their hit.
type folds struct {
	h       *hits
	journal *journal
	ready   chan struct{} // there is a group
	came    chan struct{} // something waits
	hurry   chan struct{} // somebody waits for it, or much does
	written chan struct{} // rows were committed: keep may drop files
	kept    chan struct{} // keep has ended
	told    chan struct{} // tell has ended

	join   sync.Mutex
	group  *noteGroup // gathers who comes while the one before is flushed; nil: nobody came
	spare  noteGroup  // the room of one that was flushed, for the next
	closed bool       // nobody may come any more

	mu      sync.Mutex
	waiting []*noted
	last    uint64        // number of the last note in the journal
	folded  uint64        // up to which all are rows
	trouble error         // why the last fold failed; nil: it did not
	moved   chan struct{} // closed when folded or trouble changed
	untold  []*noted
	tells   *sync.Cond // on mu, for untold
	over    bool
}

// startFolds returns nil where there is no journal: in PostgreSQL, where other nodes write,
// too, and while another process has it.
func startFolds(ctx context.Context, h *hits) (*folds, error) {
	s := h.s
	if !s.dialect.onlyProcess() {
		return nil, nil //nolint:nilnil // there is no journal, as is said above
	}
	var folded uint64
	err := s.write.QueryRowContext(ctx, "SELECT number FROM hits_folded").Scan(&folded)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("find what is left of hits: %w", err)
	}
	j, left, err := openHits(s.cfg.DataDir, s.disk(), folded)
	if err != nil || j == nil {
		return nil, err
	}
	f := &folds{h: h, journal: j, ready: make(chan struct{}, 1), came: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		written: make(chan struct{}, 1), kept: make(chan struct{}), told: make(chan struct{}), moved: make(chan struct{}),
		waiting: left, last: j.last, folded: folded}
	f.tells = sync.NewCond(&f.mu)
	if len(left) == 0 {
		f.folded = f.last
	}
	go f.keep()
	go f.tell()
	return f, nil
}

// NoteActivity implements tracking.ActivityStore.
func (s *Store) NoteActivity(ctx context.Context, v *tracking.Hit, decided func(kept bool)) error {
	f := s.hits.folds
	if f == nil {
		kept, err := s.AddActivities(ctx, []tracking.Hit{*v})
		if err == nil && decided != nil {
			decided(kept[0])
		}
		return err
	}
	if err := s.commits.failure(); err != nil {
		return err
	}
	g := f.enter(&noted{entry: entry{hit: v}, decided: decided})
	if g == nil {
		return errClosed()
	}
	<-g.done
	return g.err
}

// enter puts a note into the group that is flushed next; nil: there will be none.
func (f *folds) enter(n *noted) *noteGroup {
	f.join.Lock()
	defer f.join.Unlock()
	if f.closed {
		return nil
	}
	if f.group == nil {
		f.group = &noteGroup{notes: f.spare.notes[:0], raw: f.spare.raw[:0], done: make(chan struct{})}
		f.spare = noteGroup{}
		signal(f.ready)
	}
	g := f.group
	g.raw = appendHit(g.raw, n.hit)
	g.notes = append(g.notes, n)
	return g
}

// gathered takes the group. As gather does, it lets run first who can.
func (f *folds) gathered() *noteGroup {
	for before := 0; ; {
		f.join.Lock()
		g := f.group
		if g == nil || len(g.notes) == before || len(g.notes) >= hitGroup {
			f.group = nil
			f.join.Unlock()
			return g
		}
		before = len(g.notes)
		f.join.Unlock()
		runtime.Gosched()
	}
}

// refuse lets nobody in any more, and tells who is in already that nothing was kept.
func (f *folds) refuse() {
	f.join.Lock()
	defer f.join.Unlock()
	f.closed = true
	if g := f.group; g != nil {
		f.group, g.err = nil, errClosed()
		close(g.done)
	}
}

// keep writes the journal.
func (f *folds) keep() {
	defer close(f.kept)
	defer f.refuse()
	for {
		select {
		case <-f.h.quit:
			return
		case <-f.ready:
			if g := f.gathered(); g != nil {
				f.note(g)
			}
		case <-f.written:
			f.mu.Lock()
			folded := f.folded
			f.mu.Unlock()
			if err := f.journal.drop(folded); err != nil {
				f.h.s.cfg.Log.Error("journal of hits not shortened", "err", err)
			}
		}
	}
}

// note stores a group and releases its callers.
func (f *folds) note(g *noteGroup) {
	err := f.room()
	if err == nil {
		err = f.journal.writeHits(g)
	}
	if err == nil {
		f.mu.Lock()
		f.waiting, f.last = append(f.waiting, g.notes...), f.journal.last
		much := len(f.waiting) >= foldMost
		f.mu.Unlock()
		if signal(f.came); much {
			signal(f.hurry)
		}
	} else {
		g.err = fmt.Errorf("note hits: %w", f.h.s.refusal(err))
	}
	clear(g.notes) // they wait elsewhere
	f.join.Lock()
	f.spare = noteGroup{notes: g.notes, raw: g.raw}
	f.join.Unlock()
	close(g.done)
}

// room waits until less waits than may. The error is that of the last fold.
func (f *folds) room() error {
	for {
		f.mu.Lock()
		full, trouble, moved := len(f.waiting) >= notesMost, f.trouble, f.moved
		f.mu.Unlock()
		switch {
		case !full:
			return nil
		case trouble != nil:
			return trouble
		}
		signal(f.hurry)
		select {
		case <-moved:
		case <-f.h.quit:
			return errClosed()
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (f *folds) some() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting) > 0
}

// settled waits until what was noted before is in rows. It must not be called within a
// transaction that writes. The error is that of the fold, or the context's.
func (h *hits) settled(ctx context.Context) error {
	f := h.folds
	if f == nil {
		return nil
	}
	f.mu.Lock()
	target := f.last
	for f.folded < target {
		moved := f.moved
		f.mu.Unlock()
		signal(f.hurry)
		select {
		case <-moved:
		case <-h.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		if f.mu.Lock(); f.trouble != nil && f.folded < target {
			defer f.mu.Unlock()
			return f.trouble
		}
	}
	f.mu.Unlock()
	return nil
}

// settle is settled for who reads: where notes cannot become rows now, what is in rows is
// still to be had.
func (s *Store) settle(ctx context.Context) {
	_ = s.hits.settled(ctx) // see above
}

// fold turns the notes that wait longest into rows, in one transaction with the number of
// the last of them, so that none is counted twice.
func (h *hits) fold() {
	f := h.folds
	f.mu.Lock()
	group := f.waiting[:min(len(f.waiting), foldMost)]
	before := f.trouble
	f.mu.Unlock()
	if len(group) == 0 {
		return
	}
	n, err := h.commitNotes(group)
	f.mu.Lock()
	if f.trouble = err; n > 0 {
		f.folded = group[n-1].number
		f.waiting = append([]*noted(nil), f.waiting[n:]...)
		f.untold = append(f.untold, group[:n]...)
		f.tells.Signal()
	}
	close(f.moved)
	f.moved = make(chan struct{})
	f.mu.Unlock()
	if signal(f.written); err != nil && before == nil {
		h.s.cfg.Log.Error("hits wait in their journal", "err", err)
	}
}

// foldAll folds what is left when no more come. What cannot be stored stays in the journal.
func (h *hits) foldAll() {
	f := h.folds
	if f == nil {
		return
	}
	<-f.kept
	for f.some() {
		if h.fold(); f.trouble != nil { // nobody else changes it
			return
		}
	}
}

// commitNotes stores a group and returns how many notes were done when it failed.
// What cannot be stored for a reason of its own is dropped and logged: it would hold up all
// others for ever.
func (h *hits) commitNotes(group []*noted) (n int, err error) {
	entries := make([]*entry, len(group))
	for i, n := range group {
		entries[i] = &n.entry
	}
	err = h.s.transact(context.Background(), func(tx *sql.Tx) error {
		if err := h.s.writeHits(context.Background(), tx, entries); err != nil {
			return err
		}
		return noteFolded(context.Background(), tx, group)
	})
	if err == nil {
		h.markOpened()
		return len(group), nil
	}
	if kind := h.s.failureOf(err); kind != failOther && kind != failConflict {
		return 0, err
	}
	if len(group) > 1 {
		for i := range group {
			if _, err := h.commitNotes(group[i : i+1]); err != nil {
				return i, err
			}
		}
		return len(group), nil
	}
	h.s.cfg.Log.Error("a hit could not be kept", "activity", group[0].hit.Activity.ID.String(), "err", err)
	group[0].kept = false
	if err := h.s.transact(context.Background(), func(tx *sql.Tx) error { return noteFolded(context.Background(), tx, group) }); err != nil {
		return 0, err
	}
	return 1, nil
}

// noteFolded notes up to where the journal is in rows.
func noteFolded(ctx context.Context, tx *sql.Tx, group []*noted) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO hits_folded (one, number) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET number = excluded.number",
		int64(group[len(group)-1].number))
	return err
}

// tell calls who wants to know what became of their hits, beside everything else: they may
// read and write.
func (f *folds) tell() {
	defer close(f.told)
	for {
		f.mu.Lock()
		for len(f.untold) == 0 && !f.over {
			f.tells.Wait()
		}
		list := f.untold
		f.untold = nil
		f.mu.Unlock()
		if len(list) == 0 {
			return
		}
		for _, n := range list {
			if n.decided != nil {
				n.decided(n.kept)
			}
		}
	}
}

// end waits for who is told, and gives the journal up. All goroutines but tell have ended.
func (f *folds) end() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	f.over = true
	f.tells.Signal()
	f.mu.Unlock()
	<-f.told
	return f.journal.close(f.folded)
}
