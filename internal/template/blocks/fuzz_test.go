package blocks_test

import (
	"strings"
	"testing"

	"stafette/internal/template/blocks"
)

// Nothing that is typed into a block becomes an element of its own (T15).
func FuzzMarkup(f *testing.F) {
	f.Add("**fett** *schräg* [Text](https://muster.example/?a=1&b=2)\n\n- eins\n- zwei", "{{name}}")
	f.Add("<script>alert(1)</script> [x](javascript:alert(1)) {{{raw}}}", "</mj-text><mj-raw>")
	f.Add("\\*a\\* \\[x](javascript:alert(1)) \\<b> \\- \\{{name}}", "\\*")
	f.Fuzz(func(t *testing.T, text, title string) {
		if len(text) > blocks.MaxText || len(title) > blocks.MaxWords {
			t.Skip()
		}
		d := blocks.New()
		d.Blocks[1].Text, d.Blocks[1].Title = text, title
		if d.Check() != nil {
			return
		}
		source := d.MJML(blocks.Brand{Name: "Muster"}, blocks.Words{Lang: "de", Unsubscribe: "Abmelden"}, "")
		empty := blocks.New()
		empty.Blocks[1].Title = "x"
		empty.Blocks[1].Text = "x"
		plain := empty.MJML(blocks.Brand{Name: "Muster"}, blocks.Words{Lang: "de", Unsubscribe: "Abmelden"}, "")
		for _, tag := range []string{"<script", "<mj-raw", "<mj-include", "<iframe", "<img", "<mj-section"} {
			if strings.Count(source, tag) > strings.Count(plain, tag) {
				t.Errorf("%q in\n%s", tag, source)
			}
		}
		if strings.Contains(strings.ToLower(source), `href="javascript:`) {
			t.Errorf("a link that runs something in\n%s", source)
		}
		_ = d.Text(blocks.Brand{Name: "Muster"}, blocks.Words{Lang: "de", Unsubscribe: "Abmelden"})
	})
}
