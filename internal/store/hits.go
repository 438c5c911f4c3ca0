package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"runtime"
	"slices"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// hitGroup bounds the activities of one transaction.
const hitGroup = 512

// entry is an activity on its way into the tables.
type entry struct {
	hit  *tracking.Hit
	said *standing // what is remembered of its mail; nil: nothing is
	kept bool
}

// hitCall is one call of AddActivities that waits.
type hitCall struct {
	entries []entry
	err     error
	done    chan struct{}
}

// hits writes the activities of all who wait at one moment with one flush, as the
// committer does for mail. They have a goroutine of their own, so that a burst of them
// fills no group of acceptances. Those that are noted go through a journal first, see
// folds.
type hits struct {
	s     *Store
	known hitMemory
	rows  []any // of the group that is written, kept for the next one
	// marked are the mails that the group that is written marked as opened.
	marked []*standing
	in     chan *hitCall
	once   sync.Once
	quit   chan struct{}
	ended  chan struct{}
	folds  *folds // nil: there is no journal, and notes are written as all others
}

func startHits(ctx context.Context, s *Store) (*hits, error) {
	h := &hits{s: s, known: newHitMemory(s.dialect), in: make(chan *hitCall, hitGroup), quit: make(chan struct{}), ended: make(chan struct{})}
	var err error
	if h.folds, err = startFolds(ctx, h); err != nil {
		return nil, err
	}
	go h.run() //nolint:contextcheck // it serves everybody until stop
	return h, nil
}

// stop writes what is noted and ends. Only the first call has something to say.
func (h *hits) stop() (err error) {
	h.once.Do(func() {
		close(h.quit)
		<-h.ended
		err = h.folds.end()
	})
	return err
}

// run is the one goroutine that writes activities. Notes are written some time after they
// came, so that many share the pages they change, or at once where somebody waits.
func (h *hits) run() {
	defer close(h.ended)
	f := h.folds
	if f == nil {
		f = &folds{}
	}
	rest := time.NewTimer(foldEvery)
	resting := true
	fold := func() {
		h.fold()
		resting = true
		rest.Reset(foldEvery)
	}
	for {
		select {
		case <-h.quit:
			h.foldAll()
			return
		case c := <-h.in:
			h.write(gather(c, h.in, func(c *hitCall) int { return len(c.entries) }))
		case <-f.hurry:
			fold()
		case <-f.came:
			if !resting {
				fold()
			}
		case <-rest.C:
			if resting = false; h.folds != nil && h.folds.some() {
				fold()
			}
		}
	}
}

// gather takes what waits. Who can run at this moment is let run first, as long as that
// brings more: the first of a burst would otherwise get a flush of its own, while all
// others stand in line behind it.
func gather[T any](first T, in <-chan T, size func(T) int) []T {
	group, n, before := []T{first}, size(first), 0
	for n < hitGroup {
		select {
		case c := <-in:
			group, n = append(group, c), n+size(c)
		default:
			if n == before {
				return group
			}
			before = n
			runtime.Gosched()
		}
	}
	return group
}

// write stores a group. One that fails is tried call by call, so that who brought
// something that cannot be stored fails alone.
func (h *hits) write(group []*hitCall) {
	var entries []*entry
	for _, c := range group {
		for i := range c.entries {
			entries = append(entries, &c.entries[i])
		}
	}
	// The callers' contexts do not reach here: a group is not one caller's.
	err := h.s.transact(context.Background(), func(tx *sql.Tx) error { return h.s.writeHits(context.Background(), tx, entries) })
	if err != nil && len(group) > 1 && h.s.failureOf(err) == failOther {
		for _, c := range group {
			h.write([]*hitCall{c})
		}
		return
	}
	if err == nil {
		h.markOpened()
	}
	for _, c := range group {
		c.err = err
		close(c.done)
	}
}

