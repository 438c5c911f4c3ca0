package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
)

const (
	maxDepth   = 64  // of elements in each other
	maxParsed  = 500 // entries that are looked at
	maxTitle   = 200 // characters
	maxExcerpt = 400
	maxLink    = 2000     // bytes
	maxKept    = 64 << 10 // bytes of one field
)

const (
	atomSpace    = "http://www.w3.org/2005/Atom"
	contentSpace = "http://purl.org/rss/1.0/modules/content/"
	dublinSpace  = "http://purl.org/dc/elements/1.1/"
	rdfSpace     = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	rss1Space    = "http://purl.org/rss/1.0/"
)

// errNoFeed is what is neither RSS nor Atom, or breaks the rules of XML.
var errNoFeed = errors.New("not a feed")

// Parse reads a feed (RSS 2.0, RSS 1.0, Atom 1.0 as of RFC 4287) that lies at an address: its entries
// from new to old if all have a date, else in their order; each identifier once, at most 500.
// Titles and excerpts are plain text without control characters, links absolute. Entities that
// a document declares are not expanded: they are an error.
func Parse(page []byte, base *url.URL) ([]Entry, error) {
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Entity, d.CharsetReader = xml.HTMLEntity, charset.NewReaderLabel
	r := reader{base: base}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errNoFeed
		}
		switch t := token.(type) {
		case xml.StartElement:
			if !r.open(t) {
				return nil, errNoFeed
			}
		case xml.EndElement:
			r.close(t)
		case xml.CharData:
			if r.field != "" && r.text.Len() < maxKept {
				r.text.Write(t)
			}
		}
	}
	if !r.feed {
		return nil, errNoFeed
	}
	dated := !slices.ContainsFunc(r.list, func(e Entry) bool { return e.At.IsZero() })
	if dated {
		slices.SortStableFunc(r.list, func(a, b Entry) int { return b.At.Compare(a.At) })
	}
	return r.list, nil
}

// reader takes entries out of a document, element by element.
type reader struct {
	base  *url.URL
	feed  bool // the outermost element is that of a feed
	depth int
	entry int // depth of the entry that is open; 0: none
	// field is the one that is read, at its depth, and typ its type in Atom.
	field, typ string
	at         int
	text       strings.Builder
	fields     map[string]string
	list       []Entry
	seen       map[Hash]bool
}

// open reports whether the document may still be a feed.
func (r *reader) open(t xml.StartElement) bool {
	r.depth++
	name, atom := t.Name.Local, t.Name.Space == atomSpace
	switch {
	case r.depth > maxDepth:
		return false
	case r.depth == 1:
		r.feed = name == "rss" && t.Name.Space == "" || name == "feed" && atom || name == "RDF" && t.Name.Space == rdfSpace
		return r.feed
	case r.entry == 0:
		if name == "item" && (t.Name.Space == "" || t.Name.Space == rss1Space) || name == "entry" && atom {
			r.entry, r.fields = r.depth, map[string]string{}
			if t.Name.Space == rss1Space {
				r.set("id", attrOf(t, rdfSpace, "about"))
			}
		}
	case r.field == "" && r.depth == r.entry+1:
		r.begin(t)
	}
	return true
}

func attr(t xml.StartElement, name string) string { return attrOf(t, "", name) }

func attrOf(t xml.StartElement, space, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name && a.Name.Space == space {
			return a.Value
		}
	}
	return ""
}

// begin starts to read a child of an entry if it is one we know.
func (r *reader) begin(t xml.StartElement) {
	name := t.Name.Local
	switch t.Name.Space {
	case atomSpace:
		if rel := attr(t, "rel"); name == "link" {
			if rel == "" || rel == "alternate" {
				r.set("link", attr(t, "href"))
			}
			return
		}
		r.typ = attr(t, "type")
	case "":
		r.typ = "html"
		if name == "guid" && attr(t, "isPermaLink") == "false" {
			name = "id"
		}
	case contentSpace, rss1Space:
		r.typ = "html"
	case dublinSpace:
		if name != "date" {
			return
		}
	default:
		return
	}
	switch name {
	case "title", "link", "guid", "id", "description", "summary", "content", "encoded", "pubDate", "date", "published", "updated":
		r.field, r.at = name, r.depth
		r.text.Reset()
	}
}

