// Package platform is where staff of the platform begin: what is to be done, and the sections
// they may open.
//
// It is a subject of the door web (floor 4). It shows nothing of any tenant; the
// sections themselves are subjects of their own.
package platform

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"stafette/internal/insight"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
	"stafette/internal/web/sources"
)

// Config is what the page stands on; all of it is needed.
type Config struct {
	// Todos lists what is to be done about the ways out.
	Todos func(ctx context.Context) ([]sources.Todo, error)
	// Own is what else there is to do for staff.
	Own insight.Todos
	Log *slog.Logger
}

// Routes is the staff's first page.
func Routes(c Config) []frame.Route {
	return []frame.Route{{
		Pattern: "GET " + frame.StaffHome, Access: frame.Staff, Do: c.show,
		Entry: frame.Entry{Room: "platform", Icon: "home", Group: frame.GroupStaff},
	}}
}

// todosShown is how many things to do stand on the first page.
const todosShown = 5

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "platform", p.T("nav.platform")
	var todos []sources.Todo
	if p.Can(tenant.PlatformQueue) {
		var err error
		if todos, err = c.Todos(r.Context()); err != nil {
			return fmt.Errorf("start page of staff: %w", err)
		}
	}
	own, err := c.Own.For(r.Context(), tenant.ID{}, p.Who.User.ID, p.Now)
	if err != nil {
		// What one part cannot say must not hide what the others do.
		c.Log.ErrorContext(r.Context(), "things to do for staff are not complete", "err", err)
	}
	return p.Render(w, r, http.StatusOK, start(p, insight.Allowed(own, p.Can), todos[:min(len(todos), todosShown)], len(todos)))
}

// sections are what the reader may open, without this page itself.
func sections(p frame.Page) []frame.Section {
	list := p.Navigation()
	for i := range list {
		list[i].Links = slices.DeleteFunc(list[i].Links, func(l frame.Link) bool { return l.Current })
	}
	return slices.DeleteFunc(list, func(s frame.Section) bool { return len(s.Links) == 0 })
}
