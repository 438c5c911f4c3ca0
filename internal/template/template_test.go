package template_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stafette/internal/fault"
	"stafette/internal/template"
)

func people() map[string]any {
	return map[string]any{
		"name": "Ada <b>", "empty": "", "n": 3.0, "yes": true, "no": false, "first name": "Ada",
		"order": map[string]any{"number": "A-1", "items": []any{
			map[string]any{"title": "Tür", "tags": []any{"a", "b"}}, map[string]any{"title": "Tor"},
		}},
		"plain": []any{"x", "y"}, "map": map[string]any{"k": "v", "a": "b"},
	}
}

func TestRender(t *testing.T) {
	for src, want := range map[string]string{
		"":                                "",
		"a { b } }}":                      "a { b } }}",
		"Hallo {{name}}!":                 "Hallo Ada &lt;b&gt;!",
		"{{{name}}}|{{& name}}":           "Ada <b>|Ada <b>",
		"{{ name }} {{n}} {{yes}}":        "Ada &lt;b&gt; 3 true",
		"{{absent}}{{order.absent.more}}": "",
		"{{[first name]}}":                "Ada",
		`\{{name}}`:                       "{{name}}",
		"{{&nbsp;name&nbsp;}}":            "Ada &lt;b&gt;",
		"a{{! x }}b{{!-- }} --}}c":        "abc",
		"{{#if yes}}J{{else}}N{{/if}}{{#if no}}J{{else}}N{{/if}}{{#if empty}}J{{^}}N{{/if}}":                                   "JNN",
		"{{#unless absent}}fehlt{{/unless}}":                                                                                   "fehlt",
		"{{#if no}}1{{else if absent}}2{{else if yes}}3{{else}}4{{/if}}":                                                       "3",
		"{{#if no}}1{{else unless yes}}2{{else}}4{{/if}}":                                                                      "4",
		`{{#equal order.number "A-1"}}J{{else}}N{{/equal}}{{#equal n 3}}J{{/equal}}`:                                           "JJ",
		`{{default absent "Sie"}} {{default name 'x'}} {{{default empty name}}}`:                                               "Sie Ada &lt;b&gt; Ada <b>",
		"{{#each order.items}}{{@index}}{{title}}{{#unless @last}}, {{/unless}}{{/each}}":                                      "0Tür, 1Tor",
		"{{#each order.items}}{{#each tags}}{{this}}{{../title}}{{../../order.number}}{{@root.n}};{{else}}-{{/each}}{{/each}}": "aTürA-13;bTürA-13;-",
		"{{#each map}}{{@key}}={{.}} {{/each}}":                                                                                "a=b k=v ",
		"{{#with order}}{{number}}{{../n}}{{/with}}{{#with absent}}x{{else}}y{{/with}}":                                        "A-13y",
		"{{plain.length}}{{plain.1}}{{plain.9}}":                                                                               "2y",
		"a  {{~name~}}  b":                                                                                                     "aAda &lt;b&gt;b",
		"a\n  {{#if yes}}\n  b\n  {{/if}}\nc":                                                                                  "a\n  b\nc",
		"{{#each plain}}\r\n{{this}}\r\n{{/each}}\r\n.":                                                                        "x\r\ny\r\n.",
	} {
		tpl, err := template.Parse(src)
		if err != nil {
			t.Errorf("%q: %v", src, err)
			continue
		}
		if got, err := tpl.Render(people()); err != nil || got != want {
			t.Errorf("%q gives %q (%v), want %q", src, got, err, want)
		}
	}
}

func TestRefusedSources(t *testing.T) {
	for src, want := range map[string]struct {
		code string
		line int
	}{
		"{{":                                  {template.CodeSyntax, 1},
		"a\n{{#if x}}":                        {template.CodeSyntax, 2},
		"{{#if x}}\n{{/each}}":                {template.CodeSyntax, 2},
		"{{/if}}":                             {template.CodeSyntax, 1},
		"{{else}}":                            {template.CodeSyntax, 1},
		"{{#if}}x{{/if}}":                     {template.CodeSyntax, 1},
		"{{a..b}}":                            {template.CodeSyntax, 1},
		"{{(call x)}}":                        {template.CodeSyntax, 1},
		"{{@env}}":                            {template.CodeSyntax, 1},
		"{{{{raw}}}}":                         {template.CodeSyntax, 1},
		"\n\n{{env \"HOME\"}}":                {template.CodeHelper, 3},
		"{{printf \"%999999999d\" 1}}":        {template.CodeHelper, 1},
		"{{#items}}x{{/items}}":               {template.CodeHelper, 1},
		"{{#log x}}x{{/log}}":                 {template.CodeHelper, 1},
		"{{#each a}}{{#each b}}\n{{#each c}}": {template.CodeDepth, 2},
		strings.Repeat("{{#if x}}", 30):       {template.CodeDepth, 1},
		"{{> footer}}":                        {template.CodePart, 1},
		strings.Repeat("x", template.MaxSource+1): {template.CodeSize, 1},
	} {
		_, err := template.Parse(src)
		if e := fault.As(err); e == nil || e.Code != want.code || template.Line(err) != want.line {
			t.Errorf("%.40q: %v (line %d), want %v", src, err, template.Line(err), want)
		}
	}
}

