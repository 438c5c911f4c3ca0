package webtest

import (
	"bytes"
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/privacy/privacytest"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/contacts"
	"stafette/internal/web/messages"
	webprivacy "stafette/internal/web/privacy"
)

// crowd is everybody the world knows as a contact, with what they asked for.
type crowd struct {
	once   sync.Once
	people *audiencetest.Contacts
	book   *audience.Contacts
	right  *privacy.Service
	store  *privacytest.Store
}

// contactsSubject is the real contacts and the real rights on stores in memory.
func contactsSubject() Subject {
	path := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			paths := map[string]string{}
			page, err := w.Contacts().List(context.Background(), t(w), audience.ContactFilter{})
			if err == nil && len(page.Contacts) > 0 {
				paths["/contacts/{id}"] = "/contacts/" + page.Contacts[0].ID.String()
			}
			list, _, err := w.Rights().Requests(context.Background(), t(w), privacy.RequestID{}, 1)
			if err == nil && len(list) > 0 {
				paths["/privacy/requests/{id}"] = "/privacy/requests/" + list[0].ID.String()
			}
			return paths
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Contacts = contacts.Config{Optins: w.signups().book, Evidence: w.signups().proof, Book: w.Contacts(), Groups: w.Groups(), List: w.Suppressions(), Mail: w, Rights: w.Rights(), People: w, Teller: messages.Teller{Reasons: reasons{}}}
			c.Privacy = webprivacy.Config{Rights: w.Rights(), Users: w}
		},
		Own:     path(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: path(func(w *World) tenant.ID { return w.Other.ID }),
		Pages:   contactPages,
	}
}

func contactPages(w *World) []string {
	list := []string{
		"/contacts?q=gibtsnicht", "/contacts?q=%22%3E%3Cscript%3E", "/contacts?tag=vip&sort=-since&col=name&col=phone", "/contacts?sort=z&after=nonsense",
		"/contacts?done=deleted", "/contacts/con_unknown", "/contacts/new?address=%3Cb%3E", "/contacts/fields?done=field",
		"/contacts/address?address=rechnung%40kranz-bau.example", "/contacts/address?address=nobody%40x.example&tab=history", "/contacts/address?address=x&tab=notes",
		"/contacts/erase?person=nobody%40x.example", "/contacts/erase?person=x", "/privacy?done=saved", "/privacy/requests/dsr_unknown",
	}
	page, err := w.Contacts().List(context.Background(), w.Tenant.ID, audience.ContactFilter{})
	if err != nil {
		return list
	}
	for _, c := range page.Contacts {
		one := "/contacts/" + c.ID.String()
		for _, tab := range []string{"", "notifications", "history", "notes", "data", "nonsense"} {
			list = append(list, one+"?tab="+tab)
		}
		list = append(list, one+"?done=created", one+"/edit", one+"/merge", one+"/merge?q=x", one+"/merge?with="+page.Contacts[0].ID.String(),
			"/contacts/erase?person="+c.ID.String(), "/contacts?after="+c.ID.String())
		for _, a := range c.Addresses {
			list = append(list, "/contacts/address?"+url.Values{"address": {a.String()}}.Encode())
		}
	}
	requests, _, err := w.Rights().Requests(context.Background(), w.Tenant.ID, privacy.RequestID{}, 20)
	if err != nil {
		return list
	}
	for _, r := range requests {
		list = append(list, "/privacy/requests/"+r.ID.String(), "/privacy?after="+r.ID.String())
	}
	return list
}

// Contacts are those of the world: somebody with two addresses, a company, one with
// hostile words, and one of World.Other.
func (w *World) Contacts() *audience.Contacts {
	w.crowd.once.Do(w.gather)
	return w.crowd.book
}

// Rights are what the people of the world asked for, in every state.
func (w *World) Rights() *privacy.Service {
	w.crowd.once.Do(w.gather)
	return w.crowd.right
}

func (w *World) gather() {
	must := func(err error) {
		if err != nil {
			panic(err) // the sample is part of the binary
		}
	}
	ctx, clerk := context.Background(), w.users[Clerk].ID.String()
	w.crowd.people = &audiencetest.Contacts{}
	w.crowd.book = audience.NewContacts(w.crowd.people, w.Now)
	must(w.crowd.book.SetField(ctx, w.Tenant.ID, audience.Field{Key: "objekt", Label: "Objekt", Type: audience.ChoiceField, Choices: []string{"Speicherblock 7", "Kapitänsweg 12"}}))
	must(w.crowd.book.SetField(ctx, w.Tenant.ID, audience.Field{Key: "geburtstag", Label: "Geburtstag", Type: audience.DateField}))
	for _, c := range []struct {
		owner tenant.ID
		audience.Contact
	}{
		{w.Other.ID, audience.Contact{GivenName: "Ada", FamilyName: "Holm", Addresses: []message.Address{addressOf("ada@holm.example")}}},
		{w.Tenant.ID, audience.Contact{Salutation: "Frau", GivenName: "Eva", FamilyName: "Sommer", Reference: "K-1042", Locale: "de", Tags: []string{"kaufinteresse", "vip"},
			Addresses: []message.Address{addressOf("piet@hansen.example"), addressOf("eva.sommer@gmx.example")}, Fields: map[string]string{"objekt": "Speicherblock 7", "geburtstag": "1980-04-03"}}},
		{w.Tenant.ID, audience.Contact{Company: "Kranz Bau GmbH", Phone: "+49 421 555", Addresses: []message.Address{addressOf("rechnung@kranz-bau.example")}}},
		{w.Tenant.ID, audience.Contact{GivenName: `"><script>alert(1)</script>`, FamilyName: "=cmd|x", Addresses: []message.Address{addressOf("=cmd@kunde.example")}}},
	} {
		made, err := w.crowd.book.Create(ctx, c.owner, c.Contact, audience.OriginOffice, clerk)
		must(err)
		if c.FamilyName == "Sommer" {
			_, err = w.crowd.book.AddNote(ctx, c.owner, made.ID, clerk, "Ruft am Montag zurück.\nBitte den Grundriss bereitlegen.")
			must(err)
			_, err = w.crowd.book.AddNote(ctx, c.owner, made.ID, w.users[Owner].ID.String(), `<img src=x onerror=alert(1)>`)
			must(err)
		}
	}
	must(w.ask(ctx, clerk))
}

