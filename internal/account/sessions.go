package account

import (
	"context"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Sessions lists where the person is signed in, newest first.
func (s *Service) Sessions(ctx context.Context, who tenant.Identity) ([]tenant.Session, error) {
	return s.c.Store.Sessions(ctx, who.User.Tenant, who.User.ID, s.now())
}

// EndSession ends one of the person's sessions by its handle.
func (s *Service) EndSession(ctx context.Context, who tenant.Identity, handle string) error {
	list, err := s.Sessions(ctx, who)
	if err != nil {
		return err
	}
	for _, one := range list {
		if one.Handle() == handle {
			ctx = note(ctx, who.User.Tenant, one.Device, "")
			return s.c.Store.CloseSessions(ctx, who.User.Tenant, who.User.ID, [][32]byte{one.Hash}, false)
		}
	}
	return missing("session")
}

// EndOthers ends all sessions of the person but this one.
func (s *Service) EndOthers(ctx context.Context, who tenant.Identity) error {
	return s.c.Store.CloseSessions(note(ctx, who.User.Tenant, who.User.ID.String(), ""), who.User.Tenant, who.User.ID, [][32]byte{who.Session.Hash}, true)
}

// Proven reports whether the person has shown a secret lately, so that what protects
// the account may be changed.
func (s *Service) Proven(who tenant.Identity) bool {
	age := s.now().Sub(who.Session.ProvedAt)
	return age.Abs() < ProofLasts
}

// ErrProof is the refusal of what demands a fresh proof.
func ErrProof() error {
	return fault.New(fault.Forbidden, "proof_needed", "Show your password again before this.")
}

// Confirm checks the person's password again. Errors are those of SignIn.
func (s *Service) Confirm(ctx context.Context, who tenant.Identity, password, remote string) error {
	if _, err := s.CheckPassword(ctx, who.User.Email, password, remote); err != nil {
		return err
	}
	return s.c.Store.ProveSession(audit.Without(ctx), who.Session.Hash, s.now())
}
