package tenant_test

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/fault"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// zone is a name system of TXT, MX and address records. It is safe for concurrent use.
type zone struct {
	mu  sync.Mutex
	txt map[string][]string
	mx  map[string][]dns.MX
	ip  map[string][]netip.Addr
	err map[string]error
}

func (z *zone) ask(name string) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.err[name]
}

func (z *zone) MX(_ context.Context, name string) ([]dns.MX, error) {
	if err := z.ask(name); err != nil || z.mx[name] != nil {
		return z.mx[name], err
	}
	return nil, dns.ErrNoDomain
}

func (z *zone) Addrs(_ context.Context, name string) ([]netip.Addr, error) {
	if err := z.ask(name); err != nil || z.ip[name] != nil {
		return z.ip[name], err
	}
	return nil, dns.ErrNoHost
}

func (z *zone) TXT(_ context.Context, name string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if err := z.err[name]; err != nil || z.txt[name] != nil {
		return z.txt[name], err
	}
	return nil, dns.ErrNoDomain
}

// publish puts the records in that the findings ask for.
func (z *zone) publish(list []tenant.Finding, which tenant.Purpose) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, f := range list {
		if f.Purpose == which && f.Type == "TXT" {
			z.txt[f.Name] = []string{f.Value}
		}
	}
}

func (z *zone) fail(name string, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.err[name] = err
}

func (z *zone) clear() {
	z.mu.Lock()
	defer z.mu.Unlock()
	clear(z.txt)
	clear(z.err)
}

func newZone() *zone {
	return &zone{txt: map[string][]string{}, mx: map[string][]dns.MX{}, ip: map[string][]netip.Addr{}, err: map[string]error{}}
}

// register is a registry with a domain on a clock set by hand.
type register struct {
	*testing.T
	*tenant.Registry
	zone   *zone
	store  *tenanttest.Store
	now    time.Time
	tenant tenant.ID
	domain tenant.DomainID
}

func newRegister(t *testing.T, change ...func(*tenant.RegistryConfig)) *register {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	g := &register{T: t, zone: newZone(), store: &tenanttest.Store{}, now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), tenant: tenant.ID{1}}
	serial := 0
	c := tenant.RegistryConfig{
		Store: g.store, Resolver: func() dns.Resolver { return g.zone }, Keeper: keeper, Now: func() time.Time { return g.now },
		MakeKey: func(a tenant.Algorithm) ([]byte, string, error) {
			serial++
			return []byte("private"), "v=DKIM1; k=" + string(a) + "; p=KEY" + strings.Repeat("A", serial), nil
		},
	}
	for _, f := range change {
		f(&c)
	}
	g.Registry = tenant.NewRegistry(c)
	if err := g.store.Found(t.Context(), tenant.Founding{Tenant: tenant.Tenant{ID: g.tenant, State: tenant.Active}}); err != nil {
		t.Fatal(err)
	}
	d, err := g.Add(t.Context(), g.tenant, "Müller.example.", "usr_1")
	if err != nil || d.Name != "xn--mller-kva.example" {
		t.Fatalf("%+v, %v", d, err)
	}
	g.domain = d.ID
	return g
}

func (g *register) setup() tenant.DomainSetup {
	g.Helper()
	s, err := g.Setup(g.Context(), g.tenant, g.domain)
	if err != nil {
		g.Fatal(err)
	}
	return s
}

func (g *register) hour() tenant.DomainState {
	g.Helper()
	g.now = g.now.Add(time.Hour)
	if err := g.CheckAll(g.Context(), g.now); err != nil {
		g.Fatal(err)
	}
	return g.setup().State
}

func (g *register) wantStates(what string, want ...tenant.DomainState) {
	g.Helper()
	for i, w := range want {
		if have := g.hour(); have != w {
			g.Fatalf("%s, hour %d: %s, want %s", what, i+1, have, w)
		}
	}
}

