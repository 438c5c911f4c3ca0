package insight

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/tenant"
)

// Count names one thing that is counted of deliveries, at the hour in which it became
// known. Besides those below there is one for each span of the time to delivery.
type Count string

// The counts. A delivery is counted at most once under each of them.
const (
	CountDelivered   Count = "delivered"    // a receiving server took responsibility
	CountDelayed     Count = "delayed"      // the first attempt failed for now
	CountBounced     Count = "bounced"      // refused for good
	CountExpired     Count = "expired"      // no attempt succeeded in the time given
	CountLateBounced Count = "late_bounced" // came back after it was delivered
	CountComplained  Count = "complained"   // reported as spam after it was delivered
)

// tookPrefix begins the counts of the time to delivery.
const tookPrefix = "took"

// tookSpans is the number of spans of the time to delivery.
const tookSpans = 18

// Counts lists all counts.
func Counts() []Count {
	list := []Count{CountDelivered, CountDelayed, CountBounced, CountExpired, CountLateBounced, CountComplained}
	for i := range tookSpans {
		list = append(list, tookCount(i))
	}
	return list
}

// Outcomes are the counts from which a delivery rate is made.
func Outcomes() []Count { return []Count{CountDelivered, CountBounced, CountExpired} }

func tookCount(i int) Count { return Count(fmt.Sprintf("%s%02d", tookPrefix, i)) }

// tookBounds are the spans of the time to delivery: each ends at its bound and the last
// has none. They are coarse where nobody waits for the difference.
func tookBounds() [tookSpans - 1]time.Duration {
	const s, m, h = time.Second, time.Minute, time.Hour
	return [...]time.Duration{s, 2 * s, 3 * s, 5 * s, 10 * s, 15 * s, 30 * s, m, 2 * m, 5 * m, 10 * m, Expected, 30 * m, h, 4 * h, 12 * h, 24 * h}
}

// Expected is the time in which mail is expected to be delivered even at peak times.
const Expected = 15 * time.Minute

// took is the count of the span that d falls into.
func took(d time.Duration) Count {
	bounds := tookBounds()
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	return tookCount(i)
}

// CountsOf says what a fact adds to: nothing, one count, or for a delivery also that of
// the time it took since ready.
func CountsOf(e *event.Event, ready time.Time) []Count {
	switch e.Type {
	case event.Completed:
		return []Count{CountDelivered, took(e.At.Sub(ready))}
	case event.AttemptFailed:
		if e.Attempt != nil && e.Attempt.Number == 1 {
			return []Count{CountDelayed}
		}
	case event.Refused:
		return []Count{CountBounced}
	case event.GaveUp:
		return []Count{CountExpired}
	case event.LateBounced:
		return []Count{CountLateBounced}
	case event.Complained:
		return []Count{CountComplained}
	}
	return nil
}

// TallyQuery asks for sums. They are kept by the hour: From and To are rounded down to one.
type TallyQuery struct {
	From, To time.Time // [From, To)
	// What the sums are told apart by, besides the count.
	Hours, Providers, Streams bool
	// Counts are those wanted; none are all.
	Counts []Count
}

// Cell is one sum. What the query did not tell apart is zero.
type Cell struct {
	Hour     time.Time // its beginning, UTC
	Provider string    // as dns.Provider names it; "" is every other
	Stream   tenant.Stream
	Count    Count
	N        int64
}

// TallyStore keeps what became of mail as sums, so that no page counts deliveries. They
// are seconds behind the facts.
type TallyStore interface {
	// Sums returns what was counted of a tenant; the zero tenant is all of them together.
	// Sums by the hour are kept for HoursKept, those by days for ever.
	Sums(ctx context.Context, t tenant.ID, q TallyQuery) ([]Cell, error)
}

// HoursKept is how long sums by the hour are kept. Older spans are rounded to days (UTC).
const HoursKept = 100 * 24 * time.Hour

// Figures is what became of mail in one span, to one provider, in one stream: whatever
// its cells have in common. The zero value is nothing at all.
type Figures struct {
	Delivered, Delayed, Bounced, Expired, LateBounced, Complained int64

	took [tookSpans]int64
}

// Add counts a cell.
func (f *Figures) Add(c Cell) {
	switch c.Count {
	case CountDelivered:
		f.Delivered += c.N
	case CountDelayed:
		f.Delayed += c.N
	case CountBounced:
		f.Bounced += c.N
	case CountExpired:
		f.Expired += c.N
	case CountLateBounced:
		f.LateBounced += c.N
	case CountComplained:
		f.Complained += c.N
	default:
		var i int
		if s, ok := strings.CutPrefix(string(c.Count), tookPrefix); ok {
			if _, err := fmt.Sscanf(s, "%d", &i); err == nil && i >= 0 && i < len(f.took) {
				f.took[i] += c.N
			}
		}
	}
}

// Sum is the figures of all cells.
func Sum(cells []Cell) Figures {
	var f Figures
	for _, c := range cells {
		f.Add(c)
	}
	return f
}

// Failed is what will never arrive: refused for good, or given up.
func (f *Figures) Failed() int64 { return f.Bounced + f.Expired }

// Results is of how many deliveries the end is known.
func (f *Figures) Results() int64 { return f.Delivered + f.Failed() }

// FewResults is below how many results a share says nothing.
const FewResults = 20

// Rate is the share of results that were delivered (I15: accepted by accepted and failed
// for good). Deliveries that still wait are in neither. ok is false below FewResults.
func (f *Figures) Rate() (rate float64, ok bool) {
	return part(f.Delivered, f.Results()), f.Results() >= FewResults
}

// DelayedShare is the share of results that a first attempt did not bring about.
func (f *Figures) DelayedShare() float64 { return min(part(f.Delayed, f.Results()), 1) }

// ComplaintShare is the share of delivered mail that was reported as spam.
func (f *Figures) ComplaintShare() float64 { return part(f.Complained, f.Delivered) }

func part(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// Span is one span of the time to delivery.
type Span struct {
	Upto time.Duration // its end; 0 for what takes longer than all
	N    int64
}

// Spans lists the time to delivery from short to long.
func (f *Figures) Spans() []Span {
	bounds := tookBounds()
	list := make([]Span, len(f.took))
	for i, n := range f.took {
		list[i].N = n
	}
	for i, end := range bounds {
		list[i].Upto = end
	}
	return list
}

// Within is the time in which the share q of what was delivered had been: the end of the
// span that the last of it falls into, so the truth is at most this; 0 where it took
// longer than all spans. ok is false if nothing was delivered.
func (f *Figures) Within(q float64) (d time.Duration, ok bool) {
	var all, sum int64
	for _, n := range f.took {
		all += n
	}
	for _, s := range f.Spans() {
		sum += s.N
		if all > 0 && float64(sum) >= q*float64(all) {
			return s.Upto, true
		}
	}
	return 0, false
}

// Slow is how many deliveries took longer than Expected.
func (f *Figures) Slow() int64 {
	var n int64
	for _, s := range f.Spans() {
		if s.Upto == 0 || s.Upto > Expected {
			n += s.N
		}
	}
	return n
}

// join adds other figures.
func (f *Figures) join(o *Figures) {
	f.Delivered += o.Delivered
	f.Delayed += o.Delayed
	f.Bounced += o.Bounced
	f.Expired += o.Expired
	f.LateBounced += o.LateBounced
	f.Complained += o.Complained
	for i, n := range o.took {
		f.took[i] += n
	}
}
