package offer

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Facts are what is known of one recipient of an offer. Proof and indication are kept
// apart: Acts are deeds, Seen are looks.
type Facts struct {
	Offer     Offer
	Recipient Recipient
	// Mail is the mail with the link; nil: none was accepted, or it was erased.
	Mail *Mailing
	// Versions are those that Acts refer to and the one that is shown now, by number.
	Versions map[int]Version
	Acts     []Act
	Likes    []Like
	Seen     []tracking.Activity
}

// Mailing is a mail and what became of it.
type Mailing struct {
	Message    message.ID
	MessageID  string // header, without angle brackets
	Subject    string
	AcceptedAt time.Time
	Delivery   message.DeliveryID
	State      event.State
	// Accepted is the attempt in which the recipient's server took responsibility; nil: it
	// has not.
	Accepted   *event.Attempt
	AcceptedBy time.Time // when it did
}

// Facts returns what is known of a recipient; NotFound CodeUnknown.
func (s *Service) Facts(ctx context.Context, t tenant.ID, o ID, r RecipientID) (Facts, error) {
	f := Facts{Versions: map[int]Version{}}
	var err error
	if f.Offer, err = s.Offer(ctx, t, o); err != nil {
		return Facts{}, err
	}
	if f.Recipient, err = s.Recipient(ctx, t, o, r); err != nil {
		return Facts{}, err
	}
	if f.Acts, err = s.Acts(ctx, t, o, r); err != nil {
		return Facts{}, err
	}
	likes, err := s.Likes(ctx, t, o)
	if err != nil {
		return Facts{}, err
	}
	for _, l := range likes {
		if l.Recipient == r {
			f.Likes = append(f.Likes, l)
		}
	}
	numbers := map[int]bool{f.Offer.Version: f.Offer.Version > 0}
	for _, a := range f.Acts {
		numbers[a.Version] = true
	}
	for n, there := range numbers {
		if !there {
			continue
		}
		if f.Versions[n], err = s.Version(ctx, t, o, n); err != nil {
			return Facts{}, err
		}
	}
	if f.Mail, err = s.mailing(ctx, f.Recipient); err != nil {
		return Facts{}, err
	}
	if f.Seen, err = s.Seen(ctx, f.Recipient); err != nil {
		return Facts{}, fmt.Errorf("read indications: %w", err)
	}
	return f, nil
}

func (s *Service) mailing(ctx context.Context, r Recipient) (*Mailing, error) {
	if r.Message.IsZero() || s.c.Mail == nil {
		return nil, nil //nolint:nilnil // there is no mail
	}
	m, err := s.c.Mail.Message(ctx, r.Tenant, r.Message)
	if fault.IsKind(err, fault.NotFound) {
		return nil, nil //nolint:nilnil // it is gone
	}
	if err != nil {
		return nil, fmt.Errorf("read mail of offer: %w", err)
	}
	v := &Mailing{Message: m.ID, MessageID: m.MessageID, Subject: m.Subject, AcceptedAt: m.AcceptedAt}
	if len(m.Deliveries) == 0 {
		return v, nil
	}
	v.Delivery, v.State = m.Deliveries[0].ID, m.Deliveries[0].State
	facts, err := s.c.Mail.Events(ctx, r.Tenant, m.ID)
	if err != nil {
		return nil, fmt.Errorf("read mail of offer: %w", err)
	}
	for _, e := range facts {
		if e.Delivery == v.Delivery && e.Type == event.Completed && e.Attempt != nil {
			v.Accepted, v.AcceptedBy = e.Attempt, e.At
		}
	}
	return v, nil
}
