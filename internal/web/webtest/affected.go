package webtest

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/changeover/announce/announcetest"
	"stafette/internal/egress"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	webaffected "stafette/internal/web/affected"
)

// moves is a changeover of each tenant, with customers in every state.
type moves struct {
	store     *announcetest.Store
	announcer *announce.Service
	surveyor  *affected.Surveyor
}

// affectedSubject is the real services on a store in memory.
func affectedSubject() Subject {
	paths := func(owner func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			c, customers := w.Changeover(owner(w))
			return map[string]string{"/affected/{id}": "/affected/" + c.ID.String(), "/affected-customer/{customer}": "/affected-customer/" + customers[0].ID.String()}
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			m := w.moving()
			c.Affected = webaffected.Config{Announcer: m.announcer, Surveyor: m.surveyor, Customers: m.store, Plans: m.store}
		},
		Own:     paths(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: paths(func(w *World) tenant.ID { return w.Other.ID }),
		Pages: func(w *World) []string {
			c, customers := w.Changeover(w.Tenant.ID)
			plan := "/affected/" + c.ID.String()
			list := []string{plan + "?problem=any&sort=-customer", plan + "?q=gibtsnicht", plan + "?state=informed&problem=%3Cscript%3E", plan + "?after=999", plan + "?after=-1",
				plan + "?done=sending", plan + "/announcement?done=saved", "/affected/chg_unknown", "/affected-customer/cus_unknown"}
			for _, one := range customers {
				list = append(list, "/affected-customer/"+one.ID.String())
			}
			return append(list, "/affected-customer/"+customers[0].ID.String()+"?done=tested")
		},
	}
}

// Changeover is a tenant's, with its customers.
func (w *World) Changeover(t tenant.ID) (changeover.Changeover, []affected.Customer) {
	m := w.moving()
	for _, c := range m.store.Plans {
		if c.Tenant == t {
			customers, err := m.store.Customers(context.Background(), t, c.ID)
			if err != nil {
				panic(err) // it is in memory
			}
			return c, customers
		}
	}
	return changeover.Changeover{}, nil
}

// Announcer is the service behind the pages about changeovers.
func (w *World) Announcer() *announce.Service { return w.moving().announcer }

func (w *World) moving() *moves {
	leads := w.leadDesk()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.customers != nil {
		return w.customers
	}
	keeper, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
	if err != nil {
		panic(err) // the key is of the right length
	}
	catalog, err := i18n.Load()
	if err != nil {
		panic(err) // the catalogue has tests of its own
	}
	m := &moves{store: &announcetest.Store{}}
	for _, t := range []tenant.ID{w.Other.ID, w.Tenant.ID} {
		m.store.Plans = append(m.store.Plans, changeover.Changeover{ID: id.New[changeover.Kind](w.now), Tenant: t, Name: "Neue Adressen <b>", Stage: changeover.Shifting,
			Old: []string{"alt-a"}, New: []string{"neu-a", "neu-b"}, AnnounceAt: w.now.Add(-20 * 24 * time.Hour), TestFrom: w.now.Add(-3 * 24 * time.Hour),
			CutoverAt: w.now.Add(-2 * 24 * time.Hour), OverlapUntil: w.now.Add(40 * 24 * time.Hour), UpdatedAt: w.now})
		m.customers(m.store.Plans[len(m.store.Plans)-1], w.now)
	}
	ways := ways{}
	m.announcer, err = announce.New(announce.Config{Store: m.store, Customers: m.store, Changeovers: m.store, Ways: ways, Leads: leads,
		Acceptor: w, Keeper: keeper, Catalog: catalog, PublicURL: "https://post.example", Now: w.Now})
	if err != nil {
		panic(err) // the address is an origin
	}
	m.surveyor = affected.NewSurveyor(affected.Config{Store: m.store, Changeovers: m.store, Marks: m.store.FallbackMarks, Advertisers: leads, Ways: ways,
		Tenants: nobody{}, Provider: func(string) string { return "" }, Now: w.Now})
	w.customers = m
	return m
}

// ways are the sources of the world's changeovers.
type ways struct{}

// Ways tells them.
func (ways) Ways(context.Context) (egress.Ways, error) {
	var list []egress.Source
	for i, name := range []string{"alt-a", "neu-a", "neu-b"} {
		list = append(list, egress.Source{Name: name, IP: netip.AddrFrom4([4]byte{192, 0, 2, byte(17 + i)}), EHLO: name + ".mail.example", State: egress.StateActive})
	}
	return egress.Ways{Plan: egress.EqualPlan(list...)}, nil
}

// nobody is no tenant: surveys of the whole platform are not the office's.
type nobody struct{}

// Tenants lists none.
func (nobody) Tenants(context.Context, tenant.ID, int) ([]tenant.Tenant, error) { return nil, nil }

// customers puts one customer of each state into the store.
func (m *moves) customers(c changeover.Changeover, now time.Time) {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			panic(err) // it is in memory
		}
	}
	mail := message.Delivery(message.NewID(now), 1)
	blamed := affected.Blame{Count: 41, Source: "192.0.2.18", Reply: "554 5.7.1 <script>alert(1)</script> not on our IP list", At: now.Add(-time.Hour), Delivery: mail}
	compared := affected.Comparison{Site: "makler.example", Host: "mx.makler.example", Old: affected.Side{Mails: 90, Accepted: 90, Median: 3 * time.Second},
		New: affected.Side{Mails: 98, Accepted: 98, Median: 200 * time.Second}, Verdicts: []affected.Verdict{affected.Slower}, Evidence: []message.DeliveryID{mail}}
	few := compared
	few.New.Mails, few.Verdicts, few.Evidence = 3, []affected.Verdict{affected.TooFew}, nil
	emails := []message.Address{{Local: "anfragen", Domain: "makler.example"}}
	var found []affected.Found
	for i, f := range []affected.Finding{{At: now, Blamed: blamed, Sites: []affected.Comparison{few}, Partial: true}, {At: now, Sites: []affected.Comparison{compared}}, {At: now}, {At: now}, {}} {
		found = append(found, affected.Found{Kind: affected.Advertiser, Key: fmt.Sprint(4711 + i), Name: fmt.Sprintf("%c Makler <i> & Co.", 'A'+i), Software: "onoffice", Emails: emails, Finding: f})
	}
	found = append(found, affected.Found{Kind: affected.Domain, Key: "lund.example", Finding: affected.Finding{At: now, Fallback: blamed}})
	must(m.store.PutFound(ctx, c.Tenant, c.ID, found, now))
	all, err := m.store.Customers(ctx, c.Tenant, c.ID)
	must(err)
	for _, one := range all {
		switch {
		case strings.HasPrefix(one.Name, "B"):
			one.Informed, one.InformedAt = message.NewID(now), now.Add(-96*time.Hour)
		case strings.HasPrefix(one.Name, "C"):
			one.InformedAt, one.Answer, one.AnsweredAt, one.Lists, one.Note = now.Add(-96*time.Hour), affected.Added, now.Add(-time.Hour), true, "laut Telefonat"
		case strings.HasPrefix(one.Name, "D"):
			one.Informed, one.InformedAt = message.NewID(now), now.Add(-96*time.Hour)
			must(m.store.PutTest(ctx, c.Tenant, one.ID, affected.Test{Source: "neu-a", SentAt: now.Add(-30 * time.Hour), BodyAt: now.Add(-time.Hour)}))
		case strings.HasPrefix(one.Name, "E"):
			one.NeedsOld = true
		}
		must(m.store.PutCustomer(ctx, one))
	}
}
