// Package offices is where staff find, set up, lock and help tenants; people call them
// accounts. A visit lets support look into a tenant's office, read only, for half an
// hour, told to the tenant.
//
// It is a subject of the door web (floor 4); account does what is asked for.
package offices

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/account"
	"stafette/internal/approval"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
	"stafette/internal/web/settings"
)

// Accounts does what the pages ask for; *account.Service does.
type Accounts interface {
	Offices(ctx context.Context, text string) ([]tenant.Tenant, error)
	Office(ctx context.Context, t tenant.ID) (tenant.Tenant, []tenant.User, error)
	Found(ctx context.Context, r tenant.FoundRequest) (tenant.Founded, error)
	Lock(ctx context.Context, t tenant.ID, reason string) error
	Unlock(ctx context.Context, t tenant.ID, reason string) error
	SaveOffice(ctx context.Context, t tenant.ID, to account.OfficeSettings) error
	OfficeProfile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
	Visit(ctx context.Context, who tenant.Identity, t tenant.ID, reason string) error
	EndVisit(ctx context.Context, who tenant.Identity) error
}

// Config is what the pages stand on. All of it is needed.
type Config struct {
	Accounts Accounts
	Judges   Judges
}

// Judges refuse who has to do with an account; *approval.Service does.
type Judges interface {
	Impartial(ctx context.Context, t tenant.ID, who approval.Reviewer) error
}

const (
	room = "offices"
	path = "/platform/tenants"
)

// Routes are the staff's pages about tenants, and the end of a visit.
func Routes(c Config) []frame.Route {
	staff := func(pattern string, p tenant.Permission, act string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: frame.Staff, Permission: p, Act: act, Do: do}
	}
	show := staff("GET "+path, tenant.PlatformVisit, "", c.show)
	show.Entry = frame.Entry{Room: room, Icon: "server", Group: frame.GroupStaff}
	return []frame.Route{
		show,
		staff("GET "+path+"/new", tenant.PlatformTenants, "", c.showNew),
		staff("POST "+path, tenant.PlatformTenants, "tenant.create", c.create),
		staff("GET "+path+"/{tenant}", tenant.PlatformVisit, "", c.showOne),
		staff("POST "+path+"/{tenant}/settings", tenant.PlatformTenants, "tenant.settings", c.save),
		staff("POST "+path+"/{tenant}/lock", tenant.PlatformTenants, "tenant.lock", c.lock),
		staff("POST "+path+"/{tenant}/unlock", tenant.PlatformTenants, "tenant.unlock", c.unlock),
		staff("POST "+path+"/{tenant}/visit", tenant.PlatformVisit, "visit.begin", c.visit),
		{Pattern: "POST /visit/end", Access: frame.Anyone, Act: "visit.end", Do: c.endVisit},
	}
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v := frame.ReadView(r, listing(p))
	list, err := c.Accounts.Offices(r.Context(), v.Filter("q"))
	if err != nil {
		return err
	}
	if state := v.Filter("state"); state != "" {
		list = slices.DeleteFunc(list, func(t tenant.Tenant) bool { return string(t.State) != state })
	}
	p.Room, p.Title = room, p.T("nav.offices")
	return p.Render(w, r, http.StatusOK, listPage(p, v, list))
}

func listing(p frame.Page) frame.Listing {
	column := func(key string) frame.Column { return frame.Column{Key: key, Title: p.T("offices.col." + key)} }
	return frame.Listing{Path: path, Filters: []string{"q", "state"}, Choices: map[string][]string{"state": {string(tenant.Active), string(tenant.Locked)}}, Columns: []frame.Column{column("name"), column("state"), column("quota"), column("since")}}
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.newForm(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{"locale": string(p.Lang)}})
}

func (c Config) newForm(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title = room, p.T("offices.new")
	return p.Render(w, r, status, newPage(p, f))
}

// typed reads the named fields of a posted form.
func typed(r *http.Request, names ...string) frame.Form {
	f := frame.Form{Values: map[string]string{}}
	for _, n := range names {
		f.Values[n] = strings.TrimSpace(r.PostForm.Get(n))
	}
	return f
}

