package stationery

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/picture"
	"stafette/internal/tenant"
)

// Codes of refusals of logos, all at the field "file".
const (
	CodeLogoMedia = "logo_media"  // Invalid: no PNG, JPEG or WebP
	CodeLogoLarge = "logo_large"  // TooLarge: too many bytes or pixels
	CodeLogoBroke = "logo_broken" // Invalid: cannot be read to its end
)

// MaxLogo bounds the file of a logo as it comes, in bytes.
const MaxLogo = 5 << 20

// logoSide is the longer side of a logo as it is kept, in pixels: enough for paper, too.
const logoSide = 640

// Logo is a tenant's own, kept here and drawn anew: whoever sees it asks no other host, and
// nothing but pixels is in it (T30). The zero value is none.
type Logo struct {
	Data          []byte
	Media         string // "image/png" or "image/jpeg"
	End           string // of file names, ".png"
	Width, Height int    // pixels
	SHA256        [sha256.Size]byte
	At            time.Time // when it was taken
}

// None reports whether there is no logo.
func (l Logo) None() bool { return len(l.Data) == 0 }

// Tag names the bytes of a logo in addresses: another logo has another.
func (l Logo) Tag() string { return fmt.Sprintf("%x", l.SHA256[:6]) }

// LogoStore keeps for each tenant the logo that is shown and the one that was shown before.
// Each method is one transaction.
type LogoStore interface {
	// Logos returns both; either may be none.
	Logos(ctx context.Context, of tenant.ID) (shown, former Logo, err error)
	// PutLogo shows a logo. The one that was shown becomes the former.
	PutLogo(ctx context.Context, of tenant.ID, l Logo) error
	// DropLogo shows none any more. The one that was shown becomes the former.
	DropLogo(ctx context.Context, of tenant.ID) error
	// SwapLogos shows the former again, and makes what was shown the former.
	SwapLogos(ctx context.Context, of tenant.ID) error
}

// Logo returns the tenant's logo, or none.
func (s *Service) Logo(ctx context.Context, t tenant.ID) (Logo, error) {
	shown, _, err := s.Logos(ctx, t)
	return shown, err
}

// Logos returns the tenant's logo and the one before it, to which RestoreLogo leads back.
func (s *Service) Logos(ctx context.Context, t tenant.ID) (shown, former Logo, err error) {
	if shown, former, err = s.c.Store.Logos(ctx, t); err != nil {
		return Logo{}, Logo{}, fmt.Errorf("read logo: %w", err)
	}
	return shown, former, nil
}

// SetLogo takes a PNG, JPEG or WebP of at most MaxLogo bytes, draws it anew and shows it.
// Refusals are those with the codes above.
func (s *Service) SetLogo(ctx context.Context, t tenant.ID, data []byte) (Logo, error) {
	if len(data) > MaxLogo {
		return Logo{}, &fault.Error{Kind: fault.TooLarge, Code: CodeLogoLarge, Field: "file", Detail: fmt.Sprintf("A logo has at most %d bytes.", MaxLogo)}
	}
	select {
	case s.drawing <- struct{}{}:
		defer func() { <-s.drawing }()
	case <-ctx.Done():
		return Logo{}, ctx.Err()
	}
	drawn, err := picture.Redraw(data, logoSide, picture.PNG, picture.JPEG, picture.WebP)
	if e := fault.As(err); e != nil {
		known := map[string]string{picture.CodeMedia: CodeLogoMedia, picture.CodeLarge: CodeLogoLarge, picture.CodeBroken: CodeLogoBroke}
		return Logo{}, &fault.Error{Kind: e.Kind, Code: known[e.Code], Field: e.Field, Detail: e.Detail}
	}
	if err != nil {
		return Logo{}, fmt.Errorf("draw logo: %w", err)
	}
	l := Logo{Data: drawn.Data, Media: drawn.Media, End: drawn.End, Width: drawn.Width, Height: drawn.Height, SHA256: sha256.Sum256(drawn.Data), At: s.now()}
	if err := s.c.Store.PutLogo(ctx, t, l); err != nil {
		return Logo{}, fmt.Errorf("keep logo: %w", err)
	}
	return l, nil
}

// DropLogo shows the name again instead of a logo.
func (s *Service) DropLogo(ctx context.Context, t tenant.ID) error {
	if err := s.c.Store.DropLogo(ctx, t); err != nil {
		return fmt.Errorf("drop logo: %w", err)
	}
	return nil
}

// RestoreLogo undoes the last SetLogo or DropLogo; done twice it changes nothing.
func (s *Service) RestoreLogo(ctx context.Context, t tenant.ID) error {
	if err := s.c.Store.SwapLogos(ctx, t); err != nil {
		return fmt.Errorf("restore logo: %w", err)
	}
	return nil
}
