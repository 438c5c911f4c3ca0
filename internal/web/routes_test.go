package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

// concrete turns a pattern of the route table into a method and a path.
func concrete(d *desk, pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	path = strings.ReplaceAll(path, "{$}", "")
	return method, strings.ReplaceAll(path, "/messages/{id}", d.message(event.Bounced, "Besichtigung"))
}

func TestStrangersAreSentToSignIn(t *testing.T) {
	d := newDesk(t)
	for _, rt := range web.Routes() {
		if rt.Public {
			continue
		}
		method, path := concrete(d, rt.Pattern)
		r := d.request(method, path, nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		a := d.do(r)
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
			t.Errorf("%s: status %d to %q", rt.Pattern, a.StatusCode, a.Header.Get("Location"))
		}
	}
}

func TestRolesAreHeldToTheirPermissions(t *testing.T) {
	d := newDesk(t).signIn(webtest.Reader)
	staff := newDesk(t).signIn(webtest.Staff)
	for _, rt := range web.Routes() {
		if rt.Public || strings.HasSuffix(rt.Pattern, "/live") {
			continue
		}
		method, path := concrete(d, rt.Pattern)
		r := d.request(method, path, nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if got, want := d.do(r).StatusCode == http.StatusForbidden, rt.Permission != web.PermissionRead; got != want {
			t.Errorf("%s for a reader: forbidden is %v, want %v", rt.Pattern, got, want)
		}
		r = staff.request(method, path, nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if got := staff.do(r).StatusCode; got != http.StatusForbidden {
			t.Errorf("%s for staff of the platform: status %d", rt.Pattern, got)
		}
	}
}

// T17: a form on another site changes nothing, with or without Fetch Metadata.
func TestOtherSitesCannotPost(t *testing.T) {
	for _, rt := range web.Routes() {
		if !strings.HasPrefix(rt.Pattern, "POST") {
			continue
		}
		for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"} {
			d := newDesk(t).signIn(webtest.Clerk)
			method, path := concrete(d, rt.Pattern)
			form := url.Values{"do": {"cancel"}, "theme": {"dark"}, "email": {webtest.Clerk}, "password": {webtest.Password}}
			r := d.request(method, path, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			name, value, _ := strings.Cut(header, ": ")
			r.Header.Set(name, value)
			a := d.do(r)
			if a.StatusCode != http.StatusForbidden || len(a.Header.Values("Set-Cookie")) > 0 || len(d.world.Commanded()) > 0 {
				t.Errorf("%s with %s: status %d", rt.Pattern, header, a.StatusCode)
			}
		}
	}
}

func TestPagesBearTheGuardingHeaders(t *testing.T) {
	d := newDesk(t).signIn(webtest.Clerk)
	for _, path := range []string{"/", "/messages", d.message(event.Queued, ""), "/messages/new", "/no-such-page"} {
		h := d.get(path).Header
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

// pages are all pages a person can see, with the odd cases.
func pages(d *desk) []string {
	list := []string{
		"/", "/messages", "/messages?q=nichts-davon", "/messages?state=held&tag=x&from=2026-11-01&to=2026-11-30", "/messages?q=%22%3E%3Cscript%3E",
		"/messages/new", "/messages/new?again=" + strings.TrimPrefix(d.message(event.Bounced, "Besichtigung"), "/messages/"),
		"/no-such-page", "/messages/msg_unknown", d.message(event.Delivered, "Zusage") + "/content",
	}
	for _, s := range event.States() {
		if s != event.Sending {
			list = append(list, d.message(s, ""))
		}
	}
	several := d.message(event.Bounced, "Besichtigung")
	for _, view := range []string{"", "?view=text", "?view=headers", "?view=source", "?view=nonsense"} {
		list = append(list, several+"/content"+view)
	}
	for _, done := range []string{"sent", "retry", "hold", "resume", "cancel", "none", "nonsense"} {
		list = append(list, several+"?done="+done)
	}
	return append(list, d.message(event.Delivered, "<script>"))
}

var gap = regexp.MustCompile(`⟦[^⟧]*⟧`)

func TestEveryPageInEveryLanguage(t *testing.T) {
	for _, lang := range []string{"de", "en"} {
		d := newDesk(t)
		d.lang = lang
		check := func(path string) {
			a := d.get(path)
			if missing := gap.FindString(a.text); missing != "" {
				t.Errorf("%s %s: text %s is missing", lang, path, missing)
			}
			checkDocument(t, lang+" "+path, a.document(t))
			if got := attribute(find(a.document(t), "html"), "lang"); got != lang {
				t.Errorf("%s %s: page is in %q", lang, path, got)
			}
		}
		check("/signin?next=/messages")
		d.signIn(webtest.Clerk)
		for _, path := range pages(d) {
			check(path)
		}
	}
}

func find(n *html.Node, tag string) *html.Node {
	var found *html.Node
	each(n, func(e *html.Node) {
		if e.Data == tag && found == nil {
			found = e
		}
	})
	return found
}

// checkDocument holds what a page must have whatever it says.
func checkDocument(t *testing.T, page string, doc *html.Node) {
	t.Helper()
	ids, labels, headings := map[string]bool{}, map[string]bool{}, 0
	each(doc, func(n *html.Node) {
		if id := attribute(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("%s: id %q twice", page, id)
			}
			ids[id] = true
		}
		if n.Data == "label" {
			labels[attribute(n, "for")] = true
		}
		if n.Data == "h1" {
			headings++
		}
	})
	if headings != 1 {
		t.Errorf("%s: %d main headings", page, headings)
	}
	if title := find(doc, "title"); title == nil || strings.HasPrefix(strings.TrimSpace(words(title)), "·") {
		t.Errorf("%s: no title", page)
	}
	each(doc, func(n *html.Node) {
		checkElement(t, page, n, ids, labels)
	})
}

func checkElement(t *testing.T, page string, n *html.Node, ids, labels map[string]bool) {
	t.Helper()
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
			t.Errorf("%s: <%s> has %s, which the policy forbids", page, n.Data, a.Key)
		}
		if strings.HasPrefix(a.Key, "aria-describedby") || a.Key == "aria-labelledby" || a.Key == "popovertarget" {
			if !ids[a.Val] {
				t.Errorf("%s: <%s> points to %q, which is not there", page, n.Data, a.Val)
			}
		}
	}
	switch n.Data {
	case "script":
		if attribute(n, "src") == "" {
			t.Errorf("%s: inline script", page)
		}
	case "style":
		t.Errorf("%s: inline style", page)
	case "input", "select", "textarea":
		if attribute(n, "type") == "hidden" || has(n, "aria-label") || labels[attribute(n, "id")] || within(n, "label") {
			return
		}
		t.Errorf("%s: control %q has no label", page, attribute(n, "name"))
	case "button", "a":
		if words(n) == "" && attribute(n, "aria-label") == "" {
			t.Errorf("%s: <%s> without a name", page, n.Data)
		}
	}
}

func within(n *html.Node, tag string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == tag {
			return true
		}
	}
	return false
}

