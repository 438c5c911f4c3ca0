package insight

import (
	"context"
	"time"

	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// TrackingBasis has to do where mail is tracked and nobody has said on which legal basis:
// there are counts only then, and somebody may think otherwise.
type TrackingBasis struct {
	Store interface {
		TrackingSetting(ctx context.Context, t tenant.ID) (tracking.Setting, error)
	}
}

// Todos implements TodoSource. A tenant that chose counts, or nothing, has decided.
func (s TrackingBasis) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]Todo, error) {
	v, err := s.Store.TrackingSetting(ctx, t)
	if err != nil || v.Recorded() || v.Level <= tracking.None || v.Basis != tracking.BasisNone {
		return nil, err
	}
	return []Todo{{Key: "tracking_basis", Kind: "tracking_basis", Mark: "queued", Link: "/settings/tracking", Optional: true, Needs: tenant.SettingsWrite}}, nil
}
