package blocks

import (
	"regexp"
	"strings"
)

// Text writes the document as plain text. It must have passed Check.
func (d Document) Text(b Brand, w Words) string {
	var parts []string
	add := func(list ...string) {
		for _, s := range list {
			if s = strings.TrimSpace(s); s != "" {
				parts = append(parts, s)
			}
		}
	}
	for _, block := range d.Blocks {
		switch block.Kind {
		case Head:
			add(b.Name)
		case Divider:
			add("----")
		case Social:
			var lines []string
			for _, c := range block.Cells {
				lines = append(lines, strings.TrimSpace(c.Label+": "+c.URL))
			}
			add(strings.Join(lines, "\n"))
		case Footer:
			add("-- ", bare(block.Text), "{{#if "+ImprintVariable+"}}{{"+ImprintVariable+"}}{{/if}}", "{{#if "+UnsubscribeVariable+"}}"+w.Unsubscribe+": {{"+UnsubscribeVariable+"}}{{/if}}")
		case Columns:
			for _, c := range block.Cells {
				add(c.text()...)
			}
		default:
			list := block.text()
			if block.Price != "" {
				list = append(list[:2:2], append([]string{block.Price}, list[2:]...)...)
			}
			add(list...)
		}
	}
	return strings.Join(parts, "\n\n") + "\n"
}

// text is a cell in the order in which it is seen: picture, title, text, link.
func (c Cell) text() []string {
	shown, button := "", ""
	if c.Picture != "" {
		shown = "[" + c.Alt + "]"
	}
	if c.Label != "" && c.URL != "" {
		button = c.Label + ": " + c.URL
	} else if c.Picture != "" {
		button = c.URL
	}
	return []string{shown, c.Title, bare(c.Text), button}
}

// bare takes the markup off a text.
func bare(s string) string {
	s = link.ReplaceAllString(shield(strings.ReplaceAll(s, "\r\n", "\n")), "$1 ($2)")
	s = headSign.ReplaceAllString(s, "$1")
	return unshield.Replace(italic.ReplaceAllString(bold.ReplaceAllString(s, "$1"), "$1"))
}

// headSign is what makes a line a heading.
var headSign = regexp.MustCompile(`(?m)^#{2,3} (\S)`)
