// Package tenanttest has a tenant store in memory for tests of the rooms above. It
// keeps the contract of tenant.Store: things of other tenants are not found, taken
// names are conflicts, what is returned is a copy.
package tenanttest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Store implements tenant.Store in memory. The zero value is empty and ready; it
// is safe for concurrent use.
type Store struct {
	// Calls counts all calls of methods that read, to prove caches.
	Calls atomic.Int64
	// Fail, if set, is asked before every call and its error returned.
	Fail func(method string) error

	mu       sync.Mutex
	tenants  []tenant.Tenant
	users    []tenant.User
	sessions []tenant.Session
	keys     []tenant.Key
	domains  []tenant.Domain
	dkim     []tenant.DKIMKey
	facts    map[tenant.ID][]tenant.DomainFact
	reports  []savedReport
	profiles map[tenant.ID]tenant.Profile
}

var (
	_ tenant.Store       = (*Store)(nil)
	_ tenant.DomainStore = (*Store)(nil)
)

func (s *Store) enter(method string) (leave func(), err error) {
	s.Calls.Add(1)
	if s.Fail != nil {
		if err := s.Fail(method); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	return s.mu.Unlock, nil
}

func missing(what string) error {
	return fault.New(fault.NotFound, what+"_not_found", "There is no such "+what+".")
}

// find returns a pointer to the element the test is true of, or nil.
func find[T any](list []T, is func(T) bool) *T {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return &list[i]
	}
	return nil
}

// Found implements tenant.Store.
func (s *Store) Found(_ context.Context, f tenant.Founding) error {
	leave, err := s.enter("Found")
	if err != nil {
		return err
	}
	defer leave()
	for _, u := range f.Users {
		if find(s.users, func(o tenant.User) bool { return strings.EqualFold(o.Email, u.Email) }) != nil {
			return fault.New(fault.Conflict, "email_taken", "The address is taken.")
		}
	}
	for _, d := range f.Domains {
		if s.domainTaken(d) {
			return fault.New(fault.Conflict, "domain_taken", "The domain is taken.")
		}
	}
	if !f.Tenant.ID.IsZero() {
		s.tenants = append(s.tenants, f.Tenant)
	}
	s.users = append(s.users, f.Users...)
	s.keys = append(s.keys, f.Keys...)
	s.domains = append(s.domains, f.Domains...)
	s.dkim = append(s.dkim, f.DKIMKeys...)
	return nil
}

func (s *Store) domainTaken(d tenant.Domain) bool {
	return find(s.domains, func(o tenant.Domain) bool {
		return o.Name == d.Name && (o.Tenant == d.Tenant || o.Usable() && d.Usable())
	}) != nil
}

// Tenant implements tenant.Store.
func (s *Store) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	leave, err := s.enter("Tenant")
	if err != nil {
		return tenant.Tenant{}, err
	}
	defer leave()
	if found := find(s.tenants, func(o tenant.Tenant) bool { return o.ID == t }); found != nil {
		return *found, nil
	}
	return tenant.Tenant{}, missing("tenant")
}

