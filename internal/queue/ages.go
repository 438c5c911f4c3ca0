package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"stafette/internal/event"
	"stafette/internal/tenant"
)

// Waiting is one delivery that waits.
type Waiting struct {
	Accepted time.Time
	Stream   tenant.Stream
	Domain   string // of the recipient
}

// Stratum is what waits of one tenant in one state.
type Stratum struct {
	Tenant tenant.ID
	Name   string // of the tenant
	State  event.State
	Count  int64
	Oldest time.Time // when the oldest was accepted
	// Sample holds all deliveries or, where they are many, some that chance chose.
	Sample []Waiting
}

// AgeStore tells what waits.
type AgeStore interface {
	// Waiting returns what is queued, deferred or held, by tenant and state, with about
	// sample deliveries of each. It looks at indexes for the rest.
	Waiting(ctx context.Context, sample int) ([]Stratum, error)
}

// AgeBy says by what waiting mail is told apart.
type AgeBy string

// What waiting mail is told apart by.
const (
	ByState  AgeBy = "state"
	ByTenant AgeBy = "tenant"
	ByStream AgeBy = "stream"
	ByDomain AgeBy = "domain"
	BySite   AgeBy = "site"
)

// AgeBys lists them.
func AgeBys() []AgeBy { return []AgeBy{ByState, ByTenant, ByStream, ByDomain, BySite} }

// AgeLine is how long a part of the waiting mail has waited since it was accepted.
type AgeLine struct {
	Name   string    `json:"name"`
	Tenant tenant.ID `json:"tenant,omitzero"` // in a list of tenants
	Count  int64     `json:"count"`
	// Oldest is when the oldest was accepted, of those looked at.
	Oldest time.Time     `json:"oldest"`
	P50    time.Duration `json:"p50_ns"` // half of it has waited for less
	P95    time.Duration `json:"p95_ns"`
}

// Ages tells how long mail has waited.
type Ages struct {
	At  time.Time           `json:"at"`
	All AgeLine             `json:"all"`
	By  map[AgeBy][]AgeLine `json:"by"` // by count, most first, at most 1,000 each
	// Sampled: there is so much that only counts by tenant and state, and their oldest,
	// are exact; everything else is estimated from a sample.
	Sampled bool `json:"sampled"`
}

const (
	ageSample = 2000 // deliveries of one tenant in one state that are looked at
	ageLines  = 1000
	// ageFor is how long an answer is good, and ageRest how many times as long as it took
	// nobody looks again: watching must not become work.
	ageFor  = 5 * time.Second
	ageRest = 20
)

// AgeBook tells how long mail has waited, at most every few seconds anew. It is safe for
// concurrent use.
type AgeBook struct {
	store AgeStore
	site  func(domain string) string
	now   func() time.Time

	mu    sync.Mutex
	last  Ages
	until time.Time
}

// NewAgeBook makes an AgeBook. site names the site a domain's mail goes to, "" if that is
// not known; it may be nil.
func NewAgeBook(store AgeStore, site func(domain string) string, now func() time.Time) *AgeBook {
	if site == nil {
		site = func(string) string { return "" }
	}
	return &AgeBook{store: store, site: site, now: now}
}

// Ages looks, or tells what was seen a moment ago. The answer is shared: it must not be
// changed.
func (b *AgeBook) Ages(ctx context.Context) (Ages, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	began := b.now()
	if left := b.until.Sub(began); b.last.By != nil && left > 0 && left < time.Hour {
		return b.last, nil
	}
	list, err := b.store.Waiting(ctx, ageSample)
	if err != nil {
		return Ages{}, fmt.Errorf("read ages: %w", err)
	}
	b.last = b.reckon(list, began)
	b.until = began.Add(max(ageFor, ageRest*b.now().Sub(began)))
	return b.last, nil
}

// weighed is a delivery that stands for others too.
type weighed struct {
	age    time.Duration
	weight float64
}

// heap gathers the deliveries of one line.
type ageHeap struct {
	line  AgeLine
	list  []weighed
	exact bool // count and oldest are known already
}

func (b *AgeBook) reckon(list []Stratum, now time.Time) Ages {
	a := Ages{At: now, By: map[AgeBy][]AgeLine{}}
	heaps := map[AgeBy]map[string]*ageHeap{}
	all := &ageHeap{exact: true}
	for i := range list {
		s := &list[i]
		exact := []*ageHeap{all, heapOf(heaps, ByState, string(s.State)), heapOf(heaps, ByTenant, s.Tenant.String())}
		exact[2].line.Tenant, exact[2].line.Name = s.Tenant, s.Name
		for _, h := range exact {
			h.exact = true
			h.line.add(s.Count, s.Oldest)
		}
		if len(s.Sample) == 0 {
			a.Sampled = true
			continue
		}
		weight := float64(s.Count) / float64(len(s.Sample))
		a.Sampled = a.Sampled || s.Count > int64(len(s.Sample))
		for _, w := range s.Sample {
			v := weighed{max(now.Sub(w.Accepted), 0), weight}
			for _, h := range append(exact, heapOf(heaps, ByStream, string(w.Stream)), heapOf(heaps, ByDomain, w.Domain), heapOf(heaps, BySite, b.site(w.Domain))) {
				h.list = append(h.list, v)
				if !h.exact {
					h.line.add(0, w.Accepted)
				}
			}
		}
	}
	a.All = all.finish()
	for by, names := range heaps {
		for _, h := range names {
			a.By[by] = append(a.By[by], h.finish())
		}
		slices.SortFunc(a.By[by], func(x, y AgeLine) int { return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Name, y.Name)) })
		a.By[by] = a.By[by][:min(len(a.By[by]), ageLines)]
	}
	return a
}

func heapOf(heaps map[AgeBy]map[string]*ageHeap, by AgeBy, name string) *ageHeap {
	if heaps[by] == nil {
		heaps[by] = map[string]*ageHeap{}
	}
	h := heaps[by][name]
	if h == nil {
		h = &ageHeap{line: AgeLine{Name: name}}
		heaps[by][name] = h
	}
	return h
}

func (l *AgeLine) add(n int64, oldest time.Time) {
	l.Count += n
	if l.Oldest.IsZero() || oldest.Before(l.Oldest) {
		l.Oldest = oldest
	}
}

// finish reckons what half and nearly all have waited for.
func (h *ageHeap) finish() AgeLine {
	slices.SortFunc(h.list, func(a, b weighed) int { return cmp.Compare(a.age, b.age) })
	sum := 0.0
	for _, v := range h.list {
		sum += v.weight
	}
	if !h.exact {
		h.line.Count = int64(sum + 0.5)
	}
	passed := 0.0
	for _, v := range h.list {
		passed += v.weight
		if h.line.P50 == 0 && passed >= sum/2 {
			h.line.P50 = v.age
		}
		if passed >= sum*0.95 {
			h.line.P95 = v.age
			break
		}
	}
	return h.line
}
