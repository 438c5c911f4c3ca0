package trace

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Sealer makes what is kept unreadable to who has the database alone; *seal.Keeper is
// one.
type Sealer interface {
	Seal(plain []byte, context string) []byte
	Open(sealed []byte, context string) ([]byte, error)
}

// Kept is a dialogue as it lies in the database.
type Kept struct {
	Delivery message.DeliveryID
	Number   int // of the attempt
	Sealed   []byte
}

// Store is where dialogues lie. They are written with the verdicts of attempts, see
// queue.Settlement.
type Store interface {
	// Dialogues returns those of a message's deliveries whose verdicts fell on one of the
	// days (of UTC), by delivery and attempt. What is not there is not an error.
	Dialogues(ctx context.Context, t tenant.ID, m message.ID, days []spool.Day) ([]Kept, error)
}

// Config of a Tracer. Now is demanded, and Sealer unless Mode is Off.
type Config struct {
	Mode   Mode // "": Failures
	Now    func() time.Time
	Sealer Sealer
	Store  Store // nil where nothing is read
	// Watches is how many may watch live at the same time; 0: 8.
	Watches int
}

// Tracer decides of which attempts the dialogue is kept, and lets people watch. It is
// safe for concurrent use. Recorders of a nil Tracer are nil.
type Tracer struct {
	cfg   Config
	flate sync.Pool // *flate.Writer: one weighs more than half a megabyte

	open    atomic.Int32 // watches
	mu      sync.Mutex
	watches []*Watch
}

// New makes a Tracer.
func New(c Config) *Tracer {
	if c.Mode == "" {
		c.Mode = Failures
	}
	if c.Watches <= 0 {
		c.Watches = 8
	}
	return &Tracer{cfg: c}
}

// Recorder makes a Recorder for one connection.
func (t *Tracer) Recorder() *Recorder {
	if t == nil {
		return nil
	}
	return &Recorder{tracer: t, now: &page{}, next: &page{}}
}

// wanted reports whether anybody cares what is said.
func (t *Tracer) wanted() bool { return t.cfg.Mode != Off || t.open.Load() > 0 }

func (t *Tracer) keeps(v Verdict) bool {
	switch t.cfg.Mode {
	case All:
		return true
	case Failures:
		return v.Outcome != event.OutcomeDelivered || !v.Straight
	case Off:
	}
	return false
}

// sealContext binds a dialogue to its attempt: in another row it cannot be opened.
func sealContext(t tenant.ID, d message.DeliveryID, number int) string {
	return "trace/" + t.String() + "/" + d.String() + "/" + strconv.Itoa(number)
}

// Seal makes of a dialogue what Config.Store keeps, some kilobytes as a rule.
func (t *Tracer) Seal(d *Dialogue) ([]byte, error) {
	var packed bytes.Buffer
	w, ok := t.flate.Get().(*flate.Writer)
	if ok {
		w.Reset(&packed)
	} else {
		var err error
		if w, err = flate.NewWriter(&packed, flate.BestSpeed); err != nil {
			return nil, fmt.Errorf("seal dialogue: %w", err)
		}
	}
	defer t.flate.Put(w)
	if err := json.NewEncoder(w).Encode(d); err != nil {
		return nil, fmt.Errorf("seal dialogue: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("seal dialogue: %w", err)
	}
	return t.cfg.Sealer.Seal(packed.Bytes(), sealContext(d.Tenant, d.Delivery, d.Number)), nil
}

// maxUnpacked bounds what a sealed dialogue may grow to: every byte of a line can take
// six in JSON.
const maxUnpacked = 8 * maxDialogue

// unseal reads what Seal made.
func (t *Tracer) unseal(owner tenant.ID, k Kept) (Dialogue, error) {
	var d Dialogue
	packed, err := t.cfg.Sealer.Open(k.Sealed, sealContext(owner, k.Delivery, k.Number))
	if err != nil {
		return d, fmt.Errorf("open dialogue: %w", err)
	}
	if err := json.NewDecoder(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxUnpacked)).Decode(&d); err != nil {
		return d, fmt.Errorf("read dialogue: %w", err)
	}
	return d, nil
}

// Dialogues returns what is kept of a message's attempts, by delivery and attempt; days
// are those of the attempts' verdicts. What cannot be opened is an error.
func (t *Tracer) Dialogues(ctx context.Context, owner tenant.ID, m message.ID, days []spool.Day) ([]Dialogue, error) {
	if len(days) == 0 {
		return nil, nil
	}
	kept, err := t.cfg.Store.Dialogues(ctx, owner, m, days)
	if err != nil {
		return nil, fmt.Errorf("read dialogues: %w", err)
	}
	list := make([]Dialogue, 0, len(kept))
	for _, k := range kept {
		d, err := t.unseal(owner, k)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// DaysOf returns the days on which attempts among the facts came to their verdicts, from
// new to old and at most so many: older dialogues are not looked for.
func DaysOf(facts []event.Event, limit int) []spool.Day {
	var days []spool.Day
	for i := len(facts) - 1; i >= 0 && len(days) < limit; i-- {
		if day := spool.DayOf(facts[i].At); facts[i].Attempt != nil && !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	return days
}
