package profile

import (
	"net/http"
	"slices"
	"strings"

	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// listing is the table of the person's sessions.
func listing(p frame.Page) frame.Listing {
	l := frame.Listing{Path: "/profile", Sort: "seen", Descending: true, Filters: []string{"q"}}
	for _, key := range []string{"device", "network", "since", "seen", "deeds"} {
		l.Columns = append(l.Columns, frame.Column{Key: key, Title: p.T("profile.sessions.col." + key), Sortable: key != "deeds"})
	}
	return l
}

// narrow keeps of the sessions what the view asks for, in its order.
func narrow(p frame.Page, v frame.View, list []tenant.Session) []tenant.Session {
	list = slices.DeleteFunc(slices.Clone(list), func(s tenant.Session) bool { return !frame.Mentions(v.Filter("q"), deviceText(p, s), s.Network) })
	frame.Order(v, list, map[string]func(a, b tenant.Session) int{
		"device":  func(a, b tenant.Session) int { return strings.Compare(a.Device, b.Device) },
		"network": func(a, b tenant.Session) int { return strings.Compare(a.Network, b.Network) },
		"since":   func(a, b tenant.Session) int { return a.CreatedAt.Compare(b.CreatedAt) },
		"seen":    func(a, b tenant.Session) int { return a.SeenAt.Compare(b.SeenAt) },
	})
	return list
}

// exportSessions writes the sessions that the view shows, without what they could be
// used with.
func (d desk) exportSessions(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := d.Accounts.Sessions(r.Context(), p.Who)
	if err != nil {
		return err
	}
	rows := [][]string{{p.T("profile.sessions.col.device"), p.T("profile.sessions.col.network"), p.T("profile.sessions.col.since"), p.T("profile.sessions.col.seen"), ""}}
	for _, s := range narrow(p, frame.ReadView(r, listing(p)), list) {
		this := ""
		if s.Handle() == p.Who.Session.Handle() {
			this = p.T("profile.sessions.this")
		}
		rows = append(rows, []string{deviceText(p, s), s.Network, p.Full(s.CreatedAt), p.Full(s.SeenAt), this})
	}
	return p.CSV(w, p.T("profile.sessions.filename"), rows)
}
