// Package template merges data into mail: a subset of Handlebars that can be given to
// strangers.
//
// It stands before everything that writes to many: a stored template or the content of
// a mailing is parsed once, asked what it needs, and rendered for each recipient. The
// language is as small as mail needs: variables, {{#if}}, {{#unless}}, {{#equal}},
// {{#each}}, {{#with}}, {{default}}, comments, parts and layouts. It calls nothing,
// knows no function of Go, loops over lists alone, and each rendering has a bounded
// number of steps and bytes, so that neither a template nor the data of one recipient
// can hold up the others (T16).
//
// It does not compose mail, does not keep templates, and knows nothing of HTML but how
// to escape values for it. ADR 44 tells why it is our own.
package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"stafette/internal/fault"
)

// Limits of what is parsed and rendered.
const (
	// MaxSource is the largest source, in bytes, parts included.
	MaxSource = 512 << 10
	// MaxOutput is the largest result, in bytes.
	MaxOutput = 2 << 20
	// MaxList is the longest list that {{#each}} goes through.
	MaxList = 500
	// MaxLoops is how deep {{#each}} may stand in {{#each}}.
	MaxLoops = 2
	// maxBlocks is how deep blocks of any kind may stand in each other.
	maxBlocks = 24
	// maxSteps bounds the work of one rendering: tags reached, over all rounds of loops.
	maxSteps = 100_000
	// maxParts is how deep parts may use parts.
	maxParts = 4
)

// Codes of refusals. Each is a fault.Invalid (CodeSize and CodeWork: fault.TooLarge);
// for those of a source, errors.As finds the *Error with the line.
const (
	CodeSyntax  = "template_syntax"       // the source is not Handlebars
	CodeHelper  = "template_helper"       // {{#loop …}} and other words we do not know
	CodeDepth   = "template_depth"        // blocks or loops too deep in each other
	CodePart    = "template_part"         // {{> name}} of a part that is not there, or in a circle
	CodeSize    = "template_size"         // source or result too large
	CodeWork    = "template_work"         // too many steps, or a list that is too long
	CodeData    = "template_data"         // a value that cannot be shown: a list, a map, something foreign
	CodeLine    = "header_has_line_break" // a value for a header has a line break or control character
	CodeMissing = "template_data_missing" // the data lack a variable; see MissingFault
	CodeSurplus = "template_data_unknown" // the data have a name the template does not use
)

// Error tells where in a source a refusal belongs. It stands as the cause in the
// *fault.Error that Parse and Expand return.
type Error struct {
	// Line counts from 1.
	Line int
	// Code is one of the codes of this package.
	Code string
	// Name is the tag, helper or part at fault, shortened; "" if there is none.
	Name string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s %s", e.Line, e.Code, e.Name) }

// Line returns the line a refusal of Parse or Expand is about, or 0.
func Line(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Line
	}
	return 0
}

func refuse(line int, code, name string) *fault.Error {
	kind := fault.Invalid
	if code == CodeSize || code == CodeWork {
		kind = fault.TooLarge
	}
	detail := fmt.Sprintf("Line %d of the template: %s.", line, map[string]string{
		CodeSyntax: "cannot be read", CodeHelper: "this word is not known; there are if, unless, equal, each, with and default",
		CodeDepth: "blocks stand too deep in each other", CodePart: "there is no such part, or parts use each other",
		CodeSize: "the template is too large", CodeWork: "the template works too much",
		CodeData: "this value cannot be shown as text", CodeLine: "a value for one line has a line break",
	}[code])
	if name != "" {
		detail += " " + fault.Quote(name)
	}
	if r := []rune(name); len(r) > 80 {
		name = string(r[:79]) + "…"
	}
	return &fault.Error{Kind: kind, Code: code, Detail: detail, Err: &Error{Line: line, Code: code, Name: name}}
}

// Template is a parsed source. It is read-only and may be rendered by many at once.
type Template struct {
	body []node
	vars []string
}

// Parse reads a source. Parts must have been put in before, by Expand. The error is a
// *fault.Error with one of the codes of this package.
func Parse(src string) (*Template, error) {
	tags, err := scan(src)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: standalone(tags)}
	body, err := p.block("", 0, 0)
	if err != nil {
		return nil, err
	}
	names := namer{seen: map[string]bool{}}
	names.walk(body, nil)
	list := make([]string, 0, len(names.seen))
	for name := range names.seen {
		list = append(list, name)
	}
	slices.Sort(list)
	return &Template{body: body, vars: list}, nil
}

// Variables returns the names that the template uses, sorted, each once, as paths from
// the top of the data: "order.number"; what is used of each element of a list has "[]"
// behind the list: "order.items[].price".
func (t *Template) Variables() []string { return slices.Clone(t.vars) }

// Render merges data into HTML: values of {{name}} are escaped for text and quoted
// attributes, those of {{{name}}} are not. Names that the data lack are empty. Data are
// strings, numbers, booleans, nil, []any and map[string]any of them; anything else is
// CodeData where it is reached. The result is at most MaxOutput bytes.
func (t *Template) Render(data map[string]any) (string, error) {
	return t.run(data, escapeHTML)
}

// RenderText is Render for plain text: nothing is escaped.
func (t *Template) RenderText(data map[string]any) (string, error) {
	return t.run(data, escapeNothing)
}

// RenderLine is RenderText for the value of a header field, such as a subject: a value
// with a line break or another control character is CodeLine, never silently changed
// (T3). White space of the source itself, line breaks included, becomes one space.
func (t *Template) RenderLine(data map[string]any) (string, error) {
	out, err := t.run(data, escapeLine)
	if err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(out), " "), nil
}

func (t *Template) run(data map[string]any, escape escaping) (string, error) {
	r := renderer{escape: escape, root: data}
	if err := r.nodes(t.body, scope{value: data}); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

// Missing returns the names that this rendering would show and that the data do not
// have, as Variables names them, each once, in order. Names that only a condition asks
// for may be absent, and so may what a {{default}} replaces.
func (t *Template) Missing(data map[string]any) ([]string, error) {
	r := renderer{escape: escapeNothing, root: data, missing: &[]string{}}
	if err := r.nodes(t.body, scope{value: data}); err != nil {
		return nil, err
	}
	return *r.missing, nil
}

// Surplus returns the names at the top of the data that none of the templates uses,
// sorted: misspelt ones, as a rule.
func Surplus(data map[string]any, templates ...*Template) (list []string) {
	for name := range data {
		used := false
		for _, t := range templates {
			used = used || slices.ContainsFunc(t.vars, func(v string) bool { return head(v) == name })
		}
		if !used {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// head is the first name of a path of Variables.
func head(path string) string {
	if i := strings.IndexAny(path, ".["); i > 0 {
		return path[:i]
	}
	return path
}
