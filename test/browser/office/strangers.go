package main

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/changeover/announce"
	"stafette/internal/fault"
	"stafette/internal/genuine"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/public"
	"stafette/internal/published"
	"stafette/internal/seal"
	"stafette/internal/signup"
	"stafette/internal/spool"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

// strangers puts the pages of people without an account on the map, and returns the
// addresses of those that stand for all.
func strangers(mux *http.ServeMux, world *webtest.World, config web.Config) ([]string, error) {
	keeper, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
	if err != nil {
		return nil, err
	}
	asked, err := genuine.New(genuine.Config{Store: empty{}, Mail: world, Bodies: empty{}, Tenants: accounts{world}, Resolver: &webtest.Names{}, Keeper: keeper,
		Pace: time.Millisecond, Zone: config.Zone})
	if err != nil {
		return nil, err
	}
	lists, _ := config.Published.Lists.(*published.Service)
	joining, _ := config.Signups.Forms.(*signup.Service)
	door := public.New(public.Config{Signup: joining, Diagnosis: config.Whereabouts.Diagnosis, Published: lists, Genuine: asked, Catalog: config.Catalog, Now: world.Now, PerMinute: 1000})
	for _, path := range public.Paths() {
		mux.Handle(path, door)
	}
	announcer := world.Announcer()
	mux.Handle(announce.Path, public.NewChangeovers(public.ChangeoverConfig{Announcer: announcer, Catalog: config.Catalog, PerMinute: 1000, Zone: config.Zone, Now: world.Now}))

	plan, customers := world.Changeover(world.Tenant.ID)
	if err := announcer.Send(context.Background(), world.Tenant.ID, plan.ID, announce.OnlyAffected, "usr_1"); err != nil {
		return nil, err
	}
	of := world.Tenant.ID
	list := []string{lists.Path("de", tenant.ID{}), lists.Path("en", tenant.ID{}), lists.Path("de", of), public.GenuinePath("de", of), public.GenuinePath("en", of), pathOf(announcer.QuestionsURL(of, plan.ID))}
	for _, c := range customers {
		if strings.HasPrefix(c.Name, "B") || strings.HasPrefix(c.Name, "C") {
			list = append(list, pathOf(announcer.PageURL(of, c.ID)))
		}
	}
	forms, err := joining.Forms(context.Background(), of)
	if err != nil {
		return nil, err
	}
	for _, f := range forms {
		list = append(list, signup.FormPath+f.Key())
	}
	pages, err := publicMailing(mux, world, config)
	if err != nil {
		return nil, err
	}
	return append(append(list, pages...), announce.Path+"unbekannt"), nil
}

// publicMailing sends a mailing of blocks that everybody may read, and returns the addresses of
// its page and of the list of all.
func publicMailing(mux *http.ServeMux, world *webtest.World, config web.Config) ([]string, error) {
	ctx, of := context.Background(), world.Tenant.ID
	groups, err := world.Groups().List(ctx, of)
	if err != nil {
		return nil, err
	}
	letter := blocks.New()
	letter.Blocks[1].Title, letter.Blocks[1].Text = "Neues aus dem Hafen", "Guten Tag {{name}},\n\ndie **Grundrisse** stehen [im Netz](https://muster.example/)."
	c := campaign.Campaign{Name: "Öffentlich", Groups: []audience.GroupID{groups[0].ID}, Letter: campaign.Letter{From: "Muster GmbH <news@muster.example>", Subject: "Neues aus dem Hafen",
		Made: &campaign.Made{Source: &stationery.Source{Mode: stationery.Blocks, Blocks: &letter}}}}
	who := ingest.Principal{Tenant: of, Actor: "usr_1", Door: "office"}
	if c, err = world.Mailings().Create(ctx, who, c); err != nil {
		return nil, err
	}
	if _, err = world.Mailings().Send(ctx, who, c.ID, time.Time{}); err != nil {
		return nil, err
	}
	if _, err = world.Mailings().Publish(ctx, who, c.ID, campaign.Publication{Public: true}); err != nil {
		return nil, err
	}
	publisher := config.Campaigns.Publisher
	door := public.NewPages(public.PagesConfig{Publisher: publisher, Catalog: config.Catalog, PerMinute: 1000, Zone: config.Zone, Now: world.Now})
	for _, path := range public.PagesPaths() {
		mux.Handle(path, door)
	}
	return []string{pathOf(publisher.Link(of, c.ID)), pathOf(publisher.ListLink(of))}, nil
}

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "/"
	}
	return u.Path
}

// accounts are those of the world.
type accounts struct{ *webtest.World }

// Tenant implements genuine.Tenants.
func (a accounts) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	if t != a.World.Tenant.ID {
		return tenant.Tenant{}, fault.New(fault.NotFound, "tenant_not_found", "There is no such tenant.")
	}
	return a.World.Tenant, nil
}

// empty is an archive in which nothing is.
type empty struct{}

func (empty) AcceptedAt(context.Context, tenant.ID, time.Time, time.Time, int) ([]message.ID, error) {
	return nil, nil
}

func (empty) SentAs(context.Context, tenant.ID, time.Time, time.Time, string, int) (int64, error) {
	return 0, nil
}

func (empty) NamedBySender(context.Context, tenant.ID, string) (message.ID, error) {
	return message.ID{}, fault.New(fault.NotFound, "message_not_found", "There is no such message.")
}

func (empty) Body(context.Context, spool.Handle) ([]byte, error) { return nil, spool.ErrGone }
