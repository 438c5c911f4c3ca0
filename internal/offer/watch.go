package offer

import (
	"context"
	"fmt"
	"net/netip"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Decider says how much of a recipient's looks may be kept; *tracking.Decider does.
type Decider interface {
	Decide(ctx context.Context, t tenant.ID, s tenant.Stream, wish tracking.Level, recipients []message.Address) (tracking.Decision, error)
}

// Looker judges who looked and keeps looks and deeds as far as may be at the moment they
// happen; *tracking.Visits does.
type Looker interface {
	Look(ctx context.Context, s tracking.Sent, a tracking.Activity, l tracking.Look) (done tracking.Activity, kept bool, err error)
}

// Activities tells what was kept; tracking.Reader does.
type Activities interface {
	Activities(ctx context.Context, t tenant.ID, q tracking.Query) ([]tracking.Activity, bool, error)
}

// Consents hears what recipients say about being tracked; *tracking.Decider does.
type Consents interface {
	Hear(ctx context.Context, c tracking.Consent) error
}

// Watch is how looks are recorded; the zero value records nothing. All of it is needed,
// or nothing.
type Watch struct {
	Decider    Decider
	Looks      Looker
	Activities Activities
	Consents   Consents
}

// Asked is what a request told of who made it.
type Asked struct {
	Remote    string // address
	UserAgent string
	Language  bool // a language was asked for, as browsers do
	Head      bool // only asked whether the page is there: nothing is recorded
}

// hit is a look or deed on a page, before it is decided whether any of it is kept.
type hit struct {
	kind                   tracking.Kind
	target, label, version string
	// deed is set for what a form did: machines that follow links send none.
	deed bool
	// trap is set for the link of the page that nobody can see.
	trap bool
}

// seen records a hit. A failure is logged and hinders nobody: pages work without it.
func (s *Service) seen(ctx context.Context, v Visit, h hit, a Asked) {
	if s.c.Watch.Looks == nil || v.Preview || a.Head {
		return
	}
	r := v.Recipient
	act := tracking.Activity{
		Kind: h.kind, At: s.now(), Message: r.Message, Recipient: &r.Address, Identified: true, Offer: r.Offer.String(), OfferRecipient: r.ID.String(),
		Sender: r.Actor, Title: v.Version.Content.Title, Target: h.target, Label: h.label, Version: h.version,
	}
	if !r.Message.IsZero() {
		act.Delivery = message.Delivery(r.Message, 1)
	}
	sent := tracking.Sent{Tenant: r.Tenant, Stream: tenant.Transactional, Decision: r.Decision, Recipients: []message.Address{r.Address}}
	look := tracking.Look{Visitor: tracking.Visitor{UserAgent: a.UserAgent, Language: a.Language}, Place: r.ID, Deed: h.deed, Trap: h.trap, First: r.Sendings <= 1}
	if ip, err := netip.ParseAddr(a.Remote); err == nil {
		look.IP = ip
	}
	if _, _, err := s.c.Watch.Looks.Look(ctx, sent, act, look); err != nil && ctx.Err() == nil {
		s.c.Log.ErrorContext(ctx, "activity on an offer was not kept", "offer", r.Offer.String(), "kind", string(h.kind), "err", err)
	}
}

// decide says how much may be kept of a recipient's looks from now on.
func (s *Service) decide(ctx context.Context, t tenant.ID, a message.Address) (tracking.Decision, error) {
	if s.c.Watch.Decider == nil {
		return tracking.Decision{Level: tracking.None, Rule: tracking.RuleTenant}, nil
	}
	d, err := s.c.Watch.Decider.Decide(ctx, t, tenant.Transactional, tracking.Unset, []message.Address{a})
	if err != nil {
		return d, fmt.Errorf("decide about tracking of offer: %w", err)
	}
	return d, nil
}

// Seen lists what is known of a recipient's looks, in order, the newest two hundred;
// empty where nothing is kept.
func (s *Service) Seen(ctx context.Context, r Recipient) ([]tracking.Activity, error) {
	if s.c.Watch.Activities == nil {
		return nil, nil
	}
	list, _, err := s.c.Watch.Activities.Activities(ctx, r.Tenant, tracking.Query{Offer: r.Offer.String(), Recipient: r.Address, Limit: 200})
	if err != nil {
		return nil, fmt.Errorf("read activities on offer: %w", err)
	}
	var own []tracking.Activity
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].OfferRecipient == r.ID.String() {
			own = append(own, list[i])
		}
	}
	return own, nil
}
