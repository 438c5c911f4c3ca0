package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func campaignTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Rows": campaignRows, "Recipients": campaignRecipients, "Report": campaignReport, "Trial": campaignTrial, "Pace": campaignPace, "Zones": campaignZones, "Reviews": campaignReviews, "Comments": campaignComments, "CommentsErased": commentsErased, "Settings": campaignSettings, "Checks": campaignChecks, "Pages": campaignPages}
}

// campaign stores a campaign to a group, begun.
func (w *World) campaign(t tenant.ID, g audience.Group, rates ...campaign.Rate) campaign.Campaign {
	w.t.Helper()
	now := w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
	c := campaign.Campaign{ID: id.New[campaign.Kind](now), Tenant: t, Revision: 1, Name: "Mai", Groups: []audience.GroupID{g.ID}, PerHour: 60, PerProvider: rates, State: campaign.Draft,
		Actor: "usr_1", CreatedAt: now, UpdatedAt: now, Letter: campaign.Letter{From: "info@a.example", Subject: "Hallo {{name}}", Text: "x"}}
	w.must(w.Store.CreateCampaign(w.t.Context(), c))
	c.Revision, c.State, c.StartAt, c.DueAt = 2, campaign.Sending, now, now
	w.must(w.Store.ChangeCampaign(w.t.Context(), c, campaign.Draft))
	return c
}

func campaignRows(t *testing.T, w *World) {
	ctx := t.Context()
	g := w.Group(w.A, "Kunden")
	c := w.campaign(w.A, g)
	found, err := w.Store.Campaign(ctx, w.A, c.ID)
	w.must(err)
	equal(t, "read back", fmt.Sprintf("%+v", found), fmt.Sprintf("%+v", c))
	if _, err := w.Store.Campaign(ctx, w.B, c.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	old := c
	if err := w.Store.ChangeCampaign(ctx, old, campaign.Draft); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("changed from a state it is not in: %v", err)
	}
	if err := w.Store.DeleteCampaign(ctx, w.A, c.ID); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("deleted while sending: %v", err)
	}
	open, err := w.Store.OpenCampaigns(ctx, w.Clock.Now())
	if err != nil || len(open) != 1 || open[0].ID != c.ID {
		t.Errorf("open: %+v, %v", open, err)
	}
	c.State, c.Reason = campaign.Paused, "group_not_approved"
	moved, err := w.Store.MoveCampaign(ctx, c, campaign.Sending)
	again, err2 := w.Store.MoveCampaign(ctx, c, campaign.Sending)
	if err := errors.Join(err, err2); err != nil || !moved || again {
		t.Errorf("moved %v, again %v, %v", moved, again, err)
	}
	if open, err = w.Store.OpenCampaigns(ctx, w.Clock.Now()); err != nil || len(open) != 0 {
		t.Errorf("open while paused: %+v, %v", open, err)
	}
	list, more, err := w.Store.Campaigns(ctx, w.A, campaign.ID{}, 10)
	if err != nil || more || len(list) != 1 || list[0].Reason != "group_not_approved" {
		t.Errorf("list: %+v, %v", list, err)
	}
	w.must(w.Store.PutCampaignCap(ctx, w.A, campaign.Cap{Count: 2, Days: 7}))
	w.must(w.Store.PutCampaignCap(ctx, w.A, campaign.Cap{Count: 3, Days: 7}))
	if v, err := w.Store.CampaignCap(ctx, w.A); err != nil || v.Count != 3 {
		t.Errorf("cap: %+v, %v", v, err)
	}
	if v, err := w.Store.CampaignCap(ctx, w.B); err != nil || v.Count != 0 {
		t.Errorf("another tenant's cap: %+v, %v", v, err)
	}
}

