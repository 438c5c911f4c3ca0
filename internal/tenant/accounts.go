package tenant

import "context"

// Identity is a signed-in person with all a page needs to know of them.
type Identity struct {
	Session Session
	User    User
	// Tenant is whose office the person sees: their own; for staff of the platform none,
	// or the one they visit.
	Tenant Tenant
}

// Visiting reports whether the person is staff who look into a tenant's office.
func (i Identity) Visiting() bool { return i.User.Tenant.IsZero() && !i.Tenant.ID.IsZero() }

// Authenticator recognises people and programs. Accounts implements it.
type Authenticator interface {
	// SignIn checks a password and opens a session; token goes into the cookie. Where a
	// second factor must follow, the session is Pending and Resume does not know it yet.
	// Errors: Unauthenticated "credentials_wrong", Limited "too_many_tries".
	SignIn(ctx context.Context, email, password, userAgent, remote string) (token string, who Identity, err error)
	// Resume finds the person behind a cookie. Error: Unauthenticated "session_ended".
	Resume(ctx context.Context, token string) (Identity, error)
	// SignOut ends the session.
	SignOut(ctx context.Context, token string) error
	// Key checks the text of an API key. Errors: Unauthenticated "key_unknown",
	// "key_revoked" or "key_expired", Forbidden "tenant_locked" or "key_network", Limited
	// "too_many_tries".
	Key(ctx context.Context, text, remote string) (Key, error)
}
