package frame_test

import (
	"strings"
	"testing"

	"stafette/internal/web/frame"
)

// TestHostName: names break behind dots, and nothing in them is markup.
func TestHostName(t *testing.T) {
	for name, want := range map[string]string{
		"mail.versand.example": `<span class="host">mail.<wbr>versand.<wbr>example</span>`,
		"":                     `<span class="host"></span>`,
		"<b>.example":          `<span class="host">&lt;b&gt;.<wbr>example</span>`,
	} {
		var b strings.Builder
		if err := frame.HostName(name).Render(t.Context(), &b); err != nil || b.String() != want {
			t.Errorf("%q: %s, %v", name, &b, err)
		}
	}
}
