package published

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"stafette/internal/fault"
	"stafette/internal/webhook"
)

// Call is what a webhook is sent.
type Call struct {
	Type string `json:"type"` // "sending_addresses.changed", or ".verification"
	At   string `json:"timestamp"`
	// Challenge is to be answered with, of a verification.
	Challenge string `json:"challenge,omitempty"`
	Version   int    `json:"version,omitempty"`
	// Changes against the version before.
	Changes []Differ `json:"changes,omitempty"`
	// Signed is the whole list as it is now, as the page has it.
	Signed json.RawMessage `json:"signed,omitempty"`
}

// callHook tells a webhook of an edition. The identifier stays the same at each try.
func (s *Service) callHook(ctx context.Context, sub Subscription, to Target, l List, e Edition) error {
	signed, err := s.JSON(l)
	if err != nil {
		return err
	}
	_, err = s.post(ctx, to, fmt.Sprintf("%s_%d", sub.ID, e.Version), Call{
		Type: "sending_addresses.changed", At: stamp(e.At), Version: e.Version, Changes: differ(e.Changes), Signed: signed,
	})
	return err
}

// CheckHook sends a webhook a challenge; if it answers with it, it is told from now on. So
// nobody can make us call a server that is not theirs. Errors: NotFound
// "subscription_not_found", Conflict "webhook_unproven".
func (s *Service) CheckHook(ctx context.Context, token string) error {
	sub, err := s.open(ctx, toConfirm, token)
	if err != nil {
		return err
	}
	if sub.Medium != ByWebhook {
		return fault.New(fault.NotFound, "subscription_not_found", "There is no such subscription.")
	}
	to, err := s.target(sub)
	if err != nil {
		return err
	}
	challenge := rand.Text()
	answer, err := s.post(ctx, to, sub.ID.String()+"_"+challenge, Call{Type: "sending_addresses.verification", At: stamp(s.c.Now()), Challenge: challenge})
	if err != nil || !bytes.Contains(answer, []byte(challenge)) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &fault.Error{Kind: fault.Conflict, Code: "webhook_unproven", Detail: "The server did not answer with the challenge.", Err: err}
	}
	return s.c.Store.ConfirmSubscription(ctx, sub.Owner, sub.ID, s.c.Now())
}

// post sends a signed call and returns the beginning of the answer; anything but 2xx is
// an error.
func (s *Service) post(ctx context.Context, to Target, identifier string, call Call) ([]byte, error) {
	body, err := json.Marshal(call)
	if err != nil {
		return nil, fmt.Errorf("write webhook: %w", err)
	}
	a, err := s.client.Call(ctx, webhook.Post{URL: to.To, Secrets: []string{to.Secret}, Identifier: identifier, At: s.c.Now(), Body: body})
	if err != nil {
		return nil, fmt.Errorf("call webhook: %w", err)
	}
	// The address may bear a secret of its owner: it does not go into the log.
	if a.Failure != "" {
		return nil, fmt.Errorf("call webhook: %s (%d)", a.Failure, a.Code)
	}
	return a.Body, nil
}
