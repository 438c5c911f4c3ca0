package public

import "time"

// Limiter counts the requests of networks for a door beside this one.
type Limiter struct {
	limits *limits
	now    func() time.Time
}

// NewLimiter lets each network make burst requests and then one for each pause.
func NewLimiter(burst int, pause time.Duration, now func() time.Time) *Limiter {
	return &Limiter{&limits{burst: burst, pause: pause, empty: map[string]time.Time{}}, now}
}

// Take counts a request of an address (of IPv6: of its /64) and returns zero, or how long
// to wait. It is safe for concurrent use.
func (l *Limiter) Take(remote string) time.Duration { return l.limits.take(network(remote), l.now()) }
