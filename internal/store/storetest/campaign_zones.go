package storetest

import (
	"fmt"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/message"
)

func campaignZones(t *testing.T, w *World) {
	ctx := t.Context()
	book := w.Contacts()
	w.must(book.SetField(ctx, w.A, audience.Field{Key: "zone", Type: audience.ZoneField}))
	var people []audience.Contact
	for i, zone := range []string{"Europe/Athens", "", "Europe/Athens", "Europe/London"} {
		w.Clock.Advance(time.Millisecond)
		c, err := book.Create(ctx, w.A, audience.Contact{Addresses: []message.Address{Address(fmt.Sprintf("p%d@x.example", i))}, Fields: map[string]string{"zone": zone}}, audience.OriginAPI, "key_1")
		w.must(err)
		people = append(people, c)
	}
	g := w.Group(w.A, "Kunden", people[:3]...)
	count := func(of audience.GroupID, key string) string {
		t.Helper()
		found, err := w.Store.MemberZones(ctx, w.A, of, key)
		w.must(err)
		return fmt.Sprint(found)
	}
	equal(t, "zones of a group", count(g.ID, "zone"), "map[:1 Europe/Athens:2]")
	equal(t, "of a field that nobody has", count(g.ID, "city"), "map[:3]")
	equal(t, "of no field", count(g.ID, ""), "map[:3]")
	seg := audience.Segment{Any: []audience.Segment{{Of: "fields/zone", Is: audience.Equals, Value: "Europe/London"}, {Of: "fields/zone", Is: audience.Empty}}}
	picked, err := w.Groups().Create(ctx, w.A, audience.Group{Name: "Filter", Kind: audience.Dynamic, Segment: &seg}, "usr_1")
	w.must(err)
	equal(t, "zones of those a filter picks", count(picked.ID, "zone"), "map[:1 Europe/London:1]")
	if _, err := w.Store.MemberZones(ctx, w.B, g.ID, "zone"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}

	c := w.campaign(w.A, g)
	c.Revision, c.Local = c.Revision+1, campaign.Local{At: "2026-11-24T09:00", Zone: "Europe/Berlin"}
	w.must(w.Store.ChangeCampaign(ctx, c, campaign.Sending))
	rows := w.recipientsOf(g, people[:3]...)
	rows[0].Zone, rows[2].Zone = "Europe/Athens", "Europe/Athens"
	c.Listed, c.WaveAt = true, c.StartAt.Add(time.Hour)
	_, ok, err := w.Store.TakeRecipients(ctx, c, rows)
	if err != nil || !ok {
		t.Fatalf("taken: %v, %v", ok, err)
	}
	rows[0].State = campaign.Accepted
	w.must(w.Store.SettleRecipients(ctx, w.A, c.ID, rows[:1]))
	found, err := w.Store.Campaign(ctx, w.A, c.ID)
	w.must(err)
	if found.Local != c.Local || !found.WaveAt.Equal(c.WaveAt) {
		t.Errorf("read back %+v, %s", found.Local, found.WaveAt)
	}
	// A change by a person leaves alone when the next are due.
	found.Revision, found.State = found.Revision+1, campaign.Paused
	w.must(w.Store.ChangeCampaign(ctx, found, campaign.Sending))
	found, err = w.Store.Campaign(ctx, w.A, c.ID)
	if err != nil || found.Local != c.Local || !found.WaveAt.Equal(c.WaveAt) {
		t.Errorf("after a pause %+v, %s, %v", found.Local, found.WaveAt, err)
	}
	r, err := w.Store.CampaignReport(ctx, w.A, c.ID, w.Clock.Now())
	w.must(err)
	equal(t, "waves", fmt.Sprintf("%+v", r.Waves), fmt.Sprintf("%+v", []campaign.Wave{{Waiting: 1}, {Zone: "Europe/Athens", Accepted: 1, Excluded: 1}}))
}
