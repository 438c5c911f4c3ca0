package redelivery

import "time"

// The rates where a job names none.
const (
	DefaultPerMinute = 20
	DefaultCeiling   = 600
	// maxRate bounds what can be asked for.
	maxRate = 10_000
	// pace is how often a running job sends its share of the minute.
	pace = 5 * time.Second
)

// rate is how many a minute are sent so long after the job began to run.
func (o Options) rate(since time.Duration) int {
	r := o.PerMinute
	for ; since >= time.Minute && r < o.Ceiling; since -= time.Minute {
		r *= 2
	}
	return min(r, o.Ceiling)
}

// share is how many items one step sends: what the rate allows for its pace, and one at
// least.
func (o Options) share(since time.Duration) int {
	return max(1, int(int64(o.rate(since))*int64(pace)/int64(time.Minute)))
}

// wait is how long after a step the next is due. A rate below one in each step is held
// by longer pauses.
func (o Options) wait(since time.Duration) time.Duration {
	return max(pace, time.Minute/time.Duration(o.rate(since)))
}

// takes is how long n items need.
func (o Options) takes(n int) time.Duration {
	var d time.Duration
	for n > 0 {
		n -= o.share(d)
		d += o.wait(d)
	}
	return d
}
