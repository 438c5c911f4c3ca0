package template

import (
	"slices"
	"strconv"
	"strings"

	"stafette/internal/fault"
)

// node is a piece of a parsed template: text, show, choice, loop or inside.
type node interface{ nodeOf() }

// text is what stands there.
type text string

// show is {{path}}, {{{path}}} or {{default path "instead"}}.
type show struct {
	of      operand
	instead *operand
	raw     bool
	line    int
}

// choice is {{#if}}, {{#unless}} or {{#equal}}.
type choice struct {
	of operand
	// with is the other side of {{#equal}}.
	with            *operand
	negated         bool
	then, otherwise []node
}

// loop is {{#each}}.
type loop struct {
	of              operand
	body, otherwise []node
	line            int
}

// inside is {{#with}}.
type inside struct {
	of              operand
	body, otherwise []node
}

func (text) nodeOf()   {}
func (show) nodeOf()   {}
func (choice) nodeOf() {}
func (loop) nodeOf()   {}
func (inside) nodeOf() {}

// operand is a path into the data or a constant.
type operand struct {
	// constant is set for "words", numbers, true and false; path is empty then.
	constant any
	// up counts ../, root means @root, private is index, key, first or last behind @.
	up      int
	root    bool
	private string
	parts   []string
}

type parser struct {
	tokens []token
	at     int
	blocks int
}

// block reads until the end of the source, or of the block that name opened; it stops
// before {{else}} and {{/name}}.
func (p *parser) block(name string, loops, line int) ([]node, error) {
	var body []node
	for p.at < len(p.tokens) {
		t := p.tokens[p.at]
		switch t.kind {
		case literal:
			if t.text != "" {
				body = append(body, text(t.text))
			}
		case comment:
		case value:
			n, err := output(t)
			if err != nil {
				return nil, err
			}
			body = append(body, n)
		case open:
			n, err := p.opened(t, loops)
			if err != nil {
				return nil, err
			}
			body = append(body, n)
			continue
		case other, closing:
			if name == "" {
				return nil, refuse(t.line, CodeSyntax, t.text)
			}
			return body, nil
		default:
			return nil, refuse(t.line, CodePart, t.text)
		}
		p.at++
	}
	if name != "" {
		return nil, refuse(line, CodeSyntax, "#"+name)
	}
	return body, nil
}

// opened reads a block from its opening tag to behind its closing one.
func (p *parser) opened(t token, loops int) (node, error) {
	name, _, _ := strings.Cut(t.text, " ")
	p.at++
	n, err := p.inner(t, name, loops)
	if err != nil {
		return nil, err
	}
	if p.at >= len(p.tokens) || p.tokens[p.at].kind != closing || p.tokens[p.at].text != name {
		at := t.line
		if p.at < len(p.tokens) {
			at = p.tokens[p.at].line
		}
		return nil, refuse(at, CodeSyntax, "/"+name)
	}
	p.at++
	return n, nil
}

// inner reads what stands between the tags of a block, up to its closing tag.
func (p *parser) inner(t token, name string, loops int) (node, error) {
	args, err := words(t)
	if err != nil {
		return nil, err
	}
	want, known := map[string]int{"if": 1, "unless": 1, "equal": 2, "each": 1, "with": 1}[name]
	if !known {
		return nil, refuse(t.line, CodeHelper, name)
	}
	if len(args) != want+1 {
		return nil, refuse(t.line, CodeSyntax, "#"+t.text)
	}
	if p.blocks++; p.blocks > maxBlocks {
		return nil, refuse(t.line, CodeDepth, name)
	}
	defer func() { p.blocks-- }()
	of := args[1]
	within := loops
	if name == "each" {
		if within++; within > MaxLoops {
			return nil, refuse(t.line, CodeDepth, name)
		}
	}
	body, err := p.block(name, within, t.line)
	if err != nil {
		return nil, err
	}
	otherwise, err := p.otherwise(name, loops)
	if err != nil {
		return nil, err
	}
	switch name {
	case "each":
		return loop{of: of, body: body, otherwise: otherwise, line: t.line}, nil
	case "with":
		return inside{of: of, body: body, otherwise: otherwise}, nil
	case "equal":
		return choice{of: of, with: &args[2], then: body, otherwise: otherwise}, nil
	}
	return choice{of: of, negated: name == "unless", then: body, otherwise: otherwise}, nil
}

// otherwise reads what stands behind {{else}}. {{else if x}} is a block of its own that
// ends where this one ends.
func (p *parser) otherwise(name string, loops int) ([]node, error) {
	if p.at >= len(p.tokens) || p.tokens[p.at].kind != other {
		return nil, nil
	}
	t := p.tokens[p.at]
	p.at++
	if t.text == "" {
		return p.block(name, loops, t.line)
	}
	t.kind = open
	chained, _, _ := strings.Cut(t.text, " ")
	n, err := p.inner(t, chained, loops)
	if err != nil {
		return nil, err
	}
	return []node{n}, nil
}

