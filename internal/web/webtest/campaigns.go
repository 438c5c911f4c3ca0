package webtest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/campaign/campaigntest"
	"stafette/internal/campaign/preflight"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/campaigns"
	"stafette/internal/web/messages"
)

// mailings are the campaigns of the world.
type mailings struct {
	once    sync.Once
	service *campaign.Service
	checks  *preflight.Service
	// publisher names the pages of public mailings.
	publisher *campaign.Publisher
	forgotten string // a provider that is not known any more
}

// campaignsSubject is the real service on a store in memory, with a campaign in every state.
func campaignsSubject() Subject {
	path := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			list, _, err := w.Mailings().Campaigns(context.Background(), t(w), campaign.ID{}, 10)
			if err != nil || len(list) == 0 {
				return nil
			}
			return map[string]string{"/campaigns/{id}": "/campaigns/" + list[0].ID.String()}
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Campaigns = campaigns.Config{Campaigns: w.Mailings(), Groups: w.Groups(), Approvals: approvedAll{}, Templates: w.Stationery(), Book: w.Contacts(), Checks: w.Preflight(), Pictures: w.Library(), People: accounts{w}, Publisher: w.mailings.publisher, ProviderName: providerNames(), Tracking: w.Tracking().Settings.Decider}
			c.Messages.GroupMail = &messages.GroupMail{Groups: w.Groups(), Approvals: approvedAll{}, Mailings: w.Mailings()}
		},
		Own:     path(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: path(func(w *World) tenant.ID { return w.Other.ID }),
		Pages: func(w *World) []string {
			list := []string{"/campaigns?after=x", "/campaigns?done=deleted", "/campaigns/cmp_unknown", "/campaigns/new?group=grp_x"}
			found, _, err := w.Mailings().Campaigns(context.Background(), w.Tenant.ID, campaign.ID{}, 20)
			if err != nil {
				return nil
			}
			for _, c := range found {
				one := "/campaigns/" + c.ID.String()
				list = append(list, one, one+"?done=saved", one+"?state=excluded", one+"?state=%3Cscript%3E&after=y", one+"?done=published", one+"?done=unpublished")
				if c.State == campaign.Draft {
					list = append(list, one+"/edit")
				}
			}
			return list
		},
	}
}

// approvedAll is a world in which every group is approved.
type approvedAll struct{}

// OfGroups implements audience.Approvals.
func (approvedAll) OfGroups(_ context.Context, _ tenant.ID, groups []audience.GroupID) (map[audience.GroupID]audience.Approval, error) {
	list := map[audience.GroupID]audience.Approval{}
	for _, g := range groups {
		list[g] = audience.Approval{State: audience.ApprovalGiven}
	}
	return list, nil
}

// takingAll takes everything, and keeps nothing.
type takingAll struct{ ingest.Acceptor }

// AcceptAll implements ingest.Acceptor.
func (takingAll) AcceptAll(_ context.Context, _ ingest.Principal, list []ingest.Submission) []ingest.Result {
	return make([]ingest.Result, len(list))
}

// Mailings are those of the world: one in every state, one that lacks all, and one of
// World.Other.
func (w *World) Mailings() *campaign.Service {
	w.mailings.once.Do(func() { w.mailings.service = w.makeMailings() })
	return w.mailings.service
}

// Preflight looks the world's mailings over; links are not asked.
func (w *World) Preflight() *preflight.Service {
	w.Mailings()
	return w.mailings.checks
}

// mailboxes says that people at kunde.example have theirs at Gmail.
type mailboxes struct{ of *mailings }

// Provider implements campaign.Providers.
func (mailboxes) Provider(_ context.Context, domain string) (string, error) {
	if domain == "kunde.example" {
		return "gmail", nil
	}
	return "", nil
}

// Known implements campaign.Providers.
func (m mailboxes) Known() []string {
	return slices.DeleteFunc([]string{"gmail", "gmx", "ms", "tonline", "webde"}, func(key string) bool { return key == m.of.forgotten })
}

// Forget takes a provider out of those that mailings can bound.
func (w *World) Forget(provider string) { w.mailings.forgotten = provider }

func providerNames() func(string) string {
	providers, err := insight.LoadProviders()
	if err != nil {
		panic(err)
	}
	return providers.Name
}