// Tenants implements tenant.Store.
func (s *Store) Tenants(_ context.Context, after tenant.ID, limit int) ([]tenant.Tenant, error) {
	leave, err := s.enter("Tenants")
	if err != nil {
		return nil, err
	}
	defer leave()
	list := slices.DeleteFunc(slices.Clone(s.tenants), func(t tenant.Tenant) bool {
		return slices.Compare(t.ID[:], after[:]) <= 0
	})
	slices.SortFunc(list, func(a, b tenant.Tenant) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return list[:min(limit, len(list))], nil
}

// SetState implements tenant.Store.
func (s *Store) SetState(_ context.Context, t tenant.ID, state tenant.State, reason string) error {
	leave, err := s.enter("SetState")
	if err != nil {
		return err
	}
	defer leave()
	found := find(s.tenants, func(o tenant.Tenant) bool { return o.ID == t })
	if found == nil {
		return missing("tenant")
	}
	found.State, found.LockReason = state, reason
	return nil
}

// UserByEmail implements tenant.Store.
func (s *Store) UserByEmail(_ context.Context, email string) (tenant.User, error) {
	leave, err := s.enter("UserByEmail")
	if err != nil {
		return tenant.User{}, err
	}
	defer leave()
	if u := find(s.users, func(o tenant.User) bool { return strings.EqualFold(o.Email, email) }); u != nil {
		return *u, nil
	}
	return tenant.User{}, missing("user")
}

// User implements tenant.Store.
func (s *Store) User(_ context.Context, t tenant.ID, user tenant.UserID) (tenant.User, error) {
	leave, err := s.enter("User")
	if err != nil {
		return tenant.User{}, err
	}
	defer leave()
	if u := find(s.users, func(o tenant.User) bool { return o.Tenant == t && o.ID == user }); u != nil {
		return *u, nil
	}
	return tenant.User{}, missing("user")
}

// SetPassword implements tenant.Store.
func (s *Store) SetPassword(_ context.Context, t tenant.ID, user tenant.UserID, hash string) error {
	leave, err := s.enter("SetPassword")
	if err != nil {
		return err
	}
	defer leave()
	u := find(s.users, func(o tenant.User) bool { return o.Tenant == t && o.ID == user })
	if u == nil {
		return missing("user")
	}
	u.PasswordHash = hash
	s.sessions = slices.DeleteFunc(s.sessions, func(o tenant.Session) bool { return o.User == user })
	return nil
}

// Disable marks a user as disabled at the given time.
func (s *Store) Disable(user tenant.UserID, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := find(s.users, func(o tenant.User) bool { return o.ID == user }); u != nil {
		u.DisabledAt = at
	}
}

// OpenSession implements tenant.Store.
func (s *Store) OpenSession(_ context.Context, session tenant.Session) error {
	leave, err := s.enter("OpenSession")
	if err != nil {
		return err
	}
	defer leave()
	s.sessions = append(s.sessions, session)
	return nil
}

// Session implements tenant.Store.
func (s *Store) Session(_ context.Context, hash [32]byte, now time.Time) (tenant.Session, error) {
	leave, err := s.enter("Session")
	if err != nil {
		return tenant.Session{}, err
	}
	defer leave()
	found := find(s.sessions, func(o tenant.Session) bool { return o.Hash == hash })
	if found == nil || !now.Before(found.ExpiresAt) {
		return tenant.Session{}, missing("session")
	}
	return *found, nil
}

// TouchSession implements tenant.Store.
func (s *Store) TouchSession(_ context.Context, hash [32]byte, seen time.Time) error {
	leave, err := s.enter("TouchSession")
	if err != nil {
		return err
	}
	defer leave()
	if found := find(s.sessions, func(o tenant.Session) bool { return o.Hash == hash }); found != nil {
		found.SeenAt = seen
	}
	return nil
}

// CloseSession implements tenant.Store.
func (s *Store) CloseSession(_ context.Context, hash [32]byte) error {
	leave, err := s.enter("CloseSession")
	if err != nil {
		return err
	}
	defer leave()
	s.sessions = slices.DeleteFunc(s.sessions, func(o tenant.Session) bool { return o.Hash == hash })
	return nil
}

// AddKey implements tenant.Store.
func (s *Store) AddKey(_ context.Context, k tenant.Key) error {
	leave, err := s.enter("AddKey")
	if err != nil {
		return err
	}
	defer leave()
	s.keys = append(s.keys, k)
	return nil
}

// KeyByHash implements tenant.Store.
func (s *Store) KeyByHash(_ context.Context, hash [32]byte) (tenant.Key, error) {
	leave, err := s.enter("KeyByHash")
	if err != nil {
		return tenant.Key{}, err
	}
	defer leave()
	if k := find(s.keys, func(o tenant.Key) bool { return o.Hash == hash }); k != nil {
		return *k, nil
	}
	return tenant.Key{}, missing("key")
}

// Keys implements tenant.Store.
func (s *Store) Keys(_ context.Context, t tenant.ID) ([]tenant.Key, error) {
	leave, err := s.enter("Keys")
	if err != nil {
		return nil, err
	}
	defer leave()
	list := slices.DeleteFunc(slices.Clone(s.keys), func(k tenant.Key) bool { return k.Tenant != t })
	slices.Reverse(list)
	return list, nil
}

// RevokeKey implements tenant.Store.
func (s *Store) RevokeKey(_ context.Context, t tenant.ID, key tenant.KeyID, at time.Time) error {
	return s.changeKey("RevokeKey", t, key, func(k *tenant.Key) { k.RevokedAt = at })
}

// TouchKey implements tenant.Store.
func (s *Store) TouchKey(_ context.Context, t tenant.ID, key tenant.KeyID, at time.Time) error {
	return s.changeKey("TouchKey", t, key, func(k *tenant.Key) { k.LastUsedAt = at })
}

func (s *Store) changeKey(method string, t tenant.ID, key tenant.KeyID, change func(*tenant.Key)) error {
	leave, err := s.enter(method)
	if err != nil {
		return err
	}
	defer leave()
	k := find(s.keys, func(o tenant.Key) bool { return o.Tenant == t && o.ID == key })
	if k == nil {
		return missing("key")
	}
	change(k)
	return nil
}

// AddDomain implements tenant.Store.
func (s *Store) AddDomain(_ context.Context, d tenant.Domain, keys []tenant.DKIMKey) error {
	leave, err := s.enter("AddDomain")
	if err != nil {
		return err
	}
	defer leave()
	if s.domainTaken(d) {
		return fault.New(fault.Conflict, "domain_taken", "The domain is taken.")
	}
	s.domains = append(s.domains, d)
	s.dkim = append(s.dkim, keys...)
	return nil
}

// Domains implements tenant.Store.
func (s *Store) Domains(_ context.Context, t tenant.ID) ([]tenant.Domain, error) {
	leave, err := s.enter("Domains")
	if err != nil {
		return nil, err
	}
	defer leave()
	list := slices.DeleteFunc(slices.Clone(s.domains), func(d tenant.Domain) bool { return d.Tenant != t })
	slices.SortFunc(list, func(a, b tenant.Domain) int { return cmp.Compare(a.Name, b.Name) })
	for i := range list {
		list[i].Findings = nil
	}
	return list, nil
}

// SetDomainState implements tenant.Store.
func (s *Store) SetDomainState(_ context.Context, t tenant.ID, domain tenant.DomainID, state tenant.DomainState, checked time.Time) error {
	leave, err := s.enter("SetDomainState")
	if err != nil {
		return err
	}
	defer leave()
	d := find(s.domains, func(o tenant.Domain) bool { return o.Tenant == t && o.ID == domain })
	if d == nil {
		return missing("domain")
	}
	d.State, d.CheckedAt, d.GraceUntil = state, checked, time.Time{}
	return nil
}

// DKIMKeys implements tenant.Store.
func (s *Store) DKIMKeys(_ context.Context, t tenant.ID, domain string) ([]tenant.DKIMKey, error) {
	leave, err := s.enter("DKIMKeys")
	if err != nil {
		return nil, err
	}
	defer leave()
	return slices.DeleteFunc(slices.Clone(s.dkim), func(k tenant.DKIMKey) bool {
		return k.Tenant != t || k.DomainName != domain
	}), nil
}
