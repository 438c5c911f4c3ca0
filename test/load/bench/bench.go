// Package bench compares servers side by side: the same letters through the same
// injector into the same sink, in rounds that take turns, so that the noise of the
// machine falls on everybody.
//
// It measures; it asserts nothing. A figure is worth something only as a ratio
// within one run. The injector's and the sink's own processor time is not counted.
package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"stafette/test/load/inject"
	"stafette/test/load/letter"
	"stafette/test/load/peers"
	"stafette/test/load/sink"
	"stafette/test/load/usage"
)

// Contestant is one server of a comparison.
type Contestant struct {
	Name string
	// From is an address the server lets us send from.
	From string
	// Start starts a fresh instance in an empty directory that relays to the sink.
	// A trace path asks for strace's record of flushes.
	Start func(ctx context.Context, dir, sink, trace string) (peers.Peer, error)
	// Door submits the load; nil is SMTP.
	Door func(p peers.Peer) Door
}

// Door is a way to submit.
type Door interface {
	Run(ctx context.Context, load inject.Load) (inject.Result, error)
}

// Plan is one comparison.
type Plan struct {
	Name        string // as in the table of figures: "P1"
	Title       string
	Messages    int // per round
	Rounds      int
	Size        int // bytes of a letter
	Sessions    int
	AcceptOnly  bool // the door puts delivery off; a round ends with the last acknowledgement
	Contestants []Contestant
	Progress    func(line string)
}

// Measure is what one round of one contestant cost.
type Measure struct {
	Rate   float64       // messages per second, first submission to last receipt
	Accept float64       // messages per second, first submission to last acknowledgement
	CPU    time.Duration // per message, whole process tree, until everything is settled
	Memory int64         // proportional set size at the end, bytes
}

// Outcome is all rounds of one contestant.
type Outcome struct {
	Name    string
	Rounds  []Measure
	Flushes float64 // per message, from a separate short run; NaN if not counted
}

// warm letters go first, so that processes are forked and caches filled.
const warm = 200

// Run plays all rounds. The order turns round by round.
func (p Plan) Run(ctx context.Context) ([]Outcome, error) {
	outcomes := make([]Outcome, len(p.Contestants))
	for i, c := range p.Contestants {
		outcomes[i] = Outcome{Name: c.Name, Flushes: math.NaN()}
	}
	for round := range p.Rounds {
		for i := range p.Contestants {
			i = (i + round) % len(p.Contestants)
			m, err := p.round(ctx, p.Contestants[i], round)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d of %s: %w", p.Name, round+1, p.Contestants[i].Name, err)
			}
			outcomes[i].Rounds = append(outcomes[i].Rounds, m)
			p.say("%s round %d: %-18s %7.0f msg/s  accept %7.0f msg/s  %5.2f ms CPU  %4d MB", p.Name, round+1, outcomes[i].Name,
				m.Rate, m.Accept, m.CPU.Seconds()*1000, m.Memory>>20)
		}
	}
	return outcomes, nil
}

func (p Plan) say(format string, args ...any) {
	if p.Progress != nil {
		p.Progress(fmt.Sprintf(format, args...))
	}
}

// stage is a running contestant with its sink.
type stage struct {
	sink    *sink.Sink
	peer    peers.Peer
	door    Door
	letters *letter.Source
	dir     string
	// acceptOnly: nothing arrives, so nothing is waited for.
	acceptOnly bool
}

func (p Plan) open(ctx context.Context, c Contestant, run, trace string) (*stage, error) {
	s := &stage{acceptOnly: p.AcceptOnly, letters: letter.NewSource(letter.Config{Run: run, From: c.From, Size: p.Size})}
	var err error
	// Short, because Unix socket names below it are limited.
	if s.dir, err = os.MkdirTemp("", "b"); err != nil {
		return nil, err
	}
	if s.sink, err = sink.Start(sink.Config{Chunking: true}); err != nil {
		return nil, err
	}
	if s.peer, err = c.Start(ctx, s.dir, s.sink.Addr(), trace); err != nil {
		s.close()
		return nil, err
	}
	s.door = s.peer.SMTP()
	if c.Door != nil {
		s.door = c.Door(s.peer)
	}
	return s, nil
}

