package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// platformQueueRoutes are the commands that staff have about everybody's mail: those of
// tenants, and another way for what waits.
func platformQueueRoutes() []Route {
	return []Route{
		{Method: http.MethodPost, Path: "/v1/platform/queue/commands", Scope: tenant.ScopeAdmin, Platform: true, MaxBody: maxCommand, media: "application/json", status: 200, errors: []int{404, 409, 413, 422},
			id: "command-platform-queue", summary: "Hold, resume, cancel, retry, suspend or reroute many deliveries of everybody (platform)", register: registerWith((*API).platformCommand)},
		{Method: http.MethodGet, Path: "/v1/platform/queue/orders", Scope: tenant.ScopeRead, Platform: true, status: 200,
			id: "list-platform-queue-orders", summary: "List the suspensions and detours in force (platform)", register: registerWith((*API).platformOrders)},
	}
}

type platformQueueInput struct {
	Body struct {
		Command      string          `json:"command,omitempty" enum:"hold,resume,cancel,retry,suspend,reroute" doc:"Needed unless confirmation is given"`
		Tenant       string          `json:"tenant_id,omitempty" maxLength:"64" doc:"Everybody's mail if missing"`
		Selection    *queueSelection `json:"selection,omitempty" doc:"Everything if missing"`
		Order        string          `json:"order,omitempty" maxLength:"64" doc:"With resume: the order to end, instead of a selection"`
		Pool         string          `json:"pool,omitempty" maxLength:"100" doc:"With reroute: the sources to use"`
		NextHop      string          `json:"next_hop,omitempty" maxLength:"300" doc:"With reroute, instead of pool: host:port to send to"`
		ExpiresAt    *time.Time      `json:"expires_at,omitempty" doc:"With suspend and reroute: when it ends by itself; reroute demands it"`
		Reason       string          `json:"reason,omitempty" maxLength:"500" doc:"For the log of commands"`
		DryRun       bool            `json:"dry_run,omitempty" doc:"Show what would be touched and get the confirmation"`
		Confirmation string          `json:"confirmation,omitempty" maxLength:"8192" doc:"That of a dry run: does exactly what it showed"`
	}
}

// PlatformQueueResult is what a command would touch, or did, with whose mail it is.
type PlatformQueueResult struct {
	QueueResult
	Tenants []QueueTenant `json:"tenants,omitempty"`
}

// QueueTenant counts deliveries of a tenant.
type QueueTenant struct {
	Tenant tenant.ID `json:"tenant_id"`
	Name   string    `json:"name"`
	Count  int64     `json:"count"`
}

type platformQueueOutput struct{ Body PlatformQueueResult }

func (a *API) platformCommand(ctx context.Context, in *platformQueueInput) (*platformQueueOutput, error) {
	by := queue.Caller{Platform: true, Actor: keyOf(ctx).ID.String()}
	b := &in.Body
	if !b.DryRun {
		if b.Confirmation == "" {
			return nil, fault.Field("confirmation", "confirmation_missing", "Ask with dry_run first and send its confirmation back.")
		}
		l, err := a.c.Operator.Perform(ctx, by, b.Confirmation, nil)
		if err != nil {
			return nil, err
		}
		return &platformQueueOutput{PlatformQueueResult{QueueResult: performed(l)}}, nil
	}
	act, err := actOf(b.Command, b.Selection, b.Order, b.ExpiresAt, b.Reason)
	if err != nil {
		return nil, err
	}
	act.Pool, act.NextHop = b.Pool, b.NextHop
	if b.Tenant != "" {
		if act.Selection.Tenant, err = id.Parse[tenant.Kind](b.Tenant); err != nil {
			return nil, fault.Field("tenant_id", "id_malformed", "The value is not the identifier of a tenant.")
		}
	}
	v, err := a.c.Operator.Preview(ctx, by, act)
	if err != nil {
		return nil, err
	}
	out := PlatformQueueResult{QueueResult: previewed(v)}
	for _, t := range v.Tenants {
		out.Tenants = append(out.Tenants, QueueTenant{t.Tenant, t.Name, t.Count})
	}
	return &platformQueueOutput{out}, nil
}

// PlatformOrder is an order in force, and whose mail it is about.
type PlatformOrder struct {
	QueueOrder
	Tenant  *tenant.ID `json:"tenant_id" doc:"Null: everybody's mail"`
	Giver   *tenant.ID `json:"given_by_tenant" doc:"Null: staff of the platform"`
	Pool    string     `json:"pool"`
	NextHop string     `json:"next_hop"`
}

type platformOrdersOutput struct {
	Body struct {
		Data []PlatformOrder `json:"data" nullable:"false" doc:"From new to old, at most 500"`
	}
}

func (a *API) platformOrders(ctx context.Context, _ *struct{}) (*platformOrdersOutput, error) {
	list, err := a.c.Operator.Orders(ctx, queue.Caller{Platform: true, Actor: keyOf(ctx).ID.String()}, false)
	if err != nil {
		return nil, err
	}
	out := &platformOrdersOutput{}
	out.Body.Data = make([]PlatformOrder, len(list))
	for i, o := range list {
		one := PlatformOrder{QueueOrder: orderOf(o), Pool: o.Pool, NextHop: o.NextHop}
		if !o.Scope.Tenant.IsZero() {
			one.Tenant = &o.Scope.Tenant
		}
		if !o.Giver.IsZero() {
			one.Giver = &o.Giver
		}
		out.Body.Data[i] = one
	}
	return out, nil
}
