package template

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"stafette/internal/fault"
)

// escaping writes a value so that it can stand where it is shown.
type escaping func(s string, raw bool, line int) (string, error)

// EscapeHTML is a value as Render puts it in for {{name}}.
func EscapeHTML(s string) string {
	s, _ = escapeHTML(s, false, 0)
	return s
}

// escapeHTML makes of a value what may stand in text and in quoted attributes.
func escapeHTML(s string, raw bool, _ int) (string, error) {
	if raw || !strings.ContainsAny(s, `&<>"'`) {
		return s, nil
	}
	var b strings.Builder
	from := 0
	for i := range len(s) {
		var entity string
		switch s[i] {
		case '&':
			entity = "&amp;"
		case '<':
			entity = "&lt;"
		case '>':
			entity = "&gt;"
		case '"':
			entity = "&#34;"
		case '\'':
			entity = "&#39;"
		default:
			continue
		}
		b.WriteString(s[from:i])
		b.WriteString(entity)
		from = i + 1
	}
	b.WriteString(s[from:])
	return b.String(), nil
}

func escapeNothing(s string, _ bool, _ int) (string, error) { return s, nil }

func escapeLine(s string, _ bool, line int) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) {
		return "", refuse(line, CodeLine, "")
	}
	return s, nil
}

// scope is where names are looked up: a value, and what stands around it.
type scope struct {
	value any
	// name is the value's path, for Missing.
	name  string
	outer *scope
	// index, key and last are of the round of a loop; in is false outside of one.
	in, last bool
	index    int
	key      string
}

type renderer struct {
	out    strings.Builder
	escape escaping
	root   map[string]any
	steps  int
	// missing collects the names that are not there; nil if nobody asks.
	missing *[]string
}

func (r *renderer) nodes(body []node, s scope) error {
	for _, n := range body {
		if r.steps++; r.steps > maxSteps {
			return refuse(0, CodeWork, "")
		}
		var err error
		switch v := n.(type) {
		case text:
			err = r.write(string(v))
		case show:
			err = r.show(v, s)
		case choice:
			if r.holds(v, s) {
				err = r.nodes(v.then, s)
			} else {
				err = r.nodes(v.otherwise, s)
			}
		case loop:
			err = r.loop(v, s)
		case inside:
			got, name, _ := r.find(v.of, s)
			if truthy(got) {
				err = r.nodes(v.body, scope{value: got, name: name, outer: &s, in: s.in, last: s.last, index: s.index, key: s.key})
			} else {
				err = r.nodes(v.otherwise, s)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *renderer) write(s string) error {
	if r.out.Len()+len(s) > MaxOutput {
		return refuse(0, CodeSize, "")
	}
	r.out.WriteString(s)
	return nil
}

func (r *renderer) show(v show, s scope) error {
	got, name, found := r.find(v.of, s)
	if v.instead != nil && !truthy(got) {
		got, name, found = r.find(*v.instead, s)
	}
	if !found && r.missing != nil && !slices.Contains(*r.missing, name) {
		*r.missing = append(*r.missing, name)
	}
	words, ok := wordsOf(got)
	if !ok {
		return refuse(v.line, CodeData, name)
	}
	words, err := r.escape(words, v.raw, v.line)
	if err != nil {
		if e := fault.As(err); e != nil {
			e.Field = "data/" + strings.ReplaceAll(strings.ReplaceAll(name, "[]", ""), ".", "/")
		}
		return err
	}
	return r.write(words)
}

func (r *renderer) holds(v choice, s scope) bool {
	got, _, _ := r.find(v.of, s)
	if v.with == nil {
		return truthy(got) != v.negated
	}
	with, _, _ := r.find(*v.with, s)
	a, okA := wordsOf(got)
	b, okB := wordsOf(with)
	return okA && okB && a == b
}

func (r *renderer) loop(v loop, s scope) error {
	got, name, _ := r.find(v.of, s)
	list, keys, ok := elements(got)
	if !ok {
		return refuse(v.line, CodeData, name)
	}
	if len(list) > MaxList {
		return refuse(v.line, CodeWork, name)
	}
	if len(list) == 0 {
		return r.nodes(v.otherwise, s)
	}
	for i, one := range list {
		round := scope{value: one, name: name + "[]", outer: &s, in: true, index: i, last: i == len(list)-1}
		if keys != nil {
			round.key = keys[i]
		}
		if err := r.nodes(v.body, round); err != nil {
			return err
		}
	}
	return nil
}

// find looks an operand up. name is its path from the top.
func (r *renderer) find(o operand, s scope) (got any, name string, found bool) {
	if o.constant != nil {
		return o.constant, "", true
	}
	at := &s
	for range o.up {
		if at.outer == nil {
			return nil, o.name(), false
		}
		at = at.outer
	}
	if o.private != "" {
		return at.private(o.private)
	}
	got, name = at.value, at.name
	if o.root {
		got, name = r.root, ""
	}
	found = true
	for _, part := range o.parts {
		if name != "" {
			name += "."
		}
		name += part
		if found {
			got, found = field(got, part)
		}
	}
	if !found {
		got = nil
	}
	return got, name, found
}

func (s *scope) private(name string) (any, string, bool) {
	switch {
	case !s.in:
		return nil, "@" + name, false
	case name == "index":
		return s.index, "", true
	case name == "first":
		return s.index == 0, "", true
	case name == "last":
		return s.last, "", true
	case s.key == "":
		return s.index, "", true
	}
	return s.key, "", true
}

func field(of any, name string) (any, bool) {
	switch v := of.(type) {
	case map[string]any:
		got, ok := v[name]
		return got, ok
	case map[string]string:
		got, ok := v[name]
		return got, ok
	case []any:
		if name == "length" {
			return len(v), true
		}
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v) {
			return v[i], true
		}
	case []string:
		if name == "length" {
			return len(v), true
		}
	}
	return nil, false
}

// elements are what a loop goes through; keys are those of a map, in their order.
func elements(of any) (list []any, keys []string, ok bool) {
	switch v := of.(type) {
	case nil:
		return nil, nil, true
	case []any:
		return v, nil, true
	case []string:
		for _, s := range v {
			list = append(list, s)
		}
		return list, nil, true
	case map[string]any:
		keys = slices.Sorted(maps.Keys(v))
		for _, k := range keys {
			list = append(list, v[k])
		}
		return list, keys, true
	case string:
		return nil, nil, v == ""
	case bool:
		return nil, nil, !v
	}
	return nil, nil, false
}

// truthy follows Handlebars: false, nothing, 0, "" and empty lists are not.
func truthy(of any) bool {
	switch v := of.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case []string:
		return len(v) > 0
	case map[string]any:
		return true
	}
	words, ok := wordsOf(of)
	return ok && words != "0"
}

// wordsOf is a value as text; maps, lists and anything foreign have none.
func wordsOf(of any) (string, bool) {
	switch v := of.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case json.Number:
		return v.String(), true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", false
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}
