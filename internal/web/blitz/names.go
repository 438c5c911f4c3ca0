package blitz

import (
	"context"

	"stafette/internal/blitz"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// recipientOf is the address of a known person; "" for nobody's.
func recipientOf(a tracking.Activity) string {
	if !a.Identified || a.Recipient == nil {
		return ""
	}
	return a.Recipient.String()
}

// names are what the people of activities are called, by address.
func (c Config) names(ctx context.Context, t tenant.ID, list ...tracking.Activity) (map[string]string, error) {
	of := blitz.Names{Contacts: c.Contacts, Tenant: t}
	names := map[string]string{}
	for _, a := range list {
		name, err := of.Of(ctx, a)
		if err != nil {
			return nil, err
		}
		if address := recipientOf(a); address != "" {
			names[address] = name
		}
	}
	return names, nil
}
