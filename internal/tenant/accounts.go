package tenant

import "context"

// Identity is a signed-in person with all a page needs to know of them.
type Identity struct {
	Session Session
	User    User
	Tenant  Tenant // zero for staff of the platform
}

// Authenticator recognises people and programs. Accounts implements it.
type Authenticator interface {
	// SignIn checks a password and opens a session; token goes into the cookie.
	// Errors: Unauthenticated "credentials_wrong", Limited "too_many_tries".
	SignIn(ctx context.Context, email, password, userAgent, remote string) (token string, who Identity, err error)
	// Resume finds the person behind a cookie. Error: Unauthenticated "session_ended".
	Resume(ctx context.Context, token string) (Identity, error)
	// SignOut ends the session.
	SignOut(ctx context.Context, token string) error
	// Key checks the text of an API key. Errors: Unauthenticated "key_unknown" or
	// "key_revoked", Forbidden "tenant_locked", Limited "too_many_tries".
	Key(ctx context.Context, text, remote string) (Key, error)
}
