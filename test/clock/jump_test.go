package clock

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/ingest/ingesttest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/queue/queuetest"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// TestLeaseDoesNotGoByTheWall: a node whose clock is set keeps its epoch and what is
// bound to it, and takes what is due.
func TestLeaseDoesNotGoByTheWall(t *testing.T) {
	eachJump(t, func(t *testing.T, by time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			clock := running()
			rows := queuetest.New(clock.Now)
			r := queue.NewRunner(queue.Config{Store: rows, Node: "n", Now: clock.Now, Steady: time.Now})
			if err := r.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			over := make(chan error, 1)
			go func() { over <- r.Run(ctx) }()
			epoch := r.Reserve(id.New[tenant.Kind](time.Now()), 0, 1)
			bound, cancel := r.Bind(t.Context(), epoch)
			defer cancel()
			time.Sleep(15 * time.Second)
			clock.set(by)
			for range 10 {
				if !r.Live(epoch) || bound.Err() != nil {
					t.Fatalf("the lease is over: %v", context.Cause(bound))
				}
				time.Sleep(7 * time.Second)
			}
			rows.Add(0, queue.Entry{Tenant: id.New[tenant.Kind](time.Now()), Stream: tenant.Transactional,
				Delivery: message.Delivery(message.NewID(clock.Now()), 1), DueAt: clock.Now().Add(time.Minute)})
			began := time.Now()
			if held, err := r.Take(t.Context(), 1); err != nil || len(held) != 1 {
				t.Errorf("took %d, %v", len(held), err)
			}
			if waited := time.Since(began); waited < time.Minute || waited > time.Minute+2*time.Second {
				t.Errorf("what falls due in a minute was taken after %v", waited)
			}
			stop()
			if err := <-over; err != nil {
				t.Error(err)
			}
		})
	})
}

// TestRetryComesBackInTime: a delivery was put off by a clock that is then set. It is
// tried again after its pause, or at once.
func TestRetryComesBackInTime(t *testing.T) {
	eachJump(t, func(t *testing.T, by time.Duration) {
		clock := standing()
		w := openWorld(t, clock.Now)
		first := w.accept(t)
		e := w.claim(t, 1)
		w.settle(t, e, first, event.Deferred, clock.Now().Add(4*time.Hour))
		clock.set(by)
		clock.set(4 * time.Hour)
		if by < 0 {
			if _, err := w.store.Hasten(t.Context(), clock.Now(), clock.Now().Add(8*time.Hour)); err != nil {
				t.Fatal(err)
			}
			clock.set(time.Hour) // what an hour puts off too far comes an hour late
		}
		w.claim(t, 1)
	})
}

// TestChoresGoOn: the process that held a chore died, and its clock is set.
func TestChoresGoOn(t *testing.T) {
	eachJump(t, func(t *testing.T, by time.Duration) {
		clock := standing()
		w := openWorld(t, clock.Now)
		const hold = 150 * time.Minute
		ask := func(who string) bool {
			t.Helper()
			mine, err := w.store.Singleton(t.Context(), "retention", who, clock.Now(), clock.Now().Add(hold))
			if err != nil {
				t.Fatal(err)
			}
			return mine
		}
		if !ask("dead") {
			t.Fatal("a free chore was not given")
		}
		clock.set(by)
		for waited := time.Duration(0); !ask("living"); waited += time.Minute {
			if waited > hold+time.Hour {
				t.Fatalf("nobody does it for %v", waited)
			}
			clock.set(time.Minute)
		}
	})
}

// TestBodiesStayWithTheirMail: whatever the clock says, mail that waits keeps its body.
func TestBodiesStayWithTheirMail(t *testing.T) {
	eachJump(t, func(t *testing.T, by time.Duration) {
		clock := standing()
		w := openWorld(t, clock.Now)
		w.accept(t)
		clock.set(by)
		day, waiting, err := w.store.OldestWaiting(t.Context())
		if err != nil || !waiting {
			t.Fatalf("nothing waits: %v", err)
		}
		if _, _, err := w.store.Archive().DropBefore(t.Context(), day); err != nil {
			t.Fatal(err)
		}
		if _, err := w.store.Archive().Read(t.Context(), w.handle); err != nil {
			t.Error(err)
		}
	})
}

