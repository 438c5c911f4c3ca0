package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// ask sends a request to a node's API and decodes the answer.
func (n *node) ask(ctx context.Context, method, path string, body, to any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+n.http+path, sent)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+n.c.key)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s (%w)", method, path, resp.StatusCode, text, err)
	}
	return json.Unmarshal(text, to)
}

var errNotYet = errors.New("not yet")

// TestAudienceIsOne: what one node is told about rules and addresses holds on the other.
// A mail that waits on one is not sent after the other has suppressed its recipient,
// although that one is dead when its time comes.
func TestAudienceIsOne(t *testing.T) {
	t.Parallel()
	db := startPostgres(t)
	c := found(t, url(db.address()), url(db.address()))
	ctx, here, there := t.Context(), c.nodes[0], c.nodes[1]

	type rules struct {
		Rules []map[string]any `json:"rules"`
	}
	var set rules
	own := rules{[]map[string]any{{"class": "mailbox_full", "count": 5, "within_days": 90, "everywhere": true}}}
	if err := here.ask(ctx, http.MethodPut, "/v1/suppressions/rules", own, &set); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node has the rules", func(ctx context.Context) error {
		var seen rules
		if err := there.ask(ctx, http.MethodGet, "/v1/suppressions/rules", nil, &seen); err != nil {
			return err
		}
		if fmt.Sprint(seen) != fmt.Sprint(set) {
			return fmt.Errorf("%v: %w", seen.Rules[0], errNotYet)
		}
		return nil
	})

	type message struct {
		ID         string `json:"id"`
		Deliveries []struct{ State, Reason string }
	}
	var waits, free message
	for to, m := range map[string]*message{"weg@kunde.example": &waits, "eva@kunde.example": &free} {
		// Twice the half second after which nodes know, and more for a slow machine.
		if err := there.ask(ctx, http.MethodPost, "/v1/messages", map[string]any{"from": "info@muster.example", "to": []string{to},
			"subject": "Termin", "text": "Guten Tag", "stream": "reminder", "send_at": time.Now().Add(5 * time.Second).UTC().Format(time.RFC3339)}, m); err != nil {
			t.Fatal(err)
		}
	}
	var entry struct{ ID string }
	if err := here.ask(ctx, http.MethodPost, "/v1/suppressions", map[string]any{"address": "weg@kunde.example"}, &entry); err != nil {
		t.Fatal(err)
	}
	here.kill()
	for want, m := range map[string]message{"suppressed": waits, "delivered": free} {
		eventually(t, "the mail is "+want, func(ctx context.Context) error {
			var now message
			if err := there.ask(ctx, http.MethodGet, "/v1/messages/"+m.ID, nil, &now); err != nil {
				return err
			}
			if len(now.Deliveries) != 1 || now.Deliveries[0].State != want {
				return fmt.Errorf("%+v: %w", now, errNotYet)
			}
			return nil
		})
	}
}
