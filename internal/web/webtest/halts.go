package webtest

import (
	"context"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/halts"
)

// haltsSubject: the bulk mail of World.Tenant is halted, and was before, as World.Other's was.
func haltsSubject() Subject {
	return Subject{Wire: func(w *World, c *web.Config) {
		c.Halts = halts.Config{Breaker: w.haltDesk(), Tenants: &returnBox{tenants: []tenant.Tenant{w.Tenant, w.Other}}}
	}}
}

type haltDesk struct{ w *World }

func (w *World) haltDesk() haltDesk {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.halts == nil {
		at := w.now.Add(-3 * time.Hour)
		tally := audience.Tally{Sent: 4310, Complaints: 21, Hard: 300}
		w.halts = []audience.Halt{
			{Tenant: w.Tenant.ID, At: at, Cause: audience.TooManyComplaints, Tally: tally, Window: 24 * time.Hour},
			{Tenant: w.Other.ID, At: at.Add(-time.Hour), Cause: audience.TooManyBounces, Tally: tally, Window: 24 * time.Hour, ReleasedAt: at,
				Note: "Liste geprüft", Freed: true},
			{Tenant: w.Tenant.ID, At: at.Add(-240 * time.Hour), Cause: audience.TooManyBounces, Tally: tally, Window: 24 * time.Hour,
				ReleasedAt: at.Add(-200 * time.Hour), Note: "<script>alert(1)</script>", Freed: true},
		}
	}
	return haltDesk{w}
}

// Halts implements halts.Breaker.
func (d haltDesk) Halts(context.Context) ([]audience.Halt, error) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return append([]audience.Halt(nil), d.w.halts...), nil
}

// HaltOf implements halts.Breaker.
func (d haltDesk) HaltOf(_ context.Context, t tenant.ID) (audience.Halt, bool, error) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	for _, h := range d.w.halts {
		if h.Tenant == t && h.InForce() {
			return h, true, nil
		}
	}
	return audience.Halt{}, false, nil
}

// MayResume implements halts.Breaker.
func (d haltDesk) MayResume(_ context.Context, t tenant.ID) (bool, error) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	for _, h := range d.w.halts {
		if h.Tenant == t && h.Self {
			return false, nil
		}
	}
	return true, nil
}

// LimitsOf implements halts.Breaker.
func (haltDesk) LimitsOf(tenant.ID) audience.Limits {
	return audience.Limits{Window: 24, Sent: 200, Complaints: audience.Limit{Least: 5, Share: 3}, Hard: audience.Limit{Least: 20, Share: 50},
		Unsubscribes: audience.Limit{Least: 30, Share: 30}}
}

// ResumeBulk implements halts.Breaker.
func (d haltDesk) ResumeBulk(ctx context.Context, t tenant.ID, actor, why string) error {
	if may, _ := d.MayResume(ctx, t); !may {
		return fault.New(fault.Conflict, "halt_self_used", "")
	}
	if err := d.ReleaseBulk(ctx, t, actor, why); err != nil {
		return err
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	for i := range d.w.halts {
		if d.w.halts[i].Tenant == t && d.w.halts[i].Note == why {
			d.w.halts[i].Self = true
		}
	}
	return nil
}

// ReleaseBulk implements halts.Breaker.
func (d haltDesk) ReleaseBulk(_ context.Context, t tenant.ID, actor, why string) error {
	if len(why) < 3 {
		return fault.Field("reason", "release_reason_missing", "")
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	for i := range d.w.halts {
		if h := &d.w.halts[i]; h.Tenant == t && h.InForce() {
			h.ReleasedAt, h.ReleasedBy, h.Note = d.w.now, actor, why
			return nil
		}
	}
	return fault.New(fault.NotFound, "halt_not_found", "")
}
