// Package keys is the page of a tenant's API keys, with which programs sign in over
// HTTP and SMTP: making one, whose text is shown once, and revoking it.
//
// It is a subject of the door web (floor 4); account makes the keys.
package keys

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"stafette/internal/account"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Accounts makes and revokes keys; *account.Service does.
type Accounts interface {
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
	CreateKey(ctx context.Context, who tenant.Identity, r account.KeyRequest) (tenant.Key, string, error)
	RevokeKey(ctx context.Context, who tenant.Identity, k tenant.KeyID) error
}

// Config is what the page stands on. All of it is needed.
type Config struct{ Accounts Accounts }

const room = "keys"

// Routes are the page and its forms.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{Pattern: "GET /keys", Permission: tenant.KeysManage, Do: c.show, Entry: frame.Entry{Room: room, Icon: "key", Group: frame.GroupAdministration}},
		{Pattern: "GET /keys.csv", Permission: tenant.KeysManage, Do: c.export},
		{Pattern: "GET /keys/new", Permission: tenant.KeysManage, Do: c.showNew},
		{Pattern: "POST /keys", Permission: tenant.KeysManage, Act: "keys.create", Do: c.create},
		{Pattern: "POST /keys/{key}/revoke", Permission: tenant.KeysManage, Act: "keys.revoke", Do: c.revoke},
	}
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Accounts.Keys(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("nav.keys")
	return p.Render(w, r, http.StatusOK, keysPage(p, page{frame.ReadView(r, listing(p)), list, p.Done("revoked")}))
}

// page is what the page shows.
type page struct {
	frame.View
	keys []tenant.Key // all there are
	done string
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.form(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{"send": "on", "read": "on"}})
}

func (c Config) form(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title = room, p.T("keys.new")
	return p.Render(w, r, status, newPage(p, f))
}

// scopes are those the reader may give.
func scopes(p frame.Page) []tenant.Scope {
	list := []tenant.Scope{tenant.ScopeSend, tenant.ScopeRead}
	if p.Can(tenant.SettingsWrite) {
		list = append(list, tenant.ScopeAdmin)
	}
	return list
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"name", "networks", "daily_cap", "days", "send", "read", "admin"} {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	request := account.KeyRequest{Name: form.Value("name"), Networks: form.Value("networks")}
	for _, s := range []tenant.Scope{tenant.ScopeSend, tenant.ScopeRead, tenant.ScopeAdmin} {
		if form.Value(string(s)) == "on" {
			request.Scopes = append(request.Scopes, s)
		}
	}
	request.DailyCap = number(form.Value("daily_cap"))
	request.Days = int(number(form.Value("days")))
	key, text, err := c.Accounts.CreateKey(r.Context(), p.Who, request)
	if frame.Refused(p, &form, err, "name") {
		return c.form(w, r, p, frame.StatusOf(fault.As(err).Kind), form)
	}
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("keys.made.title")
	return p.Render(w, r, http.StatusOK, madePage(p, key, text))
}

// number reads a number; what is none is refused as -1, nothing is 0.
func number(text string) int64 {
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(text, ".", ""), 10, 32)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

func (c Config) revoke(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	k, err := id.Parse[tenant.KeyKind](r.PathValue("key"))
	if err != nil {
		return fault.New(fault.NotFound, "key_not_found", "There is no such key.")
	}
	if err := c.Accounts.RevokeKey(r.Context(), p.Who, k); err != nil {
		return err
	}
	frame.Redirect(w, r, "/keys", "revoked")
	return nil
}

func networksText(list []netip.Prefix) string {
	var words []string
	for _, n := range list {
		words = append(words, n.String())
	}
	return strings.Join(words, ", ")
}

// stateOf is the mark and the word of a key.
func stateOf(p frame.Page, k tenant.Key) (mark, word string) {
	switch {
	case !k.RevokedAt.IsZero():
		return "cancelled", p.T("keys.revoked", "date", p.Date(k.RevokedAt))
	case !k.ExpiresAt.IsZero() && !p.Now.Before(k.ExpiresAt):
		return "expired", p.T("keys.expired", "date", p.Date(k.ExpiresAt))
	case !k.ExpiresAt.IsZero():
		return "delivered", p.T("keys.until", "date", p.Date(k.ExpiresAt))
	}
	return "delivered", p.T("keys.valid")
}
