package storetest

import (
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
)

// campaignReviews are kept, answered once, and go with their draft.
func campaignReviews(t *testing.T, w *World) {
	ctx := t.Context()
	now := w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
	c := campaign.Campaign{ID: id.New[campaign.Kind](now), Tenant: w.A, Revision: 1, Name: "Mai", Groups: []audience.GroupID{w.Group(w.A, "Kunden").ID}, State: campaign.Draft, Actor: "usr_1", CreatedAt: now, UpdatedAt: now}
	w.must(w.Store.CreateCampaign(ctx, c))
	r := campaign.Review{ID: id.New[campaign.ReviewKind](now), Tenant: w.A, Campaign: c.ID, Hash: campaign.Print(c), Name: "Kunz", Asked: "usr_1", State: campaign.ReviewOpen, AskedAt: now, ExpiresAt: now.Add(time.Hour)}
	w.must(w.Store.AskReview(ctx, r, 1))
	second := r
	second.ID = id.New[campaign.ReviewKind](now.Add(time.Millisecond))
	if err := w.Store.AskReview(ctx, second, 1); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("more than may be: %v", err)
	}
	w.must(w.Store.AskReview(ctx, second, 2))
	if _, err := w.Store.CampaignReview(ctx, w.B, r.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	r.State, r.By, r.Linked, r.Note, r.AnsweredAt = campaign.ReviewApproved, "Kunz", true, "Gern", now
	w.must(w.Store.AnswerReview(ctx, r))
	if err := w.Store.AnswerReview(ctx, r); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("answered twice: %v", err)
	}
	if found, err := w.Store.CampaignReview(ctx, w.A, r.ID); err != nil || found != r {
		t.Errorf("read back %+v, %v", found, err)
	}
	if list, err := w.Store.CampaignReviews(ctx, w.A, c.ID); err != nil || len(list) != 2 || list[0].ID != second.ID {
		t.Errorf("list %+v, %v", list, err)
	}
	w.must(w.Store.BeginCampaignCheck(ctx, preflight.Check{Tenant: w.A, Campaign: c.ID, Hash: r.Hash, Step: 1, Total: 3, At: now}))
	w.must(w.Store.DeleteCampaign(ctx, w.A, c.ID))
	if list, err := w.Store.CampaignReviews(ctx, w.A, c.ID); err != nil || len(list) != 0 {
		t.Errorf("after the draft: %+v, %v", list, err)
	}
	if ch, err := w.Store.CampaignCheck(ctx, w.A, c.ID); err != nil || !ch.At.IsZero() {
		t.Errorf("check after the draft: %+v, %v", ch, err)
	}
}

// campaignSettings are each tenant's own, and test mails are counted by day.
func campaignSettings(t *testing.T, w *World) {
	ctx := t.Context()
	take := func(day string, n int) bool {
		t.Helper()
		ok, err := w.Store.TakeTests(ctx, w.A, day, n, 10)
		w.must(err)
		return ok
	}
	if !take("2026-11-22", 8) || take("2026-11-22", 3) || !take("2026-11-22", 2) || take("2026-11-22", 1) || !take("2026-11-23", 10) || take("2026-11-23", 1) || take("2026-11-24", 11) {
		t.Error("test mails are counted wrongly")
	}
	w.must(w.Store.PutCampaignSettings(ctx, w.A, campaign.Settings{Seeds: []string{"a@b.example"}, Review: true}))
	if take("2026-11-23", 1) {
		t.Error("settings forget the count")
	}
	if v, err := w.Store.CampaignSettings(ctx, w.A); err != nil || len(v.Seeds) != 1 || !v.Review {
		t.Errorf("settings %+v, %v", v, err)
	}
	if v, err := w.Store.CampaignSettings(ctx, w.B); err != nil || v.Review {
		t.Errorf("another tenant's settings %+v, %v", v, err)
	}
	now := w.Clock.Now().UTC().Truncate(time.Millisecond)
	for name, state := range map[string]tenant.DomainState{"eigen.example": tenant.Trusted, "neu.example": tenant.Pending} {
		w.must(w.Store.AddDomain(ctx, tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: w.A, Name: name, State: state, CreatedAt: now}, nil))
	}
	if own, err := w.Store.OwnAddresses(ctx, w.A); err != nil || len(own.Domains) != 1 || own.Domains[0] != "eigen.example" {
		t.Errorf("own addresses %+v, %v", own, err)
	}
}

// campaignChecks move step by step, and one that was begun anew is not written over.
func campaignChecks(t *testing.T, w *World) {
	ctx := t.Context()
	now := w.Clock.Now().UTC().Truncate(time.Millisecond)
	ch := preflight.Check{Tenant: w.A, Campaign: id.New[campaign.Kind](now), Hash: [32]byte{1}, Step: 7, Total: 3, At: now}
	w.must(w.Store.BeginCampaignCheck(ctx, ch))
	due, err := w.Store.DueCampaignChecks(ctx)
	if err != nil || len(due) != 1 || due[0].Step != 7 || due[0].Hash != ch.Hash {
		t.Fatalf("due %+v, %v", due, err)
	}
	ch.Done, ch.Found = 2, preflight.Found{Links: 2, Dead: []preflight.Dead{{URL: "https://a.example/", Why: "404"}}}
	moved, err := w.Store.MoveCampaignCheck(ctx, ch)
	again, err2 := w.Store.MoveCampaignCheck(ctx, ch)
	if err != nil || err2 != nil || !moved || again {
		t.Errorf("moved %v, again %v, %v %v", moved, again, err, err2)
	}
	if found, err := w.Store.CampaignCheck(ctx, w.A, ch.Campaign); err != nil || found.Step != 8 || found.Done != 2 || len(found.Found.Dead) != 1 || found.Over {
		t.Errorf("read back %+v, %v", found, err)
	}
	if found, err := w.Store.CampaignCheck(ctx, w.B, ch.Campaign); err != nil || !found.At.IsZero() {
		t.Errorf("another tenant's %+v, %v", found, err)
	}
	ch.Step, ch.Over = 8, true
	if moved, err := w.Store.MoveCampaignCheck(ctx, ch); err != nil || !moved {
		t.Errorf("ended %v, %v", moved, err)
	}
	if due, err := w.Store.DueCampaignChecks(ctx); err != nil || len(due) != 0 {
		t.Errorf("due after the end %+v, %v", due, err)
	}
}

