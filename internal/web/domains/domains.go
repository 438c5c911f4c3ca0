// Package domains is the office's pages on sending domains: which there are, which DNS
// records each one needs and what DNS says of them, and the change of its DKIM keys.
//
// It is a subject of the door web (floor 4). What a record must be, when a domain may
// be used and how keys change is decided in package tenant; it speaks no DNS itself.
package domains

import (
	"context"
	"net/http"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Registry sets sending domains up. *tenant.Registry is one.
type Registry interface {
	List(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
	Setup(ctx context.Context, t tenant.ID, d tenant.DomainID) (tenant.DomainSetup, error)
	Add(ctx context.Context, t tenant.ID, name, actor string) (tenant.Domain, error)
	Check(ctx context.Context, t tenant.ID, d tenant.DomainID, actor string) (tenant.DomainSetup, error)
	Rotate(ctx context.Context, t tenant.ID, d tenant.DomainID, actor string) (tenant.DomainSetup, error)
	CancelRotation(ctx context.Context, t tenant.ID, d tenant.DomainID, actor string) (tenant.DomainSetup, error)
	Remove(ctx context.Context, t tenant.ID, d tenant.DomainID) error
}

// Config is what the pages stand on; it is needed.
type Config struct{ Registry Registry }

const (
	home = "/domains"
	one  = home + "/{id}"
)

// Routes are the pages of a tenant's domains.
func Routes(c Config) []frame.Route {
	read := func(pattern string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: "GET " + pattern, Permission: tenant.SettingsRead, Do: do}
	}
	write := func(pattern string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: "POST " + pattern, Permission: tenant.SettingsWrite, Do: do}
	}
	list := read(home, c.list)
	list.Entry = frame.Entry{Room: "domains", Icon: "globe", Key: "d", Group: frame.GroupAdministration}
	return []frame.Route{
		list,
		write(home, c.add),
		read(home+"/providers", c.providers),
		read(one, c.show),
		write(one+"/check", c.change("checked", Registry.Check)),
		write(one+"/rotation", c.change("rotation", Registry.Rotate)),
		write(one+"/rotation/cancel", c.change("rotation-cancelled", Registry.CancelRotation)),
		write(one+"/remove", c.remove),
	}
}

func (c Config) list(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.renderList(w, r, p, http.StatusOK, frame.Form{})
}

func (c Config) renderList(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title = "domains", p.T("nav.domains")
	list, err := c.Registry.List(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	return p.Render(w, r, status, listPage(p, list, f))
}

func (c Config) add(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	name := r.PostForm.Get("name")
	d, err := c.Registry.Add(r.Context(), p.Tenant(), name, p.Who.User.ID.String())
	if e := fault.As(err); e != nil && (e.Kind == fault.Invalid || e.Kind == fault.Conflict) {
		f := frame.Form{Values: map[string]string{"name": name}}
		f.Add("name", p.FaultText(e, name))
		return c.renderList(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, home+"/"+d.ID.String(), "added")
	return nil
}

func domainOf(r *http.Request) (tenant.DomainID, error) {
	d, err := id.Parse[tenant.DomainKind](r.PathValue("id"))
	if err != nil {
		return d, fault.New(fault.NotFound, "domain_not_found", "not an identifier of a domain")
	}
	return d, nil
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	d, err := domainOf(r)
	if err != nil {
		return err
	}
	s, err := c.Registry.Setup(r.Context(), p.Tenant(), d)
	if err != nil {
		return err
	}
	p.Room, p.Title = "domains", frame.DomainName(s.Name)
	return p.Render(w, r, http.StatusOK, setupPage(p, view(p, s)))
}

// change makes a handler of a deed that ends on the domain's page.
func (c Config) change(done string, do func(Registry, context.Context, tenant.ID, tenant.DomainID, string) (tenant.DomainSetup, error)) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		d, err := domainOf(r)
		if err != nil {
			return err
		}
		if _, err := do(c.Registry, r.Context(), p.Tenant(), d, p.Who.User.ID.String()); err != nil {
			return err
		}
		frame.Redirect(w, r, home+"/"+d.String(), done)
		return nil
	}
}

func (c Config) remove(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	d, err := domainOf(r)
	if err != nil {
		return err
	}
	if err := c.Registry.Remove(r.Context(), p.Tenant(), d); err != nil {
		return err
	}
	frame.Redirect(w, r, home, "removed")
	return nil
}

func (c Config) providers(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "domains", p.T("domains.providers.title")
	return p.Render(w, r, http.StatusOK, providersPage(p))
}

// setup is what the page of a domain shows.
type setup struct {
	tenant.DomainSetup
	groups  []group
	letters []letter
	waiting bool // new keys wait for their records
	open    int  // records that are asked for and not there
}

// group is a part of the records with a heading.
type group struct {
	name    string // of its texts
	records []tenant.Finding
}

// letter is the text for whoever looks after the DNS, in one language.
type letter struct{ lang, text string }

func view(p frame.Page, s tenant.DomainSetup) setup {
	v := setup{DomainSetup: s}
	for _, k := range s.Keys {
		v.waiting = v.waiting || k.Waiting()
	}
	for _, g := range []struct {
		name     string
		purposes []tenant.Purpose
	}{
		{"needed", []tenant.Purpose{tenant.ForDKIM, tenant.ForNextDKIM}},
		{"advised", []tenant.Purpose{tenant.ForReturn, tenant.ForSPF, tenant.ForDMARC}},
		{"useful", []tenant.Purpose{tenant.ForTracking}},
		{"noted", []tenant.Purpose{tenant.ForTLSRPT, tenant.ForMTASTS}},
	} {
		part := group{name: g.name}
		for _, purpose := range g.purposes {
			for _, f := range s.Records {
				if f.Purpose == purpose {
					part.records = append(part.records, f)
				}
			}
		}
		if len(part.records) > 0 {
			v.groups = append(v.groups, part)
		}
	}
	var lines strings.Builder
	for _, f := range s.Records {
		if f.Value == "" || f.State == tenant.Found {
			continue
		}
		v.open++
		lines.WriteString("\n" + f.Type + "\n  " + f.Name + "\n  " + f.Value + "\n")
	}
	if v.open > 0 {
		for _, lang := range i18n.Langs() {
			there := p
			there.Lang = lang
			v.letters = append(v.letters, letter{string(lang), there.T("domains.letter.text", "domain", s.Name) + "\n" + lines.String()})
		}
	}
	return v
}

// markOf is the mark and colour of a domain's state.
func markOf(s tenant.DomainState) string {
	switch s {
	case tenant.Verified, tenant.Trusted:
		return "delivered"
	case tenant.Grace:
		return "deferred"
	case tenant.Lapsed:
		return "bounced"
	}
	return "queued"
}

// recordMark is the mark and colour of a record's state. What nobody needs is no error.
func recordMark(f tenant.Finding) string {
	switch f.State {
	case tenant.Found:
		return "delivered"
	case tenant.Different:
		return "deferred"
	case tenant.Missing:
		if f.Needed() {
			return "bounced"
		}
		return "queued"
	case tenant.NoAnswer:
		return "held"
	}
	return "queued"
}

func keyMark(k tenant.DKIMKey) (mark, word string) {
	switch {
	case k.Active:
		return "delivered", "active"
	case k.Waiting():
		return "queued", "waiting"
	}
	return "cancelled", "retired"
}

// rule is the heading of a provider's way to its DNS records.
type rule struct{ name, key string }

func providers() []rule {
	return []rule{{"IONOS", "ionos"}, {"STRATO", "strato"}, {"ALL-INKL", "allinkl"}, {"Hetzner", "hetzner"}}
}
