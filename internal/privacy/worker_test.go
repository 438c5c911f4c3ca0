package privacy_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/privacy/privacytest"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// nobody was ever written to.
type nobody struct{}

func (nobody) To(context.Context, tenant.ID, []message.Address, insight.PersonFilter) ([]insight.Addressed, bool, error) {
	return nil, false, nil
}

func (nobody) CountTo(context.Context, tenant.ID, []message.Address, []tenant.Stream, int) (int, error) {
	return 0, nil
}

func (nobody) Events(context.Context, tenant.ID, message.ID) ([]event.Event, error) { return nil, nil }

func (nobody) Body(context.Context, spool.Handle) ([]byte, error) { return nil, spool.ErrGone }

func (nobody) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	return tenant.Tenant{ID: t, Name: "Salon"}, nil
}

func (nobody) Profile(context.Context, tenant.ID) (tenant.Profile, error) {
	return tenant.Profile{Contact: "030 123", Imprint: "Salon Eva\nBerlin"}, nil
}

func (nobody) Tenants(context.Context, tenant.ID, int) ([]tenant.Tenant, error) { return nil, nil }

// holder fails until it is mended.
type holder struct {
	mu     sync.Mutex
	broken bool
	erased int
}

func (*holder) Name() string { return "test" }

func (*holder) Count(context.Context, privacy.Person) (int64, error) { return 1, nil }

func (h *holder) Erase(_ context.Context, _ privacy.Person, note func(int64) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return errors.New("disk on fire")
	}
	h.erased++
	return note(1)
}

func newService(t *testing.T, now func() time.Time, h *holder) (*privacy.Service, privacy.Person) {
	t.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	people, err := audience.New(audience.Config{Store: &audiencetest.Store{}, Key: []byte("k"), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s, err := privacy.New(privacy.Config{
		Store: &privacytest.Store{}, Tenants: nobody{}, Contacts: audience.NewContacts(&audiencetest.Contacts{}, now), Audience: people,
		Mail: nobody{}, Bodies: nobody{}, Keeper: keeper, Catalog: catalog, Holders: []privacy.Holder{h}, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, privacy.Person{Tenant: id.New[tenant.Kind](now()), Addresses: []message.Address{{Local: "eva", Domain: "x.example"}}}
}

// What fails is tried again after growing pauses, and given up in the end.
func TestTroubleIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &holder{broken: true}
		s, person := newService(t, time.Now, h)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.Run(ctx)
		r, err := s.Ask(ctx, privacy.Wish{Kind: privacy.Erasure, Person: person})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if now, err := s.Request(ctx, person.Tenant, r.ID); err != nil || !now.State.Open() || now.Why == "" || now.Tries < 3 {
			t.Errorf("after some tries: %+v, %v", now, err)
		}
		h.mu.Lock()
		h.broken = false
		h.mu.Unlock()
		time.Sleep(time.Hour)
		if now, err := s.Request(ctx, person.Tenant, r.ID); err != nil || now.State != privacy.Done || now.Why != "" || h.erased != 1 {
			t.Errorf("after it was mended: %+v, %v", now, err)
		}
		h.broken = true
		if r, err = s.Ask(ctx, privacy.Wish{Kind: privacy.Erasure, Person: person}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if now, err := s.Request(ctx, person.Tenant, r.ID); err != nil || now.State != privacy.Failed {
			t.Errorf("in the end: %+v, %v", now, err)
		}
		stop()
		synctest.Wait()
	})
}

func TestCertificatesAreReadWithCare(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	s, person := newService(t, func() time.Time { return now }, &holder{})
	for _, text := range []string{"", "{}", "null", "[]", `{"format":2}`, `{"format":1,"request":"x"}`, string(make([]byte, 2<<20))} {
		if _, ok, err := s.Verify([]byte(text)); ok || fault.As(err) == nil {
			t.Errorf("%.20q: %v, %v", text, ok, err)
		}
	}
	if _, ok, err := s.Verify([]byte(`{"format":1,"mac":""}`)); ok || err != nil {
		t.Errorf("without a MAC: %v, %v", ok, err)
	}
	r, err := s.Ask(t.Context(), privacy.Wish{Kind: privacy.Access, Person: person})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Certificate(t.Context(), person.Tenant, r.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("a certificate of no erasure: %v", err)
	}
}
