package audience

import (
	"context"
	"time"

	"stafette/internal/tenant"
)

// ApprovalState is how far the approval of a group is.
type ApprovalState string

// The states.
const (
	ApprovalRequired ApprovalState = "required"
	ApprovalInReview ApprovalState = "in_review"
	ApprovalQuestion ApprovalState = "question" // the reviewers wait for an answer
	ApprovalGiven    ApprovalState = "approved"
	ApprovalRejected ApprovalState = "rejected"
)

// Approval is what the doors tell of the approval of a group.
type Approval struct {
	State    ApprovalState
	Since    time.Time // of the state; zero where nothing was ever asked
	Due      time.Time // until when the reviewers answer; zero if they need not
	Question string    // what they ask, "" for nothing
}

// Approvals tells of the approvals of groups.
type Approvals interface {
	// OfGroups returns what is known of groups; one that is not in the map is
	// ApprovalRequired.
	OfGroups(ctx context.Context, t tenant.ID, groups []GroupID) (map[GroupID]Approval, error)
}

// ApprovalsOf is Approvals.OfGroups with an answer for every group, also where a is nil:
// then every group needs an approval.
func ApprovalsOf(ctx context.Context, a Approvals, t tenant.ID, groups []GroupID) (map[GroupID]Approval, error) {
	known := map[GroupID]Approval{}
	if a != nil && len(groups) > 0 {
		found, err := a.OfGroups(ctx, t, groups)
		if err != nil {
			return nil, err
		}
		for g, one := range found {
			known[g] = one
		}
	}
	for _, g := range groups {
		if one := known[g]; one.State == "" {
			known[g] = Approval{State: ApprovalRequired}
		}
	}
	return known, nil
}
