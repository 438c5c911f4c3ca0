package campaigns_test

import (
	"net/http"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// The list is searched and narrowed, and the file has what is shown.
func TestMailingsAreFound(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get("/campaigns"), http.StatusOK, "Juni-Rundbrief")
	webtest.Expect(t, d.Get("/campaigns?q=juni&state=scheduled"), http.StatusOK, "Juni-Rundbrief")
	webtest.Expect(t, d.Get("/campaigns?q=juni&state=draft"), http.StatusOK, "Nichts passt zu diesem Filter.")
	file := d.Get("/campaigns.csv?q=juni")
	if lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(file.Text, "\r", "")), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[1], "Juni-Rundbrief;cmp_") {
		t.Errorf("CSV:\n%s", file.Text)
	}
	first := strings.Index(d.Get("/campaigns?sort=name").Text, "Juni-Rundbrief")
	last := strings.Index(d.Get("/campaigns?sort=-name").Text, "Juni-Rundbrief")
	if first == last {
		t.Error("the order of names changes nothing")
	}
}
