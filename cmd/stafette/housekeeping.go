package main

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"stafette/internal/spool"
)

const (
	// sweepEvery is how often rows that ran out are removed: sessions, idempotency
	// keys, suppressions.
	sweepEvery = 5 * time.Minute
	// retentionEvery is how often days past their retention are looked for.
	retentionEvery = time.Hour
	// domainsEvery is how often the DNS records of sending domains are looked for.
	domainsEvery = time.Hour
)

// chore is work that one node of a platform does for all.
type chore struct {
	name  string
	every time.Duration
	do    func(ctx context.Context, now time.Time) error
}

func (p *platform) chores() []chore {
	return []chore{
		{"sweep", sweepEvery, p.store.Sweep},
		{"retention", retentionEvery, p.retain},
		{"domains", domainsEvery, p.registry().CheckAll},
	}
}

// keepHouse does the chores whose lease this node has, until ctx ends; then it
// gives them up, so that another node need not wait for the leases to run out.
func (p *platform) keepHouse(ctx context.Context) {
	// Not the node's name alone: its process of before may have left a lease.
	holder := p.config.Node + "/" + rand.Text()
	var work sync.WaitGroup
	for _, c := range p.chores() {
		work.Go(func() { p.keep(ctx, holder, c) })
	}
	work.Wait()
}

func (p *platform) keep(ctx context.Context, holder string, c chore) {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		if err := p.turn(ctx, holder, c); err != nil && ctx.Err() == nil {
			p.log.Error("chore not done", "chore", c.name, "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			now := p.store.Now()
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			if _, err := p.store.Singleton(stop, c.name, holder, now, now); err != nil {
				p.log.Debug("chore not given up", "chore", c.name, "err", err)
			}
			return
		}
	}
}

// turn does a chore if this node has it or can get it. The lease outlives one turn
// that fails.
func (p *platform) turn(ctx context.Context, holder string, c chore) error {
	now := p.store.Now()
	mine, err := p.store.Singleton(ctx, c.name, holder, now, now.Add(2*c.every+c.every/2))
	if err != nil || !mine {
		return err
	}
	return c.do(ctx, now)
}

// retain drops message bodies whose retention time is over.
func (p *platform) retain(ctx context.Context, now time.Time) error {
	before := spool.DayOf(now.Add(-time.Duration(p.config.Limits.Retention)))
	days, bytes, err := p.store.Archive().DropBefore(ctx, before)
	if days > 0 {
		p.log.Info("message bodies dropped", "days", days, "bytes", bytes)
	}
	return err
}