// AddActivities implements tracking.ActivityStore. Who leaves before it is written does
// not know whether it was.
func (s *Store) AddActivities(ctx context.Context, list []tracking.Hit) ([]bool, error) {
	if err := s.commits.failure(); err != nil {
		return nil, err
	}
	c := &hitCall{entries: make([]entry, len(list)), done: make(chan struct{})}
	for i := range list {
		c.entries[i].hit = &list[i]
	}
	select {
	case s.hits.in <- c:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.hits.ended:
		return nil, errClosed()
	}
	select {
	case <-c.done:
		return c.answers(), c.err
	case <-s.hits.ended:
	}
	select {
	case <-c.done:
		return c.answers(), c.err
	default:
		return nil, errClosed()
	}
}

// answers tells of which activities something was kept.
func (c *hitCall) answers() []bool {
	kept := make([]bool, len(c.entries))
	for i := range c.entries {
		kept[i] = c.entries[i].kept
	}
	return kept
}

// demands are what must hold for the activities of a group, by tenant.
type demands struct {
	said    map[audience.Hash]tracking.State // asked for, with the answer
	tracked map[message.ID]bool              // asked for; true: is there still
	of      map[message.ID][]audience.Hash   // the recipients of messages, made once
}

// hashes are those of the recipients of a hit.
func (d *demands) hashes(key audience.Hasher, v *tracking.Hit) []audience.Hash {
	m := v.Activity.Message
	if list, ok := d.of[m]; ok && v.Tracked {
		return list
	}
	list := make([]audience.Hash, len(v.Recipients))
	for i, a := range v.Recipients {
		list[i] = key.Of(v.Activity.Tenant, a)
	}
	if v.Tracked {
		d.of[m] = list
	}
	return list
}

// writeHits puts activities into rows. It sorts the group by identifier, so that rows
// are added where the table ends.
func (s *Store) writeHits(ctx context.Context, tx *sql.Tx, group []*entry) error {
	slices.SortFunc(group, func(a, b *entry) int { return bytes.Compare(a.hit.Activity.ID[:], b.hit.Activity.ID[:]) })
	if err := s.hits.known.refresh(ctx, tx); err != nil {
		return err
	}
	hold, err := s.lookUp(ctx, tx, group)
	if err != nil {
		return err
	}
	rows := s.hits.rows[:0]
	defer func() {
		clear(rows)
		s.hits.rows = rows
	}()
	sums := map[countKey]tracking.Count{}
	for _, e := range group {
		a := &e.hit.Activity
		if e.kept = s.holds(hold, e); !e.kept {
			continue
		}
		if a.Decision.Level > tracking.Aggregate || a.Kind.Declared() {
			rows = appendActivity(rows, a)
		} else {
			e.kept = count(sums, a)
		}
	}
	if err := s.texts.activities.insert(ctx, s.texts, tx, rows); err != nil {
		return err
	}
	if err := s.noteOpened(ctx, tx, group); err != nil {
		return err
	}
	return s.addCounts(ctx, tx, sums)
}

// holds reports whether an activity may be kept.
func (s *Store) holds(of map[tenant.ID]*demands, e *entry) bool {
	v := e.hit
	if e.said == nil {
		e.said = s.hits.known.standing(v) // another of this group may have brought it
	}
	if e.said != nil {
		return e.said.allows(v)
	}
	d := of[v.Activity.Tenant]
	if v.Tracked && !d.tracked[v.Activity.Message] {
		return false
	}
	if v.Activity.Kind.Declared() {
		return true
	}
	said := d.standing(d.hashes(s.hashes, v))
	e.said = s.hits.known.remember(v, said)
	return said.allows(v)
}

// lookUp asks once for each tenant of the group, for what is not remembered.
func (s *Store) lookUp(ctx context.Context, tx *sql.Tx, group []*entry) (map[tenant.ID]*demands, error) {
	by := map[tenant.ID]*demands{}
	for _, e := range group {
		v := e.hit
		if e.said = s.hits.known.standing(v); e.said != nil {
			continue
		}
		t := v.Activity.Tenant
		d := by[t]
		if d == nil {
			d = &demands{said: map[audience.Hash]tracking.State{}, tracked: map[message.ID]bool{}, of: map[message.ID][]audience.Hash{}}
			by[t] = d
		}
		if v.Tracked {
			d.tracked[v.Activity.Message] = false
		}
		if !v.Activity.Kind.Declared() {
			for _, h := range d.hashes(s.hashes, v) {
				d.said[h] = tracking.StateUnknown
			}
		}
	}
	for t, d := range by {
		if err := s.findSaid(ctx, tx, t, d.said); err != nil {
			return nil, err
		}
		if err := s.findTracked(ctx, tx, t, d.tracked); err != nil {
			return nil, err
		}
	}
	return by, nil
}

