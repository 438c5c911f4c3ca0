package offer

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/privacy"
)

// People is what offers keep about the people they were made to; it implements
// privacy.Holder.
//
// Likes and recipients are erased. Who confirmed or withdrew by a form stays with just
// that, its link closed and marked as restricted: it is needed to establish or defend
// legal claims (GDPR, article 17(3)(e)) and nothing else is done with it (article 18).
type People struct {
	Store Store
	Now   func() time.Time
}

// Name implements privacy.Holder.
func (People) Name() string { return "offers" }

func (h People) each(ctx context.Context, p privacy.Person, do func(Recipient) error) error {
	for _, a := range p.Addresses {
		list, err := h.Store.OfferRecipientsAt(ctx, p.Tenant, a)
		if err != nil {
			return fmt.Errorf("find recipients of offers: %w", err)
		}
		for _, r := range list {
			if err := do(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// Count implements privacy.Holder. What is restricted already is not counted.
func (h People) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	err = h.each(ctx, p, func(r Recipient) error {
		if r.RestrictedAt.IsZero() {
			n++
		}
		return nil
	})
	return n, err
}

// Erase implements privacy.Holder.
func (h People) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	return h.each(ctx, p, func(r Recipient) error {
		if !r.RestrictedAt.IsZero() {
			return nil
		}
		if _, err := h.Store.ForgetOfferRecipient(ctx, p.Tenant, r.ID, h.Now().UTC()); err != nil {
			return fmt.Errorf("erase recipient of offer: %w", err)
		}
		return note(1)
	})
}

var _ privacy.Holder = People{}

// Kept is what is handed out to a person of one offer.
type Kept struct {
	Offer      string    `json:"offer"`
	Title      string    `json:"title"`
	Address    string    `json:"address"`
	Name       string    `json:"name,omitempty"`
	CreatedAt  time.Time `json:"made_at"`
	Units      []string  `json:"liked_units,omitempty"`
	Acts       []KeptAct `json:"acts,omitempty"`
	Restricted bool      `json:"restricted,omitempty"`
}

// KeptAct is a deed of the person.
type KeptAct struct {
	Kind   ActKind   `json:"kind"`
	At     time.Time `json:"at"`
	Detail Detail    `json:"detail"`
}

// Section is the part of an access request about offers.
func Section(from Store) privacy.Section {
	return privacy.Section{Name: "offers", Read: func(ctx context.Context, p privacy.Person) (any, error) {
		var out []Kept
		err := People{Store: from}.each(ctx, p, func(r Recipient) error {
			k, err := kept(ctx, from, r)
			out = append(out, k)
			return err
		})
		if len(out) == 0 {
			return nil, err
		}
		return out, err
	}}
}

func kept(ctx context.Context, from Store, r Recipient) (Kept, error) {
	o, err := from.Offer(ctx, r.Tenant, r.Offer)
	if err != nil {
		return Kept{}, err
	}
	k := Kept{Offer: r.Offer.String(), Title: o.Content.Title, Address: r.Address.String(), Name: r.Name, CreatedAt: r.CreatedAt, Restricted: !r.RestrictedAt.IsZero()}
	likes, err := from.OfferLikes(ctx, r.Tenant, r.Offer)
	if err != nil {
		return Kept{}, err
	}
	for _, l := range likes {
		if u, ok := o.Content.Unit(l.Unit); ok && l.Recipient == r.ID {
			k.Units = append(k.Units, u.Name)
		}
	}
	acts, err := from.OfferActs(ctx, r.Tenant, r.Offer, r.ID)
	for _, a := range acts {
		k.Acts = append(k.Acts, KeptAct{a.Kind, a.At, a.Detail})
	}
	return k, err
}
