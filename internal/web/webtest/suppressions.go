package webtest

import (
	"context"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/dns"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/suppressions"
)

// suppressionsSubject is the real service on a store in memory.
func suppressionsSubject() Subject {
	path := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			page, err := w.Suppressions().Suppressions(context.Background(), t(w), audience.Filter{ByAddress: true, Ascending: true})
			if err != nil || len(page.Entries) == 0 {
				return nil
			}
			return map[string]string{"/suppressions/{id}": "/suppressions/" + page.Entries[len(page.Entries)-1].ID.String()}
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Suppressions = suppressions.Config{List: w.Suppressions(), People: w, Messages: w, Reasons: reasons{}}
			validator, err := audience.NewValidator(names{}, w.Suppressions())
			if err != nil {
				panic(err) // the lists are part of the binary
			}
			c.Addresses.Validator, c.Messages.Addresses = validator, validator
		},
		Own:     path(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: path(func(w *World) tenant.ID { return w.Other.ID }),
		Pages:   suppressionPages,
	}
}

// names is a resolver by which all domains take mail but those of t-onlin.example.
type names struct{}

// MX implements audience.Resolver.
func (names) MX(_ context.Context, domain string) ([]dns.MX, error) {
	if domain == "t-onlin.example" {
		return nil, dns.ErrNoDomain
	}
	return []dns.MX{{Host: "mx." + domain}}, nil
}

func suppressionPages(w *World) []string {
	list := []string{
		"/suppressions?q=gibtsnicht", "/suppressions?q=%22%3E%3Cscript%3E", "/suppressions?reason=complaint&stream=newsletter&sort=address",
		"/suppressions?reason=x&stream=y&sort=z&after=nonsense", "/suppressions?done=lifted", "/suppressions?done=nonsense",
		"/suppressions/sup_unknown", "/suppressions/new?address=%3Cb%3E",
	}
	page, err := w.Suppressions().Suppressions(context.Background(), w.Tenant.ID, audience.Filter{})
	if err != nil {
		return list
	}
	for _, e := range page.Entries {
		list = append(list, "/suppressions/"+e.ID.String(), "/suppressions?after="+e.ID.String())
	}
	return list
}

// Suppressions is the list of the world: a person who unsubscribed, a dead address, a
// complaint, one that was erased, hostile words, and one of World.Other.
func (w *World) Suppressions() *audience.Service {
	w.listed.Do(func() { w.list = w.suppressions() })
	return w.list
}

func (w *World) suppressions() *audience.Service {
	store, now := &audiencetest.Store{}, w.Now()
	s, err := audience.New(audience.Config{Store: store, Key: []byte(audiencetest.Key), Now: w.Now})
	if err != nil {
		panic(err) // the rules are part of the binary
	}
	ctx := context.Background()
	clerk := w.users[Clerk].ID.String()
	for i, v := range []struct {
		owner   tenant.ID
		address string
		stream  tenant.Stream
		reason  audience.Reason
		class   string
		actor   string
		note    string
	}{
		{w.Other.ID, "ada@holm.example", "", audience.Manual, "", "system", ""},
		{w.Tenant.ID, "j.reuter@web.example", tenant.Newsletter, audience.Unsubscribed, "unsubscribe", "system", ""},
		{w.Tenant.ID, "rechnung@kranz-bau.example", "", audience.HardBounce, "user_unknown", "system", ""},
		{w.Tenant.ID, "piet@hansen.example", tenant.Reminder, audience.Complaint, "complaint", "system", ""},
		{w.Tenant.ID, "geloescht@kunde.example", "", audience.Manual, "", clerk, "Wunsch vom 3. November"},
		{w.Tenant.ID, "=cmd@kunde.example", tenant.Lead, audience.Imported, "", clerk, `"><script>alert(1)</script>`},
	} {
		at := now.Add(-time.Duration(48-i) * time.Hour)
		address := addressOf(v.address)
		e := audience.Entry{ID: id.New[audience.Kind](at), Tenant: v.owner, Hash: s.Hash(v.owner, address), Address: address, Stream: v.stream,
			Reason: v.reason, Class: v.class, Actor: v.actor, Note: v.note, CreatedAt: at}
		if v.class == "user_unknown" {
			e.Source = w.refusedTo(v.address)
		}
		if v.reason == audience.Imported {
			e.ExpiresAt = now.Add(24 * time.Hour)
		}
		if _, err := store.Suppress(ctx, v.owner, []audience.Entry{e}, at); err != nil {
			panic(err)
		}
		if strings.HasPrefix(v.address, "geloescht") {
			if _, err := store.Erase(ctx, v.owner, e.Hash, clerk, at); err != nil {
				panic(err)
			}
		}
	}
	return s
}

func addressOf(text string) message.Address {
	local, domain, _ := strings.Cut(text, "@")
	return message.Address{Local: local, Domain: domain}
}

// refusedTo is the delivery that an address refused.
func (w *World) refusedTo(address string) message.DeliveryID {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.messages {
		for _, d := range m.Deliveries {
			if d.State == event.Bounced && m.Tenant == w.Tenant.ID && d.Recipient == addressOf(address) {
				return d.ID
			}
		}
	}
	return message.DeliveryID{}
}
