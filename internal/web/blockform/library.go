package blockform

import (
	"context"
	"fmt"

	"stafette/internal/stationery/pictures"
	"stafette/internal/tenant"
)

// Library has the pictures that editors offer; *pictures.Service does.
type Library interface {
	Pictures(ctx context.Context, t tenant.ID) ([]pictures.Picture, error)
	Address(p pictures.Picture) string
}

// PicturesOf are those of a library, from new to old; none where there is no library.
func PicturesOf(ctx context.Context, l Library, t tenant.ID) ([]Picture, error) {
	if l == nil {
		return nil, nil
	}
	found, err := l.Pictures(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read library of pictures: %w", err)
	}
	list := make([]Picture, len(found))
	for i, p := range found {
		list[i] = Picture{ID: p.ID.String(), Name: p.Name, Alt: p.Alt, Address: l.Address(p)}
	}
	return list, nil
}
