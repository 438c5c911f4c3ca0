package blitz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/webhook"
)

// OfActivity is the origin of calls about activities.
const OfActivity webhook.Origin = "activity"

// TypeOf is what an activity is told to webhooks as.
func TypeOf(k tracking.Kind) webhook.Type {
	if k == tracking.Opened || k == tracking.Clicked {
		return webhook.Type("message." + string(k))
	}
	return webhook.Type("offer." + string(k))
}

// Types lists what can be told of activities.
func Types() (list []webhook.Type) {
	for _, k := range tracking.Kinds() {
		list = append(list, TypeOf(k))
	}
	return list
}

const (
	// raiseEvery is how often new activities are looked for, fresh how old one must be:
	// those of one moment are committed in any order.
	raiseEvery = 2 * time.Second
	fresh      = 2 * time.Second
	// lookBack is how far back it is looked once in lateEvery turns for what a slow commit
	// brought later; calls that are there already stay as they are.
	lookBack  = 3 * time.Minute
	lateEvery = 30
)

// Hooks raises calls of activities for tenants that have a webhook. Any number of nodes
// may run it. All fields but Log are needed.
type Hooks struct {
	Store      Store
	Calls      webhook.Store
	Activities Activities
	Now        func() time.Time
	Log        *slog.Logger // nil: discard
}

// Run raises calls until ctx ends.
func (h Hooks) Run(ctx context.Context) {
	if h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
	}
	tick := time.NewTicker(raiseEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		if err := h.Turn(ctx, n%lateEvery == 0); err != nil && ctx.Err() == nil {
			h.Log.ErrorContext(ctx, "activities not raised", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Turn raises what is new; late looks back for what came late.
func (h Hooks) Turn(ctx context.Context, late bool) error {
	tenants, err := h.Store.FeedTenants(ctx)
	if err != nil {
		return fmt.Errorf("list tenants with webhooks: %w", err)
	}
	var errs []error
	for _, t := range tenants {
		if err := h.raise(ctx, t, late); err != nil {
			errs = append(errs, fmt.Errorf("raise activities of %s: %w", t, err))
		}
	}
	return errors.Join(errs...)
}

func (h Hooks) raise(ctx context.Context, t tenant.ID, late bool) error {
	endpoints, err := h.Calls.Webhooks(ctx, t)
	if err != nil {
		return err
	}
	place, err := h.Store.FeedPlace(ctx, t)
	if err != nil {
		return err
	}
	began := place
	if place.IsZero() {
		place = id.Lowest[tracking.ActivityKind](h.Now().Add(-lookBack))
	} else if late {
		place = id.Lowest[tracking.ActivityKind](place.Time().Add(-lookBack))
	}
	for more := true; more; {
		var list []tracking.Activity
		list, more, err = h.Activities.Activities(ctx, t, tracking.Query{
			Classes: Counted(), After: place, Until: h.Now().Add(-fresh), Forward: true, Limit: tracking.MaxPage,
		})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		if err := h.Calls.AddCalls(ctx, callsOf(endpoints, list)); err != nil {
			return err
		}
		if place = list[len(list)-1].ID; after(place, began) {
			if err := h.Store.SetFeedPlace(ctx, t, place); err != nil {
				return err
			}
		}
	}
	return nil
}

func callsOf(endpoints []webhook.Endpoint, list []tracking.Activity) (calls []webhook.Call) {
	for _, a := range list {
		for i := range endpoints {
			e := &endpoints[i]
			if told := TypeOf(a.Kind); e.Wants(told) && !a.At.Before(e.CreatedAt) {
				calls = append(calls, webhook.Call{Tenant: a.Tenant, Endpoint: e.ID, ID: webhook.CallOf(a.ID), Type: told, Origin: OfActivity,
					Message: a.Message, At: a.At, State: webhook.Due, DueAt: a.At})
			}
		}
	}
	return calls
}

// Describer words activities for calls. Reader is needed.
type Describer struct{ Reader Activities }

// Described is the data of a call about an activity.
type Described struct {
	Activity   string   `json:"activity"` // atv_…
	Message    string   `json:"message,omitempty"`
	Offer      string   `json:"offer,omitempty"`
	Recipient  *string  `json:"recipient"` // null where the person is not identified
	Identified bool     `json:"identified"`
	Proof      bool     `json:"proof"` // a declaration made by a form
	Sender     string   `json:"sender"`
	Title      string   `json:"title"`
	Target     string   `json:"target,omitempty"`
	Label      string   `json:"label,omitempty"`
	Version    string   `json:"version,omitempty"`
	Level      string   `json:"level"`
	Machine    string   `json:"machine"` // person or proxy: others are not told
	Confidence int      `json:"confidence"`
	Reasons    []string `json:"reasons"`
}

// Describe implements webhook.Describer. What turned out to be a machine since is gone.
func (d Describer) Describe(ctx context.Context, c webhook.Call) (any, error) {
	a, err := d.Reader.Activity(ctx, c.Tenant, tracking.ActivityID(c.ID))
	if err != nil {
		return nil, err
	}
	if !a.Machine.Counted() {
		return nil, fault.New(fault.NotFound, "fact_not_found", "It was a machine.")
	}
	v := Described{
		Activity: a.ID.String(), Message: a.Message.String(), Offer: a.Offer, Identified: a.Identified, Proof: a.Kind.Declared(), Sender: a.Sender,
		Title: a.Title, Target: a.Target, Label: a.Label, Version: a.Version, Level: a.Decision.Level.String(), Machine: string(a.Machine.Class),
		Confidence: a.Machine.Confidence, Reasons: append([]string{}, a.Machine.Reasons...),
	}
	if a.Identified && a.Recipient != nil {
		text := strings.TrimSpace(a.Recipient.String())
		v.Recipient = &text
	}
	return v, nil
}
