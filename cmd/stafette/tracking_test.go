package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// linkDomains are a.example, whose record leads here, and b.example, whose does not.
type linkDomains struct {
	asked int
	down  bool
}

func (d *linkDomains) Domains(_ context.Context, t tenant.ID) ([]tenant.Domain, error) {
	return []tenant.Domain{{ID: tenant.DomainID(t), Tenant: t, Name: map[byte]string{1: "a.example", 2: "b.example"}[t[0]]}}, nil
}

func (d *linkDomains) Domain(_ context.Context, t tenant.ID, v tenant.DomainID) (tenant.Domain, error) {
	if d.down {
		return tenant.Domain{}, errors.New("no database")
	}
	state := tenant.Missing
	if t[0] == 1 {
		state = tenant.Found
	}
	return tenant.Domain{ID: v, Findings: []tenant.Finding{{Purpose: tenant.ForDKIM, State: tenant.Found}, {Purpose: tenant.ForTracking, State: state}}}, nil
}

func (d *linkDomains) OwnerOfDomain(_ context.Context, domain string) (tenant.ID, error) {
	d.asked++
	switch domain {
	case "a.example":
		return tenant.ID{1}, nil
	case "b.example":
		return tenant.ID{2}, nil
	}
	return tenant.ID{}, fault.New(fault.NotFound, "domain_unknown", "")
}

func TestLinkHosts(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	d := &linkDomains{}
	public := &url.URL{Scheme: "https", Host: "mail.platform.example:8443"}
	h := &linkHosts{store: d, now: func() time.Time { return now }, public: public, known: map[string]linkHost{}}
	for domain, want := range map[string]string{"a.example": "https://link.a.example:8443", "b.example": "", "c.example": ""} {
		if have := h.base(t.Context(), tenant.ID{1}, domain); have != want {
			t.Errorf("%s: %q, want %q", domain, have, want)
		}
	}
	if have := h.base(t.Context(), tenant.ID{2}, "a.example"); have != "" {
		t.Errorf("another tenant's mail leads to %q", have)
	}
	// Until a host has a certificate, links lead to the platform.
	for ready, want := range map[bool]string{false: "", true: "https://link.a.example:8443"} {
		clear(h.known)
		h.ready = func(_ context.Context, host string) bool { return ready && host == "link.a.example" }
		if have := h.base(t.Context(), tenant.ID{1}, "a.example"); have != want {
			t.Errorf("with a certificate %t: %q", ready, have)
		}
	}
	for host, want := range map[string]bool{"link.a.example": true, "link.b.example": false, "link.c.example": false, "a.example": false} {
		if have := h.leadsHere(t.Context(), host); have != want {
			t.Errorf("%s leads here: %t", host, have)
		}
	}
	asked := d.asked
	for host, want := range map[string]tenant.ID{"link.a.example": {1}, "LINK.b.example:8443": {2}, "link.c.example": {}, "mail.platform.example": {}} {
		if have, own := h.owner(t.Context(), host); have != want || own == want.IsZero() {
			t.Errorf("%s is of %v, %v", host, have, own)
		}
	}
	if d.asked != asked {
		t.Errorf("asked %d times more within a minute", d.asked-asked)
	}
	now = now.Add(2 * linkHostsLast)
	d.down = true
	if have := h.base(t.Context(), tenant.ID{1}, "a.example"); have != "" {
		t.Errorf("without a database: %q", have)
	}
}

// Tenants' own hosts show neither office nor API.
func TestOwnHostsServeLinksAlone(t *testing.T) {
	public := &url.URL{Scheme: "https", Host: "link.platform.example"}
	p := &platform{base: &base{config: Config{HTTP: HTTP{PreviewHost: "preview.example"}}, tracking: trackingParts{hosts: &linkHosts{public: public}}}}
	door := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := p.trackingFirst(door, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for target, want := range map[string]int{
		"https://link.a.example/i/x": 204, "https://link.a.example/l/x": 204, "https://mail.example/l/x": 204, "https://preview.example:8443/l/x": 418, "https://link.a.example/": 404, "https://link.a.example/v1/messages": 404,
		"https://link.a.example:443/login": 404, "https://mail.example/": 418, "https://link.platform.example/": 418,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
}
