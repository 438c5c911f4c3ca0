package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/frame"
	"stafette/internal/web/webtest"
)

// routes is the composed map of the office. What stands behind its patterns is the
// office of nobody's world.
func routes(t *testing.T) []frame.Route {
	t.Helper()
	all, err := composed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var composed = sync.OnceValues(func() ([]frame.Route, error) {
	config, err := webtest.New().Config("http://buero.example")
	if err != nil {
		return nil, err
	}
	f, err := frame.New(config.Config)
	if err != nil {
		return nil, err
	}
	return config.Routes(f), nil
})

// ask sends an empty request to a route, as one of our own pages would.
func ask(d *webtest.Desk, rt frame.Route, foreign bool) webtest.Answer {
	d.T.Helper()
	method, path, _ := strings.Cut(rt.Pattern, " ")
	r := d.Request(method, d.World.Concrete(path, foreign), nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.Do(r)
}

func TestRoutesSayWhoMayOpenThem(t *testing.T) {
	world := webtest.New()
	for _, rt := range routes(t) {
		if rt.Access == frame.SignedIn && rt.Permission == "" {
			t.Errorf("%s is open to every role", rt.Pattern)
		}
		_, pattern, _ := strings.Cut(rt.Pattern, " ")
		if strings.Contains(world.Concrete(pattern, false), "{") {
			t.Errorf("%s: no webtest.Subject has a path for it", rt.Pattern)
		}
		if rt.Entry.Room != "" && (!strings.HasPrefix(rt.Pattern, "GET /") || strings.Contains(rt.Pattern, "{") && rt.Pattern != "GET /{$}") {
			t.Errorf("%s cannot stand in the navigation", rt.Pattern)
		}
	}
}

func TestStrangersAreSentToSignIn(t *testing.T) {
	d := webtest.Open(t)
	for _, rt := range routes(t) {
		if rt.Access == frame.Anyone {
			continue
		}
		if a := ask(d, rt, false); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
			t.Errorf("%s: status %d to %q", rt.Pattern, a.StatusCode, a.Header.Get("Location"))
		}
	}
}

// Each person gets exactly as far as the table says: tenants' people by their
// permissions and never into the platform, staff the other way round.
func TestRolesAreHeldToTheirPermissions(t *testing.T) {
	people := webtest.People()
	if len(people) != len(tenant.Roles()) {
		t.Errorf("%d people for %d roles", len(people), len(tenant.Roles()))
	}
	for role, email := range people {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			isHeld(t, role, webtest.Open(t).SignIn(email))
		})
	}
}

func isHeld(t *testing.T, role tenant.Role, d *webtest.Desk) {
	t.Helper()
	for _, rt := range routes(t) {
		if rt.Access == frame.Anyone || strings.HasSuffix(rt.Pattern, "/live") {
			continue
		}
		a := ask(d, rt, false)
		if rt.Pattern == "GET /{$}" && role.OfPlatform() {
			if a.Header.Get("Location") != frame.StaffHome {
				t.Errorf("staff begin at %q, status %d", a.Header.Get("Location"), a.StatusCode)
			}
			continue
		}
		side := rt.Access == frame.Person || role.OfPlatform() == (rt.Access == frame.Staff)
		may := side && (rt.Permission == "" || tenant.Can(role, rt.Permission))
		if got := a.StatusCode != http.StatusForbidden; got != may {
			t.Errorf("%s for %s: let in is %v, want %v", rt.Pattern, role, got, may)
		}
	}
}

// T17: a form on another site changes nothing, with or without Fetch Metadata.
func TestOtherSitesCannotPost(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk) // what is refused leaves it as it was
	for _, rt := range routes(t) {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if method == http.MethodGet {
			continue
		}
		for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"} {
			form := url.Values{"do": {"cancel"}, "theme": {"dark"}, "email": {webtest.Clerk}, "password": {webtest.Password}}
			r := d.Request(method, d.World.Concrete(path, false), strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			name, value, _ := strings.Cut(header, ": ")
			r.Header.Set(name, value)
			a := d.Do(r)
			if a.StatusCode != http.StatusForbidden || len(a.Header.Values("Set-Cookie")) > 0 || len(d.World.Commanded()) > 0 {
				t.Errorf("%s with %s: status %d", rt.Pattern, header, a.StatusCode)
			}
		}
	}
}

