// Package offertest has a stand-in for the database of package offer.
package offertest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/tenant"
)

// Store implements offer.Store in memory. The zero value is empty and ready; it is safe
// for concurrent use.
type Store struct {
	mu         sync.Mutex
	offers     []offer.Offer
	versions   map[offer.ID][]offer.Version
	parts      map[part]offer.Part
	recipients []offer.Recipient
	likes      []offer.Like
	acts       []offer.Act
}

type part struct {
	tenant tenant.ID
	offer  offer.ID
	file   offer.Hash
	n      int
}

var (
	_ offer.Store      = (*Store)(nil)
	_ offer.Unanswered = (*Store)(nil)
)

func unknown() error {
	return fault.New(fault.NotFound, offer.CodeUnknown, "There is no such thing here.")
}

func (s *Store) locked() func() {
	s.mu.Lock()
	return s.mu.Unlock
}

// SaveOffer implements offer.Store.
func (s *Store) SaveOffer(_ context.Context, o offer.Offer, most int) error {
	defer s.locked()()
	return s.save(o, most)
}

func (s *Store) save(o offer.Offer, most int) error {
	n := 0
	for i, old := range s.offers {
		if old.Tenant == o.Tenant {
			n++
			if old.ID == o.ID {
				o.Creator, o.CreatedAt = old.Creator, old.CreatedAt
				s.offers[i] = o
				return nil
			}
		}
	}
	if n >= most {
		return fault.New(fault.Conflict, offer.CodeMany, "")
	}
	s.offers = append(s.offers, o)
	return nil
}

// PublishOffer implements offer.Store.
func (s *Store) PublishOffer(_ context.Context, o offer.Offer, v offer.Version) error {
	defer s.locked()()
	if s.versions == nil {
		s.versions = map[offer.ID][]offer.Version{}
	}
	if len(s.versions[o.ID]) >= v.Number {
		return fault.New(fault.Conflict, offer.CodeState, "")
	}
	s.versions[o.ID] = append(s.versions[o.ID], v)
	return s.save(o, offer.MaxOffers)
}

// Offer implements offer.Store.
func (s *Store) Offer(_ context.Context, t tenant.ID, o offer.ID) (offer.Offer, error) {
	defer s.locked()()
	for _, v := range s.offers {
		if v.Tenant == t && v.ID == o {
			return v, nil
		}
	}
	return offer.Offer{}, unknown()
}

// OfferVersion implements offer.Store.
func (s *Store) OfferVersion(ctx context.Context, t tenant.ID, o offer.ID, number int) (offer.Version, error) {
	if _, err := s.Offer(ctx, t, o); err != nil {
		return offer.Version{}, err
	}
	defer s.locked()()
	for _, v := range s.versions[o] {
		if v.Number == number {
			return v, nil
		}
	}
	return offer.Version{}, unknown()
}

// Offers implements offer.Store.
func (s *Store) Offers(_ context.Context, t tenant.ID) (list []offer.Row, err error) {
	defer s.locked()()
	for _, o := range slices.Backward(s.offers) {
		if o.Tenant != t {
			continue
		}
		row := offer.Row{Offer: o}
		for _, r := range s.recipients {
			if r.Offer == o.ID {
				row.Recipients++
				if !r.SentAt.IsZero() {
					row.Sent++
				}
				if slices.ContainsFunc(s.acts, func(a offer.Act) bool { return a.Recipient == r.ID && a.Kind == offer.Confirmed }) {
					row.Confirmed++
				}
			}
		}
		list = append(list, row)
	}
	return list, nil
}

// DropOffer implements offer.Store.
func (s *Store) DropOffer(_ context.Context, t tenant.ID, o offer.ID, since time.Time) error {
	defer s.locked()()
	if slices.ContainsFunc(s.acts, func(a offer.Act) bool { return a.Tenant == t && a.Offer == o && !a.At.Before(since) }) {
		return fault.New(fault.Conflict, offer.CodeProofs, "")
	}
	n := len(s.offers)
	if s.offers = slices.DeleteFunc(s.offers, func(v offer.Offer) bool { return v.Tenant == t && v.ID == o }); len(s.offers) == n {
		return unknown()
	}
	s.recipients = slices.DeleteFunc(s.recipients, func(r offer.Recipient) bool { return r.Offer == o })
	return nil
}

// PutOfferPart implements offer.Store.
func (s *Store) PutOfferPart(_ context.Context, t tenant.ID, o offer.ID, file offer.Hash, n int, p offer.Part) error {
	defer s.locked()()
	if s.parts == nil {
		s.parts = map[part]offer.Part{}
	}
	if _, there := s.parts[part{t, o, file, n}]; !there {
		s.parts[part{t, o, file, n}] = p
	}
	return nil
}

// OfferPart implements offer.Store.
func (s *Store) OfferPart(_ context.Context, t tenant.ID, o offer.ID, file offer.Hash, n int) (offer.Part, bool, error) {
	defer s.locked()()
	p, ok := s.parts[part{t, o, file, n}]
	return p, ok, nil
}

// CopyOfferParts implements offer.Store.
func (s *Store) CopyOfferParts(_ context.Context, t tenant.ID, from, to offer.ID, file offer.Hash) error {
	defer s.locked()()
	for n := 0; ; n++ {
		p, ok := s.parts[part{t, from, file, n}]
		if !ok {
			return nil
		}
		s.parts[part{t, to, file, n}] = p
	}
}