func (s *stage) close() error {
	var err error
	if s.peer != nil {
		err = s.peer.Stop()
	}
	s.sink.Close()
	os.RemoveAll(s.dir)
	return err
}

// push submits letters start..start+n and waits until the sink has them and the
// server has written down that it does.
func (s *stage) push(ctx context.Context, start, n, sessions int) (inject.Result, time.Time, error) {
	have, _ := s.sink.Total()
	result, err := s.door.Run(ctx, inject.Load{Letters: s.letters, Start: start, Count: n, Sessions: sessions})
	if err != nil {
		return result, time.Time{}, err
	}
	if s.acceptOnly {
		return result, result.Ended, nil
	}
	if err := s.sink.Await(ctx, have+n); err != nil {
		return result, time.Time{}, err
	}
	_, last := s.sink.Total()
	return result, last, s.peer.Settled(ctx, start+n)
}

func (p Plan) round(ctx context.Context, c Contestant, n int) (m Measure, err error) {
	s, err := p.open(ctx, c, fmt.Sprintf("r%d", n), "")
	if err != nil {
		return m, err
	}
	defer s.close()
	if _, _, err := s.push(ctx, 0, warm, p.Sessions); err != nil {
		return m, fmt.Errorf("warm up: %w", err)
	}
	before, err := usage.CPU(s.peer.Roots()...)
	if err != nil {
		return m, err
	}
	result, last, err := s.push(ctx, warm, p.Messages, p.Sessions)
	if err != nil {
		return m, err
	}
	after, err := usage.CPU(s.peer.Roots()...)
	if err != nil {
		return m, err
	}
	m.Rate = float64(p.Messages) / last.Sub(result.Began).Seconds()
	m.Accept = float64(p.Messages) / result.Ended.Sub(result.Began).Seconds()
	m.CPU = (after - before) / time.Duration(p.Messages)
	if m.Memory, err = usage.Memory(s.peer.Roots()...); err != nil {
		return m, err
	}
	if p.AcceptOnly {
		return m, nil
	}
	return m, s.peer.Verify(ctx, warm+p.Messages)
}

// CountFlushes runs n letters of a contestant under strace and returns the flushes
// per message. The rate of such a run means nothing.
func (p Plan) CountFlushes(ctx context.Context, c Contestant, n int) (float64, error) {
	trace, err := os.CreateTemp("", "trace")
	if err != nil {
		return 0, err
	}
	defer os.Remove(trace.Name())
	defer trace.Close()
	s, err := p.open(ctx, c, "f", trace.Name())
	if err != nil {
		return 0, err
	}
	defer s.close()
	count := func() (int, error) {
		text, err := os.ReadFile(trace.Name())
		return usage.Flushes(text), err
	}
	before, err := count()
	if err != nil {
		return 0, err
	}
	if _, _, err := s.push(ctx, 0, n, p.Sessions); err != nil {
		return 0, err
	}
	after, err := count()
	return float64(after-before) / float64(n), err
}

// Latency sends letters one at a time and returns, sorted, how long each took from
// its submission to the sink's final reply.
func (p Plan) Latency(ctx context.Context, c Contestant, n int) ([]time.Duration, error) {
	s, err := p.open(ctx, c, "l", "")
	if err != nil {
		return nil, err
	}
	defer s.close()
	if _, _, err := s.push(ctx, 0, 20, 1); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	took := make([]time.Duration, 0, n)
	for i := range n {
		have, _ := s.sink.Total()
		result, err := s.door.Run(ctx, inject.Load{Letters: s.letters, Start: 20 + i, Count: 1, Sessions: 1})
		if err != nil {
			return nil, err
		}
		if err := s.sink.Await(ctx, have+1); err != nil {
			return nil, err
		}
		_, last := s.sink.Total()
		took = append(took, last.Sub(result.Submitted))
	}
	slices.Sort(took)
	return took, nil
}
