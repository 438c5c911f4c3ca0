package store_test

import (
	"testing"
	"time"

	"stafette/internal/store"
	"stafette/internal/store/storetest"
)

// TestQuotaHoldsOverNodes: three nodes take mail of one tenant at the same time, and
// together not one more than its quota.
func TestQuotaHoldsOverNodes(t *testing.T) {
	url := postgres.URL(t)
	var stores []*store.Store
	world := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.URL, cfg.GroupLimit = url, 5 // many commits, so that they meet
		s := open(t, cfg)
		stores = append(stores, s, open(t, store.Config{URL: url, Now: time.Now, GroupLimit: 5}), open(t, store.Config{URL: url, Now: time.Now, GroupLimit: 5}))
		return s
	})
	world.FillQuota(t, 100, stores...)
}

// TestChargesHoldOverNodes: three nodes take mail that one plan pays, each mail charged once.
func TestChargesHoldOverNodes(t *testing.T) {
	url := postgres.URL(t)
	var stores []*store.Store
	world := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.URL, cfg.GroupLimit = url, 5
		s := open(t, cfg)
		stores = append(stores, s, open(t, store.Config{URL: url, Now: cfg.Now, GroupLimit: 5}), open(t, store.Config{URL: url, Now: cfg.Now, GroupLimit: 5}))
		return s
	})
	world.FillPlan(t, 60, stores...)
}