// output reads {{path}} and {{default path "instead"}}.
func output(t token) (node, error) {
	args, err := words(t)
	if err != nil {
		return nil, err
	}
	switch {
	case len(args) == 1:
		return show{of: args[0], raw: t.raw, line: t.line}, nil
	case len(args) == 3 && args[0].name() == "default":
		return show{of: args[1], instead: &args[2], raw: t.raw, line: t.line}, nil
	case len(args) > 1:
		return nil, refuse(t.line, CodeHelper, args[0].name())
	}
	return nil, refuse(t.line, CodeSyntax, t.text)
}

// words reads the operands of a tag; the helper's name is the first of them.
func words(t token) (list []operand, err error) {
	rest := t.text
	for rest != "" {
		var word string
		switch q := rest[0]; q {
		case '"', '\'':
			end := strings.IndexByte(rest[1:], q)
			if end < 0 {
				return nil, refuse(t.line, CodeSyntax, t.text)
			}
			list = append(list, operand{constant: rest[1 : end+1]})
			rest = strings.TrimLeft(rest[end+2:], " \t\r\n")
			continue
		default:
			word, rest = cutWord(rest)
		}
		o, e := operandOf(word, t.line)
		if e != nil {
			return nil, e
		}
		list = append(list, o)
	}
	return list, nil
}

// cutWord takes a word off; spaces within [ ] belong to it.
func cutWord(s string) (word, rest string) {
	deep := false
	for i, r := range s {
		switch {
		case r == '[':
			deep = true
		case r == ']':
			deep = false
		case !deep && strings.ContainsRune(" \t\r\n", r):
			return s[:i], strings.TrimLeft(s[i:], " \t\r\n")
		}
	}
	return s, ""
}

func operandOf(word string, line int) (operand, *fault.Error) {
	switch word {
	case "true", "false":
		return operand{constant: word == "true"}, nil
	case "null", "undefined":
		return operand{constant: ""}, nil
	}
	if f, err := strconv.ParseFloat(word, 64); err == nil && strings.Contains("-0123456789", word[:1]) {
		return operand{constant: f}, nil
	}
	var o operand
	rest := word
	for rest == ".." || strings.HasPrefix(rest, "../") {
		o.up++
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, ".."), "/")
	}
	if name, ok := strings.CutPrefix(rest, "@"); ok {
		first, tail, _ := strings.Cut(name, ".")
		switch {
		case first == "root":
			o.root, rest = true, tail
		case tail == "" && slices.Contains([]string{"index", "key", "first", "last"}, first):
			o.private = first
			return o, nil
		default:
			return o, refuse(line, CodeSyntax, word)
		}
	}
	parts, ok := segments(rest)
	if !ok {
		return o, refuse(line, CodeSyntax, word)
	}
	o.parts = parts
	return o, nil
}

// segments cuts a.b.[c d] into its names; this and . name nothing.
func segments(s string) (list []string, ok bool) {
	if s == "" || s == "." || s == "this" {
		return nil, true
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, "this."), "./")
	for {
		var name string
		if strings.HasPrefix(s, "[") {
			end := strings.IndexByte(s, ']')
			if end < 2 {
				return nil, false
			}
			name, s = s[1:end], s[end+1:]
		} else {
			end := strings.IndexByte(s, '.')
			if end < 0 {
				end = len(s)
			}
			name, s = s[:end], s[end:]
			if strings.ContainsAny(name, "()[]|=/<>\"'`!#%&*+,;@^~\\") {
				return nil, false
			}
		}
		if name == "" || len(list) > 8 {
			return nil, false
		}
		list = append(list, name)
		if s == "" {
			return list, true
		}
		if s[0] != '.' {
			return nil, false
		}
		s = s[1:]
	}
}

// name is the operand as one word, for names of helpers.
func (o operand) name() string { return strings.Join(o.parts, ".") }

// namer collects the variables of a template.
type namer struct{ seen map[string]bool }

func (n namer) add(o operand, scopes []string) string {
	if o.constant != nil || o.private != "" {
		return ""
	}
	prefix := ""
	if at := len(scopes) - 1 - o.up; !o.root && at >= 0 {
		prefix = scopes[at]
	}
	name := prefix
	for _, part := range o.parts {
		if name != "" {
			name += "."
		}
		name += part
	}
	if name != "" {
		n.seen[name] = true
	}
	return name
}

func (n namer) walk(body []node, scopes []string) {
	for _, one := range body {
		switch v := one.(type) {
		case show:
			n.add(v.of, scopes)
			if v.instead != nil {
				n.add(*v.instead, scopes)
			}
		case choice:
			n.add(v.of, scopes)
			if v.with != nil {
				n.add(*v.with, scopes)
			}
			n.walk(v.then, scopes)
			n.walk(v.otherwise, scopes)
		case loop:
			n.walk(v.body, append(slices.Clip(scopes), n.add(v.of, scopes)+"[]"))
			n.walk(v.otherwise, scopes)
		case inside:
			n.walk(v.body, append(slices.Clip(scopes), n.add(v.of, scopes)))
			n.walk(v.otherwise, scopes)
		}
	}
}
