package openimmo

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is an element: with children or with text, never with both.
type node struct {
	name       string
	text       string
	children   []*node
	attributes []string // names; no format has any
}

func parent(name string, children ...[]*node) *node {
	n := &node{name: name}
	for _, c := range children {
		n.children = append(n.children, c...)
	}
	return n
}

// must is an element that stands there even if it is empty.
func must(name, text string) []*node { return []*node{{name: name, text: text}} }

// may is an element that is left out if it is empty.
func may(name, text string) []*node {
	if text == "" {
		return nil
	}
	return must(name, text)
}

// each is an element for every text.
func each(name string, texts []string) (nodes []*node) {
	for _, t := range texts {
		nodes = append(nodes, &node{name: name, text: t})
	}
	return nodes
}

// first returns the first child of that name, nil if there is none. It may be asked of nil.
func (n *node) first(name string) *node {
	if n != nil {
		for _, c := range n.children {
			if c.name == name {
				return c
			}
		}
	}
	return nil
}

// get returns the text of the first child of that name.
func (n *node) get(name string) string {
	if c := n.first(name); c != nil {
		return c.text
	}
	return ""
}

// all returns the texts of all children of that name.
func (n *node) all(name string) (texts []string) {
	if n != nil {
		for _, c := range n.children {
			if c.name == name {
				texts = append(texts, c.text)
			}
		}
	}
	return texts
}

func (n *node) equal(m *node) bool {
	if n.name != m.name || n.text != m.text || len(n.children) != len(m.children) {
		return false
	}
	for i := range n.children {
		if !n.children[i].equal(m.children[i]) {
			return false
		}
	}
	return true
}

// unwritable lists the texts that no XML 1.0 document can hold (section 2.2): they are
// refused, never cleaned silently. Carriage returns are among them: every parser would
// change them (section 2.11), and texts here end their lines with line feeds.
func unwritable(n *node, path string) (problems []Problem) {
	path = strings.TrimPrefix(path+"/"+n.name, "/")
	if !utf8.ValidString(n.text) {
		return []Problem{{path, "character", "the text is not UTF-8"}}
	}
	for _, r := range n.text {
		if !isChar(r) {
			return []Problem{{path, "character", fmt.Sprintf("XML cannot hold the character %U", r)}}
		}
	}
	for _, c := range n.children {
		problems = append(problems, unwritable(c, path)...)
	}
	return problems
}

func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
}

// document writes the tree with its declaration.
func (n *node) document(e Encoding) []byte {
	var b []byte
	b = fmt.Appendf(b, "<?xml version=\"1.0\" encoding=\"%s\"?>\n", e)
	return n.append(b, e, "")
}

func (n *node) append(b []byte, e Encoding, indent string) []byte {
	b = append(b, indent...)
	b = append(b, '<')
	b = append(b, n.name...)
	b = append(b, '>')
	if len(n.children) > 0 {
		b = append(b, '\n')
		for _, c := range n.children {
			b = c.append(b, e, indent+"  ")
		}
		b = append(b, indent...)
	} else {
		for _, r := range n.text {
			b = appendRune(b, r, e)
		}
	}
	b = append(b, "</"...)
	b = append(b, n.name...)
	return append(b, ">\n"...)
}

func appendRune(b []byte, r rune, e Encoding) []byte {
	switch r {
	case '&':
		return append(b, "&amp;"...)
	case '<':
		return append(b, "&lt;"...)
	case '>':
		return append(b, "&gt;"...)
	}
	switch {
	case r < 0x7f:
		return append(b, byte(r))
	// Many readers take ISO-8859-1 for Windows-1252, which differs between 0x80 and 0x9f.
	case r < 0xa0 || e == Latin1 && r > 0xff:
		b = append(b, "&#"...)
		b = strconv.AppendInt(b, int64(r), 10)
		return append(b, ';')
	case e == Latin1:
		return append(b, byte(r))
	}
	return utf8.AppendRune(b, r)
}
