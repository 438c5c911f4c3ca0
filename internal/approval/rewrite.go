package approval

import (
	"context"
	"fmt"

	"stafette/internal/tenant"
)

// Rewrite lets change replace what stands in the descriptions, drafts, reasons and answers of
// all of a tenant's cases, evidence not, and returns in how many places it changed something.
// What is given to change is a JSON object, and so must be what it returns. Who did what and
// when stays as it is. Each case is one transaction; what was changed before an error stays so.
func (s *Service) Rewrite(ctx context.Context, t tenant.ID, change func(text string) string) (n int64, err error) {
	rows, err := s.c.Store.Approvals(ctx, t)
	if err != nil {
		return 0, fmt.Errorf("rewrite approvals: %w", err)
	}
	for _, r := range rows {
		one, err := s.rewrite(ctx, r, change)
		if n += one; err != nil {
			return n, fmt.Errorf("rewrite approval %s: %w", r.ID, err)
		}
	}
	return n, nil
}

func (s *Service) rewrite(ctx context.Context, r Row, change func(text string) string) (n int64, err error) {
	again := func(sealed []byte, at string) ([]byte, error) {
		text, err := s.c.Keeper.Open(sealed, at)
		if err != nil {
			return nil, err
		}
		fresh := change(string(text))
		if fresh == string(text) {
			return sealed, nil
		}
		n++
		return s.c.Keeper.Seal([]byte(fresh), at), nil
	}
	if r.Sealed, err = again(r.Sealed, place(r.ID)); err != nil {
		return 0, err
	}
	lines, err := s.c.Store.ApprovalLog(ctx, r.Tenant, r.ID)
	if err != nil {
		return 0, err
	}
	for i := range lines {
		if lines[i].Sealed, err = again(lines[i].Sealed, place(r.ID)+"/"+lines[i].ID.String()); err != nil {
			return 0, err
		}
	}
	if n == 0 {
		return 0, nil
	}
	return n, s.c.Store.RewriteApproval(ctx, r, lines)
}
