package web

import (
	"net/http"
	"net/url"

	"stafette/internal/fault"
)

// access says who gets past the door of a route.
type access int

const (
	signedIn access = iota // a user of a tenant who has the route's permission
	anyone                 // also somebody who has not signed in
)

// A route is one row of the office's map. Routes with GET change nothing.
type route struct {
	pattern    string
	access     access
	permission string
	do         func(o *office, w http.ResponseWriter, r *http.Request, p page) error
}

// routes is the whole map of the office.
func routes() []route {
	return []route{
		{"GET /signin", anyone, "", (*office).showSignIn},
		{"POST /signin", anyone, "", (*office).signIn},
		{"POST /signout", anyone, "", (*office).signOut},
		{"POST /preferences", anyone, "", (*office).setPreferences},
		{"GET /{$}", signedIn, PermissionRead, (*office).showOverview},
		{"GET /messages", signedIn, PermissionRead, (*office).showMessages},
		{"GET /messages.csv", signedIn, PermissionRead, (*office).exportMessages},
		{"GET /messages/new", signedIn, PermissionSend, (*office).showCompose},
		{"POST /messages", signedIn, PermissionSend, (*office).send},
		{"GET /messages/{id}", signedIn, PermissionRead, (*office).showMessage},
		{"POST /messages/{id}/commands", signedIn, PermissionCommand, (*office).command},
		{"GET /messages/{id}/content", signedIn, PermissionRead, (*office).showContent},
		{"GET /messages/{id}/preview", signedIn, PermissionRead, (*office).preview},
		{"GET /messages/{id}/message.eml", signedIn, PermissionRead, (*office).download},
		{"GET /live", signedIn, PermissionRead, (*office).live},
	}
}

// serve makes a handler of a route: it finds out who asks, refuses who may not,
// and turns a returned error into a page.
func (o *office) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := o.identify(r)
		p := o.newPage(r, who)
		switch {
		case err != nil && !fault.IsKind(err, fault.Unauthenticated):
			o.fail(w, r, p, err)
			return
		case rt.access == signedIn && !p.signedIn:
			o.toSignIn(w, r)
			return
		case rt.access == signedIn && (who.Tenant.ID.IsZero() || !p.Can(rt.permission)):
			o.fail(w, r, p, fault.New(fault.Forbidden, "permission_missing", "role "+string(who.User.Role)))
			return
		}
		if err := rt.do(o, w, r, p); err != nil {
			o.fail(w, r, p, err)
		}
	})
}

func (o *office) toSignIn(w http.ResponseWriter, r *http.Request) {
	target := "/signin"
	if r.Method == http.MethodGet && r.URL.Path != "/" && r.URL.Path != "/live" {
		target += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

func (o *office) nowhere(http.ResponseWriter, *http.Request, page) error {
	return fault.New(fault.NotFound, "page_not_found", "no such page")
}

func (o *office) crossSite(http.ResponseWriter, *http.Request, page) error {
	return fault.New(fault.Forbidden, "cross_site", "the request came from another site")
}
