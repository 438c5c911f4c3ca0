package storetest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

func tenantTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"FoundingKeepsEverything": foundingKeepsEverything,
		"FoundingIsWhole":         foundingIsWhole,
		"StaffOfThePlatform":      staffOfThePlatform,
		"Tenants":                 listsTenants,
		"Sessions":                sessions,
		"Keys":                    keys,
		"DomainsBelongToOne":      domainsBelongToOne,
		"DKIMKeys":                dkimKeys,
		"Missing":                 missingThings,
		"DomainChecks":            domainChecks,
		"DomainKeys":              domainKeys,
		"DMARCReports":            dmarcReports,
	}
}

func founding(now time.Time, name string) tenant.Founding {
	t := id.New[tenant.Kind](now)
	d := tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: t, Name: name + ".example", State: tenant.Verified, CheckedAt: now, CreatedAt: now}
	return tenant.Founding{
		Tenant: tenant.Tenant{ID: t, Name: name, State: tenant.Active, Locale: "de", OfficeTone: tenant.Sie, CustomerTone: tenant.Du,
			DailyQuota: 500, CreatedAt: now},
		Users: []tenant.User{{ID: id.New[tenant.UserKind](now), Tenant: t, Email: "owner@" + name + ".example", Name: "Owner",
			PasswordHash: "$argon2id$x", Role: tenant.Owner, Locale: "en", CreatedAt: now}},
		Keys:    []tenant.Key{key(now, t, name)},
		Domains: []tenant.Domain{d},
		DKIMKeys: []tenant.DKIMKey{{ID: id.New[tenant.DKIMKeyKind](now), Tenant: t, Domain: d.ID, DomainName: d.Name, Selector: "s1",
			Algorithm: tenant.RSA, Sealed: []byte{1, 2, 3}, Record: "v=DKIM1; p=x", Active: true, CreatedAt: now}},
	}
}

func key(now time.Time, t tenant.ID, name string) tenant.Key {
	k := tenant.Key{ID: id.New[tenant.KeyKind](now), Tenant: t, Name: name, Hint: "stf_abcd", Scopes: []tenant.Scope{tenant.ScopeSend, tenant.ScopeRead}, CreatedAt: now}
	copy(k.Hash[:], k.ID[:])
	return k
}

func foundingKeepsEverything(t *testing.T, w *World) {
	ctx, f := context.Background(), founding(w.Clock.Now(), "studio")
	if err := w.Store.Found(ctx, f); err != nil {
		t.Fatal(err)
	}
	ten, err := w.Store.Tenant(ctx, f.Tenant.ID)
	same(t, "tenant", ten, f.Tenant, err)
	u, err := w.Store.UserByEmail(ctx, "OWNER@studio.example")
	same(t, "user by address", u, f.Users[0], err)
	u, err = w.Store.User(ctx, f.Tenant.ID, f.Users[0].ID)
	same(t, "user", u, f.Users[0], err)
	k, err := w.Store.KeyByHash(ctx, f.Keys[0].Hash)
	same(t, "key", k, f.Keys[0], err)
	d, err := w.Store.Domains(ctx, f.Tenant.ID)
	same(t, "domains", d, f.Domains, err)
	dk, err := w.Store.DKIMKeys(ctx, f.Tenant.ID, "Studio.example")
	same(t, "DKIM keys", dk, f.DKIMKeys, err)
}

func foundingIsWhole(t *testing.T, w *World) {
	ctx, f := context.Background(), founding(w.Clock.Now(), "studio")
	if err := w.Store.Found(ctx, f); err != nil {
		t.Fatal(err)
	}
	again := founding(w.Clock.Now(), "rival")
	again.Users[0].Email = "Owner@studio.example"
	refused(t, w.Store.Found(ctx, again), fault.Conflict, "email_taken")
	_, err := w.Store.Tenant(ctx, again.Tenant.ID)
	refused(t, err, fault.NotFound, "tenant_not_found")
}

