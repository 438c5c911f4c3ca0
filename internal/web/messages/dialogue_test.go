package messages_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/event"
	"stafette/internal/web/webtest"
)

// TestDialogueIsShownAndHandedOver: to who may read it, per attempt, with the server's
// words as words, and as a file.
func TestDialogueIsShownAndHandedOver(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	path := d.Message(event.Bounced, "Besichtigung")
	a := d.Get(path)
	webtest.Expect(t, a, http.StatusOK, "SMTP-Dialog, 1. Versuch", "S 550 <script>no</script>")
	if strings.Contains(a.Text, "<script>no") {
		t.Error("foreign words unescaped")
	}
	var files []string
	webtest.Each(a.Document(t), func(n *html.Node) {
		if link := webtest.Attribute(n, "href"); strings.Contains(link, "/dialogue.txt?") {
			files = append(files, link)
		}
	})
	if len(files) < 2 {
		t.Fatalf("%d dialogues", len(files))
	}
	file := d.Get(files[0])
	if file.StatusCode != http.StatusOK || !strings.HasPrefix(file.Header.Get("Content-Type"), "text/plain") ||
		!strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment") || !strings.Contains(file.Text, "S 550 <script>no</script>\n") {
		t.Errorf("status %d, %v: %s", file.StatusCode, file.Header, file.Text)
	}
	for _, address := range []string{path + "/dialogue.txt", files[0] + "1", strings.Replace(files[0], "delivery=dlv_", "delivery=x", 1)} {
		if a := d.Get(address); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", address, a.StatusCode)
		}
	}
	reader := webtest.Open(t).SignIn(webtest.Reader)
	if a := reader.Get(reader.Message(event.Bounced, "Besichtigung")); a.StatusCode != http.StatusOK || strings.Contains(a.Text, "SMTP-Dialog") {
		t.Errorf("somebody who may only read messages sees dialogues, status %d", a.StatusCode)
	}
}
