package campaign

import (
	"testing"

	"stafette/internal/template"
	"stafette/internal/tracking"
)

// watched notes which forms it is shown.
type watched struct {
	Weaver
	pages []string
}

func (w *watched) Common(_ tracking.Level, form tracking.Markup, _ string) ([]tracking.Link, bool) {
	w.pages = append(w.pages, form.HTML)
	return nil, true
}

func (*watched) Pattern(tracking.Level, tracking.Markup, string, []string) (*tracking.Pattern, bool) {
	return nil, false
}

// Every variable has a word in its place, whatever it is of.
func TestWordsStandForAllVariables(t *testing.T) {
	const leave, web = "https://" + mark + ".invalid/leave", "https://" + mark + ".invalid/web"
	for source, want := range map[string]string{
		"{{name}}":                            mark + "0x",
		"{{fields.city}} {{event.order}}":     mark + "1x " + mark + "0x",
		"{{fields.a}}{{fields.b}}":            mark + "0x" + mark + "1x",
		"{{unsubscribe_url}} {{web_url}}":     leave + " " + web,
		"{{unsubscribe}} {{web_version}}":     leave + " " + web,
		"{{imprint}}":                         mark + "x",
		"{{#if name}}x{{/if}}":                "",
		"{{{name}}}":                          "",
		"{{name}} " + mark:                    "",
		"{{event.order.number}} {{fields.a}}": "",
	} {
		parsed, err := template.Parse(source)
		if err != nil {
			t.Fatal(source, err)
		}
		w := &watched{}
		(&form{Letter: Letter{HTML: source}, html: parsed}).readForm(w)
		switch {
		case want == "" && len(w.pages) > 0:
			t.Errorf("%s: read as a form: %q", source, w.pages)
		case want != "" && (len(w.pages) == 0 || w.pages[0] != want):
			t.Errorf("%s: %q, want %q", source, w.pages, want)
		}
	}
}
