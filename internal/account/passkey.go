package account

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

const (
	ceremonyPasskey = "passkey"
	ceremonySignIn  = "passkey-signin"
	maxPasskeys     = 20
	maxResponse     = 32 << 10 // bytes of a browser's answer
)

// Passkeys reports whether passkeys can be used: they are bound to a name, and an
// office reached by its address has none.
func (s *Service) Passkeys() bool { return s.passkeys != nil }

func errPasskey(err error) error {
	return &fault.Error{Kind: fault.Invalid, Code: "passkey_refused", Field: "passkey", Detail: "The passkey was not accepted.", Err: err}
}

// holder is a person as the library sees one.
type holder struct {
	user tenant.User
	keys []Passkey
}

// WebAuthnID implements webauthn.User.
func (h holder) WebAuthnID() []byte { return h.user.ID[:] }

// WebAuthnName implements webauthn.User.
func (h holder) WebAuthnName() string { return h.user.Email }

// WebAuthnDisplayName implements webauthn.User.
func (h holder) WebAuthnDisplayName() string { return nameOf(h.user) }

// WebAuthnCredentials implements webauthn.User.
func (h holder) WebAuthnCredentials() []webauthn.Credential {
	var list []webauthn.Credential
	for _, k := range h.keys {
		var c webauthn.Credential
		if json.Unmarshal(k.Credential, &c) == nil {
			list = append(list, c)
		}
	}
	return list
}

// BeginPasskey returns what the browser needs to make a passkey, as JSON, and the token
// that finishes it.
func (s *Service) BeginPasskey(ctx context.Context, who tenant.Identity) (options []byte, token string, err error) {
	if s.passkeys == nil {
		return nil, "", missing("passkey")
	}
	if !s.Proven(who) {
		return nil, "", ErrProof()
	}
	f, err := s.Factors(ctx, who)
	if err != nil {
		return nil, "", err
	}
	if len(f.Passkeys) >= maxPasskeys {
		return nil, "", fault.New(fault.Conflict, "passkeys_too_many", "There are too many passkeys; remove one first.")
	}
	h := holder{who.User, f.Passkeys}
	creation, session, err := s.passkeys.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return nil, "", fmt.Errorf("begin passkey: %w", err)
	}
	return s.challenge(ctx, ceremonyPasskey, who.User, session, creation)
}

func (s *Service) challenge(ctx context.Context, kind string, u tenant.User, session *webauthn.SessionData, options any) ([]byte, string, error) {
	token, err := s.begin(audit.Without(ctx), kind, u, session, ceremonyLast)
	if err != nil {
		return nil, "", err
	}
	text, err := json.Marshal(options)
	if err != nil {
		return nil, "", fmt.Errorf("write passkey options: %w", err)
	}
	return text, token, nil
}

// AddPasskey keeps the passkey that the browser made. Other sessions end. Where it is
// the person's first factor, the recovery codes are returned.
func (s *Service) AddPasskey(ctx context.Context, who tenant.Identity, token, name, response string) ([]string, error) {
	if s.passkeys == nil {
		return nil, missing("passkey")
	}
	if !s.Proven(who) {
		return nil, ErrProof()
	}
	if name = strings.TrimSpace(name); name == "" {
		name = who.Session.Device
	}
	if wrong := plainName(name, 0); wrong != nil {
		return nil, wrong
	}
	var session webauthn.SessionData
	c, err := s.finish(audit.Without(ctx), ceremonyPasskey, token, &session)
	if err == nil {
		err = ofPerson(c, who)
	}
	if err != nil {
		return nil, err
	}
	credential, err := s.newCredential(ctx, who, session, response)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(credential)
	if err != nil {
		return nil, fmt.Errorf("write passkey: %w", err)
	}
	codes, hashes, err := s.firstCodes(ctx, who)
	if err != nil {
		return nil, err
	}
	letters := s.factorLetter(who)
	ctx = note(ctx, who.User.Tenant, who.User.ID.String(), name)
	err = s.c.Store.AddPasskey(ctx, Passkey{
		ID: credential.ID, Tenant: who.User.Tenant, User: who.User.ID, Name: name, Credential: text, CreatedAt: s.now(),
	}, hashes, who.Session.Hash, letters)
	if err != nil {
		return nil, err
	}
	s.sent(letters)
	return codes, nil
}

