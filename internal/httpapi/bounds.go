package httpapi

import (
	"context"
	"net/http"

	"stafette/internal/audience"
	"stafette/internal/pause"
	"stafette/internal/tenant"
)

// boundRoutes are the limits that an account gives its own groups. They only make what the
// platform allows stricter; staff loosen it in the office, and say why.
func boundRoutes() []Route {
	const all, one = "/v1/limits", "/v1/groups/{id}/limits"
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "get-limits", summary: "Read from what on mail to the own groups is paused", register: registerWith((*API).limits)},
		{Method: http.MethodPut, Path: all, Scope: tenant.ScopeAdmin, MaxBody: maxNote, media: "application/json", status: 200, errors: []int{422},
			id: "set-limits", summary: "Make the limits of all own groups stricter", register: registerWith((*API).setLimits)},
		{Method: http.MethodPut, Path: one, Scope: tenant.ScopeAdmin, MaxBody: maxNote, media: "application/json", status: 200, errors: []int{404, 422},
			id: "set-group-limits", summary: "Make the limits of a group stricter", register: registerWith((*API).setGroupLimits)},
	}
}

// GroupShares are limits of one's own.
type GroupShares struct {
	Hard         int64 `json:"hard,omitempty" doc:"Addresses that do not exist, in parts of ten thousand of the mail sent; 0 or left out: the platform's limit"`
	Complaints   int64 `json:"complaints,omitempty"`
	Unsubscribes int64 `json:"unsubscribes,omitempty"`
}

type limitsOutput struct {
	Body struct {
		Window       int         `json:"window_hours"`
		Sent         int64       `json:"sent" doc:"Below so much mail nothing is paused"`
		Hard         GroupLimit  `json:"hard"`
		Complaints   GroupLimit  `json:"complaints"`
		Unsubscribes GroupLimit  `json:"unsubscribes"`
		Own          GroupShares `json:"own" doc:"What the account has set for this group, or for all"`
	}
}

func (a *API) limitsOf(ctx context.Context, g audience.GroupID) (*limitsOutput, error) {
	b, err := a.c.Pauses.BoundsOf(ctx, keyOf(ctx).Tenant, g)
	if err != nil {
		return nil, err
	}
	own := b.Group.Shares
	if g.IsZero() {
		own = b.Account.Shares
	}
	l, out := b.InForce(), &limitsOutput{}
	out.Body.Window, out.Body.Sent, out.Body.Own = l.Hours, l.Sent, GroupShares(own)
	out.Body.Hard, out.Body.Complaints, out.Body.Unsubscribes = GroupLimit(l.Hard), GroupLimit(l.Complaints), GroupLimit(l.Unsubscribes)
	return out, nil
}

func (a *API) limits(ctx context.Context, _ *struct{}) (*limitsOutput, error) {
	return a.limitsOf(ctx, audience.GroupID{})
}

type setLimitsInput struct{ Body GroupShares }

func (a *API) setLimits(ctx context.Context, in *setLimitsInput) (*limitsOutput, error) {
	return a.tighten(ctx, audience.GroupID{}, in.Body)
}

type setGroupLimitsInput struct {
	GroupPath
	Body GroupShares
}

func (a *API) setGroupLimits(ctx context.Context, in *setGroupLimitsInput) (*limitsOutput, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	if _, err := a.c.Groups.Group(ctx, keyOf(ctx).Tenant, g); err != nil {
		return nil, err
	}
	return a.tighten(ctx, g, in.Body)
}

func (a *API) tighten(ctx context.Context, g audience.GroupID, v GroupShares) (*limitsOutput, error) {
	k := keyOf(ctx)
	if err := a.c.Pauses.Tighten(ctx, k.Tenant, g, pause.Shares(v), k.ID.String()); err != nil {
		return nil, err
	}
	return a.limitsOf(ctx, g)
}
