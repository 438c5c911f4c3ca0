package webtest

import (
	"context"

	"stafette/internal/i18n"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/lead/leadtest"
	"stafette/internal/lead/openimmo"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// leadPeople tells the names of the world's people.
type leadPeople struct{ w *World }

// Users implements leads.People.
func (p leadPeople) Users(context.Context, tenant.ID) ([]tenant.User, error) { return nil, nil }

// makeForms makes forms and cases of both tenants, with words as strangers write them.
func (w *World) makeForms(s *lead.Service, keeper *seal.Keeper) {
	catalog, err := i18n.Load()
	if err != nil {
		panic(err) // the catalogue is whole
	}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	w.LeadForms = leadform.New(leadform.Config{Store: &leadtest.Forms{}, Leads: s, Keeper: keeper, Catalog: catalog, Now: w.Now})
	w.LeadCases = leadcase.New(leadcase.Config{Store: &leadtest.Cases{}, Leads: s, Mail: w, Keeper: keeper, Now: w.Now})
	ctx := context.Background()
	all := map[leadform.Field]leadform.Need{}
	for _, f := range leadform.Fields() {
		all[f] = leadform.Optional
	}
	all[leadform.Email] = leadform.Mandatory
	for _, t := range []tenant.ID{w.Tenant.ID, w.Other.ID} {
		_, err := w.LeadForms.Save(ctx, leadform.Form{Tenant: t, Name: "Haus am See <script>", Active: true, Advertiser: "4711", Fields: all,
			Object: openimmo.Object{AdvertiserRef: "MA-1024", Title: "Haus <i>am See</i>", City: "Dortmund"}, Notice: "Verantwortlich: Muster.\n\nSie haben Rechte.",
			Origins: []string{"https://www.makler.example"}, PrivacyURL: "https://www.makler.example/datenschutz"})
		must(err)
		page, err := s.Leads(ctx, t, lead.Filter{Limit: 9})
		must(err)
		for i := range page.Leads {
			_, err = w.LeadCases.Report(ctx, t, leadcase.Report{Kind: leadcase.Kinds()[i%5], Advertiser: "4711", Lead: &page.Leads[i], Text: "Der Anhang fehlt. <script>"})
			must(err)
		}
	}
	_, err = w.LeadForms.Save(ctx, leadform.Form{Tenant: w.Tenant.ID, Name: "Alle Objekte", Signed: true, Fields: map[leadform.Field]leadform.Need{leadform.Phone: leadform.Mandatory}})
	must(err)
	closed, err := w.LeadCases.Report(ctx, w.Tenant.ID, leadcase.Report{Kind: leadcase.Missing, Advertiser: "4711", Object: "ALT-2", Actor: "usr_1"})
	must(err)
	must(w.LeadCases.Close(ctx, w.Tenant.ID, closed.ID, "usr_1", leadcase.Receiver, "Jetzt kommt alles an."))
}
