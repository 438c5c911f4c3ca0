package webtest

import (
	"context"
	"time"

	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// officeTodos tells of the world's people and keys what insight's sources of things to do
// ask for: somebody who did not come, a key near its cap, a stopped lead. World.Other has nothing to do.
type officeTodos struct{ *World }

func (o officeTodos) Users(ctx context.Context, t tenant.ID) ([]tenant.User, error) {
	if t == o.Other.ID {
		return nil, nil
	}
	return o.Accounts().Users(ctx, t)
}

func (o officeTodos) Awaited(ctx context.Context, t tenant.ID, _ time.Time) ([]insight.Awaited, error) {
	if t == o.Other.ID {
		return nil, nil
	}
	_, invited, err := o.Accounts().Team(ctx, t)
	var list []insight.Awaited
	for _, i := range invited {
		list = append(list, insight.Awaited{ID: i.ID.String(), Email: i.Email, At: i.CreatedAt, EndsAt: i.ExpiresAt})
	}
	return list, err
}

func (o officeTodos) Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error) {
	if t == o.Other.ID {
		return nil, nil
	}
	return o.Accounts().Keys(ctx, t)
}

func (o officeTodos) KeyUsage(ctx context.Context, t tenant.ID, _ time.Time) (map[string]int64, error) {
	keys, err := o.Keys(ctx, t)
	used := map[string]int64{}
	for _, k := range keys {
		used[k.ID.String()] = k.DailyCap
	}
	return used, err
}

func (o officeTodos) Locked(context.Context) (int, string, error) { return 1, "<b>Gesperrt</b>", nil }
