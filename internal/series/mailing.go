package series

import (
	"context"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/ingest"
)

// Mailing is the letter of a step that sends, as mail is made of it and package preflight looks
// it over. NotFound CodeNotFound if there is no such step.
func (v Series) Mailing(key string) (campaign.Campaign, error) {
	step, i := v.Definition.Step(key)
	if i < 0 || step.Do != Send {
		return campaign.Campaign{}, fault.New(fault.NotFound, CodeNotFound, "There is no step of this key that sends.")
	}
	return v.mailing(step), nil
}

// Letters are the letters of all steps that send, as Mailing returns them, by the step's key.
func (v Series) Letters() map[string]campaign.Campaign {
	list := map[string]campaign.Campaign{}
	for _, step := range v.Definition.Steps {
		if step.Do == Send {
			list[step.Key] = v.mailing(step)
		}
	}
	return list
}

// SendTests sends the letter of a step to addresses of one's own, as campaign.Service.SendTests
// does of a mailing, whatever the state of the series. What an event would bring is empty.
// Errors: those of Mailing and of campaign.Service.SendTests.
func (s *Service) SendTests(ctx context.Context, who ingest.Principal, number ID, key string, to []string, seeds bool, contact audience.ContactID) ([]campaign.Tried, error) {
	v, err := s.Series(ctx, who.Tenant, number)
	if err != nil {
		return nil, err
	}
	c, err := v.Mailing(key)
	if err != nil {
		return nil, err
	}
	return s.c.Letters.TestLetter(ctx, who, c, to, seeds, contact)
}
