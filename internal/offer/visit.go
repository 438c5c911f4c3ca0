package offer

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// VisitState says what a link opens.
type VisitState string

// The states of a visit.
const (
	Opened VisitState = "open"
	Locked VisitState = "locked" // a password is asked
	Over   VisitState = "over"   // ended, expired or revoked; nothing tells which
)

// Visit is what a recipient's link opens.
type Visit struct {
	State     VisitState
	Offer     Offer
	Version   Version
	Recipient Recipient
	Tenant    tenant.Tenant
	Profile   tenant.Profile
	Brand     blocks.Brand
	// Logo is the tenant's own, kept here; none: the name stands there instead. That of Brand
	// lies on another host and is for mails alone.
	Logo stationery.Logo
	// Liked are the units the recipient likes.
	Liked map[string]bool
	// Confirmed is the confirmation of the wording as it is now; nil: there is none.
	Confirmed *Act
	// Watched: what the recipient looks at is recorded, and told to the tenant.
	Watched bool
	// Preview is a look at the draft from the office: nothing on it can be done.
	Preview bool
}

// Open reports whether the content may be shown.
func (v Visit) Open() bool { return v.State == Opened && !v.Preview }

// Gated reports whether the exposé waits for a confirmation.
func (v Visit) Gated() bool { return v.Version.Content.Legal.Gate && v.Confirmed == nil }

// Visit returns what a link opens; key is what Unlock gave, "" before. A token that was
// made up, or whose recipient is gone, is NotFound CodeLink, and nothing tells which.
func (s *Service) Visit(ctx context.Context, token, key string) (Visit, error) {
	t, r, err := s.named(token)
	if err != nil {
		return Visit{}, err
	}
	var v Visit
	if v.Recipient, err = s.c.Store.OfferRecipient(ctx, t, r); err == nil {
		v.Offer, err = s.c.Store.Offer(ctx, t, v.Recipient.Offer)
	}
	if err == nil && v.Offer.Version == 0 {
		return Visit{}, unknownLink()
	}
	if err == nil {
		v.Version, err = s.c.Store.OfferVersion(ctx, t, v.Offer.ID, v.Offer.Version)
	}
	if fault.IsKind(err, fault.NotFound) {
		return Visit{}, unknownLink()
	}
	if err == nil {
		err = s.whose(ctx, &v)
	}
	if err != nil {
		return Visit{}, fmt.Errorf("open offer: %w", err)
	}
	switch {
	case v.Recipient.Over(s.now()) || v.Offer.State != Published:
		v.State = Over
		return v, nil
	case !s.unlocked(v.Recipient, key):
		v.State = Locked
		return v, nil
	}
	v.State = Opened
	return v, s.done(ctx, &v)
}

func (s *Service) whose(ctx context.Context, v *Visit) (err error) {
	if v.Tenant, err = s.c.Tenants.Tenant(ctx, v.Offer.Tenant); err == nil {
		v.Profile, err = s.c.Tenants.Profile(ctx, v.Offer.Tenant)
	}
	if err == nil && s.c.Brands != nil {
		if v.Brand, err = s.c.Brands.Brand(ctx, v.Offer.Tenant); err == nil {
			v.Logo, err = s.c.Brands.Logo(ctx, v.Offer.Tenant)
		}
	}
	return err
}

// done reads what the recipient did before.
func (s *Service) done(ctx context.Context, v *Visit) error {
	likes, err := s.c.Store.OfferLikes(ctx, v.Offer.Tenant, v.Offer.ID)
	if err != nil {
		return fmt.Errorf("open offer: %w", err)
	}
	v.Liked = map[string]bool{}
	for _, l := range likes {
		if l.Recipient == v.Recipient.ID {
			v.Liked[l.Unit] = true
		}
	}
	acts, err := s.c.Store.OfferActs(ctx, v.Offer.Tenant, v.Offer.ID, v.Recipient.ID)
	if err != nil {
		return fmt.Errorf("open offer: %w", err)
	}
	wording := v.Version.Content.Legal.Hash()
	for i, a := range acts {
		if a.Kind == Confirmed && a.Detail.Wording == wording {
			v.Confirmed = &acts[i]
		}
	}
	if s.c.Watch.Looks == nil || v.Recipient.Decision.Level <= tracking.Aggregate {
		return nil
	}
	now, err := s.decide(ctx, v.Offer.Tenant, v.Recipient.Address)
	v.Watched = now.Level > tracking.Aggregate
	return err
}

// Unwatch ends the recording of what the recipient does, in offers and mail alike, for
// this tenant and at once.
func (s *Service) Unwatch(ctx context.Context, v Visit, wording string) error {
	if s.c.Watch.Consents == nil || v.Preview {
		return nil
	}
	err := s.c.Watch.Consents.Hear(ctx, tracking.Consent{Tenant: v.Offer.Tenant, Address: v.Recipient.Address, State: tracking.StateWithdrawn, At: s.now(),
		Actor: "recipient", Way: "offer", Wording: wording})
	if err != nil {
		return fmt.Errorf("end recording: %w", err)
	}
	return nil
}

// Unlock returns the key for addresses behind a password; Unauthenticated
// "offer_password_wrong" at the field "password".
func (s *Service) Unlock(ctx context.Context, v Visit, password string) (string, error) {
	if v.State != Locked {
		return "", nil
	}
	leave, err := enter(ctx, s.hashing)
	if err != nil {
		return "", err
	}
	ok, err := tenant.PasswordMatches(v.Recipient.Password, password)
	leave()
	if err != nil {
		return "", fmt.Errorf("check password of offer: %w", err)
	}
	if !ok {
		return "", &fault.Error{Kind: fault.Unauthenticated, Code: "offer_password_wrong", Field: "password", Detail: "This is not the password."}
	}
	return s.unlockKey(v.Recipient, s.now().Add(unlockLasts)), nil
}

