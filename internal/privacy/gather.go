package privacy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// GatherStore finds people that mail was written to.
type GatherStore interface {
	// Gathering lists the tenants that want contacts made of the people they write to.
	Gathering(ctx context.Context) ([]tenant.ID, error)
	// Unknown returns recipients without a contact, of the next limit messages accepted
	// before an instant that nobody has looked at yet, as far as they are on the streams;
	// and the last of these messages, which is zero when there are none.
	Unknown(ctx context.Context, t tenant.ID, streams []tenant.Stream, before time.Time, limit int) ([]message.Mailbox, message.ID, error)
	// Gathered notes that messages up to one were looked at.
	Gathered(ctx context.Context, t tenant.ID, m message.ID) error
}

const (
	// gatherStep is how many messages are looked at together.
	gatherStep = 500
	// gatherLag leaves mail of the last moments out: a commit under way may still bring some
	// with an earlier identifier.
	gatherLag = time.Minute
)

// gathered are the streams on which a person is written to for their own sake. A mailing
// list is no reason to store its members a second time.
func gathered() []tenant.Stream {
	return []tenant.Stream{tenant.Transactional, tenant.Lead, tenant.Reminder}
}

// Gather makes contacts of the people that were lately written to, for the tenants that
// want it. It is meant to run every minute.
func (s *Service) Gather(ctx context.Context) error {
	list, err := s.c.Store.Gathering(ctx)
	if err != nil {
		return fmt.Errorf("gather contacts: %w", err)
	}
	for _, t := range list {
		if err := s.gather(ctx, t); err != nil {
			return fmt.Errorf("gather contacts of %s: %w", t, err)
		}
	}
	return nil
}

func (s *Service) gather(ctx context.Context, t tenant.ID) error {
	for {
		people, last, err := s.c.Store.Unknown(ctx, t, gathered(), s.c.Now().Add(-gatherLag), gatherStep)
		if err != nil || last.IsZero() {
			return err
		}
		for _, box := range people {
			c := audience.Contact{Addresses: []message.Address{box.Address}}
			c.GivenName, c.FamilyName = names(box.Name)
			_, err := s.c.Contacts.Create(ctx, t, c, audience.OriginMail, "system")
			// Somebody else may have stored the person, and what stands in a header need be no name.
			if err != nil && !fault.IsKind(err, fault.Conflict) && !fault.IsKind(err, fault.Invalid) {
				return err
			}
		}
		if err := s.c.Store.Gathered(ctx, t, last); err != nil {
			return err
		}
		if err := pause(ctx, foldPause); err != nil {
			return err
		}
	}
}

// names takes a display name apart: the last word is the family name, or what stands
// before a comma.
func names(display string) (given, family string) {
	display = strings.TrimSpace(display)
	if strings.Contains(display, "@") {
		return "", ""
	}
	if before, after, ok := strings.Cut(display, ","); ok {
		return strings.TrimSpace(after), strings.TrimSpace(before)
	}
	words := strings.Fields(display)
	if len(words) == 0 {
		return "", ""
	}
	return strings.Join(words[:len(words)-1], " "), words[len(words)-1]
}
