package campaigns

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"stafette/internal/campaign"
	"stafette/internal/web/frame"
)

// mailingsShown is how many mailings the list has at most: the newest, some years of them.
const mailingsShown = 2000

// roll is the table of mailings; in the file stands the number of each.
func roll(p frame.Page) frame.Roll[campaign.Campaign] {
	cell := func(key string, text func(campaign.Campaign) string) frame.Cell[campaign.Campaign] {
		return frame.Cell[campaign.Campaign]{Column: frame.Column{Key: key, Title: p.T("campaigns.col." + key)}, Text: text}
	}
	count := func(key string, of func(campaign.Campaign) int64) frame.Cell[campaign.Campaign] {
		one := cell(key, func(c campaign.Campaign) string { return strconv.FormatInt(of(c), 10) })
		one.Number, one.Order = true, func(a, b campaign.Campaign) int { return int(of(a) - of(b)) }
		return one
	}
	at := cell("at", func(c campaign.Campaign) string { return frame.Stamp(when(c)) })
	at.Order = func(a, b campaign.Campaign) int { return when(a).Compare(when(b)) }
	number := frame.Cell[campaign.Campaign]{Column: frame.Column{Key: "number", Title: p.T("campaigns.number")}, Text: func(c campaign.Campaign) string { return c.ID.String() }, File: true}
	return frame.Roll[campaign.Campaign]{Listing: frame.Listing{Path: home, Sort: "at", Descending: true, Filters: []string{"state"}}, Cells: []frame.Cell[campaign.Campaign]{
		cell("name", func(c campaign.Campaign) string { return c.Name }), number,
		cell("state", func(c campaign.Campaign) string { return p.T("campaigns.state." + string(c.State)) }),
		count("accepted", func(c campaign.Campaign) int64 { return c.Accepted }), count("excluded", func(c campaign.Campaign) int64 { return c.Excluded }), at,
	}}
}

// mailings puts those that the address asks for into the list.
func (c Config) mailings(r *http.Request, p frame.Page, l *list) error {
	all, more, err := c.Campaigns.Campaigns(r.Context(), p.Tenant(), campaign.ID{}, mailingsShown)
	if err != nil {
		return fmt.Errorf("list campaigns: %w", err)
	}
	l.any, l.more = len(all) > 0, more
	l.View, l.campaigns = roll(p).Read(r, all)
	if state := l.Filter("state"); state != "" {
		l.campaigns = slices.DeleteFunc(l.campaigns, func(one campaign.Campaign) bool { return string(one.State) != state })
	}
	return nil
}

// states are those that mailings may be asked for.
func states(p frame.Page) []frame.Option {
	list := []frame.Option{{Text: p.T("campaigns.state.any")}}
	for _, one := range campaign.States() {
		list = append(list, frame.Option{Value: string(one), Text: p.T("campaigns.state." + string(one))})
	}
	return list
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	var l list
	if err := c.mailings(r, p, &l); err != nil {
		return err
	}
	return roll(p).CSV(w, p, p.T("campaigns.filename"), l.campaigns)
}
