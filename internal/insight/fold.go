package insight

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// FoldStore takes notes into the tallies.
type FoldStore interface {
	// FoldTallies takes notes into the sums, at most limit of each tenant, in one
	// transaction with their removal, and returns how many those were: fewer than limit if
	// none are left. provider names the provider of a
	// receiving server by its host name.
	FoldTallies(ctx context.Context, provider func(host string) string, limit int) (int, error)
}

const (
	// foldEvery is how far the sums may be behind the facts.
	foldEvery = 2 * time.Second
	// foldBatch bounds one transaction, so that settlements need not wait for long.
	foldBatch = 200
)

// Folder keeps the tallies up to date. All nodes may run one: each note is taken once.
type Folder struct {
	Store    FoldStore
	Provider func(host string) string
	Log      *slog.Logger
}

// Run folds until ctx ends. What is left then is folded after the next start.
func (f Folder) Run(ctx context.Context) {
	tick := time.NewTicker(foldEvery)
	defer tick.Stop()
	for {
		if err := f.Fold(ctx); err != nil && ctx.Err() == nil {
			f.Log.Error("figures not up to date", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Fold takes in all notes there are now.
func (f Folder) Fold(ctx context.Context) error {
	for {
		n, err := f.Store.FoldTallies(ctx, f.Provider, foldBatch)
		if err != nil {
			return fmt.Errorf("fold figures: %w", err)
		}
		if n < foldBatch {
			return nil
		}
	}
}
