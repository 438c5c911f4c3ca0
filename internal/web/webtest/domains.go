package webtest

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"stafette/internal/dns"
	"stafette/internal/id"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
	"stafette/internal/web"
	"stafette/internal/web/domains"
)

// register is the world's sending domains in every state, under a real registry that
// asks Names.
type register struct {
	registry     *tenant.Registry
	store        *tenanttest.Store
	names        *Names
	own, foreign string // addresses of a domain of World.Tenant and of World.Other
	pages        []string
}

// Names is the name system behind the registry: TXT records by name. It is safe for
// concurrent use.
type Names struct {
	mu  sync.Mutex
	txt map[string][]string
}

// Publish replaces the TXT records of a name.
func (n *Names) Publish(name string, records ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.txt[name] = records
}

// MX implements dns.Resolver: there are none.
func (n *Names) MX(context.Context, string) ([]dns.MX, error) { return nil, dns.ErrNoDomain }

// Addrs implements dns.Resolver: there are none.
func (n *Names) Addrs(context.Context, string) ([]netip.Addr, error) { return nil, dns.ErrNoDomain }

// TXT implements dns.Resolver.
func (n *Names) TXT(_ context.Context, name string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if list := n.txt[name]; list != nil {
		return list, nil
	}
	return nil, dns.ErrNoDomain
}

// Names is the name system the domains' registry asks.
func (w *World) Names() *Names { return w.register.names }

func newRegister(w *World) register {
	g := register{store: &tenanttest.Store{}, names: &Names{txt: map[string][]string{}}}
	keeper, err := seal.New(bytes.Repeat([]byte{3}, seal.KeySize))
	if err != nil {
		return g // never: the key has its size
	}
	g.registry = tenant.NewRegistry(tenant.RegistryConfig{
		Store: g.store, Keeper: keeper, Now: w.Now, Resolver: func() dns.Resolver { return g.names },
		Hosts: tenant.Hosts{
			Return: "rueckweg.stafette.example", Tracking: "link.stafette.example", SPF: []string{"include:spf.stafette.example"},
			Reports: func(_ tenant.ID, d tenant.DomainID) string {
				return "dmarc+" + d.String() + "@rueckweg.stafette.example"
			},
		},
		MakeKey: func(a tenant.Algorithm) ([]byte, string, error) {
			return []byte("private"), "v=DKIM1; k=" + string(a) + "; p=" + strings.Repeat("MIIB", 90), nil
		},
	})
	for _, d := range w.domains {
		switch address := g.put(w, keeper, d); {
		case d.Tenant == w.Other.ID:
			g.foreign = address
		case g.own == "":
			g.own = address
		}
	}
	for i, state := range []tenant.DomainState{tenant.Grace, tenant.Lapsed} {
		d := tenant.Domain{ID: id.New[tenant.DomainKind](w.now), Tenant: w.Tenant.ID, Name: []string{"schonfrist.example", "xn--mller-kva.example"}[i], State: state}
		if state == tenant.Grace {
			d.GraceUntil = w.now.Add(50 * time.Hour)
		}
		g.put(w, keeper, d)
	}
	g.report(w)
	return g
}

// put stores a domain with its keys and its last findings, and returns its address.
func (g *register) put(w *World, keeper *seal.Keeper, d tenant.Domain) string {
	d.CreatedAt = w.now.Add(-100 * 24 * time.Hour)
	keys, err := tenant.NewDKIMKeys(keeper, func(a tenant.Algorithm) ([]byte, string, error) {
		return []byte("private"), "v=DKIM1; k=" + string(a) + "; p=" + strings.Repeat("MIIB", 90), nil
	}, d, 1, d.CreatedAt)
	if err != nil {
		return ""
	}
	if d.State != tenant.Pending {
		d.CheckedAt = w.now.Add(-20 * time.Minute)
		d.Findings = tenant.Plan(d, keys, tenant.Hosts{Return: "rueckweg.stafette.example", SPF: []string{"include:spf.stafette.example"}})
		for i := range d.Findings {
			d.Findings[i].State = []tenant.RecordState{tenant.Found, tenant.Different, tenant.Missing, tenant.NoAnswer}[i%4]
		}
		d.Findings[1].Seen = []string{`p=<script>alert(1)</script>`, strings.Repeat("x", 300)}
	}
	ctx := context.Background()
	_ = g.store.AddDomain(ctx, d, keys) // it is in memory
	_ = g.store.AddDomainFact(ctx, d.Tenant, tenant.DomainFact{ID: id.New[tenant.DomainFactKind](d.CreatedAt), Domain: d.ID, At: d.CreatedAt, Event: tenant.DomainAdded})
	address := "/domains/" + d.ID.String()
	if d.Tenant == w.Tenant.ID {
		g.pages = append(g.pages, address)
	}
	return address
}

func domainsSubject() Subject {
	return Subject{
		Wire:    func(w *World, c *web.Config) { c.Domains = domains.Config{Registry: w.register.registry} },
		Own:     func(w *World) map[string]string { return map[string]string{"/domains/{id}": w.register.own} },
		Foreign: func(w *World) map[string]string { return map[string]string{"/domains/{id}": w.register.foreign} },
		Pages: func(w *World) []string {
			list := append([]string{"/domains?done=removed", "/domains/dom_unknown"}, w.register.pages...)
			for _, done := range []string{"added", "checked", "rotation", "rotation-cancelled", "nonsense"} {
				list = append(list, w.register.own+"?done="+done)
			}
			return list
		},
	}
}
