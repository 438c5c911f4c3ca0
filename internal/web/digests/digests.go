// Package digests is where each person chooses which mails about their account they want:
// the weekly report and the list of open tasks.
//
// It is a subject of the door web (floor 4). Package insight writes the mails.
package digests

import (
	"context"
	"fmt"
	"net/http"

	"stafette/internal/insight"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Config is what the page stands on; all of it is needed.
type Config struct {
	Store interface {
		Readers(ctx context.Context, t tenant.ID) ([]insight.Reader, error)
		ChooseDigests(ctx context.Context, t tenant.ID, u tenant.UserID, c insight.Choice) error
	}
	// On reports whether the platform sends such mails at all.
	On func() bool
}

const path = "/digests"

// Routes is the page.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{Pattern: "GET " + path, Permission: tenant.MessagesRead, Do: c.show,
			Entry: frame.Entry{Room: "digests", Icon: "mail", Group: frame.GroupAdministration}},
		{Pattern: "POST " + path, Permission: tenant.ProfileManage, Do: c.choose},
	}
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	readers, err := c.Store.Readers(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("digests: %w", err)
	}
	choice := insight.UsualChoice(p.Who.User.Role)
	for _, one := range readers {
		if one.User.ID == p.Who.User.ID {
			choice = one.Choice
		}
	}
	f := frame.Form{Values: map[string]string{"weekly": mark(choice.Weekly), "todos": mark(choice.Todos)}}
	p.Room, p.Title = "digests", p.T("nav.digests")
	return p.Render(w, r, http.StatusOK, digestsPage(p, f, c.On()))
}

func mark(on bool) string {
	if on {
		return "on"
	}
	return ""
}

func (c Config) choose(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	choice := insight.Choice{Weekly: r.PostForm.Get("weekly") == "on", Todos: r.PostForm.Get("todos") == "on"}
	if err := c.Store.ChooseDigests(r.Context(), p.Tenant(), p.Who.User.ID, choice); err != nil {
		return err
	}
	frame.Redirect(w, r, path, "saved")
	return nil
}
