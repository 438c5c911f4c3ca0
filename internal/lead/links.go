package lead

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Paths of the pages where whoever receives leads says what arrived; a token follows.
const (
	ConfirmPath = "/lead/confirm/" // of a test lead
	ReportPath  = "/lead/report/"  // of a lead, or of all of an advertiser
)

// Link is what a capability of these pages is about. Whoever has it may see and say
// something about this one lead, or report about the leads of this one advertiser.
type Link struct {
	Tenant     tenant.ID
	Advertiser string
	Lead       *Lead // nil: of all of the advertiser
}

// The kinds of token; a token of one page does not open another.
const (
	linkConfirm    = 'c'
	linkReport     = 'r'
	linkAdvertiser = 'a'
)

const (
	linkMAC = 16 // bytes
	// maxToken bounds what is decoded: a number of an advertiser has 200 characters.
	maxToken = 1200
)

// LinkOf is the address at which whoever received a lead says what arrived: of a test
// lead the page for its codes, else the page to report that something is missing. "" if
// there is no PublicURL. It holds for as long as the lead's content is kept.
func (s *Service) LinkOf(l Lead) string {
	if s.c.PublicURL == "" {
		return ""
	}
	if l.Test {
		return s.c.PublicURL + ConfirmPath + s.token(linkConfirm, l.Tenant, l.ID[:])
	}
	return s.c.PublicURL + ReportPath + s.token(linkReport, l.Tenant, l.ID[:])
}

// LinkOfAdvertiser is the address at which an advertiser reports leads that did not
// arrive. "" if there is no PublicURL. It holds for as long as the advertiser is known.
func (s *Service) LinkOfAdvertiser(t tenant.ID, number string) string {
	if s.c.PublicURL == "" {
		return ""
	}
	return s.c.PublicURL + ReportPath + s.token(linkAdvertiser, t, []byte(number))
}

func (s *Service) token(kind byte, t tenant.ID, about []byte) string {
	raw := append([]byte{kind}, t[:]...)
	raw = append(raw, about...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.linkMAC(raw)...))
}

func (s *Service) linkMAC(named []byte) []byte {
	m := hmac.New(sha256.New, s.c.Keeper.MACKey("lead link"))
	m.Write(named)
	return m.Sum(nil)[:linkMAC]
}

// CodeLink is a link that does not hold. It does not say why: made up, over, or of
// another page.
const CodeLink = "lead_link_unknown"

// Confirming reads the token of ConfirmPath; what does not hold is NotFound "lead_link_unknown".
func (s *Service) Confirming(ctx context.Context, token string) (Link, error) {
	return s.follow(ctx, token, linkConfirm)
}

// Reporting reads the token of ReportPath; what does not hold is NotFound "lead_link_unknown".
func (s *Service) Reporting(ctx context.Context, token string) (Link, error) {
	return s.follow(ctx, token, linkReport, linkAdvertiser)
}

func (s *Service) follow(ctx context.Context, token string, kinds ...byte) (Link, error) {
	unknown := fault.New(fault.NotFound, CodeLink, "This link does not hold.")
	if len(token) > maxToken {
		return Link{}, unknown
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	const head = 1 + len(tenant.ID{})
	if err != nil || len(raw) <= head+linkMAC {
		return Link{}, unknown
	}
	named, mac := raw[:len(raw)-linkMAC], raw[len(raw)-linkMAC:]
	kind, about := named[0], named[head:]
	if !hmac.Equal(mac, s.linkMAC(named)) {
		return Link{}, unknown
	}
	v := Link{Tenant: tenant.ID(named[1:head])}
	for _, k := range kinds {
		switch {
		case k != kind:
		case kind == linkAdvertiser:
			a, err := s.c.Store.Advertiser(ctx, v.Tenant, string(about))
			v.Advertiser = a.ID
			return v, hide(err, unknown)
		case len(about) == len(ID{}):
			l, err := s.c.Store.Lead(ctx, v.Tenant, ID(about))
			if err == nil && s.c.Now().After(l.TakenAt.Add(Kept)) {
				return Link{}, unknown
			}
			v.Advertiser, v.Lead = l.Advertiser, &l
			return v, hide(err, unknown)
		}
	}
	return Link{}, unknown
}

// hide makes everything that is not there look the same.
func hide(err error, unknown *fault.Error) error {
	switch {
	case err == nil:
		return nil
	case fault.IsKind(err, fault.NotFound):
		return unknown
	}
	return fmt.Errorf("follow link of lead: %w", err)
}