func (s *Service) newCredential(ctx context.Context, who tenant.Identity, session webauthn.SessionData, response string) (*webauthn.Credential, error) {
	if len(response) > maxResponse {
		return nil, errPasskey(nil)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(response))
	if err != nil {
		return nil, errPasskey(err)
	}
	f, err := s.Factors(ctx, who)
	if err != nil {
		return nil, err
	}
	credential, err := s.passkeys.CreateCredential(holder{who.User, f.Passkeys}, session, parsed)
	if err != nil {
		return nil, errPasskey(err)
	}
	return credential, nil
}

// RemovePasskey takes a passkey away; other sessions end.
func (s *Service) RemovePasskey(ctx context.Context, who tenant.Identity, id []byte) error {
	if !s.Proven(who) {
		return ErrProof()
	}
	letters := s.factorLetter(who)
	ctx = note(ctx, who.User.Tenant, who.User.ID.String(), "")
	if err := s.c.Store.RemovePasskey(ctx, who.User.Tenant, who.User.ID, id, who.Session.Hash, letters); err != nil {
		return err
	}
	s.sent(letters)
	return nil
}

// BeginPasskeySignIn returns what the browser needs to sign somebody in by passkey,
// whoever it is, and the token that finishes it.
func (s *Service) BeginPasskeySignIn(ctx context.Context) (options []byte, token string, err error) {
	if s.passkeys == nil {
		return nil, "", missing("passkey")
	}
	assertion, session, err := s.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", fmt.Errorf("begin passkey sign-in: %w", err)
	}
	return s.challenge(ctx, ceremonySignIn, tenant.User{}, session, assertion)
}

// FinishPasskeySignIn signs the person in whose passkey answered. A passkey is both
// factors: the device and what unlocks it. Errors: Invalid "passkey_refused",
// NotFound "ceremony_not_found", Limited "too_many_tries".
func (s *Service) FinishPasskeySignIn(ctx context.Context, token, response, userAgent, remote string) (string, tenant.Identity, error) {
	if s.passkeys == nil {
		return "", tenant.Identity{}, missing("passkey")
	}
	if err := s.TakeTry(ctx, "passkey:"+tenant.Network(remote), remote); err != nil {
		return "", tenant.Identity{}, err
	}
	u, err := s.checkPasskey(ctx, token, response)
	if err != nil {
		return "", tenant.Identity{}, err
	}
	if err := s.ForgiveTry(ctx, "passkey:"+tenant.Network(remote), remote); err != nil {
		return "", tenant.Identity{}, err
	}
	return s.enter(ctx, u, userAgent, remote, false)
}

func (s *Service) checkPasskey(ctx context.Context, token, response string) (tenant.User, error) {
	var session webauthn.SessionData
	if _, err := s.finish(audit.Without(ctx), ceremonySignIn, token, &session); err != nil {
		return tenant.User{}, err
	}
	if len(response) > maxResponse {
		return tenant.User{}, errPasskey(nil)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(response))
	if err != nil {
		return tenant.User{}, errPasskey(err)
	}
	var key Passkey
	var user tenant.User
	find := func(rawID, _ []byte) (webauthn.User, error) {
		if key, err = s.c.Store.PasskeyByID(ctx, rawID); err != nil {
			return nil, err
		}
		if user, err = s.c.Store.User(ctx, key.Tenant, key.User); err != nil {
			return nil, err
		}
		return holder{user, []Passkey{key}}, nil
	}
	_, credential, err := s.passkeys.ValidatePasskeyLogin(find, session, parsed)
	if err != nil || credential.Authenticator.CloneWarning || !user.DisabledAt.IsZero() {
		return tenant.User{}, errPasskey(err)
	}
	if key.Credential, err = json.Marshal(credential); err != nil {
		return tenant.User{}, fmt.Errorf("write passkey: %w", err)
	}
	key.UsedAt = s.now()
	return user, s.c.Store.UsePasskey(audit.Without(ctx), key)
}