// recipientsOf are rows for contacts, the last one excluded.
func (w *World) recipientsOf(g audience.Group, people ...audience.Contact) (list []campaign.Recipient) {
	for i, p := range people {
		r := campaign.Recipient{Contact: p.ID, Group: g.ID, State: campaign.Waiting, At: w.Clock.Now(), Delivery: message.Delivery(message.NewID(w.Clock.Now()), 1)}
		if i > 0 && i == len(people)-1 {
			r.State, r.Reason, r.Delivery = campaign.Excluded, "complaint", message.DeliveryID{}
		}
		list = append(list, r)
	}
	return list
}

func campaignRecipients(t *testing.T, w *World) {
	ctx := t.Context()
	var people []audience.Contact
	for i := range 3 {
		people = append(people, w.Contact(w.A, "P", fmt.Sprint(i), "", "", []string{fmt.Sprintf("p%d@x.example", i)}))
	}
	g := w.Group(w.A, "Kunden", people...)
	c := w.campaign(w.A, g)
	rows := w.recipientsOf(g, people...)
	next := c
	next.After = people[2].ID
	fresh, ok, err := w.Store.TakeRecipients(ctx, next, rows)
	if err != nil || !ok || len(fresh) != 2 {
		t.Fatalf("taken: %v %v %v", fresh, ok, err)
	}
	// Another process at the same step takes nothing.
	if _, ok, err := w.Store.TakeRecipients(ctx, next, w.recipientsOf(g, people...)); ok || err != nil {
		t.Errorf("taken twice: %v %v", ok, err)
	}
	// Nobody is written down twice, whatever the step.
	next.Step++
	if fresh, ok, err := w.Store.TakeRecipients(ctx, next, w.recipientsOf(g, people...)); !ok || err != nil || len(fresh) != 0 {
		t.Errorf("written down twice: %v %v %v", fresh, ok, err)
	}
	a := w.Draft(w.A, "p0@x.example")
	a.Message.ID, a.Deliveries[0].ID = message.Of(rows[0].Delivery), rows[0].Delivery
	for i := range a.Events {
		a.Events[i].Message = a.Message.ID
	}
	w.Accept(a)
	left, err := w.Store.WaitingRecipients(ctx, w.A, c.ID, "", 10)
	if err != nil || len(left) != 2 || !left[0].Known || left[1].Known || left[0].Delivery != rows[0].Delivery {
		t.Fatalf("waiting: %+v, %v", left, err)
	}
	left[0].State, left[0].At = campaign.Accepted, time.Time{}
	w.must(w.Store.SettleRecipients(ctx, w.A, c.ID, left[:1]))
	w.must(w.Store.SettleRecipients(ctx, w.A, c.ID, left[:1])) // counts once
	found, err := w.Store.Campaign(ctx, w.A, c.ID)
	if err != nil || found.Total != 3 || found.Accepted != 1 || found.Excluded != 1 || found.After != people[2].ID || found.Step != 2 {
		t.Errorf("counted: %+v, %v", found, err)
	}
	got, err := w.Store.RecentCampaigns(ctx, w.A, []audience.ContactID{people[0].ID, people[2].ID}, w.Clock.Now().Add(-time.Hour))
	if err != nil || got[people[0].ID] != 1 || got[people[2].ID] != 0 {
		t.Errorf("recent: %v, %v", got, err)
	}
	for fate, want := range map[string]int{"": 3, "excluded": 1, "waiting": 1, "queued": 1, "bounced": 0} {
		lines, more, err := w.Store.CampaignLines(ctx, w.A, c.ID, campaign.LineFilter{Fate: fate, Limit: 10})
		if err != nil || more || len(lines) != want {
			t.Errorf("lines %q: %+v, %v", fate, lines, err)
		}
		for _, l := range lines {
			if l.Address.Domain != "x.example" {
				t.Errorf("line without address: %+v", l)
			}
		}
	}
	// Who was answered without a time keeps that of the row.
	if lines, _, err := w.Store.CampaignLines(ctx, w.A, c.ID, campaign.LineFilter{Limit: 1}); err != nil || len(lines) != 1 || lines[0].State != campaign.Accepted || !lines[0].At.Equal(rows[0].At) {
		t.Errorf("answered: %+v, %v, want %s", lines, err, rows[0].At)
	}
	if lines, more, err := w.Store.CampaignLines(ctx, w.A, c.ID, campaign.LineFilter{Limit: 1, After: people[0].ID}); err != nil || !more || len(lines) != 1 || lines[0].Contact != people[1].ID {
		t.Errorf("page: %+v %v %v", lines, more, err)
	}
	if lines, _, err := w.Store.CampaignLines(ctx, w.B, c.ID, campaign.LineFilter{Limit: 10}); err != nil || len(lines) != 0 {
		t.Errorf("another tenant's lines: %+v, %v", lines, err)
	}
	w.must(w.Contacts().Delete(ctx, w.A, people[1].ID))
	if left, err := w.Store.WaitingRecipients(ctx, w.A, c.ID, "", 10); err != nil || len(left) != 0 {
		t.Errorf("a deleted contact waits: %+v, %v", left, err)
	}
}

