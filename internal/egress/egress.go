// Package egress decides the way out: from which source a mail leaves, over which
// lane, to which next hop a static route sends it, and which addresses may be
// connected to at all.
//
// It is the fourth station of the journey. It resolves no names, opens no SMTP
// session and judges no reply (delivery does).
package egress

import (
	"fmt"
	"hash/maphash"
	"time"

	"stafette/internal/tenant"
)

// Rotation is a list of equal sources. It does not change and is safe for concurrent use.
type Rotation struct {
	sources []Source
	seed    maphash.Seed
}

// NewPool makes a Rotation of at least one source; each needs an EHLO name.
func NewPool(sources []Source) (*Rotation, error) {
	if len(sources) == 0 {
		return nil, fmt.Errorf("egress pool has no source")
	}
	for _, s := range sources {
		if s.EHLO == "" {
			return nil, fmt.Errorf("egress source %s has no EHLO name", s)
		}
	}
	return &Rotation{sources: append([]Source(nil), sources...), seed: maphash.MakeSeed()}, nil
}

// Order returns the sources in the order in which a tenant's mail tries them. A
// tenant keeps its first source while the process runs, so that its reputation
// stays on one address.
func (p *Rotation) Order(t tenant.ID) []Source {
	n := len(p.sources)
	if n == 1 {
		return p.sources
	}
	first := int(maphash.Comparable(p.seed, t) % uint64(n))
	return append(append(make([]Source, 0, n), p.sources[first:]...), p.sources[:first]...)
}

// Sources returns all sources.
func (p *Rotation) Sources() []Source { return append([]Source(nil), p.sources...) }

// Key names a lane: one source to one site.
type Key struct {
	Source string // Source.String()
	Site   string // the MX set, see dns.Site, or "route:" and the next hop
}

// Limits of one lane. The zero value of a field takes the default.
type Limits struct {
	Connections int           // at the same time; 0: 5
	Messages    int           // over one connection; 0: 100
	Idle        time.Duration // an unused connection is kept; 0: 10 s
	Rest        time.Duration // after the first failure of the whole site; 0: 1 min
}

// WithDefaults returns l with every zero field filled in.
func (l Limits) WithDefaults() Limits {
	if l.Connections <= 0 {
		l.Connections = 5
	}
	if l.Messages <= 0 {
		l.Messages = 100
	}
	if l.Idle <= 0 {
		l.Idle = 10 * time.Second
	}
	if l.Rest <= 0 {
		l.Rest = time.Minute
	}
	return l
}

// maxBackoff bounds a lane's rest, so that a site that is back is found in time.
const maxBackoff = 30 * time.Minute

// Backoff returns how long a lane rests after so many failures in a row, counted
// from 1: l.Rest, doubled each time, at most half an hour.
func (l Limits) Backoff(failures int) time.Duration {
	d := l.WithDefaults().Rest
	for range failures - 1 {
		if d *= 2; d >= maxBackoff {
			return maxBackoff
		}
	}
	return min(d, maxBackoff)
}
