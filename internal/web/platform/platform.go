// Package platform is where staff of the platform begin: the sections they may open.
//
// It is a subject of the door web (floor 4). It shows nothing of any tenant; the
// sections themselves are subjects of their own.
package platform

import (
	"net/http"
	"slices"

	"stafette/internal/web/frame"
)

// Routes is the staff's first page.
func Routes() []frame.Route {
	return []frame.Route{{
		Pattern: "GET " + frame.StaffHome, Access: frame.Staff, Do: show,
		Entry: frame.Entry{Room: "platform", Icon: "home", Group: frame.GroupStaff},
	}}
}

func show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "platform", p.T("nav.platform")
	return p.Render(w, r, http.StatusOK, start(p))
}

// sections are what the reader may open, without this page itself.
func sections(p frame.Page) []frame.Section {
	list := p.Navigation()
	for i := range list {
		list[i].Links = slices.DeleteFunc(list[i].Links, func(l frame.Link) bool { return l.Current })
	}
	return slices.DeleteFunc(list, func(s frame.Section) bool { return len(s.Links) == 0 })
}