// A link in the navigation leads to a page that exists.
func TestLinksLeadSomewhere(t *testing.T) {
	d := newDesk(t).signIn(webtest.Clerk)
	seen := map[string]bool{}
	for _, page := range []string{"/", "/messages", d.message(event.Bounced, "Besichtigung"), d.message(event.Bounced, "Besichtigung") + "/content"} {
		each(d.get(page).document(t), func(n *html.Node) {
			for _, name := range []string{"href", "src", "action"} {
				if link := attribute(n, name); strings.HasPrefix(link, "/") && attribute(n, "method") == "" {
					seen[link] = true
				}
			}
		})
	}
	for link := range seen {
		if a := d.get(link); a.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", link, a.StatusCode)
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d links found", len(seen))
	}
}

func TestForeignMessagesDoNotExist(t *testing.T) {
	d := newDesk(t)
	foreign := d.message(event.Delivered, "Piet")
	d.signIn(webtest.Stranger)
	for _, rt := range web.Routes() {
		if !strings.Contains(rt.Pattern, "{id}") {
			continue
		}
		method, pattern, _ := strings.Cut(rt.Pattern, " ")
		for _, message := range []string{foreign, "/messages/" + message.NewID(d.world.Now()).String(), "/messages/msg_x", "/messages/%00"} {
			r := d.request(method, strings.ReplaceAll(pattern, "/messages/{id}", message), strings.NewReader("do=cancel"))
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if a := d.do(r); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s: status %d", rt.Pattern, message, a.StatusCode)
			}
		}
	}
	if n := len(d.world.Commanded()); n != 0 {
		t.Errorf("%d commands reached the queue", n)
	}
	a := d.get("/messages/new?again=" + strings.TrimPrefix(foreign, "/messages/"))
	if a.StatusCode != http.StatusNotFound {
		t.Errorf("sending a foreign message again: status %d", a.StatusCode)
	}
}
