package campaign

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
)

// CommentKind is the id.Kind of comments.
type CommentKind struct{}

// Prefix implements id.Kind.
func (CommentKind) Prefix() string { return "cmt" }

// CommentID names a comment.
type CommentID = id.Of[CommentKind]

// Comment is a word of a colleague, or of somebody behind the link of a review, about a
// mailing.
type Comment struct {
	ID       CommentID
	Tenant   tenant.ID
	Campaign ID
	// Block is the number of the block it is about, from 1; 0: the whole mailing.
	Block int
	// Author is a user's identifier, or the name that was given behind the link.
	Author string
	// Review is that of the link; zero for a colleague's.
	Review ReviewID
	// Asked is the identifier of the user who is to answer; "": nobody in particular.
	Asked string
	Text  string
	At    time.Time
	// ResolvedAt is when somebody called it settled, and ResolvedBy who; zero while it is open.
	ResolvedAt time.Time
	ResolvedBy string
}

// Limits of comments.
const (
	MaxComments = 300 // of one campaign
	maxComment  = 4000
	maxBlock    = 60
)

// CodeComment is a comment that is not there: NotFound.
const CodeComment = "campaign_comment_unknown"

// CodeAsked is somebody asked who is none of the account's people: Invalid.
const CodeAsked = "campaign_comment_asked_unknown"

// Colleagues tells who works in an account; tenant.Store does.
type Colleagues interface {
	// User returns one of the account's people. The error is NotFound for anybody else.
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
}

// Comments lists those of a campaign from old to new.
func (s *Service) Comments(ctx context.Context, t tenant.ID, c ID) ([]Comment, error) {
	return s.c.Store.CampaignComments(ctx, t, c)
}

// Comment keeps a colleague's: Block, Text and Asked of v. Who writes has read what was
// there. The error is Invalid CodeAsked where somebody is asked who does not work in the
// account.
func (s *Service) Comment(ctx context.Context, who ingest.Principal, number ID, v Comment) (Comment, error) {
	c, err := s.c.Store.Campaign(ctx, who.Tenant, number)
	if err != nil {
		return Comment{}, err
	}
	if err := s.mayAsk(ctx, c.Tenant, v.Asked); err != nil {
		return Comment{}, err
	}
	return s.comment(ctx, c, Comment{Tenant: c.Tenant, Campaign: c.ID, Block: v.Block, Author: who.Actor, Asked: v.Asked, Text: v.Text})
}

// mayAsk reports whether a comment may ask somebody: one of the account's people.
func (s *Service) mayAsk(ctx context.Context, t tenant.ID, asked string) error {
	unknown := fault.Field("asked_id", CodeAsked, "Nobody in this account has this identifier.")
	switch {
	case asked == "":
		return nil
	case s.c.Colleagues == nil:
		return unknown
	}
	u, err := id.Parse[tenant.UserKind](asked)
	if err != nil {
		return unknown
	}
	user, err := s.c.Colleagues.User(ctx, t, u)
	switch {
	case fault.IsKind(err, fault.NotFound) || err == nil && !user.DisabledAt.IsZero():
		return unknown
	case err != nil:
		return fmt.Errorf("find who is asked: %w", err)
	}
	return nil
}

// CommentLink keeps one of whoever has the link of a review, under the name they give. Errors
// are those of OpenReview, and Conflict CodeReviewClosed for a mailing that is no draft.
func (s *Service) CommentLink(ctx context.Context, token, name, text string) error {
	r, err := s.linked(ctx, token)
	if err != nil {
		return err
	}
	if name = strings.TrimSpace(name); name == "" || !oneLine(name, maxName) {
		return fault.Field("name", CodeValue, "A name of 1 to 200 characters on one line.")
	}
	c, err := s.c.Store.Campaign(ctx, r.Tenant, r.Campaign)
	if err != nil {
		return err
	}
	if c.State != Draft || r.State == ReviewWithdrawn {
		return reviewClosed()
	}
	_, err = s.comment(ctx, c, Comment{Tenant: r.Tenant, Campaign: r.Campaign, Author: name, Review: r.ID, Text: text})
	return err
}

func (s *Service) comment(ctx context.Context, c Campaign, v Comment) (Comment, error) {
	v.Text = strings.TrimSpace(strings.ReplaceAll(v.Text, "\r\n", "\n"))
	if v.Text == "" || len(v.Text) > maxComment || !utf8.ValidString(v.Text) || strings.ContainsRune(v.Text, 0) {
		return v, fault.Field("comment", CodeValue, "A comment has 1 to 4,000 bytes.")
	}
	if v.Block < 0 || v.Block > maxBlock {
		return v, fault.Field("block", CodeValue, "A block has a number from 1 to 60.")
	}
	v.At = s.stamp()
	v.ID = id.New[CommentKind](v.At)
	if err := s.c.Store.AddCampaignComment(ctx, v, MaxComments); err != nil {
		return v, fmt.Errorf("keep comment: %w", err)
	}
	s.c.Commented(ctx, c, v)
	return v, nil
}

// Talkers are the users whom a comment on a campaign concerns: who is asked, who made the
// campaign and who has commented on it before, but not its own author.
func Talkers(c Campaign, earlier []Comment, v Comment) map[string]bool {
	list := map[string]bool{c.Actor: true, v.Asked: true}
	for _, one := range earlier {
		if one.Review.IsZero() {
			list[one.Author] = true
		}
	}
	delete(list, "")
	if v.Review.IsZero() {
		delete(list, v.Author)
	}
	return list
}

// Resolve calls a comment settled, or takes that back.
func (s *Service) Resolve(ctx context.Context, who ingest.Principal, number ID, comment CommentID, resolved bool) error {
	v := Comment{ID: comment, Tenant: who.Tenant, Campaign: number}
	if resolved {
		v.ResolvedAt, v.ResolvedBy = s.stamp(), who.Actor
	}
	return s.c.Store.ResolveCampaignComment(ctx, v)
}

// ReadTo is the last comment of a campaign that somebody called read; zero: none.
func (s *Service) ReadTo(ctx context.Context, t tenant.ID, c ID, reader string) (CommentID, error) {
	return s.c.Store.CampaignCommentsRead(ctx, t, c, reader)
}

// MarkRead notes that somebody has read the comments of a campaign up to one.
func (s *Service) MarkRead(ctx context.Context, who ingest.Principal, number ID, to CommentID) error {
	if _, err := s.c.Store.Campaign(ctx, who.Tenant, number); err != nil {
		return err
	}
	return s.c.Store.ReadCampaignComments(ctx, who.Tenant, number, who.Actor, to)
}

// Unread counts the comments of others that came after one.
func Unread(list []Comment, reader string, to CommentID) (n int) {
	for _, c := range list {
		if string(c.ID[:]) > string(to[:]) && c.Author != reader {
			n++
		}
	}
	return n
}
