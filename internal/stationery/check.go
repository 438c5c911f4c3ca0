package stationery

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"stafette/internal/template/blocks"
)

// Clip is the size of HTML in bytes above which Gmail cuts a mail off.
const Clip = 102 * 1024

// Finding is something to look at before a template is sent to many.
type Finding struct {
	// Kind is one of the kinds below; the catalogue has "templates.finding.<kind>".
	Kind string
	// What names the place: an address, a variable, a size; "" where Kind says it all.
	What string
	// Grave findings must be put right before a mailing is sent.
	Grave bool
}

// The kinds of finding.
const (
	FindLeave    = "leave"    // no way to unsubscribe
	FindImprint  = "imprint"  // neither the imprint's variable nor the word
	FindAlt      = "alt"      // a picture without alternative text
	FindSize     = "size"     // Gmail cuts it off
	FindLink     = "link"     // a link without https, without host, or to nowhere
	FindRaw      = "raw"      // a variable that is put in unescaped
	FindSubject  = "subject"  // longer than phones show
	FindContrast = "contrast" // the brand's colour is hard to read on paper
	FindText     = "text"     // no plain text of its own
)

// subjectShown is how many characters of a subject a phone shows.
const subjectShown = 60

// Check looks at what a version becomes, filled with a sample: mail. It opens no
// connections; whether links are answered is not asked.
func Check(v Version, mail Rendered, brand blocks.Brand) (list []Finding) {
	add := func(grave bool, kind, what string) {
		if f := (Finding{kind, what, grave}); !slices.Contains(list, f) && len(list) < 50 {
			list = append(list, f)
		}
	}
	if !slices.Contains(v.Variables, blocks.UnsubscribeVariable) {
		add(true, FindLeave, "{{"+blocks.UnsubscribeVariable+"}}")
	}
	if !slices.Contains(v.Variables, blocks.ImprintVariable) && !strings.Contains(strings.ToLower(mail.HTML), "impressum") && !strings.Contains(strings.ToLower(mail.HTML), "imprint") {
		add(true, FindImprint, "{{"+blocks.ImprintVariable+"}}")
	}
	if n := len(mail.HTML); n > Clip {
		add(false, FindSize, "")
	}
	if len([]rune(mail.Subject)) > subjectShown {
		add(false, FindSubject, "")
	}
	if strings.Contains(v.HTML, "{{{") || strings.Contains(v.HTML, "{{&") {
		add(false, FindRaw, "{{{")
	}
	if mail.Text == "" {
		add(false, FindText, "")
	}
	if v.Source.Mode == Blocks && brand.Colour != "" && blocks.Contrast(brand.Colour, "#ffffff") < 4.5 {
		add(false, FindContrast, brand.Colour)
	}
	elements(mail.HTML, func(name string, attributes map[string]string) {
		switch name {
		case "img":
			if alt, ok := attributes["alt"]; !ok && attributes["src"] != "" {
				add(false, FindAlt, attributes["src"])
			} else if strings.TrimSpace(alt) == "" && attributes["width"] != "1" && v.Source.Mode == Blocks {
				add(false, FindAlt, attributes["src"])
			}
		case "a":
			if href, ok := attributes["href"]; ok && !reachable(href) {
				add(false, FindLink, href)
			}
		}
	})
	return list
}

// reachable tells whether a link can lead anywhere. What Sample put into it is not known
// before the mail is sent.
func reachable(href string) bool {
	if href == "" || strings.Contains(href, "‹") {
		return true
	}
	u, err := url.Parse(href)
	switch {
	case err != nil:
		return false
	case u.Scheme == "mailto" || u.Scheme == "tel":
		return u.Opaque != ""
	}
	return u.Scheme == "https" && u.Host != ""
}

// elements calls each for every element that may be a picture or a link.
func elements(page string, each func(name string, attributes map[string]string)) {
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			if s := string(name); s != "img" && s != "a" {
				continue
			}
			tag, attributes := string(name), map[string]string{}
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				attributes[string(key)] = string(value)
			}
			each(tag, attributes)
		}
	}
}

// Sample makes data of variables: each shows its own name, lists have two elements.
func Sample(variables []string) map[string]any {
	data := map[string]any{}
	for _, path := range variables {
		put(data, strings.Split(path, "."), path)
	}
	return data
}

func put(into map[string]any, path []string, whole string) {
	name, list := strings.CutSuffix(path[0], "[]")
	rest := path[1:]
	switch {
	case list && len(rest) == 0:
		into[name] = []any{"‹" + whole + "›"}
	case list:
		old, ok := into[name].([]any)
		if !ok {
			old = []any{map[string]any{}, map[string]any{}}
		}
		for _, one := range old {
			if m, ok := one.(map[string]any); ok {
				put(m, rest, whole)
			}
		}
		into[name] = old
	case len(rest) == 0:
		if _, there := into[name]; !there {
			into[name] = "‹" + whole + "›"
		}
	default:
		m, ok := into[name].(map[string]any)
		if !ok {
			m = map[string]any{}
			into[name] = m
		}
		put(m, rest, whole)
	}
}
