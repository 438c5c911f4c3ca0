// Package stationerytest has a stand-in for the database of package stationery.
package stationerytest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// Store implements stationery.Store in memory. The zero value is empty and ready; it is
// safe for concurrent use.
type Store struct {
	mu        sync.Mutex
	templates []stationery.Template
	versions  map[stationery.ID][]stationery.Version
	brands    map[tenant.ID]blocks.Brand
	logos     map[tenant.ID][2]stationery.Logo // shown, former
}

var _ stationery.Store = (*Store)(nil)

func unknown() error {
	return fault.New(fault.NotFound, stationery.CodeUnknown, "There is no such thing here.")
}

func (s *Store) locked() func() {
	s.mu.Lock()
	if s.versions == nil {
		s.versions, s.brands = map[stationery.ID][]stationery.Version{}, map[tenant.ID]blocks.Brand{}
	}
	return s.mu.Unlock
}

func (s *Store) find(of tenant.ID, match func(stationery.Template) bool) (int, error) {
	i := slices.IndexFunc(s.templates, func(t stationery.Template) bool { return t.Tenant == of && match(t) })
	if i < 0 {
		return i, unknown()
	}
	return i, nil
}

func (s *Store) byID(of tenant.ID, which stationery.ID) (int, error) {
	return s.find(of, func(t stationery.Template) bool { return t.ID == which })
}

func (s *Store) taken(t stationery.Template) error {
	if _, err := s.find(t.Tenant, func(o stationery.Template) bool { return o.ID != t.ID && strings.EqualFold(o.Name, t.Name) }); err == nil {
		return &fault.Error{Kind: fault.Conflict, Code: stationery.CodeTaken, Field: "name"}
	}
	return nil
}

// CreateTemplate implements stationery.Store.
func (s *Store) CreateTemplate(_ context.Context, t stationery.Template, v stationery.Version, most int) error {
	defer s.locked()()
	n := 0
	for _, o := range s.templates {
		if o.Tenant == t.Tenant {
			n++
		}
	}
	if n >= most {
		return fault.New(fault.Conflict, stationery.CodeMany, "There are as many templates as there can be.")
	}
	if err := s.taken(t); err != nil {
		return err
	}
	s.templates, s.versions[t.ID] = append(s.templates, t), []stationery.Version{v}
	return nil
}

// SaveTemplate implements stationery.Store.
func (s *Store) SaveTemplate(_ context.Context, t stationery.Template, v stationery.Version, keep int) error {
	defer s.locked()()
	i, err := s.byID(t.Tenant, t.ID)
	if err != nil {
		return err
	}
	if s.templates[i].Version != t.Version-1 {
		return fault.New(fault.Conflict, stationery.CodeChanged, "Somebody else has saved the template meanwhile.")
	}
	if err := s.taken(t); err != nil {
		return err
	}
	s.templates[i] = t
	list := append(s.versions[t.ID], v)
	s.versions[t.ID] = list[max(0, len(list)-keep):]
	return nil
}

// Template implements stationery.Store.
func (s *Store) Template(_ context.Context, of tenant.ID, which stationery.ID) (stationery.Template, error) {
	defer s.locked()()
	i, err := s.byID(of, which)
	if err != nil {
		return stationery.Template{}, err
	}
	return s.templates[i], nil
}

// TemplateNamed implements stationery.Store.
func (s *Store) TemplateNamed(_ context.Context, of tenant.ID, name string) (stationery.Template, error) {
	defer s.locked()()
	i, err := s.find(of, func(t stationery.Template) bool { return strings.EqualFold(t.Name, name) })
	if err != nil {
		return stationery.Template{}, err
	}
	return s.templates[i], nil
}

