package campaigns

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// People tells who somebody is; tenant.Store does.
type People interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	// Users lists all people of an account.
	Users(ctx context.Context, t tenant.ID) ([]tenant.User, error)
}

// thread is what is said about a mailing.
type thread struct {
	comments []campaign.Comment
	seen     campaign.CommentID // up to which the reader called them read
	unread   int
	names    map[string]string // of colleagues
	ask      []frame.Option    // whom a comment can ask, from "" for nobody
}

func (c Config) fillThread(r *http.Request, p frame.Page, s *sheet) (err error) {
	ctx, v, me := r.Context(), &s.thread, p.Who.User.ID.String()
	if v.comments, err = c.Campaigns.Comments(ctx, s.Tenant, s.ID); err != nil {
		return fmt.Errorf("read comments: %w", err)
	}
	if v.seen, err = c.Campaigns.ReadTo(ctx, s.Tenant, s.ID, me); err != nil {
		return fmt.Errorf("read comments: %w", err)
	}
	v.unread, v.names = campaign.Unread(v.comments, me, v.seen), map[string]string{}
	if c.People == nil {
		return nil
	}
	people, err := c.People.Users(ctx, s.Tenant)
	if err != nil {
		return fmt.Errorf("name who commented: %w", err)
	}
	v.ask = []frame.Option{{Text: p.T("campaigns.comment.nobody")}}
	for _, u := range people {
		number := u.ID.String()
		if u.Name == "" {
			continue
		}
		if v.names[number] = u.Name; number != me && u.DisabledAt.IsZero() && tenant.Can(u.Role, tenant.MessagesSend) {
			v.ask = append(v.ask, frame.Option{Value: number, Text: u.Name})
		}
	}
	return nil
}

// asked names who is to answer a comment; "" for nobody in particular.
func (v thread) asked(p frame.Page, c campaign.Comment) string {
	if c.Asked == "" {
		return ""
	}
	if name := v.names[c.Asked]; name != "" {
		return p.T("campaigns.comment.asks", "name", name)
	}
	return p.T("campaigns.comment.asks", "name", p.T("campaigns.comment.gone"))
}

// by names who wrote a comment.
func (v thread) by(p frame.Page, c campaign.Comment) string {
	if !c.Review.IsZero() {
		return p.T("campaigns.comment.linked", "name", c.Author)
	}
	if name := v.names[c.Author]; name != "" {
		return name
	}
	if _, err := id.Parse[tenant.KeyKind](c.Author); err == nil {
		return p.T("campaigns.comment.key")
	}
	return p.T("campaigns.comment.gone") // who left is not named any more
}

// fresh reports whether a comment is new to the reader.
func (v thread) fresh(p frame.Page, c campaign.Comment) bool {
	return campaign.Unread([]campaign.Comment{c}, p.Who.User.ID.String(), v.seen) > 0
}

// placesOf are the blocks a comment can be about.
func placesOf(p frame.Page, c campaign.Campaign) []frame.Option {
	list := []frame.Option{{Value: "0", Text: p.T("campaigns.comment.whole")}}
	if m := c.Letter.Made; m != nil && m.Source != nil && m.Source.Blocks != nil {
		for i, b := range m.Source.Blocks.Blocks {
			list = append(list, frame.Option{Value: strconv.Itoa(i + 1), Text: p.T("templates.block.nth", "n", i+1, "kind", p.T("templates.block."+string(b.Kind)))})
		}
	}
	return list
}

// placeText is the block that a comment is about; "" for the whole mailing.
func placeText(p frame.Page, c campaign.Campaign, block int) string {
	if block == 0 {
		return ""
	}
	list := placesOf(p, c)
	if i := slices.IndexFunc(list, func(o frame.Option) bool { return o.Value == strconv.Itoa(block) }); i >= 0 {
		return list[i].Text
	}
	return p.T("campaigns.comment.block", "n", block)
}

func (c Config) comment(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	s := sheet{Campaign: v, Form: frame.Form{Values: map[string]string{"comment": r.PostForm.Get("comment"), "block": frame.Shorten(r.PostForm.Get("block"), 4), "asked": frame.Shorten(r.PostForm.Get("asked"), 40)}}}
	block, err := strconv.Atoi(s.Value("block"))
	if err != nil {
		block = 0
	}
	_, err = c.Campaigns.Comment(r.Context(), principal(p), v.ID, campaign.Comment{Block: block, Text: s.Value("comment"), Asked: s.Value("asked")})
	if err == nil {
		frame.Redirect(w, r, pathOf(v), "commented")
		return nil
	}
	if f := fault.As(err); f == nil || f.Kind != fault.Invalid {
		return err
	}
	if fault.As(err).Code == campaign.CodeAsked {
		s.Add("asked", p.T("campaigns.comment.asked.unknown"))
	} else {
		s.Add("comment", p.T("campaigns.comment.wrong"))
	}
	return c.renderOne(w, r, p, http.StatusUnprocessableEntity, s)
}

// resolve calls a comment settled, or opens it again.
func (c Config) resolve(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	which, err := id.Parse[campaign.CommentKind](r.PostForm.Get("comment"))
	if err != nil {
		return fault.New(fault.NotFound, campaign.CodeComment, "There is no such comment.")
	}
	if err := c.Campaigns.Resolve(r.Context(), principal(p), v.ID, which, r.PostForm.Get("do") == "resolve"); err != nil {
		return err
	}
	frame.Redirect(w, r, pathOf(v), "resolved")
	return nil
}

// markRead notes that the reader has seen the comments up to the one that the page ended with.
func (c Config) markRead(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	to, err := id.Parse[campaign.CommentKind](r.PostForm.Get("to"))
	if err != nil {
		return fault.New(fault.NotFound, campaign.CodeComment, "There is no such comment.")
	}
	if err := c.Campaigns.MarkRead(r.Context(), principal(p), v.ID, to); err != nil {
		return err
	}
	frame.Redirect(w, r, pathOf(v), "read")
	return nil
}
