package campaign

import (
	"testing"

	"stafette/internal/message"
	"stafette/internal/template"
)

func TestTextOfTheFormIsTextOfTheMail(t *testing.T) {
	long, short := "https://post.example/abmelden/0123456789", "Eva & Söhne <x>"
	for name, c := range map[string]struct {
		html string
		data map[string]any
		long bool // the text is made of the mail
	}{
		"words":         {`<p>Guten Tag {{name}}, <a href="{{unsubscribe_url}}">weg</a></p><p>{{ fields.city }}</p>`, map[string]any{"name": short, "unsubscribe_url": long, "fields": map[string]any{"city": "Köln"}}, false},
		"table":         {`<table><tr><td>A {{name}}</td><td>B</td></tr></table><ul><li>{{name}}</li></ul>`, map[string]any{"name": short}, false},
		"fixed heading": {`<h1>Neues</h1><p>{{name}}</p>`, map[string]any{"name": short}, false},
		"nothing":       {`<p>Guten Tag {{name}}!</p>`, map[string]any{"name": ""}, true},
		"missing":       {`<p>Guten Tag {{fields.city}}!</p>`, map[string]any{"name": ""}, true},
		"two lines":     {`<p>Guten Tag {{name}}!</p>`, map[string]any{"name": "Eva\nSommer"}, true},
		"number":        {`<p>Guten Tag {{name}}!</p>`, map[string]any{"name": 7.0}, true},
		"dot":           {`<p><b>a</b>{{name}}</p>`, map[string]any{"name": ".b"}, true},
		"condition":     {`<p>{{#if name}}A{{/if}}</p>`, map[string]any{"name": "x"}, true},
		"raw":           {`<p>{{{name}}}</p>`, map[string]any{"name": "<b>x</b>"}, true},
		"quote":         {`<blockquote>{{name}}</blockquote>`, map[string]any{"name": "x"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := template.Parse(c.html)
			if err != nil {
				t.Fatal(err)
			}
			page, err := parsed.Render(c.data)
			if err != nil {
				t.Fatal(err)
			}
			want, err := message.TextOf(page)
			if err != nil {
				t.Fatal(err)
			}
			f := &form{plain: plainForm(c.html)}
			if got := f.plainOf(c.data, page); got != want {
				t.Errorf("text %q, want %q", got, want)
			}
			if short := f.plain != nil && plainData(c.data, f.plain.Variables()); short == c.long {
				t.Errorf("made of the form: %t", short)
			}
		})
	}
}

// A line that underlines a heading has its length, which is another one in each mail.
func TestHeadingsWithVariablesAreNotUnderlined(t *testing.T) {
	f := &form{plain: plainForm(`<h1>Guten Tag {{name}}</h1><h2>Neues</h2>`)}
	if got := f.plainOf(map[string]any{"name": "Eva"}, ""); got != "Guten Tag Eva\n\n-----\nNeues\n-----" {
		t.Errorf("text %q", got)
	}
}
