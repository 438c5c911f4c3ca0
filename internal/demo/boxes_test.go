package demo

import (
	"bytes"
	"os"
	"testing"
)

func TestBoxesForgetTheOldest(t *testing.T) {
	for _, c := range []struct {
		name            string
		mails, bytes    int
		sizes           []int
		oldest, keeping int
	}{
		{"by number", 2, 1000, []int{1, 1, 1}, 2, 2},
		{"by size", 10, 10, []int{6, 6}, 2, 1},
		{"but never the last", 10, 10, []int{50}, 1, 1},
		{"all within bounds", 10, 10, []int{5, 5}, 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoxes(c.mails, c.bytes)
			for _, n := range c.sizes {
				b.put(mail{Box: "a", Raw: make([]byte, n)})
			}
			list := b.list("", 100)
			if len(list) != c.keeping || list[len(list)-1].ID != c.oldest {
				t.Errorf("%d mails from %d on, want %d from %d on", len(list), list[len(list)-1].ID, c.keeping, c.oldest)
			}
			if _, ok := b.get(c.oldest); !ok {
				t.Errorf("mail %d cannot be read", c.oldest)
			}
			if _, ok := b.get(c.oldest - 1); ok {
				t.Errorf("mail %d was to be forgotten", c.oldest-1)
			}
		})
	}
}

// TestTokensAreTheOffices keeps the mailbox page in the office's colours.
func TestTokensAreTheOffices(t *testing.T) {
	office, err := os.ReadFile("../web/frame/assets/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := assets.ReadFile("assets/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(office, ours) {
		t.Error("assets/tokens.css differs from the office's; copy it")
	}
}
