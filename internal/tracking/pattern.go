package tracking

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"stafette/internal/message"
)

// Pattern is the HTML of a form letter woven once for all of its mails: what is the same in
// each, and between it where the values and addresses of one mail go. It is read-only.
type Pattern struct {
	level  Level
	pieces []piece
	fixed  int // bytes of all that is the same
}

// piece is text that is the same in all mails, and what follows it.
type piece struct {
	text string
	// Of what follows one is set, or none at the end: value counts from 1, purpose is that of
	// an address, whose number is that of its link.
	value   int
	purpose Purpose
	number  uint16
}

// hole stands around what is put in for an address while a pattern is made. A form that has
// one has no pattern; no mail may bear it.
const hole = "\x00"

// Pattern weaves the HTML of a form at a level that Common knows the links of. Each of words
// stands in the form in the place of a variable, each has mark in it, and none begins with
// another. The values that will stand there must be escaped for HTML. There is no pattern
// where a value could change how the HTML around it is read.
func (w *Weaver) Pattern(level Level, form Markup, mark string, words []string) (*Pattern, bool) {
	if level <= None || strings.Contains(form.HTML, hole) || !steady([]byte(form.HTML), mark) {
		return nil, false
	}
	v := w.weaving(context.Background(), Mail{Recipients: make([]message.Address, 1)}, level)
	v.keep, v.pattern = form.Keep, true
	text, _ := v.leaf(message.Leaf{ContentType: "text/html", Decoded: true, Bytes: []byte(form.HTML)})
	if v.rule != "" {
		return nil, false
	}
	p := &Pattern{level: level}
	for i, part := range strings.Split(string(text), hole) {
		if i%2 == 0 {
			p.values(part, words)
			continue
		}
		number, err := strconv.ParseUint(part[1:], 10, 16)
		if err != nil {
			return nil, false
		}
		last := &p.pieces[len(p.pieces)-1]
		last.purpose, last.number = Purpose(part[0]), uint16(number)
	}
	for _, f := range p.pieces {
		if strings.Contains(f.text, mark) {
			return nil, false
		}
		p.fixed += len(f.text)
	}
	return p, true
}

// values cuts a text at the words that stand for values.
func (p *Pattern) values(text string, words []string) {
	for {
		first, which := len(text), 0
		for i, word := range words {
			if at := strings.Index(text, word); at >= 0 && at < first {
				first, which = at, i+1
			}
		}
		p.pieces = append(p.pieces, piece{text: text[:first], value: which})
		if which == 0 {
			return
		}
		text = text[first+len(words[which-1]):]
	}
}

// steady reports whether variables stand only where a value, escaped, leaves everything
// around it as it is read: in text without a loose "<" and in quoted values of attributes.
func steady(text []byte, mark string) bool {
	z := html.NewTokenizer(bytes.NewReader(text))
	for {
		kind := z.Next()
		raw := z.Raw()
		marks := bytes.Count(raw, []byte(mark))
		switch {
		case kind == html.ErrorToken:
			return marks == 0
		case marks == 0:
		case kind == html.TextToken:
			if bytes.IndexByte(raw, '<') >= 0 {
				return false
			}
		case kind == html.StartTagToken, kind == html.SelfClosingTagToken:
			if !quotedMarks(bytes.Clone(raw), z.Token(), mark, marks) {
				return false
			}
		default:
			return false
		}
	}
}

// quotedMarks reports whether all of the marks in a tag stand in quoted values.
func quotedMarks(raw []byte, t html.Token, mark string, marks int) bool {
	list := scanAttributes(raw, 1+len(t.Data))
	if len(list) != len(t.Attr) {
		return false
	}
	for _, a := range list {
		if a.quoted {
			marks -= bytes.Count(raw[a.value.start:a.value.end], []byte(mark))
		}
	}
	return marks == 0
}

// Fill is what Again makes of the HTML of one mail, made of the pattern of its form: values
// are what stands in the place of the words, in their order, escaped. ok is false where the
// long way must be gone.
func (w *Weaver) Fill(ctx context.Context, m Mail, p *Pattern, values []string) (text string, ok bool) {
	if len(m.Recipients) != 1 {
		return "", false
	}
	v := w.weaving(ctx, m, p.level)
	size := p.fixed
	for _, f := range p.pieces {
		switch {
		case f.value > 0:
			size += len(values[f.value-1])
		case f.purpose != 0:
			size += len(v.base) + len(v.public) + len(ConsentPath) + TokenLength
		}
	}
	var b strings.Builder
	b.Grow(size)
	for _, f := range p.pieces {
		b.WriteString(f.text)
		switch {
		case f.value > 0:
			b.WriteString(values[f.value-1])
		case f.purpose != 0:
			b.WriteString(v.address(f.purpose, f.number))
		}
	}
	text = b.String()
	return text, !strings.Contains(text, armour)
}
