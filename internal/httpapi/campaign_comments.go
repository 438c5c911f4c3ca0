package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/tenant"
)

// campaignCommentRoutes are about what is said of a mailing, before and after it is sent.
func campaignCommentRoutes() []Route {
	const at = "/v1/campaigns/{id}/comments"
	return []Route{
		{Method: http.MethodGet, Path: at, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "list-campaign-comments", summary: "What colleagues and reviewers said about a mailing", register: registerWith((*API).listCampaignComments)},
		{Method: http.MethodPost, Path: at, Scope: tenant.ScopeSend, MaxBody: 32 << 10, media: "application/json", status: 201, errors: []int{404, 422},
			id: "comment-campaign", summary: "Say something about a mailing or one of its blocks", register: registerWith((*API).commentCampaign)},
	}
}

// CampaignComment is a word about a mailing. It decides nothing.
type CampaignComment struct {
	ID         campaign.CommentID `json:"id"`
	Text       string             `json:"comment"`
	Block      int                `json:"block" doc:"Number of the block it is about, from 1; 0: the whole mailing"`
	Author     string             `json:"author" doc:"Identifier of a user or a key, or the name that was given behind the link of a review"`
	Review     *campaign.ReviewID `json:"review_id" doc:"That of the link; null: somebody of the account"`
	Asked      *string            `json:"asked_id" doc:"Identifier of the user who is to answer, and was told so by mail; null: nobody in particular"`
	At         time.Time          `json:"created_at"`
	ResolvedAt *time.Time         `json:"resolved_at" doc:"null: open"`
}

func campaignComment(c campaign.Comment) CampaignComment {
	v := CampaignComment{ID: c.ID, Text: c.Text, Block: c.Block, Author: c.Author, At: c.At, ResolvedAt: timeOrNull(c.ResolvedAt)}
	if !c.Review.IsZero() {
		v.Review = &c.Review
	}
	if c.Asked != "" {
		v.Asked = &c.Asked
	}
	return v
}

type campaignCommentsOutput struct {
	Body struct {
		Data []CampaignComment `json:"data" nullable:"false" doc:"From old to new, at most 300"`
	}
}

func (a *API) listCampaignComments(ctx context.Context, in *CampaignPath) (*campaignCommentsOutput, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list, err := a.c.Campaigns.Comments(ctx, c.Tenant, c.ID)
	if err != nil {
		return nil, err
	}
	out := &campaignCommentsOutput{}
	out.Body.Data = append([]CampaignComment{}, converted(list, campaignComment)...)
	return out, nil
}

type commentCampaignInput struct {
	CampaignPath
	Body struct {
		Text  string `json:"comment" maxLength:"4000" doc:"1 to 4,000 bytes" example:"Bitte den Termin prüfen."`
		Block int    `json:"block,omitempty" doc:"Number of a block, from 1 to 60; left out: the whole mailing"`
		Asked string `json:"asked_id,omitempty" maxLength:"40" doc:"Identifier of a user of the account who is to answer"`
	}
}

func (a *API) commentCampaign(ctx context.Context, in *commentCampaignInput) (*struct{ Body CampaignComment }, error) {
	number, err := campaignID(in.ID)
	if err != nil {
		return nil, err
	}
	c, err := a.c.Campaigns.Comment(ctx, principalOf(ctx), number, campaign.Comment{Block: in.Body.Block, Text: in.Body.Text, Asked: in.Body.Asked})
	if err != nil {
		return nil, err
	}
	return &struct{ Body CampaignComment }{campaignComment(c)}, nil
}
