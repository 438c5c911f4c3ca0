package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"stafette/internal/audience"
	"stafette/internal/i18n"
	"stafette/internal/ledger"
	"stafette/internal/notice"
	"stafette/internal/pause"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
	"stafette/internal/web/approvals"
	"stafette/internal/web/frame"
	"stafette/internal/web/pauses"
)

const (
	// plansEvery is how often it is looked whether a plan is used up, or mail that waited for
	// it may go.
	plansEvery = 5 * time.Second
	// lockBelieved is for how long it is believed that an account is not locked.
	lockBelieved = 2 * time.Second
	// unlockedPage is how many deliveries go on at once after a lock was lifted.
	unlockedPage = 500
)

// limitTeller writes to people about plans, pauses and tickets.
type limitTeller interface {
	tellPlan(ctx context.Context, a ledger.Account, level int) error
	tellPause(ctx context.Context, v pause.Pause) error
	tellTicket(ctx context.Context, k ticket.Ticket, e ticket.Entry) error
}

// openLimits makes the rooms of plans, pauses and tickets.
func (b *base) openLimits() {
	b.states = &lockBook{tenants: b.store, now: b.store.Now, known: map[tenant.ID]lockState{}}
	b.ledger = ledger.New(ledger.Config{Store: b.store, Now: b.store.Now, Log: b.log, Warn: func(ctx context.Context, a ledger.Account, level int) error {
		if b.tellLimits == nil {
			return nil
		}
		return b.tellLimits.tellPlan(ctx, a, level)
	}})
	b.pauses = pause.New(pause.Config{Store: b.store, Limits: b.config.GroupLimits.limits(), Now: b.store.Now, Log: b.log, Tell: func(ctx context.Context, v pause.Pause) error {
		if b.tellLimits == nil {
			return nil
		}
		return b.tellLimits.tellPause(ctx, v)
	}})
	b.tickets = ticket.New(ticket.Config{Store: b.store, Keeper: b.keeper, Locks: tenantLocks{b}, Related: b.related, Now: b.store.Now, Log: b.log, Tell: func(ctx context.Context, k ticket.Ticket, e ticket.Entry) error {
		if b.tellLimits == nil {
			return nil
		}
		return b.tellLimits.tellTicket(ctx, k, e)
	}})
}

// tenantLocks is what appeals need of locks.
type tenantLocks struct{ b *base }

// LockedBy implements ticket.Locks.
func (l tenantLocks) LockedBy(ctx context.Context, t tenant.ID) (string, error) {
	return l.b.store.LockedBy(ctx, t)
}

// Unlock implements ticket.Locks.
func (l tenantLocks) Unlock(ctx context.Context, t tenant.ID, reason string) error {
	return l.b.unlock(ctx, t, reason)
}

// lockBook knows for a moment which accounts are locked: mail that is in memory already stops
// with the lock. It is safe for concurrent use.
type lockBook struct {
	tenants interface {
		Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	}
	now func() time.Time

	mu    sync.Mutex
	known map[tenant.ID]lockState
}

type lockState struct {
	locked bool
	until  time.Time
}

