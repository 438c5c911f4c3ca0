package httpapi

import (
	"context"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Tracking is how much a message tells of its recipients, as was decided when it was sent.
type Tracking struct {
	Level string `json:"level" enum:"none,aggregate,pseudonymous,individual"`
	Rule  string `json:"rule" enum:"tenant,basis,stream,message,recipient,several_recipients,few_recipients,signed_content,foreign,no_html,unreadable" doc:"What decided the level"`
}

// Trackings tells of decisions. A tracking.Reader does.
type Trackings interface {
	Tracked(ctx context.Context, t tenant.ID, m message.ID) (tracking.Tracked, error)
}

// tracking is what was decided about a message; nil where nothing is kept of it.
func (a *API) tracking(ctx context.Context, t tenant.ID, m message.ID) (*Tracking, error) {
	if a.c.Trackings == nil {
		return nil, nil
	}
	v, err := a.c.Trackings.Tracked(ctx, t, m)
	if fault.IsKind(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Tracking{Level: v.Decision.Level.String(), Rule: string(v.Decision.Rule)}, nil
}
