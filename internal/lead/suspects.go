package lead

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// CodeNotSuspect is a lead that a person has decided about already.
const CodeNotSuspect = "lead_not_suspect"

// Release sends a suspect lead after all, as if it had just been taken.
func (s *Service) Release(ctx context.Context, t tenant.ID, number ID) (Lead, error) {
	l, err := s.suspect(ctx, t, number)
	if err != nil {
		return l, err
	}
	l.State, l.Reason = Taken, ""
	// From here on Resume finds it, whatever happens to the mail.
	if err := s.c.Store.SettleLead(ctx, l); err != nil {
		return l, fmt.Errorf("release lead: %w", err)
	}
	if err := s.send(ctx, &l); err != nil {
		s.c.Log.ErrorContext(ctx, "send released lead", "lead", l.ID.String(), "err", err)
	}
	return l, nil
}

// Discard erases the content of a suspect lead. Number, object and time stay.
func (s *Service) Discard(ctx context.Context, t tenant.ID, number ID) (Lead, error) {
	l, err := s.suspect(ctx, t, number)
	if err != nil {
		return l, err
	}
	l.State, l.Sealed, l.Salt = Discarded, nil, seal.Salt{}
	if err := s.c.Store.SettleLead(ctx, l); err != nil {
		return l, fmt.Errorf("discard lead: %w", err)
	}
	return l, nil
}

func (s *Service) suspect(ctx context.Context, t tenant.ID, number ID) (Lead, error) {
	l, err := s.c.Store.Lead(ctx, t, number)
	if err != nil {
		return l, fmt.Errorf("read suspect lead: %w", err)
	}
	if l.State != Suspect {
		return l, fault.New(fault.Conflict, CodeNotSuspect, "Somebody has decided about this lead already.")
	}
	if len(l.Sealed) == 0 {
		return l, fault.New(fault.Conflict, CodeGone, "The content of this lead is no longer kept.")
	}
	return l, nil
}

// HasTwin reports whether the advertiser got the same enquiry, by its RequestHash, at or
// after since.
func (s *Service) HasTwin(ctx context.Context, t tenant.ID, advertiser string, request [32]byte, since time.Time) (bool, error) {
	return s.c.Store.HasLeadLike(ctx, t, advertiser, request, since)
}

// Waiting has to do where leads are stopped or suspect; it implements
// insight.TodoSource.
type Waiting struct {
	Store interface {
		CountLeads(ctx context.Context, t tenant.ID, state State) (int, time.Time, error)
	}
}

// Todos implements insight.TodoSource.
func (w Waiting) Todos(ctx context.Context, t tenant.ID, _ time.Time) (list []insight.Todo, err error) {
	for _, one := range []struct {
		state State
		link  string
	}{{Stopped, "/leads?state=stopped&tests=1"}, {Suspect, "/lead-suspects"}} {
		n, since, err := w.Store.CountLeads(ctx, t, one.state)
		if err != nil {
			return list, fmt.Errorf("count waiting leads: %w", err)
		}
		if n > 0 {
			kind := "leads_" + string(one.state)
			list = append(list, insight.Todo{Key: kind, Kind: kind, Args: i18n.Args{"n": n}, Mark: "held", Link: one.link, Since: since})
		}
	}
	return list, nil
}

var _ insight.TodoSource = Waiting{}
