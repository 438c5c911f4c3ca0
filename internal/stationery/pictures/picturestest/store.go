// Package picturestest has a stand-in for the database of package pictures.
package picturestest

import (
	"context"
	"slices"
	"sync"

	"stafette/internal/fault"
	"stafette/internal/stationery/pictures"
	"stafette/internal/tenant"
)

// Store implements pictures.Store in memory. The zero value is empty and ready; it is safe for
// concurrent use once Used is set.
type Store struct {
	// Used tells what shows a text; nil: nothing.
	Used func(t tenant.ID, text string) []pictures.Use

	mu   sync.Mutex
	list []pictures.Picture
	data map[pictures.ID][2]pictures.Content
}

var _ pictures.Store = (*Store)(nil)

func unknown() error {
	return fault.New(fault.NotFound, pictures.CodeUnknown, "There is no such picture.")
}

func (s *Store) find(t tenant.ID, match func(pictures.Picture) bool) (int, error) {
	i := slices.IndexFunc(s.list, func(p pictures.Picture) bool { return p.Tenant == t && match(p) })
	if i < 0 {
		return i, unknown()
	}
	return i, nil
}

// AddPicture implements pictures.Store.
func (s *Store) AddPicture(_ context.Context, p pictures.Picture, full, small pictures.Content, most int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(p.Tenant, func(o pictures.Picture) bool { return o.Hash == p.Hash }); err == nil {
		return fault.New(fault.Conflict, pictures.CodeTwice, "The picture is there already.")
	}
	if len(s.list) >= most {
		return fault.New(fault.Conflict, pictures.CodeMany, "There are as many pictures as there can be.")
	}
	if s.data == nil {
		s.data = map[pictures.ID][2]pictures.Content{}
	}
	s.list, s.data[p.ID] = append(s.list, p), [2]pictures.Content{full, small}
	return nil
}

// ChangePicture implements pictures.Store.
func (s *Store) ChangePicture(_ context.Context, p pictures.Picture) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(p.Tenant, func(o pictures.Picture) bool { return o.ID == p.ID })
	if err == nil {
		s.list[i].Name, s.list[i].Alt, s.list[i].UpdatedAt = p.Name, p.Alt, p.UpdatedAt
	}
	return err
}

// Picture implements pictures.Store.
func (s *Store) Picture(_ context.Context, t tenant.ID, p pictures.ID) (pictures.Picture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(t, func(o pictures.Picture) bool { return o.ID == p })
	if err != nil {
		return pictures.Picture{}, err
	}
	return s.list[i], nil
}

// PictureByHash implements pictures.Store.
func (s *Store) PictureByHash(_ context.Context, t tenant.ID, hash [32]byte) (pictures.Picture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(t, func(o pictures.Picture) bool { return o.Hash == hash })
	if err != nil {
		return pictures.Picture{}, err
	}
	return s.list[i], nil
}

// Pictures implements pictures.Store.
func (s *Store) Pictures(_ context.Context, t tenant.ID) (list []pictures.Picture, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range slices.Backward(s.list) {
		if p.Tenant == t {
			list = append(list, p)
		}
	}
	return list, nil
}

// PictureContent implements pictures.Store.
func (s *Store) PictureContent(_ context.Context, t tenant.ID, p pictures.ID, small bool) (pictures.Content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(t, func(o pictures.Picture) bool { return o.ID == p }); err != nil {
		return pictures.Content{}, err
	}
	if small {
		return s.data[p][1], nil
	}
	return s.data[p][0], nil
}

// PictureUses implements pictures.Store.
func (s *Store) PictureUses(_ context.Context, t tenant.ID, text string, _ int) ([]pictures.Use, error) {
	if s.Used == nil {
		return nil, nil
	}
	return s.Used(t, text), nil
}

// DropPicture implements pictures.Store.
func (s *Store) DropPicture(ctx context.Context, t tenant.ID, p pictures.ID, text string) error {
	if used, err := s.PictureUses(ctx, t, text, 1); err != nil || len(used) > 0 {
		return fault.New(fault.Conflict, pictures.CodeUsed, "Mail shows the picture.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(t, func(o pictures.Picture) bool { return o.ID == p })
	if err == nil {
		s.list = slices.Delete(s.list, i, i+1)
		delete(s.data, p)
	}
	return err
}
