package tracking

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Allowed is what a tenant allows: its setting and the limits of its streams.
type Allowed struct {
	Setting
	Streams map[tenant.Stream]Level // those that have a limit
}

// On is the level of a stream: the lower of the tenant's and its own.
func (a Allowed) On(s tenant.Stream) Level { return Least(a.Level, a.Streams[s]) }

// Change is what another Allowed would make different for one stream.
type Change struct {
	Stream        tenant.Stream // "" is the tenant itself
	Before, After Level
}

// Stricter reports whether less is told after the change: it then holds for mail
// already sent, too.
func (c Change) Stricter() bool { return c.After < c.Before }

// Changes lists what to makes different from a, the tenant first and then its streams.
func (a Allowed) Changes(to Allowed) []Change {
	var list []Change
	add := func(s tenant.Stream, before, after Level) {
		if before != after {
			list = append(list, Change{s, before, after})
		}
	}
	add("", a.Level, to.Level)
	for _, s := range tenant.Streams() {
		add(s, a.On(s), to.On(s))
	}
	return list
}

// Settings reads and changes what tenants allow. All fields are needed. It is safe for
// concurrent use.
type Settings struct {
	Store   SettingStore
	Decider *Decider // must hear of changes at once
	Now     func() time.Time
}

// Allowed returns what the tenant allows now.
func (s Settings) Allowed(ctx context.Context, t tenant.ID) (Allowed, error) {
	setting, err := s.Store.TrackingSetting(ctx, t)
	if err != nil {
		return Allowed{}, fmt.Errorf("read tracking setting: %w", err)
	}
	a := Allowed{Setting: setting, Streams: map[tenant.Stream]Level{}}
	limits, err := s.Store.TrackingStreams(ctx, t)
	if err != nil {
		return Allowed{}, fmt.Errorf("read tracking of streams: %w", err)
	}
	for _, l := range limits {
		a.Streams[l.Stream] = l.Level
	}
	return a, nil
}

// maxHistory bounds what History returns.
const maxHistory = 100

// History returns the settings the tenant had, from new to old, and the limits of streams
// with who set them last.
func (s Settings) History(ctx context.Context, t tenant.ID) ([]Setting, []StreamLevel, error) {
	list, err := s.Store.TrackingSettings(ctx, t, maxHistory)
	if err != nil {
		return nil, nil, fmt.Errorf("read tracking settings: %w", err)
	}
	limits, err := s.Store.TrackingStreams(ctx, t)
	if err != nil {
		return nil, nil, fmt.Errorf("read tracking of streams: %w", err)
	}
	return list, limits, nil
}

// Check refuses what may not be; the errors are those of Setting.Check and, at
// "streams/<stream>", "stream_unknown" and "tracking_level_unknown".
func (a Allowed) Check() error {
	var wrong []*fault.Error
	if e := fault.As(a.Setting.Check()); e != nil {
		first := *e
		first.Also = nil
		wrong = append(append(wrong, &first), e.Also...)
	}
	for _, s := range slices.Sorted(maps.Keys(a.Streams)) {
		switch l := a.Streams[s]; {
		case !s.Valid():
			wrong = append(wrong, fault.Field("streams/"+string(s), "stream_unknown", "There is no such stream."))
		case l > Individual:
			wrong = append(wrong, fault.Field("streams/"+string(s), CodeLevelUnknown, "The level is one of none, aggregate, pseudonymous, individual."))
		}
	}
	return fault.Join(wrong)
}

// Set makes to what its tenant allows from now on, in the name of to.By; streams without
// a limit in it have none. What is the same already is not written again. Errors are those
// of Check.
func (s Settings) Set(ctx context.Context, to Allowed) (Allowed, error) {
	to.Justification = strings.TrimSpace(to.Justification)
	if err := to.Check(); err != nil {
		return Allowed{}, err
	}
	was, err := s.Allowed(ctx, to.Tenant)
	if err != nil {
		return Allowed{}, err
	}
	at := s.Now().UTC().Truncate(time.Millisecond)
	if !was.Recorded() || was.Level != to.Level || was.Basis != to.Basis || was.Justification != to.Justification {
		next := to.Setting
		next.At = at
		if err := s.Decider.Set(ctx, next); err != nil {
			return Allowed{}, err
		}
	}
	for _, stream := range tenant.Streams() {
		if was.Streams[stream] == to.Streams[stream] {
			continue
		}
		if err := s.Decider.SetStream(ctx, to.Tenant, StreamLevel{Stream: stream, Level: to.Streams[stream], By: to.By, At: at}); err != nil {
			return Allowed{}, err
		}
	}
	return s.Allowed(ctx, to.Tenant)
}

// Office is what pages ask: what was done, and how much may be told.
type Office struct {
	Reader
	*Decider
}