// The work of one rendering is bounded, whatever template and data are (T16).
func TestRefusedRenderings(t *testing.T) {
	long := make([]any, template.MaxList)
	for i := range long {
		long[i] = map[string]any{"l": []any{}}
	}
	loop := make([]any, template.MaxList)
	for i := range loop {
		loop[i] = map[string]any{"l": long}
	}
	for src, want := range map[string]string{
		"{{#each a}}{{#each l}}x{{/each}}{{/each}}":                template.CodeWork,
		"{{#each more}}x{{/each}}":                                 template.CodeWork,
		"{{#each a}}" + strings.Repeat("x", 100_000) + "{{/each}}": template.CodeSize,
		"{{a}}":                 template.CodeData,
		"{{f}}":                 template.CodeData,
		"{{#each s}}x{{/each}}": template.CodeData,
	} {
		tpl, err := template.Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tpl.Render(map[string]any{"a": loop, "more": append(slices.Clone(loop), ""), "s": "x", "f": func() string { panic("called") }})
		if e := fault.As(err); e == nil || e.Code != want {
			t.Errorf("%.40q: %v, want %s", src, err, want)
		}
	}
}

func TestLines(t *testing.T) {
	tpl, err := template.Parse("Ihr Auftrag {{o.n}}\n {{name}} ")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tpl.RenderLine(map[string]any{"o": map[string]any{"n": "1 & 2"}}); err != nil || got != "Ihr Auftrag 1 & 2" {
		t.Errorf("%q %v", got, err)
	}
	for _, bad := range []string{"\r\nBcc: x@example.org", "\n", "\r", "\u2028", "\x00", "\u0085"} {
		_, err := tpl.RenderLine(map[string]any{"o": map[string]any{"n": "a" + bad}})
		if e := fault.As(err); e == nil || e.Code != template.CodeLine || e.Field != "data/o/n" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestNames(t *testing.T) {
	tpl, err := template.Parse(`{{a.b}} {{#each l}}{{x}}{{../y}}{{@index}}{{#with w}}{{v}}{{@root.r}}{{/with}}{{/each}}{{#if c}}{{d}}{{/if}}{{default e "f"}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.b", "c", "d", "e", "l", "l[].w", "l[].w.v", "l[].x", "r", "y"}
	if d := cmp.Diff(want, tpl.Variables()); d != "" {
		t.Error(d)
	}
	data := map[string]any{"a": map[string]any{}, "l": []any{map[string]any{"x": nil}, map[string]any{"w": true}}, "odd": 1}
	got, err := tpl.Missing(data)
	if d := cmp.Diff([]string{"a.b", "y", "l[].x", "l[].w.v", "r"}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	if d := cmp.Diff([]string{"odd"}, template.Surplus(data, tpl)); d != "" {
		t.Error(d)
	}
}

func TestExpand(t *testing.T) {
	parts := map[string]string{
		"foot": "F{{> imprint}}", "imprint": "I", "circle": "{{> circle}}", "frame": "<{{> @partial-block}}>",
		"many": strings.Repeat("{{> imprint}}", 500), "broken": "{{#if",
	}
	lookup := func(name string) (string, bool) { s, ok := parts[name]; return s, ok }
	for src, want := range map[string]string{
		"a{{> foot}}b": "aFIb",
		"{{#> frame}}x{{#> frame}}{{> imprint}}{{name}}{{/frame}}{{/frame}}": "<x<I{{name}}>>",
		"{{x}}": "{{x}}",
	} {
		if got, err := template.Expand(src, lookup); err != nil || got != want {
			t.Errorf("%q gives %q, %v", src, got, err)
		}
	}
	for _, src := range []string{"{{> absent}}", "{{> circle}}", "{{> many}}", "{{> broken}}"} {
		if _, err := template.Expand(src, lookup); fault.As(err) == nil || fault.As(err).Code != template.CodePart {
			t.Errorf("%q: %v", src, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"{{a}}", "{{{a}}}", "{{~{a}~}}", "{{#if a}}x{{else if b}}y{{/if}}", "{{#each l}}{{@key}}{{../a}}{{/each}}", "{{!-- a --}}", `\{{a}}`, "{{> p}}", "{{#> p}}{{/p}}", "{{default [a b] 'c'}}"} {
		f.Add(s)
	}
	data := map[string]any{"a": "<&\"'>", "l": []any{map[string]any{"a": 1.5}, "x"}}
	f.Fuzz(func(t *testing.T, src string) {
		expanded, err := template.Expand(src, func(string) (string, bool) { return src, true })
		if err == nil && len(expanded) > 2*template.MaxSource {
			t.Fatal("expanded beyond the limit")
		}
		tpl, err := template.Parse(src)
		if err != nil {
			if fault.As(err) == nil {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		out, err := tpl.Render(data)
		if err == nil && len(out) > template.MaxOutput {
			t.Fatal("rendered beyond the limit")
		}
		if line, err := tpl.RenderLine(data); err == nil && strings.ContainsAny(line, "\r\n") {
			t.Fatalf("line breaks in %q", line)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	tpl, err := template.Parse(strings.Repeat("<p>Hallo {{name}}, {{#if yes}}ja{{else}}nein{{/if}} {{order.number}}</p> und noch etwas Text dazu, der länger ist.\n", 80))
	if err != nil {
		b.Fatal(err)
	}
	data := people()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tpl.Render(data); err != nil {
			b.Fatal(err)
		}
	}
}
