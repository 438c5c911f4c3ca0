package published

import (
	"context"
	"fmt"

	"stafette/internal/privacy"
	"stafette/internal/seal"
)

// Readers is what the lists keep about people: addresses that are told of changes. It
// implements privacy.Holder. What somebody keeps on the platform's own list is no account's
// to see or to end; each mail bears the link for that.
type Readers struct {
	store Store
	key   []byte
}

// NewReaders makes a Readers; the keeper must be that of the Service.
func NewReaders(s Store, k *seal.Keeper) Readers { return Readers{s, hashKey(k)} }

var _ privacy.Holder = Readers{}

// Name implements privacy.Holder.
func (Readers) Name() string { return "address_readers" }

func (h Readers) each(ctx context.Context, p privacy.Person, do func(Subscription) error) error {
	for _, a := range p.Addresses {
		sub, err := h.store.SubscriptionOf(ctx, p.Tenant, hashOf(h.key, ByMail, a.String()))
		if notFound(err) {
			continue
		}
		if err == nil {
			err = do(sub)
		}
		if err != nil {
			return fmt.Errorf("subscriptions of a person: %w", err)
		}
	}
	return nil
}

// Count implements privacy.Holder.
func (h Readers) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	err = h.each(ctx, p, func(Subscription) error { n++; return nil })
	return n, err
}

// Erase implements privacy.Holder.
func (h Readers) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	return h.each(ctx, p, func(sub Subscription) error {
		if err := h.store.EndSubscription(ctx, sub.Owner, sub.ID); err != nil {
			return err
		}
		return note(1)
	})
}
