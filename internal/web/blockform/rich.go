package blockform

import (
	"encoding/json"

	"stafette/internal/template/blocks"
	"stafette/internal/web/frame"
)

// sheet is what the words of a mail stand on, where nothing is dark.
const sheet = "#ffffff"

// richColour is what links of a text have while it is written: the colour of the brand, where it
// can be read, else "".
func richColour(b blocks.Brand) string {
	if blocks.Contrast(b.Colour, sheet) < 4.5 {
		return ""
	}
	return b.Colour
}

// richWords are the sentences of the script that shows a text as it will look.
func richWords(p frame.Page) string {
	words := map[string]string{"lost": p.T("templates.rich.lost", "what", "{what}"), "hint": p.T("templates.rich.hint", "name", "{{given_name}}")}
	for _, name := range []string{"pictures", "tables", "looks", "links", "levels", "cannot", "long", "failed", "unsure.variable", "unsure.address"} {
		words[name] = p.T("templates.rich." + name)
	}
	text, err := json.Marshal(words)
	if err != nil {
		return "{}"
	}
	return string(text)
}
