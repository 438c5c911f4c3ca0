package main

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"stafette/internal/egress"
	"stafette/internal/published"
	"stafette/internal/spool"
	"stafette/internal/webhook"
)

const (
	// sweepEvery is how often rows that ran out are removed: sessions, idempotency
	// keys, suppressions.
	sweepEvery = 5 * time.Minute
	// retentionEvery is how often days past their retention are looked for.
	retentionEvery = time.Hour
	// tlsEvery is how often old MTA-STS policies and due TLS reports are looked for.
	tlsEvery = time.Hour
	// tallyEvery is how often each node makes durable what its sessions came to.
	tallyEvery = time.Minute
	// checkEvery is how often name servers and block lists are asked about our sources.
	checkEvery = time.Hour
	// historyEvery is how often rows of mail past their time are looked for, and files of
	// access requests.
	historyEvery = time.Hour
	// gatherEvery is how often contacts are made of recipients.
	gatherEvery = time.Minute
	// domainsEvery is how often the DNS records of sending domains are looked for.
	domainsEvery = time.Hour
	// leadsEvery is how soon a lead is sent whose mail could not be made at once.
	leadsEvery = 30 * time.Second
	// redeliveryEvery is how often redeliveries send their share.
	redeliveryEvery = 5 * time.Second
	// capsEvery is how often each node gives back what it holds of keys' caps in vain.
	capsEvery = time.Minute
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
		{"hasten", sweepEvery, p.hasten},
		{"retention", retentionEvery, p.retain},
		{"tls-policies", tlsEvery, p.policies.Refresh},
		{"tls-reports", tlsEvery, p.policies.SendReports},
		{"source checks", checkEvery, p.checkSources},
		{"changeovers", changeoversEvery, p.moveChangeovers},
		{"changeover marks", retentionEvery, p.sweepChangeovers},
		{"domains", domainsEvery, p.registry().CheckAll},
		{"leads", leadsEvery, p.leads.Resume},
		{"lead retention", retentionEvery, p.leads.Drop},
		{"archive", retentionEvery, p.archive.Drop},
		{"redelivery", redeliveryEvery, p.redeliver},
		{choreCampaigns, campaignsEvery, p.campaigns.Turn},
		{"series", campaignsEvery, p.series.Turn},
		{"feeds", feedsEvery, p.feeds.Turn},
		{"checks of mailings", preflightEvery, p.preflight.Turn},
		{"affected customers", surveyEvery, p.surveyor.Run},
		{"announcements", announceEvery, p.announceSome},
		{"lead cases", retentionEvery, p.leadCases.Drop},
		{"sign-ups", retentionEvery, func(ctx context.Context, _ time.Time) error { return p.signups.Sweep(ctx) }},
		{"approvals", approvalsEvery, p.moveApprovals},
		{"limits", approvalsEvery, p.moveLimits},
		{"plans", plansEvery, func(ctx context.Context, _ time.Time) error { return p.ledger.Turn(ctx) }},
		{"limit retention", retentionEvery, p.dropLimits},
		{"approval retention", retentionEvery, p.dropApprovals},
		{"offer receipts", answersEvery, p.answerOffers},
		{"lists", retentionEvery, p.lists.Sweep},
		{"imports", retentionEvery, p.intake.Sweep},
		{"merges", retentionEvery, p.store.DropMerges},
		{"deleted groups", retentionEvery, func(ctx context.Context, _ time.Time) error { return p.groups().Sweep(ctx) }},
		{"address wishes", retentionEvery, func(ctx context.Context, now time.Time) error { return published.Sweep(ctx, p.store, now) }},
		{"digests", digestsEvery, p.digest},
		{"figures", figuresKeptEvery, p.pruneFigures},
		{"history", historyEvery, p.forget},
		{"activities", historyEvery, p.foldActivities},
		{"webhook calls", retentionEvery, func(ctx context.Context, now time.Time) error { return webhook.Sweep(ctx, p.store, now) }},
		{"gather contacts", gatherEvery, func(ctx context.Context, _ time.Time) error { return p.privacy.Gather(ctx) }},
	}
}

// keepHouse follows the certificate and does the chores whose lease this node has,
// until ctx ends; then it gives them up, so that another node need not wait for the leases to run out.
func (p *platform) keepHouse(ctx context.Context) {
	// Not the node's name alone: its process of before may have left a lease.
	holder := p.config.Node + "/" + rand.Text()
	var work sync.WaitGroup
	for _, c := range p.chores() {
		work.Go(func() { p.keep(ctx, holder, c) })
	}
	// Each node has its own certificate.
	work.Go(func() { p.cert.follow(ctx, time.Now) })
	work.Go(func() { p.tendHosts(ctx) })
	work.Go(func() { p.countSessions(ctx) })
	work.Go(func() { p.orders.Follow(ctx) })
	work.Go(func() { p.fold(ctx) })
	work.Go(func() { p.shareCaps(ctx) })
	work.Go(func() { p.watch.Run(ctx) })
	work.Wait()
}

