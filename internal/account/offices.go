package account

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Offices lists tenants for staff, by name, 200 at most.
func (s *Service) Offices(ctx context.Context, text string) ([]tenant.Tenant, error) {
	const most = 200
	return s.c.Store.FindTenants(ctx, strings.TrimSpace(text), most)
}

// Office returns one tenant with its people.
func (s *Service) Office(ctx context.Context, t tenant.ID) (tenant.Tenant, []tenant.User, error) {
	found, err := s.c.Store.Tenant(ctx, t)
	if err != nil {
		return tenant.Tenant{}, nil, err
	}
	users, err := s.c.Store.Users(ctx, t)
	return found, users, err
}

// Found sets a tenant up as tenant.Founder does and returns what must be told once.
func (s *Service) Found(ctx context.Context, r tenant.FoundRequest) (tenant.Founded, error) {
	return s.c.Founder.Found(note(ctx, tenant.ID{}, strings.TrimSpace(r.Name), r.Domain), r)
}

// Lock stops a tenant's sending and ends the sessions of its people, who from then on
// see why, and may export. An empty reason is Invalid for "reason".
func (s *Service) Lock(ctx context.Context, t tenant.ID, reason string) error {
	reason, wrong := readReason(reason)
	if wrong != nil {
		return wrong
	}
	of, err := s.c.Store.Tenant(ctx, t)
	if err != nil {
		return err
	}
	now := s.now()
	letters, err := s.toOwners(ctx, of, "tenant_locked", fmt.Sprintf("locked/%d", now.UnixMilli()), "/locked", func(u tenant.User) map[string]string {
		return map[string]string{"reason": reason, "at": s.clock(u, of).Full(now)}
	})
	if err != nil {
		return err
	}
	if err := s.c.Store.LockTenant(note(ctx, t, t.String(), reason), t, tenant.Locked, reason, letters); err != nil {
		return err
	}
	s.sent(letters)
	return nil
}

// Unlock lets a tenant send again, for a reason.
func (s *Service) Unlock(ctx context.Context, t tenant.ID, reason string) error {
	reason, wrong := readReason(reason)
	if wrong != nil {
		return wrong
	}
	return s.c.Store.LockTenant(note(ctx, t, t.String(), reason), t, tenant.Active, "", nil)
}

func readReason(text string) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	if n := utf8.RuneCountInString(text); n < 3 || n > 500 {
		return "", fault.Field("reason", "reason_malformed", "A reason has 3 to 500 characters.")
	}
	return text, nil
}

// Visit lets the session of staff look into a tenant's office for 30 minutes, read
// only. The tenant's owners are told by mail, and its record keeps it. Error: Invalid
// for "reason".
func (s *Service) Visit(ctx context.Context, who tenant.Identity, t tenant.ID, reason string) error {
	if !tenant.Can(who.User.Role, tenant.PlatformVisit) || !who.User.Tenant.IsZero() {
		return fault.New(fault.Forbidden, "permission_missing", "This role may not.")
	}
	reason, wrong := readReason(reason)
	if wrong != nil {
		return wrong
	}
	of, err := s.c.Store.Tenant(ctx, t)
	if err != nil {
		return err
	}
	now := s.now()
	v := tenant.Visit{Tenant: t, Reason: reason, Since: now, Until: now.Add(VisitLasts)}
	letters, err := s.toOwners(ctx, of, "visit", fmt.Sprintf("visit/%s/%d", who.Session.Handle(), now.UnixMilli()), "/", func(u tenant.User) map[string]string {
		clock := s.clock(u, of)
		return map[string]string{"agent": nameOf(who.User), "from": clock.Full(v.Since), "to": clock.Full(v.Until), "reason": reason}
	})
	if err != nil {
		return err
	}
	if err := s.c.Store.SetVisit(note(ctx, t, t.String(), reason), who.Session.Hash, v, letters); err != nil {
		return err
	}
	s.sent(letters)
	return nil
}

// EndVisit ends it before its time.
func (s *Service) EndVisit(ctx context.Context, who tenant.Identity) error {
	if !who.Visiting() {
		return nil
	}
	return s.c.Store.SetVisit(note(ctx, who.Tenant.ID, who.Tenant.ID.String(), ""), who.Session.Hash, tenant.Visit{}, nil)
}
