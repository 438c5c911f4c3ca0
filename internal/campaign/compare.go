package campaign

import (
	"context"
	"fmt"

	"stafette/internal/audience"
	"stafette/internal/tracking"
)

// Past is a campaign with what became of it.
type Past struct {
	Campaign
	Report
}

const (
	// compared is how many earlier campaigns a report stands beside.
	compared = 5
	// lookedAt bounds how many are looked at to find them.
	lookedAt = 50
)

// Earlier are the campaigns before c that were handed over whole, from new to old, at most
// five.
func (s *Service) Earlier(ctx context.Context, c Campaign) ([]Past, error) {
	found, _, err := s.c.Store.Campaigns(ctx, c.Tenant, c.ID, lookedAt)
	if err != nil {
		return nil, fmt.Errorf("find earlier campaigns: %w", err)
	}
	var list []Past
	for _, v := range found {
		if v.State != Sent || v.Accepted == 0 {
			continue
		}
		r, err := s.Report(ctx, v.Tenant, v.ID)
		if err != nil {
			return nil, err
		}
		if list = append(list, Past{v, r}); len(list) == compared {
			break
		}
	}
	return list, nil
}

// LinkMap is the HTML of a version as the first member of the groups gets it, with a sign in
// each link that is counted.
func (s *Service) LinkMap(ctx context.Context, c Campaign, v Version, sign func(number int) string) (string, error) {
	shown, err := s.Sample(ctx, c.as(v), audience.ContactID{})
	if err != nil {
		return "", err
	}
	return tracking.Annotate(tracking.Markup{HTML: shown.HTML, Keep: []string{sampleLink}}, sign), nil
}

// Rates are the shares of a report in percent, -1 where there is nothing they are of.
type Rates struct {
	// Delivered is of what was accepted, Rejected too; Opened and Clicked by persons are of
	// the mails that may tell; Unsubscribed and Complained of what was delivered.
	Delivered, Rejected, Opened, Clicked, Unsubscribed, Complained float64
}

// RatesOf are the rates of a campaign of which so many mails were accepted.
func RatesOf(accepted int64, r Report) Rates {
	delivered := r.Fates["delivered"]
	return Rates{
		Delivered: ShareOf(delivered, accepted), Rejected: ShareOf(r.Fates["bounced"]+r.Fates["expired"], accepted),
		Opened: ShareOf(r.Persons.Opened, r.Telling), Clicked: ShareOf(r.Persons.Clicked, r.Telling),
		Unsubscribed: ShareOf(r.Unsubscribed, delivered), Complained: ShareOf(r.Complained, delivered),
	}
}

// ShareOf is n of all in percent, -1 where there are none.
func ShareOf(n, all int64) float64 {
	if all <= 0 {
		return -1
	}
	return 100 * float64(min(n, all)) / float64(all)
}
