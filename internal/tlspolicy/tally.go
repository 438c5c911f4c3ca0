package tlspolicy

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"stafette/internal/dns"
)

const (
	maxTallies = 20_000 // kinds of outcome counted between two flushes
	maxReason  = 200    // bytes of our words
)

// Outcome is how the opening of a session came out.
type Outcome struct {
	State    *tls.ConnectionState // of an open session; nil for a plain one
	Err      error                // of one that did not open
	Sender   netip.Addr           // ours; zero if the system chose
	Receiver netip.Addr           // the server's
}

// Opened counts a session that was opened under a demand, or was not, for the report
// to the recipient's domain. It keeps the count in memory and returns at once. It
// returns the result to put on record: ResultOK, or what is or, in mode testing,
// would have been wrong.
func (p *Policies) Opened(d *Demand, o Outcome) Result {
	err := d.watch(o.State)
	if o.Err != nil {
		failure := d.Blame(o.Err)
		if failure == nil {
			return ResultOK // no session, but not for its protection
		}
		err = failure
	}
	result := ResultOK
	if failure, ok := errors.AsType[*PolicyError](err); ok {
		result = failure.Result
	}
	if d.policy == nil || d.policy.Domain == "" || d.policy.Hop {
		return result // a next hop of our own choice is nobody's business
	}
	t := Tally{Due: Due{DayOf(p.cfg.Now()), d.policy.Domain}, Result: result, Sessions: 1}
	t.Type, t.Policy = d.described()
	if result != ResultOK {
		t.detail(d.Host, o, err)
	}
	p.tallies.add(t)
	if d.policy.fetchFailed != nil {
		p.tallies.add(fetchTally(t.Due, d.policy.fetchFailed))
	}
	return result
}

func (t *Tally) detail(host string, o Outcome, err error) {
	t.Host, t.Reason = host, words(err)
	if o.Sender.IsValid() {
		t.Sender = o.Sender.String()
	}
	if o.Receiver.IsValid() {
		t.Receiver = o.Receiver.String()
	}
}

// fetchTally counts a session that went without the policy its domain says it has.
func fetchTally(due Due, err error) Tally {
	t := Tally{Due: due, Type: TypeSTS, Result: ResultFetch, Reason: words(err), Sessions: 1}
	if fetch, ok := errors.AsType[*fetchError](err); ok {
		t.Result = fetch.result
	}
	return t
}

// words is an error as a report may tell it: one line of plain text.
func words(err error) string {
	var f *PolicyError
	if errors.As(err, &f) {
		err = f.Err
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return ' '
		}
		return r
	}, err.Error())
	return text[:min(len(text), maxReason)]
}

// described is the policy a demand comes from, as reports quote it.
func (d *Demand) described() (PolicyType, string) {
	switch {
	case d.dane != nil:
		var list []string
		for _, r := range d.dane.all {
			list = append(list, describeTLSA(r))
		}
		return TypeTLSA, strings.Join(list, "\n")
	case d.Kind == DANE:
		return TypeTLSA, "" // the records could not be had
	case d.policy.STS != nil:
		return TypeSTS, strings.Join(d.policy.STS.lines(), "\n")
	}
	return TypeNone, ""
}

// tallies are the counts since the last flush.
type tallies struct {
	mu     sync.Mutex
	counts map[Tally]int64 // by the tally without its number
}

func newTallies() *tallies { return &tallies{counts: map[Tally]int64{}} }

func (t *tallies) add(one Tally) {
	n := one.Sessions
	one.Sessions = 0
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.counts[one]; !known && len(t.counts) >= maxTallies {
		return // many more domains than a minute's mail can have: a report of less
	}
	t.counts[one] += n
}

func (t *tallies) take() map[Tally]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.counts
	t.counts = map[Tally]int64{}
	return all
}

// Flush makes the counts durable that domains want reports of. Each node calls it
// about once a minute and at its end; what a crash loses are that many counts. On an
// error they are kept for the next time.
func (p *Policies) Flush(ctx context.Context) error {
	all := p.tallies.take()
	wanted := map[string]bool{}
	var list []Tally
	for t, n := range all {
		want, known := wanted[t.Domain]
		if !known {
			_, err := p.reportTo(ctx, t.Domain)
			want = err == nil || errors.Is(err, dns.ErrTemporary)
			wanted[t.Domain] = want
		}
		if want {
			t.Sessions = n
			list = append(list, t)
		}
	}
	slices.SortFunc(list, byKey) // two nodes must not wait for each other crosswise
	err := p.cfg.Store.AddTallies(ctx, list)
	if err != nil {
		for _, t := range list {
			p.tallies.add(t)
		}
	}
	return err
}

func byKey(a, b Tally) int {
	return slices.Compare(
		[]string{a.Domain, string(a.Type), a.Policy, string(a.Result), a.Host, a.Sender, a.Receiver, a.Reason},
		[]string{b.Domain, string(b.Type), b.Policy, string(b.Result), b.Host, b.Sender, b.Receiver, b.Reason})
}
