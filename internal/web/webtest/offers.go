package webtest

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"slices"
	"strings"
	"sync"

	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/offer/offertest"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/offers"
)

// offered are the offers of the world, made when they are first asked for.
type offered struct {
	once    sync.Once
	service *offer.Service
	catalog *i18n.Catalog // nil before the office is wired: then no page is drawn
}

// offerTenants tells who makes the world's offers.
type offerTenants struct{ w *World }

// Tenant implements offer.Tenants.
func (o offerTenants) Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error) {
	return accounts{o.w}.Tenant(ctx, t)
}

// Profile implements offer.Tenants.
func (offerTenants) Profile(context.Context, tenant.ID) (tenant.Profile, error) {
	return tenant.Profile{Imprint: "Muster <GmbH>\nWeg 1"}, nil
}

// Offers is the real service on a store in memory, with an offer of both tenants in every
// state.
func (w *World) Offers() *offer.Service {
	w.offered.once.Do(func() { w.offered.service = w.makeOffers() })
	return w.offered.service
}

func (w *World) makeOffers() *offer.Service {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	keeper, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
	must(err)
	mail, err := id.Parse[message.Kind](strings.TrimPrefix(w.newest(false, event.Delivered, ""), "/messages/"))
	must(err)
	store := &offertest.Store{}
	s, err := offer.New(offer.Config{Store: store, Tenants: offerTenants{w}, Acceptor: refusing{first: mail}, Mail: w, Keeper: keeper, Catalog: w.offered.catalog,
		PublicURL: "https://post.example", Now: w.Now})
	must(err)
	ctx := context.Background()
	var picture bytes.Buffer
	must(png.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2))))
	for _, t := range []tenant.ID{w.Other.ID, w.Tenant.ID} {
		o, err := s.Create(ctx, t, "usr_1", offer.Content{
			Title: "Speicherblock <b>7", Lead: "Wohnen am Fleet", Text: "Eins.\n\nZwei <script>.", From: "info@muster.example", Contact: offer.Contact{Name: "J. Petersen", Phone: "040 1", Email: "j@muster.example"},
			Figures: []offer.Figure{{Label: "Fläche", Value: "61 m²"}}, Units: []offer.Unit{{Name: "4.1 <i>", Price: "412.000 €"}}, Links: []offer.Link{{Label: "Rundgang", URL: "https://rundgang.example/"}},
			Legal: offer.Legal{Gate: true, Notice: "Widerrufsbelehrung\n\nSie haben das Recht.", Boxes: []offer.Box{{Kind: offer.BoxNotice, Text: "Gelesen <b>", Needed: true}, {Kind: offer.BoxPermission, Text: "Gern"}}},
		})
		must(err)
		_, err = s.AddFile(ctx, t, o.ID, offer.Upload{Kind: offer.Picture, Title: "Ansicht <svg>", Name: "a.png", Data: picture.Bytes()})
		must(err)
		_, err = s.AddFile(ctx, t, o.ID, offer.Upload{Kind: offer.Expose, Name: "Exposé.pdf", Data: []byte("%PDF-1.4\n%%EOF")})
		must(err)
		_, err = s.Publish(ctx, t, o.ID, "usr_1")
		must(err)
		people, err := s.Send(ctx, ingest.Principal{Tenant: t, Actor: "usr_1"}, o.ID, offer.Letter{Subject: "Ihr Angebot", Text: "{link}", To: []message.Mailbox{
			{Name: "Eva <b>", Address: message.Address{Local: "eva", Domain: "kunde.example"}}, {Address: message.Address{Local: "max", Domain: "kunde.example"}}}})
		must(err)
		r, l := people[0], o.Content.Legal
		_, err = store.LikeUnit(ctx, offer.Like{Tenant: t, Offer: o.ID, Recipient: r.ID, Unit: o.Content.Units[0].ID, At: w.Now()}, true)
		must(err)
		// Without their receipts, which take long to print.
		for _, d := range []offer.Detail{
			{Wording: l.Hash(), Boxes: []offer.Ticked{{Box: l.Boxes[0], Ticked: true}, {Box: l.Boxes[1]}}},
			{Name: "Eva <b>", Contract: "Makler <i>", Email: "eva@kunde.example", Declaration: "Hiermit widerrufe ich <b>"},
		} {
			kind := offer.Confirmed
			if d.Name != "" {
				kind = offer.Withdrawn
			}
			must(store.AddOfferAct(ctx, offer.Act{ID: id.New[offer.ActIDKind](w.Now()), Tenant: t, Offer: o.ID, Recipient: r.ID, Kind: kind, Version: 1, At: w.Now(), Detail: d}, 9))
		}
		must(s.Revoke(ctx, t, o.ID, people[1].ID))
	}
	draft, err := s.Create(ctx, w.Tenant.ID, "usr_1", offer.Content{Title: "Entwurf"})
	must(err)
	_, err = s.Duplicate(ctx, w.Tenant.ID, draft.ID, "usr_1", "Kopie")
	must(err)
	return s
}

