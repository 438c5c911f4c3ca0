package frame

import "strings"

// Entry is a page's line in the navigation. Its word is the text "nav." + Room.
type Entry struct {
	// Room names the line; the pages that belong to it say so in Page.Room.
	Room string
	// Icon is a mark of assets/marks.svg without "i-".
	Icon  string
	Group Group
	// Key leads here after g on the keyboard; "" has none.
	Key string
}

// Group is a heading of the navigation, the text "nav.group." + Group; those of
// GroupMail and GroupStaff stand on top without one.
type Group string

// The groups as design §8 has the rooms of the office.
const (
	GroupMail           Group = ""               // tenant: Übersicht, Nachrichten, …
	GroupContacts       Group = "contacts"       // tenant: Kontakte, Gruppen & Freigaben
	GroupCampaigns      Group = "campaigns"      // tenant: Mailings, Angebote, Kontaktanfragen
	GroupDeliverability Group = "deliverability" // tenant and platform: Zustellbarkeit
	GroupAdministration Group = "administration" // tenant: Verwaltung
	GroupStaff          Group = "staff"          // platform: Übersicht, Prüfungen, Konten
	GroupEgress         Group = "egress"         // platform: Versandwege
	GroupSystem         Group = "system"         // platform: System
)

// groups is the order of the navigation.
func groups() []Group {
	return []Group{GroupMail, GroupStaff, GroupContacts, GroupCampaigns, GroupEgress, GroupDeliverability, GroupAdministration, GroupSystem}
}

// entry is a line with the route it leads to.
type entry struct {
	Entry
	route Route
	href  string
}

// Section is a group of links that the reader may follow. Title is "" on top.
type Section struct {
	Title string
	Links []Link
}

// Link is a way to another page of the office.
type Link struct {
	Text, Href string
	Icon       string // "" for none
	Current    bool   // leads to where the reader is
	Key        string // leads there after g on the keyboard, "" for none
}

// entriesOf collects the lines of the navigation in the order of groups, and
// within one in the order of the routes.
func entriesOf(routes []Route) []entry {
	var list []entry
	for _, g := range groups() {
		for _, rt := range routes {
			if rt.Entry.Room != "" && rt.Entry.Group == g {
				href := strings.TrimSuffix(strings.TrimPrefix(rt.Pattern, "GET "), "{$}")
				list = append(list, entry{rt.Entry, rt, href})
			}
		}
	}
	return list
}

// Navigation lists the pages the reader may open. It comes from the routes
// themselves, so there is no link to what is not built or not allowed.
func (p Page) Navigation() []Section {
	var list []Section
	group := Group("none")
	for _, e := range p.frame.entries {
		if e.route.Access == Anyone || !p.allows(e.route) || p.shut(e.route) {
			continue
		}
		if e.Group != group {
			group = e.Group
			list = append(list, Section{Title: p.groupTitle(group)})
		}
		s := &list[len(list)-1]
		s.Links = append(s.Links, Link{Text: p.T("nav." + e.Room), Href: e.href, Icon: e.Icon, Current: p.Room == e.Room, Key: e.Key})
	}
	return list
}

func (p Page) groupTitle(g Group) string {
	if g == GroupMail || g == GroupStaff {
		return ""
	}
	return p.T("nav.group." + string(g))
}
