package webtest

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Find is the first element of a tag, nil if there is none.
func Find(n *html.Node, tag string) *html.Node {
	var found *html.Node
	Each(n, func(e *html.Node) {
		if e.Data == tag && found == nil {
			found = e
		}
	})
	return found
}

// CheckDocument holds what a page must have whatever it says.
func CheckDocument(t *testing.T, page string, doc *html.Node) {
	t.Helper()
	ids, labels, headings := map[string]bool{}, map[string]bool{}, 0
	Each(doc, func(n *html.Node) {
		if id := Attribute(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("%s: id %q twice", page, id)
			}
			ids[id] = true
		}
		if n.Data == "label" {
			labels[Attribute(n, "for")] = true
		}
		if n.Data == "h1" {
			headings++
		}
	})
	if headings != 1 {
		t.Errorf("%s: %d main headings", page, headings)
	}
	if title := Find(doc, "title"); title == nil || strings.HasPrefix(strings.TrimSpace(Words(title)), "·") {
		t.Errorf("%s: no title", page)
	}
	Each(doc, func(n *html.Node) {
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
		if Attribute(n, "src") == "" {
			t.Errorf("%s: inline script", page)
		}
	case "style":
		t.Errorf("%s: inline style", page)
	case "input", "select", "textarea":
		if Attribute(n, "type") == "hidden" || Has(n, "aria-label") || labels[Attribute(n, "id")] || Within(n, "label") {
			return
		}
		t.Errorf("%s: control %q has no label", page, Attribute(n, "name"))
	case "button", "a":
		if Words(n) == "" && Attribute(n, "aria-label") == "" {
			t.Errorf("%s: <%s> without a name", page, n.Data)
		}
	}
}

// Within reports whether an element lies in one of a tag.
func Within(n *html.Node, tag string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == tag {
			return true
		}
	}
	return false
}

// Hidden is the value of a hidden field, "" if there is none.
func Hidden(n *html.Node, name string) (value string) {
	Each(n, func(e *html.Node) {
		if e.Data == "input" && Attribute(e, "type") == "hidden" && Attribute(e, "name") == name {
			value = Attribute(e, "value")
		}
	})
	return value
}
