package mjml_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"stafette/internal/fault"
	"stafette/internal/template/mjml"
)

const letter = `<mjml>
<mj-body>
<mj-section><mj-column>
<mj-text>Guten Tag {{name}}, &amp; mehr {{#if vip}}<b>VIP</b>{{/if}}</mj-text>
<mj-button href="https://kunde.example/?a={{id}}&amp;b=2">Los</mj-button>
<mj-raw>{{#each list}}</mj-raw><mj-text>{{this}}</mj-text><mj-raw>{{/each}}</mj-raw>
</mj-column></mj-section>
</mj-body>
</mjml>`

func TestCompile(t *testing.T) {
	var c mjml.Compiler
	ctx := context.Background()
	html, err := c.Compile(ctx, letter)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<!doctype html>", "Guten Tag {{name}}, &amp; mehr {{#if vip}}<b>VIP</b>{{/if}}", "{{#each list}}", "{{/each}}", `href="https://kunde.example/?a={{id}}&amp;b=2"`, "@media"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q in\n%s", want, html)
		}
	}
	if strings.Contains(html, "fonts.googleapis") {
		t.Error("the mail fetches fonts from others")
	}
	if again, err := c.Compile(ctx, letter); err != nil || again != html {
		t.Errorf("compiled anew to something else: %v", err)
	}
	for source, line := range map[string]int{
		"":                 0,
		"<p>kein MJML</p>": 0,
		"<mjml><mj-body>\n<mj-section>\n<mj-kolumne></mj-kolumne></mj-section></mj-body></mjml>":          3,
		"<mjml><mj-body><mj-section>\n<mj-column breite=\"1\"></mj-column></mj-section></mj-body></mjml>": 2,
	} {
		_, err := c.Compile(ctx, source)
		var at *mjml.Error
		if e := fault.As(err); e == nil || e.Code != mjml.CodeInvalid || !errors.As(err, &at) || at.Line != line {
			t.Errorf("%q: %v", source, err)
		}
	}
	for _, source := range []string{strings.Repeat(" ", mjml.MaxSource+1), strings.Repeat("<mj-text>", mjml.MaxElements+1)} {
		if _, err := c.Compile(ctx, source); !fault.IsKind(err, fault.TooLarge) {
			t.Errorf("%.30q: %v", source, err)
		}
	}
	// One that failed leaves the compiler usable.
	if again, err := c.Compile(ctx, letter); err != nil || again != html {
		t.Errorf("after errors: %v", err)
	}
}
