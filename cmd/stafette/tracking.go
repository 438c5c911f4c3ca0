package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"stafette/internal/privacy"
	"stafette/internal/public/tracked"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// trackingParts is the room of tracking with everything it stands on.
type trackingParts struct {
	hub      *tracking.Hub
	decider  *tracking.Decider
	tokens   *tracking.Tokens
	rules    *tracking.Rules
	weaver   *tracking.Weaver
	recorder *tracking.Recorder
	visits   *tracking.Visits
	hosts    *linkHosts // nil: tenants have none of their own
}

func (b *base) newTracking() (trackingParts, error) {
	r := trackingParts{hub: tracking.NewHub(), decider: tracking.NewDecider(tracking.DeciderConfig{Store: b.store, Now: b.store.Now})}
	var err error
	if r.tokens, err = tracking.NewTokens(b.keeper.MACKey("tracking tokens")); err != nil {
		return r, err
	}
	if r.rules, err = tracking.LoadRules(); err != nil {
		return r, err
	}
	c := tracking.WeaverConfig{Decider: r.decider, Tokens: r.tokens, PublicURL: strings.TrimRight(b.config.HTTP.PublicURL, "/"), Withdrawal: true}
	if public, err := url.Parse(b.config.HTTP.PublicURL); err == nil && b.config.HTTP.TrackingHosts && b.config.Domains.TrackingHost != "" {
		r.hosts = &linkHosts{store: b.store, now: b.store.Now, public: public, known: map[string]linkHost{}}
		c.Host = r.hosts.base
	}
	r.weaver = tracking.NewWeaver(c)
	r.recorder = tracking.NewRecorder(tracking.RecorderConfig{Store: b.store, Decider: r.decider, Hub: r.hub, Now: b.store.Now})
	r.visits = tracking.NewVisits(tracking.VisitsConfig{Store: b.store, Recorder: r.recorder, Rules: r.rules, Tokens: r.tokens, Now: b.store.Now, Log: b.log})
	return r, nil
}

// trackingDoor serves pixels and links.
func (p *platform) trackingDoor() http.Handler {
	c := tracked.Config{Visits: p.tracking.visits, Log: p.log}
	if p.tracking.hosts != nil {
		c.Own = p.tracking.hosts.owner
	}
	return tracked.New(c)
}

