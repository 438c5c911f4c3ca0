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

	"stafette/internal/insight"
	"stafette/internal/web/addresses"
	"stafette/internal/web/affected"
	"stafette/internal/web/approvals"
	"stafette/internal/web/blitz"
	"stafette/internal/web/campaigns"
	"stafette/internal/web/changeovers"
	"stafette/internal/web/components"
	"stafette/internal/web/contacts"
	"stafette/internal/web/digests"
	"stafette/internal/web/domains"
	"stafette/internal/web/feeds"
	"stafette/internal/web/figures"
	"stafette/internal/web/frame"
	"stafette/internal/web/groups"
	"stafette/internal/web/halts"
	"stafette/internal/web/helpdesk"
	"stafette/internal/web/keys"
	"stafette/internal/web/leads"
	"stafette/internal/web/messages"
	"stafette/internal/web/offers"
	"stafette/internal/web/offices"
	"stafette/internal/web/overview"
	"stafette/internal/web/pauses"
	"stafette/internal/web/people"
	"stafette/internal/web/pictures"
	"stafette/internal/web/plans"
	"stafette/internal/web/platform"
	"stafette/internal/web/privacy"
	"stafette/internal/web/profile"
	"stafette/internal/web/published"
	"stafette/internal/web/queues"
	"stafette/internal/web/record"
	"stafette/internal/web/redeliveries"
	"stafette/internal/web/reports"
	"stafette/internal/web/returnmail"
	"stafette/internal/web/reviews"
	"stafette/internal/web/rules"
	"stafette/internal/web/search"
	"stafette/internal/web/sending"
	"stafette/internal/web/series"
	"stafette/internal/web/settings"
	"stafette/internal/web/signin"
	"stafette/internal/web/signups"
	"stafette/internal/web/sources"
	"stafette/internal/web/suppressions"
	"stafette/internal/web/templates"
	"stafette/internal/web/tickets"
	"stafette/internal/web/trackings"
	"stafette/internal/web/webhooks"
	"stafette/internal/web/whereabouts"
)

// Config is everything the office stands on: the frame's own needs and those of
// each subject.
type Config struct {
	frame.Config
	SignIn       signin.Config
	Profile      profile.Config
	People       people.Config
	Keys         keys.Config
	Record       record.Config
	Offices      offices.Config
	Settings     settings.Config
	Trackings    trackings.Config
	Messages     messages.Config
	Contacts     contacts.Config
	Groups       groups.Config
	Privacy      privacy.Config
	Suppressions suppressions.Config
	Signups      signups.Config
	Rules        rules.Config
	Addresses    addresses.Config
	Approvals    approvals.Config
	Pauses       pauses.Config
	Plans        plans.Config
	Tickets      tickets.Config
	Reviews      reviews.Config
	Returns      returnmail.Config
	Halts        halts.Config
	Leads        leads.Config
	Offers       offers.Config
	Templates    templates.Config
	Pictures     pictures.Config
	Redeliveries redeliveries.Config
	Campaigns    campaigns.Config
	Series       series.Config
	Feeds        feeds.Config
	Affected     affected.Config
	Domains      domains.Config
	Reports      reports.Config
	Queues       queues.Config
	Sending      sending.Config
	Sources      sources.Config
	Changeovers  changeovers.Config
	Published    published.Config
	Figures      figures.Config
	Todos        insight.Todos
	StaffTodos   insight.Todos
	Help         helpdesk.Config
	Digests      digests.Config
	Whereabouts  whereabouts.Config
	Webhooks     webhooks.Config
	Blitz        blitz.Config
	// Components opens /components, the page that shows every part in every state,
	// to everybody; without it only staff see it.
	Components bool
}

// New returns the office as a handler for a whole host. It reads nothing but its
// Config and starts nothing; it is safe for concurrent use.
func New(c Config) (http.Handler, error) {
	office, _, err := Open(c)
	return office, err
}

// Open is New with a second handler, for frame.ApartPath on the host for the content of mails;
// nil where there is no such host.
func Open(c Config) (office, apart http.Handler, err error) {
	f, err := frame.New(c.Config)
	if err != nil {
		return nil, nil, err
	}
	routes := c.Routes(f)
	if office, err = f.Handler(routes); err != nil {
		return nil, nil, err
	}
	return office, f.Apart(routes), nil
}

// Routes is the whole map of the office, in the order of its navigation.
func (c Config) Routes(f *frame.Frame) []frame.Route {
	return slices.Concat(
		signin.Routes(f, c.SignIn),
		profile.Routes(f, c.Profile),
		overview.Routes(overview.Config{Record: c.Record.Entries, Insight: c.Messages.Insight, Teller: messages.Teller{Reasons: c.Messages.Reasons}, Figures: c.Figures, Todos: c.Todos, Log: f.Log}),
		messages.Routes(f, c.Messages),
		blitz.Routes(c.Blitz),
		search.Routes(search.Config{Sources: []search.Source{messages.Finder{Insight: c.Messages.Insight, Teller: messages.Teller{Reasons: c.Messages.Reasons}}}}),
		whereabouts.Routes(c.Whereabouts),
		contacts.Routes(c.Contacts),
		groups.Routes(c.Groups),
		privacy.Routes(c.Privacy),
		signups.Routes(c.Signups),
		suppressions.Routes(c.Suppressions),
		addresses.Routes(c.Addresses),
		approvals.Routes(c.Approvals),
		pauses.Routes(c.Pauses),
		plans.Routes(c.Plans),
		tickets.Routes(c.Tickets),
		rules.Routes(c.Rules),
		figures.Routes(c.Figures),
		domains.Routes(c.Domains),
		reports.Routes(c.Reports),
		queues.Routes(c.Queues),
		sources.Routes(c.Sources),
		changeovers.Routes(c.Changeovers),
		sending.Routes(c.Sending),
		published.Routes(c.Published),
		platform.Routes(platform.Config{Todos: c.Sources.Todos, Own: c.StaffTodos, Log: f.Log}),
		settings.Routes(c.Settings),
		trackings.Routes(c.Trackings),
		people.Routes(c.People),
		keys.Routes(c.Keys),
		webhooks.Routes(c.Webhooks),
		record.Routes(c.Record),
		reviews.Routes(c.Reviews),
		offices.Routes(c.Offices),
		halts.Routes(c.Halts),
		offers.Routes(c.Offers),
		templates.Routes(c.Templates),
		pictures.Routes(c.Pictures),
		leads.Routes(c.Leads),
		redeliveries.Routes(c.Redeliveries),
		campaigns.Routes(c.Campaigns),
		series.Routes(c.Series),
		feeds.Routes(c.Feeds),
		affected.Routes(c.Affected),
		digests.Routes(c.Digests),
		helpdesk.Routes(c.Help),
		returnmail.Routes(f, c.Returns),
		components.Routes(c.Components),
	)
}
