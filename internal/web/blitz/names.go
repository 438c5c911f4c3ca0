package blitz

import (
	"context"
	"fmt"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Contacts finds the contact of an address; audience.ContactStore does.
type Contacts interface {
	ContactOf(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
}

// recipientOf is the address of a known person; "" for nobody's.
func recipientOf(a tracking.Activity) string {
	if !a.Identified || a.Recipient == nil {
		return ""
	}
	return a.Recipient.String()
}

// names are what the people of activities are called, by address.
func (c Config) names(ctx context.Context, t tenant.ID, list ...tracking.Activity) (map[string]string, error) {
	names := map[string]string{}
	for _, a := range list {
		address := recipientOf(a)
		if _, asked := names[address]; asked || address == "" || c.Contacts == nil {
			continue
		}
		who, known, err := c.Contacts.ContactOf(ctx, t, *a.Recipient)
		if err != nil {
			return nil, fmt.Errorf("find contact: %w", err)
		}
		if names[address] = ""; known && who.Name() != address {
			names[address] = who.Name()
		}
	}
	return names, nil
}