func quota(text string) int64 {
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(text, ".", ""), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := typed(r, "name", "domain", "admin_email", "admin_name", "locale", "daily_quota", "trust")
	request := tenant.FoundRequest{
		Name: f.Value("name"), Domain: f.Value("domain"), AdminEmail: f.Value("admin_email"), AdminName: f.Value("admin_name"),
		Locale: f.Value("locale"), DailyQuota: quota(f.Value("daily_quota")), TrustDomain: f.Value("trust") == "on",
	}
	if request.DailyQuota < 0 {
		f.Add("daily_quota", p.T("fault.number_malformed"))
		return c.newForm(w, r, p, http.StatusUnprocessableEntity, f)
	}
	founded, err := c.Accounts.Found(r.Context(), request)
	if frame.Refused(p, &f, err, "name") {
		return c.newForm(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if founded.Tenant.IsZero() {
		return err
	}
	p.Room, p.Title = room, p.T("offices.made.title")
	return p.Render(w, r, http.StatusOK, madePage(p, request.Name, founded))
}

// one is what the page of a tenant shows.
type one struct {
	tenant.Tenant
	users                  []tenant.User
	settings, state, visit frame.Form
	done                   string
}

func (c Config) showOne(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.page(w, r, p, http.StatusOK, one{done: p.Done("saved", "locked", "unlocked")})
}

func (c Config) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, o one) error {
	t, err := parse(r)
	if err != nil {
		return err
	}
	if o.Tenant, o.users, err = c.Accounts.Office(r.Context(), t); err != nil {
		return err
	}
	if o.settings.Values == nil {
		said, err := c.Accounts.OfficeProfile(r.Context(), t)
		if err != nil {
			return err
		}
		o.settings.Values = settings.Values(o.Tenant, said)
		if o.DailyQuota > 0 {
			o.settings.Values["daily_quota"] = strconv.FormatInt(o.DailyQuota, 10)
		}
	}
	p.Room, p.Title = room, o.Name
	return p.Render(w, r, status, onePage(p, o))
}

func parse(r *http.Request) (tenant.ID, error) {
	t, err := id.Parse[tenant.Kind](r.PathValue("tenant"))
	if err != nil {
		return t, fault.New(fault.NotFound, "tenant_not_found", "There is no such account.")
	}
	return t, nil
}

// act does something to the tenant of the path. What was typed wrongly comes back in
// the form that refused puts it into.
func (c Config) act(w http.ResponseWriter, r *http.Request, p frame.Page, done string, do func(t tenant.ID) error, refused func(o *one, err error) bool) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	t, err := parse(r)
	if err != nil {
		return err
	}
	err = do(t)
	var o one
	if err != nil && refused(&o, err) {
		return c.page(w, r, p, http.StatusUnprocessableEntity, o)
	}
	if err != nil {
		return err
	}
	if done == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	frame.Redirect(w, r, path+"/"+t.String(), done)
	return nil
}

func (c Config) save(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	var f frame.Form
	return c.act(w, r, p, "saved", func(t tenant.ID) error {
		f = typed(r, append(settings.Names(), "daily_quota")...)
		to := settings.Read(f)
		to.DailyQuota = quota(f.Value("daily_quota"))
		return c.Accounts.SaveOffice(r.Context(), t, to)
	}, func(o *one, err error) bool {
		ok := frame.Refused(p, &f, err, "name")
		o.settings = f
		return ok
	})
}

// impartial refuses to lock or unlock an account that the reader has to do with.
func (c Config) impartial(r *http.Request, p frame.Page, t tenant.ID) error {
	return c.Judges.Impartial(r.Context(), t, approval.Reviewer{Actor: p.Who.User.ID.String(), Email: p.Who.User.Email})
}

func (c Config) lock(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.act(w, r, p, "locked", func(t tenant.ID) error {
		if err := c.impartial(r, p, t); err != nil {
			return err
		}
		return c.Accounts.Lock(r.Context(), t, r.PostForm.Get("reason"))
	},
		func(o *one, err error) bool { return frame.Refused(p, &o.state, err, "reason") })
}

func (c Config) unlock(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.act(w, r, p, "unlocked", func(t tenant.ID) error {
		if err := c.impartial(r, p, t); err != nil {
			return err
		}
		return c.Accounts.Unlock(r.Context(), t, r.PostForm.Get("reason"))
	},
		func(o *one, err error) bool { return frame.Refused(p, &o.state, err, "reason") })
}

func (c Config) visit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.act(w, r, p, "", func(t tenant.ID) error { return c.Accounts.Visit(r.Context(), p.Who, t, r.PostForm.Get("visit")) },
		func(o *one, err error) bool {
			e := fault.As(err)
			if e == nil || e.Kind != fault.Invalid {
				return false
			}
			o.visit.Add("visit", p.FaultText(e, ""))
			return true
		})
}

func (c Config) endVisit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if p.Who.Visiting() {
		if err := c.Accounts.EndVisit(r.Context(), p.Who); err != nil {
			return err
		}
		http.Redirect(w, r, path+"/"+p.Tenant().String(), http.StatusSeeOther)
		return nil
	}
	http.Redirect(w, r, p.Home(), http.StatusSeeOther)
	return nil
}
