package campaign

import (
	"testing"

	"stafette/internal/template"
	"stafette/internal/tracking"
)

// woven notes which forms it is shown.
type woven struct {
	Weaver
	pages []string
}

func (w *woven) Common(_ tracking.Level, form tracking.Markup, _ string) ([]tracking.Link, bool) {
	w.pages = append(w.pages, form.HTML)
	return nil, true
}

// Every variable has a word in its place, whatever it is of.
func TestWordsStandForAllVariables(t *testing.T) {
	const leave, web = "https://" + mark + ".invalid/leave", "https://" + mark + ".invalid/web"
	for source, want := range map[string]string{
		"{{name}}":                            mark + "0",
		"{{fields.city}} {{event.order}}":     mark + "1 " + mark + "0",
		"{{fields.a}}{{fields.b}}":            mark + "0" + mark + "1",
		"{{unsubscribe_url}} {{web_url}}":     leave + " " + web,
		"{{unsubscribe}} {{web_version}}":     leave + " " + web,
		"{{imprint}}":                         mark,
		"{{#if name}}x{{/if}}":                "",
		"{{{name}}}":                          "",
		"{{name}} " + mark:                    "",
		"{{event.order.number}} {{fields.a}}": "",
	} {
		parsed, err := template.Parse(source)
		if err != nil {
			t.Fatal(source, err)
		}
		w := &woven{}
		commonLinks(&form{Letter: Letter{HTML: source}, html: parsed}, w)
		switch {
		case want == "" && len(w.pages) > 0:
			t.Errorf("%s: read as a form: %q", source, w.pages)
		case want != "" && (len(w.pages) == 0 || w.pages[0] != want):
			t.Errorf("%s: %q, want %q", source, w.pages, want)
		}
	}
}