// TestKeysOfRequestsHold: a request repeated within its time is the same request,
// unless the clock has passed its end.
func TestKeysOfRequestsHold(t *testing.T) {
	for by, held := range map[time.Duration]bool{time.Hour: true, -time.Hour: true, -year: true, year: false} {
		clock := standing()
		who, tenants := activeTenant(t, clock.Now())
		service := entrance(t, clock.Now, tenants)
		ask := func() ingest.Receipt {
			t.Helper()
			sub := letter()
			sub.Idempotency, sub.RequestHash = "bestellung-4711", [32]byte{1}
			r, err := service.Accept(t.Context(), ingest.Principal{Tenant: who, Actor: "key", Door: "http"}, sub)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		ask()
		clock.set(by)
		if r := ask(); r.Replayed != held {
			t.Errorf("by %v: replayed %v", by, r.Replayed)
		}
	}
}

// TestLockTakesEffect: what is remembered of a tenant is not believed for longer
// because the clock was set back.
func TestLockTakesEffect(t *testing.T) {
	eachJump(t, func(t *testing.T, by time.Duration) {
		clock := standing()
		who, tenants := activeTenant(t, clock.Now())
		service := entrance(t, clock.Now, tenants)
		send := func() error {
			_, err := service.Accept(t.Context(), ingest.Principal{Tenant: who, Actor: "key", Door: "http"}, letter())
			return err
		}
		if err := send(); err != nil {
			t.Fatal(err)
		}
		if err := tenants.SetState(t.Context(), who, tenant.Locked, "abuse"); err != nil {
			t.Fatal(err)
		}
		clock.set(by)
		if err := send(); !fault.IsKind(err, fault.Forbidden) {
			t.Errorf("a locked tenant sends: %v", err)
		}
	})
}

// TestSessionsAndKeys: a revoked key is refused soon, people stay signed in over an
// hour but over no year, and nobody waits a year to be let in.
func TestSessionsAndKeys(t *testing.T) {
	const email, password, remote = "eva@muster.example", "ein ganz langes Wort", "192.0.2.7:4711"
	hash := tenant.HashPassword(password)
	eachJump(t, func(t *testing.T, by time.Duration) {
		ctx, clock := t.Context(), standing()
		who, store := activeTenant(t, clock.Now())
		key := tenant.Key{ID: id.New[tenant.KeyKind](clock.Now()), Tenant: who, Scopes: []tenant.Scope{tenant.ScopeSend}}
		text := tenant.NewKeyText()
		key.Hash = tenant.HashKey(text)
		other := id.New[tenant.Kind](clock.Now())
		err := store.Found(ctx, tenant.Founding{
			Tenant: tenant.Tenant{ID: other, State: tenant.Active, Name: "Zwei"}, Keys: []tenant.Key{key},
			Users: []tenant.User{{ID: id.New[tenant.UserKind](clock.Now()), Tenant: who, Email: email, PasswordHash: hash, Role: tenant.Owner}},
		})
		if err != nil {
			t.Fatal(err)
		}
		accounts := tenant.NewAccounts(tenant.AccountsConfig{Store: store, Now: clock.Now})
		token, _, err := accounts.SignIn(ctx, email, password, "", remote)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := accounts.Key(ctx, text, remote); err != nil {
			t.Fatal(err)
		}
		for range 200 { // more than anybody is allowed
			_, _ = accounts.Key(ctx, "wrong", "198.51.100.9:25")
		}
		clock.set(by)

		if _, err := accounts.Resume(ctx, token); (err == nil) != (by.Abs() == time.Hour) {
			t.Errorf("session: %v", err)
		}
		_, err = accounts.Key(ctx, "wrong", "198.51.100.9:25")
		if f := fault.As(err); f == nil || f.RetryAfter > 15*time.Minute {
			t.Errorf("must wait for %v", err)
		}
		if err := store.RevokeKey(ctx, key.Tenant, key.ID, clock.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := accounts.Key(ctx, text, remote); !fault.IsKind(err, fault.Unauthenticated) {
			t.Errorf("a revoked key is right: %v", err)
		}
	})
}

func activeTenant(t *testing.T, now time.Time) (tenant.ID, *tenanttest.Store) {
	t.Helper()
	who := tenant.Tenant{ID: id.New[tenant.Kind](now), Name: "Muster", State: tenant.Active}
	store := &tenanttest.Store{}
	err := store.Found(t.Context(), tenant.Founding{Tenant: who, Domains: []tenant.Domain{
		{ID: id.New[tenant.DomainKind](now), Tenant: who.ID, Name: "muster.example", State: tenant.Verified}}})
	if err != nil {
		t.Fatal(err)
	}
	return who.ID, store
}

func entrance(t *testing.T, now func() time.Time, tenants tenant.Store) *ingest.Service {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return ingest.New(ingest.Config{Store: &ingesttest.Store{}, Tenants: tenants, Keeper: keeper, Now: now})
}

func letter() ingest.Submission {
	return ingest.Submission{Recipients: []message.Address{{Local: "eva", Domain: "kunde.example"}},
		Raw: []byte("From: info@muster.example\r\nTo: eva@kunde.example\r\n\r\nGuten Tag\r\n")}
}
