package series

import (
	"context"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
)

// Rehearsed is a step as a contact would come to it.
type Rehearsed struct {
	Step    Step
	At      time.Time // when, if the series began now and nothing is slow
	Outcome Outcome   // Sent: a test mail left; Excluded: it did not, for Reason
	Reason  string
}

// Rehearse goes through a series with one contact without anybody being written to: waits are
// over at once, filters are asked now, what is asked of mail ("opened") does not hold, tags are
// left as they are, and each mail goes to own addresses as a test mail, filled with the
// contact's data. Without to nothing is sent at all. The series may be in any state. Errors:
// "contact_not_found", those of campaign.Service.TestLetter.
func (s *Service) Rehearse(ctx context.Context, who ingest.Principal, number ID, contact audience.ContactID, to []string) ([]Rehearsed, error) {
	v, err := s.Series(ctx, who.Tenant, number)
	if err != nil {
		return nil, err
	}
	person, err := s.c.Contacts.Contact(ctx, who.Tenant, contact)
	if err != nil {
		return nil, err
	}
	key, err := s.zoneKey(ctx, who.Tenant)
	if err != nil {
		return nil, err
	}
	zone, err := s.zone(ctx, who.Tenant, v.Definition)
	if err != nil {
		return nil, err
	}
	var list []Rehearsed
	at := s.stamp()
	for i := 0; i < len(v.Definition.Steps); {
		step := v.Definition.Steps[i]
		r := Rehearsed{Step: step, At: at, Outcome: Passed}
		i++
		switch step.Do {
		case Wait:
			at = step.until(at, step.clock(person, key, zone))
		case Check:
			if r.Outcome, err = s.rehearseCheck(ctx, who.Tenant, step, contact); err != nil {
				return list, err
			}
			if r.Outcome == No {
				_, other := v.Definition.Step(step.Else)
				if i = other; i < 0 {
					i = len(v.Definition.Steps)
				}
			}
		case Send:
			if err := s.rehearseSend(ctx, who, v.mailing(step), to, contact, &r); err != nil {
				return list, err
			}
		case End:
			i = len(v.Definition.Steps)
		case Tag, Untag:
		}
		list = append(list, r)
	}
	return list, nil
}

func (s *Service) rehearseCheck(ctx context.Context, t tenant.ID, step Step, contact audience.ContactID) (Outcome, error) {
	if step.Filter == nil {
		return No, nil
	}
	holds, err := s.c.Store.Picked(ctx, t, *step.Filter, []audience.ContactID{contact})
	if err != nil || !holds[contact] {
		return No, err
	}
	return Yes, nil
}

func (s *Service) rehearseSend(ctx context.Context, who ingest.Principal, c campaign.Campaign, to []string, contact audience.ContactID, r *Rehearsed) error {
	if len(to) == 0 {
		return nil
	}
	tried, err := s.c.Letters.TestLetter(ctx, who, c, to, false, contact)
	if err != nil {
		return err
	}
	r.Outcome = Sent
	for _, one := range tried {
		if f := fault.As(one.Err); f != nil {
			r.Outcome, r.Reason = Excluded, f.Code
		}
	}
	return nil
}
