package account

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

const (
	ceremonyOpenID = "openid"
	openIDTimeout  = 15 * time.Second
)

// OpenID is a provider at which people may sign in (OpenID Connect Core 1.0). It says
// who somebody is; who may come in is decided here: nobody gets a user by it.
type OpenID struct {
	Name         string // on the button
	Issuer       string // URL; discovery asks it and no other
	ClientID     string
	ClientSecret string
	// Client reaches the provider. It must refuse what the guard of outgoing connections
	// refuses, and follow no redirect.
	Client *http.Client

	mu       sync.Mutex
	provider *oidc.Provider
}

// OpenID returns the provider's name for the button, "" if there is none.
func (s *Service) OpenID() string {
	if s.c.OpenID == nil {
		return ""
	}
	return s.c.OpenID.Name
}

// discover asks the issuer once; a failure is asked again.
func (o *OpenID) discover(ctx context.Context) (*oidc.Provider, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider != nil {
		return o.provider, nil
	}
	// The provider keeps the context for its later questions for keys.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), o.Client), o.Issuer)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Code: "openid_unavailable", Detail: "The sign-in provider does not answer.", Err: err}
	}
	o.provider = p
	return p, nil
}

func (s *Service) oauth(p *oidc.Provider) oauth2.Config {
	return oauth2.Config{
		ClientID: s.c.OpenID.ClientID, ClientSecret: s.c.OpenID.ClientSecret, Endpoint: p.Endpoint(),
		RedirectURL: strings.TrimSuffix(s.c.PublicURL, "/") + "/signin/openid/callback", Scopes: []string{oidc.ScopeOpenID, "email"},
	}
}

type openIDContent struct{ Nonce, Verifier, Next string }

// BeginOpenID returns where to send the browser, and the state it must bring back, which
// belongs into a cookie of that browser.
func (s *Service) BeginOpenID(ctx context.Context, next string) (target, state string, err error) {
	if s.c.OpenID == nil {
		return "", "", missing("page")
	}
	ctx, cancel := context.WithTimeout(ctx, openIDTimeout)
	defer cancel()
	p, err := s.c.OpenID.discover(ctx)
	if err != nil {
		return "", "", err
	}
	content := openIDContent{Nonce: tenant.NewToken(), Verifier: oauth2.GenerateVerifier(), Next: next}
	state, err = s.begin(audit.Without(ctx), ceremonyOpenID, tenant.User{}, content, ceremonyLast)
	if err != nil {
		return "", "", err
	}
	config := s.oauth(p)
	return config.AuthCodeURL(state, oidc.Nonce(content.Nonce), oauth2.S256ChallengeOption(content.Verifier)), state, nil
}

func errOpenID(err error) error {
	return &fault.Error{Kind: fault.Unauthenticated, Code: "openid_refused", Detail: "The sign-in provider's answer was not accepted.", Err: err}
}

// FinishOpenID signs in whom the provider names: the user tied to that name, or at the
// first time the one with that verified address. next is what BeginOpenID was given.
// Errors: Unauthenticated "openid_refused" or "openid_unknown".
func (s *Service) FinishOpenID(ctx context.Context, cookie, state, code, userAgent, remote string) (token string, who tenant.Identity, next string, err error) {
	if s.c.OpenID == nil {
		return "", who, "", missing("page")
	}
	if state == "" || subtle.ConstantTimeCompare([]byte(cookie), []byte(state)) != 1 {
		return "", who, "", errOpenID(nil)
	}
	var content openIDContent
	if _, err := s.finish(audit.Without(ctx), ceremonyOpenID, state, &content); err != nil {
		return "", who, "", errOpenID(err)
	}
	u, err := s.openIDUser(ctx, content, code)
	if err != nil {
		return "", who, "", err
	}
	token, who, err = s.enter(ctx, u, userAgent, remote, u.Guarded)
	return token, who, content.Next, err
}

type claims struct {
	Email    string `json:"email"`
	Verified bool   `json:"email_verified"`
}

func (s *Service) openIDUser(ctx context.Context, content openIDContent, code string) (tenant.User, error) {
	ctx, cancel := context.WithTimeout(ctx, openIDTimeout)
	defer cancel()
	p, err := s.c.OpenID.discover(ctx)
	if err != nil {
		return tenant.User{}, err
	}
	config := s.oauth(p)
	answer, err := config.Exchange(oidc.ClientContext(ctx, s.c.OpenID.Client), code, oauth2.VerifierOption(content.Verifier))
	if err != nil {
		return tenant.User{}, errOpenID(err)
	}
	raw, _ := answer.Extra("id_token").(string)
	verified, err := p.Verifier(&oidc.Config{ClientID: s.c.OpenID.ClientID, Now: s.c.Now}).Verify(oidc.ClientContext(ctx, s.c.OpenID.Client), raw)
	if err != nil {
		return tenant.User{}, errOpenID(err)
	}
	var c claims
	if err := verified.Claims(&c); err != nil || subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(content.Nonce)) != 1 {
		return tenant.User{}, errOpenID(err)
	}
	return s.bySubject(ctx, verified.Issuer+" "+verified.Subject, c)
}

// bySubject finds the user. A name at the provider is tied to the user with the same
// address once, if the provider vouches for the address.
func (s *Service) bySubject(ctx context.Context, subject string, c claims) (tenant.User, error) {
	unknown := fault.New(fault.Unauthenticated, "openid_unknown", "Nobody here has this address.")
	u, err := s.c.Store.UserBySubject(ctx, subject)
	if fault.IsKind(err, fault.NotFound) {
		if !c.Verified || c.Email == "" {
			return tenant.User{}, unknown
		}
		u, err = s.c.Store.UserByEmail(ctx, strings.ToLower(c.Email))
		if fault.IsKind(err, fault.NotFound) {
			return tenant.User{}, unknown
		}
		if err == nil {
			ctx := note(act(ctx, u, "openid.tied", ""), u.Tenant, u.ID.String(), subject)
			err = s.c.Store.SetSubject(ctx, u.Tenant, u.ID, subject)
		}
	}
	if err != nil {
		return tenant.User{}, fmt.Errorf("find person of OpenID provider: %w", err)
	}
	if !u.DisabledAt.IsZero() {
		return tenant.User{}, unknown
	}
	return u, nil
}
