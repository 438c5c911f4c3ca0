// Package web is the office: the pages on which people send mail and see what
// became of it, and those on which staff of the platform run it.
//
// It is a door (floor 4) made of small packages: frame is what all pages share,
// every other one is a subject with its routes, pages and words. This one only puts
// them together. None of them decides anything about mail itself, has pages for
// recipients (public), or speaks SQL or SMTP.
package web

import (
	"net/http"
	"slices"

	"stafette/internal/web/addresses"
	"stafette/internal/web/components"
	"stafette/internal/web/contacts"
	"stafette/internal/web/domains"
	"stafette/internal/web/frame"
	"stafette/internal/web/halts"
	"stafette/internal/web/messages"
	"stafette/internal/web/overview"
	"stafette/internal/web/platform"
	"stafette/internal/web/privacy"
	"stafette/internal/web/queues"
	"stafette/internal/web/reports"
	"stafette/internal/web/returnmail"
	"stafette/internal/web/sending"
	"stafette/internal/web/signin"
	"stafette/internal/web/suppressions"
)

// Config is everything the office stands on: the frame's own needs and those of
// each subject.
type Config struct {
	frame.Config
	Messages     messages.Config
	Contacts     contacts.Config
	Privacy      privacy.Config
	Suppressions suppressions.Config
	Addresses    addresses.Config
	Returns      returnmail.Config
	Halts        halts.Config
	Domains      domains.Config
	Reports      reports.Config
	Queues       queues.Config
	Sending      sending.Config
	// Components opens /components, the page that shows every part in every state,
	// to everybody; without it only staff see it.
	Components bool
}

// New returns the office as a handler for a whole host. It reads nothing but its
// Config and starts nothing; it is safe for concurrent use.
func New(c Config) (http.Handler, error) {
	f, err := frame.New(c.Config)
	if err != nil {
		return nil, err
	}
	return f.Handler(c.Routes(f))
}

// Routes is the whole map of the office, in the order of its navigation.
func (c Config) Routes(f *frame.Frame) []frame.Route {
	return slices.Concat(
		signin.Routes(f),
		overview.Routes(overview.Config{Breaker: c.Halts.Breaker, Insight: c.Messages.Insight, Teller: messages.Teller{Reasons: c.Messages.Reasons}, Domains: c.Domains.Registry}),
		messages.Routes(f, c.Messages),
		contacts.Routes(c.Contacts),
		privacy.Routes(c.Privacy),
		suppressions.Routes(c.Suppressions),
		addresses.Routes(c.Addresses),
		domains.Routes(c.Domains),
		reports.Routes(c.Reports),
		queues.Routes(c.Queues),
		sending.Routes(c.Sending),
		platform.Routes(),
		halts.Routes(c.Halts),
		returnmail.Routes(f, c.Returns),
		components.Routes(c.Components),
	)
}