// Templates implements stationery.Store.
func (s *Store) Templates(_ context.Context, of tenant.ID) (list []stationery.Template, err error) {
	defer s.locked()()
	for _, t := range s.templates {
		if t.Tenant == of {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b stationery.Template) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return list, nil
}

// TemplateVersion implements stationery.Store.
func (s *Store) TemplateVersion(_ context.Context, of tenant.ID, which stationery.ID, number int64) (stationery.Version, error) {
	return s.version(of, which, func(v stationery.Version) bool { return v.Number == number })
}

// LatestTemplate implements stationery.Store.
func (s *Store) LatestTemplate(_ context.Context, of tenant.ID, which stationery.ID, lang string) (stationery.Version, error) {
	return s.version(of, which, func(v stationery.Version) bool { return v.Lang == lang })
}

func (s *Store) version(of tenant.ID, which stationery.ID, match func(stationery.Version) bool) (stationery.Version, error) {
	defer s.locked()()
	if _, err := s.byID(of, which); err != nil {
		return stationery.Version{}, err
	}
	for _, v := range slices.Backward(s.versions[which]) {
		if match(v) {
			return v, nil
		}
	}
	return stationery.Version{}, unknown()
}

// TemplateVersions implements stationery.Store.
func (s *Store) TemplateVersions(_ context.Context, of tenant.ID, which stationery.ID) (list []stationery.Version, err error) {
	defer s.locked()()
	if _, err := s.byID(of, which); err != nil {
		return nil, err
	}
	for _, v := range slices.Backward(s.versions[which]) {
		list = append(list, stationery.Version{Number: v.Number, Lang: v.Lang, Actor: v.Actor, At: v.At})
	}
	return list, nil
}

// TemplateParts implements stationery.Store.
func (s *Store) TemplateParts(_ context.Context, of tenant.ID, lang string) (map[string]string, error) {
	defer s.locked()()
	parts := map[string]string{}
	for _, t := range s.templates {
		if t.Tenant != of || !t.Part {
			continue
		}
		list := s.versions[t.ID]
		for _, v := range list {
			if v.Lang == lang || !slices.ContainsFunc(list, func(o stationery.Version) bool { return o.Lang == lang }) {
				parts[strings.ToLower(t.Name)] = v.Source.Markup
			}
		}
	}
	return parts, nil
}

// DropTemplate implements stationery.Store.
func (s *Store) DropTemplate(_ context.Context, of tenant.ID, which stationery.ID) error {
	defer s.locked()()
	i, err := s.byID(of, which)
	if err == nil {
		s.templates = slices.Delete(s.templates, i, i+1)
		delete(s.versions, which)
	}
	return err
}

// Brand implements stationery.Store.
func (s *Store) Brand(_ context.Context, of tenant.ID) (blocks.Brand, error) {
	defer s.locked()()
	return s.brands[of], nil
}

// SaveBrand implements stationery.Store.
func (s *Store) SaveBrand(_ context.Context, of tenant.ID, b blocks.Brand, _ time.Time) error {
	defer s.locked()()
	s.brands[of] = b
	return nil
}

// Logos implements stationery.LogoStore.
func (s *Store) Logos(_ context.Context, of tenant.ID) (shown, former stationery.Logo, err error) {
	defer s.locked()()
	return s.logos[of][0], s.logos[of][1], nil
}

// PutLogo implements stationery.LogoStore.
func (s *Store) PutLogo(_ context.Context, of tenant.ID, l stationery.Logo) error {
	defer s.locked()()
	s.show(of, l, s.logos[of][0])
	return nil
}

// DropLogo implements stationery.LogoStore.
func (s *Store) DropLogo(_ context.Context, of tenant.ID) error {
	defer s.locked()()
	if !s.logos[of][0].None() {
		s.show(of, stationery.Logo{}, s.logos[of][0])
	}
	return nil
}

// SwapLogos implements stationery.LogoStore.
func (s *Store) SwapLogos(_ context.Context, of tenant.ID) error {
	defer s.locked()()
	s.show(of, s.logos[of][1], s.logos[of][0])
	return nil
}

func (s *Store) show(of tenant.ID, shown, former stationery.Logo) {
	if s.logos == nil {
		s.logos = map[tenant.ID][2]stationery.Logo{}
	}
	s.logos[of] = [2]stationery.Logo{shown, former}
}
