package main

import (
	"context"

	"stafette/internal/campaign"
	"stafette/internal/i18n"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// tellComment writes to those whom a comment on a mailing concerns. That nobody could be
// written to is logged: the comment is there, and counts as new for everybody.
func (p *platform) tellComment(ctx context.Context, c campaign.Campaign, v campaign.Comment) {
	if err := p.reminder().aboutComment(ctx, p.store, c, v); err != nil {
		p.log.WarnContext(ctx, "comment not told of", "campaign", c.ID.String(), "comment", v.ID.String(), "err", err)
	}
}

// aboutComment writes to each of campaign.Talkers who works in the account.
func (r reminder) aboutComment(ctx context.Context, store campaign.Store, c campaign.Campaign, v campaign.Comment) error {
	account, err := r.store.Tenant(ctx, c.Tenant)
	if err != nil {
		return err
	}
	earlier, err := store.CampaignComments(ctx, c.Tenant, c.ID)
	if err != nil {
		return err
	}
	people, err := r.store.Users(ctx, c.Tenant)
	if err != nil {
		return err
	}
	// A key has no name of its own here: the account speaks.
	name := account.Name
	if !v.Review.IsZero() {
		name = v.Author
	}
	for _, u := range people {
		if v.Review.IsZero() && u.ID.String() == v.Author && u.Name != "" {
			name = u.Name
		}
	}
	link, meant := "/campaigns/"+c.ID.String()+"#"+v.ID.String(), campaign.Talkers(c, earlier, v)
	write := func(kind string, to func(number string) bool) error {
		return r.writeTo(ctx, account, func(u tenant.User) bool { return meant[u.ID.String()] && to(u.ID.String()) }, func(i18n.Lang) notice.Letter {
			return notice.Letter{Kind: kind, Link: link, Key: "comment/" + v.ID.String(), Args: map[string]string{"name": name, "campaign": c.Name, "text": v.Text}}
		})
	}
	if err := write("campaign_asked", func(number string) bool { return number == v.Asked }); err != nil {
		return err
	}
	return write("campaign_comment", func(number string) bool { return number != v.Asked })
}