func (s *Store) findSaid(ctx context.Context, tx *sql.Tx, t tenant.ID, of map[audience.Hash]tracking.State) error {
	for part := range slices.Chunk(sortedKeys(of), inListMax) {
		text, args := hashList(s.dialect, 2, part)
		latest := map[audience.Hash]int64{}
		rows, err := s.texts.query(ctx, tx, saidText+text, append([]any{t[:]}, args...)...)
		err = scan(rows, err, func(row *sql.Rows) error {
			var raw []byte
			var number int64
			var state tracking.State
			if err := row.Scan(&raw, &number, &state); err != nil || len(raw) != len(audience.Hash{}) {
				return err
			}
			if h := audience.Hash(raw); number > latest[h] {
				latest[h], of[h] = number, state
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) findTracked(ctx context.Context, tx *sql.Tx, t tenant.ID, of map[message.ID]bool) error {
	for part := range slices.Chunk(sortedKeys(of), inListMax) {
		text, args := inList(s.dialect, 2, part)
		rows, err := s.texts.query(ctx, tx, stillText+text+s.dialect.shareRow(), append([]any{t[:]}, args...)...)
		err = scan(rows, err, func(row *sql.Rows) error {
			var m message.ID
			err := row.Scan(&m)
			of[m] = true
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	saidText  = "SELECT hash, number, state FROM tracking_consents WHERE tenant = $1 AND hash "
	stillText = "SELECT message FROM tracked_messages WHERE tenant = $1 AND message "
)

// hitTexts are the texts of lookUp and noteOpened in all their lengths.
func hitTexts(d dialect) (texts []string) {
	for size := 1; size <= inListMax; size *= 4 {
		list, _ := inList(d, 2, make([]message.ID, size))
		texts = append(texts, saidText+list, stillText+list+d.shareRow(), openedText+list)
	}
	return texts
}

// sortedKeys are the keys of a map in one order, lest two nodes wait for each other.
func sortedKeys[K ~[16]byte, V any](of map[K]V) []K {
	list := make([]K, 0, len(of))
	for k := range of {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b K) int { return bytes.Compare(a[:], b[:]) })
	return list
}

// hashList is inList for hashes.
func hashList(d dialect, first int, list []audience.Hash) (string, []any) {
	ids := make([]message.ID, len(list))
	for i, h := range list {
		ids[i] = message.ID(h)
	}
	return inList(d, first, ids)
}

// countKey is a row of activity_counts.
type countKey struct {
	tenant  tenant.ID
	message message.ID
	link    int
}

// count adds an open or a click to the sums; other kinds are not counted.
func count(sums map[countKey]tracking.Count, a *tracking.Activity) bool {
	if a.Message.IsZero() || a.Kind != tracking.Opened && a.Kind != tracking.Clicked {
		return false
	}
	k := countKey{a.Tenant, a.Message, a.Link}
	c := sums[k]
	if a.Machine.Counted() {
		c.Persons++
	} else {
		c.Machines++
	}
	sums[k] = c
	return true
}

func (s *Store) addCounts(ctx context.Context, tx *sql.Tx, sums map[countKey]tracking.Count) error {
	keys := make([]countKey, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b countKey) int {
		return cmp.Or(bytes.Compare(a.tenant[:], b.tenant[:]), bytes.Compare(a.message[:], b.message[:]), cmp.Compare(a.link, b.link))
	})
	args := make([]any, 0, 5*len(keys))
	for i := range keys {
		k := &keys[i]
		args = append(args, k.tenant[:], k.message[:], k.link, sums[*k].Persons, sums[*k].Machines)
	}
	return s.texts.activityCounts.insert(ctx, s.texts, tx, args)
}
