package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Delivery is what the API tells of one.
type Delivery struct {
	Recipient string    `json:"recipient"`
	State     string    `json:"state"`
	Reason    string    `json:"reason"`
	Attempts  []Attempt `json:"attempts"`
}

// Attempt is what the API tells of one.
type Attempt struct {
	Code    int    `json:"code"`
	Reply   string `json:"reply"`
	Outcome string `json:"outcome"`
}

type messageJSON struct {
	ID         string     `json:"id"`
	Deliveries []Delivery `json:"deliveries"`
}

type listJSON struct {
	Data []messageJSON `json:"data"`
	Next *string       `json:"next"`
}

// Message asks for the deliveries of a message; none if it is unknown.
func (s *Stafette) Message(ctx context.Context, id string) ([]Delivery, error) {
	var m messageJSON
	err := s.get(ctx, "/v1/messages/"+url.PathEscape(id), nil, &m)
	if errors.Is(err, errUnknown) {
		return nil, nil
	}
	return m.Deliveries, err
}

// Command gives a command about all deliveries of a message: cancel, hold, resume
// or retry.
func (s *Stafette) Command(ctx context.Context, id, command string) error {
	path := "/v1/messages/" + url.PathEscape(id) + "/" + command
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.http+path, nil)
	if err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+s.setup.APIKey)
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("post %s: %d: %s", path, resp.StatusCode, bytes.TrimSpace(text))
	}
	return nil
}

// Settled implements Peer: nothing is being sent and every verdict is durable, twice in a
// row, since a mail is neither for a moment. Asking for messages that are queued would
// cost the server more than some thousand of them.
func (s *Stafette) Settled(ctx context.Context, _ int) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for quiet := 0; quiet < 2; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("stafette is still sending: %w", ctx.Err())
		case <-tick.C:
		}
		busy, err := s.busy(ctx)
		if err != nil {
			return err
		}
		quiet++
		if busy {
			quiet = 0
		}
	}
	return nil
}

// busy looks at the metrics of delivery.
func (s *Stafette) busy(ctx context.Context) (bool, error) {
	text, err := s.fetch(ctx, "http://"+s.ops+"/metrics")
	if err != nil {
		return false, err
	}
	for _, gauge := range []string{"in_flight", "settling"} {
		if !bytes.Contains(text, []byte("\nstafette_delivery_"+gauge+" 0\n")) {
			return true, nil
		}
	}
	return false, nil
}

// Verify implements Peer: exactly n messages can be asked for, all delivered.
func (s *Stafette) Verify(ctx context.Context, n int) error {
	const page = 200
	have, after := 0, ""
	for {
		query := url.Values{"state": {"delivered"}, "limit": {strconv.Itoa(page)}}
		if after != "" {
			query.Set("after", after)
		}
		var list listJSON
		if err := s.get(ctx, "/v1/messages", query, &list); err != nil {
			return err
		}
		have += len(list.Data)
		if list.Next == nil {
			break
		}
		after = *list.Next
	}
	if have != n {
		return fmt.Errorf("stafette tells of %d delivered messages, not of %d", have, n)
	}
	return nil
}

var errUnknown = errors.New("not found")

// get reads a JSON answer of the API; errUnknown is 404.
func (s *Stafette) get(ctx context.Context, path string, query url.Values, into any) error {
	address := "http://" + s.http + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	text, err := s.fetch(ctx, address)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	return nil
}

// fetch gets a page; errUnknown is 404.
func (s *Stafette) fetch(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", address, err)
	}
	req.Header.Set("Authorization", "Bearer "+s.setup.APIKey)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", address, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	switch {
	case err != nil:
		return nil, fmt.Errorf("get %s: %w", address, err)
	case resp.StatusCode == http.StatusNotFound:
		return nil, errUnknown
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("get %s: %d: %s", address, resp.StatusCode, bytes.TrimSpace(text))
	}
	return text, nil
}

// To asks how many messages went to an address, at most a page.
func (s *Stafette) To(ctx context.Context, address string) (int, error) {
	var page listJSON
	err := s.get(ctx, "/v1/messages", url.Values{"recipient": {address}}, &page)
	return len(page.Data), err
}
