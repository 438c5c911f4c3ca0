package offer

import (
	"context"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// HitKind says what a recipient looked at or did on a page.
type HitKind string

// The kinds of hit.
const (
	HitVisited         HitKind = "page_visited"
	HitLink            HitKind = "link_opened"
	HitDocument        HitKind = "document_downloaded"
	HitFloorPlan       HitKind = "floorplan_downloaded"
	HitLiked           HitKind = "unit_liked"
	HitUnliked         HitKind = "unit_unliked"
	HitExpose          HitKind = "expose_downloaded"
	HitNotice          HitKind = "withdrawal_notice_opened"
	HitNoticeConfirmed HitKind = "withdrawal_notice_confirmed"
	HitTermsConfirmed  HitKind = "terms_confirmed"
	HitWithdrawn       HitKind = "contract_withdrawn"
)

// Hit is one look or deed on a page of an offer, before it is decided whether any of it is
// kept.
type Hit struct {
	Tenant    tenant.ID
	Offer     ID
	Recipient RecipientID
	Address   message.Address
	Message   message.ID // the mail that brought the link; zero if none did
	Sender    string     // user or key that made the offer to the recipient
	Title     string     // of the offer
	Kind      HitKind
	Target    string // identifier of the file, unit or link; "" for the page
	Label     string // what people call it
	Version   string // hash of what was had, "" if it has none
	At        time.Time
	// Human is set for what a form did: machines that follow links send none.
	Human bool
	Asked Asked
}

// Asked is what a request told of who made it.
type Asked struct {
	Remote    string // address
	UserAgent string
	Head      bool // only asked whether the page is there
}

// Watcher decides by level and consent what of a hit is kept, and whether a person or a
// machine made it. An error is logged and hinders nobody: pages work without it.
type Watcher interface {
	Seen(ctx context.Context, h Hit) error
}

// Indication is a hit that was kept: a sign that something was looked at, no proof.
type Indication struct {
	At      time.Time
	Kind    HitKind
	Target  string
	Label   string
	Version string
	// Machine is the class of the machine that is taken to have made it; "": a person.
	Machine string
}

// Reader is a Watcher that tells what it kept of a recipient.
type Reader interface {
	Indications(ctx context.Context, t tenant.ID, o ID, r RecipientID) ([]Indication, error)
}

// seen tells the Watcher.
func (s *Service) seen(ctx context.Context, v Visit, h Hit, remote string) {
	if h.Asked.Remote == "" {
		h.Asked.Remote = remote
	}
	if s.c.Watch == nil || v.Preview {
		return
	}
	r := v.Recipient
	h.Tenant, h.Offer, h.Recipient, h.Address, h.Message, h.Sender = r.Tenant, r.Offer, r.ID, r.Address, r.Message, r.Actor
	h.Title, h.At = v.Version.Content.Title, s.now()
	if h.Asked.UserAgent == "" {
		h.Asked.UserAgent = v.UserAgent
	}
	if err := s.c.Watch.Seen(ctx, h); err != nil && ctx.Err() == nil {
		s.c.Log.ErrorContext(ctx, "hit on an offer was not kept", "offer", r.Offer.String(), "kind", string(h.Kind), "err", err)
	}
}

// Indications lists what is known of a recipient's looks, in order; empty where nothing is
// kept.
func (s *Service) Indications(ctx context.Context, r Recipient) ([]Indication, error) {
	reader, ok := s.c.Watch.(Reader)
	if !ok {
		return nil, nil
	}
	return reader.Indications(ctx, r.Tenant, r.Offer, r.ID)
}
