package crash

import (
	"context"
	"time"

	"stafette/test/load/ledger"
	"stafette/test/load/peers"
)

// Stafette is the product as a Server: all three doors, SQLite or PostgreSQL.
type Stafette struct {
	peer   *peers.Stafette
	config peers.StafetteConfig
}

// sessions is how many connections it may have to the sink.
const sessions = 20

// NewStafette sets an instance up on the disk, at whose directory its data lies.
// The instance is not running yet.
func NewStafette(ctx context.Context, c peers.StafetteConfig, d Disk) (*Stafette, error) {
	c.Data, c.Concurrency = d.Dir(), sessions
	// Short, so that what a fault interrupted is tried again before the drain ends.
	c.Retry = []time.Duration{500 * time.Millisecond, time.Second}
	p, err := peers.SetUpStafette(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Stafette{peer: p, config: c}, nil
}

// Start implements Server.
func (s *Stafette) Start(ctx context.Context, env ...string) error { return s.peer.Start(ctx, env...) }

// Kill implements Server.
func (s *Stafette) Kill() error { return s.peer.Kill() }

// Died implements Server.
func (s *Stafette) Died() <-chan struct{} { return s.peer.Died() }

// Said implements Server.
func (s *Stafette) Said() string { return s.peer.Said() }

// InFlight implements Server: one attempt on each session, and as many again whose
// reply came and whose settlement waits for the commit under way.
func (s *Stafette) InFlight() int { return 2 * sessions }

// Doors implements Server: submission, single messages and batches.
func (s *Stafette) Doors() []Door {
	batch := s.peer.HTTP()
	batch.Batch = 10
	return []Door{s.peer.SMTP(), s.peer.HTTP(), batch}
}

// State implements Server.
func (s *Stafette) State(ctx context.Context, e ledger.Entry) (State, error) {
	list, err := s.peer.Message(ctx, e.ID)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return State(list[0].State), nil
}
