package tracking

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// optOut is the attribute by which a sender keeps a link as it is; it is taken out.
const optOut = "data-stafette-track"

const (
	maxHTML   = 4 << 20 // bytes; longer HTML is left alone
	maxLinks  = 500     // of one message; further ones are left alone
	maxTarget = 2048    // bytes
	maxLabel  = 120     // characters
)

// anchor is the start tag of a link in HTML: where it lies, and its parts within.
type anchor struct {
	start, end int // of the tag
	href       span
	quoted     bool
	target     string
	off        bool   // the sender wants it left alone
	drop       []span // attributes that are taken out, with the space before them
	label      strings.Builder
}

type span struct{ start, end int }

// page is HTML taken apart as far as weaving needs it.
type page struct {
	text    []byte
	anchors []*anchor
	end     int // where a picture goes: before the last </body>, else </html>, else the end
}

// readPage takes HTML apart with a tokenizer: it is never rendered anew, since that would
// change what senders wrote for the oddities of mail programs. ok is false where the
// tokens do not add up to the text.
func readPage(text []byte) (p page, ok bool) {
	p = page{text: text, end: len(text)}
	z := html.NewTokenizer(bytes.NewReader(text))
	at, closing := 0, -1
	var open *anchor
	for {
		kind := z.Next()
		raw := z.Raw()
		if !bytes.HasPrefix(text[at:], raw) {
			return p, false
		}
		if kind == html.ErrorToken {
			break
		}
		end := at + len(raw)
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			open = p.start(z, raw, at, open)
		case html.EndTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "a":
				open = nil
			case "body":
				p.end, closing = at, at
			case "html":
				if closing < 0 {
					p.end = at
				}
			}
		case html.TextToken:
			if open != nil && open.label.Len() < 8*maxLabel {
				open.label.Write(z.Text())
			}
		}
		at = end
	}
	return p, true
}

// start takes a start tag in, and returns the link that text belongs to now.
func (p *page) start(z *html.Tokenizer, raw []byte, at int, open *anchor) *anchor {
	name, more := z.TagName()
	tag := string(name)
	if tag != "a" && tag != "area" {
		return open
	}
	var attrs []html.Attribute
	for more {
		var key, val []byte
		key, val, more = z.TagAttr()
		attrs = append(attrs, html.Attribute{Key: string(key), Val: string(val)})
	}
	a := &anchor{start: at, end: at + len(raw)}
	if !a.read(raw, len(name), attrs) {
		return nil
	}
	p.anchors = append(p.anchors, a)
	if tag == "area" {
		return open
	}
	return a
}

// read finds the attributes in the tag. It reports false where what is found is not what
// the tokenizer saw: such a tag is left alone.
func (a *anchor) read(raw []byte, name int, attrs []html.Attribute) bool {
	list := scanAttributes(raw, 1+name)
	if len(list) != len(attrs) {
		return false
	}
	seen := false
	for i, v := range list {
		key := strings.ToLower(string(raw[v.name.start:v.name.end]))
		if key != attrs[i].Key {
			return false
		}
		switch {
		case key == optOut:
			a.off = a.off || strings.EqualFold(strings.TrimSpace(attrs[i].Val), "off")
			a.drop = append(a.drop, span{a.start + v.all.start, a.start + v.all.end})
		case key == "href" && !seen: // a second one counts for nothing
			seen = true
			a.href, a.quoted = span{a.start + v.value.start, a.start + v.value.end}, v.quoted
			a.target = strings.TrimSpace(attrs[i].Val)
		}
	}
	return seen || len(a.drop) > 0
}

// attribute is where one lies in a tag.
type attribute struct {
	all, name, value span // all begins with the white space before
	quoted           bool
}

// scanAttributes finds the attributes of a tag as HTML, 13.2.5.32 to 13.2.5.39 has it.
func scanAttributes(tag []byte, at int) []attribute {
	space := func(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }
	var list []attribute
	for {
		v := attribute{all: span{start: at}}
		for at < len(tag) && (space(tag[at]) || tag[at] == '/') {
			at++
		}
		if at >= len(tag) || tag[at] == '>' {
			return list
		}
		v.name.start = at
		if tag[at] == '=' {
			at++
		}
		for at < len(tag) && !space(tag[at]) && tag[at] != '/' && tag[at] != '>' && tag[at] != '=' {
			at++
		}
		v.name.end = at
		v.value = span{at, at}
		next := at
		for next < len(tag) && space(tag[next]) {
			next++
		}
		if next < len(tag) && tag[next] == '=' {
			at = next + 1
			for at < len(tag) && space(tag[at]) {
				at++
			}
			at = v.readValue(tag, at, space)
		}
		v.all.end = at
		list = append(list, v)
	}
}

// readValue finds the value that begins at a place, and returns where to go on.
func (v *attribute) readValue(tag []byte, at int, space func(byte) bool) int {
	v.value = span{at, at}
	if at >= len(tag) || tag[at] == '>' {
		return at
	}
	if q := tag[at]; q == '"' || q == '\'' {
		v.quoted = true
		end := bytes.IndexByte(tag[at+1:], q)
		if end < 0 {
			end = len(tag) - at - 1
		}
		v.value = span{at + 1, at + 1 + end}
		return min(at+2+end, len(tag))
	}
	for at < len(tag) && !space(tag[at]) && tag[at] != '>' {
		at++
	}
	v.value.end = at
	return at
}

// untouched are words in a link's address or text that say it serves the recipient's
// rights or the sender's duties: such links are left alone.
func untouched() []string {
	return []string{"unsubscribe", "abmeld", "abbestell", "austragen", "opt-out", "optout", "impressum", "imprint", "legal-notice",
		"datenschutz", "privacy", "widerruf", "withdraw"}
}

// traceable returns the target of a link if its being followed may be told.
func (a *anchor) traceable(keep []string) (Link, bool) {
	if a.off || a.target == "" || len(a.target) > maxTarget || strings.ContainsFunc(a.target, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return Link{}, false
	}
	u, err := url.Parse(a.target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return Link{}, false
	}
	label := strings.Join(strings.Fields(html.UnescapeString(strings.ToValidUTF8(a.label.String(), "\uFFFD"))), " ")
	said := strings.ToLower(label + " " + u.Path + " " + u.RawQuery)
	if slices.ContainsFunc(untouched(), func(word string) bool { return strings.Contains(said, word) }) || slices.Contains(keep, a.target) {
		return Link{}, false
	}
	if r := []rune(label); len(r) > maxLabel {
		label = string(r[:maxLabel-1]) + "…"
	}
	return Link{Target: a.target, Label: label}, true
}

// edit replaces one span of a text.
type edit struct {
	span
	with string
}

// apply makes the edits, which are in order and do not overlap.
func apply(text []byte, list []edit) []byte {
	var b bytes.Buffer
	at := 0
	for _, e := range list {
		b.Write(text[at:e.start])
		b.WriteString(e.with)
		at = e.end
	}
	b.Write(text[at:])
	return b.Bytes()
}
