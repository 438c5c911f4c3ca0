package e2e

import (
	"fmt"
	"testing"
)

// towards sends all mail to one address on loopback.
func towards(address string) string {
	return fmt.Sprintf("[[route]]\ndomain = \"*\"\nnext_hop = %q\n", address)
}

// TestKilledBetweenAcceptanceAndDelivery: the recipient is down, the program dies
// without a word, and still every accepted message arrives, once.
func TestKilledBetweenAcceptanceAndDelivery(t *testing.T) {
	t.Parallel()
	const count = 50
	address := ownAddress(t)
	s := install(t, towards(address))
	accepted := map[string]bool{}
	for i := range count {
		accepted[s.send(t, map[string]any{
			"from": "info@" + senderDomain, "to": []string{fmt.Sprintf("kunde%d@%s", i, recipientDomain)},
			"subject": "Rechnung", "text": "Guten Tag",
		}).ID] = true
	}
	s.kill()
	taken := openSink(t, address)
	s.start(t)
	for id := range accepted {
		if d := s.settled(t, id).Deliveries[0]; d.State != "delivered" {
			t.Errorf("%s: %+v", id, d)
		}
	}
	copies := taken.copies()
	if len(copies) != count {
		t.Errorf("%d different messages arrived, want %d", len(copies), count)
	}
	for id, n := range copies {
		if n != 1 {
			t.Errorf("message %s arrived %d times although no reply was lost", id, n)
		}
	}
}

// TestOrderlyRestart: what waits survives a stop, and the stop is clean.
func TestOrderlyRestart(t *testing.T) {
	t.Parallel()
	address := ownAddress(t)
	s := install(t, towards(address))
	m := s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"eva@" + recipientDomain}, "subject": "Hallo", "text": "Hallo"})
	s.stop(t)
	taken := openSink(t, address)
	s.start(t)
	if d := s.settled(t, m.ID).Deliveries[0]; d.State != "delivered" {
		t.Errorf("delivery %+v", d)
	}
	if n := len(taken.copies()); n != 1 {
		t.Errorf("%d messages arrived", n)
	}
	s.stop(t)
}
