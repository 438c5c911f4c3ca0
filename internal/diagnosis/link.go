package diagnosis

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// LinkKind is the id.Kind of links to status pages.
type LinkKind struct{}

// Prefix implements id.Kind.
func (LinkKind) Prefix() string { return "stl" }

// LinkID names a link to a status page.
type LinkID = id.Of[LinkKind]

// StatusLink lets whoever has it see what became of one delivery, without an account.
type StatusLink struct {
	ID        LinkID
	Tenant    tenant.ID
	Delivery  message.DeliveryID
	Actor     string // who made it: text of a key's or user's identifier
	CreatedAt time.Time
	ExpiresAt time.Time
}

// StatusPath is where status pages lie; the token follows.
const StatusPath = "/status/"

const (
	macSize   = 16 // bytes: 128 bits
	tokenSize = 16 + 16 + macSize
	// TokenLength is how many characters a token has.
	TokenLength = tokenSize / 3 * 4
)

// LinkTo returns a link to the status page of a delivery: the newest one if it is good
// for half its life, otherwise a new one. Errors: "delivery_not_found".
func (s *Service) LinkTo(ctx context.Context, t tenant.ID, d message.DeliveryID, actor string) (StatusLink, error) {
	if _, err := s.Verdict(ctx, t, d); err != nil {
		return StatusLink{}, err
	}
	now := s.Now().UTC().Truncate(time.Millisecond)
	have, err := s.Links(ctx, t, d)
	if err != nil {
		return StatusLink{}, err
	}
	if len(have) > 0 && have[0].ExpiresAt.After(now.Add(s.LinkLife/2)) {
		return have[0], nil
	}
	l := StatusLink{ID: id.New[LinkKind](now), Tenant: t, Delivery: d, Actor: actor, CreatedAt: now, ExpiresAt: now.Add(s.LinkLife)}
	if err := s.Store.AddStatusLink(ctx, l); err != nil {
		return StatusLink{}, fmt.Errorf("make status link: %w", err)
	}
	return l, nil
}

// Links returns the links to a delivery that are valid now, from new to old.
func (s *Service) Links(ctx context.Context, t tenant.ID, d message.DeliveryID) ([]StatusLink, error) {
	list, err := s.Store.StatusLinks(ctx, t, d)
	if err != nil {
		return nil, fmt.Errorf("list status links: %w", err)
	}
	var valid []StatusLink
	for _, l := range list {
		if l.ExpiresAt.After(s.Now()) {
			valid = append(valid, l)
		}
	}
	return valid, nil
}

// Revoke takes back all links to a delivery and returns how many there were. Errors:
// "delivery_not_found".
func (s *Service) Revoke(ctx context.Context, t tenant.ID, d message.DeliveryID) (int, error) {
	if _, err := s.Verdict(ctx, t, d); err != nil {
		return 0, err
	}
	n, err := s.Store.RevokeStatusLinks(ctx, t, d)
	if err != nil {
		return 0, fmt.Errorf("revoke status links: %w", err)
	}
	return n, nil
}

// URL is the address of a link's status page.
func (s *Service) URL(l StatusLink) string { return s.PublicURL + StatusPath + s.token(l.Tenant, l.ID) }

// token is a capability: it names the link and bears a MAC that nobody can make without
// the root key (T25). What it names is no secret.
func (s *Service) token(t tenant.ID, l LinkID) string {
	raw := make([]byte, 0, tokenSize)
	raw = append(append(raw, t[:]...), l[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac(raw)...))
}

func (s *Service) mac(named []byte) []byte {
	mac := hmac.New(sha256.New, s.linkKey)
	mac.Write(named)
	return mac.Sum(nil)[:macSize]
}

// Open returns what a status page shows. A token that was made up, revoked or has
// expired is *fault.Error NotFound "status_link_not_found", and nothing tells which.
func (s *Service) Open(ctx context.Context, token string) (Verdict, StatusLink, error) {
	unknown := fault.New(fault.NotFound, "status_link_not_found", "There is no such link.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenSize || !hmac.Equal(raw[32:], s.mac(raw[:32])) {
		return Verdict{}, StatusLink{}, unknown
	}
	l, err := s.Store.StatusLink(ctx, tenant.ID(raw[:16]), LinkID(raw[16:32]))
	if err != nil {
		return Verdict{}, StatusLink{}, fmt.Errorf("open status link: %w", err)
	}
	if !l.ExpiresAt.After(s.Now()) {
		return Verdict{}, StatusLink{}, unknown
	}
	v, err := s.Verdict(ctx, l.Tenant, l.Delivery)
	if fault.IsKind(err, fault.NotFound) {
		return Verdict{}, StatusLink{}, unknown
	}
	if err != nil {
		return Verdict{}, StatusLink{}, fmt.Errorf("open status link: %w", err)
	}
	return v, l, nil
}
