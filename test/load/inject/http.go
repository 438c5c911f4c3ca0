package inject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"stafette/test/load/ledger"
	"stafette/test/load/letter"
)

// HTTP is a Stafette API to load.
type HTTP struct {
	URL string // without path
	Key string // bearer key
	// Batch is how many letters go into one request: 1, the default, uses
	// /v1/messages, more use /v1/messages/batch.
	Batch int
	// SendAt puts delivery off, so that acceptance alone is measured; zero is now.
	SendAt time.Time
	// Besides, if set, is a second recipient of every letter.
	Besides string
}

// Run submits the load over HTTP.
func (h HTTP) Run(ctx context.Context, load Load) (Result, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: max(load.Sessions, 20), DisableCompression: true}}
	defer client.CloseIdleConnections()
	return run(ctx, load, func(ctx context.Context, c *counter) error { return h.session(ctx, client, c) })
}

func (h HTTP) session(ctx context.Context, client *http.Client, c *counter) error {
	for ctx.Err() == nil {
		batch := c.take(max(h.Batch, 1))
		if len(batch) == 0 {
			return nil
		}
		began := time.Now()
		entries, refusals, err := h.submit(ctx, client, batch)
		var no refusal
		switch {
		case errors.As(err, &no):
			c.refused(len(batch), string(no))
		case err != nil:
			c.unanswered(len(batch))
		default:
			if len(refusals) > 0 {
				c.refused(len(refusals), refusals[0])
			}
			if err := c.acknowledged(entries, began); err != nil {
				return err
			}
			continue
		}
		if !c.load.Stubborn {
			return err
		}
		if !breathe(ctx) {
			return nil
		}
	}
	return nil
}

type draft struct {
	From    string   `json:"from"`
	To      []string `json:"to"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	SendAt  string   `json:"send_at,omitempty"`
}

func (h HTTP) draft(l letter.Letter) draft {
	at := ""
	if !h.SendAt.IsZero() {
		at = h.SendAt.Format(time.RFC3339)
	}
	to := []string{l.To}
	if h.Besides != "" {
		to = append(to, h.Besides)
	}
	return draft{SendAt: at, From: "Muster Immobilien <" + l.From + ">", To: to, Subject: l.Subject(), Text: l.Text()}
}

// accepted is the answer to one message; an item of a batch has a problem instead.
type accepted struct {
	ID      string          `json:"id"`
	Problem json.RawMessage `json:"problem"`
}

// submit sends a request and returns what it acknowledged and what it refused.
func (h HTTP) submit(ctx context.Context, client *http.Client, batch []letter.Letter) (entries []ledger.Entry, refusals []string, err error) {
	path, body := "/v1/messages", any(h.draft(batch[0]))
	if h.Batch > 1 {
		path = "/v1/messages/batch"
		drafts := make([]draft, len(batch))
		for i, l := range batch {
			drafts[i] = h.draft(l)
		}
		body = map[string]any{"messages": drafts}
	}
	answer, err := h.post(ctx, client, path, body)
	if err != nil {
		return nil, nil, err
	}
	items, err := h.items(answer)
	if err != nil {
		return nil, nil, err
	}
	if len(items) != len(batch) {
		return nil, nil, fmt.Errorf("%d letters got %d answers", len(batch), len(items))
	}
	for i, item := range items {
		if item.ID == "" {
			refusals = append(refusals, string(item.Problem))
			continue
		}
		entries = append(entries, ledger.Entry{Token: batch[i].Token, ID: item.ID})
	}
	return entries, refusals, nil
}

// items reads the answer: one message, or {"results":[…]} of a batch.
func (h HTTP) items(answer []byte) ([]accepted, error) {
	if h.Batch <= 1 {
		var one accepted
		if err := json.Unmarshal(answer, &one); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		return []accepted{one}, nil
	}
	var many struct {
		Results []accepted `json:"results"`
	}
	if err := json.Unmarshal(answer, &many); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return many.Results, nil
}

func (h HTTP) post(ctx context.Context, client *http.Client, path string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+h.Key)
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("post %s: %w", path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("post %s: %w", path, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, refusal(fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(string(answer))))
	}
	return answer, nil
}
