package template

import (
	"html"
	"strings"
)

// kind says what a token is.
type kind byte

const (
	literal kind = iota
	value        // {{x}}, {{&x}}, {{{x}}}
	open         // {{#x}}
	other        // {{else}}, {{else if x}}, {{^}}
	closing      // {{/x}}
	comment
	part   // {{> x}}
	layout // {{#> x}}
)

// token is a piece of text, or a tag without its braces.
type token struct {
	kind kind
	text string
	raw  bool // {{{x}}} and {{&x}}
	line int
	// at and end are where it stands in the source.
	at, end int
	// trimLeft and trimRight are the signs ~ of a tag: white space before and behind it goes.
	trimLeft, trimRight bool
}

// scan cuts a source into text and tags.
func scan(src string) ([]token, error) {
	if len(src) > MaxSource {
		return nil, refuse(1, CodeSize, "")
	}
	var list []token
	line, at := 1, 0
	for at < len(src) {
		i := strings.Index(src[at:], "{{")
		if i < 0 {
			break
		}
		start := at + i
		if start > at && src[start-1] == '\\' {
			// \{{ is text: the tag that is not one ends with the braces.
			list = append(list, token{text: src[at:start-1] + "{{", line: line, at: at, end: start + 2})
			line += strings.Count(src[at:start], "\n")
			at = start + 2
			continue
		}
		if start > at {
			list = append(list, token{text: src[at:start], line: line, at: at, end: start})
			line += strings.Count(src[at:start], "\n")
		}
		t, err := tag(src, start, line)
		if err != nil {
			return nil, err
		}
		line += strings.Count(src[start:t.end], "\n")
		list = append(list, t)
		at = t.end
	}
	if at < len(src) {
		list = append(list, token{text: src[at:], line: line, at: at, end: len(src)})
	}
	return list, nil
}

// tag reads the tag that begins at start.
func tag(src string, start, line int) (token, error) {
	t := token{kind: value, line: line, at: start}
	rest := src[start:]
	body := rest[2:]
	if strings.HasPrefix(body, "{{") {
		return t, refuse(line, CodeSyntax, "{{{{")
	}
	body, t.trimLeft = strings.CutPrefix(body, "~")
	ends := []string{"}}"}
	switch {
	case strings.HasPrefix(body, "{"):
		t.raw, body, ends = true, body[1:], []string{"}}}", "}~}}"}
	case strings.HasPrefix(body, "!--"):
		t.kind, ends = comment, []string{"--}}", "--~}}"}
	}
	i, width := -1, 0
	for _, end := range ends {
		if at := strings.Index(body, end); at >= 0 && (i < 0 || at < i) {
			i, width = at, len(end)
			t.trimRight = strings.Contains(end, "~")
		}
	}
	if i < 0 {
		return t, refuse(line, CodeSyntax, rest[:min(len(rest), 20)])
	}
	t.end = start + len(rest) - len(body) + i + width
	if t.kind == comment {
		return t, nil
	}
	body = body[:i]
	if !t.raw && strings.HasSuffix(body, "~") {
		t.trimRight, body = true, strings.TrimSuffix(body, "~")
	}
	return t.read(body)
}

// read tells by its first sign what the inside of a tag is.
func (t token) read(body string) (token, error) {
	// Editors of HTML leave entities and hard spaces in tags; names have neither.
	if strings.Contains(body, "&") && !strings.HasPrefix(strings.TrimSpace(body), "&") || strings.Contains(body, "&nbsp;") {
		body = html.UnescapeString(body)
	}
	body = strings.TrimSpace(strings.ReplaceAll(body, "\u00a0", " "))
	if strings.ContainsAny(body, "{}") {
		return t, refuse(t.line, CodeSyntax, body)
	}
	cut := func(k kind, sign string) { t.kind, body = k, strings.TrimSpace(strings.TrimPrefix(body, sign)) }
	switch {
	case t.raw:
	case strings.HasPrefix(body, "!"):
		t.kind = comment
	case strings.HasPrefix(body, "#>"):
		cut(layout, "#>")
	case strings.HasPrefix(body, "#"):
		cut(open, "#")
	case strings.HasPrefix(body, "/"):
		cut(closing, "/")
	case strings.HasPrefix(body, ">"):
		cut(part, ">")
	case body == "^" || body == "else":
		t.kind, body = other, ""
	case strings.HasPrefix(body, "else "):
		cut(other, "else")
	case strings.HasPrefix(body, "&"):
		cut(value, "&")
		t.raw = true
	case strings.HasPrefix(body, "^"), strings.HasPrefix(body, "*"):
		return t, refuse(t.line, CodeSyntax, body)
	}
	t.text = body
	return t, nil
}

// standalone takes away the white space that Handlebars takes away: around ~, and the
// rest of a line on which nothing but a block's tag or a comment stands.
func standalone(list []token) []token {
	alone := make([]bool, len(list))
	for i, t := range list {
		if t.kind == literal || t.kind == value {
			continue
		}
		before := i == 0 || list[i-1].kind == literal && endsLine(list[i-1].text, i == 1)
		behind := i == len(list)-1 || list[i+1].kind == literal && beginsLine(list[i+1].text, i == len(list)-2)
		alone[i] = before && behind
	}
	for i, t := range list {
		if t.kind == literal {
			continue
		}
		if i > 0 && list[i-1].kind == literal {
			if t.trimLeft {
				list[i-1].text = strings.TrimRight(list[i-1].text, " \t\r\n")
			} else if alone[i] {
				list[i-1].text = strings.TrimRight(list[i-1].text, " \t")
			}
		}
		if i+1 < len(list) && list[i+1].kind == literal {
			if t.trimRight {
				list[i+1].text = strings.TrimLeft(list[i+1].text, " \t\r\n")
			} else if alone[i] {
				rest := strings.TrimLeft(list[i+1].text, " \t")
				list[i+1].text = strings.TrimPrefix(strings.TrimPrefix(rest, "\r"), "\n")
			}
		}
	}
	return list
}

// endsLine tells whether only white space stands behind the last line break of s.
func endsLine(s string, first bool) bool {
	s = strings.TrimRight(s, " \t")
	return s == "" && first || strings.HasSuffix(s, "\n")
}

// beginsLine tells whether only white space stands before the first line break of s.
func beginsLine(s string, last bool) bool {
	s = strings.TrimPrefix(strings.TrimLeft(s, " \t"), "\r")
	return s == "" && last || strings.HasPrefix(s, "\n")
}
