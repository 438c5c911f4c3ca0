package tenant_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

const (
	email    = "eva@muster.example"
	password = "ein ganz langes Wort"
	home     = "192.0.2.7:4711"
)

// house is a tenant with one user and one key, and Accounts over it.
type house struct {
	*testing.T
	store    *tenanttest.Store
	accounts *tenant.Accounts
	tenant   tenant.ID
	user     tenant.User
	key      tenant.Key
	text     string

	mu  sync.Mutex
	now time.Time
}

func (h *house) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// knownHash spares the tests most of the hashing.
var knownHash = sync.OnceValue(func() string { return tenant.HashPassword(password) })

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, store: &tenanttest.Store{}, now: start, tenant: id.New[tenant.Kind](start), text: tenant.NewKeyText()}
	h.user = tenant.User{
		ID: id.New[tenant.UserKind](start), Tenant: h.tenant, Email: email,
		PasswordHash: knownHash(), Role: tenant.Owner,
	}
	h.key = tenant.Key{
		ID: id.New[tenant.KeyKind](start), Tenant: h.tenant, Hash: tenant.HashKey(h.text),
		Scopes: []tenant.Scope{tenant.ScopeSend},
	}
	err := h.store.Found(t.Context(), tenant.Founding{
		Tenant: tenant.Tenant{ID: h.tenant, State: tenant.Active, Name: "Muster"},
		Users:  []tenant.User{h.user}, Keys: []tenant.Key{h.key},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.accounts = tenant.NewAccounts(tenant.AccountsConfig{Store: h.store, Now: h.Now})
	return h
}

func (h *house) want(err error, kind fault.Kind, code string) {
	h.Helper()
	if e := fault.As(err); e == nil || e.Kind != kind || e.Code != code {
		h.Errorf("error %v, want %s %s", err, kind, code)
	}
}

func (h *house) signIn() string {
	h.Helper()
	token, who, err := h.accounts.SignIn(h.Context(), " EVA@muster.example", password, "Firefox\r\n", home)
	if err != nil {
		h.Fatal(err)
	}
	if who.User.ID != h.user.ID || who.Tenant.Name != "Muster" || who.Session.Device != "Firefox" {
		h.Errorf("signed in as %+v", who)
	}
	return token
}

func TestSignInResumeSignOut(t *testing.T) {
	h := newHouse(t)
	token := h.signIn()
	who, err := h.accounts.Resume(t.Context(), token)
	if err != nil || who.User.Email != email || who.Tenant.ID != h.tenant {
		t.Errorf("resumed as %+v, %v", who, err)
	}
	_, err = h.accounts.Resume(t.Context(), token+"x")
	h.want(err, fault.Unauthenticated, "session_ended")
	if err := h.accounts.SignOut(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	_, err = h.accounts.Resume(t.Context(), token)
	h.want(err, fault.Unauthenticated, "session_ended")
}

func TestSignInRefuses(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ email, password string }{
		{email, "falsch"}, {email, ""}, {"nobody@muster.example", password}, {"", ""},
	} {
		_, _, err := h.accounts.SignIn(t.Context(), c.email, c.password, "", home)
		h.want(err, fault.Unauthenticated, "credentials_wrong")
	}
	h.store.Disable(h.user.ID, start)
	_, _, err := h.accounts.SignIn(t.Context(), email, password, "", home)
	h.want(err, fault.Unauthenticated, "credentials_wrong")
	h.store.Fail = func(string) error { return errors.New("database is down") }
	if _, _, err := h.accounts.SignIn(t.Context(), email, password, "", home); err == nil || fault.As(err) != nil {
		t.Errorf("a broken store was taken for a wrong password: %v", err)
	}
}

func TestSessionEnds(t *testing.T) {
	for name, c := range map[string]struct {
		use  time.Duration // between uses
		uses int
		ok   bool
	}{
		"used all week":   {11 * time.Hour, 15, true},
		"after the week":  {11 * time.Hour, 16, false},
		"idle half a day": {12 * time.Hour, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			token := h.signIn()
			var err error
			for range c.uses {
				h.pass(c.use)
				_, err = h.accounts.Resume(t.Context(), token)
			}
			if c.ok && err != nil {
				t.Error(err)
			}
			if !c.ok {
				h.want(err, fault.Unauthenticated, "session_ended")
			}
		})
	}
}

func TestSessionOfDisabledUserOrNewPasswordEnds(t *testing.T) {
	h := newHouse(t)
	token := h.signIn()
	h.store.Disable(h.user.ID, start)
	_, err := h.accounts.Resume(t.Context(), token)
	h.want(err, fault.Unauthenticated, "session_ended")
	h.store.Disable(h.user.ID, time.Time{})
	if err := h.store.SetPassword(t.Context(), h.tenant, h.user.ID, tenant.HashPassword("anderes")); err != nil {
		t.Fatal(err)
	}
	_, err = h.accounts.Resume(t.Context(), token)
	h.want(err, fault.Unauthenticated, "session_ended")
}