// A visit opens to support what may be read, and nothing that changes or shows secrets.
func TestVisitorsOnlyRead(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Helper)
	visit := "/platform/tenants/" + d.World.Tenant.ID.String() + "/visit"
	if a := d.Post(visit, url.Values{"visit": {"Anfrage 4711"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("visit: status %d", a.StatusCode)
	}
	for _, rt := range routes(t) {
		if rt.Access == frame.Anyone || strings.HasSuffix(rt.Pattern, "/live") {
			continue
		}
		a := ask(d, rt, false)
		may := rt.Access == frame.SignedIn && (rt.Permission == tenant.MessagesRead || rt.Permission == tenant.SettingsRead)
		if got := a.StatusCode != http.StatusForbidden; got != may || may && !strings.HasPrefix(rt.Pattern, "GET ") && !harmless[rt.Pattern] {
			t.Errorf("%s for a visitor: let in is %v, want %v", rt.Pattern, got, may)
		}
	}
	webtest.Expect(t, d.Get("/"), http.StatusOK, "Ansicht als Kundendienst: Hafenkontor Immobilien.", "Anfrage 4711")
	if a := d.Post("/visit/end", nil); a.Header.Get("Location") != strings.TrimSuffix(visit, "/visit") {
		t.Errorf("after the visit at %q", a.Header.Get("Location"))
	}
	if a := d.Get("/messages"); a.StatusCode != http.StatusForbidden {
		t.Errorf("after the visit: status %d", a.StatusCode)
	}
}

// harmless are posts that change nothing and are open to whoever may read.
var harmless = map[string]bool{"POST /addresses": true}

// The people of a locked tenant see that it is, and take their data along.
func TestLockedTenantSeesThatItIs(t *testing.T) {
	d := webtest.Open(t)
	d.World.Tenant.State, d.World.Tenant.LockReason = tenant.Locked, "Gekaufte Adressen"
	d.SignIn(webtest.Owner)
	for _, rt := range routes(t) {
		if rt.Access != frame.SignedIn || strings.HasSuffix(rt.Pattern, "/live") {
			continue
		}
		shut := ask(d, rt, false).Header.Get("Location") == frame.LockedPage
		if shut == rt.WhenLocked {
			t.Errorf("%s: shut is %v", rt.Pattern, shut)
		}
	}
	webtest.Expect(t, d.Get(frame.LockedPage), http.StatusOK, "Dieses Konto ist gesperrt", "Gekaufte Adressen")
	webtest.Expect(t, d.Get("/profile"), http.StatusOK, "Sitzungen")
}

func TestPagesBearTheGuardingHeaders(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for _, path := range []string{"/", "/messages", d.Message(event.Queued, ""), "/messages/new", "/components", "/no-such-page"} {
		h := d.Get(path).Header
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy lacks %s: %s", path, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: policy lets too much through: %s", path, policy)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

var gap = regexp.MustCompile(`⟦[^⟧]*⟧`)

func TestEveryPageInEveryLanguage(t *testing.T) {
	for _, lang := range []string{"de", "en"} {
		for email, access := range map[string]frame.Access{"": frame.Anyone, webtest.Clerk: frame.SignedIn, webtest.Staff: frame.Staff} {
			t.Run(lang+" "+email, func(t *testing.T) {
				t.Parallel()
				d := webtest.Open(t)
				d.Lang = lang
				if email != "" {
					d.SignIn(email)
				}
				for _, path := range d.World.Pages(routes(t), access) {
					isWhole(t, d.Get(path), path, languageOf(path, lang, email == ""))
				}
			})
		}
	}
}

// languageOf is the language of a page for a reader of lang: public pages have one each,
// whoever reads.
func languageOf(path, lang string, stranger bool) string {
	switch {
	case strings.HasPrefix(path, "/hilfe"):
		return "de"
	case strings.HasPrefix(path, "/help") && stranger:
		return "en"
	}
	return lang
}

func isWhole(t *testing.T, a webtest.Answer, path, lang string) {
	t.Helper()
	if missing := gap.FindString(a.Text); missing != "" {
		t.Errorf("%s: text %s is missing", path, missing)
	}
	doc := a.Document(t)
	webtest.CheckDocument(t, path, doc)
	if got := webtest.Attribute(webtest.Find(doc, "html"), "lang"); got != lang {
		t.Errorf("%s: page is in %q, want %q", path, got, lang)
	}
}

// rooms are the addresses in the navigation.
func rooms(t *testing.T, a webtest.Answer) []string {
	var list []string
	webtest.Each(a.Document(t), func(n *html.Node) {
		if n.Data == "a" && webtest.Within(n, "nav") && webtest.Within(n, "li") && !slices.Contains(list, webtest.Attribute(n, "href")) {
			list = append(list, webtest.Attribute(n, "href"))
		}
	})
	return list
}

func TestNavigationShowsWhatTheReaderMayOpen(t *testing.T) {
	for email, want := range map[string][]string{
		webtest.Clerk:  {"/", "/messages", "/messages/new"},
		webtest.Reader: {"/", "/messages"},
		webtest.Staff:  {"/platform", "/components"},
	} {
		d := webtest.Open(t).SignIn(email)
		a := d.Get("/no-such-page")
		got := rooms(t, a)
		for _, href := range want {
			if !slices.Contains(got, href) {
				t.Errorf("%s: no way to %s in %v", email, href, got)
			}
		}
		for _, href := range got {
			if a := d.Get(href); a.StatusCode != http.StatusOK {
				t.Errorf("%s: %s is in the navigation, status %d", email, href, a.StatusCode)
			}
		}
	}
}

// The page of components is for staff, and for everybody only where that was asked for.
func TestComponentsAreOpenOnlyOnDemand(t *testing.T) {
	if a := webtest.Open(t).SignIn(webtest.Clerk).Get("/components"); a.StatusCode != http.StatusForbidden {
		t.Errorf("closed: status %d", a.StatusCode)
	}
	open := webtest.Open(t, func(c *web.Config) { c.Components = true })
	webtest.Expect(t, open.Get("/components"), http.StatusOK, "Jeder Baustein")
}

// A link in the navigation leads to a page that exists.
func TestLinksLeadSomewhere(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	seen := map[string]bool{}
	for _, page := range []string{"/", "/messages", d.Message(event.Bounced, "Besichtigung"), d.Message(event.Bounced, "Besichtigung") + "/content"} {
		webtest.Each(d.Get(page).Document(t), func(n *html.Node) {
			for _, name := range []string{"href", "src", "action"} {
				if link := webtest.Attribute(n, name); strings.HasPrefix(link, "/") && webtest.Attribute(n, "method") == "" {
					seen[link] = true
				}
			}
		})
	}
	for link := range seen {
		if a := d.Get(link); a.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", link, a.StatusCode)
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d links found", len(seen))
	}
}

// What belongs to another tenant does not exist, whatever the route.
func TestForeignThingsDoNotExist(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner) // who may do everything in an account
	for _, rt := range routes(t) {
		if rt.Access != frame.SignedIn || !strings.Contains(rt.Pattern, "{") || strings.Contains(rt.Pattern, "{$}") {
			continue
		}
		method, pattern, _ := strings.Cut(rt.Pattern, " ")
		paths := []string{d.World.Concrete(pattern, true)}
		if strings.HasPrefix(pattern, "/messages/{id}") {
			for _, one := range []string{message.NewID(d.World.Now()).String(), "msg_x", "%00"} {
				paths = append(paths, strings.ReplaceAll(pattern, "{id}", one))
			}
		}
		for _, path := range paths {
			r := d.Request(method, path, strings.NewReader("do=cancel"))
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if a := d.Do(r); a.StatusCode != http.StatusNotFound || strings.Contains(path, "{") {
				t.Errorf("%s %s: status %d", rt.Pattern, path, a.StatusCode)
			}
		}
	}
	if n := len(d.World.Commanded()); n != 0 {
		t.Errorf("%d commands reached the queue", n)
	}
	again := strings.TrimPrefix(d.World.Concrete("/messages/{id}", true), "/messages/")
	if a := d.Get("/messages/new?again=" + again); a.StatusCode != http.StatusNotFound {
		t.Errorf("sending a foreign message again: status %d", a.StatusCode)
	}
}