func (w *World) makeMailings() *campaign.Service {
	ctx := context.Background()
	var people []audience.Contact
	for i, text := range []string{"eva@kunde.example", "max@kunde.example", "aus@gesperrt.example"} {
		local, domain, _ := strings.Cut(text, "@")
		people = append(people, audience.Contact{ID: id.New[audience.ContactKind](w.Now().Add(time.Duration(i) * time.Millisecond)), GivenName: "Eva <b>", FamilyName: "Sommer",
			Addresses: []message.Address{{Local: local, Domain: domain}}})
	}
	people[0].Fields = map[string]string{"zeitzone": "Europe/Lisbon"}
	store := &campaigntest.Store{Declared: []audience.Field{{Key: "zeitzone", Label: "Zeitzone", Type: audience.ZoneField}}, Find: w.Groups().Group, People: func(tenant.ID) []audience.Contact { return people }, Told: campaign.Report{
		Fates: map[event.State]int64{event.Delivered: 1204, event.Bounced: 12, event.Deferred: 3}, Excluded: map[string]int64{"unsubscribed": 7, "frequency": 2},
		Bounces: map[string]int64{"user_unknown": 12}, Persons: campaign.Activity{Opened: 310, Clicked: 41}, Machines: campaign.Activity{Opened: 90, Clicked: 12},
		Telling: 1219, Links: []campaign.LinkCount{{Number: 1, Target: "https://muster.example/neu?a=1&b=2", Label: "Neues <b>ansehen</b>", Persons: 38, Machines: 12},
			{Number: 2, Target: "https://muster.example/katalog/7", Persons: 5, Varies: true}},
		Unsubscribed: 4, Complained: 1, Domains: []campaign.Domain{{Name: "gmx.de", Total: 900, Delivered: 890, Rejected: 10}, {Name: "t-online.de", Total: 319, Delivered: 314, Rejected: 2}},
	}}
	s := campaign.New(campaign.Config{ReviewKey: bytes.Repeat([]byte{5}, 32), PublicURL: "https://post.example", Store: store, Acceptor: takingAll{}, Stationery: w.Stationery(), Approvals: approvedAll{}, MayLeave: true, Colleagues: accounts{w}, Providers: mailboxes{&w.mailings}, Now: w.Now})
	w.mailings.publisher = &campaign.Publisher{Codes: seal.NewCodes([]byte("k")), Origin: "https://inhalt.example", Store: store}
	w.mailings.checks = preflight.New(preflight.Config{Store: store, Campaigns: s, Now: w.Now})
	for _, t := range []tenant.ID{w.Other.ID, w.Tenant.ID} {
		groups, err := w.Groups().List(ctx, t)
		if err != nil || len(groups) == 0 {
			panic("webtest: a world without groups")
		}
		who := ingest.Principal{Tenant: t, Actor: "usr_1", Door: "office"}
		keep := func(name string, change func(*campaign.Campaign)) campaign.ID {
			c := campaign.Campaign{Name: name, Groups: []audience.GroupID{groups[0].ID}, Letter: campaign.Letter{From: "Muster GmbH <news@muster.example>", Subject: "Neues für {{given_name}}",
				HTML: `<h1>Guten Tag {{name}}</h1><p><a href="https://muster.example/neu?a=1&amp;b=2">Neues</a> <a href="https://muster.example/katalog/{{reference}}">Katalog</a> <a href="{{unsubscribe_url}}">Abmelden</a></p>`, Text: "Guten Tag {{name}}\n\nAbmelden: {{unsubscribe_url}}"}}
			change(&c)
			c, err := s.Create(ctx, who, c)
			if err != nil {
				panic(err)
			}
			return c.ID
		}
		send := func(c campaign.ID, at time.Time) {
			if _, err := s.Send(ctx, who, c, at); err != nil {
				panic(err)
			}
		}
		same := func(*campaign.Campaign) {}
		keep("Mai-Rundbrief", same)
		if t == w.Other.ID {
			continue
		}
		keep(`Leer <script>alert("x")</script>`, func(c *campaign.Campaign) { c.Groups, c.Letter = nil, campaign.Letter{} })
		send(keep("Juni-Rundbrief", same), w.Now().Add(48*time.Hour))
		sent := keep("April-Rundbrief", same)
		send(sent, time.Time{})
		if err := s.Turn(ctx, w.Now()); err != nil {
			panic(err)
		}
		paused, cancelled := keep("Sondermailing", same), keep("Falsches Datum", same)
		for c, act := range map[campaign.ID]func(context.Context, ingest.Principal, campaign.ID) (campaign.Campaign, error){paused: s.Pause, cancelled: s.Cancel} {
			send(c, time.Time{})
			if _, err := act(ctx, who, c); err != nil {
				panic(err)
			}
		}
		send(keep("Läuft gerade", func(c *campaign.Campaign) {
			c.PerHour, c.Trial, c.Letter.Other = 100, campaign.Trial{Share: 20, Hours: 4}, campaign.Other{Subject: `Noch <b>mehr</b> für {{given_name}}`}
		}), time.Time{})
		paced := keep("Im eigenen Tempo", func(c *campaign.Campaign) {
			c.PerProvider = []campaign.Rate{{Provider: "gmail", PerHour: 1}, {Provider: "gmx", PerHour: 500}}
		})
		send(paced, time.Time{})
		if err := s.Turn(ctx, w.Now()); err != nil {
			panic(err)
		}
		commented := keep("Willkommen", func(c *campaign.Campaign) {
			c.Trial, c.Letter.Other = campaign.Trial{Share: 50, Hours: 24}, campaign.Other{From: "Eva <eva@muster.example>", Text: "Anders\n\nAbmelden: {{unsubscribe_url}}"}
		})
		for n, text := range []string{"Bild ist <b>zu dunkel</b>.", "Erledigt?"} {
			if _, err := s.Comment(ctx, who, commented, campaign.Comment{Block: n, Text: text}); err != nil {
				panic(err)
			}
		}
	}
	return s
}
