package tenant_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

func newFounder(t *testing.T, s *tenanttest.Store) (*tenant.Founder, *seal.Keeper) {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return tenant.NewFounder(tenant.FounderConfig{Store: s, Keeper: keeper, Now: func() time.Time { return start },
		MakeKey: func(a tenant.Algorithm) ([]byte, string, error) {
			return []byte("private " + a), "v=DKIM1; k=" + string(a) + "; p=" + string(a), nil
		}}), keeper
}

func TestFound(t *testing.T) {
	s := &tenanttest.Store{}
	founder, keeper := newFounder(t, s)
	f, err := founder.Found(t.Context(), tenant.FoundRequest{Name: "Müller & Söhne", Domain: "Müller.example.", TrustDomain: true})
	if err != nil {
		t.Fatal(err)
	}
	if f.AdminEmail != "admin@xn--mller-kva.example" || f.OperatorPassword == "" || f.PlatformKey == "" {
		t.Errorf("founded: %+v", f)
	}
	accounts := tenant.NewAccounts(tenant.AccountsConfig{Store: s, Now: func() time.Time { return start }})
	if _, who, err := accounts.SignIn(t.Context(), f.AdminEmail, f.AdminPassword, "", home); err != nil || who.Tenant.ID != f.Tenant || !who.Can(tenant.KeysManage) {
		t.Errorf("owner signs in: %+v, %v", who, err)
	}
	if _, who, err := accounts.SignIn(t.Context(), tenant.OperatorEmail, f.OperatorPassword, "", home); err != nil || !who.Can(tenant.PlatformTenants) || who.Can(tenant.MessagesRead) {
		t.Errorf("operator signs in: %+v, %v", who, err)
	}
	if k, err := accounts.Key(t.Context(), f.KeyText, home); err != nil || k.ID != f.Key || k.Tenant != f.Tenant || !k.Allows(tenant.ScopeAdmin) {
		t.Errorf("key: %+v, %v", k, err)
	}
	if k, err := accounts.Key(t.Context(), f.PlatformKey, home); err != nil || !k.Tenant.IsZero() {
		t.Errorf("platform key: %+v, %v", k, err)
	}
	domains, err := s.Domains(t.Context(), f.Tenant)
	if err != nil || len(domains) != 1 || domains[0].Name != "xn--mller-kva.example" || !domains[0].Usable() {
		t.Errorf("domains: %+v, %v", domains, err)
	}
	keys, err := s.DKIMKeys(t.Context(), f.Tenant, "xn--mller-kva.example")
	if err != nil || len(keys) != 2 || keys[0].RecordName() != "stf1r._domainkey.xn--mller-kva.example" {
		t.Fatalf("DKIM keys: %+v, %v", keys, err)
	}
	for _, k := range keys {
		if der, err := keeper.Open(k.Sealed, "dkim/"+k.ID.String()); err != nil || string(der) != "private "+string(k.Algorithm) {
			t.Errorf("sealed key %s: %q, %v", k.Selector, der, err)
		}
	}
}

func TestFoundSecondTenant(t *testing.T) {
	s := &tenanttest.Store{}
	founder, _ := newFounder(t, s)
	down := errors.New("down")
	calls := 0
	s.Fail = func(method string) error {
		if method == "Found" {
			if calls++; calls == 2 {
				return down
			}
		}
		return nil
	}
	first, err := founder.Found(t.Context(), tenant.FoundRequest{Name: "Eins", Domain: "eins.example"})
	if !errors.Is(err, down) || first.KeyText == "" || first.PlatformKey != "" {
		t.Errorf("operator not stored: %+v, %v", first, err)
	}
	second, err := founder.Found(t.Context(), tenant.FoundRequest{Name: "Zwei", Domain: "zwei.example"})
	if err != nil || second.PlatformKey == "" {
		t.Errorf("the next run does not make up for it: %+v, %v", second, err)
	}
	third, err := founder.Found(t.Context(), tenant.FoundRequest{Name: "Drei", Domain: "drei.example"})
	if err != nil || third.PlatformKey != "" || third.OperatorPassword != "" {
		t.Errorf("a second operator: %+v, %v", third, err)
	}
	if _, err := founder.Found(t.Context(), tenant.FoundRequest{Name: "Vier", Domain: "eins.example", AdminEmail: "neu@x.example", TrustDomain: true}); err != nil {
		t.Errorf("a domain nobody has proved is not taken: %v", err)
	}
	_, err = founder.Found(t.Context(), tenant.FoundRequest{Name: "Fünf", Domain: "eins.example", AdminEmail: "neu2@x.example", TrustDomain: true})
	if !fault.IsKind(err, fault.Conflict) {
		t.Errorf("domain of another tenant: %v", err)
	}
}

func TestFoundRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		r     tenant.FoundRequest
		field string
	}{
		"no name":      {tenant.FoundRequest{Domain: "a.example"}, "name"},
		"line break":   {tenant.FoundRequest{Name: "a\nb", Domain: "a.example"}, "name"},
		"one label":    {tenant.FoundRequest{Name: "a", Domain: "localhost"}, "domain"},
		"address":      {tenant.FoundRequest{Name: "a", Domain: "192.0.2.1"}, "domain"},
		"empty label":  {tenant.FoundRequest{Name: "a", Domain: "a..example"}, "domain"},
		"header":       {tenant.FoundRequest{Name: "a", Domain: "a.example\r\nx"}, "domain"},
		"bad e-mail":   {tenant.FoundRequest{Name: "a", Domain: "a.example", AdminEmail: "a b@x.example"}, "admin_email"},
		"bad language": {tenant.FoundRequest{Name: "a", Domain: "a.example", Locale: "fr"}, "locale"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &tenanttest.Store{}
			founder, _ := newFounder(t, s)
			_, err := founder.Found(t.Context(), c.r)
			if e := fault.As(err); e == nil || e.Kind != fault.Invalid || e.Field != c.field {
				t.Errorf("error %v", err)
			}
			if list, _ := s.Tenants(t.Context(), tenant.ID{}, 1); len(list) != 0 {
				t.Error("a tenant was stored")
			}
		})
	}
}

func FuzzNormalDomain(f *testing.F) {
	for _, s := range []string{"a.example", "Müller.example.", "xn--mller-kva.example", "a..b", "192.0.2.1", "a.example\r\n", "\xff.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := tenant.NormalDomain(s)
		if err != nil {
			return
		}
		if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r >= 'A' && r <= 'Z' }) {
			t.Errorf("%q became %q", s, name)
		}
		if again, err := tenant.NormalDomain(name); err != nil || again != name {
			t.Errorf("%q became %q and then %q, %v", s, name, again, err)
		}
	})
}
