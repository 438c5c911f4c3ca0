package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/demo"
	"stafette/internal/feed"
	"stafette/internal/ingest"
	"stafette/internal/tracking"
)

// campaigns gives the estate agency an approved group, a mailing that is sent to it, and
// drafts.
func (s *demoSeeder) campaigns(ctx context.Context) error {
	owner := s.tenants[demo.Businesses()[0].Domain]
	g, people, sub := demo.Viewings()
	g, err := s.p.groups().Create(ctx, owner, g, s.by(ctx, owner))
	if err != nil {
		return fmt.Errorf("seed group: %w", err)
	}
	var members []audience.ContactID
	for _, one := range people {
		c, err := s.p.contacts().Create(ctx, owner, one, audience.OriginOffice, s.by(ctx, owner))
		if err != nil {
			return fmt.Errorf("seed contact: %w", err)
		}
		members = append(members, c.ID)
	}
	if _, err := s.p.groups().Add(ctx, owner, g.ID, members, audience.OriginOffice, s.by(ctx, owner)); err != nil {
		return fmt.Errorf("seed members: %w", err)
	}
	c, err := s.p.approvals.Submit(ctx, owner, g.ID, sub, s.by(ctx, owner))
	if err != nil {
		return fmt.Errorf("seed approval: %w", err)
	}
	who := approval.Reviewer{Actor: "demo", Email: demoReviewer}
	if _, err = s.p.approvals.Claim(ctx, c.ID, who); err == nil {
		_, err = s.p.approvals.Decide(ctx, approval.Verdict{Case: c.ID, Decision: approval.DecideApprove, Reason: "Die Karten liegen vor, der Wortlaut passt."}, who)
	}
	if err != nil {
		return fmt.Errorf("seed approval: %w", err)
	}
	by := ingest.Principal{Tenant: owner, Actor: s.by(ctx, owner), Door: "office"}
	willing, wording := demo.Willing()
	for _, a := range willing {
		said := tracking.Consent{Tenant: owner, Address: a, State: tracking.StateGranted, Actor: by.Actor, Way: "Karte bei der Besichtigung", Wording: wording}
		if err := s.p.consents().Record(ctx, said); err != nil {
			return fmt.Errorf("seed consent: %w", err)
		}
	}
	for i, m := range demo.Mailings() {
		m.Groups = []audience.GroupID{g.ID}
		made, err := s.p.campaigns.Create(ctx, by, m)
		if err == nil && i == 0 {
			if _, err = s.p.campaigns.Send(ctx, by, made.ID, time.Time{}); err == nil {
				_, err = s.p.campaigns.Publish(ctx, by, made.ID, campaign.Publication{Public: true})
			}
		}
		if err != nil {
			return fmt.Errorf("seed mailing: %w", err)
		}
	}
	if err := s.feed(ctx, by, g.ID); err != nil {
		return err
	}
	return errors.Join(s.series(ctx, by, g.ID, members), s.abroad(ctx, by, g.ID))
}

// abroad sends the group a mailing at a local time: the account's of this minute. In zones
// ahead it is over and mail leaves at once, in those behind it is still to come. The members
// have their zones by then (series).
func (s *demoSeeder) abroad(ctx context.Context, by ingest.Principal, g audience.GroupID) error {
	t, err := s.p.store.Tenant(ctx, by.Tenant)
	if err != nil {
		return fmt.Errorf("seed mailing: %w", err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return fmt.Errorf("time zone: %w", err)
	}
	m := demo.Abroad()
	m.Groups = []audience.GroupID{g}
	made, err := s.p.campaigns.Create(ctx, by, m)
	if err == nil {
		_, err = s.p.campaigns.SendLocal(ctx, by, made.ID, s.p.store.Now().In(t.Zone(zone)).Format(campaign.LocalLayout))
	}
	if err != nil {
		return fmt.Errorf("seed mailing: %w", err)
	}
	return nil
}

// feed gives the group a feed that was looked at for two weeks: it began, then there was
// something new, of which a draft was made, then nothing.
func (s *demoSeeder) feed(ctx context.Context, by ingest.Principal, g audience.GroupID) error {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return fmt.Errorf("time zone: %w", err)
	}
	now := s.p.store.Now()
	at := now.AddDate(0, 0, -14)
	then := func() time.Time { return at }
	room := feed.New(feed.Config{Store: s.p.store, Mailings: s.p.campaigns, Client: &http.Client{Transport: demo.Web{Now: s.p.store.Now, At: then}}, Zone: zone, Now: then, Log: s.p.log})
	f := demo.Feed()
	f.Groups = []audience.GroupID{g}
	f, err = room.Create(ctx, by, f)
	for err == nil && f.NextAt.Before(now) {
		at = f.NextAt
		if err = room.Turn(ctx, at); err == nil {
			f, err = room.Feed(ctx, by.Tenant, f.ID)
		}
	}
	if err != nil {
		return fmt.Errorf("seed feed: %w", err)
	}
	return nil
}

// series gives the group its series, and lets members begin the first of them.
func (s *demoSeeder) series(ctx context.Context, by ingest.Principal, g audience.GroupID, members []audience.ContactID) error {
	if err := s.p.contacts().SetField(ctx, by.Tenant, audience.Field{Key: "birthday", Label: "Geburtstag", Type: audience.DateField}); err != nil {
		return fmt.Errorf("seed field: %w", err)
	}
	if err := s.p.contacts().SetField(ctx, by.Tenant, demo.ZoneField()); err != nil {
		return fmt.Errorf("seed field: %w", err)
	}
	for _, v := range demo.Series() {
		v.Group = g
		made, err := s.p.series.Create(ctx, by, v)
		if err == nil {
			_, err = s.p.series.Activate(ctx, by, made.ID)
		}
		if err != nil {
			return fmt.Errorf("seed series: %w", err)
		}
	}
	for i, m := range members {
		c, err := s.p.contacts().Contact(ctx, by.Tenant, m)
		if err == nil {
			c.Fields = map[string]string{}
			if c.Tags = append(c.Tags, demo.SeriesTags(i)...); i%2 == 0 {
				c.Fields["birthday"] = "1984-12-24"
			}
			if zone := demo.ZoneOf(i); zone != "" {
				c.Fields[demo.ZoneField().Key] = zone
			}
			_, err = s.p.contacts().Change(ctx, by.Tenant, c, by.Actor)
		}
		if err != nil {
			return fmt.Errorf("seed contact: %w", err)
		}
	}
	return nil
}
