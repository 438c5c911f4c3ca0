package campaign

import (
	"context"
	"strings"

	"stafette/internal/template"
	"stafette/internal/tracking"
)

// Where the links of a form are everybody's (links.go), its HTML is taken apart and woven
// once, too: of each mail only the values are escaped and the addresses made. The bytes are
// those that rendering and weaving give; what cannot be sure of that goes the long way.

// pattern is the HTML of a form at each level that its mails can be made of.
type pattern struct {
	// names are the variables, in the order in which the patterns take their values.
	names  []string
	levels map[tracking.Level]*tracking.Pattern
}

// commonPatterns makes those of a form whose page has the words of data in the place of
// variables. nil: there is none.
func commonPatterns(f *form, w Weaver, page string, data map[string]any) *pattern {
	p := &pattern{names: f.html.Variables(), levels: map[tracking.Level]*tracking.Pattern{}}
	words := make([]string, len(p.names))
	rest := page
	for i, name := range p.names {
		word, ok := valueOf(data, name)
		if !ok || word == "" {
			return nil
		}
		words[i], rest = word, strings.ReplaceAll(rest, word, "")
	}
	if strings.TrimSpace(rest) == "" {
		return nil // whether a mail has HTML at all hangs on its values
	}
	for level := range f.links {
		if made, ok := w.Pattern(level, markup(page, data), mark, words); ok {
			p.levels[level] = made
		}
	}
	return p
}

// valueOf is what a template shows of a name where that is text or nothing.
func valueOf(data map[string]any, name string) (text string, ok bool) {
	of, key, nested := strings.Cut(name, ".")
	value := data[of]
	if nested {
		fields, ok := value.(map[string]any)
		if !ok {
			return "", false
		}
		value = fields[key]
	}
	text, ok = value.(string)
	return text, ok || value == nil
}

// woven is the HTML of one mail and its text, made of the patterns of its form; ok is false
// where it must be made the long way.
func (f *form) woven(ctx context.Context, w Weaver, m tracking.Mail, level tracking.Level, data map[string]any) (html, text string, ok bool) {
	if f.pattern == nil || f.pattern.levels[level] == nil || f.Letter.Text != "" || f.plain == nil || !plainData(data, f.plain.Variables()) {
		return "", "", false
	}
	values, size := make([]string, len(f.pattern.names)), 0
	for i, name := range f.pattern.names {
		value, ok := valueOf(data, name)
		if !ok {
			return "", "", false
		}
		values[i] = template.EscapeHTML(value)
		size += len(values[i])
	}
	// A variable may stand in a form many times: near the limit of what may be rendered, the
	// renderer is asked.
	if len(f.HTML)+size*strings.Count(f.HTML, "{{") > template.MaxOutput {
		return "", "", false
	}
	if text, ok = f.plainText(data); !ok {
		return "", "", false
	}
	html, ok = w.Fill(ctx, m, f.pattern.levels[level], values)
	return html, text, ok
}
