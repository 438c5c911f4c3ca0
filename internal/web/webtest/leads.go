package webtest

import (
	"bytes"
	"context"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/lead/leadtest"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/leads"
)

// leadsSubject is the real service on a store in memory, with leads of both tenants in
// every state.
func leadsSubject() Subject {
	path := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			all := w.Leads(t(w))
			if len(all) == 0 {
				return nil
			}
			own := map[string]string{"/leads/{id}": "/leads/" + all[0].ID.String()}
			if list, err := w.LeadForms.Forms(context.Background(), t(w)); err == nil && len(list) > 0 {
				own["/lead-forms/{id}"] = "/lead-forms/" + list[0].ID.String()
			}
			if page, err := w.LeadCases.Cases(context.Background(), t(w), leadcase.Filter{Limit: 1}); err == nil && len(page.Cases) > 0 {
				own["/lead-cases/{id}"] = "/lead-cases/" + page.Cases[0].ID.String()
			}
			return own
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			desk := w.leadDesk()
			c.Leads = leads.Config{Leads: desk, Messages: c.Messages.Insight, Forms: w.LeadForms, Cases: w.LeadCases, People: leadPeople{w}, PublicURL: c.PublicURL}
		},
		Own:     path(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: path(func(w *World) tenant.ID { return w.Other.ID }),
		Pages: func(w *World) []string {
			list := []string{"/leads?advertiser=gibtsnicht", "/leads?state=stopped&tests=1", "/leads?state=x&after=y", "/leads/lead_unknown", "/leads?advertiser=%3Cscript%3E", "/leads?done=settings",
				"/leads/advertisers?done=saved", "/leads/advertisers?after=9", "/leads/advertisers/edit?number=4711", "/leads/advertisers/edit?number=fremd",
				"/lead-suspects?done=released", "/lead-suspects?done=discarded", "/lead-forms?done=dropped", "/lead-cases?state=open", "/lead-cases?state=closed&sort=opened",
				"/lead-cases?kind=refused&advertiser=gibtsnicht", "/lead-cases/new?advertiser=4711", "/lead-cases/case_unknown"}
			if page, err := w.LeadCases.Cases(context.Background(), w.Tenant.ID, leadcase.Filter{Limit: 9}); err == nil {
				for _, one := range page.Cases {
					list = append(list, "/lead-cases/"+one.ID.String()+"?done=tested")
				}
			}
			for _, l := range w.Leads(w.Tenant.ID) {
				list = append(list, "/leads/"+l.ID.String(), "/leads/"+l.ID.String()+"?done=test", "/leads/"+l.ID.String()+"?done=stopped")
			}
			return list
		},
	}
}

// Leads are the leads of a tenant, from new to old.
func (w *World) Leads(t tenant.ID) []lead.Lead {
	page, err := w.leadDesk().Leads(context.Background(), t, lead.Filter{Tests: true, Suspects: true, Limit: 100})
	if err != nil {
		return nil
	}
	return page.Leads
}

// Receivers is what follows the links of those who receive leads.
func (w *World) Receivers() *lead.Service { return w.leadDesk() }

func (w *World) leadDesk() *lead.Service {
	w.leadsOnce.Do(func() { w.leads = w.makeLeads() })
	return w.leads
}

// refusing accepts no mail whose object is "gesperrt", so that its lead stops.
type refusing struct {
	ingest.Acceptor
	first message.ID // stands for the mail of every lead
}

// Accept implements ingest.Acceptor.
func (a refusing) Accept(_ context.Context, _ ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	if strings.Contains(s.Draft.Subject, "gesperrt") {
		return ingest.Receipt{}, fault.New(fault.Forbidden, "tenant_locked", "The account is locked.")
	}
	return ingest.Receipt{ID: a.first}, nil
}

func (w *World) makeLeads() *lead.Service {
	keeper, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
	if err != nil {
		panic(err) // the key is of the right length
	}
	store := &leadtest.Store{}
	mail, err := id.Parse[message.Kind](strings.TrimPrefix(w.newest(false, event.Delivered, ""), "/messages/"))
	if err != nil {
		panic(err) // the world has a delivered message
	}
	s := lead.New(lead.Config{Store: store, Acceptor: refusing{first: mail}, Tenants: accounts{w}, Keeper: keeper, PublicURL: "https://post.example", Now: w.Now})
	address, err := message.ParseAddress("anfragen@makler.example")
	if err != nil {
		panic(err)
	}
	for _, v := range []struct {
		owner  tenant.ID
		object string
		test   bool
	}{{w.Other.ID, "FREMD-1", false}, {w.Tenant.ID, "VERDACHT-1 <b>", false}, {w.Tenant.ID, "MA-1024", false}, {w.Tenant.ID, "gesperrt <b>", false}, {w.Tenant.ID, "T-1", true}} {
		suspicion := ""
		if strings.HasPrefix(v.object, "VERDACHT") {
			suspicion = leadform.SuspectTrap
		}
		if _, err := s.Submit(context.Background(), ingest.Principal{Tenant: v.owner, Actor: "key_1", Door: "http"}, lead.Enquiry{
			Test: v.test, Suspicion: suspicion, Advertiser: lead.AdvertiserRef{ID: "4711", Name: "Makler <script>", Emails: []message.Address{address}},
			Object:   openimmo.Object{AdvertiserRef: v.object, Title: "Haus <i>am See</i>", URL: "https://portal.example/expose/1"},
			Prospect: openimmo.Prospect{FirstName: "Eva", LastName: "Sommer", Email: "eva@kunde.example", Wishes: []openimmo.Wish{openimmo.Viewing}},
			Message:  "Ist es noch frei? <script>alert(1)</script>",
		}); err != nil {
			panic(err)
		}
	}
	// One whose content is gone.
	old := lead.Lead{Tenant: w.Tenant.ID, Advertiser: "4711", Object: "ALT-1", State: lead.Sent, TakenAt: w.Now().Add(-60 * 24 * time.Hour)}
	old.ID[0] = 1
	if _, _, err := store.TakeLead(context.Background(), old, lead.Advertiser{ID: "ALT", Name: "Alt & Söhne", Profile: lead.ProfileOf("")}, "", [32]byte{}); err != nil {
		panic(err)
	}
	w.makeForms(s, keeper)
	return s
}
