package webtest

import (
	"context"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/blitz"
	"stafette/internal/blitz/blitztest"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/offer/certificate"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web"
	webblitz "stafette/internal/web/blitz"
)

// blitzSubject is the real feed over activities of every kind: known, unknown and of
// machines, with hostile words.
func blitzSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			store := w.Activities()
			feed := blitz.Feed{Store: store, Now: w.Now}
			c.Blitz = webblitz.Config{Feed: feed, Activities: store, Hub: w.Tracked, Teller: blitz.Teller{Catalog: c.Catalog}, Mails: func() bool { return true },
				Certificates: certificates{w}, Contacts: acquaintances{}}
			c.Unread = feed.Unread
		},
		Own: func(w *World) map[string]string {
			return map[string]string{"/blitz/messages/{message}": "/blitz" + w.newest(false, event.Delivered, ""), "/blitz/offers/{offer}/{recipient}": "/blitz/offers/" + ownOffer}
		},
		Foreign: func(w *World) map[string]string {
			return map[string]string{"/blitz/messages/{message}": "/blitz" + w.newest(true, event.Delivered, ""), "/blitz/offers/{offer}/{recipient}": "/blitz/offers/" + foreignOffer}
		},
		Pages: func(*World) []string {
			return []string{"/blitz?machines=1", "/blitz?group=offer", "/blitz?group=recipient&machines=1", "/blitz?kind=mail&q=niemand@x.example", "/blitz?done=read"}
		},
	}
}

// Offers with a recipient, of World.Tenant and of World.Other.
const (
	ownOffer     = "off_01k00000000000000000000000/offr_01k00000000000000000000000"
	foreignOffer = "off_01k00000000000000000000001/offr_01k00000000000000000000001"
)

// acquaintances know one person by name.
type acquaintances struct{}

// ContactOf implements blitz.Contacts.
func (acquaintances) ContactOf(_ context.Context, _ tenant.ID, a message.Address) (audience.Contact, bool, error) {
	if a.String() != "eva@neu.example" {
		return audience.Contact{}, false, nil
	}
	return audience.Contact{GivenName: "Eva", FamilyName: "Neu", Addresses: []message.Address{a}}, true, nil
}

// certificates states nothing of what is the tenant's own, and knows nothing else.
type certificates struct{ *World }

// OfOffer implements webblitz.Certificates.
func (c certificates) OfOffer(_ context.Context, _ tenant.ID, o offer.ID, r offer.RecipientID) (certificate.Content, error) {
	if o.String()+"/"+r.String() != ownOffer {
		return certificate.Content{}, fault.New(fault.NotFound, offer.CodeUnknown, "There is no such offer.")
	}
	return certificate.Content{}, nil
}

// OfMessage implements webblitz.Certificates.
func (c certificates) OfMessage(ctx context.Context, t tenant.ID, m message.ID) (certificate.Content, error) {
	_, err := c.Message(ctx, t, m)
	return certificate.Content{}, err
}

// JSON implements webblitz.Certificates.
func (certificates) JSON(certificate.Content) ([]byte, error) { return []byte("{}"), nil }

// PDF implements webblitz.Certificates.
func (certificates) PDF(context.Context, tenant.ID, certificate.Content, i18n.Clock) ([]byte, error) {
	return []byte("%PDF-"), nil
}

// Activities are what recipients of World.Tenant did; those of World.Other are there too.
func (w *World) Activities() *blitztest.Store {
	w.blitzOnce.Do(func() {
		w.Tracked = tracking.NewHub()
		w.blitz = &blitztest.Store{}
		eva := message.Address{Local: "eva", Domain: "gmx.example"}
		for i, k := range tracking.Kinds() {
			for j, class := range tracking.Classes() {
				at := w.Now().Add(-time.Duration(3*i+j) * time.Hour)
				a := tracking.Activity{ID: id.New[tracking.ActivityKind](at), Tenant: w.Tenant.ID, At: at, Kind: k, Title: "Speicherblock 7 <b>", Label: "4.2 \"x\"", Sender: w.users[Clerk].ID.String(),
					Version: "0123456789abcdef", Agent: "Outlook", Decision: tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant}, Machine: tracking.Machine{Class: class}}
				if a.Message = id.New[message.Kind](at); tracking.Opened != k && tracking.Clicked != k {
					a.Offer = "off_01k00000000000000000000000"
				}
				if class == tracking.Person {
					a.Identified, a.Recipient = true, &eva
				}
				w.blitz.Kept = append(w.blitz.Kept, a)
			}
		}
		slices.Reverse(w.blitz.Kept)
		foreign := w.blitz.Kept[0]
		foreign.ID, foreign.Tenant, foreign.Title = id.New[tracking.ActivityKind](w.Now()), w.Other.ID, "Fremdes Angebot"
		w.blitz.Kept = append(w.blitz.Kept, foreign)
	})
	return w.blitz
}

// Did lets something happen now.
func (w *World) Did(a tracking.Activity) tracking.Activity {
	a.ID, a.At = id.New[tracking.ActivityKind](w.Now()), w.Now()
	if a.Tenant == (tenant.ID{}) {
		a.Tenant = w.Tenant.ID
	}
	w.Activities().Keep(a)
	w.Tracked.Publish(a)
	return a
}
