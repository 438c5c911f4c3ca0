package trace

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Filter says which attempts to watch. Empty fields match everything.
type Filter struct {
	Tenant   tenant.ID
	Delivery message.DeliveryID
	Domain   string // of the recipient, A-labels
	Lane     string // site or source, as lanes name them
	// Lines asks for every line of the dialogues; without it only for how attempts begin
	// and end.
	Lines bool
}

func (f *Filter) matches(a *About) bool {
	return (f.Tenant.IsZero() || f.Tenant == a.Tenant) && (f.Delivery.IsZero() || f.Delivery == a.Delivery) &&
		(f.Domain == "" || strings.EqualFold(f.Domain, a.Domain)) &&
		(f.Lane == "" || strings.EqualFold(f.Lane, a.Site) || strings.EqualFold(f.Lane, a.Source))
}

// ParseFilter reads a filter from the parameters of a request: tenant, delivery, domain,
// lane, and conversation for Lines. Refusals are *fault.Error.
func ParseFilter(get func(name string) string) (Filter, error) {
	value := func(name string) string { return strings.TrimSpace(strings.ToValidUTF8(get(name), "")) }
	f := Filter{Domain: strings.ToLower(value("domain")), Lane: value("lane"), Lines: value("conversation") != ""}
	var err error
	if text := value("tenant"); text != "" {
		if f.Tenant, err = id.Parse[tenant.Kind](text); err != nil {
			return f, fault.Field("tenant", "id_malformed", "The value is not a tenant's identifier.")
		}
	}
	if text := value("delivery"); text != "" {
		if f.Delivery, err = id.Parse[message.DeliveryKind](text); err != nil {
			return f, fault.Field("delivery", "id_malformed", "The value is not a delivery's identifier.")
		}
	}
	return f, nil
}

// String is the filter in one line, for logs.
func (f Filter) String() string {
	var parts []string
	if !f.Tenant.IsZero() {
		parts = append(parts, "tenant "+f.Tenant.String())
	}
	if !f.Delivery.IsZero() {
		parts = append(parts, "delivery "+f.Delivery.String())
	}
	if f.Domain != "" {
		parts = append(parts, fmt.Sprintf("domain %.253q", f.Domain))
	}
	if f.Lane != "" {
		parts = append(parts, fmt.Sprintf("lane %.253q", f.Lane))
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// EntryKind says what an Entry tells.
type EntryKind string

// The kinds of entries.
const (
	Began EntryKind = "began"
	Said  EntryKind = "said"
	Ended EntryKind = "ended"
	Lost  EntryKind = "lost" // entries that the reader was too slow for
)

// Entry is one thing that happens while somebody watches.
type Entry struct {
	Kind    EntryKind `json:"kind"`
	At      time.Time `json:"at,omitzero"`
	About   `json:"about,omitzero"`
	Line    *Line    `json:"line,omitempty"`
	Verdict *Verdict `json:"verdict,omitempty"`
	Lost    int64    `json:"lost,omitempty"` // how many entries
}

// watchBuffer is how many entries wait for a reader.
const watchBuffer = 1000

// Watch is one who watches attempts live, those of this process that begin from now on.
// Next is called by one goroutine.
type Watch struct {
	filter Filter
	lines  bool
	ch     chan Entry
	lost   atomic.Int64
	tracer *Tracer
}

// Watch begins to watch; Close ends it. If too many watch already it refuses: Limited
// "too_many_watches".
func (t *Tracer) Watch(f Filter) (*Watch, error) {
	w := &Watch{filter: f, lines: f.Lines, ch: make(chan Entry, watchBuffer), tracer: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.watches) >= t.cfg.Watches {
		return nil, &fault.Error{Kind: fault.Limited, Code: "too_many_watches", Detail: "Too many people watch already.", RetryAfter: time.Minute}
	}
	t.watches = append(t.watches, w)
	t.open.Store(int32(len(t.watches)))
	return w, nil
}

// Close ends the watch. It may be called again.
func (w *Watch) Close() {
	t := w.tracer
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watches = slices.DeleteFunc(slices.Clone(t.watches), func(v *Watch) bool { return v == w })
	t.open.Store(int32(len(t.watches)))
}

// watching returns those who watch an attempt.
func (t *Tracer) watching(a *About) []*Watch {
	if t.open.Load() == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Watch
	for _, w := range t.watches {
		if w.filter.matches(a) {
			list = append(list, w)
		}
	}
	return list
}

// put hands an entry over if there is room; sending never waits for a reader.
func (w *Watch) put(e Entry) {
	select {
	case w.ch <- e:
	default:
		w.lost.Add(1)
	}
}

// Next waits for what happens next. A reader that was too slow is told first how much
// it missed. The error is the cause of ctx's end.
func (w *Watch) Next(ctx context.Context) (Entry, error) {
	if n := w.lost.Swap(0); n > 0 {
		return Entry{Kind: Lost, Lost: n}, nil
	}
	select {
	case e := <-w.ch:
		return e, nil
	case <-ctx.Done():
		return Entry{}, context.Cause(ctx)
	}
}
