package affected

import (
	"slices"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/message"
)

// What a comparison must have before it says anything, and how far apart the sides must
// be. Shares of a few mails jump; these are chosen so that a single bad hour of a server
// gives no verdict.
const (
	// MinMails is how many mails each side needs.
	MinMails = 20
	// refusedMore and deferredMore are differences of shares.
	refusedMore  = 0.05
	deferredMore = 0.10
	// A side is slower if its median is slowerTimes the other's and slowerBy more.
	slowerTimes = 2
	slowerBy    = time.Minute
)

// Verdict is what a comparison came to.
type Verdict string

// The verdicts.
const (
	Alike    Verdict = "alike"
	TooFew   Verdict = "too_few" // the counts tell, nothing is concluded
	Refused  Verdict = "refused"
	Deferred Verdict = "deferred"
	Slower   Verdict = "slower"
)

// Side counts the mails of one side at one site. A mail belongs to the source of its
// first attempt; one that the other side had to deliver counts as refused.
type Side struct {
	Mails    int `json:"mails"`
	Accepted int `json:"accepted"`
	Deferred int `json:"deferred"` // at least once
	Refused  int `json:"refused"`
	// Median is the time from the first attempt to acceptance, of accepted mails; what
	// waited in our queue before does not count.
	Median time.Duration `json:"median_ns"`
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// Comparison is one site over old and new sources. Mail to the same recipient domain
// goes to the same servers, so that is the site.
type Comparison struct {
	Site     string    `json:"site"`
	Host     string    `json:"host,omitempty"` // the server seen last
	Old      Side      `json:"old"`
	New      Side      `json:"new"`
	Verdicts []Verdict `json:"verdicts"`
	// Evidence are deliveries over new sources that went badly, at most three.
	Evidence []message.DeliveryID `json:"evidence,omitempty"`
}

// judge concludes. Refusals weigh first, as the order of the list tells.
func (c *Comparison) judge() {
	if c.Old.Mails < MinMails || c.New.Mails < MinMails {
		c.Verdicts = []Verdict{TooFew}
		return
	}
	c.Verdicts = nil
	if share(c.New.Refused, c.New.Mails)-share(c.Old.Refused, c.Old.Mails) >= refusedMore {
		c.Verdicts = append(c.Verdicts, Refused)
	}
	if share(c.New.Deferred, c.New.Mails)-share(c.Old.Deferred, c.Old.Mails) >= deferredMore {
		c.Verdicts = append(c.Verdicts, Deferred)
	}
	enough := c.Old.Accepted >= MinMails && c.New.Accepted >= MinMails
	if enough && c.New.Median >= slowerTimes*c.Old.Median && c.New.Median-c.Old.Median >= slowerBy {
		c.Verdicts = append(c.Verdicts, Slower)
	}
	if len(c.Verdicts) == 0 {
		c.Verdicts = []Verdict{Alike}
	}
}

// Is reports whether the comparison came to the verdict.
func (c Comparison) Is(v Verdict) bool { return slices.Contains(c.Verdicts, v) }

// Blame is refusals whose words blame a new source.
type Blame struct {
	Count    int                `json:"count"`
	Source   string             `json:"source,omitempty"`
	Reply    string             `json:"reply,omitempty"` // the last one, the server's words
	At       time.Time          `json:"at,omitzero"`
	Delivery message.DeliveryID `json:"delivery,omitzero"`
}

// add counts one more; the newest words stay.
func (b *Blame) add(more Blame) {
	b.Count += more.Count
	if more.At.After(b.At) {
		b.Source, b.Reply, b.At, b.Delivery = more.Source, more.Reply, more.At, more.Delivery
	}
}

// Finding is what a survey found of one customer.
type Finding struct {
	At    time.Time    `json:"at,omitzero"` // when it was looked; zero: not yet
	Sites []Comparison `json:"sites,omitempty"`
	// Blamed are refusals of new sources on record; Fallback those that an old source
	// saved.
	Blamed   Blame `json:"blamed,omitzero"`
	Fallback Blame `json:"fallback,omitzero"`
	// Cases counts reports of leads without XML; CaseAt is the newest.
	Cases  int       `json:"cases,omitempty"`
	CaseAt time.Time `json:"case_at,omitzero"`
	// Partial: there were more deliveries than were looked at, the newest of them.
	Partial bool `json:"partial,omitempty"`
}

// Side of a changeover that a source is on.
type sideOf func(source string) (isNew, used bool)

// maxTimes bounds the acceptance times that are kept for one median.
const maxTimes = 2000

// ledger gathers the attempts at one customer's mail.
type ledger struct {
	side  sideOf
	sites map[string]*tab
	blame Blame
}

// tab is one site in a ledger.
type tab struct {
	Comparison
	oldTimes, newTimes []time.Duration
}

func newLedger(side sideOf) *ledger { return &ledger{side: side, sites: map[string]*tab{}} }

// add takes all attempts at one delivery, in order.
func (l *ledger) add(steps []Step) {
	if len(steps) == 0 {
		return
	}
	first := steps[0]
	isNew, used := l.side(first.Attempt.Source)
	if !used {
		return
	}
	site := first.Recipient.Domain
	t := l.sites[site]
	if t == nil {
		t = &tab{Comparison: Comparison{Site: site}}
		l.sites[site] = t
	}
	side, times := &t.Old, &t.oldTimes
	if isNew {
		side, times = &t.New, &t.newTimes
	}
	side.Mails++
	if t.Host == "" {
		t.Host = first.Attempt.MX
	}
	began := first.At.Add(-first.Attempt.Took)
	bad, deferred := false, false
	for _, s := range steps {
		l.accuse(s)
		switch s.Attempt.Outcome {
		case event.OutcomeDelivered:
			if fresh, ok := l.side(s.Attempt.Source); ok && fresh != isNew {
				// The other side took over: for this one it was a refusal.
				side.Refused++
				bad = true
				continue
			}
			side.Accepted++
			if len(*times) < maxTimes {
				*times = append(*times, s.At.Sub(began))
			}
		case event.OutcomeBounced:
			side.Refused++
			bad = true
		case event.OutcomeDeferred:
			deferred = true
		}
	}
	if deferred {
		side.Deferred++
	}
	if isNew && (bad || deferred) && len(t.Evidence) < 3 {
		t.Evidence = append(t.Evidence, first.Delivery)
	}
}

// accuse notes a reply that blames a new source.
func (l *ledger) accuse(s Step) {
	a := s.Attempt
	if a.Code < 400 || a.Scope != string(bounce.ScopeSource) {
		return
	}
	if isNew, used := l.side(a.Source); used && isNew {
		l.blame.add(Blame{Count: 1, Source: a.Source, Reply: a.Reply, At: s.At, Delivery: s.Delivery})
	}
}

// finding closes the ledger.
func (l *ledger) finding() Finding {
	f := Finding{Blamed: l.blame}
	for _, t := range l.sites {
		t.Old.Median, t.New.Median = median(t.oldTimes), median(t.newTimes)
		t.judge()
		f.Sites = append(f.Sites, t.Comparison)
	}
	slices.SortFunc(f.Sites, func(a, b Comparison) int {
		if n := (b.Old.Mails + b.New.Mails) - (a.Old.Mails + a.New.Mails); n != 0 {
			return n
		}
		if a.Site < b.Site {
			return -1
		}
		return 1
	})
	return f
}

func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}