// countSessions is every node's own: it has sessions to tell of.
func (p *platform) countSessions(ctx context.Context) {
	tick := time.NewTicker(tallyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := p.policies.Flush(ctx); err != nil && ctx.Err() == nil {
				p.log.Error("sessions not counted", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// shareCaps gives back what this node holds of the daily caps of keys and does not use.
func (p *platform) shareCaps(ctx context.Context) {
	tick := time.NewTicker(capsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := p.entrance.ReturnAllotments(ctx, false); err != nil && ctx.Err() == nil {
				p.log.Warn("caps of keys not shared", "err", err)
			}
		case <-ctx.Done():
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			if err := p.entrance.ReturnAllotments(stop, true); err != nil {
				p.log.Warn("caps of keys not given back", "err", err)
			}
			return
		}
	}
}

func (p *platform) keep(ctx context.Context, holder string, c chore) {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	var soon <-chan struct{} // asks for a turn before its time
	if c.name == choreCampaigns {
		soon = p.mailing
	}
	for {
		if err := p.turn(ctx, holder, c); err != nil && ctx.Err() == nil {
			p.log.Error("chore not done", "chore", c.name, "err", err)
		}
		select {
		case <-tick.C:
		case <-soon:
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

// forget drops rows of mail and files of access requests whose time is over.
func (p *platform) forget(ctx context.Context, _ time.Time) error {
	return errors.Join(p.privacy.Sweep(ctx), p.privacy.Retain(ctx))
}

// hasten finds what waits for longer than any pause between attempts.
func (p *platform) hasten(ctx context.Context, now time.Time) error {
	longest := egress.MaxBackoff
	for _, pause := range p.config.Queue.Retry {
		longest = max(longest, time.Duration(pause))
	}
	n, err := p.store.Hasten(ctx, now, now.Add(2*longest))
	if n > 0 {
		p.log.Warn("deliveries were put off too far, by a clock that has been set back; made due now", "deliveries", n)
	}
	return err
}

// retain drops message bodies, return mail and dialogues whose retention time is over. What still waits to be
// delivered keeps its body, also when the clock is wrong.
func (p *platform) retain(ctx context.Context, now time.Time) error {
	kept, err := p.archive.Longest(ctx)
	if err != nil {
		return err
	}
	// The content of tenants that keep it for less has lost its keys by then.
	before := spool.DayOf(now.Add(-kept))
	returns := spool.DayOf(now.Add(-time.Duration(p.config.Limits.Retention)))
	oldest, waiting, err := p.store.OldestWaiting(ctx)
	if err != nil {
		return err
	}
	if waiting && oldest < before {
		p.log.Warn("message bodies past their retention are kept for deliveries that wait", "since", oldest)
		before = oldest
	}
	if waiting {
		returns = min(returns, oldest)
	}
	days, bytes, err := p.store.Archive().DropBefore(ctx, before)
	if days > 0 {
		p.log.Info("message bodies dropped", "days", days, "bytes", bytes)
	}
	mails, dropErr := p.store.DropReturns(ctx, returns)
	if mails > 0 {
		p.log.Info("return mail dropped", "mails", mails)
	}
	said, saidErr := p.store.DropDialogues(ctx, spool.DayOf(now.Add(-time.Duration(p.config.Trace.Keep))))
	if said > 0 {
		p.log.Info("SMTP dialogues dropped", "dialogues", said)
	}
	return errors.Join(err, dropErr, saidErr)
}

// redeliver sends what is due of all redeliveries.
func (p *platform) redeliver(ctx context.Context, now time.Time) error {
	_, err := p.redelivery.Turn(ctx, now)
	return err
}

// listsLease is how long a node checks lists before it asks again whether it may; another
// takes over when it did not ask for three times as long.
const listsLease = 10 * time.Second

// checksLists returns the question whether this node is the one that checks lists.
func (p *platform) checksLists() func(context.Context) (bool, error) { return p.only("list checks") }

// importsLists returns the question whether this node is the one that imports lists.
func (p *platform) importsLists() func(context.Context) (bool, error) { return p.only("list imports") }

// only returns the question whether this node is the one that does a work on lists.
func (p *platform) only(work string) func(context.Context) (bool, error) {
	holder := p.config.Node + "/" + rand.Text()
	var until time.Time
	return func(ctx context.Context) (bool, error) {
		now := p.store.Now()
		if now.Before(until) && until.Sub(now) <= listsLease {
			return true, nil
		}
		mine, err := p.store.Singleton(ctx, work, holder, now, now.Add(3*listsLease))
		if until = (time.Time{}); err == nil && mine {
			until = now.Add(listsLease)
		}
		return mine, err
	}
}
