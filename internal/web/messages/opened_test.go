package messages_test

import (
	"net/http"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// Whether mail was opened stands in its file: by whom where one person got it, by somebody
// where several did, and nothing where nothing may be said.
func TestOpenedInTheFile(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	file := d.Get("/messages.csv")
	webtest.Expect(t, file, http.StatusOK, "Geöffnet")
	someone, one := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(file.Text), "\n")[1:] {
		switch {
		case strings.Contains(line, "jemand, "):
			someone++
		case strings.Contains(line[strings.LastIndexAny(line, ";,")+1:], ":"):
			one++
		}
	}
	if someone == 0 || one == 0 {
		t.Errorf("opened by somebody %d, by one %d:\n%s", someone, one, file.Text)
	}
	webtest.Expect(t, d.Get("/messages?opened=nobody"), http.StatusOK, "Noch nicht geöffnet")
}
