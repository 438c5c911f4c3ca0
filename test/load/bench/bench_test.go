package bench

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"stafette/test/load/inject"
	"stafette/test/load/peers"
)

// direct is a peer that is not there: its door is the sink itself.
type direct struct {
	sink     string
	verified *atomic.Int64
	stopped  *atomic.Int64
}

func (d direct) Name() string                       { return "direct" }
func (d direct) SMTP() inject.SMTP                  { return inject.SMTP{Addr: d.sink} }
func (d direct) Roots() []int                       { return []int{os.Getpid()} }
func (d direct) Settled(context.Context, int) error { return nil }
func (d direct) Verify(_ context.Context, n int) error {
	d.verified.Add(int64(n))
	return nil
}
func (d direct) Kill() error { return nil }
func (d direct) Stop() error { d.stopped.Add(1); return nil }

func TestPlanPlaysAllRounds(t *testing.T) {
	var verified, stopped atomic.Int64
	var order []string
	contestant := func(name string) Contestant {
		return Contestant{Name: name, From: "info@muster.example", Start: func(_ context.Context, _, sink, _ string) (peers.Peer, error) {
			order = append(order, name)
			return direct{sink, &verified, &stopped}, nil
		}}
	}
	p := Plan{Name: "P0", Messages: 300, Rounds: 2, Size: 2000, Sessions: 3, Contestants: []Contestant{contestant("a"), contestant("b")}}
	outcomes, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "a b b a" {
		t.Errorf("order %s: rounds must take turns", got)
	}
	for _, o := range outcomes {
		if len(o.Rounds) != 2 || o.Rounds[0].Rate <= 0 || o.Rounds[0].Accept < o.Rounds[0].Rate/2 || o.Rounds[0].Memory == 0 {
			t.Errorf("%s: %+v", o.Name, o.Rounds)
		}
	}
	if verified.Load() != 4*(300+warm) || stopped.Load() != 4 {
		t.Errorf("verified %d, stopped %d", verified.Load(), stopped.Load())
	}
	took, err := p.Latency(t.Context(), p.Contestants[0], 10)
	if err != nil || len(took) != 10 || took[0] <= 0 || took[9] < took[0] {
		t.Errorf("latencies %v, %v", took, err)
	}
}

func TestPlanEndsWithTheFirstFailure(t *testing.T) {
	broken := errors.New("does not start")
	p := Plan{Name: "P0", Messages: 1, Rounds: 1, Contestants: []Contestant{{Name: "a", Start: func(context.Context, string, string, string) (peers.Peer, error) {
		return nil, broken
	}}}}
	if _, err := p.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}
