package tenant

import (
	"time"

	"stafette/internal/message"
)

// Profile is what a tenant says of itself: with what its people begin a mail, and who
// answers to those it writes to. The zero Profile says nothing.
type Profile struct {
	// Stream and From are what a new mail begins with in the office; the zero values leave
	// the choice to the form. From has lain in a usable domain of the tenant when it was set.
	Stream Stream
	From   message.Mailbox
	// Contact is an address or telephone number at which recipients reach the tenant. It
	// stands on status pages and in what is handed out to a person.
	Contact string
	// Imprint names who is responsible, on several lines. It stands in what is handed out.
	Imprint string
}

// Zone is the tenant's time zone; otherwise where it has none, or none that this
// platform knows.
func (t Tenant) Zone(otherwise *time.Location) *time.Location {
	if t.TimeZone == "" {
		return otherwise
	}
	zone, err := time.LoadLocation(t.TimeZone)
	if err != nil {
		return otherwise
	}
	return zone
}
