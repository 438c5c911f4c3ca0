package store

import (
	"testing"

	"stafette/internal/ingest"
	"stafette/internal/queue"
)

// TestVerdictsGoBesideAMailing holds that a verdict does not wait for all that a mailing
// handed over before it, and that acceptance alone goes in large groups.
func TestVerdictsGoBesideAMailing(t *testing.T) {
	c := &committer{s: &Store{cfg: Config{GroupLimit: 500}}, queue: make(chan *work, 4000), verdicts: make(chan *work, 10)}
	accept := func(n int) {
		for range n {
			c.queue <- &work{accept: &ingest.Acceptance{Deliveries: make([]ingest.Delivery, 1)}}
		}
	}
	verdict := &work{settle: make([]queue.Settlement, 20)}
	count := func() (accepted int, settled bool) {
		first := <-c.queue
		for _, w := range c.gather(first) {
			if w.accept != nil {
				accepted++
			}
			settled = settled || w == verdict
		}
		return accepted, settled
	}
	accept(500)
	if n, _ := count(); n != 500 {
		t.Errorf("%d accepted together where nothing is sent", n)
	}
	accept(besideVerdicts * (verdictsEcho + 1))
	c.verdicts <- verdict
	if n, settled := count(); n != besideVerdicts || !settled {
		t.Errorf("%d accepted, with the verdict: %t", n, settled)
	}
	for group := range verdictsEcho - 1 {
		if n, _ := count(); n != besideVerdicts {
			t.Fatalf("group %d after the verdict accepts %d", group+1, n)
		}
	}
	accept(500 - besideVerdicts)
	if n, _ := count(); n != 500 {
		t.Errorf("%d accepted together long after a verdict", n)
	}
}
