package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/pause"
	"stafette/internal/tenant"
)

// Pauses tells how mail to groups fares and ends pauses; *pause.Service does.
type Pauses interface {
	Standing(ctx context.Context, t tenant.ID, g audience.GroupID) (pause.Standing, error)
	PausesOf(ctx context.Context, t tenant.ID) ([]pause.Pause, error)
	Pauses(ctx context.Context) ([]pause.Pause, error)
	BoundsOf(ctx context.Context, t tenant.ID, g audience.GroupID) (pause.Bounds, error)
	Tighten(ctx context.Context, t tenant.ID, g audience.GroupID, v pause.Shares, actor string) error
	Release(ctx context.Context, t tenant.ID, g audience.GroupID, actor, note string, staff bool) error
}

const maxNote = 16 << 10

// pauseRoutes are those of groups whose mail is stopped: an account reads its own and ends a
// pause once by itself, the platform ends others.
func pauseRoutes() []Route {
	const one, staff = "/v1/groups/{id}/pause", "/v1/platform/pauses"
	return []Route{
		{Method: http.MethodGet, Path: "/v1/pauses", Scope: tenant.ScopeRead, status: 200,
			id: "list-pauses", summary: "List the pauses of the own groups from new to old", register: registerWith((*API).listPauses)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-group-pause", summary: "Read how mail to a group fares, and whether it is paused", register: registerWith((*API).groupPause)},
		{Method: http.MethodPost, Path: one + "/release", Scope: tenant.ScopeSend, MaxBody: maxNote, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "release-group", summary: "Say what was changed, and let mail to a group go on; once in 30 days for each group", register: registerWith((*API).releaseGroup)},
		{Method: http.MethodGet, Path: staff, Scope: tenant.ScopeRead, Platform: true, status: 200,
			id: "list-all-pauses", summary: "List the pauses of all accounts' groups (platform)", register: registerWith((*API).listAllPauses)},
		{Method: http.MethodPost, Path: staff + "/{id}/release", Scope: tenant.ScopeAdmin, Platform: true, MaxBody: maxNote, media: "application/json", status: 200, errors: []int{404, 422},
			id: "release-pause", summary: "Let mail to a group go on (platform)", register: registerWith((*API).releasePause)},
	}
}

// GroupPause is one time during which mail to a group is held.
type GroupPause struct {
	Tenant     *tenant.ID       `json:"tenant_id,omitempty" doc:"For the platform"`
	Group      audience.GroupID `json:"group_id"`
	At         time.Time        `json:"at"`
	Cause      string           `json:"cause" enum:"complaints,hard,unsubscribes"`
	Figures    GroupFigures     `json:"figures" doc:"What was counted then"`
	ReleasedAt *time.Time       `json:"released_at" doc:"Null while it is in force"`
	BySelf     bool             `json:"released_by_account" doc:"The account ended it by itself"`
	Note       string           `json:"note" doc:"What was changed"`
}

// GroupFigures are how mail to a group fared.
type GroupFigures struct {
	Hours        int   `json:"window_hours"`
	Sent         int64 `json:"sent" doc:"Came to an end: taken over, or refused for good"`
	Hard         int64 `json:"hard" doc:"Addresses that do not exist"`
	Complaints   int64 `json:"complaints"`
	Unsubscribes int64 `json:"unsubscribes"`
}

func groupFiguresOf(f pause.Figures) GroupFigures {
	return GroupFigures{Hours: f.Hours, Sent: f.Sent, Hard: f.Hard, Complaints: f.Complaints, Unsubscribes: f.Unsubscribes}
}

func groupPauseOf(p pause.Pause, staff bool) *GroupPause {
	v := &GroupPause{Group: p.Group, At: p.At, Cause: string(p.Cause), Figures: groupFiguresOf(p.Figures), ReleasedAt: timeOrNull(p.ReleasedAt), BySelf: p.Self, Note: p.Note}
	if staff {
		v.Tenant = &p.Tenant
	}
	return v
}

type pausesOutput struct {
	Body struct {
		Data []*GroupPause `json:"data" nullable:"false" doc:"From new to old, at most 200"`
	}
}

func pausesOf(list []pause.Pause, staff bool, err error) (*pausesOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &pausesOutput{}
	out.Body.Data = make([]*GroupPause, len(list))
	for i, p := range list {
		out.Body.Data[i] = groupPauseOf(p, staff)
	}
	return out, nil
}

func (a *API) listPauses(ctx context.Context, _ *struct{}) (*pausesOutput, error) {
	list, err := a.c.Pauses.PausesOf(ctx, keyOf(ctx).Tenant)
	return pausesOf(list, false, err)
}

func (a *API) listAllPauses(ctx context.Context, _ *struct{}) (*pausesOutput, error) {
	list, err := a.c.Pauses.Pauses(ctx)
	return pausesOf(list, true, err)
}

// GroupLimit is from what on it is too much: both must be reached.
type GroupLimit struct {
	Least int64 `json:"least"`
	Share int64 `json:"share" doc:"Of the mail sent, in parts of ten thousand; 0: never"`
}

type groupPauseOutput struct {
	Body struct {
		Pause        *GroupPause  `json:"pause" doc:"In force; null: mail to the group goes out"`
		MayRelease   bool         `json:"may_release" doc:"The account may end it by itself"`
		Figures      GroupFigures `json:"figures" doc:"What counts now"`
		Sent         int64        `json:"sent" doc:"Below so much mail nothing is paused"`
		Hard         GroupLimit   `json:"hard"`
		Complaints   GroupLimit   `json:"complaints"`
		Unsubscribes GroupLimit   `json:"unsubscribes"`
	}
}

func (a *API) groupPause(ctx context.Context, in *GroupPath) (*groupPauseOutput, error) {
	t := keyOf(ctx).Tenant
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	if _, err := a.c.Groups.Group(ctx, t, g); err != nil {
		return nil, err
	}
	s, err := a.c.Pauses.Standing(ctx, t, g)
	if err != nil {
		return nil, err
	}
	limit := func(l pause.Limit) GroupLimit { return GroupLimit{l.Least, l.Share} }
	out := &groupPauseOutput{}
	b := &out.Body
	b.MayRelease, b.Figures, b.Sent = s.MaySelf, groupFiguresOf(s.Figures), s.Limits.Sent
	b.Hard, b.Complaints, b.Unsubscribes = limit(s.Limits.Hard), limit(s.Limits.Complaints), limit(s.Limits.Unsubscribes)
	if s.Pause.InForce() {
		b.Pause = groupPauseOf(s.Pause, false)
	}
	return out, nil
}

type releaseGroupInput struct {
	GroupPath
	Body struct {
		Note string `json:"note" maxLength:"2000" doc:"What was changed; kept. 3 to 500 characters"`
	}
}

func (a *API) releaseGroup(ctx context.Context, in *releaseGroupInput) (*groupPauseOutput, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	k := keyOf(ctx)
	if _, err := a.c.Groups.Group(ctx, k.Tenant, g); err != nil {
		return nil, err
	}
	if err := a.c.Pauses.Release(ctx, k.Tenant, g, k.ID.String(), in.Body.Note, false); err != nil {
		return nil, err
	}
	return a.groupPause(ctx, &in.GroupPath)
}

type releasePauseInput struct {
	GroupPath
	Body struct {
		Tenant string `json:"tenant_id" maxLength:"64"`
		Note   string `json:"note" maxLength:"2000" doc:"Why; kept. 3 to 500 characters"`
	}
}

func (a *API) releasePause(ctx context.Context, in *releasePauseInput) (*pausesOutput, error) {
	t, err := id.Parse[tenant.Kind](in.Body.Tenant)
	g, malformed := in.group()
	if err != nil || malformed != nil {
		return nil, fault.New(fault.NotFound, pause.CodeNone, "The group is not paused.")
	}
	if err := a.c.Pauses.Release(ctx, t, g, keyOf(ctx).ID.String(), in.Body.Note, true); err != nil {
		return nil, err
	}
	list, err := a.c.Pauses.PausesOf(ctx, t)
	return pausesOf(list, true, err)
}
