// Package published is where staff of the platform see the published lists of sending
// addresses, who is told of their changes and whether DNS has the records that should
// stand there, and where an account sees its own list.
//
// It is a subject of the door web (floor 4). The lists are made by package published of
// the room with this name; strangers read them at the door public.
package published

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/published"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Lists keeps the lists; *published.Service does.
type Lists interface {
	List(ctx context.Context, of tenant.ID) (published.List, error)
	Lists(ctx context.Context) ([]published.List, error)
	Subscribers(ctx context.Context) ([]published.Subscriber, error)
	Check(ctx context.Context, of tenant.ID) ([]published.Compared, error)
	Path(lang string, of tenant.ID) string
	Sentence(lang i18n.Lang, c published.Change) string
	Streams(lang i18n.Lang, e published.Entry) string
}

// Config is what the pages stand on. All of it is needed.
type Config struct {
	Lists Lists
	// GenuinePath is the public page on which strangers ask whether an e-mail of an account
	// is genuine.
	GenuinePath func(lang string, t tenant.ID) string
}

const (
	home    = "/platform/published"
	records = home + "/dns"
	own     = "/our-addresses"
)

// Routes are the pages.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{Pattern: "GET " + home, Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.staff,
			Entry: frame.Entry{Room: "published", Icon: "globe", Group: frame.GroupEgress}},
		{Pattern: "GET " + records, Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.records},
		{Pattern: "GET " + own, Permission: tenant.SettingsRead, Do: c.own,
			Entry: frame.Entry{Room: "our-addresses", Icon: "server", Group: frame.GroupDeliverability}},
	}
}

// board is the staff's page.
type board struct {
	platform    published.List
	lists       []published.List
	subscribers []published.Subscriber
}

func (c Config) staff(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "published", p.T("nav.published")
	var b board
	var err error
	if b.platform, err = c.Lists.List(r.Context(), tenant.ID{}); err != nil {
		return fmt.Errorf("published lists: %w", err)
	}
	if b.lists, err = c.Lists.Lists(r.Context()); err != nil {
		return fmt.Errorf("published lists: %w", err)
	}
	if b.subscribers, err = c.Lists.Subscribers(r.Context()); err != nil {
		return fmt.Errorf("subscribers: %w", err)
	}
	return p.Render(w, r, http.StatusOK, staffPage(p, c, b))
}

// records asks the name servers; that takes a moment and changes nothing.
func (c Config) records(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	var of tenant.ID
	if text := r.URL.Query().Get("list"); text != "" {
		var err error
		if of, err = id.Parse[tenant.Kind](text); err != nil {
			return fault.New(fault.NotFound, "tenant_not_found", "There is no such account.")
		}
	}
	l, err := c.Lists.List(r.Context(), of)
	if err != nil {
		return fmt.Errorf("published list: %w", err)
	}
	compared, err := c.Lists.Check(r.Context(), of)
	if err != nil {
		return fmt.Errorf("check published list: %w", err)
	}
	p.Room, p.Title = "published", p.T("published.dns.title", "name", l.Name)
	return p.Render(w, r, http.StatusOK, recordsPage(p, compared))
}

func (c Config) own(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "our-addresses", p.T("nav.our-addresses")
	l, err := c.Lists.List(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("published list: %w", err)
	}
	return p.Render(w, r, http.StatusOK, ownPage(p, c, l))
}

// listName names a list: the platform's, or an account's.
func listName(p frame.Page, l published.List) string {
	if l.For.IsZero() {
		return p.T("published.staff.platform")
	}
	return l.Name
}

// ownerName names the list a subscriber is told of.
func ownerName(p frame.Page, lists []published.List, of tenant.ID) string {
	for _, l := range lists {
		if l.For == of {
			return listName(p, l)
		}
	}
	return of.String()
}

func recordsHref(l published.List) string {
	if l.For.IsZero() {
		return records
	}
	return records + "?list=" + l.For.String()
}

func addresses(list []netip.Addr) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// roleMark is the mark of a role, among those of deliveries.
func roleMark(r egress.SourceState) string {
	switch r {
	case egress.StateNew:
		return "sending"
	case egress.StateRetiring:
		return "deferred"
	case egress.StateRetired:
		return "expired"
	}
	return "delivered"
}

func recordMark(s published.State) string {
	switch s {
	case published.Found:
		return "delivered"
	case published.NoAnswer:
		return "deferred"
	}
	return "bounced"
}
