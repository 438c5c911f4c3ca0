// Package people is the page on which a tenant's owner, or an operator of the platform,
// invites people, gives them roles, shuts them out and removes them.
//
// It is a subject of the door web (floor 4). What may be done to whom is decided by
// account.
package people

import (
	"context"
	"net/http"

	"stafette/internal/account"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Accounts does what the page asks for; *account.Service does.
type Accounts interface {
	Team(ctx context.Context, t tenant.ID) ([]tenant.User, []account.Invitation, error)
	Invite(ctx context.Context, who tenant.Identity, r account.InviteRequest) (link string, err error)
	InviteAgain(ctx context.Context, who tenant.Identity, i account.InvitationID) (link string, err error)
	Uninvite(ctx context.Context, who tenant.Identity, i account.InvitationID) error
	ChangeRole(ctx context.Context, who tenant.Identity, u tenant.UserID, r tenant.Role) error
	Disable(ctx context.Context, who tenant.Identity, u tenant.UserID, disabled bool) error
	Remove(ctx context.Context, who tenant.Identity, u tenant.UserID) error
}

// Config is what the page stands on. All of it is needed.
type Config struct{ Accounts Accounts }

const room = "people"

// side is one of the two offices that have the page: the tenant's and the platform's.
type side struct {
	Config
	path string
}

// Routes are the page and its forms, for tenants and for staff.
func Routes(c Config) []frame.Route {
	return append(
		side{c, "/people"}.routes(frame.SignedIn, tenant.UsersManage, frame.GroupAdministration),
		side{c, "/platform/people"}.routes(frame.Staff, tenant.PlatformStaff, frame.GroupSystem)...)
}

func (s side) routes(access frame.Access, permission tenant.Permission, group frame.Group) []frame.Route {
	route := func(pattern, act string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: access, Permission: permission, Act: act, Do: do}
	}
	show := route("GET "+s.path, "", s.show)
	show.Entry = frame.Entry{Room: room, Icon: "clip", Group: group}
	return []frame.Route{
		show,
		route("GET "+s.path+".csv", "", s.export),
		route("POST "+s.path+"/invitations", "users.invite", s.invite),
		route("POST "+s.path+"/invitations/{id}/again", "users.invite", s.again),
		route("POST "+s.path+"/invitations/{id}/revoke", "users.uninvite", s.revoke),
		route("POST "+s.path+"/users/{user}/role", "users.role", s.role),
		route("POST "+s.path+"/users/{user}/disable", "users.disable", s.disable),
		route("POST "+s.path+"/users/{user}/enable", "users.enable", s.enable),
		route("POST "+s.path+"/users/{user}/remove", "users.remove", s.remove),
	}
}

// team is what the page shows.
type team struct {
	side
	frame.View
	users   []tenant.User
	invited []account.Invitation
	form    frame.Form
	link    string // to hand over, where no mail is sent
	problem string // why the last deed was not done
	done    string
}

// roles are those that the reader can give.
func roles(p frame.Page) []frame.Option {
	var list []frame.Option
	for _, r := range tenant.Roles() {
		if r.OfPlatform() == p.Who.User.Tenant.IsZero() {
			list = append(list, frame.Option{Value: string(r), Text: p.T("role." + string(r)), Note: p.T("role." + string(r) + ".means")})
		}
	}
	return list
}

func (s side) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return s.page(w, r, p, http.StatusOK, team{done: p.Done("invited", "again", "revoked", "role", "disabled", "enabled", "removed")})
}

func (s side) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, t team) error {
	var err error
	if t.users, t.invited, err = s.Accounts.Team(r.Context(), p.Who.User.Tenant); err != nil {
		return err
	}
	t.side, t.View = s, frame.ReadView(r, s.listing(p))
	narrow(t.View, &t)
	if t.form.Value("role") == "" {
		t.form.Values = map[string]string{"email": t.form.Value("email"), "name": t.form.Value("name"), "role": roles(p)[1].Value}
	}
	p.Room, p.Title = room, p.T("nav.people")
	return p.Render(w, r, status, peoplePage(p, t))
}

func (s side) invite(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"email", "name", "role"} {
		form.Values[name] = r.PostForm.Get(name)
	}
	link, err := s.Accounts.Invite(r.Context(), p.Who, account.InviteRequest{
		Email: form.Value("email"), Name: form.Value("name"), Role: tenant.Role(form.Value("role")),
	})
	if frame.Refused(p, &form, err, "email") {
		return s.page(w, r, p, frame.StatusOf(fault.As(err).Kind), team{form: form})
	}
	return s.invited(w, r, p, "invited", link, err)
}

// invited ends an invitation: by mail, or by showing the link once.
func (s side) invited(w http.ResponseWriter, r *http.Request, p frame.Page, done, link string, err error) error {
	switch {
	case err != nil:
		return err
	case link != "":
		return s.page(w, r, p, http.StatusOK, team{link: link})
	}
	frame.Redirect(w, r, s.path, done)
	return nil
}

func (s side) again(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	i, err := id.Parse[account.InvitationKind](r.PathValue("id"))
	if err != nil {
		return missing("invitation")
	}
	link, err := s.Accounts.InviteAgain(r.Context(), p.Who, i)
	return s.invited(w, r, p, "again", link, err)
}

func (s side) revoke(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	i, err := id.Parse[account.InvitationKind](r.PathValue("id"))
	if err != nil {
		return missing("invitation")
	}
	return s.ended(w, r, p, "revoked", s.Accounts.Uninvite(r.Context(), p.Who, i))
}

// ended leads back after a deed, or tells on the page why it was not done.
func (s side) ended(w http.ResponseWriter, r *http.Request, p frame.Page, done string, err error) error {
	if f := fault.As(err); f != nil && (f.Kind == fault.Conflict || f.Kind == fault.Invalid) {
		return s.page(w, r, p, frame.StatusOf(f.Kind), team{problem: p.FaultText(f, "")})
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, s.path, done)
	return nil
}

func (s side) role(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	return s.deed(w, r, p, "role", func(ctx context.Context, u tenant.UserID) error {
		return s.Accounts.ChangeRole(ctx, p.Who, u, tenant.Role(r.PostForm.Get("role")))
	})
}

func (s side) disable(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return s.deed(w, r, p, "disabled", func(ctx context.Context, u tenant.UserID) error { return s.Accounts.Disable(ctx, p.Who, u, true) })
}

func (s side) enable(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return s.deed(w, r, p, "enabled", func(ctx context.Context, u tenant.UserID) error { return s.Accounts.Disable(ctx, p.Who, u, false) })
}

func (s side) remove(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return s.deed(w, r, p, "removed", func(ctx context.Context, u tenant.UserID) error { return s.Accounts.Remove(ctx, p.Who, u) })
}

// deed does something to the user the path names.
func (s side) deed(w http.ResponseWriter, r *http.Request, p frame.Page, done string, do func(context.Context, tenant.UserID) error) error {
	u, err := id.Parse[tenant.UserKind](r.PathValue("user"))
	if err != nil {
		return missing("user")
	}
	return s.ended(w, r, p, done, do(r.Context(), u))
}

func missing(what string) error {
	return fault.New(fault.NotFound, what+"_not_found", "There is no such thing here.")
}
