package store

import (
	"context"
	"database/sql"
	"sync/atomic"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// maxHitMemory bounds the mails of a hitMemory.
const maxHitMemory = 50_000

// hitMemory remembers what must hold for the activities of mails, so that a mail that is
// opened ten times is asked for once. It is of use only where this process alone writes:
// every transaction that writes goes over one connection, and so none can change what is
// remembered between refresh and the commit of the hits. But for changed it belongs to
// the goroutine of hits.
type hitMemory struct {
	mails map[mailKey]*standing // nil: nothing is ever remembered
	// changed is moved, within their transaction, by those who change what recipients said
	// or drop mail.
	changed atomic.Uint64
	seen    uint64 // of changed
	version int64  // of the database: moved by other processes
}

type mailKey struct {
	tenant  tenant.ID
	message message.ID
}

// standing is what the recipients of a mail, all together, said.
type standing struct {
	withdrawn bool // one of them has
	granted   bool // each of them has
	opened    bool // the mail is marked as opened
}

func newHitMemory(d dialect) hitMemory {
	if !d.onlyProcess() {
		return hitMemory{}
	}
	return hitMemory{mails: map[mailKey]*standing{}}
}

// allows reports whether an activity may be kept of recipients who said so.
func (s *standing) allows(v *tracking.Hit) bool {
	return !s.withdrawn && (s.granted || !v.Granted)
}

// standing sums up the answers of recipients.
func (d *demands) standing(of []audience.Hash) *standing {
	s := &standing{granted: true}
	for _, h := range of {
		s.withdrawn = s.withdrawn || d.said[h] == tracking.StateWithdrawn
		s.granted = s.granted && d.said[h] == tracking.StateGranted
	}
	return s
}

const dataVersionText = "PRAGMA data_version"

// refresh forgets what may have changed since the last transaction. tx must have begun as
// one that writes.
func (m *hitMemory) refresh(ctx context.Context, tx *sql.Tx) error {
	if m.mails == nil {
		return nil
	}
	var version int64
	if err := tx.QueryRowContext(ctx, dataVersionText).Scan(&version); err != nil {
		return err
	}
	if seen := m.changed.Load(); seen != m.seen || version != m.version || len(m.mails) >= maxHitMemory {
		clear(m.mails)
		m.seen, m.version = seen, version
	}
	return nil
}

// forget lets the next refresh forget everything; to be called within the transaction
// that changes something.
func (m *hitMemory) forget() { m.changed.Add(1) }

// standing returns what is remembered of the mail of a hit; nil: nothing is.
func (m *hitMemory) standing(v *tracking.Hit) *standing {
	if !v.Tracked || v.Activity.Kind.Declared() {
		return nil
	}
	return m.mails[mailKey{v.Activity.Tenant, v.Activity.Message}]
}

// markOpened remembers mails that are marked as opened, after the commit that did it.
func (h *hits) markOpened() {
	for _, said := range h.marked {
		said.opened = true
	}
}

// remember keeps what was said for the next hits of the mail and returns it; nil: it is not
// remembered.
func (m *hitMemory) remember(v *tracking.Hit, said *standing) *standing {
	if m.mails == nil || !v.Tracked {
		return nil
	}
	m.mails[mailKey{v.Activity.Tenant, v.Activity.Message}] = said
	return said
}
