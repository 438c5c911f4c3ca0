package campaign_test

import (
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
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

	first, err := w.service.Comment(ctx, w.who, c.ID, 2, " Bild zu dunkel\r\n")
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
		"nothing": func() error { _, err := w.service.Comment(ctx, w.who, c.ID, 0, " \n"); return err }(),
		"long":    func() error { _, err := w.service.Comment(ctx, w.who, c.ID, 0, strings.Repeat("x", 4001)); return err }(),
		"block":   func() error { _, err := w.service.Comment(ctx, w.who, c.ID, 61, "x"); return err }(),
		"nobody":  w.service.CommentLink(ctx, token, " ", "x"),
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
