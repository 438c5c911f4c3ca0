package tracking

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Common returns the links that all mails of a form letter have at a level, if they are the
// same in all of them. The form is its HTML with a word in the place of each variable, in
// each of which mark stands; Keep are the words that stand for our own pages. The values
// that will stand there must be escaped for HTML.
//
// They are the same where no variable stands in a link or its text, in the name of a tag or
// that of an attribute: what is escaped begins and ends no tag elsewhere.
func (w *Weaver) Common(level Level, form Markup, mark string) (links []Link, known bool) {
	text := []byte(form.HTML)
	p, ok := readPage(text)
	if !ok || !fixed(text, form.Keep, mark) {
		return nil, false
	}
	for _, a := range p.anchors {
		if strings.Contains(a.label.String(), mark) {
			return nil, false
		}
	}
	_, links, rule := w.page(context.Background(), Mail{}, level, form)
	return links, rule == ""
}

// fixed reports whether no variable stands where its value could change which links there
// are.
func fixed(text []byte, keep []string, mark string) bool {
	z := html.NewTokenizer(bytes.NewReader(text))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return true
		}
		if kind == html.TextToken || kind == html.CommentToken || !bytes.Contains(z.Raw(), []byte(mark)) {
			continue
		}
		t := z.Token()
		if kind == html.DoctypeToken || strings.Contains(t.Data, mark) {
			return false
		}
		link := t.Data == "a" || t.Data == "area"
		for _, a := range t.Attr {
			if strings.Contains(a.Key, mark) || link && strings.Contains(a.Val, mark) && (a.Key != "href" || !slices.Contains(keep, a.Val)) {
				return false
			}
		}
	}
}

// Annotate puts a sign into each link of HTML that would be counted, by its number as Weave
// gives them; what cannot be taken apart stays as it is. sign returns HTML.
func Annotate(m Markup, sign func(number int) string) string {
	p, ok := readPage([]byte(m.HTML))
	if !ok {
		return m.HTML
	}
	var list []edit
	for _, a := range p.anchors {
		if _, ok := a.traceable(m.Keep); ok && len(list) < maxLinks {
			list = append(list, edit{span{a.end, a.end}, sign(len(list) + 1)})
		}
	}
	return string(apply([]byte(m.HTML), list))
}
