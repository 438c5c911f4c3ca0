package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/delivery"
	"stafette/internal/dkim"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// signing is a Signer with everything around it counted.
type signing struct {
	*delivery.Signer
	keys             map[string][]tenant.DKIMKey
	keysErr, signErr error
	lookups, signed  atomic.Int64
	busy, most       atomic.Int64
}

func newSigning(t *testing.T, workers int) *signing {
	t.Helper()
	keeper, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	s := &signing{keys: map[string][]tenant.DKIMKey{}}
	for _, selector := range []string{"s1", "s2", "old"} {
		k := tenant.DKIMKey{ID: id.New[tenant.DKIMKeyKind](time.Now()), Selector: selector, Active: selector != "old"}
		der, _, err := dkim.GenerateKey(dkim.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		k.Sealed = keeper.Seal(der, "dkim/"+k.ID.String())
		s.keys["muster.example"] = append(s.keys["muster.example"], k)
	}
	moved := s.keys["muster.example"][0]
	moved.ID = id.New[tenant.DKIMKeyKind](time.Now())
	s.keys["moved.example"] = []tenant.DKIMKey{moved}
	s.Signer = delivery.NewSigner(delivery.SignerConfig{
		Keys: func(_ context.Context, who tenant.ID, domain string) ([]tenant.DKIMKey, error) {
			s.lookups.Add(1)
			if s.keysErr != nil {
				return nil, s.keysErr
			}
			if who != tenantA || s.keys[domain] == nil {
				return nil, fault.New(fault.NotFound, "domain_not_found", "")
			}
			return s.keys[domain], nil
		},
		Keeper: keeper,
		Sign: func(_ time.Time, body []byte, o dkim.Options) ([]byte, error) {
			s.signed.Add(1)
			s.most.Store(max(s.most.Load(), s.busy.Add(1)))
			time.Sleep(time.Second)
			s.busy.Add(-1)
			var b strings.Builder
			for _, k := range o.Keys {
				fmt.Fprintf(&b, "%s/%s/%d ", k.Selector, o.Domain, len(body))
			}
			return []byte(b.String()), s.signErr
		},
		Now: time.Now, Workers: workers,
	})
	return s
}

func entryOf(m message.ID, n int, domain string) queue.Entry {
	return queue.Entry{Tenant: tenantA, Delivery: message.Delivery(m, n), SignDomain: domain}
}

func TestSignerSignsAMessageOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigning(t, 2)
		m := message.NewID(time.Now())
		for n := range 50 {
			go func() {
				got, err := s.Sign(t.Context(), entryOf(m, n+1, "muster.example"), []byte("body"))
				if err != nil || string(got) != "s1/muster.example/4 s2/muster.example/4 " {
					t.Errorf("delivery %d: %q, %v", n+1, got, err)
				}
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.signed.Load() != 1 || s.lookups.Load() != 1 {
			t.Errorf("signed %d times after %d look-ups", s.signed.Load(), s.lookups.Load())
		}
	})
}

func TestSignerBoundsItsWorkersAndRereadsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigning(t, 2)
		if _, err := s.Sign(t.Context(), entryOf(message.NewID(time.Now()), 1, "muster.example"), nil); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			go func() {
				if _, err := s.Sign(t.Context(), entryOf(message.NewID(time.Now()), 1, "muster.example"), nil); err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if s.most.Load() != 2 || s.lookups.Load() != 1 {
			t.Errorf("%d signatures at the same time, %d look-ups", s.most.Load(), s.lookups.Load())
		}
		s.keys["muster.example"] = nil // withdrawn
		time.Sleep(time.Minute)
		got, err := s.Sign(t.Context(), entryOf(message.NewID(time.Now()), 1, "muster.example"), nil)
		if err != nil || got != nil {
			t.Errorf("after the keys were withdrawn: %q, %v", got, err)
		}
	})
}

func TestSignerWithoutKeys(t *testing.T) {
	s := newSigning(t, 1)
	for _, domain := range []string{"", "other.example"} {
		if got, err := s.Sign(t.Context(), entryOf(message.NewID(time.Now()), 1, domain), nil); got != nil || err != nil {
			t.Errorf("%q: %q, %v", domain, got, err)
		}
	}
	foreign := entryOf(message.NewID(time.Now()), 1, "muster.example")
	foreign.Tenant = tenantB
	if got, err := s.Sign(t.Context(), foreign, nil); got != nil || err != nil {
		t.Errorf("with another tenant's domain: %q, %v", got, err)
	}
}

func TestSignerFailuresDoNotStick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigning(t, 1)
		e := entryOf(message.NewID(time.Now()), 1, "muster.example")
		s.keysErr = errors.New("database is down")
		if _, err := s.Sign(t.Context(), e, nil); !errors.Is(err, s.keysErr) {
			t.Errorf("look-up fails: %v", err)
		}
		s.keysErr, s.signErr = nil, errors.New("no entropy")
		if _, err := s.Sign(t.Context(), e, nil); !errors.Is(err, s.signErr) {
			t.Errorf("signing fails: %v", err)
		}
		s.signErr = nil
		if got, err := s.Sign(t.Context(), e, nil); err != nil || len(got) == 0 {
			t.Errorf("afterwards: %q, %v", got, err)
		}
		// A sealed key moved to another row must not sign.
		if _, err := s.Sign(t.Context(), entryOf(message.NewID(time.Now()), 1, "moved.example"), nil); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("moved key: %v", err)
		}
	})
}
