package feeds

import (
	"fmt"
	"net/http"
	"strconv"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/feed"
	"stafette/internal/web/frame"
)

// sheet is the page of one feed.
type sheet struct {
	feed.Feed
	frame.View
	config Config
	groups []groupBox
	done   string
	looks  []feed.Look
	any    bool
}

func (c Config) looksRoll(p frame.Page, f feed.Feed) frame.Roll[feed.Look] {
	cell := func(key string, text func(feed.Look) string) frame.Cell[feed.Look] {
		return frame.Cell[feed.Look]{Column: frame.Column{Key: key, Title: p.T("feeds.look." + key)}, Text: text}
	}
	at := cell("at", func(l feed.Look) string { return p.Full(l.At) })
	at.Order = func(a, b feed.Look) int { return a.At.Compare(b.At) }
	fresh := cell("new", func(l feed.Look) string { return strconv.Itoa(l.New) })
	fresh.Number, fresh.Order = true, func(a, b feed.Look) int { return a.New - b.New }
	return frame.Roll[feed.Look]{Listing: frame.Listing{Path: feed.Path(f.ID)}, Cells: []frame.Cell[feed.Look]{
		at, cell("outcome", func(l feed.Look) string { return c.outcome(p, l) }), fresh, cell("mailing", func(l feed.Look) string { return mailing(l) }),
	}}
}

// mailing is the address of what a look made, "" for nothing.
func mailing(l feed.Look) string {
	if l.Campaign.IsZero() {
		return ""
	}
	return mailingPath(l.Campaign)
}

func mailingPath(c campaign.ID) string { return "/campaigns/" + c.String() }

func (c Config) looks(r *http.Request, p frame.Page) (sheet, frame.Roll[feed.Look], error) {
	f, err := c.find(r, p)
	if err != nil {
		return sheet{}, frame.Roll[feed.Look]{}, err
	}
	l := c.looksRoll(p, f)
	list, err := c.Feeds.Looks(r.Context(), p.Tenant(), f.ID)
	if err != nil {
		return sheet{}, l, fmt.Errorf("list looks: %w", err)
	}
	s := sheet{Feed: f, config: c, any: len(list) > 0}
	s.View, s.looks = l.Read(r, list)
	return s, l, nil
}

func (c Config) showOne(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, _, err := c.looks(r, p)
	if err != nil {
		return err
	}
	if s.groups, err = c.groupBoxes(r, p, s.Groups); err != nil {
		return err
	}
	s.done = p.Done("saved", "created", "paused", "resumed", "state")
	p.Room, p.Title = room, s.Name
	return p.Render(w, r, http.StatusOK, onePage(p, s))
}

func (c Config) exportLooks(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, l, err := c.looks(r, p)
	if err != nil {
		return err
	}
	return l.CSV(w, p, p.T("feeds.filename.looks"), s.looks)
}

// unapproved are the groups of the feed to which nothing can be sent.
func (s sheet) unapproved() (list []groupBox) {
	for _, g := range s.groups {
		if g.chosen && g.approval != audience.ApprovalGiven {
			list = append(list, g)
		}
	}
	return list
}

func (s sheet) facts(p frame.Page) []frame.Fact {
	names := ""
	for _, g := range s.groups {
		if g.chosen {
			if names != "" {
				names += ", "
			}
			names += g.Name
		}
	}
	content := "brand"
	switch {
	case s.Template != "":
		content = "template"
	case s.HTML != "":
		content = "html"
	}
	will := "draft"
	if s.Send {
		will = "send"
	}
	next := p.T("feeds.next.paused")
	if !s.Paused {
		next = p.Full(s.NextAt)
	}
	return []frame.Fact{{Name: p.T("feeds.field.url"), Value: s.URL}, {Name: p.T("feeds.col.rhythm"), Value: rhythm(p, s.Schedule)}, {Name: p.T("feeds.col.next"), Value: next},
		{Name: p.T("feeds.field.send"), Value: p.T("feeds.send." + will)}, {Name: p.T("campaigns.field.group_ids"), Value: names}, {Name: p.T("campaigns.field.from"), Value: s.From},
		{Name: p.T("campaigns.field.subject"), Value: s.Subject}, {Name: p.T("feeds.field.source"), Value: p.T("feeds.source." + content)}, {Name: p.T("feeds.field.most"), Value: p.Number(int64(s.Most))}}
}
