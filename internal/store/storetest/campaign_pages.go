package storetest

import (
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/id"
)

// campaignPages are each tenant's own, listed while they are public and begun, and go with
// their draft.
func campaignPages(t *testing.T, w *World) {
	ctx := t.Context()
	now := w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
	group := w.Group(w.A, "Kunden").ID
	keep := func(state campaign.State) campaign.Campaign {
		now = w.Clock.Advance(time.Millisecond).UTC().Truncate(time.Millisecond)
		c := campaign.Campaign{ID: id.New[campaign.Kind](now), Tenant: w.A, Revision: 1, Name: "Mai", Groups: []audience.GroupID{group}, Letter: campaign.Letter{Subject: "Mai"},
			State: campaign.Draft, Actor: "usr_1", CreatedAt: now, UpdatedAt: now}
		w.must(w.Store.CreateCampaign(ctx, c))
		if state != campaign.Draft {
			c.State, c.Revision, c.StartAt = state, 2, now
			w.must(w.Store.ChangeCampaign(ctx, c, campaign.Draft))
		}
		return c
	}
	sent, draft, off := keep(campaign.Sent), keep(campaign.Draft), keep(campaign.Sending)
	want := campaign.Publication{Public: true, Index: true, By: "usr_1", At: now}
	for _, c := range []campaign.Campaign{sent, draft, off} {
		w.must(w.Store.PutCampaignPublication(ctx, w.A, c.ID, want))
	}
	w.must(w.Store.PutCampaignPublication(ctx, w.A, off.ID, campaign.Publication{By: "usr_2", At: now}))
	if v, err := w.Store.CampaignPublication(ctx, w.A, sent.ID); err != nil || v != want {
		t.Errorf("read back %+v, %v", v, err)
	}
	if v, err := w.Store.CampaignPublication(ctx, w.A, off.ID); err != nil || v.Public || v.By != "usr_2" || v.At.IsZero() {
		t.Errorf("taken back %+v, %v", v, err)
	}
	if v, err := w.Store.CampaignPublication(ctx, w.B, sent.ID); err != nil || v != (campaign.Publication{}) {
		t.Errorf("another tenant's %+v, %v", v, err)
	}
	if list, err := w.Store.PublicCampaigns(ctx, w.A, 10); err != nil || len(list) != 1 || list[0].ID != sent.ID || list[0].Letter.Subject != "Mai" {
		t.Errorf("list %+v, %v", list, err)
	}
	if list, err := w.Store.PublicCampaigns(ctx, w.B, 10); err != nil || len(list) != 0 {
		t.Errorf("another tenant's list %+v, %v", list, err)
	}
	w.must(w.Store.DeleteCampaign(ctx, w.A, draft.ID))
	if v, err := w.Store.CampaignPublication(ctx, w.A, draft.ID); err != nil || !v.At.IsZero() {
		t.Errorf("after the draft: %+v, %v", v, err)
	}
}
