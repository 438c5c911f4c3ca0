package offer

import (
	"strings"
	"testing"

	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// The HTML of a receipt says what its text says, bears the tenant's look, and leads nowhere
// but to the recipient's own page: the logo comes with the mail.
func TestReceiptHTML(t *testing.T) {
	t.Parallel()
	const link = "https://mail.example/o/abc"
	v := Visit{Tenant: tenant.Tenant{Name: "Hafen <b>"}, Brand: blocks.Brand{Colour: "#9a1b2f", Font: "serif", Logo: "https://fremd.example/l.png"}}
	text := "Guten Tag <Eva>,\n\nWiderrufen: " + link + "\nVorgang 7"
	named := receiptHTML(v, text, link)
	v.Logo = stationery.Logo{Data: []byte("x"), Media: "image/png", Width: 640, Height: 640}
	pictured := receiptHTML(v, text, link)
	for page, wants := range map[string][]string{
		named:    {"<b>Hafen &lt;b&gt;</b>", "3px solid #9a1b2f", "Georgia", "Guten Tag &lt;Eva&gt;,", `href="` + link + `"`, "<br>Vorgang 7"},
		pictured: {`<img src="cid:logo@receipt" alt="Hafen &lt;b&gt;" width="72" height="72"`, "Vorgang 7"},
	} {
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s\nlacks %s", page, want)
			}
		}
		if strings.Contains(page, "fremd.example") {
			t.Error("another host is asked")
		}
	}
	v.Brand = blocks.Brand{Colour: "red;}", Name: "Kontor"}
	if page := receiptHTML(v, text, ""); strings.Contains(page, "red;}") || !strings.Contains(page, `alt="Kontor"`) {
		t.Error(page)
	}
}