// A domain whose records vanish may be used for the grace period and not after it; a
// name server that says nothing changes nothing, however long.
func TestVanishedRecords(t *testing.T) {
	g := newRegister(t, func(c *tenant.RegistryConfig) { c.Grace = 2 * time.Hour })
	g.wantStates("unpublished", tenant.Pending)
	g.zone.publish(g.setup().Records, tenant.ForDKIM)
	name := g.setup().Records[0].Name
	g.zone.fail(name, dns.ErrTemporary)
	g.wantStates("silent before it was proven", tenant.Pending)
	g.zone.fail(name, nil)
	g.wantStates("published", tenant.Verified)
	g.zone.fail(name, dns.ErrTemporary)
	g.wantStates("silent", tenant.Verified, tenant.Verified)
	g.zone.clear()
	g.wantStates("vanished", tenant.Grace)
	if s := g.setup(); !s.GraceUntil.Equal(g.now.Add(2*time.Hour)) || !s.Usable() {
		t.Errorf("grace until %v", s.GraceUntil)
	}
	g.wantStates("in grace", tenant.Grace)
	g.zone.fail(name, dns.ErrTemporary)
	g.wantStates("grace is over, but nobody knows", tenant.Grace, tenant.Grace)
	g.zone.fail(name, nil)
	g.wantStates("really gone", tenant.Lapsed, tenant.Lapsed)
	g.zone.publish(g.setup().Records, tenant.ForDKIM)
	g.wantStates("back", tenant.Verified)
	var events []string
	for _, f := range g.setup().History {
		events = append(events, string(f.Event))
	}
	if have := strings.Join(events, " "); have != "restored lapsed grace verified added" {
		t.Errorf("history: %s", have)
	}
}

func TestRotation(t *testing.T) {
	g := newRegister(t)
	ctx := t.Context()
	g.zone.publish(g.setup().Records, tenant.ForDKIM)
	g.wantStates("published", tenant.Verified)
	s, err := g.Rotate(ctx, g.tenant, g.domain, "usr_1")
	if err != nil || len(s.Keys) != 4 || s.Keys[2].Selector != "stf2r" || !s.Keys[2].Waiting() || s.Keys[2].Sealed != nil {
		t.Fatalf("%+v, %v", s.Keys, err)
	}
	if _, err := g.Rotate(ctx, g.tenant, g.domain, "usr_1"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("a second rotation: %v", err)
	}
	g.wantStates("waiting", tenant.Verified)
	if active(g.setup().Keys) != "stf1r stf1e" {
		t.Errorf("signing: %s", active(g.setup().Keys))
	}
	g.zone.publish(g.setup().Records, tenant.ForNextDKIM)
	g.wantStates("published", tenant.Verified)
	if active(g.setup().Keys) != "stf2r stf2e" {
		t.Errorf("signing: %s", active(g.setup().Keys))
	}
	g.now = g.now.Add(7*24*time.Hour - 2*time.Hour)
	g.wantStates("lingering", tenant.Verified)
	if len(g.setup().Keys) != 4 {
		t.Error("the old keys are gone before their time")
	}
	g.wantStates("retired", tenant.Verified)
	if len(g.setup().Keys) != 2 {
		t.Error("the old keys are still there")
	}
	if s, err = g.Rotate(ctx, g.tenant, g.domain, "usr_1"); err != nil || s.Keys[2].Selector != "stf3r" {
		t.Errorf("%+v, %v", s.Keys, err)
	}
	if s, err = g.CancelRotation(ctx, g.tenant, g.domain, "usr_1"); err != nil || active(s.Keys) != "stf2r stf2e" || len(s.Keys) != 2 {
		t.Errorf("%+v, %v", s.Keys, err)
	}
	if _, err = g.CancelRotation(ctx, g.tenant, g.domain, "usr_1"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("nothing to cancel: %v", err)
	}
}

func TestRotationBySchedule(t *testing.T) {
	g := newRegister(t, func(c *tenant.RegistryConfig) { c.RotateEvery = 24 * time.Hour })
	g.zone.publish(g.setup().Records, tenant.ForDKIM)
	g.wantStates("young", tenant.Verified)
	if len(g.setup().Keys) != 2 {
		t.Error("rotated too early")
	}
	g.now = g.now.Add(24 * time.Hour)
	g.wantStates("due", tenant.Verified, tenant.Verified)
	if len(g.setup().Keys) != 4 || g.setup().History[0].Actor != "system" {
		t.Errorf("not rotated: %+v", g.setup().History)
	}
}

func active(keys []tenant.DKIMKey) string {
	var list []string
	for _, k := range keys {
		if k.Active {
			list = append(list, k.Selector)
		}
	}
	return strings.Join(list, " ")
}

