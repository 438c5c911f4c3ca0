package webtest

import (
	"context"

	"stafette/internal/audience"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/rules"
)

// rulesSubject is the real service; World.Tenant has rules and thresholds of its own.
func rulesSubject() Subject {
	account := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			return map[string]string{"/platform/rules/{tenant}": "/platform/rules/" + t(w).String()}
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Rules = rules.Config{Settings: w.ownRules(), Accounts: accounts{w}, Reasons: reasons{}}
		},
		// To staff no account is foreign; of one that is not there nothing is told.
		Own:     account(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: account(func(*World) tenant.ID { return tenant.ID{1} }),
		Pages:   func(*World) []string { return []string{"/suppressions/rules?done=rules", "/suppressions/rules?done=x"} },
	}
}

func (w *World) ownRules() *audience.Service {
	s := w.Suppressions()
	w.ruled.Do(func() {
		ctx, owner := context.Background(), audience.By{Actor: w.users[Owner].ID.String()}
		rule := audience.Rules{{Class: "mailbox_full", Count: 5, Within: 90, Lasts: 90, Everywhere: true}}
		if err := s.SetRules(ctx, w.Tenant.ID, rule, owner); err != nil {
			panic(err) // it is in memory
		}
		strict := &audience.Thresholds{Sent: 100, Complaints: audience.Threshold{Least: 3, Share: 2}, Hard: audience.Threshold{Least: 10, Share: 30}}
		for _, v := range []*audience.Thresholds{strict, nil} {
			if err := s.SetThresholds(ctx, w.Tenant.ID, v, audience.By{Actor: w.users[Staff].ID.String(), Staff: true}); err != nil {
				panic(err) // see above
			}
		}
	})
	return s
}

// accounts tells of the world's tenants and people.
type accounts struct{ *World }

// Tenants implements rules.Accounts.
func (a accounts) Tenants(_ context.Context, after tenant.ID, _ int) ([]tenant.Tenant, error) {
	if !after.IsZero() {
		return nil, nil
	}
	return []tenant.Tenant{a.World.Tenant, a.World.Other}, nil
}

// Users implements campaigns.People.
func (a accounts) Users(ctx context.Context, t tenant.ID) ([]tenant.User, error) {
	return a.Accounts().Users(ctx, t)
}

// Tenant implements rules.Accounts.
func (a accounts) Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error) {
	return (&returnBox{tenants: []tenant.Tenant{a.World.Tenant, a.World.Other}}).Tenant(ctx, t)
}
