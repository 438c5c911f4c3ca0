package offerpages

import (
	"regexp"
	"strings"
	"testing"

	"stafette/internal/template/blocks"
)

// Whatever colours a tenant chose, what stands in them can be read in both themes.
func TestBrandsCanBeRead(t *testing.T) {
	pair := regexp.MustCompile(`--deed: light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)`)
	for _, colour := range []string{"#123f70", "#FFEE00", "#ffffff", "#000000", "#ff0000", "#7f7f7f"} {
		for _, ground := range []string{"", "#eef1f4", "#000000", "#ffd0d0"} {
			sheet := brandSheet(blocks.Brand{Colour: colour, Ground: ground})
			found := pair.FindStringSubmatch(sheet)
			if found == nil {
				t.Fatalf("%s on %q: %s", colour, ground, sheet)
			}
			for _, on := range []string{paperLight, "#fbf4e2"} {
				if c := contrast(found[1], on); c < enough {
					t.Errorf("%s becomes %s, contrast %.2f on %s", colour, found[1], c, on)
				}
			}
			for _, on := range []string{paperDark, "#0a1118", "#2a2415"} {
				if c := contrast(found[2], on); c < enough {
					t.Errorf("%s becomes %s in the dark, contrast %.2f on %s", colour, found[2], c, on)
				}
			}
			if shown := strings.Contains(sheet, "--canvas"); shown != (ground == "#eef1f4" || ground == "#ffd0d0") {
				t.Errorf("ground %q: %s", ground, sheet)
			}
		}
	}
	if c := contrast("#000000", "#ffffff"); c < 20.9 || c > 21.1 {
		t.Errorf("black on white has %.2f", c)
	}
	// A brand is the tenant's text: nothing of it reaches the sheet unread.
	evil := blocks.Brand{Colour: "red;} body{display:none", Ground: "#12345", Font: "x;}"}
	if branded(evil) || brandSheet(evil) != "" {
		t.Errorf("%q", brandSheet(evil))
	}
}
