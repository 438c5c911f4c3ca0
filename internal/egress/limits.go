package egress

import "time"

// Key names a lane: one source to one site.
type Key struct {
	Source string // Source.String()
	// Site is the MX set, see dns.Site; "route:" and the next hop; or "domain:" and a
	// domain that the shaping treats apart from its site.
	Site string
}

// RouteSite begins the site of mail that a static route sends to its next hop.
const RouteSite = "route:"

// Limits bound what is sent over a lane and over its pair of source and provider.
// A rate or connection limit of 0 is no bound, unless something else is said.
type Limits struct {
	Connections         int // of one source to one site; 0: 5
	ProviderConnections int // of one source to all sites of the provider
	TotalConnections    int // of all sources of this node to the provider
	Messages            int // over one connection; 0: 100

	// PerMinute, PerHour and PerDay bound mails begun, by one source to the provider:
	// never more in any minute, any hour, and any day of UTC.
	PerMinute, PerHour, PerDay int64

	SlowStart int             // connections of a new lane, one more with each mail taken; 0: 2
	Idle      time.Duration   // an unused connection is kept; 0: 10 s
	Rest      time.Duration   // after the first failure of the whole site; 0: 1 min
	Retry     []time.Duration // pauses between attempts; nil: those of the queue
	// TLS is what the provider is known to offer: "", "expected" or "required". It is
	// shown; what is demanded of a session is not decided here.
	TLS string
}

// WithDefaults returns l with every zero field filled in that has a default.
func (l Limits) WithDefaults() Limits {
	fill := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	fill(&l.Connections, 5)
	fill(&l.Messages, 100)
	fill(&l.SlowStart, 2)
	if l.Idle <= 0 {
		l.Idle = 10 * time.Second
	}
	if l.Rest <= 0 {
		l.Rest = time.Minute
	}
	return l
}

// MaxBackoff bounds a lane's rest, so that a site that is back is found in time.
const MaxBackoff = 30 * time.Minute

// Backoff returns how long a lane rests after so many failures in a row, counted
// from 1: l.Rest, doubled each time, at most half an hour.
func (l Limits) Backoff(failures int) time.Duration {
	d := l.WithDefaults().Rest
	for range failures - 1 {
		if d *= 2; d >= MaxBackoff {
			return MaxBackoff
		}
	}
	return min(d, MaxBackoff)
}

// Shared returns the limits that one of n nodes keeps, so that together they keep
// l. Each keeps at least 1 of what is bounded: with more nodes than a limit allows
// mails or connections, that limit is exceeded.
func (l Limits) Shared(n int) Limits {
	if n < 2 {
		return l
	}
	share := func(v int) int {
		if v == 0 {
			return 0
		}
		return max(v/n, 1)
	}
	rate := func(v int64) int64 { return int64(share(int(v))) }
	l.Connections, l.ProviderConnections = share(l.Connections), share(l.ProviderConnections)
	l.PerMinute, l.PerHour, l.PerDay = rate(l.PerMinute), rate(l.PerHour), rate(l.PerDay)
	return l
}
