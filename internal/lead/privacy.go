package lead

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/seal"
)

// Prospects is what leads keep about the people who asked; it implements
// privacy.Holder. Enquiries are sealed, so all of a tenant that are kept are opened:
// those of six weeks, or of the time that the tenant has set.
type Prospects struct{ Service *Service }

// Name implements privacy.Holder.
func (Prospects) Name() string { return "leads" }

// each calls do with every lead whose prospect is the person.
func (h Prospects) each(ctx context.Context, p privacy.Person, do func(Lead) error) error {
	f := Filter{Tests: true, Suspects: true, Kept: true, Limit: 500}
	for {
		page, err := h.Service.c.Store.Leads(ctx, p.Tenant, f)
		if err != nil {
			return fmt.Errorf("read leads: %w", err)
		}
		for _, l := range page.Leads {
			f.After = l.ID
			if len(l.Sealed) == 0 {
				continue
			}
			k, err := h.Service.open(l)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(p.Addresses, func(a message.Address) bool { return strings.EqualFold(a.String(), k.Enquiry.Prospect.Email) }) {
				if err := do(l); err != nil {
					return err
				}
			}
		}
		if !page.More {
			return nil
		}
	}
}

// Count implements privacy.Holder.
func (h Prospects) Count(ctx context.Context, p privacy.Person) (n int64, err error) {
	err = h.each(ctx, p, func(Lead) error { n++; return nil })
	return n, err
}

// Erase implements privacy.Holder: the content goes, number, object and checksum stay.
// The mail to the advertiser is the advertiser's.
func (h Prospects) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	return h.each(ctx, p, func(l Lead) error {
		l.Sealed, l.Salt = nil, seal.Salt{}
		switch l.State {
		case Taken:
			l.State, l.Reason = Stopped, CodeGone
		case Suspect:
			l.State, l.Reason = Discarded, CodeGone
		}
		if err := h.Service.c.Store.SettleLead(ctx, l); err != nil {
			return fmt.Errorf("erase lead: %w", err)
		}
		return note(1)
	})
}

var _ privacy.Holder = Prospects{}
