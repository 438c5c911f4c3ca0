package account

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// Team lists the people of a tenant, or staff where t is zero, and who is invited.
func (s *Service) Team(ctx context.Context, t tenant.ID) ([]tenant.User, []Invitation, error) {
	users, err := s.c.Store.Users(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	invited, err := s.c.Store.Invitations(ctx, t)
	return users, invited, err
}

// InviteRequest says who is invited, and as what.
type InviteRequest struct {
	Email, Name string
	Role        tenant.Role
}

func roleFits(r tenant.Role, t tenant.ID) error {
	for _, known := range tenant.Roles() {
		if known == r && r.OfPlatform() == t.IsZero() {
			return nil
		}
	}
	return fault.Field("role", "role_unknown", "There is no such role here.")
}

func plainName(name string, least int) *fault.Error {
	n := utf8.RuneCountInString(name)
	if n < least || n > 200 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fault.Field("name", "name_malformed", "A name has at most 200 characters on one line.")
	}
	return nil
}

func parseEmail(field, text string) (string, *fault.Error) {
	a, err := message.ParseAddress(strings.TrimSpace(text))
	if err != nil {
		f := *fault.As(err)
		f.Field = field
		return "", &f
	}
	return strings.ToLower(a.String()), nil
}

// Invite invites somebody to the tenant of who, or to the platform if who is of staff.
// The link goes out by mail; where the platform sends none, it is returned, to be
// handed over. Errors: Invalid for the fields email, name and role; Conflict
// "email_taken", "invitation_exists".
func (s *Service) Invite(ctx context.Context, who tenant.Identity, r InviteRequest) (link string, err error) {
	email, wrong := parseEmail("email", r.Email)
	list := []*fault.Error{wrong}
	r.Name = strings.TrimSpace(r.Name)
	list = append(list, plainName(r.Name, 0), fault.As(roleFits(r.Role, who.User.Tenant)))
	if err := joined(list); err != nil {
		return "", err
	}
	now := s.now()
	return s.invite(ctx, who, Invitation{
		ID: id.New[InvitationKind](now), Tenant: who.User.Tenant, Email: email, Name: r.Name, Role: r.Role,
		InvitedBy: who.User.ID, CreatedAt: now,
	})
}

// joined is fault.Join without the empty places.
func joined(list []*fault.Error) error {
	var wrong []*fault.Error
	for _, f := range list {
		if f != nil {
			wrong = append(wrong, f)
		}
	}
	return fault.Join(wrong)
}

func (s *Service) invite(ctx context.Context, who tenant.Identity, i Invitation) (string, error) {
	token := tenant.NewToken()
	i.Hash, i.ExpiresAt = tenant.HashToken(token), s.now().Add(InvitationLasts)
	link := "/invitation/" + token
	to := tenant.User{Tenant: i.Tenant, Email: i.Email, Name: i.Name}
	letters := s.letter(to, who.Tenant, "invite", fmt.Sprintf("invite/%s/%d", i.ID, i.ExpiresAt.UnixMilli()), link, map[string]string{
		"inviter": nameOf(who.User), "account": accountName(who.Tenant), "role": s.word(to, who.Tenant, "role."+string(i.Role)),
		"until": s.clock(to, who.Tenant).Full(i.ExpiresAt),
	})
	ctx = note(ctx, i.Tenant, i.ID.String(), i.Email+" "+string(i.Role))
	if err := s.c.Store.PutInvitation(ctx, i, letters); err != nil {
		return "", err
	}
	s.sent(letters)
	if len(letters) > 0 {
		return "", nil
	}
	return strings.TrimSuffix(s.c.PublicURL, "/") + link, nil
}

func nameOf(u tenant.User) string {
	if u.Name != "" {
		return u.Name
	}
	return u.Email
}

func accountName(t tenant.Tenant) string {
	if t.Name != "" {
		return t.Name
	}
	return "Stafette"
}

// InviteAgain sends a new link for an invitation; the old one no longer works.
func (s *Service) InviteAgain(ctx context.Context, who tenant.Identity, invitation InvitationID) (link string, err error) {
	list, err := s.c.Store.Invitations(ctx, who.User.Tenant)
	if err != nil {
		return "", err
	}
	for _, i := range list {
		if i.ID == invitation {
			return s.invite(ctx, who, i)
		}
	}
	return "", missing("invitation")
}

// Uninvite takes an invitation back.
func (s *Service) Uninvite(ctx context.Context, who tenant.Identity, invitation InvitationID) error {
	return s.c.Store.RemoveInvitation(note(ctx, who.User.Tenant, invitation.String(), ""), who.User.Tenant, invitation)
}

