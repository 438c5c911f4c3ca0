package campaign

import (
	"regexp"
	"strings"

	"stafette/internal/message"
	"stafette/internal/template"
)

// Making the text of a mail of its HTML costs more than all else that is done for one
// recipient. Where the HTML is a form of plain variables, the text is made of the form once,
// and the variables are put into that: the result is the same but for the lines that
// underline a heading with a variable in it, which are left out. Data that the making of text
// would change (line breaks, two spaces, nothing at all) go the long way.

// plainTag is a tag that only puts a value in.
var plainTag = regexp.MustCompile(`\{\{\s*[a-z_]+(?:\.[a-z0-9_]+)?\s*\}\}`)

// plainTags reports whether a source puts values in, escaped, and does nothing else.
func plainTags(source string) bool {
	return strings.Count(source, "{{") == len(plainTag.FindAllString(source, -1)) && !strings.Contains(source, "{{{")
}

// plainForm is the text of a form, nil where it must be made of each mail.
func plainForm(source string) *template.Template {
	lower := strings.ToLower(source)
	if !plainTags(source) || strings.Contains(lower, "<blockquote") || strings.Contains(lower, "<pre") {
		return nil
	}
	text, err := message.TextOf(source)
	if err != nil || text == "" || strings.Count(text, "{{") != len(plainTag.FindAllString(text, -1)) {
		return nil
	}
	t, err := template.Parse(unlined(text))
	if err != nil {
		return nil
	}
	return t
}

// unlined takes the lines away that underline a line with a variable, whose length they have.
func unlined(text string) string {
	lines := strings.Split(text, "\n")
	keep := lines[:0:0]
	for i, l := range lines {
		named := i > 0 && strings.Contains(lines[i-1], "{{") || i+1 < len(lines) && strings.Contains(lines[i+1], "{{")
		if l != "" && strings.Trim(l, "*-") == "" && named {
			continue
		}
		keep = append(keep, l)
	}
	return strings.Join(keep, "\n")
}

// plainOf is the text of a mail with that HTML; "": none can be made, and Compose says what
// then.
func (f *form) plainOf(data map[string]any, html string) string {
	if f.plain != nil && plainData(data, f.plain.Variables()) {
		if text, ok := f.plainText(data); ok {
			return text
		}
	}
	text, err := message.TextOf(html)
	if err != nil {
		return ""
	}
	return text
}

// plainText puts the data, of which plainData must hold, into the text of the form.
func (f *form) plainText(data map[string]any) (string, bool) {
	text, err := f.plain.RenderText(data)
	return text, err == nil
}

// plainData reports whether values stand in a text as they are.
func plainData(data map[string]any, names []string) bool {
	for _, name := range names {
		of, key, nested := strings.Cut(name, ".")
		value := data[of]
		if nested {
			fields, _ := value.(map[string]any)
			value = fields[key]
		}
		text, ok := value.(string)
		if !ok || text == "" || text[0] == '.' || strings.Join(strings.Fields(text), " ") != text {
			return false
		}
	}
	return true
}