func campaignPace(t *testing.T, w *World) {
	ctx := t.Context()
	var people []audience.Contact
	for i := range 4 {
		people = append(people, w.Contact(w.A, "P", fmt.Sprint(i), "", "", []string{fmt.Sprintf("p%d@x.example", i)}))
	}
	g := w.Group(w.A, "Kunden", people...)
	c := w.campaign(w.A, g, campaign.Rate{Provider: "gmx", PerHour: 60})
	rows := w.recipientsOf(g, people...)
	rows[0].Provider, rows[1].Provider = "gmx", "gmx"
	_, _, err := w.Store.TakeRecipients(ctx, c, rows)
	w.must(err)
	waiting := func(provider string, limit int) (list []audience.ContactID) {
		t.Helper()
		found, err := w.Store.WaitingRecipients(ctx, w.A, c.ID, provider, limit)
		w.must(err)
		for _, r := range found {
			if r.Provider != provider {
				t.Errorf("one of %q among %q", r.Provider, provider)
			}
			list = append(list, r.Contact)
		}
		return list
	}
	equal(t, "of gmx", fmt.Sprint(waiting("gmx", 10)), fmt.Sprint([]audience.ContactID{people[0].ID, people[1].ID}))
	equal(t, "the first of gmx", fmt.Sprint(waiting("gmx", 1)), fmt.Sprint([]audience.ContactID{people[0].ID}))
	equal(t, "of all others", fmt.Sprint(waiting("", 10)), fmt.Sprint([]audience.ContactID{people[2].ID}))
	// A step notes when the next may be handed over; a change by a person leaves that alone.
	due := w.Clock.Now().Add(time.Minute).UTC().Truncate(time.Millisecond)
	moved := c
	moved.Pace = map[string]time.Time{"gmx": due}
	if ok, err := w.Store.MoveCampaign(ctx, moved, campaign.Sending); err != nil || !ok {
		t.Fatalf("moved: %v, %v", ok, err)
	}
	paused := c
	paused.Revision, paused.State, paused.UpdatedAt = c.Revision+1, campaign.Paused, w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
	w.must(w.Store.ChangeCampaign(ctx, paused, campaign.Sending))
	found, err := w.Store.Campaign(ctx, w.A, c.ID)
	w.must(err)
	equal(t, "pace", fmt.Sprint(found.Pace, found.PerProvider), fmt.Sprint(moved.Pace, c.PerProvider))
	// What was handed over before the campaign was changed last says nothing of the pace of now.
	for i, at := range []time.Time{paused.UpdatedAt.Add(-time.Second), paused.UpdatedAt} {
		rows[i].State, rows[i].At = campaign.Accepted, at
	}
	w.must(w.Store.SettleRecipients(ctx, w.A, c.ID, rows[:2]))
	r, err := w.Store.CampaignReport(ctx, w.A, c.ID, w.Clock.Now())
	w.must(err)
	equal(t, "paces", fmt.Sprint(r.Paces, r.Measured), fmt.Sprint([]campaign.PaceCount{{Waiting: 1}, {Provider: "gmx", Lately: 1}}, paused.UpdatedAt))
}

