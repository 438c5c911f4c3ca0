package lead

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/tenant"
)

// Kept is how long the content of leads is kept unless somebody wants it otherwise: six
// weeks, in which they can be sent again.
const Kept = 42 * 24 * time.Hour

// KeptFor is how long the content of a tenant's leads is kept.
func (s *Service) KeptFor(ctx context.Context, t tenant.ID) (time.Duration, error) {
	if s.c.Term == nil {
		return s.c.Kept, nil
	}
	days, err := s.c.Term(ctx, t)
	if err != nil {
		return 0, fmt.Errorf("read retention time of leads: %w", err)
	}
	if days <= 0 {
		return s.c.Kept, nil
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

// Drop erases the content of leads whose time is over, but of tenants with a time of their
// own.
func (s *Service) Drop(ctx context.Context, now time.Time) error {
	const batch = 500
	for {
		n, err := s.c.Store.DropLeads(ctx, now.Add(-s.c.Kept), batch)
		if err != nil {
			return fmt.Errorf("drop leads: %w", err)
		}
		if n > 0 {
			s.c.Log.InfoContext(ctx, "content of leads erased", "leads", n)
		}
		if n < batch {
			return nil
		}
	}
}
