package messages

import (
	"fmt"
	"strings"
	"testing"
)

// nested is a message of the given depth of multiparts around one line of text.
func nested(depth int) []byte {
	var head, tail strings.Builder
	head.WriteString("From: a@muster.example\r\nMIME-Version: 1.0\r\n")
	for i := range depth {
		fmt.Fprintf(&head, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		fmt.Fprintf(&tail, "\r\n--b%d--\r\n", depth-1-i)
	}
	return []byte(head.String() + "Content-Type: text/plain\r\n\r\nHallo" + tail.String())
}

// TestDeeplyNestedMailShowsItsSource: taking forty levels apart would take the
// library minutes.
func TestDeeplyNestedMailShowsItsSource(t *testing.T) {
	for depth, view := range map[int]string{3: "text", shownDepth + 1: "source", 40: "source"} {
		var c content
		if err := c.fill(nested(depth)); err != nil {
			t.Fatalf("depth %d: %v", depth, err)
		}
		if c.view != view || !strings.Contains(c.text, "Hallo") {
			t.Errorf("depth %d is shown as %s: %.80q", depth, c.view, c.text)
		}
	}
}
