package account

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

func sealPlace(kind string) string { return "ceremony/" + kind }

// begin keeps a ceremony and returns the token that finishes it.
func (s *Service) begin(ctx context.Context, kind string, u tenant.User, content any, lasts time.Duration) (string, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("begin %s: %w", kind, err)
	}
	token := tenant.NewToken()
	c := Ceremony{
		Hash: tenant.HashToken(token), Kind: kind, Tenant: u.Tenant, User: u.ID,
		Sealed: s.c.Keeper.Seal(text, sealPlace(kind)), ExpiresAt: s.now().Add(lasts),
	}
	if err := s.c.Store.PutCeremony(ctx, c); err != nil {
		return "", err
	}
	return token, nil
}

// finish takes the ceremony of a token and reads its content.
func (s *Service) finish(ctx context.Context, kind, token string, content any) (Ceremony, error) {
	c, err := s.c.Store.TakeCeremony(ctx, kind, tenant.HashToken(token), s.now())
	if err != nil {
		return Ceremony{}, err
	}
	return c, s.read(c, content)
}

// peek reads the content of a ceremony that goes on.
func (s *Service) peek(ctx context.Context, kind, token string, content any) (Ceremony, error) {
	c, err := s.c.Store.Ceremony(ctx, kind, tenant.HashToken(token), s.now())
	if err != nil {
		return Ceremony{}, err
	}
	return c, s.read(c, content)
}

func (s *Service) read(c Ceremony, content any) error {
	text, err := s.c.Keeper.Open(c.Sealed, sealPlace(c.Kind))
	if err != nil {
		return fmt.Errorf("read %s: %w", c.Kind, err)
	}
	if err := json.Unmarshal(text, content); err != nil {
		return fmt.Errorf("read %s: %w", c.Kind, err)
	}
	return nil
}

// ofPerson refuses a ceremony that somebody else began.
func ofPerson(c Ceremony, who tenant.Identity) error {
	if c.User != who.User.ID || c.Tenant != who.User.Tenant {
		return missing("ceremony")
	}
	return nil
}

func errCode() error {
	return fault.Field("code", "code_wrong", "The code is wrong, or was used before.")
}
