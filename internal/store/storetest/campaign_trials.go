package storetest

import (
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
)

func campaignTrial(t *testing.T, w *World) {
	ctx := t.Context()
	g := w.Group(w.A, "Kunden")
	c := w.campaign(w.A, g)
	people := []audience.Contact{w.Contact(w.A, "P", "eva", "", "", []string{"eva@kunde.example"}),
		w.Contact(w.A, "P", "udo", "", "", []string{"udo@kunde.example"}),
		w.Contact(w.A, "P", "ina", "", "", []string{"ina@kunde.example"})}
	list := w.recipientsOf(g, people...)
	list[0].Version, list[1].Version = campaign.VersionA, campaign.VersionB
	c.Listed = true
	fresh, ok, err := w.Store.TakeRecipients(ctx, c, list)
	if err != nil || !ok || len(fresh) != 2 {
		t.Fatalf("taken: %v, %v, %v", fresh, ok, err)
	}
	left, err := w.Store.WaitingRecipients(ctx, w.A, c.ID, "", 10)
	w.must(err)
	versions := ""
	for i := range left {
		versions += string(left[i].Version)
		left[i].State = campaign.Accepted
	}
	if versions != "ab" && versions != "ba" {
		t.Errorf("versions %q", versions)
	}
	w.must(w.Store.SettleRecipients(ctx, w.A, c.ID, left))
	a, b, err := w.Store.TrialCounts(ctx, w.A, c.ID)
	if err != nil || a != (campaign.TrialCount{Accepted: 1}) || b != a {
		t.Errorf("counts %+v, %+v, %v", a, b, err)
	}
	if a, b, err := w.Store.TrialCounts(ctx, w.B, c.ID); err != nil || a.Accepted+b.Accepted != 0 {
		t.Errorf("another tenant's: %+v, %+v, %v", a, b, err)
	}
	// A step is taken once.
	c.Step++
	c.Trial = campaign.Trial{Share: 10, Hours: 2, EndsAt: c.StartAt.Add(time.Hour), Winner: campaign.VersionB, Clear: true, A: a, B: b}
	c.Listed, c.Reason, c.DueAt = false, campaign.ReasonTrial, c.StartAt.Add(time.Minute)
	ok, err = w.Store.PutTrial(ctx, c)
	again, err2 := w.Store.PutTrial(ctx, c)
	if err != nil || err2 != nil || !ok || again {
		t.Errorf("put %v, again %v, %v, %v", ok, again, err, err2)
	}
	found, err := w.Store.Campaign(ctx, w.A, c.ID)
	w.must(err)
	if found.Trial != c.Trial || found.Listed || found.Reason != c.Reason || !found.DueAt.Equal(c.DueAt) || found.Step != c.Step+1 {
		t.Errorf("read back %+v", found)
	}
}
