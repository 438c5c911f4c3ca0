package i18n

import (
	"errors"
	"fmt"
	"strings"
)

// A pattern is a compiled text: the part of ICU MessageFormat that the copy deck
// uses, namely {name}, {name, plural, =0 {…} one {…} other {…}} with # for the
// number, and {name, select, value {…} other {…}}. Plural rules of German and
// English are the same: one is exactly 1.
type pattern []piece

type piece struct {
	text  string // literal, where name is ""
	name  string
	kind  string // "", "plural" or "select"
	cases map[string]pattern
}

var errUnclosed = errors.New("brace is not closed")

func compile(text string) (pattern, error) {
	p, rest, err := parse(text, false)
	if err == nil && rest != "" {
		err = fmt.Errorf("brace too many before %q", rest)
	}
	return p, err
}

// parse reads up to the end of text or, inside a case, up to its closing brace.
func parse(text string, inside bool) (pattern, string, error) {
	var p pattern
	for {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			if inside {
				return nil, "", errUnclosed
			}
			return p.literal(text), "", nil
		}
		p = p.literal(text[:i])
		if text[i] == '}' {
			if !inside {
				return p, text[i:], nil
			}
			return p, text[i+1:], nil
		}
		one, rest, err := parseArgument(text[i+1:])
		if err != nil {
			return nil, "", err
		}
		p, text = append(p, one), rest
	}
}

func (p pattern) literal(text string) pattern {
	if text == "" {
		return p
	}
	return append(p, piece{text: text})
}

// parseArgument reads what follows an opening brace.
func parseArgument(text string) (piece, string, error) {
	end := strings.IndexAny(text, ",}")
	if end < 0 {
		return piece{}, "", errUnclosed
	}
	one := piece{name: strings.TrimSpace(text[:end])}
	if !plainName(one.name) {
		return piece{}, "", fmt.Errorf("%q is no placeholder name", one.name)
	}
	if text[end] == '}' {
		return one, text[end+1:], nil
	}
	kind, rest, ok := strings.Cut(text[end+1:], ",")
	one.kind = strings.TrimSpace(kind)
	if !ok || one.kind != "plural" && one.kind != "select" {
		return piece{}, "", fmt.Errorf("{%s}: %q is neither plural nor select", one.name, one.kind)
	}
	return parseCases(one, rest)
}

func parseCases(one piece, text string) (piece, string, error) {
	one.cases = map[string]pattern{}
	for {
		text = strings.TrimLeft(text, " \n")
		if rest, ok := strings.CutPrefix(text, "}"); ok {
			if one.cases["other"] == nil && !one.has("other") {
				return piece{}, "", fmt.Errorf("{%s}: case other is missing", one.name)
			}
			return one, rest, nil
		}
		label, rest, ok := strings.Cut(text, "{")
		if !ok {
			return piece{}, "", errUnclosed
		}
		body, rest, err := parse(rest, true)
		if err != nil {
			return piece{}, "", err
		}
		one.cases[strings.TrimSpace(label)] = body
		text = rest
	}
}

func (one piece) has(label string) bool { _, ok := one.cases[label]; return ok }

func plainName(s string) bool {
	for _, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// write appends the text; count is what # stands for inside a plural.
func (p pattern) write(b *strings.Builder, lang Lang, args Args, count string) {
	for _, one := range p {
		switch {
		case one.name == "" && count != "":
			b.WriteString(strings.ReplaceAll(one.text, "#", count))
		case one.name == "":
			b.WriteString(one.text)
		default:
			one.write(b, lang, args, count)
		}
	}
}

func (one piece) write(b *strings.Builder, lang Lang, args Args, count string) {
	value, ok := args[one.name]
	if !ok {
		b.WriteString(gap(one.name))
		return
	}
	written := show(lang, value)
	switch one.kind {
	case "plural":
		one.plural(fmt.Sprint(value)).write(b, lang, args, written)
	case "select":
		one.choose(written).write(b, lang, args, count)
	default:
		b.WriteString(written)
	}
}

func (one piece) plural(n string) pattern {
	if p, ok := one.cases["="+n]; ok {
		return p
	}
	if p, ok := one.cases["one"]; ok && n == "1" {
		return p
	}
	return one.cases["other"]
}

func (one piece) choose(value string) pattern {
	if p, ok := one.cases[value]; ok {
		return p
	}
	return one.cases["other"]
}

func (p pattern) names(list []string) []string {
	for _, one := range p {
		if one.name != "" {
			list = append(list, one.name)
		}
		for _, c := range one.cases {
			list = c.names(list)
		}
	}
	return list
}

func show(lang Lang, value any) string {
	switch n := value.(type) {
	case int:
		return Number(lang, int64(n))
	case int64:
		return Number(lang, n)
	}
	return fmt.Sprint(value)
}
