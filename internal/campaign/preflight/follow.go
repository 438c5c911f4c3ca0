package preflight

import (
	"context"
	"fmt"

	"stafette/internal/campaign"
)

// Known are the last checks of letters, by the keys of letters; those that were never checked
// are left out. It is asked before the letters are changed: a letter of a series that gives way
// takes its check with it.
func (s *Service) Known(ctx context.Context, letters map[string]campaign.Campaign) (map[string]Check, error) {
	list := map[string]Check{}
	for key, c := range letters {
		last, err := s.Last(ctx, c.Tenant, c.ID)
		if err != nil {
			return nil, fmt.Errorf("read check of letter: %w", err)
		}
		if !last.At.IsZero() {
			list[key] = last
		}
	}
	return list, nil
}

// Follow looks letters over anew that were changed since they were checked: known is what Known
// said before the change, letters are those after it, by the same keys. What was never checked
// is not, and what did not change keeps its check.
//
// With begin false nobody is asked anything: that there was a check, and of an earlier text, is
// all that is kept. That is for what a script saves while somebody writes; asking strangers for
// the links of each half sentence would help nobody.
//
// The change is kept already when this is called, so what fails here is logged and leaves the
// letter without a check.
func (s *Service) Follow(ctx context.Context, known map[string]Check, letters map[string]campaign.Campaign, begin bool) {
	for key, was := range known {
		c, ok := letters[key]
		if !ok || was.Hash == campaign.Print(c) && was.Campaign == c.ID {
			continue
		}
		var err error
		switch same := was.Hash == campaign.Print(c); {
		case same: // made otherwise, but the same mail: what was found goes with it
			was.Campaign = c.ID
			err = s.c.Store.BeginCampaignCheck(ctx, was)
		case begin:
			err = s.begin(ctx, c, true)
		case was.Campaign != c.ID:
			was.Campaign, was.Over, was.Found = c.ID, true, Found{}
			err = s.c.Store.BeginCampaignCheck(ctx, was)
		}
		if err != nil {
			s.c.Log.WarnContext(ctx, "check of a changed letter was not begun anew", "letter", c.ID, "err", err)
		}
	}
}
