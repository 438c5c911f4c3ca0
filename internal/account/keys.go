package account

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// KeyRequest describes a new API key. SMTP signs in with the same keys.
type KeyRequest struct {
	Name     string // 1 to 200 characters
	Scopes   []tenant.Scope
	Networks string // addresses or networks, between spaces or commas; "": from everywhere
	DailyCap int64  // deliveries a day; 0: no cap
	Days     int    // until it expires; 0: never
}

// Limits of a key.
const (
	maxKeys     = 200
	maxNetworks = 50
	maxKeyDays  = 3650
)

// Keys lists the keys of a tenant, newest first.
func (s *Service) Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error) {
	return s.c.Store.Keys(ctx, t)
}

// CreateKey makes a key and returns its text, which exists nowhere else. A key does not
// get a right its maker lacks. Errors are Invalid for the fields name, scopes, networks,
// daily_cap and days, and Conflict "keys_too_many".
func (s *Service) CreateKey(ctx context.Context, who tenant.Identity, r KeyRequest) (tenant.Key, string, error) {
	k, err := s.newKey(who, r)
	if err != nil {
		return tenant.Key{}, "", err
	}
	have, err := s.c.Store.Keys(ctx, k.Tenant)
	if err != nil {
		return tenant.Key{}, "", err
	}
	live := 0
	for _, one := range have {
		if one.RevokedAt.IsZero() {
			live++
		}
	}
	if live >= maxKeys {
		return tenant.Key{}, "", fault.New(fault.Conflict, "keys_too_many", "There are too many keys; revoke some first.")
	}
	text := tenant.NewKeyText()
	k.Hint, k.Hash = tenant.KeyHint(text), tenant.HashKey(text)
	letters, err := s.toOwners(ctx, who.Tenant, "key_created", "key/"+k.ID.String(), "/keys", func(u tenant.User) map[string]string {
		return map[string]string{"key": k.Name, "person": nameOf(who.User), "at": s.clock(u, who.Tenant).Full(k.CreatedAt)}
	})
	if err != nil {
		return tenant.Key{}, "", err
	}
	if err := s.c.Store.IssueKey(note(ctx, k.Tenant, k.ID.String(), k.Name), k, letters); err != nil {
		return tenant.Key{}, "", err
	}
	s.sent(letters)
	return k, text, nil
}

func (s *Service) newKey(who tenant.Identity, r KeyRequest) (tenant.Key, error) {
	now := s.now()
	k := tenant.Key{
		ID: id.New[tenant.KeyKind](now), Tenant: who.User.Tenant, Name: strings.TrimSpace(r.Name), CreatedAt: now,
		DailyCap: r.DailyCap, CreatedBy: who.User.ID.String(),
	}
	list := []*fault.Error{plainName(k.Name, 1)}
	for _, scope := range r.Scopes {
		switch scope {
		case tenant.ScopeSend, tenant.ScopeRead:
		case tenant.ScopeAdmin:
			if !who.Can(tenant.SettingsWrite) {
				list = append(list, fault.Field("scopes", "scope_denied", "Your role may not give this scope."))
			}
		default:
			list = append(list, fault.Field("scopes", "scope_unknown", "There is no such scope."))
		}
		k.Scopes = append(k.Scopes, scope)
	}
	if len(k.Scopes) == 0 {
		list = append(list, fault.Field("scopes", "scopes_missing", "A key needs a scope."))
	}
	var wrong *fault.Error
	k.Networks, wrong = parseNetworks(r.Networks)
	list = append(list, wrong)
	if r.DailyCap < 0 {
		list = append(list, fault.Field("daily_cap", "number_malformed", "The cap is a number of deliveries, or nothing."))
	}
	if r.Days < 0 || r.Days > maxKeyDays {
		list = append(list, fault.Field("days", "number_malformed", "A key lasts 1 to 3650 days, or for ever."))
	}
	if r.Days > 0 {
		k.ExpiresAt = now.Add(time.Duration(r.Days) * 24 * time.Hour)
	}
	return k, joined(list)
}

// parseNetworks reads addresses and networks.
func parseNetworks(text string) ([]netip.Prefix, *fault.Error) {
	wrong := fault.Field("networks", "network_malformed", "Networks are written as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32, 50 at most.")
	var list []netip.Prefix
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r <= ' ' }) {
		p, err := netip.ParsePrefix(word)
		if err != nil {
			a, err := netip.ParseAddr(word)
			if err != nil || a.Zone() != "" {
				return nil, wrong
			}
			a = a.Unmap()
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if list = append(list, p.Masked()); len(list) > maxNetworks {
			return nil, wrong
		}
	}
	return list, nil
}

// RevokeKey ends a key; on every node within seconds.
func (s *Service) RevokeKey(ctx context.Context, who tenant.Identity, k tenant.KeyID) error {
	return s.c.Store.RevokeKey(note(ctx, who.User.Tenant, k.String(), ""), who.User.Tenant, k, s.now())
}