// trackingFirst sends pixels and links to their door before any map is looked at: after a
// mailing nearly all requests are for them. It keeps everything else away from tenants' own
// hosts: the office and its cookies have one home. The host of previews has neither.
func (p *platform) trackingFirst(door, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tracked.Serves(r.URL.Path) && !p.isPreview(r.Host) {
			door.ServeHTTP(w, r)
			return
		}
		if p.tracking.hosts != nil {
			if _, own := domainOfHost(r.Host); own && !p.tracking.hosts.isPublic(r.Host) {
				http.NotFound(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// isPreview reports whether a host is that of previews.
func (p *platform) isPreview(host string) bool {
	port, ok := strings.CutPrefix(host, p.config.HTTP.PreviewHost)
	return p.config.HTTP.PreviewHost != "" && ok && (port == "" || port[0] == ':')
}

// linkHosts knows which domains have a host of their own for links. It is safe for
// concurrent use.
type linkHosts struct {
	store interface {
		Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
		Domain(ctx context.Context, t tenant.ID, d tenant.DomainID) (tenant.Domain, error)
		OwnerOfDomain(ctx context.Context, domain string) (tenant.ID, error)
	}
	now    func() time.Time
	public *url.URL
	// ready reports whether a host has a certificate; nil: whoever runs this sees to it.
	ready func(ctx context.Context, host string) bool

	mu    sync.Mutex
	known map[string]linkHost
}

// linkHost is what was found out about a domain.
type linkHost struct {
	owner tenant.ID // zero: nobody's
	leads bool      // its record leads here
	ready bool      // and it has a certificate
	until time.Time
}

const (
	linkHostsLast = time.Minute
	maxLinkHosts  = 20_000
)

// domainOfHost is the domain whose host for links a name is.
func domainOfHost(host string) (string, bool) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.CutPrefix(strings.ToLower(host), tenant.TrackingLabel+".")
}

func (h *linkHosts) isPublic(host string) bool { return strings.EqualFold(host, h.public.Host) }

// base is where the links of a domain's mail lead; "" is the platform's address. What
// cannot be found out now is not known.
func (h *linkHosts) base(ctx context.Context, t tenant.ID, domain string) string {
	v, err := h.look(ctx, domain)
	if err != nil || !v.leads || v.owner != t || h.ready != nil && !v.ready {
		return ""
	}
	u := url.URL{Scheme: h.public.Scheme, Host: tenant.TrackingLabel + "." + domain}
	if port := h.public.Port(); port != "" {
		u.Host = net.JoinHostPort(u.Host, port)
	}
	return u.String()
}

// leadsHere reports whether a host is a tenant's and leads here.
func (h *linkHosts) leadsHere(ctx context.Context, host string) bool {
	domain, ok := domainOfHost(host)
	if !ok || h.isPublic(host) {
		return false
	}
	v, err := h.look(ctx, domain)
	return err == nil && v.leads
}

// owner returns whose a host is.
func (h *linkHosts) owner(ctx context.Context, host string) (tenant.ID, bool) {
	domain, ok := domainOfHost(host)
	if !ok || h.isPublic(host) {
		return tenant.ID{}, false
	}
	v, err := h.look(ctx, domain)
	return v.owner, err == nil && !v.owner.IsZero()
}

func (h *linkHosts) look(ctx context.Context, domain string) (linkHost, error) {
	now := h.now()
	h.mu.Lock()
	v, ok := h.known[domain]
	h.mu.Unlock()
	if ok && now.Before(v.until) {
		return v, nil
	}
	v = linkHost{until: now.Add(linkHostsLast)}
	owner, err := h.store.OwnerOfDomain(ctx, domain)
	if err == nil {
		v.owner = owner
		v.leads, err = h.leads(ctx, owner, domain)
	}
	if err == nil && v.leads && h.ready != nil {
		v.ready = h.ready(ctx, tenant.TrackingLabel+"."+domain)
	}
	if err != nil && v.owner != (tenant.ID{}) {
		return v, fmt.Errorf("look up host for links: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) >= maxLinkHosts {
		clear(h.known)
	}
	h.known[domain] = v
	return v, nil
}

func (h *linkHosts) leads(ctx context.Context, t tenant.ID, name string) (bool, error) {
	list, err := h.store.Domains(ctx, t)
	if err != nil {
		return false, err
	}
	for _, d := range list {
		if d.Name != name {
			continue
		}
		full, err := h.store.Domain(ctx, t, d.ID)
		if err != nil {
			return false, err
		}
		for _, f := range full.Findings {
			if f.Purpose == tenant.ForTracking && f.State == tenant.Found {
				return true, nil
			}
		}
	}
	return false, nil
}

// activitiesStep is how many activities one transaction folds.
const activitiesStep = 500

// foldActivities turns activities whose time is over into counts, and judges again what
// older rules have judged.
func (p *platform) foldActivities(ctx context.Context, now time.Time) error {
	before := now.AddDate(0, 0, -p.config.Limits.TrackingDays)
	return p.eachTenant(ctx, func(t tenant.ID) error {
		for {
			n, err := p.store.FoldActivities(ctx, t, before, activitiesStep)
			if err != nil {
				return err
			}
			if n < activitiesStep {
				break
			}
		}
		_, err := p.tracking.visits.Rerate(ctx, t)
		return err
	})
}

func (p *platform) eachTenant(ctx context.Context, do func(tenant.ID) error) error {
	const page = 100
	var after tenant.ID
	for {
		list, err := p.store.Tenants(ctx, after, page)
		if err != nil {
			return err
		}
		for _, t := range list {
			if err := do(t.ID); err != nil {
				return fmt.Errorf("%s: %w", t.ID, err)
			}
			after = t.ID
		}
		if len(list) < page {
			return nil
		}
	}
}

// saidFile and doneFile are what a person is handed out of tracking.
type saidFile struct {
	Address string         `json:"address"`
	State   tracking.State `json:"state"`
	At      time.Time      `json:"at"`
	Way     string         `json:"way,omitempty"`
	Wording string         `json:"wording,omitempty"`
}

type doneFile struct {
	At      time.Time      `json:"at"`
	Kind    tracking.Kind  `json:"type"`
	Message string         `json:"message,omitempty"`
	Offer   string         `json:"offer,omitempty"`
	Target  string         `json:"target,omitempty"`
	Label   string         `json:"label,omitempty"`
	Version string         `json:"version,omitempty"`
	Class   tracking.Class `json:"class"`
	Agent   string         `json:"agent,omitempty"`
	Network string         `json:"network,omitempty"`
}

// trackingSection hands out what is kept of a person's opens, clicks and visits, and what
// they said about it.
func (b *base) trackingSection() privacy.Section {
	return privacy.Section{Name: "tracking", Read: func(ctx context.Context, p privacy.Person) (any, error) {
		out := struct {
			Consents   []saidFile `json:"consents"`
			Activities []doneFile `json:"activities"`
		}{[]saidFile{}, []doneFile{}}
		for _, a := range p.Addresses {
			said, err := b.store.TrackingConsentHistory(ctx, p.Tenant, a)
			if err != nil {
				return nil, err
			}
			for _, c := range said {
				out.Consents = append(out.Consents, saidFile{a.String(), c.State, c.At, c.Way, c.Wording})
			}
			q := tracking.Query{Recipient: a, Limit: tracking.MaxPage}
			for more := true; more; {
				var list []tracking.Activity
				if list, more, err = b.store.Activities(ctx, p.Tenant, q); err != nil {
					return nil, err
				}
				for _, v := range list {
					out.Activities = append(out.Activities, doneFile{v.At, v.Kind, v.Message.String(), v.Offer, v.Target, v.Label, v.Version, v.Machine.Class, v.Agent, v.Network})
					q.After = v.ID
				}
			}
		}
		if len(out.Consents)+len(out.Activities) == 0 {
			return nil, nil
		}
		return out, nil
	}}
}
