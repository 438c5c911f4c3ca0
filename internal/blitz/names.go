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

// Names are what the people of one account's activities are called, by address. Those asked
// for are remembered; it is for one page, mail or file, and one goroutine. The zero Names
// knows nobody.
type Names struct {
	Contacts Contacts // nil: nobody is called by name
	Tenant   tenant.ID
	known    map[message.Address]string
}

// Of is the name under which the known person of an activity is kept; "" for nobody's, for
// who is no contact, and for a contact without a name.
func (n *Names) Of(ctx context.Context, a tracking.Activity) (string, error) {
	if n.Contacts == nil || !a.Identified || a.Recipient == nil {
		return "", nil
	}
	if name, asked := n.known[*a.Recipient]; asked {
		return name, nil
	}
	who, found, err := n.Contacts.ContactOf(ctx, n.Tenant, *a.Recipient)
	if err != nil {
		return "", fmt.Errorf("find contact: %w", err)
	}
	name := ""
	if found && who.Name() != a.Recipient.String() {
		name = who.Name()
	}
	if n.known == nil {
		n.known = map[message.Address]string{}
	}
	n.known[*a.Recipient] = name
	return name, nil
}
