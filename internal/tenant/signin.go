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
	// PendingTotal is how long the second factor may be waited for.
	PendingTotal = 10 * time.Minute
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
	// Tries makes failures outlast a restart and hold on all nodes; nil: they count in
	// this process.
	Tries TryStore
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
	tries    TryStore
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
		tries:    c.Tries,
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
	user, err := a.CheckPassword(ctx, email, password, remote)
	if err != nil {
		return "", Identity{}, err
	}
	return a.Open(ctx, user, userAgent, remote, user.Guarded)
}

// CheckPassword returns the person whose password it is. The try counts; errors are
// those of SignIn.
func (a *Accounts) CheckPassword(ctx context.Context, email, password, remote string) (User, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if err := a.TakeTry(ctx, email, remote); err != nil {
		return User{}, err
	}
	user, known, err := a.userToTry(ctx, email, a.dummy())
	if err != nil {
		return User{}, err
	}
	right, err := a.verify(ctx, user.PasswordHash, password)
	if err != nil {
		return User{}, err
	}
	if !right || !known || !user.DisabledAt.IsZero() {
		return User{}, a.failed(ctx, email, remote)
	}
	return user, a.ForgiveTry(ctx, email, remote)
}

// failed makes the counted failure durable.
func (a *Accounts) failed(ctx context.Context, email, remote string) error {
	if err := a.keepTries(ctx, email, remote); err != nil {
		return err
	}
	return errCredentials()
}

// Open opens a session for a person who has shown who they are, pending if a second
// factor must follow, and returns its token.
func (a *Accounts) Open(ctx context.Context, user User, userAgent, remote string, pending bool) (string, Identity, error) {
	now := a.now()
	token := randomText()
	session := Session{
		Hash: HashToken(token), User: user.ID, Tenant: user.Tenant, CreatedAt: now, SeenAt: now,
		ExpiresAt: now.Add(SessionTotal), Device: Device(userAgent), Network: Network(remote), Pending: pending, ProvedAt: now,
	}
	if pending {
		session.ExpiresAt = now.Add(PendingTotal)
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

// HashToken is what the store keeps of a session's token, or of another secret of 256
// random bits that is handed out once.
func HashToken(token string) [32]byte { return sha256.Sum256([]byte(token)) }

// NewToken makes such a secret, 43 characters of base64url.
func NewToken() string { return randomText() }

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

// HashPassword is the function of that name, with no more hashes at the same time than
// sign-ins.
func (a *Accounts) HashPassword(ctx context.Context, password string) (string, error) {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
		return HashPassword(password), nil
	case <-ctx.Done():
		return "", fmt.Errorf("hash password: %w", context.Cause(ctx))
	}
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
	of := u.Tenant
	if of.IsZero() {
		if !s.Visit.On(a.now()) || !Can(u.Role, PlatformVisit) {
			return who, nil
		}
		of = s.Visit.Tenant
	}
	t, err := a.store.Tenant(ctx, of)
	if err != nil {
		return Identity{}, fmt.Errorf("load tenant: %w", err)
	}
	who.Tenant = t
	return who, nil
}

// Resume implements Authenticator.
func (a *Accounts) Resume(ctx context.Context, token string) (Identity, error) {
	who, err := a.resume(ctx, token)
	if err == nil && who.Session.Pending {
		return Identity{}, errSession()
	}
	return who, err
}

// ResumePending finds the person whose second factor is waited for. Error:
// Unauthenticated "session_ended".
func (a *Accounts) ResumePending(ctx context.Context, token string) (Identity, error) {
	who, err := a.resume(ctx, token)
	if err == nil && !who.Session.Pending {
		return Identity{}, errSession()
	}
	return who, err
}

func (a *Accounts) resume(ctx context.Context, token string) (Identity, error) {
	now := a.now()
	session, err := a.store.Session(ctx, HashToken(token), now)
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
	if err := a.store.CloseSession(ctx, HashToken(token)); err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}
