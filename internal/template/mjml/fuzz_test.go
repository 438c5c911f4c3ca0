package mjml_test

import (
	"context"
	"strings"
	"testing"

	"stafette/internal/fault"
	"stafette/internal/template/mjml"
)

// Whatever is handed in, the compiler answers with HTML or a refusal, and is usable after it.
func FuzzCompile(f *testing.F) {
	f.Add("<mj-text>Guten Tag {{name}}</mj-text>")
	f.Add("<mj-include path=\"/etc/passwd\"/>")
	f.Add("{{#each list}}<mj-text>{{this}}</mj-text>{{/each}} <!-- -- --> &#0;")
	var c mjml.Compiler
	f.Fuzz(func(t *testing.T, inside string) {
		if len(inside) > 4<<10 {
			t.Skip()
		}
		html, err := c.Compile(context.Background(), "<mjml><mj-body><mj-section><mj-column>"+inside+"</mj-column></mj-section></mj-body></mjml>")
		if err != nil && fault.As(err) == nil {
			t.Errorf("%q: %v", inside, err)
		}
		if strings.Contains(html, "root:x:0") {
			t.Errorf("%q reads files", inside)
		}
	})
}