func (l *lockBook) locked(ctx context.Context, t tenant.ID) (bool, error) {
	now := l.now()
	l.mu.Lock()
	known, ok := l.known[t]
	l.mu.Unlock()
	if left := known.until.Sub(now); ok && left > 0 && left <= lockBelieved {
		return known.locked, nil
	}
	one, err := l.tenants.Tenant(ctx, t)
	if err != nil {
		return false, fmt.Errorf("read lock of account: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) > 10_000 {
		clear(l.known)
	}
	l.known[t] = lockState{one.State == tenant.Locked, now.Add(lockBelieved)}
	return one.State == tenant.Locked, nil
}

// moveLimits pauses groups, and lets mail go on that a pause or a lock held.
func (p *platform) moveLimits(ctx context.Context, now time.Time) error {
	if _, err := p.store.FreeUnlocked(ctx, unlockedPage, now); err != nil {
		return err
	}
	return p.pauses.Turn(ctx)
}

// dropLimits removes figures and tickets whose time is over.
func (p *platform) dropLimits(ctx context.Context, _ time.Time) error {
	if err := p.pauses.Sweep(ctx); err != nil {
		return err
	}
	return p.tickets.Sweep(ctx)
}

func (p *platform) pausePages() pauses.Config {
	return pauses.Config{Pauses: p.pauses, Groups: p.store, Tenants: p.store}
}

// groupPanel is what a group's page shows of its approval and of how its mail fares.
func (p *platform) groupPanel(ctx context.Context, page frame.Page, g audience.Group, a audience.Approval) (templ.Component, error) {
	first, err := approvals.Panel(ctx, page, g, a)
	if err != nil {
		return nil, err
	}
	second, err := p.pausePages().Panel(ctx, page, g)
	if err != nil {
		return nil, err
	}
	return templ.Join(first, second), nil
}

// officeWork picks whom of an account its office matters are told.
func officeWork(u tenant.User) bool { return u.Role == tenant.Owner || u.Role == tenant.Office }

func (p *platform) tellPlan(ctx context.Context, a ledger.Account, level int) error {
	account, err := p.store.Tenant(ctx, a.Tenant)
	if err != nil {
		return err
	}
	return p.reminder().writeTo(ctx, account, officeWork, func(lang i18n.Lang) notice.Letter {
		kind := "plan_80"
		if level == 100 {
			kind = "plan_100_" + string(a.Overage)
		}
		return notice.Letter{Kind: kind, Link: "/plan", Key: fmt.Sprintf("plan/%d/%d/%d", a.Month.Unix(), a.Base, level),
			Args: map[string]string{"account": account.Name, "percent": strconv.Itoa(a.Percent()), "left": i18n.Number(lang, a.Left())}}
	})
}

func (p *platform) tellPause(ctx context.Context, v pause.Pause) error {
	account, err := p.store.Tenant(ctx, v.Tenant)
	if err != nil {
		return err
	}
	g, err := p.store.Group(ctx, v.Tenant, v.Group)
	if err != nil {
		return err
	}
	n := v.Figures.Of(v.Cause)
	return p.reminder().writeTo(ctx, account, officeWork, func(lang i18n.Lang) notice.Letter {
		share := strconv.FormatFloat(float64(n)*100/float64(max(v.Figures.Sent, 1)), 'f', 2, 64)
		if lang != i18n.English {
			share = strings.Replace(share, ".", ",", 1)
		}
		return notice.Letter{Kind: "group_paused_" + string(v.Cause), Link: pauses.Path(v.Group), Key: fmt.Sprintf("pause/%s/%d", v.Group, v.At.UnixMilli()),
			Args: map[string]string{"group": g.Name, "n": i18n.Number(lang, n), "sent": i18n.Number(lang, v.Figures.Sent), "share": share}}
	})
}

// tellTicket writes to the other side: staff who answer, or the account.
func (p *platform) tellTicket(ctx context.Context, k ticket.Ticket, e ticket.Entry) error {
	account, err := p.store.Tenant(ctx, k.Tenant)
	if err != nil {
		return err
	}
	kind, link := "", "/requests/"+k.ID.String()
	switch e.Act {
	case ticket.Ask:
		kind, link = "ticket_opened", "/platform/requests/"+k.ID.String()
	case ticket.Answer:
		kind = "ticket_answered"
	case ticket.Grant:
		kind = "ticket_granted"
	case ticket.Deny:
		kind = "ticket_denied"
	default:
		return nil // who closes needs no letter, and the other side sees it
	}
	to, whom := account, officeWork
	if !e.Staff {
		to, whom = tenant.Tenant{}, func(u tenant.User) bool { return tenant.Can(u.Role, tenant.PlatformReviews) }
	}
	return p.reminder().writeTo(ctx, to, whom, func(i18n.Lang) notice.Letter {
		return notice.Letter{Kind: kind, Link: link, Key: "ticket/" + e.ID.String(), Args: map[string]string{"account": account.Name, "subject": k.Subject, "text": e.Text}}
	})
}