// campaignComments are the tenant's own, settled and opened again, and go with their draft.
func campaignComments(t *testing.T, w *World) {
	ctx := t.Context()
	now := w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
	c := campaign.Campaign{ID: id.New[campaign.Kind](now), Tenant: w.A, Revision: 1, Name: "Mai", State: campaign.Draft, Actor: "usr_1", CreatedAt: now, UpdatedAt: now}
	w.must(w.Store.CreateCampaign(ctx, c))
	first := campaign.Comment{ID: id.New[campaign.CommentKind](now), Tenant: w.A, Campaign: c.ID, Block: 2, Author: "usr_1", Asked: "usr_2", Text: "Größe <b>?\nJa", At: now}
	second := first
	second.ID, second.Author, second.Review, second.Asked, second.Block = id.New[campaign.CommentKind](now.Add(time.Millisecond)), "Kunz", id.New[campaign.ReviewKind](now), "", 0
	w.must(w.Store.AddCampaignComment(ctx, first, 2))
	w.must(w.Store.AddCampaignComment(ctx, second, 2))
	if err := w.Store.AddCampaignComment(ctx, second, 2); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("more than may be: %v", err)
	}
	second.ResolvedAt, second.ResolvedBy = now, "usr_2"
	w.must(w.Store.ResolveCampaignComment(ctx, second))
	list, err := w.Store.CampaignComments(ctx, w.A, c.ID)
	same(t, "comments", list, []campaign.Comment{first, second}, err)
	second.ResolvedAt, second.ResolvedBy = time.Time{}, ""
	w.must(w.Store.ResolveCampaignComment(ctx, second))
	foreign := first
	foreign.Tenant = w.B
	refused(t, w.Store.ResolveCampaignComment(ctx, foreign), fault.NotFound, campaign.CodeComment)
	list, err = w.Store.CampaignComments(ctx, w.A, c.ID)
	same(t, "opened again", list, []campaign.Comment{first, second}, err)
	if list, err := w.Store.CampaignComments(ctx, w.B, c.ID); err != nil || len(list) > 0 {
		t.Errorf("another tenant sees %+v, %v", list, err)
	}
	for _, to := range []campaign.CommentID{first.ID, second.ID} {
		w.must(w.Store.ReadCampaignComments(ctx, w.A, c.ID, "usr_1", to))
		seen, err := w.Store.CampaignCommentsRead(ctx, w.A, c.ID, "usr_1")
		same(t, "read", seen, to, err)
	}
	if seen, err := w.Store.CampaignCommentsRead(ctx, w.A, c.ID, "usr_2"); err != nil || !seen.IsZero() {
		t.Errorf("somebody else has read %v, %v", seen, err)
	}
	w.must(w.Store.DeleteCampaign(ctx, w.A, c.ID))
	if list, err := w.Store.CampaignComments(ctx, w.A, c.ID); err != nil || len(list) > 0 {
		t.Errorf("after the draft: %+v, %v", list, err)
	}
}

// commentsErased: whoever is named by their address in a review or a comment is so no longer,
// and nothing else of it changes.
func commentsErased(t *testing.T, w *World) {
	ctx := t.Context()
	now := w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
	keep := func(of tenant.ID) campaign.ID {
		c := campaign.Campaign{ID: id.New[campaign.Kind](w.Clock.Advance(time.Second)), Tenant: of, Revision: 1, Name: "Mai", State: campaign.Draft, CreatedAt: now, UpdatedAt: now}
		w.must(w.Store.CreateCampaign(ctx, c))
		w.must(w.Store.AddCampaignComment(ctx, campaign.Comment{ID: id.New[campaign.CommentKind](now), Tenant: of, Campaign: c.ID, Author: "eva@x.example", Text: "Frage an Eva@x.example, bitte", At: now}, 9))
		w.must(w.Store.AskReview(ctx, campaign.Review{ID: id.New[campaign.ReviewKind](now), Tenant: of, Campaign: c.ID, Name: "eva@x.example", State: campaign.ReviewOpen, AskedAt: now, ExpiresAt: now}, 9))
		return c.ID
	}
	own, foreign := keep(w.A), keep(w.B)
	p := privacy.Person{Tenant: w.A, Addresses: []message.Address{Address("eva@x.example")}}
	for _, h := range w.Store.Holders(w.Clock.Now) {
		if h.Name() == "mentions" {
			w.must(h.Erase(ctx, p, func(int64) error { return nil }))
		}
	}
	said := func(of tenant.ID, c campaign.ID) string {
		list, err := w.Store.CampaignComments(ctx, of, c)
		w.must(err)
		asked, err := w.Store.CampaignReviews(ctx, of, c)
		w.must(err)
		return list[0].Author + list[0].Text + asked[0].Name
	}
	if text := said(w.A, own); strings.Contains(strings.ToLower(text), "eva@") || !strings.Contains(text, "Frage an") || !strings.Contains(text, "bitte") {
		t.Errorf("after the erasure: %q", text)
	}
	if text := said(w.B, foreign); strings.Count(strings.ToLower(text), "eva@x.example") != 3 {
		t.Errorf("another tenant's: %q", text)
	}
}