func TestCheckDomain(t *testing.T) {
	hosts := tenant.Hosts{Return: "return.platform.example", Tracking: "link.platform.example", SPF: []string{"include:spf.platform.example"},
		Reports: func(tenant.ID, tenant.DomainID) string { return "dmarc+1@return.platform.example" }}
	d := tenant.Domain{Name: "a.example"}
	keys := []tenant.DKIMKey{{DomainName: d.Name, Selector: "r", Record: "v=DKIM1; k=rsa; p=AAAA", Active: true}}
	for name, c := range map[string]struct {
		purpose tenant.Purpose
		zone    func(*zone)
		state   tenant.RecordState
		value   string
	}{
		"key":               {tenant.ForDKIM, txt("r._domainkey.a.example", "p= AA AA ;k=rsa"), tenant.Found, ""},
		"another key":       {tenant.ForDKIM, txt("r._domainkey.a.example", "p=ZZ"), tenant.Different, ""},
		"revoked key":       {tenant.ForDKIM, txt("r._domainkey.a.example", "v=DKIM1; p="), tenant.Different, ""},
		"no key":            {tenant.ForDKIM, txt("r._domainkey.a.example", "google-site"), tenant.Missing, ""},
		"silence":           {tenant.ForDKIM, func(z *zone) { z.err["r._domainkey.a.example"] = dns.ErrTemporary }, tenant.NoAnswer, ""},
		"no SPF":            {tenant.ForSPF, txt("a.example", "google-site"), tenant.Missing, "v=spf1 include:spf.platform.example ~all"},
		"SPF":               {tenant.ForSPF, txt("a.example", "v=spf1 mx Include:spf.platform.example -all"), tenant.Found, ""},
		"SPF without us":    {tenant.ForSPF, txt("a.example", "V=SPF1 mx -all"), tenant.Different, "V=SPF1 mx include:spf.platform.example -all"},
		"SPF elsewhere":     {tenant.ForSPF, txt("a.example", "v=spf1 redirect=x.example"), tenant.Different, "v=spf1 include:spf.platform.example redirect=x.example"},
		"two SPF":           {tenant.ForSPF, txt("a.example", "v=spf1 mx -all", "v=spf1 -all"), tenant.Different, ""},
		"no DMARC":          {tenant.ForDMARC, func(*zone) {}, tenant.Missing, "v=DMARC1; p=none; rua=mailto:dmarc+1@return.platform.example"},
		"DMARC above":       {tenant.ForDMARC, txt("_dmarc.example", "v=DMARC1; p=reject"), tenant.Found, "v=DMARC1; p=reject"},
		"DMARC of a suffix": {tenant.ForDMARC, txt("_dmarc.example", "v=DMARC1; p=reject; psd=y"), tenant.Missing, "v=DMARC1; p=none; rua=mailto:dmarc+1@return.platform.example"},
		"DMARC to another":  {tenant.ForDMARC, txt("_dmarc.a.example", "v=DMARC1;p=none; rua=mailto:x@y.example;"), tenant.Found, "v=DMARC1;p=none; rua=mailto:x@y.example,mailto:dmarc+1@return.platform.example"},
		"DMARC to us":       {tenant.ForDMARC, txt("_dmarc.a.example", "v=DMARC1; p=none; rua=mailto:dmarc+1@return.platform.example"), tenant.Found, ""},
		"return path":       {tenant.ForReturn, mx("bounces.a.example", "mx1"), tenant.Found, ""},
		"return elsewhere":  {tenant.ForReturn, mx("bounces.a.example", "mx9"), tenant.Different, ""},
		"tracking":          {tenant.ForTracking, ip("link.a.example", "192.0.2.1"), tenant.Found, ""},
		"parked":            {tenant.ForTracking, ip("link.a.example", "192.0.2.9"), tenant.Different, ""},
		"TLS reports":       {tenant.ForTLSRPT, txt("_smtp._tls.a.example", "v=TLSRPTv1; rua=mailto:x@a.example"), tenant.Found, ""},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZone()
			mx("return.platform.example", "mx1")(z)
			ip("link.platform.example", "192.0.2.1")(z)
			c.zone(z)
			list, err := tenant.CheckDomain(t.Context(), z, d, keys, hosts)
			if err != nil || len(list) != 7 {
				t.Fatalf("%+v, %v", list, err)
			}
			for _, f := range list {
				if f.Purpose == c.purpose && (f.State != c.state || c.value != "" && f.Value != c.value) {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func txt(name string, records ...string) func(*zone) {
	return func(z *zone) { z.txt[name] = records }
}

func mx(name, host string) func(*zone) {
	return func(z *zone) { z.mx[name] = []dns.MX{{Host: host}} }
}

func ip(name, addr string) func(*zone) {
	return func(z *zone) { z.ip[name] = []netip.Addr{netip.MustParseAddr(addr)} }
}
