package messages

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// previewStyle is what mail programs begin with; the message's own styles win.
const previewStyle = "<!doctype html><style>body{font:14px/1.45 sans-serif;margin:16px}</style>"

// tame rewrites foreign HTML for the preview. The frame's policy already forbids
// scripts, forms and every fetch; what a policy cannot forbid is taken out here:
// going elsewhere (meta refresh, links, base) and frames within the frame. Pictures
// named by content ID become data URLs; all other addresses lose their effect.
func tame(source string, pictures map[string]string) ([]byte, error) {
	doc, err := html.Parse(strings.NewReader(source))
	if err != nil {
		return nil, fmt.Errorf("parse HTML: %w", err)
	}
	tameNode(doc, pictures)
	var b bytes.Buffer
	b.WriteString(previewStyle)
	if err := html.Render(&b, doc); err != nil {
		return nil, fmt.Errorf("render HTML: %w", err)
	}
	return b.Bytes(), nil
}

func tameNode(n *html.Node, pictures map[string]string) {
	for child := n.FirstChild; child != nil; {
		next := child.NextSibling
		if child.Type == html.ElementNode && dropped(child) {
			n.RemoveChild(child)
		} else {
			tameAttributes(child, pictures)
			tameNode(child, pictures)
		}
		child = next
	}
}

func dropped(n *html.Node) bool {
	if n.Namespace != "" {
		return true // SVG and MathML bring links and handlers of their own
	}
	switch n.DataAtom {
	case atom.Script, atom.Noscript, atom.Base, atom.Meta, atom.Link, atom.Iframe, atom.Frame, atom.Frameset,
		atom.Object, atom.Embed, atom.Applet, atom.Template, atom.Audio, atom.Video, atom.Source,
		atom.Input, atom.Button, atom.Select, atom.Textarea, atom.Dialog:
		return true
	}
	return strings.Contains(n.Data, "-") || n.Data == "fencedframe" || n.Data == "portal"
}

func tameAttributes(n *html.Node, pictures map[string]string) {
	kept := n.Attr[:0]
	for _, a := range n.Attr {
		key := strings.ToLower(a.Key)
		switch {
		case strings.HasPrefix(key, "on"), a.Namespace != "":
		case key == "src" && n.DataAtom == atom.Img:
			cid, ok := strings.CutPrefix(a.Val, "cid:")
			if url := pictures[cid]; ok && url != "" {
				kept = append(kept, html.Attribute{Key: "src", Val: url})
			}
		case key == "href" && n.DataAtom == atom.A:
			// The reader sees where the link would lead; it leads nowhere from here.
			kept = append(kept, html.Attribute{Key: "title", Val: a.Val})
		case addressAttribute(key):
		default:
			kept = append(kept, a)
		}
	}
	n.Attr = kept
}

func addressAttribute(key string) bool {
	switch key {
	case "href", "src", "srcset", "srcdoc", "action", "formaction", "background", "poster", "ping",
		"data", "codebase", "cite", "longdesc", "usemap", "target", "manifest", "xmlns", "popovertarget",
		"autofocus", "http-equiv", "is", "slot", "attributionsrc", "imagesrcset", "lowsrc", "dynsrc":
		return true
	}
	return false
}
