package main

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/demo"
	"stafette/internal/id"
	"stafette/internal/ledger"
	"stafette/internal/pause"
	"stafette/internal/ticket"
)

// limits gives the studio a plan that is nearly used, pauses a group of the agency, and has
// the agency ask about it.
func (s *demoSeeder) limits(ctx context.Context) error {
	agency, studio := s.tenants[demo.Businesses()[0].Domain], s.tenants[demo.Businesses()[1].Domain]
	p, err := s.p.ledger.CreatePlan(ctx, ledger.Plan{Name: "Basis 500", Included: 500, Overage: ledger.Hold})
	if err != nil {
		return fmt.Errorf("seed plan: %w", err)
	}
	if err := s.p.ledger.SetPlan(ctx, studio, p.ID, "demo"); err != nil {
		return fmt.Errorf("seed plan: %w", err)
	}
	const before = 430
	err = s.p.store.Book(ctx, studio, func(a *ledger.Account, _ []ledger.Entry) ([]ledger.Entry, error) {
		a.Take(before)
		return []ledger.Entry{{ID: id.New[ledger.EntryKind](s.p.store.Now()), Tenant: studio, Type: ledger.Charge, Amount: -before, Actor: "demo", Note: "Übernommen aus dem bisherigen System"}}, nil
	})
	if err != nil {
		return fmt.Errorf("seed ledger: %w", err)
	}
	g, err := s.p.groups().Create(ctx, agency, audience.Group{Name: "Mieterbrief 2021", Description: "Alte Liste, lange nicht angeschrieben", Kind: audience.Static}, s.by(ctx, agency))
	if err != nil {
		return fmt.Errorf("seed group: %w", err)
	}
	now := s.p.store.Now().UTC().Truncate(time.Millisecond)
	_, err = s.p.store.PutPause(ctx, pause.Pause{Tenant: agency, Group: g.ID, At: now.Add(-3 * time.Hour), Cause: pause.Hard,
		Figures: pause.Figures{Sent: 1240, Hard: 31, Complaints: 1, Unsubscribes: 9, Hours: s.p.config.GroupLimits.Hours}})
	if err != nil {
		return fmt.Errorf("seed pause: %w", err)
	}
	account, err := s.p.store.Tenant(ctx, agency)
	if err != nil {
		return fmt.Errorf("seed ticket: %w", err)
	}
	_, err = s.p.tickets.Open(ctx, account, ticket.Wish{Category: ticket.Delivery, Subject: "Mieterbrief 2021: Was ist zu tun?", Ref: "/groups/" + g.ID.String() + "/pause",
		Text: "Die Liste stammt aus der alten Verwaltung. Reicht es, wenn wir die unbekannten Adressen löschen?"}, s.by(ctx, agency))
	if err != nil {
		return fmt.Errorf("seed ticket: %w", err)
	}
	return nil
}
