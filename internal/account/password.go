package account

import (
	"context"
	"fmt"
	"strings"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

const ceremonyReset = "reset"

// SignIn implements tenant.Authenticator: it checks the password, leaves an entry in
// the record whether it was right or not, and writes to the person if the device is new.
func (s *Service) SignIn(ctx context.Context, email, password, userAgent, remote string) (string, tenant.Identity, error) {
	user, err := s.CheckPassword(ctx, email, password, remote)
	if fault.IsKind(err, fault.Unauthenticated) {
		s.afterwards(func(ctx context.Context) { s.noteFailure(ctx, email, "session.refused", remote) })
	}
	if err != nil {
		return "", tenant.Identity{}, err
	}
	return s.enter(ctx, user, userAgent, remote, user.Guarded)
}

// noteFailure records a failed try at an account that exists.
func (s *Service) noteFailure(ctx context.Context, email, action, remote string) {
	user, err := s.c.Store.UserByEmail(ctx, strings.ToLower(strings.TrimSpace(email)))
	if err != nil {
		return
	}
	record, ok := s.c.Store.(audit.Store)
	if !ok {
		return
	}
	err = record.PutAudit(ctx, audit.Act{Tenant: user.Tenant, Actor: user.ID.String(), Door: "office", Action: action, Network: tenant.Network(remote)})
	if err != nil {
		s.c.Log.Warn("refused sign-in not recorded", "tenant", user.Tenant.String(), "err", err)
	}
}

// enter opens a session for somebody who has shown who they are.
func (s *Service) enter(ctx context.Context, u tenant.User, userAgent, remote string, pending bool) (string, tenant.Identity, error) {
	if pending {
		return s.Open(audit.Without(ctx), u, userAgent, remote, true)
	}
	token, who, err := s.Open(act(ctx, u, "session.open", remote), u, userAgent, remote, false)
	if err != nil {
		return "", tenant.Identity{}, err
	}
	now := s.now()
	device := who.Session.Device
	letters := s.letter(u, who.Tenant, "signin_new", "signin/"+who.Session.Handle(), "/profile", map[string]string{
		"device": device, "network": who.Session.Network, "at": s.clock(u, who.Tenant).Full(now),
	})
	hash := tenant.HashToken(u.ID.String() + "\x00" + device + "\x00" + who.Session.Network)
	fresh, err := s.c.Store.NoteDevice(audit.Without(ctx), u.Tenant, u.ID, hash, now, letters)
	if err != nil {
		// The session is open; that nobody is told of it now is no reason to take it back.
		s.c.Log.Warn("device not noted", "tenant", u.Tenant.String(), "err", err)
	}
	if fresh {
		s.sent(letters)
	}
	return token, who, nil
}

// ChangePassword replaces the person's password, ends all sessions and opens a new one,
// whose token it returns. Errors: those of SignIn for the old one, Invalid for
// "password".
func (s *Service) ChangePassword(ctx context.Context, who tenant.Identity, old, password, userAgent, remote string) (string, error) {
	if _, err := s.CheckPassword(audit.Without(ctx), who.User.Email, old, remote); err != nil {
		return "", err
	}
	if err := tenant.PasswordAllowed(password, who.User.Email); err != nil {
		return "", err
	}
	if err := s.setPassword(note(ctx, who.User.Tenant, who.User.ID.String(), ""), who.User, who.Tenant, password); err != nil {
		return "", err
	}
	token, _, err := s.Open(audit.Without(ctx), who.User, userAgent, remote, false)
	return token, err
}

func (s *Service) setPassword(ctx context.Context, u tenant.User, of tenant.Tenant, password string) error {
	hash, err := s.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	now := s.now()
	letters := s.letter(u, of, "password_changed", fmt.Sprintf("password/%s/%d", u.ID, now.UnixMilli()), "/forgotten", map[string]string{
		"at": s.clock(u, of).Full(now),
	})
	if err := s.c.Store.NewPassword(ctx, u.Tenant, u.ID, hash, letters); err != nil {
		return err
	}
	s.sent(letters)
	return nil
}

// Forgotten mails a link for a new password to whoever has the address, if anybody.
// It answers before it looks, so that neither the answer nor its time tells which. The
// tries of one address and network are limited: Limited "too_many_tries".
func (s *Service) Forgotten(ctx context.Context, email, remote string) error {
	if err := s.TakeTry(ctx, "reset:"+strings.ToLower(strings.TrimSpace(email)), remote); err != nil {
		return err
	}
	s.afterwards(func(ctx context.Context) {
		if err := s.mailReset(ctx, email, remote); err != nil {
			s.c.Log.Error("link for a new password not sent", "err", err)
		}
	})
	return nil
}

func (s *Service) mailReset(ctx context.Context, email, remote string) error {
	u, err := s.c.Store.UserByEmail(ctx, strings.ToLower(strings.TrimSpace(email)))
	if fault.IsKind(err, fault.NotFound) || err == nil && !u.DisabledAt.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	var of tenant.Tenant
	if !u.Tenant.IsZero() {
		if of, err = s.c.Store.Tenant(ctx, u.Tenant); err != nil {
			return err
		}
	}
	token, err := s.begin(act(ctx, u, "password.forgotten", remote), ceremonyReset, u, nil, ResetLasts)
	if err != nil {
		return err
	}
	for _, d := range s.letter(u, of, "reset", "reset/"+id.New[InvitationKind](s.now()).String(), "/password/"+token, nil) {
		if err := s.keepLetter(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) keepLetter(ctx context.Context, d notice.Due) error {
	keep, ok := s.c.Store.(notice.Store)
	if !ok {
		return nil
	}
	if err := keep.PutNotice(audit.Without(ctx), d); err != nil {
		return err
	}
	s.c.Notices.Wake()
	return nil
}

// Resettable reports whether a link for a new password still works: NotFound
// "ceremony_not_found" if not.
func (s *Service) Resettable(ctx context.Context, token string) error {
	_, err := s.c.Store.Ceremony(ctx, ceremonyReset, tenant.HashToken(token), s.now())
	return err
}

// Reset replaces the password of whoever was sent the token. All sessions end; the
// second factor stays as it is.
func (s *Service) Reset(ctx context.Context, token, password, remote string) error {
	hash := tenant.HashToken(token)
	c, err := s.c.Store.Ceremony(ctx, ceremonyReset, hash, s.now())
	if err != nil {
		return err
	}
	u, err := s.c.Store.User(ctx, c.Tenant, c.User)
	if err != nil {
		return err
	}
	if err := tenant.PasswordAllowed(password, u.Email); err != nil {
		return err
	}
	if _, err := s.c.Store.TakeCeremony(audit.Without(ctx), ceremonyReset, hash, s.now()); err != nil {
		return err
	}
	var of tenant.Tenant
	if !u.Tenant.IsZero() {
		if of, err = s.c.Store.Tenant(ctx, u.Tenant); err != nil {
			return err
		}
	}
	return s.setPassword(act(ctx, u, "password.reset", remote), u, of, password)
}
