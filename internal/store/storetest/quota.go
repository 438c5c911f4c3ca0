package storetest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

func quotaTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"HoldsExactly":          quotaHoldsExactly,
		"EndsWithTheDay":        quotaEndsWithTheDay,
		"RefusedLeavesNoKey":    refusedLeavesNoKey,
		"LiftedIsNoQuota":       liftedIsNoQuota,
		"OthersAreNotConcerned": othersAreNotConcerned,
	}
}

// FoundWithQuota makes a tenant that may have so many deliveries accepted a day.
func (w *World) FoundWithQuota(quota int64) tenant.ID {
	w.t.Helper()
	now := w.Clock.Now()
	t := tenant.Tenant{ID: id.New[tenant.Kind](now), Name: "q", State: tenant.Active, Locale: "de",
		OfficeTone: tenant.Sie, CustomerTone: tenant.Du, DailyQuota: quota, CreatedAt: now}
	if err := w.Store.Found(context.Background(), tenant.Founding{Tenant: t}); err != nil {
		w.t.Fatal(err)
	}
	return t.ID
}

// Limited is Draft for a tenant with a quota.
func (w *World) Limited(t tenant.ID, to ...string) *ingest.Acceptance {
	a := w.Draft(t, to...)
	a.Quota = 1 // what it is, the store knows
	return a
}

// FillQuota lets all stores accept at once, until more than the quota has been tried,
// and checks that exactly the quota was taken.
func (w *World) FillQuota(t *testing.T, quota int64, stores ...*store.Store) {
	t.Helper()
	who := w.FoundWithQuota(quota)
	var taken atomic.Int64
	var all sync.WaitGroup
	for i := range 3 * int(quota) {
		a := w.Limited(who, numbered(1+i%3)...)
		all.Go(func() {
			err := stores[i%len(stores)].Accept(context.Background(), a)
			if err == nil {
				taken.Add(int64(len(a.Deliveries)))
			} else if !fault.IsKind(err, fault.Limited) {
				t.Errorf("accept: %v", err)
			}
		})
	}
	all.Wait()
	for range 3 { // what single places are left
		if err := stores[0].Accept(context.Background(), w.Limited(who, "r@example.net")); err == nil {
			taken.Add(1)
		}
	}
	used, err := w.Store.Usage(context.Background(), who, w.Clock.Now())
	if err != nil || taken.Load() != quota || used != quota {
		t.Errorf("taken %d, in the books %d, %v; want %d", taken.Load(), used, err, quota)
	}
}

func quotaHoldsExactly(t *testing.T, w *World) { w.FillQuota(t, 40, w.Store) }

func quotaEndsWithTheDay(t *testing.T, w *World) {
	ctx := context.Background()
	who := w.FoundWithQuota(2)
	w.Accept(w.Limited(who, "r@example.net"))
	err := w.Store.Accept(ctx, w.Limited(who, "1@example.net", "2@example.net"))
	refused(t, err, fault.Limited, ingest.CodeQuotaSpent)
	midnight := Start().Truncate(24 * time.Hour).Add(24 * time.Hour)
	if f := fault.As(err); f == nil || f.RetryAfter != midnight.Sub(Start()) {
		t.Errorf("%v, want a retry after %v", err, midnight.Sub(Start()))
	}
	w.Clock.Advance(midnight.Sub(Start()))
	w.Accept(w.Limited(who, "1@example.net", "2@example.net"))
}

// refusedLeavesNoKey: the key of a refused message is free, and one that is used does
// not take from the quota.
func refusedLeavesNoKey(t *testing.T, w *World) {
	ctx, expires := context.Background(), w.Clock.Now().Add(time.Hour)
	who := w.FoundWithQuota(2)
	keyed := func(key string, to ...string) *ingest.Acceptance {
		a := w.Limited(who, to...)
		a.Idempotency = &ingest.Idempotency{Key: key, Hash: [32]byte{1}, ExpiresAt: expires}
		return a
	}
	refused(t, w.Store.Accept(ctx, keyed("k", numbered(3)...)), fault.Limited, ingest.CodeQuotaSpent)
	if r, err := w.Store.Replay(ctx, who, "k", w.Clock.Now()); r != nil || err != nil {
		t.Errorf("the refused key is used: %v, %v", r, err)
	}
	w.Accept(keyed("k", "r@example.net"))
	if err := w.Store.Accept(ctx, keyed("k", "r@example.net")); err == nil {
		t.Error("the key was used twice")
	}
	w.Accept(w.Limited(who, "r@example.net"))
}

func liftedIsNoQuota(t *testing.T, w *World) {
	w.Accept(w.Limited(w.A, numbered(5)...)) // has none, whatever the entrance believes
}

func othersAreNotConcerned(t *testing.T, w *World) {
	who := w.FoundWithQuota(1)
	w.Accept(w.Limited(who, "r@example.net"), w.Draft(w.B, numbered(50)...))
	refused(t, w.Store.Accept(context.Background(), w.Limited(who, "r@example.net")), fault.Limited, ingest.CodeQuotaSpent)
	w.Accept(w.Draft(w.B, "r@example.net"))
}
