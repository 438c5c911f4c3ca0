package webtest

import (
	"bytes"
	"context"
	"sync"

	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/tracking/trackingtest"
	"stafette/internal/web"
	"stafette/internal/web/trackings"
)

// watched is what the world knows of what recipients did.
type watched struct {
	once     sync.Once
	Shelf    *trackingtest.Shelf
	Settings tracking.Settings
	Consents *tracking.Consents
	Hub      *tracking.Hub
}

// trackingsSubject is the real settings and consents on a store in memory: the tenant
// tracks persons on the basis of consent, somebody has agreed and somebody withdrawn, and
// the newest delivered mail was opened by its recipient and fetched by a scanner.
func trackingsSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			t := w.Tracking()
			c.Trackings = trackings.Config{Settings: t.Settings, Consents: t.Consents, People: w, Days: 90}
			c.Contacts.Consents = t.Consents
			c.Messages.Tracking, c.Messages.Activity = tracking.Office{Reader: t.Shelf, Decider: t.Settings.Decider}, t.Hub
		},
		Pages: func(*World) []string {
			return []string{"/settings/tracking?done=saved", trackings.ConsentPath + "?address=eva.sommer%40gmx.example", trackings.ConsentPath + "?address=weg%40kunde.example&done=saved",
				trackings.ConsentPath + "?address=nobody%40x.example", trackings.ConsentPath + "?address=x"}
		},
	}
}

// Tracking is what the world knows of what recipients did.
func (w *World) Tracking() *watched {
	w.watch.once.Do(w.observe)
	return &w.watch
}

func (w *World) observe() {
	must := func(err error) {
		if err != nil {
			panic(err) // the sample is part of the binary
		}
	}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	must(err)
	tokens, err := tracking.NewTokens(keeper.MACKey("tracking tokens"))
	must(err)
	ctx, owner, t := context.Background(), w.users[Owner].ID.String(), &w.watch
	t.Shelf, t.Hub = &trackingtest.Shelf{}, tracking.NewHub()
	t.Settings = tracking.Settings{Store: t.Shelf, Decider: tracking.NewDecider(tracking.DeciderConfig{Store: t.Shelf, Now: w.Now}), Now: w.Now}
	t.Consents = tracking.NewConsents(tracking.ConsentsConfig{Store: t.Shelf, Settings: t.Settings, Activities: t.Shelf, Tokens: tokens, Keeper: keeper, PublicURL: "http://office.example", Now: w.Now})
	_, err = t.Settings.Set(ctx, tracking.Allowed{
		Setting: tracking.Setting{Tenant: w.Tenant.ID, Level: tracking.Individual, Basis: tracking.BasisConsent, Justification: "Wer zustimmt, wird zurückgerufen. <b>Nur</b> dafür.", By: owner},
		Streams: map[tenant.Stream]tracking.Level{tenant.Newsletter: tracking.Aggregate},
	})
	must(err)
	for address, state := range map[string]tracking.State{"eva.sommer@gmx.example": tracking.StateGranted, "weg@kunde.example": tracking.StateWithdrawn} {
		must(t.Consents.Record(ctx, tracking.Consent{Tenant: w.Tenant.ID, Address: addressOf(address), State: state, Actor: owner, Way: "Telefonat", Wording: "Ich stimme zu."}))
	}
	w.mu.Lock()
	list := append([]insight.Message(nil), w.messages...)
	w.mu.Unlock()
	for _, m := range list {
		if m.Tenant == w.Tenant.ID && len(m.Deliveries) > 0 {
			must(w.opened(ctx, m))
		}
	}
}

// opened makes of a message one that was tracked, opened by its first recipient and
// fetched by a scanner; where it has several recipients, somebody opened it.
func (w *World) opened(ctx context.Context, m insight.Message) error {
	decision := tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant}
	if len(m.Deliveries) > 1 {
		decision = tracking.Decision{Level: tracking.Pseudonymous, Rule: tracking.RuleSeveralRecipients}
	}
	link := tracking.Link{Target: "https://hafenkontor.example/speicherblock-7?wohnung=4.2", Label: "Zum Grundriss"}
	var to []tracking.Recipient
	for _, d := range m.Deliveries {
		to = append(to, tracking.Recipient{Delivery: d.ID, Address: d.Recipient})
	}
	w.watch.Shelf.Put(tracking.Tracked{Tenant: m.Tenant, Message: m.ID, Stream: m.Stream, Decision: decision, Recipients: len(to), Links: []tracking.Link{link}}, to...)
	for _, what := range []struct {
		kind    tracking.Kind
		machine tracking.Machine
	}{
		{tracking.Opened, tracking.Machine{Class: tracking.Person, Confidence: 80, Rules: 1}},
		{tracking.Clicked, tracking.Machine{Class: tracking.Person, Confidence: 80, Rules: 1}},
		{tracking.Clicked, tracking.Machine{Class: tracking.Scanner, Confidence: 95, Rules: 1, Reasons: []string{"every_link", "seconds_after_delivery"}}},
	} {
		a := tracking.Activity{ID: id.New[tracking.ActivityKind](m.AcceptedAt), Tenant: m.Tenant, At: m.AcceptedAt, Kind: what.kind, Message: m.ID, Title: m.Subject, Decision: decision, Machine: what.machine}
		if what.kind == tracking.Clicked {
			a.Target, a.Label, a.Link = link.Target, link.Label, 1
		}
		if len(to) == 1 {
			a.Identified, a.Delivery, a.Recipient = true, to[0].Delivery, &to[0].Address
		}
		var all []message.Address
		for _, r := range to {
			all = append(all, r.Address)
		}
		if _, err := w.watch.Shelf.AddActivities(ctx, []tracking.Hit{{Activity: a, Recipients: all}}); err != nil {
			return err
		}
	}
	return nil
}