// AddOfferRecipients implements offer.Store.
func (s *Store) AddOfferRecipients(_ context.Context, list []offer.Recipient) error {
	defer s.locked()()
	s.recipients = append(s.recipients, list...)
	return nil
}

// SettleOfferRecipient implements offer.Store.
func (s *Store) SettleOfferRecipient(_ context.Context, r offer.Recipient) error {
	defer s.locked()()
	for i, old := range s.recipients {
		if old.Tenant == r.Tenant && old.ID == r.ID {
			s.recipients[i] = r
			return nil
		}
	}
	return unknown()
}

// OfferRecipient implements offer.Store.
func (s *Store) OfferRecipient(_ context.Context, t tenant.ID, r offer.RecipientID) (offer.Recipient, error) {
	defer s.locked()()
	for _, v := range s.recipients {
		if v.Tenant == t && v.ID == r {
			return v, nil
		}
	}
	return offer.Recipient{}, unknown()
}

// OfferRecipients implements offer.Store.
func (s *Store) OfferRecipients(_ context.Context, t tenant.ID, o offer.ID, limit int) (list []offer.Recipient, err error) {
	defer s.locked()()
	for _, r := range slices.Backward(s.recipients) {
		if r.Tenant == t && r.Offer == o && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

// OfferRecipientsAt implements offer.Store.
func (s *Store) OfferRecipientsAt(_ context.Context, t tenant.ID, a message.Address) (list []offer.Recipient, err error) {
	defer s.locked()()
	for _, r := range s.recipients {
		if r.Tenant == t && strings.EqualFold(r.Address.String(), a.String()) {
			list = append(list, r)
		}
	}
	return list, nil
}

// ForgetOfferRecipient implements offer.Store.
func (s *Store) ForgetOfferRecipient(_ context.Context, t tenant.ID, r offer.RecipientID, now time.Time) (int64, error) {
	defer s.locked()()
	s.likes = slices.DeleteFunc(s.likes, func(l offer.Like) bool { return l.Recipient == r })
	acts := slices.ContainsFunc(s.acts, func(a offer.Act) bool { return a.Recipient == r })
	for i, v := range s.recipients {
		if v.Tenant == t && v.ID == r && acts {
			s.recipients[i].RestrictedAt, s.recipients[i].RevokedAt = now, now
			return 1, nil
		}
	}
	s.recipients = slices.DeleteFunc(s.recipients, func(v offer.Recipient) bool { return v.Tenant == t && v.ID == r })
	return 1, nil
}

// LikeUnit implements offer.Store.
func (s *Store) LikeUnit(_ context.Context, l offer.Like, on bool) (bool, error) {
	defer s.locked()()
	n := len(s.likes)
	same := func(o offer.Like) bool { return o.Recipient == l.Recipient && o.Unit == l.Unit }
	if on {
		if slices.ContainsFunc(s.likes, same) {
			return false, nil
		}
		s.likes = append(s.likes, l)
		return true, nil
	}
	s.likes = slices.DeleteFunc(s.likes, same)
	return len(s.likes) < n, nil
}

// OfferLikes implements offer.Store.
func (s *Store) OfferLikes(_ context.Context, t tenant.ID, o offer.ID) (list []offer.Like, err error) {
	defer s.locked()()
	for _, l := range s.likes {
		if l.Tenant == t && l.Offer == o {
			list = append(list, l)
		}
	}
	return list, nil
}

// AddOfferAct implements offer.Store.
func (s *Store) AddOfferAct(_ context.Context, a offer.Act, most int) error {
	defer s.locked()()
	n := 0
	for _, v := range s.acts {
		if v.Recipient == a.Recipient {
			n++
		}
	}
	if n >= most {
		return fault.New(fault.Limited, offer.CodeActs, "")
	}
	s.acts = append(s.acts, a)
	return nil
}

// OfferActs implements offer.Store.
func (s *Store) OfferActs(_ context.Context, t tenant.ID, o offer.ID, r offer.RecipientID) ([]offer.Act, error) {
	return s.those(func(a offer.Act) bool {
		return a.Tenant == t && a.Offer == o && (r.IsZero() || a.Recipient == r)
	}), nil
}

// OfferWithdrawals implements offer.Store.
func (s *Store) OfferWithdrawals(_ context.Context, t tenant.ID, _ int) ([]offer.Act, error) {
	return s.those(func(a offer.Act) bool {
		return a.Tenant == t && a.Kind == offer.Withdrawn && a.HandledAt.IsZero()
	}), nil
}

// UnansweredOfferActs implements offer.Unanswered.
func (s *Store) UnansweredOfferActs(_ context.Context, before time.Time, _ int) ([]offer.Act, error) {
	return s.those(func(a offer.Act) bool { return !a.Answered && a.At.Before(before) }), nil
}

func (s *Store) those(is func(offer.Act) bool) (list []offer.Act) {
	defer s.locked()()
	for _, a := range s.acts {
		if is(a) {
			list = append(list, a)
		}
	}
	return list
}

// SettleOfferAct implements offer.Store.
func (s *Store) SettleOfferAct(_ context.Context, a offer.Act) error {
	defer s.locked()()
	for i, old := range s.acts {
		if old.ID == a.ID {
			s.acts[i] = a
			return nil
		}
	}
	return unknown()
}

// CountOfferWithdrawals implements offer.Store.
func (s *Store) CountOfferWithdrawals(ctx context.Context, t tenant.ID) (int, time.Time, error) {
	list, err := s.OfferWithdrawals(ctx, t, 0)
	if len(list) == 0 {
		return 0, time.Time{}, err
	}
	return len(list), list[0].At, err
}
