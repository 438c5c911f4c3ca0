package campaign_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Colleagues and whoever has the link of a review talk about a draft; who has the link sees
// only what came from behind it.
func TestComments(t *testing.T) {
	w := newWorld(t, 1)
	w.withStationery()
	c := w.draft()
	ctx := t.Context()
	colleague := w.who
	colleague.Actor = "usr_2"
	r, err := w.service.Ask(ctx, w.who, c.ID, "Frau Kunz")
	w.must(err)
	token := strings.TrimPrefix(w.service.Link(r), "https://post.example"+campaign.ReviewPath)

	first, err := w.service.Comment(ctx, w.who, c.ID, campaign.Comment{Block: 2, Text: " Bild zu dunkel\r\n"})
	w.must(err)
	w.pass(time.Second)
	w.must(w.service.CommentLink(ctx, token, "Kunz", "Preis fehlt"))
	list, err := w.service.Comments(ctx, w.who.Tenant, c.ID)
	w.must(err)
	if len(list) != 2 || list[0].Text != "Bild zu dunkel" || list[0].Block != 2 || list[1].Author != "Kunz" || list[1].Review != r.ID {
		t.Fatalf("comments %+v", list)
	}
	shown, err := w.service.OpenReview(ctx, token)
	w.must(err)
	if len(shown.Comments) != 1 || shown.Comments[0].Text != "Preis fehlt" {
		t.Errorf("behind the link: %+v", shown.Comments)
	}

	unread := func(reader string) int {
		to, err := w.service.ReadTo(ctx, w.who.Tenant, c.ID, reader)
		w.must(err)
		return campaign.Unread(list, reader, to)
	}
	if unread(w.who.Actor) != 1 || unread("usr_2") != 2 {
		t.Errorf("unread: %d, %d", unread(w.who.Actor), unread("usr_2"))
	}
	w.must(w.service.MarkRead(ctx, colleague, c.ID, first.ID))
	if unread("usr_2") != 1 {
		t.Errorf("unread after the first: %d", unread("usr_2"))
	}
	w.must(w.service.Resolve(ctx, colleague, c.ID, first.ID, true))
	if list, err := w.service.Comments(ctx, w.who.Tenant, c.ID); err != nil || list[0].ResolvedBy != "usr_2" || list[0].ResolvedAt.IsZero() {
		t.Errorf("settled: %+v, %v", list, err)
	}

	for name, err := range map[string]error{
		"nothing": func() error { _, err := w.service.Comment(ctx, w.who, c.ID, campaign.Comment{Text: " \n"}); return err }(),
		"long": func() error {
			_, err := w.service.Comment(ctx, w.who, c.ID, campaign.Comment{Text: strings.Repeat("x", 4001)})
			return err
		}(),
		"block": func() error {
			_, err := w.service.Comment(ctx, w.who, c.ID, campaign.Comment{Block: 61, Text: "x"})
			return err
		}(),
		"nobody": w.service.CommentLink(ctx, token, " ", "x"),
	} {
		if !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.service.CommentLink(ctx, "x"+token, "Kunz", "x"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("a link that was made up: %v", err)
	}
	w.must(w.service.Withdraw(ctx, w.who, r.ID))
	if err := w.service.CommentLink(ctx, token, "Kunz", "x"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("after it was taken back: %v", err)
	}
}

// staff is who works in one account.
type staff struct {
	of   tenant.ID
	list []tenant.User
}

// User implements campaign.Colleagues.
func (s staff) User(_ context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error) {
	for _, one := range s.list {
		if t == s.of && one.ID == u {
			return one, nil
		}
	}
	return tenant.User{}, fault.New(fault.NotFound, "user_not_found", "There is no such person.")
}

// A comment may ask one of the account's people, and concerns who made the mailing and who
// talked about it before.
func TestCommentsAskPeople(t *testing.T) {
	w := newWorld(t, 1)
	asked, gone := id.New[tenant.UserKind](start), id.New[tenant.UserKind](start)
	w.config.Colleagues = staff{w.who.Tenant, []tenant.User{{ID: asked}, {ID: gone, DisabledAt: start}}}
	var told []campaign.Comment
	w.config.Commented = func(_ context.Context, _ campaign.Campaign, v campaign.Comment) { told = append(told, v) }
	w.service = campaign.New(w.config)
	c := w.draft()
	ctx := t.Context()
	for name, to := range map[string]string{"gone": gone.String(), "nobody": id.New[tenant.UserKind](start).String(), "no user": "key_1"} {
		if _, err := w.service.Comment(ctx, w.who, c.ID, campaign.Comment{Text: "Preis?", Asked: to}); !fault.IsKind(err, fault.Invalid) || fault.As(err).Code != campaign.CodeAsked {
			t.Errorf("asked %s: %v", name, err)
		}
	}
	v, err := w.service.Comment(ctx, w.who, c.ID, campaign.Comment{Text: "Preis?", Asked: asked.String()})
	w.must(err)
	list, err := w.service.Comments(ctx, w.who.Tenant, c.ID)
	w.must(err)
	if len(list) != 1 || list[0].Asked != asked.String() || len(told) != 1 || told[0].ID != v.ID {
		t.Fatalf("kept %+v, told of %+v", list, told)
	}
	earlier := []campaign.Comment{{Author: "usr_before"}, {Author: "Kunz", Review: id.New[campaign.ReviewKind](start)}}
	for name, one := range map[string]struct {
		v    campaign.Comment
		want []string
	}{
		"the maker's own":  {v, []string{asked.String(), "usr_before"}},
		"one who answers":  {campaign.Comment{Author: asked.String()}, []string{c.Actor, "usr_before"}},
		"behind the link":  {campaign.Comment{Author: c.Actor, Review: id.New[campaign.ReviewKind](start)}, []string{c.Actor, "usr_before"}},
		"asking oneself":   {campaign.Comment{Author: c.Actor, Asked: c.Actor}, []string{"usr_before"}},
		"a second by them": {campaign.Comment{Author: "usr_before"}, []string{c.Actor}},
	} {
		have := slices.Sorted(maps.Keys(campaign.Talkers(c, earlier, one.v)))
		slices.Sort(one.want)
		if !slices.Equal(have, one.want) {
			t.Errorf("%s concerns %v, want %v", name, have, one.want)
		}
	}
}
