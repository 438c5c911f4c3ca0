package tenant

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"stafette/internal/fault"
)

// Lifetimes of a session, and how exact LastUsedAt and SeenAt are.
const (
	SessionIdle  = 12 * time.Hour
	SessionTotal = 7 * 24 * time.Hour
	touchEvery   = time.Minute
)

// AccountsConfig is what Accounts needs.
type AccountsConfig struct {
	Store Store
	Now   func() time.Time
	Log   *slog.Logger // nil: discard
	// KeyCache is how long a valid key is believed without asking the store, and
	// so the longest time a revoked key still works. 0: 5 s.
	KeyCache time.Duration
}

// Accounts recognises people by password and session, and programs by API key. It
// is safe for concurrent use.
type Accounts struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
	keys  *keyCache
	// dummy is the hash that tries for unknown users are compared with. It is made at
	// the first sign-in, because it costs as much as one.
	dummy func() string
	// hashing holds a token for each hash being computed, so that a flood of
	// sign-ins costs time and not memory.
	hashing chan struct{}

	pairs    *throttle // account and network: the ordinary mistyped password
	accounts *throttle // account from everywhere: a guess spread over many hosts
	networks *throttle // network over all accounts and keys: one list of passwords
}

var _ Authenticator = (*Accounts)(nil)

// NewAccounts makes an Accounts.
func NewAccounts(c AccountsConfig) *Accounts {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.KeyCache == 0 {
		c.KeyCache = 5 * time.Second
	}
	const names = 20_000
	return &Accounts{
		store: c.Store, now: c.Now, log: c.Log,
		keys:     newKeyCache(c.KeyCache),
		dummy:    sync.OnceValue(func() string { return HashPassword(randomText()) }),
		hashing:  make(chan struct{}, 2),
		pairs:    newThrottle(10, time.Minute, names),
		accounts: newThrottle(100, time.Minute, names),
		networks: newThrottle(100, 6*time.Second, names),
	}
}

func errCredentials() error {
	return fault.New(fault.Unauthenticated, "credentials_wrong", "The e-mail address or the password is wrong.")
}

func errTooMany(wait time.Duration) error {
	e := fault.New(fault.Limited, "too_many_tries", "There were too many failed tries; wait before the next.")
	e.RetryAfter = wait
	return e
}

func errSession() error {
	return fault.New(fault.Unauthenticated, "session_ended", "The session has ended; sign in again.")
}

// SignIn implements Authenticator. Whether the account exists, is disabled or has
// another password can be told neither by the answer nor by the time it takes.
func (a *Accounts) SignIn(ctx context.Context, email, password, userAgent, remote string) (string, Identity, error) {
	now := a.now()
	email = strings.ToLower(strings.TrimSpace(email))
	if wait := a.takeTry(email, remote, now); wait > 0 {
		return "", Identity{}, errTooMany(wait)
	}
	user, known, err := a.userToTry(ctx, email, a.dummy())
	if err != nil {
		return "", Identity{}, err
	}
	right, err := a.verify(ctx, user.PasswordHash, password)
	if err != nil {
		return "", Identity{}, err
	}
	if !right || !known || !user.DisabledAt.IsZero() {
		return "", Identity{}, errCredentials()
	}
	a.forgiveTry(email, remote)

	token := randomText()
	session := Session{
		Hash: sha256.Sum256([]byte(token)), User: user.ID, Tenant: user.Tenant,
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(SessionTotal), UserAgent: shorten(userAgent, 200),
	}
	who, err := a.identity(ctx, session, user)
	if err != nil {
		return "", Identity{}, err
	}
	if err := a.store.OpenSession(ctx, session); err != nil {
		return "", Identity{}, fmt.Errorf("open session: %w", err)
	}
	return token, who, nil
}

// takeTry counts the try against pair, account and network at once.
func (a *Accounts) takeTry(email, remote string, now time.Time) time.Duration {
	net := network(remote)
	if wait := a.networks.take(net, now); wait > 0 {
		return wait
	}
	if wait := a.pairs.take(email+" "+net, now); wait > 0 {
		return wait
	}
	return a.accounts.take(email, now)
}

func (a *Accounts) forgiveTry(email, remote string) {
	net := network(remote)
	a.networks.refund(net)
	a.pairs.forget(email + " " + net)
	a.accounts.refund(email)
}

// userToTry returns the user, or one whose password nobody knows.
func (a *Accounts) userToTry(ctx context.Context, email, dummy string) (user User, known bool, err error) {
	if len(email) <= 254 {
		user, err = a.store.UserByEmail(ctx, email)
		if err == nil && user.PasswordHash != "" {
			return user, true, nil
		}
		if err != nil && !fault.IsKind(err, fault.NotFound) {
			return User{}, false, fmt.Errorf("find user: %w", err)
		}
	}
	return User{PasswordHash: dummy}, false, nil
}

func (a *Accounts) verify(ctx context.Context, hash, password string) (bool, error) {
	if len(password) > 4*MaxPassword {
		password = password[:4*MaxPassword]
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return false, fmt.Errorf("verify password: %w", context.Cause(ctx))
	}
	right, err := passwordMatches(hash, password)
	if err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	return right, nil
}

func (a *Accounts) identity(ctx context.Context, s Session, u User) (Identity, error) {
	who := Identity{Session: s, User: u}
	if u.Tenant.IsZero() {
		return who, nil
	}
	t, err := a.store.Tenant(ctx, u.Tenant)
	if err != nil {
		return Identity{}, fmt.Errorf("load tenant: %w", err)
	}
	who.Tenant = t
	return who, nil
}

// Resume implements Authenticator.
func (a *Accounts) Resume(ctx context.Context, token string) (Identity, error) {
	now := a.now()
	session, err := a.store.Session(ctx, sha256.Sum256([]byte(token)), now)
	if fault.IsKind(err, fault.NotFound) {
		return Identity{}, errSession()
	}
	if err != nil {
		return Identity{}, fmt.Errorf("load session: %w", err)
	}
	idle := now.Sub(session.SeenAt)
	if !now.Before(session.ExpiresAt) || idle >= SessionIdle || outlasts(session, now) {
		return Identity{}, errSession()
	}
	user, err := a.store.User(ctx, session.Tenant, session.User)
	if fault.IsKind(err, fault.NotFound) || err == nil && !user.DisabledAt.IsZero() {
		return Identity{}, errSession()
	}
	if err != nil {
		return Identity{}, fmt.Errorf("load user: %w", err)
	}
	if idle.Abs() >= touchEvery {
		if err := a.store.TouchSession(ctx, session.Hash, now); err != nil {
			return Identity{}, fmt.Errorf("touch session: %w", err)
		}
		session.SeenAt = now
	}
	return a.identity(ctx, session, user)
}

// outlasts reports whether a session would last for longer than any may: it was opened
// by a clock that has been set back since. Half a day is forgiven.
func outlasts(s Session, now time.Time) bool {
	return s.ExpiresAt.Sub(now) > SessionTotal+SessionIdle
}

// SignOut implements Authenticator. A session that is gone is no error.
func (a *Accounts) SignOut(ctx context.Context, token string) error {
	if err := a.store.CloseSession(ctx, sha256.Sum256([]byte(token))); err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}

// shorten cuts foreign text to n bytes of valid UTF-8 without control characters.
func shorten(s string, n int) string {
	s = strings.ToValidUTF8(s[:min(len(s), n)], "")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
