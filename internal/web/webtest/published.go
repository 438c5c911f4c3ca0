package webtest

import (
	"bytes"
	"context"
	"time"

	"stafette/internal/egress"
	"stafette/internal/i18n"
	"stafette/internal/notice"
	"stafette/internal/published"
	"stafette/internal/published/publishedtest"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	webpublished "stafette/internal/web/published"
)

// publishedSubject is the real service on a store in memory: the platform's list with a
// history, one of an account, and subscribers.
func publishedSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Published = webpublished.Config{Lists: w.published(c.PublicURL, c.Catalog, c.Zone), GenuinePath: func(_ string, t tenant.ID) string { return "/echt/" + t.String() }}
		},
	}
}

// outward is what the lists are made from and who is written to.
type outward struct {
	w *World
	*Outlets
	plan egress.Plan
}

// Plan implements published.Sources.
func (o *outward) Plan(context.Context) (egress.Plan, error) { return o.plan, nil }

// Domains implements published.Tenants.
func (o *outward) Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error) {
	return o.w.Domains(ctx, t)
}

// Tenant implements published.Tenants.
func (o *outward) Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error) {
	return directory{o.w}.Tenant(ctx, t)
}

// On implements published.Mails.
func (o *outward) On() bool { return true }

// Send implements published.Mails.
func (o *outward) Send(context.Context, notice.Letter) error { return nil }

// published is the service of the world, made at the first call.
func (w *World) published(origin string, catalog *i18n.Catalog, zone *time.Location) *published.Service {
	w.listsOnce.Do(func() { w.lists = w.makeLists(origin, catalog, zone) })
	return w.lists
}

func (w *World) makeLists(origin string, catalog *i18n.Catalog, zone *time.Location) *published.Service {
	keeper, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
	if err != nil {
		panic(err) // the key is of the right length
	}
	o := &outward{w: w, Outlets: w.Outlets()}
	o.plan = o.Outlets.plan
	s, err := published.New(published.Config{
		Store: &publishedtest.Store{}, Sources: o, Tenants: o, Mails: o, Catalog: catalog, Signer: w.Diagnosis(origin, catalog, zone), Keeper: keeper,
		Resolver: &Names{txt: map[string][]string{"_spf.stafette.example": {"v=spf1 ip4:192.0.2.99 -all"}}},
		Name:     "post.stafette.example", Domain: "stafette.example", SPFName: "_spf.stafette.example", Zone: zone, Now: w.Now,
	})
	if err != nil {
		panic(err) // all parts are there
	}
	ctx := context.Background()
	fill := func() {
		if err := s.Refresh(ctx); err != nil {
			panic(err) // the store is in memory
		}
	}
	fill()
	o.plan.Sources = append([]egress.Source(nil), o.plan.Sources...)
	o.plan.Sources[0].State, o.plan.Sources[0].ValidUntil = egress.StateRetiring, w.Now().Add(42*24*time.Hour)
	fill()
	for _, of := range []tenant.ID{{}, w.Tenant.ID} {
		if err := s.SubscribeMail(ctx, of, "technik@kunde.example", i18n.German); err != nil {
			panic(err)
		}
		if _, err := s.SubscribeHook(ctx, of, "https://kunde.example/hook?<b>", i18n.English); err != nil {
			panic(err)
		}
	}
	return s
}