// offer is the published offer of a tenant with its first recipient.
func (w *World) offer(t tenant.ID) (offer.Offer, offer.Recipient) {
	ctx := context.Background()
	list, err := w.Offers().Offers(ctx, t)
	if err != nil {
		panic(err)
	}
	// A test of the whole map may have ended the published one before.
	slices.SortStableFunc(list, func(a, b offer.Row) int { return rank(a.State) - rank(b.State) })
	for _, o := range list {
		people, err := w.Offers().Recipients(ctx, t, o.ID)
		if err != nil {
			panic(err)
		}
		if len(people) > 0 {
			return o.Offer, people[len(people)-1]
		}
	}
	panic("the world has no offer that was sent")
}

// offerPaths are the paths of a placeholder for both tenants.
func offerPaths(placeholder string, path func(w *World, o offer.Offer, r offer.Recipient) string) Subject {
	of := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			o, r := w.offer(t(w))
			return map[string]string{placeholder: path(w, o, r)}
		}
	}
	return Subject{Own: of(func(w *World) tenant.ID { return w.Tenant.ID }), Foreign: of(func(w *World) tenant.ID { return w.Other.ID })}
}

func offerRecipientPath(o offer.Offer, r offer.Recipient) string {
	return "/offers/" + o.ID.String() + "/recipients/" + r.ID.String()
}

func offerActsSubject() Subject {
	return offerPaths("/offers/{id}/recipients/{recipient}/acts/{act}", func(w *World, o offer.Offer, r offer.Recipient) string {
		acts, err := w.Offers().Acts(context.Background(), o.Tenant, o.ID, r.ID)
		if err != nil || len(acts) == 0 {
			panic("the world's recipient did nothing")
		}
		return offerRecipientPath(o, r) + "/acts/" + acts[len(acts)-1].ID.String()
	})
}

func offerPeopleSubject() Subject {
	return offerPaths("/offers/{id}/recipients/{recipient}", func(_ *World, o offer.Offer, r offer.Recipient) string { return offerRecipientPath(o, r) })
}

func offerFilesSubject() Subject {
	return offerPaths("/offers/{id}/files/{file}", func(_ *World, o offer.Offer, _ offer.Recipient) string {
		return "/offers/" + o.ID.String() + "/files/" + o.Content.Files[0].ID
	})
}

func offersSubject() Subject {
	s := offerPaths("/offers/{id}", func(_ *World, o offer.Offer, _ offer.Recipient) string { return "/offers/" + o.ID.String() })
	s.Wire = func(w *World, c *web.Config) {
		w.offered.catalog = c.Catalog
		c.Offers = offers.Config{Offers: w.Offers()}
	}
	s.Pages = func(w *World) []string {
		o, r := w.offer(w.Tenant.ID)
		one, to := "/offers/"+o.ID.String(), offerRecipientPath(o, r)
		return []string{"/offers?state=draft", "/offers?q=gibtsnicht", "/offers?state=x", "/offers?done=dropped", one + "?done=sent", one + "?q=gibtsnicht", one + "/edit?done=uploaded",
			to + "?done=handled", to + "?done=refused", "/offers/off_unknown"}
	}
	return s
}

// rank puts published offers first.
func rank(s offer.State) int {
	if s == offer.Published {
		return 0
	}
	return 1
}
