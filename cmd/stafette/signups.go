package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience/consent"
	"stafette/internal/diagnosis"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/signup"
	"stafette/internal/tenant"
	"stafette/internal/web/signups"
)

// consentBook keeps why people may be written to.
func (b *base) consentBook() *consent.Book {
	return &consent.Book{Store: b.store, Hasher: b.audience, Now: b.store.Now}
}

// consentRecord is a consent in what is handed out to a person.
type consentRecord struct {
	consent.Consent
	Address string    `json:"address"`
	Purpose string    `json:"purpose"`
	Basis   string    `json:"basis"`
	State   string    `json:"state"`
	AskedAt time.Time `json:"asked_at"`
}

// consentsOf are a person's consents, for what is handed out.
func (b *base) consentsOf(ctx context.Context, p privacy.Person) (any, error) {
	var records []consentRecord
	for _, a := range p.Addresses {
		list, err := b.consentBook().Of(ctx, p.Tenant, a)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			records = append(records, consentRecord{c, c.Address.String(), string(c.Purpose), string(c.Basis), string(c.State), c.AskedAt})
		}
	}
	if records == nil {
		return nil, nil
	}
	return records, nil
}

// openSignups makes the forms through which people sign up.
func (p *platform) openSignups(catalog *i18n.Catalog) {
	p.signups = signup.New(signup.Config{
		Store: p.store, Audience: p.audience, Contacts: p.contacts(), Groups: p.groups(), Acceptor: p.entrance, ParseMailbox: message.ParseMailbox,
		Usable: p.usable, Keeper: p.keeper, Catalog: catalog, PublicURL: strings.TrimRight(p.config.HTTP.PublicURL, "/"), Now: p.store.Now, Log: p.log,
	})
}

// usable tells whether a tenant may send from a domain.
func (b *base) usable(ctx context.Context, t tenant.ID, domain string) (bool, error) {
	list, err := b.store.Domains(ctx, t)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(list, func(d tenant.Domain) bool { return d.Usable() && strings.EqualFold(d.Name, domain) }), nil
}

// signupPages are the office's pages of forms and consents.
func (p *platform) signupPages(told *diagnosis.Service, zone *time.Location) signups.Config {
	return signups.Config{
		Forms: p.signups, Book: p.consentBook(), Consents: p.store, List: p.audience, Groups: p.groups(),
		Evidence: p.consentEvidence(told, zone),
	}
}

// consentEvidence proves consents.
func (p *platform) consentEvidence(told *diagnosis.Service, zone *time.Location) signup.Evidence {
	return signup.Evidence{Service: p.signups, Prover: told, Mail: p.store, Bodies: p.spool, Zone: zone}
}
