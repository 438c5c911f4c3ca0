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

// Settled implements Peer: nothing is queued or deferred any more.
func (s *Stafette) Settled(ctx context.Context, _ int) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, state := range []string{"queued", "deferred"} {
		for {
			var page listJSON
			if err := s.get(ctx, "/v1/messages", url.Values{"state": {state}, "limit": {"1"}}, &page); err != nil {
				return err
			}
			if len(page.Data) == 0 {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("messages of stafette are still %s: %w", state, ctx.Err())
			case <-tick.C:
			}
		}
	}
	return nil
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
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+s.setup.APIKey)
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	if resp.StatusCode == http.StatusNotFound {
		return errUnknown
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %d: %s", path, resp.StatusCode, bytes.TrimSpace(text))
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	return nil
}

// To asks how many messages went to an address, at most a page.
func (s *Stafette) To(ctx context.Context, address string) (int, error) {
	var page listJSON
	err := s.get(ctx, "/v1/messages", url.Values{"recipient": {address}}, &page)
	return len(page.Data), err
}
