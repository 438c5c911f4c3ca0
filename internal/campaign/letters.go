package campaign

import (
	"context"
	"encoding/json"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/ingest"
	"stafette/internal/message"
)

// What follows is for letters that other rooms send in steps of their own (series): the same
// letter, the same gate, the same record.

// varEvent begins the names of what an event brought, in letters of a Campaign with Events.
const varEvent = "event."

// Formed compiles a letter and holds it to the rules of its form, as Create does. Errors are
// those of Create.
func (s *Service) Formed(ctx context.Context, c Campaign) (Campaign, error) {
	if err := s.compose(ctx, &c); err != nil {
		return c, err
	}
	err := s.check(ctx, &c)
	return c, err
}

// ReadyLetter says what keeps a letter from being sent to its groups: what Ready says, but for
// the approval of the mailing by a colleague. nil: nothing does.
func (s *Service) ReadyLetter(ctx context.Context, c Campaign) error {
	if err := c.complete(); err != nil {
		return err
	}
	f, err := newForm(c)
	if err != nil {
		return err
	}
	return s.readyLetter(ctx, c, f)
}

// ReadyGroups says which of the groups of a campaign is not approved. nil: none.
func (s *Service) ReadyGroups(ctx context.Context, c Campaign) error { return s.readyGroups(ctx, c) }

// Reasons says which contacts get no mail of mailings now, and why: suppressions and the
// frequency cap.
func (s *Service) Reasons(ctx context.Context, c Campaign, list []audience.Contact) (map[audience.ContactID]string, error) {
	return s.reasons(ctx, c.Tenant, list)
}

// Submissions are the mails of a letter to people as ingest takes them, each with its
// identifier and, of a Campaign with Events, what an event brought.
func Submissions(c Campaign, list []Addressee) ([]ingest.Submission, error) {
	f, err := newForm(c)
	if err != nil {
		return nil, err
	}
	subs := make([]ingest.Submission, len(list))
	for i, a := range list {
		r := Recipient{Delivery: a.Delivery}
		if len(c.Groups) > 0 {
			r.Group = c.Groups[0]
		}
		if subs[i], err = submission(c, f, r, a.Contact); err != nil {
			return nil, err
		}
		if len(a.Event) > 0 && c.Events {
			subs[i].Letter.Data = withEvent(subs[i].Letter.Data, a.Event)
			data := map[string]any{}
			if json.Unmarshal(subs[i].Letter.Data, &data) == nil {
				if subject, err := f.subject.RenderLine(data); err == nil && len(subject) <= maxSubjectBytes {
					subs[i].Draft.Subject = subject
				}
			}
		}
	}
	return subs, nil
}

// Addressee is somebody a letter goes to.
type Addressee struct {
	Contact  audience.Contact
	Delivery message.DeliveryID // of the mail
	Event    json.RawMessage    // an object, or nothing
}

// withEvent puts an event into merge data; an event that is no object changes nothing.
func withEvent(data, event json.RawMessage) json.RawMessage {
	var all map[string]json.RawMessage
	var brought map[string]any
	if json.Unmarshal(data, &all) != nil || json.Unmarshal(event, &brought) != nil {
		return data
	}
	all[strings.TrimSuffix(varEvent, ".")] = event
	text, err := json.Marshal(all)
	if err != nil {
		return data
	}
	return text
}

// Answered turns what ingest said of a mail into Accepted, or Excluded with its reason. What
// may pass, and what holds for everybody, stays an error.
func Answered(res ingest.Result) (RecipientState, string, error) {
	r, err := answer(Recipient{}, res)
	return r.State, r.Reason, err
}