// Invited returns the invitation behind a link, and by whom and to where. NotFound
// "invitation_not_found" if it was accepted, taken back or has expired.
func (s *Service) Invited(ctx context.Context, token string) (Invitation, tenant.Tenant, error) {
	i, err := s.c.Store.InvitationByHash(ctx, tenant.HashToken(token))
	if err != nil {
		return Invitation{}, tenant.Tenant{}, err
	}
	if !i.Open(s.now()) {
		return Invitation{}, tenant.Tenant{}, missing("invitation")
	}
	if i.Tenant.IsZero() {
		return i, tenant.Tenant{}, nil
	}
	t, err := s.c.Store.Tenant(ctx, i.Tenant)
	return i, t, err
}

// Accept makes a user of an invitation and signs the person in. Errors: Invalid for
// name and password, NotFound "invitation_not_found", Conflict "email_taken".
func (s *Service) Accept(ctx context.Context, token, name, password, userAgent, remote string) (string, tenant.Identity, error) {
	i, _, err := s.Invited(ctx, token)
	if err != nil {
		return "", tenant.Identity{}, err
	}
	name = strings.TrimSpace(name)
	if err := joined([]*fault.Error{plainName(name, 1), fault.As(tenant.PasswordAllowed(password, i.Email))}); err != nil {
		return "", tenant.Identity{}, err
	}
	now := s.now()
	hash, err := s.HashPassword(ctx, password)
	if err != nil {
		return "", tenant.Identity{}, err
	}
	u := tenant.User{
		ID: id.New[tenant.UserKind](now), Tenant: i.Tenant, Email: i.Email, Name: name,
		PasswordHash: hash, Role: i.Role, CreatedAt: now,
	}
	ctx = note(act(ctx, u, "users.join", remote), i.Tenant, u.ID.String(), u.Email+" "+string(u.Role))
	if err := s.c.Store.AcceptInvitation(ctx, i, u); err != nil {
		return "", tenant.Identity{}, err
	}
	return s.enter(ctx, u, userAgent, remote, false)
}

// ChangeRole gives a person another role; the person's sessions end. Nobody changes
// the own role: Conflict "user_is_self".
func (s *Service) ChangeRole(ctx context.Context, who tenant.Identity, user tenant.UserID, role tenant.Role) error {
	if err := roleFits(role, who.User.Tenant); err != nil {
		return err
	}
	u, err := s.other(ctx, who, user)
	if err != nil {
		return err
	}
	ctx = note(ctx, who.User.Tenant, user.String(), string(u.Role)+" → "+string(role))
	return s.c.Store.ChangeUser(ctx, who.User.Tenant, user, UserChange{Role: role, At: s.now()})
}

// Disable shuts a person out at once, with all sessions and keys, or lets them in again.
func (s *Service) Disable(ctx context.Context, who tenant.Identity, user tenant.UserID, disabled bool) error {
	u, err := s.other(ctx, who, user)
	if err != nil {
		return err
	}
	ctx = note(ctx, who.User.Tenant, user.String(), u.Email)
	return s.c.Store.ChangeUser(ctx, who.User.Tenant, user, UserChange{Disable: &disabled, At: s.now()})
}

// Remove forgets a person.
func (s *Service) Remove(ctx context.Context, who tenant.Identity, user tenant.UserID) error {
	u, err := s.other(ctx, who, user)
	if err != nil {
		return err
	}
	return s.c.Store.RemoveUser(note(ctx, who.User.Tenant, user.String(), u.Email), who.User.Tenant, user, s.now())
}

func (s *Service) other(ctx context.Context, who tenant.Identity, user tenant.UserID) (tenant.User, error) {
	u, err := s.c.Store.User(ctx, who.User.Tenant, user)
	if err == nil && user == who.User.ID {
		err = fault.New(fault.Conflict, "user_is_self", "Somebody else has to do this to your own user.")
	}
	return u, err
}

// owners are those who are told of what concerns the whole account.
func (s *Service) owners(ctx context.Context, t tenant.ID) ([]tenant.User, error) {
	users, err := s.c.Store.Users(ctx, t)
	if err != nil {
		return nil, err
	}
	var list []tenant.User
	for _, u := range users {
		if u.Role == tenant.Owner && u.DisabledAt.IsZero() {
			list = append(list, u)
		}
	}
	return list, nil
}

// toOwners writes one letter to each of them.
func (s *Service) toOwners(ctx context.Context, of tenant.Tenant, kind, key, link string, args func(tenant.User) map[string]string) ([]notice.Due, error) {
	owners, err := s.owners(ctx, of.ID)
	if err != nil {
		return nil, err
	}
	var list []notice.Due
	for _, u := range owners {
		list = append(list, s.letter(u, of, kind, key+"/"+u.ID.String(), link, args(u))...)
	}
	return list, nil
}
