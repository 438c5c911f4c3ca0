package store

import (
	"testing"

	"stafette/internal/message"
)

// TestBoxesJSON holds mailboxes that are written without the general JSON to it.
func TestBoxesJSON(t *testing.T) {
	box := func(name, local, domain string) message.Mailbox {
		return message.Mailbox{Name: name, Address: message.Address{Local: local, Domain: domain}}
	}
	plain, odd := box("Eva Muster", "eva", "x.example"), []message.Mailbox{
		{}, box("", "a", "b.example"), box(`"E"`, "a", "b.example"), box("Käthe", "a", "b.example"), box("A & B", "<", "b.example"), box("\\", "a\x00", "\xff"), box("a", "ü", "ü.example"),
	}
	for _, list := range [][]message.Mailbox{{}, {plain}, {plain, plain}, odd, {plain, odd[2]}, {odd[3], plain}} {
		if got, want := boxesJSON(list), asJSON(boxesOf(list)); got != want {
			t.Errorf("%v is %s, not %s", list, got, want)
		}
	}
	for _, m := range append(odd, plain) {
		if got, want := boxJSON(m), asJSON(boxOf(m)); got != want {
			t.Errorf("%v is %s, not %s", m, got, want)
		}
	}
}
