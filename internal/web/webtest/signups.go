package webtest

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/audience/consent"
	"stafette/internal/diagnosis"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/signup"
	"stafette/internal/signup/signuptest"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
	"stafette/internal/web"
	"stafette/internal/web/signups"
)

// joined is the world's sign-up forms and what came through them.
type joined struct {
	once   sync.Once
	config signups.Config
	store  *signuptest.Store
	forms  *signup.Service
	book   *consent.Book
	proof  signup.Evidence
}

// signupsSubject is the real forms and consents on stores in memory, with one of every
// state of both tenants.
func signupsSubject() Subject {
	path := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			ctx, j := context.Background(), w.signups()
			paths := map[string]string{}
			if list, err := j.forms.Forms(ctx, t(w)); err == nil && len(list) > 0 {
				paths["/signup-forms/{id}"] = "/signup-forms/" + list[0].ID.String()
			}
			if list, _, err := j.store.Consents(ctx, t(w), consent.Filter{State: consent.Given}); err == nil && len(list) > 0 {
				paths["/consents/{id}"] = "/consents/" + list[0].ID.String()
			}
			return paths
		}
	}
	return Subject{
		Wire:    func(w *World, c *web.Config) { c.Signups = w.signups().config },
		Own:     path(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: path(func(w *World) tenant.ID { return w.Other.ID }),
		Pages: func(w *World) []string {
			list := []string{"/signup-forms?q=gibtsnicht", "/signup-forms?q=%22%3E%3Cscript%3E&sort=changed", "/signup-forms?done=dropped", "/signup-forms/sgn_unknown",
				"/consents?state=given", "/consents?state=x&after=nonsense&form=y", "/consents?address=niemand%40kunde.example", "/consents?address=%3Cscript%3E",
				"/consents?done=released", "/consents/cns_unknown", "/consents/new?address=%3Cb%3E"}
			found, _, err := w.signups().store.Consents(context.Background(), w.Tenant.ID, consent.Filter{})
			if err != nil {
				return list
			}
			for _, c := range found {
				list = append(list, "/consents/"+c.ID.String(), "/consents/"+c.ID.String()+"?done=withdrawn")
			}
			return list
		},
	}
}

// unsigned states things without a key that anybody would trust.
type unsigned struct{}

// State implements signup.Prover.
func (unsigned) State(string, any) (diagnosis.Statement, error) { return diagnosis.Statement{}, nil }

// nothingKept has no mail.
type nothingKept struct{}

// Message implements signup.Mail.
func (nothingKept) Message(context.Context, tenant.ID, message.ID) (insight.Message, error) {
	return insight.Message{}, nil
}

// Body implements signup.Bodies.
func (nothingKept) Body(context.Context, spool.Handle) ([]byte, error) { return nil, spool.ErrGone }

func (w *World) signups() *joined {
	w.joined.once.Do(w.makeSignups)
	return &w.joined
}

func (w *World) makeSignups() {
	must := func(err error) {
		if err != nil {
			panic(err) // the sample is right
		}
	}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	must(err)
	catalog, err := i18n.Load()
	must(err)
	people := &audiencetest.Contacts{}
	groups := audience.NewGroups(&audiencetest.Groups{People: people}, people, w.Now)
	tenants := &tenanttest.Store{}
	for _, t := range []tenant.Tenant{w.Tenant, w.Other} {
		must(tenants.Found(context.Background(), tenant.Founding{Tenant: t}))
		tenants.SetProfile(t.ID, tenant.Profile{Imprint: t.Name + "\nKaistraße 1, 20457 Hamburg"})
	}
	j := &w.joined
	j.store = &signuptest.Store{Store: tenants}
	j.forms = signup.New(signup.Config{
		Store: j.store, Audience: w.Suppressions(), Contacts: audience.NewContacts(people, w.Now), Groups: groups, ParseMailbox: message.ParseMailbox,
		Usable: func(context.Context, tenant.ID, string) (bool, error) { return true, nil }, Keeper: keeper, Catalog: catalog, PublicURL: "https://post.example", Now: w.Now,
	})
	book := &consent.Book{Store: j.store, Hasher: w.Suppressions(), Now: w.Now}
	j.book, j.proof = book, signup.Evidence{Service: j.forms, Prover: unsigned{}, Mail: nothingKept{}, Bodies: nothingKept{}, Zone: time.UTC}
	j.config = signups.Config{Forms: j.forms, Book: book, Consents: j.store, List: w.Suppressions(), Groups: groups, Evidence: j.proof}
	for _, t := range []tenant.Tenant{w.Tenant, w.Other} {
		w.joinedBy(j, t, groups)
	}
}

// joinedBy makes a form of a tenant with an entry in every state.
func (w *World) joinedBy(j *joined, t tenant.Tenant, groups *audience.Groups) {
	ctx := context.Background()
	g, err := groups.Create(ctx, t.ID, audience.Group{Name: "Neubau-Brief", Kind: audience.Static}, "system")
	if err != nil {
		panic(err) // the sample is right
	}
	f, err := j.forms.Save(ctx, signup.Form{Tenant: t.ID, Name: "Fußzeile der Website", Title: "Neubau-Brief", Active: true, Group: g.ID, Purpose: tenant.Newsletter,
		From: t.Name + " <brief@hafenkontor.example>", Wording: "Ich möchte den Neubau-Brief erhalten.", Notice: "Verantwortlich: " + t.Name, Origins: []string{"https://www.hafenkontor.example"}})
	if err != nil {
		panic(err)
	}
	for i, state := range consent.States() {
		at := w.Now().Add(-time.Duration(len(consent.States())-i) * time.Hour).UTC().Truncate(time.Millisecond)
		a := message.Address{Local: "anmeldung" + strings.Repeat("x", i), Domain: "kunde.example"}
		c := consent.Consent{ID: id.New[consent.Kind](at), Tenant: t.ID, Address: a, Hash: w.Suppressions().Hash(t.ID, a), Purpose: f.Purpose, Group: g.ID, Basis: consent.DoubleOptIn, State: state,
			AskedAt: at, Form: f.ID.String(), FormURL: "https://www.hafenkontor.example", Lang: "de", Wording: f.Wording, Notice: f.Notice, IP: "192.0.2.0/24", Agent: "Browser/1.0",
			Person: map[string]string{"given_name": "Jonas", "family_name": "Reuter"}}
		switch state {
		case consent.Suspect:
			c.Reason = signup.SuspectFast
		case consent.Given:
			c.ConfirmedAt = at.Add(time.Minute)
		case consent.Withdrawn:
			c.ConfirmedAt, c.WithdrawnAt, c.Way = at.Add(time.Minute), at.Add(time.Hour), "link"
		}
		if err := j.store.AddConsent(ctx, c); err != nil {
			panic(err)
		}
	}
}
