package insight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"stafette/internal/tenant"
)

// Group is the figures of what the deliveries of one provider, stream or span have in
// common; the fields that do not tell it apart are zero.
type Group struct {
	Provider string // "" is every provider without a name of its own
	Stream   tenant.Stream
	From     time.Time // beginning of the span
	Figures
}

// Statistics tells what became of a tenant's mail in figures.
type Statistics struct{ Store TallyStore }

// By is what groups are told apart by.
type By string

// The ways to tell groups apart.
const (
	ByProvider By = "provider"
	ByStream   By = "stream"
	ByHour     By = "hour"
	ByDay      By = "day"
)

// Groups returns the figures of [from, to) told apart. Groups by provider or stream are in
// order of results, most first; those by hour or day run on without a gap, where a day is
// one of the zone. Nothing is left out for being small. An unknown By is an error.
func (s Statistics) Groups(ctx context.Context, t tenant.ID, by By, from, to time.Time, zone *time.Location) ([]Group, error) {
	q := TallyQuery{From: from, To: to, Providers: by == ByProvider, Streams: by == ByStream, Hours: by == ByHour || by == ByDay}
	cells, err := s.Store.Sums(ctx, t, q)
	if err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	switch by {
	case ByProvider, ByStream:
		return ranked(cells), nil
	case ByHour, ByDay:
		return series(cells, by, from, to, zone), nil
	}
	return nil, fmt.Errorf("statistics: told apart by %q", by)
}

// Providers returns the figures of [from, to) by provider as Groups does; stream narrows
// them, "" does not.
func (s Statistics) Providers(ctx context.Context, t tenant.ID, stream tenant.Stream, from, to time.Time) ([]Group, error) {
	cells, err := s.Store.Sums(ctx, t, TallyQuery{From: from, To: to, Providers: true, Streams: stream != ""})
	if err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	return ranked(slices.DeleteFunc(cells, func(c Cell) bool { return c.Stream != stream })), nil
}

// Join is the figures of all groups together.
func Join(list []Group) Figures {
	var f Figures
	for i := range list {
		f.join(&list[i].Figures)
	}
	return f
}

// Total is the figures of [from, to).
func (s Statistics) Total(ctx context.Context, t tenant.ID, from, to time.Time) (Figures, error) {
	cells, err := s.Store.Sums(ctx, t, TallyQuery{From: from, To: to})
	if err != nil {
		return Figures{}, fmt.Errorf("statistics: %w", err)
	}
	return Sum(cells), nil
}

func ranked(cells []Cell) []Group {
	var list []Group
	for _, c := range cells {
		i := slices.IndexFunc(list, func(g Group) bool { return g.Provider == c.Provider && g.Stream == c.Stream })
		if i < 0 {
			i = len(list)
			list = append(list, Group{Provider: c.Provider, Stream: c.Stream})
		}
		list[i].Add(c)
	}
	slices.SortStableFunc(list, func(a, b Group) int {
		return cmp.Or(-cmp.Compare(a.Results(), b.Results()), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Stream, b.Stream))
	})
	return list
}

func series(cells []Cell, by By, from, to time.Time, zone *time.Location) []Group {
	if zone == nil {
		zone = time.UTC
	}
	begin, next := func(t time.Time) time.Time { return t.Truncate(time.Hour) }, func(t time.Time) time.Time { return t.Add(time.Hour) }
	if by == ByDay {
		begin = func(t time.Time) time.Time {
			l := t.In(zone)
			return time.Date(l.Year(), l.Month(), l.Day(), 0, 0, 0, 0, zone)
		}
		next = func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	}
	var list []Group
	for at := begin(from); at.Before(to); at = next(at) {
		list = append(list, Group{From: at})
	}
	for _, c := range cells {
		at := begin(c.Hour)
		i, found := slices.BinarySearchFunc(list, at, func(g Group, t time.Time) int { return g.From.Compare(t) })
		if found {
			list[i].Add(c)
		}
	}
	return list
}

// Traces returns for each provider its delivery rate day by day, from old to new; a day
// without a result has none.
func (s Statistics) Traces(ctx context.Context, t tenant.ID, from, to time.Time, zone *time.Location) (map[string][]Group, error) {
	cells, err := s.Store.Sums(ctx, t, TallyQuery{From: from, To: to, Providers: true, Hours: true, Counts: Outcomes()})
	if err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	of := map[string][]Cell{}
	for _, c := range cells {
		of[c.Provider] = append(of[c.Provider], c)
	}
	traces := map[string][]Group{}
	for p, list := range of {
		traces[p] = series(list, ByDay, from, to, zone)
	}
	return traces, nil
}

// What makes a provider stand out: enough results to say so, and much fewer of them
// delivered than in the time before, or a rate below what is usual anywhere.
const (
	findingResults = 50
	findingDrop    = 0.02
	findingRate    = 0.95
	findingSlow    = 0.10 // share that took longer than Expected
)

// Finding is a provider that stands out.
type Finding struct {
	Provider string
	Kind     FindingKind
	Now      Figures
	Before   Figures // of the time before, as long
}

// FindingKind says in which way.
type FindingKind string

// The ways in which providers stand out.
const (
	FindingDrop FindingKind = "drop" // delivers less than before
	FindingLow  FindingKind = "low"  // delivers little
	FindingSlow FindingKind = "slow" // takes long
)

// Findings compares providers with themselves in the time before and names those that
// stand out, the worst first.
func Findings(now, before []Group) []Finding {
	var list []Finding
	for _, g := range now {
		if g.Results() < findingResults {
			continue
		}
		f := Finding{Provider: g.Provider, Now: g.Figures}
		if i := slices.IndexFunc(before, func(b Group) bool { return b.Provider == g.Provider }); i >= 0 {
			f.Before = before[i].Figures
		}
		rate, _ := g.Rate()
		was, known := f.Before.Rate()
		switch {
		case known && was-rate >= findingDrop:
			f.Kind = FindingDrop
		case rate < findingRate:
			f.Kind = FindingLow
		case part(g.Slow(), g.Delivered) >= findingSlow:
			f.Kind = FindingSlow
		default:
			continue
		}
		list = append(list, f)
	}
	slices.SortStableFunc(list, func(a, b Finding) int {
		x, _ := a.Now.Rate()
		y, _ := b.Now.Rate()
		return cmp.Compare(x, y)
	})
	return list
}
