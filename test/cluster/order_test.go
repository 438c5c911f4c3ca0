package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// command runs the program beside the node, on its configuration.
func (n *node) command(args ...string) string {
	n.c.t.Helper()
	cmd := exec.CommandContext(n.c.t.Context(), program, append(args, "--config", n.conf)...)
	cmd.Stderr = n.log
	out, err := cmd.Output()
	if err != nil {
		n.c.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// TestSuspensionHoldsOnEveryNode: an order that a third process gives is heeded by both
// nodes, for mail that either takes afterwards; when it ends everything is sent once.
func TestSuspensionHoldsOnEveryNode(t *testing.T) {
	t.Parallel()
	db := startPostgres(t)
	c := found(t, url(db.address()), url(db.address()))
	order := c.nodes[0].command("queue", "suspend", "--all", "--reason", "Wartung")
	for _, n := range c.nodes {
		eventually(t, n.name+" knows of the order", func(context.Context) error {
			if known := n.command("control", "orders"); !strings.Contains(known, "Wartung") {
				return fmt.Errorf("it knows %q", known)
			}
			return nil
		})
	}
	size := scaled(20)
	for _, n := range c.nodes {
		n.submit(t.Context(), size)
	}
	eventually(t, "both nodes have put their mail off", func(context.Context) error {
		var list []struct {
			State string    `json:"state"`
			DueAt time.Time `json:"due_at"`
		}
		if err := json.Unmarshal([]byte(c.nodes[0].command("queue", "list", "-o", "json", "--limit", "1000")), &list); err != nil {
			return err
		}
		parked := 0
		for _, l := range list {
			if l.State == "queued" && time.Until(l.DueAt) > time.Minute {
				parked++
			}
		}
		if parked != 2*size {
			return fmt.Errorf("%d of %d", parked, 2*size)
		}
		return nil
	})
	if n, _ := c.sink.count(); n != 0 {
		t.Errorf("%d mails left while the order held", n)
	}
	c.nodes[1].command("queue", "resume", order)
	c.sink.awaitDistinct(t, 2*size)
	c.settled(0)
}