func campaignReport(t *testing.T, w *World) {
	ctx := t.Context()
	var people []audience.Contact
	for i := range 3 {
		people = append(people, w.Contact(w.A, "P", fmt.Sprint(i), "", "", []string{fmt.Sprintf("p%d@x.example", i)}))
	}
	g := w.Group(w.A, "Kunden", people...)
	c := w.campaign(w.A, g)
	rows := w.recipientsOf(g, people...)
	_, _, err := w.Store.TakeRecipients(ctx, c, rows)
	w.must(err)
	e := w.Epoch("n")
	var told []tracking.Tracked
	for i, state := range []event.State{event.Delivered, event.Bounced} {
		a := w.Draft(w.A, fmt.Sprintf("p%d@x.example", i))
		a.Message.ID, a.Deliveries[0].ID = message.Of(rows[i].Delivery), rows[i].Delivery
		a.Events[0].Message = a.Message.ID
		a.Tracked = &tracking.Tracked{Tenant: w.A, Message: a.Message.ID, Stream: a.Message.Stream, Sender: a.Message.Actor, Recipients: 1,
			Decision: tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant},
			Links:    []tracking.Link{{Target: "https://a.example/1", Label: "Exposé"}, {Target: fmt.Sprintf("https://a.example/%d", i+5), Label: "Mein"}, {Trap: true}}}
		w.Accept(a)
		told = append(told, *a.Tracked)
		for _, entry := range w.Claim(e, w.A, 10) {
			w.Settle(w.Verdict(e, w.A, entry.Delivery, state))
		}
	}
	w.must(w.Store.AddFact(ctx, w.A, event.Event{ID: id.New[event.Kind](w.Clock.Now()), Message: message.Of(rows[0].Delivery), Delivery: rows[0].Delivery,
		Type: event.Unsubscribed, At: w.Clock.Now(), Actor: "recipient"}))
	r, err := w.Store.CampaignReport(ctx, w.A, c.ID, w.Clock.Now())
	w.must(err)
	equal(t, "report", fmt.Sprint(r.Fates, r.Excluded, len(r.Bounces), r.Unsubscribed, r.Complained, r.Domains), "map[bounced:1 delivered:1] map[complaint:1] 1 1 0 [{x.example 2 1 1}]")
	links := []campaign.LinkCount{{Number: 1, Target: "https://a.example/1", Label: "Exposé"}, {Number: 2, Target: "https://a.example/5", Label: "Mein"}}
	equal(t, "links nobody followed", fmt.Sprint(r.Links), fmt.Sprint(links))
	// The first link twice by one person and once by a machine, the second, which is
	// everybody's own, by both people.
	machine := w.Hit(told[1], 1)
	machine.Activity.Machine.Class = tracking.Scanner
	w.Keep(w.Hit(told[0], 0), w.Hit(told[0], 1), w.Hit(told[0], 1), machine, w.Hit(told[0], 2), w.Hit(told[1], 2))
	links[0].Persons, links[0].Machines, links[1].Persons, links[1].Varies = 1, 1, 2, true
	for _, when := range []string{"kept", "folded"} {
		r, err := w.Store.CampaignReport(ctx, w.A, c.ID, w.Clock.Now())
		w.must(err)
		equal(t, when+": links", fmt.Sprint(r.Links), fmt.Sprint(links))
		equal(t, when+": persons, machines", fmt.Sprint(r.Persons, r.Machines, r.Telling), "{1 2} {0 1} 2")
		links[1].Varies = false // what is folded tells no targets
		_, err = w.Store.FoldActivities(ctx, w.A, w.Clock.Advance(time.Hour), 100)
		w.must(err)
	}
	if _, err := w.Store.CampaignReport(ctx, w.B, c.ID, w.Clock.Now()); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
}
