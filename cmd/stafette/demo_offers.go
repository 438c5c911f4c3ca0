package main

import (
	"context"
	"fmt"

	"stafette/internal/demo"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
)

// offers gives the estate agency a published offer that was made to two people.
func (s *demoSeeder) offers(ctx context.Context) error {
	owner, room := s.tenants[demo.Businesses()[0].Domain], s.p.offers
	o, err := room.Create(ctx, owner, "demo", demo.Offer())
	if err != nil {
		return fmt.Errorf("seed offer: %w", err)
	}
	for _, f := range demo.OfferFiles() {
		if _, err := room.AddFile(ctx, owner, o.ID, f); err != nil {
			return fmt.Errorf("seed file of offer: %w", err)
		}
	}
	if o, err = room.Publish(ctx, owner, o.ID, "demo"); err != nil {
		return fmt.Errorf("seed offer: %w", err)
	}
	l, err := room.NewLetter(ctx, o, i18n.German)
	if err != nil {
		return fmt.Errorf("seed offer: %w", err)
	}
	l.To = demo.OfferTo()
	if _, err := room.Send(ctx, ingest.Principal{Tenant: owner, Actor: "demo", Door: "demo"}, o.ID, l); err != nil {
		return fmt.Errorf("seed offer: %w", err)
	}
	return nil
}
