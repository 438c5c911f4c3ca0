package insight_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// houses is what the office's sources of things to do ask, with one answer for each.
type houses struct {
	users   []tenant.User
	waiting []insight.Awaited
	keys    []tenant.Key
	used    map[string]int64
	locked  int
}

func (h houses) Users(context.Context, tenant.ID) ([]tenant.User, error) { return h.users, nil }

func (h houses) Awaited(_ context.Context, _ tenant.ID, before time.Time) ([]insight.Awaited, error) {
	return slices.DeleteFunc(slices.Clone(h.waiting), func(w insight.Awaited) bool { return !w.At.Before(before) }), nil
}

func (h houses) Keys(context.Context, tenant.ID) ([]tenant.Key, error) { return h.keys, nil }

func (h houses) KeyUsage(context.Context, tenant.ID, time.Time) (map[string]int64, error) {
	return h.used, nil
}

func (h houses) Locked(context.Context) (int, string, error) { return h.locked, "Salon", nil }

func TestThingsToDoInTheOffice(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	own := tenant.ID{1}
	user := func(n byte, r tenant.Role, guarded bool) tenant.User {
		return tenant.User{ID: tenant.UserID{n}, Tenant: own, Email: "x@x.example", Role: r, Guarded: guarded}
	}
	key := func(n byte, age, used time.Duration) tenant.Key {
		k := tenant.Key{ID: tenant.KeyID{n}, CreatedAt: now.Add(-age)}
		if used > 0 {
			k.LastUsedAt = now.Add(-used)
		}
		return k
	}
	capped, ending, over, revoked := key(4, day, 0), key(5, day, 0), key(6, 200*day, 0), key(7, 200*day, 0)
	capped.DailyCap, ending.ExpiresAt, over.ExpiresAt, revoked.RevokedAt = 10, now.Add(13*day), now.Add(-day), now
	certificate := func(in time.Duration) insight.Certificate {
		return insight.Certificate{End: func() time.Time { return now.Add(in) }}
	}
	folders := func(others ...string) insight.CertificateFolders {
		return insight.CertificateFolders{Others: func(context.Context) ([]string, error) { return others, nil }}
	}
	for name, c := range map[string]struct {
		source insight.TodoSource
		tenant tenant.ID
		want   []string
	}{
		"people": {insight.Team{Store: houses{users: []tenant.User{user(1, tenant.Owner, false), user(2, tenant.Owner, true), user(3, tenant.Office, false)}}}, own, []string{"unguarded"}},
		"staff":  {insight.Team{Store: houses{users: []tenant.User{user(1, tenant.Operator, false), user(2, tenant.Support, false)}}}, tenant.ID{}, []string{"unguarded"}},
		"invitations": {insight.Team{Store: houses{waiting: []insight.Awaited{
			{ID: "a", At: now.Add(-2 * day), EndsAt: now.Add(5 * day)}, {ID: "b", At: now.Add(-4 * day), EndsAt: now.Add(3 * day)}, {ID: "c", At: now.Add(-8 * day), EndsAt: now.Add(-day)},
		}}}, own, []string{"invitation", "invitation_over"}},
		"unused keys":                {insight.Keys{Store: houses{keys: []tenant.Key{key(1, 100*day, 0), key(2, 200*day, 91*day), key(3, 200*day, day), over, revoked}}}, own, []string{"keys_unused"}},
		"a key near its cap":         {insight.Keys{Store: houses{keys: []tenant.Key{capped}, used: map[string]int64{capped.ID.String(): 8}}}, own, []string{"key_cap"}},
		"a key far from it":          {insight.Keys{Store: houses{keys: []tenant.Key{capped}, used: map[string]int64{capped.ID.String(): 7}}}, own, nil},
		"a key near its end":         {insight.Keys{Store: houses{keys: []tenant.Key{ending}}}, own, []string{"key_ending"}},
		"a certificate":              {certificate(20 * day), tenant.ID{}, []string{"certificate"}},
		"a certificate that is over": {certificate(0), tenant.ID{}, []string{"certificate_over"}},
		"a good certificate":         {certificate(21 * day), tenant.ID{}, nil},
		"folders apart":              {folders("b", "c"), tenant.ID{}, []string{"certificate_folders"}},
		"one folder":                 {folders(), tenant.ID{}, nil},
		"locked accounts":            {insight.LockedAccounts{Store: houses{locked: 1}}, tenant.ID{}, []string{"accounts_locked"}},
	} {
		list, err := c.source.Todos(t.Context(), c.tenant, now)
		var kinds []string
		keys := map[string]bool{}
		for _, d := range list {
			kinds = append(kinds, d.Kind)
			keys[d.Key] = true
		}
		if err != nil || !slices.Equal(kinds, c.want) || len(keys) != len(list) {
			t.Errorf("%s: %v, %v, want %v", name, kinds, err, c.want)
		}
	}
	list := []insight.Todo{{Kind: "a", Needs: tenant.UsersManage}, {Kind: "b"}}
	may := func(r tenant.Role) func(tenant.Permission) bool {
		return func(p tenant.Permission) bool { return tenant.Can(r, p) }
	}
	if n, all := len(insight.Allowed(list, may(tenant.ReadOnly))), len(insight.Allowed(list, may(tenant.Owner))); n != 1 || all != 2 {
		t.Errorf("a reader is shown %d things to do, an owner %d", n, all)
	}
}