// Looked tells that the page was opened.
func (s *Service) Looked(ctx context.Context, v Visit, a Asked) {
	s.seen(ctx, v, hit{kind: tracking.PageVisited}, a)
}

// Trapped tells that the link of the page was followed that nobody can see: whoever did
// it is a machine.
func (s *Service) Trapped(ctx context.Context, v Visit, a Asked) {
	s.seen(ctx, v, hit{kind: tracking.PageVisited, trap: true}, a)
}

// ReadNotice tells that the withdrawal notice was opened.
func (s *Service) ReadNotice(ctx context.Context, v Visit, a Asked) {
	l := v.Version.Content.Legal
	s.seen(ctx, v, hit{kind: tracking.WithdrawalNoticeOpened, version: l.NoticeHash().String()}, a)
}

// Follow returns where a link of the offer leads; NotFound CodeLink.
func (s *Service) Follow(ctx context.Context, v Visit, link string, a Asked) (string, error) {
	l, ok := v.Version.Content.Link(link)
	if !ok || v.State != Opened {
		return "", unknownLink()
	}
	s.seen(ctx, v, hit{kind: tracking.LinkOpened, target: l.URL, label: l.Label}, a)
	return l.URL, nil
}

// CodeGated is the refusal of an exposé that waits for a confirmation.
const CodeGated = "offer_gated"

// Fetch returns a document or picture of the offer. NotFound CodeLink if it has none such;
// Forbidden CodeGated for the exposé before the confirmation.
func (s *Service) Fetch(ctx context.Context, v Visit, file string, a Asked) (File, []byte, error) {
	f, ok := v.Version.Content.File(file)
	if !ok || v.State != Opened {
		return File{}, nil, unknownLink()
	}
	if f.Kind == Expose && v.Gated() && !v.Preview {
		return File{}, nil, fault.New(fault.Forbidden, CodeGated, "The exposé opens after the confirmation.")
	}
	data, err := s.Bytes(ctx, v.Offer.Tenant, v.Offer.ID, f)
	if err != nil {
		return File{}, nil, err
	}
	if kind, counts := map[FileKind]tracking.Kind{Expose: tracking.ExposeDownloaded, Document: tracking.DocumentDownloaded, FloorPlan: tracking.FloorplanDownloaded}[f.Kind]; counts {
		s.seen(ctx, v, hit{kind: kind, target: f.ID, label: f.Title, version: f.SHA256.String()}, a)
	}
	return f, data, nil
}

// Like notes that a unit is liked, or no longer; NotFound CodeLink if there is none such.
func (s *Service) Like(ctx context.Context, v Visit, unit string, on bool, a Asked) error {
	u, ok := v.Version.Content.Unit(unit)
	if !ok || !v.Open() {
		return unknownLink()
	}
	l := Like{Tenant: v.Offer.Tenant, Offer: v.Offer.ID, Recipient: v.Recipient.ID, Unit: u.ID, At: s.now()}
	changed, err := s.c.Store.LikeUnit(ctx, l, on)
	if err != nil {
		return fmt.Errorf("like unit: %w", err)
	}
	if kind := tracking.UnitUnliked; changed {
		if on {
			kind = tracking.UnitLiked
		}
		s.seen(ctx, v, hit{kind: kind, target: u.ID, label: u.Name, deed: true}, a)
	}
	return nil
}

// PreviewPath is where drafts are looked at; a token follows.
const PreviewPath = "/offer-preview/"

// previewLasts is how long the address of a preview opens the draft: as long as it takes
// to load the page around it and to look at it.
const previewLasts = 30 * time.Minute

// PreviewOf is the path at which the draft of an offer can be seen for half an hour.
func (s *Service) PreviewOf(o Offer) string {
	raw := append(append(make([]byte, 0, 40+macSize), o.Tenant[:]...), o.ID[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(s.now().Add(previewLasts).Unix()))
	return PreviewPath + base64.RawURLEncoding.EncodeToString(append(raw, s.mac("preview", raw)...))
}

// Preview opens the draft that a token of PreviewOf names; NotFound CodeLink.
func (s *Service) Preview(ctx context.Context, token string) (Visit, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 40+macSize || !hmac.Equal(raw[40:], s.mac("preview", raw[:40])) {
		return Visit{}, unknownLink()
	}
	left := time.Unix(int64(binary.BigEndian.Uint64(raw[32:40])), 0).Sub(s.now())
	if left <= 0 || left > previewLasts+time.Second {
		return Visit{}, unknownLink()
	}
	o, err := s.c.Store.Offer(ctx, tenant.ID(raw[:16]), ID(raw[16:32]))
	if fault.IsKind(err, fault.NotFound) {
		return Visit{}, unknownLink()
	}
	v := Visit{State: Opened, Offer: o, Version: Version{Number: o.Version + 1, Content: o.Content, At: o.UpdatedAt}, Preview: true, Liked: map[string]bool{}}
	v.Recipient = Recipient{Tenant: o.Tenant, Offer: o.ID}
	if err == nil {
		err = s.whose(ctx, &v)
	}
	if err != nil {
		return Visit{}, fmt.Errorf("preview offer: %w", err)
	}
	return v, nil
}