// ask makes requests in several states.
func (w *World) ask(ctx context.Context, clerk string) error {
	catalog, err := i18n.Load()
	if err != nil {
		return err
	}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		return err
	}
	w.crowd.store = &privacytest.Store{}
	w.crowd.right, err = privacy.New(privacy.Config{
		Store: w.crowd.store, Tenants: accounts{w}, Contacts: w.crowd.book, Audience: w.Suppressions(), Mail: w, Bodies: w, Keeper: keeper, Catalog: catalog, Now: w.Now,
		Holders: []privacy.Holder{mailHolder{w}},
	})
	if err != nil {
		return err
	}
	for _, v := range []struct {
		owner   tenant.ID
		kind    privacy.Kind
		address string
	}{
		{w.Other.ID, privacy.Access, "ada@holm.example"}, {w.Tenant.ID, privacy.Erasure, "weg@kunde.example"}, {w.Tenant.ID, privacy.Access, "eva.sommer@gmx.example"},
	} {
		if _, err := w.crowd.right.Ask(ctx, privacy.Wish{Kind: v.kind, Person: privacy.Person{Tenant: v.owner, Addresses: []message.Address{addressOf(v.address)}}, Actor: clerk}); err != nil {
			return err
		}
	}
	if _, err := w.crowd.right.Turn(ctx); err != nil {
		return err
	}
	if err := w.crowd.store.AddRetention(ctx, privacy.Retention{Tenant: w.Tenant.ID, Before: w.Now().AddDate(-2, 0, 0), Messages: 1204, Deliveries: 1310, Events: 4021, BeganAt: w.Now(), EndedAt: w.Now()}); err != nil {
		return err
	}
	_, err = w.crowd.right.Ask(ctx, privacy.Wish{Kind: privacy.Access, Person: privacy.Person{Tenant: w.Tenant.ID, Addresses: []message.Address{addressOf("wartet@kunde.example")}}, Actor: clerk})
	return err
}

// mailHolder holds the world's messages and gives none away.
type mailHolder struct{ w *World }

// Name implements privacy.Holder.
func (mailHolder) Name() string { return "deliveries" }

// Count implements privacy.Holder.
func (h mailHolder) Count(ctx context.Context, p privacy.Person) (int64, error) {
	n, err := h.w.CountTo(ctx, p.Tenant, p.Addresses, nil, 1000)
	return int64(n), err
}

// Erase implements privacy.Holder.
func (mailHolder) Erase(_ context.Context, _ privacy.Person, note func(int64) error) error {
	return note(0)
}

// To implements insight.PersonStore.
func (w *World) To(_ context.Context, t tenant.ID, to []message.Address, f insight.PersonFilter) ([]insight.Addressed, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []insight.Addressed
	for _, m := range slices.Backward(w.messages) {
		if m.Tenant != t || len(f.Streams) > 0 && !slices.Contains(f.Streams, m.Stream) {
			continue
		}
		for _, d := range m.Deliveries {
			own := slices.ContainsFunc(to, func(a message.Address) bool { return strings.EqualFold(a.String(), d.Recipient.String()) })
			if own && (f.After.IsZero() || bytes.Compare(d.ID[:], f.After[:]) < 0) {
				list = append(list, insight.Addressed{Message: m, Delivery: d})
			}
		}
	}
	limit := f.Limit
	if limit == 0 {
		limit = 50
	}
	return list[:min(len(list), limit)], len(list) > limit, w.broken
}

// CountTo implements insight.PersonStore.
func (w *World) CountTo(ctx context.Context, t tenant.ID, to []message.Address, streams []tenant.Stream, limit int) (int, error) {
	list, _, err := w.To(ctx, t, to, insight.PersonFilter{Streams: streams, Limit: limit})
	return len(list), err
}

var _ insight.PersonStore = (*World)(nil)

// Wait lets the world's clock go on and its requests be worked off.
func (w *World) Wait(d time.Duration) error {
	w.Advance(d)
	_, err := w.Rights().Turn(context.Background())
	return err
}