func staffOfThePlatform(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	u := tenant.User{ID: id.New[tenant.UserKind](now), Email: "op@platform.example", Role: tenant.Operator, CreatedAt: now, DisabledAt: now.Add(time.Hour)}
	if err := w.Store.Found(ctx, tenant.Founding{Users: []tenant.User{u}, Keys: []tenant.Key{key(now, tenant.ID{}, "op")}}); err != nil {
		t.Fatal(err)
	}
	have, err := w.Store.User(ctx, tenant.ID{}, u.ID)
	same(t, "operator", have, u, err)
	list, err := w.Store.Keys(ctx, tenant.ID{})
	if err != nil || len(list) != 1 {
		t.Errorf("keys of the platform: %v, %v", list, err)
	}
	all, err := w.Store.Tenants(ctx, tenant.ID{}, 10)
	if err != nil || len(all) != 2 {
		t.Errorf("staff made a tenant: %d, %v", len(all), err)
	}
}

func listsTenants(t *testing.T, w *World) {
	ctx := context.Background()
	w.Clock.Advance(time.Second)
	c := w.Found("c")
	var seen []tenant.ID
	for after := (tenant.ID{}); ; {
		page, err := w.Store.Tenants(ctx, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page {
			seen = append(seen, v.ID)
		}
		if len(page) < 2 {
			break
		}
		after = page[1].ID
	}
	if len(seen) != 3 || seen[2] != c {
		t.Errorf("tenants: %v", seen)
	}
	if err := w.Store.SetState(ctx, c, tenant.Locked, "abuse"); err != nil {
		t.Fatal(err)
	}
	have, err := w.Store.Tenant(ctx, c)
	if err != nil || have.State != tenant.Locked || have.LockReason != "abuse" {
		t.Errorf("locked tenant: %+v, %v", have, err)
	}
}

func sessions(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	f := founding(now, "studio")
	if err := w.Store.Found(ctx, f); err != nil {
		t.Fatal(err)
	}
	open := func(n byte) tenant.Session {
		s := tenant.Session{Hash: [32]byte{n}, User: f.Users[0].ID, Tenant: f.Tenant.ID, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(time.Hour), Device: "x", Network: "192.0.2.0/24", ProvedAt: now}
		if err := w.Store.OpenSession(ctx, s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(1)
	s.SeenAt = now.Add(time.Minute)
	if err := w.Store.TouchSession(ctx, s.Hash, s.SeenAt); err != nil {
		t.Fatal(err)
	}
	have, err := w.Store.Session(ctx, s.Hash, now.Add(time.Hour-time.Millisecond))
	same(t, "session", have, s, err)
	_, err = w.Store.Session(ctx, s.Hash, now.Add(time.Hour))
	refused(t, err, fault.NotFound, "session_not_found")

	for range 2 {
		if err := w.Store.CloseSession(ctx, s.Hash); err != nil {
			t.Fatal(err)
		}
	}
	second := open(2)
	if err := w.Store.SetPassword(ctx, f.Tenant.ID, second.User, "$argon2id$y"); err != nil {
		t.Fatal(err)
	}
	_, err = w.Store.Session(ctx, second.Hash, now)
	refused(t, err, fault.NotFound, "session_not_found")
	third := open(3)
	if err := w.Store.Sweep(ctx, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, err = w.Store.Session(ctx, third.Hash, now)
	refused(t, err, fault.NotFound, "session_not_found")
}

func keys(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	old, fresh := key(now, w.A, "old"), key(now.Add(time.Second), w.A, "fresh")
	for _, k := range []tenant.Key{old, fresh} {
		if err := w.Store.AddKey(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, w.Store.AddKey(ctx, old), fault.Conflict, "key_exists")
	for _, at := range []time.Time{now.Add(time.Minute), now.Add(time.Hour)} {
		if err := w.Store.RevokeKey(ctx, w.A, old.ID, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Store.TouchKey(ctx, w.A, fresh.ID, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	old.RevokedAt, fresh.LastUsedAt = now.Add(time.Minute), now.Add(time.Minute).Truncate(time.Minute)
	have, err := w.Store.Keys(ctx, w.A)
	same(t, "keys", have, []tenant.Key{fresh, old}, err)
}

func domainsBelongToOne(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	mine := tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: w.A, Name: "shared.example", State: tenant.Pending, CreatedAt: now}
	theirs := mine
	theirs.ID, theirs.Tenant = id.New[tenant.DomainKind](now), w.B
	for _, d := range []tenant.Domain{mine, theirs} {
		if err := w.Store.AddDomain(ctx, d, nil); err != nil {
			t.Fatal(err)
		}
	}
	again := mine
	again.ID = id.New[tenant.DomainKind](now)
	refused(t, w.Store.AddDomain(ctx, again, nil), fault.Conflict, "domain_exists")
	if err := w.Store.SetDomainState(ctx, w.A, mine.ID, tenant.Verified, now); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Store.SetDomainState(ctx, w.B, theirs.ID, tenant.Verified, now), fault.Conflict, "domain_taken")
	refused(t, w.Store.SetDomainState(ctx, w.B, mine.ID, tenant.Pending, now), fault.NotFound, "domain_not_found")
	have, err := w.Store.Domains(ctx, w.A)
	mine.State, mine.CheckedAt = tenant.Verified, now
	same(t, "domains", have, []tenant.Domain{mine}, err)
}

func dkimKeys(t *testing.T, w *World) {
	ctx, f := context.Background(), founding(w.Clock.Now(), "studio")
	f.Tenant.ID = w.A
	d, k := f.Domains[0], f.DKIMKeys[0]
	d.Tenant, k.Tenant = w.A, w.A
	twin := k
	twin.ID = id.New[tenant.DKIMKeyKind](w.Clock.Now())
	refused(t, w.Store.AddDomain(ctx, d, []tenant.DKIMKey{k, twin}), fault.Conflict, "selector_taken")
	list, err := w.Store.Domains(ctx, w.A)
	if err != nil || len(list) != 0 {
		t.Fatalf("half a domain was stored: %v, %v", list, err)
	}
	twin.Selector, twin.Algorithm, twin.Active = "s2", tenant.Ed25519, false
	if err := w.Store.AddDomain(ctx, d, []tenant.DKIMKey{k, twin}); err != nil {
		t.Fatal(err)
	}
	have, err := w.Store.DKIMKeys(ctx, w.A, d.Name)
	if err != nil || len(have) != 2 {
		t.Errorf("keys: %v, %v", have, err)
	}
}

func missingThings(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	none := founding(now, "none")
	_, err := w.Store.Tenant(ctx, none.Tenant.ID)
	refused(t, err, fault.NotFound, "tenant_not_found")
	_, err = w.Store.UserByEmail(ctx, "none@none.example")
	refused(t, err, fault.NotFound, "user_not_found")
	_, err = w.Store.KeyByHash(ctx, [32]byte{1})
	refused(t, err, fault.NotFound, "key_not_found")
	refused(t, w.Store.SetState(ctx, none.Tenant.ID, tenant.Locked, ""), fault.NotFound, "tenant_not_found")
	refused(t, w.Store.SetPassword(ctx, w.A, none.Users[0].ID, "x"), fault.NotFound, "user_not_found")
	refused(t, w.Store.RevokeKey(ctx, w.A, none.Keys[0].ID, now), fault.NotFound, "key_not_found")
}

func same[T any](t *testing.T, what string, have, want T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if diff := cmp.Diff(want, have, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("%s (-want +have):\n%s", what, diff)
	}
}

func refused(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Kind != kind || f.Code != code {
		t.Errorf("have error %v, want %s %s", err, kind, code)
	}
}
