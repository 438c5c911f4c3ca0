package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// haltRoutes are those of halts: a tenant reads its own; releasing is the platform's.
func haltRoutes() []Route {
	const all, one = "/v1/platform/halts", "/v1/platform/halts/{id}"
	return []Route{
		{Method: http.MethodGet, Path: "/v1/halt", Scope: tenant.ScopeRead, status: 200,
			id: "get-halt", summary: "Read whether the own bulk mail is halted, and from what on it would be", register: registerWith((*API).ownHalt)},
		{Method: http.MethodPost, Path: "/v1/halt/release", Scope: tenant.ScopeSend, MaxBody: 16 << 10, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "resume-bulk", summary: "Say what was changed, and let the own bulk mail go on; once in 30 days", register: registerWith((*API).resumeBulk)},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, Platform: true, status: 200,
			id: "list-halts", summary: "List the halts of all tenants (platform)", register: registerWith((*API).listHalts)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, Platform: true, status: 200, errors: []int{404},
			id: "get-tenant-halt", summary: "Read the halt in force of a tenant (platform)", register: registerWith((*API).tenantHalt)},
		{Method: http.MethodPost, Path: one + "/release", Scope: tenant.ScopeAdmin, Platform: true, MaxBody: 16 << 10, media: "application/json", status: 200, errors: []int{404, 422},
			id: "release-halt", summary: "Let a tenant's bulk mail go on (platform)", register: registerWith((*API).releaseHalt)},
	}
}

// Halt is one time during which a tenant's bulk mail is held.
type Halt struct {
	Tenant     tenant.ID  `json:"tenant_id"`
	At         time.Time  `json:"at"`
	Cause      string     `json:"cause" enum:"complaints,hard_bounces,unsubscribes"`
	Sent       int        `json:"sent" doc:"Bulk mail that came to an end in the window"`
	Complaints int        `json:"complaints"`
	Hard       int        `json:"hard_bounces"`
	Leavers    int        `json:"unsubscribes" doc:"People who wanted no more by the link of a mail, in the window"`
	Window     int        `json:"window_hours"`
	ReleasedAt *time.Time `json:"released_at" doc:"Null while it is in force"`
	ReleasedBy string     `json:"released_by"`
	BySelf     bool       `json:"released_by_account" doc:"The account ended it by itself"`
	Reason     string     `json:"reason" doc:"Why it was released"`
}

func haltOf(h audience.Halt) *Halt {
	return &Halt{Tenant: h.Tenant, At: h.At, Cause: string(h.Cause), Sent: h.Sent, Complaints: h.Complaints, Hard: h.Hard, Leavers: h.Unsubscribes, BySelf: h.Self,
		Window: int(h.Window / time.Hour), ReleasedAt: timeOrNull(h.ReleasedAt), ReleasedBy: h.ReleasedBy, Reason: h.Note}
}

type ownHaltOutput struct {
	Body struct {
		Halt       *Halt     `json:"halt" doc:"Null: newsletters and reminders go out"`
		Window     int       `json:"window_hours"`
		Sent       int       `json:"sent" doc:"Below so much mail in the window nothing is halted"`
		Complaints HaltLimit `json:"complaints"`
		Hard       HaltLimit `json:"hard_bounces"`
		Leavers    HaltLimit `json:"unsubscribes"`
		MayRelease bool      `json:"may_release" doc:"The account may end a halt by itself"`
	}
}

// HaltLimit is from what on it is too much: both must be reached.
type HaltLimit struct {
	Least int `json:"least"`
	Share int `json:"share" doc:"Of the mail sent, in parts of a thousand"`
}

func (a *API) ownHalt(ctx context.Context, _ *struct{}) (*ownHaltOutput, error) {
	t := keyOf(ctx).Tenant
	h, ok, err := a.c.Audience.HaltOf(ctx, t)
	if err != nil {
		return nil, err
	}
	out, l := &ownHaltOutput{}, a.c.Audience.LimitsOf(t)
	if ok {
		out.Body.Halt = haltOf(h)
	}
	out.Body.Window, out.Body.Sent = l.Window, l.Sent
	out.Body.Complaints, out.Body.Hard = HaltLimit{l.Complaints.Least, l.Complaints.Share}, HaltLimit{l.Hard.Least, l.Hard.Share}
	out.Body.Leavers = HaltLimit{l.Unsubscribes.Least, l.Unsubscribes.Share}
	out.Body.MayRelease, err = a.c.Audience.MayResume(ctx, t)
	return out, err
}

type resumeInput struct {
	Body struct {
		Reason string `json:"reason" maxLength:"2000" doc:"What was changed; kept. At least 3 characters"`
	}
}

func (a *API) resumeBulk(ctx context.Context, in *resumeInput) (*ownHaltOutput, error) {
	if err := a.c.Audience.ResumeBulk(ctx, keyOf(ctx).Tenant, keyOf(ctx).ID.String(), in.Body.Reason); err != nil {
		return nil, err
	}
	return a.ownHalt(ctx, nil)
}

type haltsOutput struct {
	Body struct {
		Data []*Halt `json:"data" nullable:"false" doc:"From new to old, at most 200"`
	}
}

func (a *API) listHalts(ctx context.Context, _ *struct{}) (*haltsOutput, error) {
	list, err := a.c.Audience.Halts(ctx)
	if err != nil {
		return nil, err
	}
	out := &haltsOutput{}
	out.Body.Data = []*Halt{}
	for _, h := range list {
		out.Body.Data = append(out.Body.Data, haltOf(h))
	}
	return out, nil
}

// TenantPath names a tenant.
type TenantPath struct {
	ID string `path:"id" maxLength:"64" doc:"Of the tenant" example:"ten_01k00000000000000000000000"`
}

func noHalt() error {
	return fault.New(fault.NotFound, "halt_not_found", "The tenant's bulk mail is not halted.")
}

type haltOutput struct{ Body *Halt }

func (a *API) tenantHalt(ctx context.Context, in *TenantPath) (*haltOutput, error) {
	t, err := id.Parse[tenant.Kind](in.ID)
	if err != nil {
		return nil, noHalt()
	}
	h, ok, err := a.c.Audience.HaltOf(ctx, t)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noHalt()
	}
	return &haltOutput{haltOf(h)}, nil
}

type releaseInput struct {
	TenantPath
	Body struct {
		Reason string `json:"reason" maxLength:"2000" doc:"Why; kept. At least 3 characters"`
	}
}

func (a *API) releaseHalt(ctx context.Context, in *releaseInput) (*haltOutput, error) {
	t, err := id.Parse[tenant.Kind](in.ID)
	if err != nil {
		return nil, noHalt()
	}
	h, ok, err := a.c.Audience.HaltOf(ctx, t)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noHalt()
	}
	actor := keyOf(ctx).ID.String()
	if err := a.c.Audience.ReleaseBulk(ctx, t, actor, in.Body.Reason); err != nil {
		return nil, err
	}
	h.ReleasedAt, h.ReleasedBy, h.Note = a.c.Now().UTC().Truncate(time.Millisecond), actor, in.Body.Reason
	return &haltOutput{haltOf(h)}, nil
}