// set keeps the first value of a field.
func (r *reader) set(field, value string) {
	if value = strings.TrimSpace(value); value != "" && r.fields[field] == "" {
		r.fields[field] = value
	}
}

func (r *reader) close(xml.EndElement) {
	if r.field != "" && r.depth == r.at {
		text := r.text.String()
		switch r.field {
		case "title", "description", "summary", "content", "encoded":
			if r.typ == "html" {
				text = textOf(text)
			}
			text = flat(text)
		}
		r.set(r.field, text)
		r.field = ""
	}
	if r.entry != 0 && r.depth == r.entry {
		r.entry = 0
		r.keep()
	}
	r.depth--
}

// keep adds the entry that was read, unless it says nothing or is there already.
func (r *reader) keep() {
	f := r.fields
	first := func(names ...string) string {
		for _, name := range names {
			if f[name] != "" {
				return f[name]
			}
		}
		return ""
	}
	e := Entry{Title: first("title"), Excerpt: cut(first("description", "summary", "encoded", "content"), maxExcerpt), Link: r.link(first("link"))}
	if guid := f["guid"]; e.Link == "" && strings.HasPrefix(guid, "http") {
		e.Link = r.link(guid)
	}
	if e.Title == "" {
		e.Title = e.Excerpt
	}
	e.Title = cut(e.Title, maxTitle)
	for _, name := range []string{"published", "pubDate", "updated", "date"} {
		if e.At = date(f[name]); !e.At.IsZero() {
			break
		}
	}
	name := first("guid", "id")
	if name == "" {
		name = e.Link
	}
	if name == "" {
		name = e.Title
	}
	e.Hash = sha256.Sum256([]byte(name))
	if e.Title == "" || len(r.list) >= maxParsed || r.seen[e.Hash] {
		return
	}
	if r.seen == nil {
		r.seen = map[Hash]bool{}
	}
	r.seen[e.Hash] = true
	r.list = append(r.list, e)
}

// link is an address as it may stand in a mail, "" for what is none.
func (r *reader) link(text string) string {
	u, err := r.base.Parse(text)
	if text == "" || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	if text = u.String(); len(text) > maxLink || strings.ContainsAny(text, "{}") {
		return ""
	}
	return text
}

// date reads the dates of RFC 822 (with years of four digits) and RFC 3339; zero for others.
func date(text string) time.Time {
	for _, layout := range []string{time.RFC3339, time.RFC1123Z, time.RFC1123, "Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST",
		"2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04 -0700", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil && at.Year() > 1970 && at.Year() < 3000 {
			return at.UTC()
		}
	}
	return time.Time{}
}

// textOf is what of HTML people read.
func textOf(source string) string {
	var b strings.Builder
	mute := ""
	for z := html.NewTokenizer(strings.NewReader(source)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if mute == "" {
				b.Write(z.Text())
			}
		case html.StartTagToken:
			name, _ := z.TagName()
			if n := string(name); mute == "" && (n == "script" || n == "style" || n == "template") {
				mute = n
			}
			apart(&b, name)
		case html.EndTagToken:
			name, _ := z.TagName()
			if mute == string(name) {
				mute = ""
			}
			apart(&b, name)
		case html.SelfClosingTagToken:
			name, _ := z.TagName()
			apart(&b, name)
		}
	}
}

// apart keeps words of different paragraphs apart.
func apart(b *strings.Builder, name []byte) {
	switch string(name) {
	case "a", "b", "i", "em", "strong", "span", "code", "u", "sup", "sub", "abbr", "small", "mark":
	default:
		b.WriteByte(' ')
	}
}

// flat is a text on one line without signs that are not seen.
func flat(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d', r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return strings.Join(strings.Fields(text), " ")
}

// cut shortens a text to at most n characters, at a word where there is one.
func cut(text string, n int) string {
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	short := string(r[:n-1])
	if i := strings.LastIndexByte(short, ' '); i > len(short)/2 {
		short = short[:i]
	}
	return strings.TrimRight(short, " ,;:–-") + "…"
}
