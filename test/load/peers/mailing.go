package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Mailing is what the API tells of a mailing.
type Mailing struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	Total    int    `json:"total"`
	Accepted int    `json:"accepted"`
	Excluded int    `json:"excluded"`
}

// Addressee is what the API tells of a recipient of a mailing.
type Addressee struct {
	Email  string `json:"email"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// MakeMailing keeps a draft of the fields of the API.
func (s *Stafette) MakeMailing(ctx context.Context, fields map[string]any) (m Mailing, err error) {
	return m, s.post(ctx, "/v1/campaigns", fields, &m)
}

// MailingAct does something with a mailing: send, pause, resume, cancel. One that is not in
// the state for it is no error: a crash may have hidden the answer to the first request.
func (s *Stafette) MailingAct(ctx context.Context, id, act string) (m Mailing, err error) {
	return m, s.post(ctx, "/v1/campaigns/"+url.PathEscape(id)+"/"+act, map[string]any{}, &m)
}

// Mailing asks how far a mailing is.
func (s *Stafette) Mailing(ctx context.Context, id string) (m Mailing, err error) {
	return m, s.get(ctx, "/v1/campaigns/"+url.PathEscape(id), nil, &m)
}

// Addressees lists all recipients of a mailing.
func (s *Stafette) Addressees(ctx context.Context, id string) (all []Addressee, err error) {
	query := url.Values{"limit": {"500"}}
	for {
		var page struct {
			Data []Addressee `json:"data"`
			Next *string     `json:"next"`
		}
		if err := s.get(ctx, "/v1/campaigns/"+url.PathEscape(id)+"/recipients", query, &page); err != nil {
			return nil, err
		}
		if all = append(all, page.Data...); page.Next == nil {
			return all, nil
		}
		query.Set("after", *page.Next)
	}
}

// post sends JSON and reads the answer; 409 leaves it as it was.
func (s *Stafette) post(ctx context.Context, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.http+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+s.setup.APIKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	switch {
	case err != nil:
		return fmt.Errorf("post %s: %w", path, err)
	case resp.StatusCode == http.StatusConflict:
		return nil
	case resp.StatusCode >= 300:
		return fmt.Errorf("post %s: %d: %s", path, resp.StatusCode, bytes.TrimSpace(answer))
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	return nil
}
