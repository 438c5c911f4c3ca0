package web_test

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/tenant"
	"stafette/internal/web/frame"
	"stafette/internal/web/webtest"
)

// formal hears a reader who is addressed with Sie. At the beginning of a sentence "Sie"
// and "Ihr" may be somebody else.
var formal = regexp.MustCompile(`[\p{L},;] (Sie|Ihnen|Ihre[mnrs]?|Ihr)\b`)

// Every page of an account that chose du says du.
func TestPagesSayDu(t *testing.T) {
	for _, email := range []string{webtest.Owner, webtest.Clerk} {
		d := webtest.Open(t)
		d.World.Tenant.OfficeTone, d.World.Tenant.Locale = tenant.Du, "de"
		d.SignIn(email)
		for _, path := range d.World.Pages(routes(t), frame.SignedIn) {
			if strings.HasPrefix(path, "/help") || strings.HasPrefix(path, "/hilfe") {
				continue // for everybody, also for who has no account
			}
			a := d.Get(path)
			for _, text := range spoken(a.Document(t)) {
				if m := formal.FindString(text); m != "" {
					t.Errorf("%s says %q: %.200s", path, m, text)
				}
			}
		}
	}
}

// spoken are the texts of a page in our own voice: without foreign words, what people
// typed, and what is there to be passed on to customers.
func spoken(doc *html.Node) []string {
	var list []string
	webtest.Each(doc, func(n *html.Node) {
		for _, name := range []string{"aria-label", "placeholder", "title"} {
			if text := webtest.Attribute(n, name); text != "" {
				list = append(list, text)
			}
		}
		switch n.Data {
		case "script", "style", "textarea", "pre", "code", "blockquote", "option":
			return
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type == html.TextNode && strings.TrimSpace(c.Data) != "" {
				list = append(list, strings.Join(strings.Fields(c.Data), " "))
			}
		}
	})
	return list
}