func TestSessionIsTouchedOnceAMinute(t *testing.T) {
	h := newHouse(t)
	token := h.signIn()
	touches := 0
	h.store.Fail = func(method string) error {
		if method == "TouchSession" {
			touches++
		}
		return nil
	}
	for range 12 {
		h.pass(10 * time.Second)
		if _, err := h.accounts.Resume(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if touches != 2 {
		t.Errorf("%d touches in two minutes", touches)
	}
}

func TestTriesAreThrottledPerPair(t *testing.T) {
	h := newHouse(t)
	try := func(remote, password string) error {
		_, _, err := h.accounts.SignIn(t.Context(), email, password, "", remote)
		return err
	}
	for range 10 {
		h.want(try(home, "falsch"), fault.Unauthenticated, "credentials_wrong")
	}
	err := try(home, password)
	h.want(err, fault.Limited, "too_many_tries")
	if wait := fault.As(err).RetryAfter; wait != time.Minute {
		t.Errorf("retry after %s", wait)
	}
	h.want(try("192.0.2.200:1", password), fault.Limited, "too_many_tries") // the same /24
	if err := try("[2001:db8::1]:99", password); err != nil {
		t.Errorf("the owner was locked out by somebody else's tries: %v", err)
	}
	h.pass(time.Minute)
	if err := try(home, password); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestSpreadGuessesAreThrottledPerAccount(t *testing.T) {
	h := newHouse(t)
	var err error
	for i := range 101 {
		ctx, cancel := context.WithCancel(t.Context())
		if i < 100 {
			cancel() // spares the hashing; the try counts before it
		}
		_, _, err = h.accounts.SignIn(ctx, email, "falsch", "", fmt.Sprintf("10.%d.%d.1:25", i/250, i%250))
		cancel()
	}
	h.want(err, fault.Limited, "too_many_tries")
}

func TestKey(t *testing.T) {
	h := newHouse(t)
	k, err := h.accounts.Key(t.Context(), h.text, home)
	if err != nil || k.ID != h.key.ID || !k.Allows(tenant.ScopeSend) || k.Allows(tenant.ScopeRead) {
		t.Errorf("key %+v, %v", k, err)
	}
	for _, text := range []string{"", "stf_", tenant.NewKeyText(), h.text + "A", "stf_" + h.text[5:] + "!"} {
		_, err := h.accounts.Key(t.Context(), text, home)
		h.want(err, fault.Unauthenticated, "key_unknown")
	}
}

func TestKeyIsBelievedForFiveSeconds(t *testing.T) {
	h := newHouse(t)
	use := func() error { _, err := h.accounts.Key(t.Context(), h.text, home); return err }
	if err := use(); err != nil {
		t.Fatal(err)
	}
	before := h.store.Calls.Load()
	for range 1000 {
		if err := use(); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.store.Calls.Load() - before; n != 0 {
		t.Errorf("%d calls for 1,000 uses", n)
	}
	if err := h.store.RevokeKey(t.Context(), h.tenant, h.key.ID, start); err != nil {
		t.Fatal(err)
	}
	h.pass(4999 * time.Millisecond)
	if err := use(); err != nil {
		t.Errorf("within the five seconds: %v", err)
	}
	h.pass(time.Millisecond)
	h.want(use(), fault.Unauthenticated, "key_revoked")
}

func TestKeyOfLockedTenant(t *testing.T) {
	h := newHouse(t)
	if err := h.store.SetState(t.Context(), h.tenant, tenant.Locked, "spam"); err != nil {
		t.Fatal(err)
	}
	_, err := h.accounts.Key(t.Context(), h.text, home)
	h.want(err, fault.Forbidden, "tenant_locked")
}

func TestKeyUseIsRecordedOnceAMinute(t *testing.T) {
	h := newHouse(t)
	for range 13 {
		if _, err := h.accounts.Key(t.Context(), h.text, home); err != nil {
			t.Fatal(err)
		}
		h.pass(10 * time.Second)
	}
	keys, err := h.store.Keys(t.Context(), h.tenant)
	if err != nil || !keys[0].LastUsedAt.Equal(start.Add(2*time.Minute)) {
		t.Errorf("last used %s, %v", keys[0].LastUsedAt, err)
	}
}

func TestWrongKeysAreThrottledButSpareKnownOnes(t *testing.T) {
	h := newHouse(t)
	if _, err := h.accounts.Key(t.Context(), h.text, home); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 101 {
		_, err = h.accounts.Key(t.Context(), tenant.NewKeyText(), home)
	}
	h.want(err, fault.Limited, "too_many_tries")
	h.pass(5 * time.Second)
	if _, err := h.accounts.Key(t.Context(), h.text, home); err != nil {
		t.Errorf("a good key is refused for its neighbour's mistakes: %v", err)
	}
}

func TestAccountsConcurrently(t *testing.T) {
	h := newHouse(t)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if i%10 == 0 {
				h.pass(time.Minute)
			}
			if _, err := h.accounts.Key(t.Context(), h.text, home); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func BenchmarkKey(b *testing.B) {
	h := newHouse(&testing.T{})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := h.accounts.Key(b.Context(), h.text, home); err != nil {
				b.Error(err)
			}
		}
	})
}
