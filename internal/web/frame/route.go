package frame

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Access says who gets past the door of a route.
type Access int

// The zero value is the one most pages want.
const (
	SignedIn Access = iota // a person of a tenant who has the route's permission
	Staff                  // a person of the platform who has the route's permission
	Anyone                 // also somebody who has not signed in
	Person                 // whoever has signed in, about the own account; not while visiting
)

// Route is one row of the office's map.
type Route struct {
	// Pattern is one of http.ServeMux with a method. Routes with GET change nothing.
	Pattern string
	Access  Access
	// Permission is what the reader must have; "" asks for none. SignedIn always
	// names one; Staff without one is for everybody of the platform.
	Permission tenant.Permission
	// Do answers. What it returns becomes an error page; a *fault.Error with its own
	// sentence, anything else with a general one while the log keeps the cause.
	Do func(w http.ResponseWriter, r *http.Request, p Page) error
	// Act names what the route does in the record of who did what (package audit); ""
	// takes its path, "POST /domains/{id}/check" is "domains.check". Unrecorded leaves no
	// entry. What only reads leaves none in any case.
	Act string
	// WhenLocked opens the route to the people of a locked tenant, who else only see that
	// it is. What is about the own account (Person) stays open to them.
	WhenLocked bool
	// Apart: Do shows what people wrote as HTML, with nothing of the office around it. Where
	// there is a host for such content the reader is led there, once it is certain that they
	// may ask; Do then has a Page that knows account, language and tone, and no person.
	Apart bool
	// Entry puts the page into the navigation of those who may open it; the zero
	// Entry does not.
	Entry Entry
}

// Unrecorded is the Act of routes that change nothing worth a record: a choice of
// language, a preview, mail, which has facts of its own.
const Unrecorded = "-"

// LockedPage is all that the people of a locked tenant see of the office.
const LockedPage = "/locked"

// StaffHome is where staff of the platform begin.
const StaffHome = "/platform"

// Home is the page on which the reader begins.
func (p Page) Home() string {
	switch {
	case !p.SignedIn:
		return "/signin"
	case p.ofPlatform():
		return StaffHome
	}
	return "/"
}

func (p Page) ofPlatform() bool { return p.Who.User.Role.OfPlatform() && p.Who.Tenant.ID.IsZero() }

// allows reports whether the reader may open the route.
// shut reports whether a route is not there for the reader because the account is locked.
func (p Page) shut(rt Route) bool {
	return rt.Access == SignedIn && !rt.WhenLocked && p.locked()
}

// locked reports whether the reader's own account is locked; staff on a visit see it whole.
func (p Page) locked() bool { return p.Who.Tenant.State == tenant.Locked && !p.Who.Visiting() }

func (p Page) allows(rt Route) bool {
	switch rt.Access {
	case Anyone:
		return true
	case Staff:
		return p.SignedIn && p.ofPlatform() && (rt.Permission == "" || p.Can(rt.Permission))
	case Person:
		return p.SignedIn && !p.Who.Visiting() && p.Can(rt.Permission)
	case SignedIn:
		return p.SignedIn && !p.Who.Tenant.ID.IsZero() && p.Can(rt.Permission)
	}
	return false
}

// serve makes a handler of a route: it finds out who asks, refuses who may not,
// and turns a returned error into a page.
func (f *Frame) serve(rt Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := f.Identify(r)
		p := f.newPage(r, who)
		switch {
		case err != nil && !fault.IsKind(err, fault.Unauthenticated):
			f.fail(w, r, p, err)
			return
		case rt.Access != Anyone && !p.SignedIn:
			toSignIn(w, r)
			return
		case r.URL.Path == "/" && p.ofPlatform():
			// Signing in leads everybody to "/"; staff have no tenant to show there.
			http.Redirect(w, r, StaffHome, http.StatusSeeOther)
			return
		case !p.allows(rt):
			f.fail(w, r, p, fault.New(fault.Forbidden, "permission_missing", "role "+string(who.User.Role)))
			return
		case p.shut(rt):
			http.Redirect(w, r, LockedPage, http.StatusSeeOther)
			return
		}
		if err := f.visited(r, rt, p); err != nil {
			f.fail(w, r, p, err)
			return
		}
		r = f.recorded(r, rt, p)
		do := rt.Do
		if rt.Apart && f.apart() {
			do = f.leadApart
		}
		if err := do(w, r, p); err != nil {
			f.fail(w, r, p, err)
		}
	})
}

// recorded makes the request owe its entry in the record: whatever transaction changes
// something on its behalf writes it.
func (f *Frame) recorded(r *http.Request, rt Route, p Page) *http.Request {
	if rt.action() == "" || !p.SignedIn {
		return r
	}
	a := audit.Act{
		Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office", Action: rt.Act, Network: tenant.Network(f.ClientIP(r)),
	}
	things := placed(r, rt.Pattern)
	a.Action, a.Target = rt.action(), strings.Join(things, " ")
	return r.WithContext(audit.With(r.Context(), a))
}

// action is what the route does in the record; "" for one that leaves no entry.
func (rt Route) action() string {
	method, path, _ := strings.Cut(rt.Pattern, " ")
	switch {
	case method == http.MethodGet || rt.Act == Unrecorded:
		return ""
	case rt.Act != "":
		return rt.Act
	}
	words := strings.Split(strings.Trim(path, "/"), "/")
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "{") }), ".")
}

// Actions lists what routes do in the record, each once and in order. Every one has its
// words in the catalogue, as "act." and its name.
func Actions(routes []Route) []string {
	list := []string{visitAct}
	for _, rt := range routes {
		if a := rt.action(); a != "" && rt.Access != Anyone {
			list = append(list, a)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func toSignIn(w http.ResponseWriter, r *http.Request) {
	target := "/signin"
	if r.Method == http.MethodGet && r.URL.Path != "/" && r.URL.Path != "/live" {
		target += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}
