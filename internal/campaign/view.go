package campaign

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// ViewPath is where mails can be read as pages; the token follows.
const ViewPath = "/ansicht/"

// CodeView is a link that we did not make, or whose mail is no longer kept. Nothing tells
// which.
const CodeView = "campaign_view_unknown"

const (
	viewMAC  = 16 // bytes: 128 bits
	viewSize = 16 + 16
)

// Views shows mails of campaigns as pages to whoever has the link that stands in them. The
// page tells nobody that it was looked at. It is safe for concurrent use.
type Views struct {
	Codes     *seal.Codes // of links
	PublicURL string      // address of the pages without a path
	// Message reads a message; insight.Store has it.
	Message func(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error)
	// Plain makes the mail without pixel and links of ours; *spool.Spool has it.
	Plain func(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Link is the address of the page of a delivery.
func (v *Views) Link(t tenant.ID, d message.DeliveryID) string {
	raw := append(append(make([]byte, 0, viewSize+viewMAC), t[:]...), d[:]...)
	return v.PublicURL + ViewPath + base64.RawURLEncoding.EncodeToString(append(raw, v.mac(raw)...))
}

func (v *Views) mac(named []byte) []byte {
	code := v.Codes.Of([]byte("campaign view\x00"), named)
	return code[:viewMAC]
}

// Open returns the HTML that a link leads to. Errors: NotFound "campaign_view_unknown".
func (v *Views) Open(ctx context.Context, token string) (string, error) {
	unknown := fault.New(fault.NotFound, CodeView, "There is no such page, or no longer.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != viewSize+viewMAC || !hmac.Equal(raw[viewSize:], v.mac(raw[:viewSize])) {
		return "", unknown
	}
	m, err := v.Message(ctx, tenant.ID(raw[:16]), message.Of(message.DeliveryID(raw[16:32])))
	if fault.IsKind(err, fault.NotFound) {
		return "", unknown
	}
	if err != nil {
		return "", fmt.Errorf("open view: %w", err)
	}
	body, err := v.Plain(ctx, m.Body)
	if errors.Is(err, spool.ErrGone) || errors.Is(err, spool.ErrUnmergeable) {
		return "", unknown
	}
	if err != nil {
		return "", fmt.Errorf("open view: %w", err)
	}
	parts, err := message.Contents(body)
	if err != nil {
		return "", fmt.Errorf("read mail: %w", err)
	}
	var text string
	for _, p := range parts {
		switch {
		case p.ContentType == "text/html":
			return string(p.Bytes), nil
		case text == "" && strings.HasPrefix(p.ContentType, "text/"):
			text = string(p.Bytes)
		}
	}
	return "<!doctype html><meta charset=\"utf-8\"><title>" + html.EscapeString(m.Subject) + "</title><pre style=\"white-space:pre-wrap\">" + html.EscapeString(text) + "</pre>", nil
}
