package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/privacy"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func offerTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"Versions": offerVersions, "Files": offerFiles, "Recipients": offerRecipients, "Acts": offerActs, "Dropped": offerDropped, "Erased": offerErased,
	}
}

func (w *World) offer(t tenant.ID) offer.Offer {
	w.t.Helper()
	now := w.Clock.Advance(time.Second)
	o := offer.Offer{ID: id.New[offer.Kind](now), Tenant: t, State: offer.Draft, Creator: "usr_1", CreatedAt: now, UpdatedAt: now, Content: offer.Content{
		Title: "Größe <b>", Units: []offer.Unit{{ID: "u1", Name: "4.1", State: offer.Free}}, Files: []offer.File{{ID: "f1", Kind: offer.Expose, SHA256: offer.Hash{7}, Version: 2}},
		Legal: offer.Legal{Gate: true, Notice: "n", Boxes: []offer.Box{{Kind: offer.BoxNotice, Text: "t", Needed: true}}}}}
	if err := w.Store.SaveOffer(context.Background(), o, 9); err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *World) offerRecipient(o offer.Offer, address string) offer.Recipient {
	w.t.Helper()
	r := offer.Recipient{ID: id.New[offer.RecipientKind](w.Clock.Advance(time.Second)), Tenant: o.Tenant, Offer: o.ID, Address: Address(address), Name: "Eva", Actor: "usr_1", CreatedAt: w.Clock.Now(),
		Decision: tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant}}
	if err := w.Store.AddOfferRecipients(context.Background(), []offer.Recipient{r}); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *World) offerAct(r offer.Recipient, k offer.ActKind) offer.Act {
	w.t.Helper()
	now := w.Clock.Advance(time.Second)
	a := offer.Act{ID: id.New[offer.ActIDKind](now), Tenant: r.Tenant, Offer: r.Offer, Recipient: r.ID, Kind: k, Version: 1, At: now, Detail: offer.Detail{Lang: "de", Wording: offer.Hash{1}, Name: "Eva"}}
	if err := w.Store.AddOfferAct(context.Background(), a, 9); err != nil {
		w.t.Fatal(err)
	}
	return a
}

func offerVersions(t *testing.T, w *World) {
	ctx := t.Context()
	o := w.offer(w.A)
	got, err := w.Store.Offer(ctx, w.A, o.ID)
	same(t, "draft", got, o, err)
	if _, err := w.Store.Offer(ctx, w.B, o.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant reads it: %v", err)
	}
	now := w.Clock.Advance(time.Minute)
	o.State, o.Version, o.PublishedAt, o.UpdatedAt = offer.Published, 1, now, now
	v := offer.Version{Number: 1, Content: o.Content, Actor: "usr_1", At: now}
	if err := w.Store.PublishOffer(ctx, o, v); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.PublishOffer(ctx, o, v); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("published twice: %v", err)
	}
	o.Content.Title, o.UpdatedAt = "Neu", now.Add(time.Hour)
	if err := w.Store.SaveOffer(ctx, o, 0); err != nil {
		t.Fatal(err)
	}
	version, err := w.Store.OfferVersion(ctx, w.A, o.ID, 1)
	same(t, "version", version, v, err)
	for name, of := range map[string]tenant.ID{"foreign": w.B, "unknown": w.A} {
		if _, err := w.Store.OfferVersion(ctx, of, o.ID, len(name)-5); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s version: %v", name, err)
		}
	}
	if err := w.Store.SaveOffer(ctx, offer.Offer{ID: offer.ID{1}, Tenant: w.A, CreatedAt: now}, 1); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("one too many: %v", err)
	}
	r := w.offerRecipient(o, "eva@x.example")
	w.offerRecipient(o, "max@x.example")
	r.SentAt = now
	if err := w.Store.SettleOfferRecipient(ctx, r); err != nil {
		t.Fatal(err)
	}
	w.offerAct(r, offer.Confirmed)
	w.offerAct(r, offer.Confirmed)
	rows, err := w.Store.Offers(ctx, w.A)
	same(t, "list", rows, []offer.Row{{Offer: o, Recipients: 2, Sent: 1, Confirmed: 1}}, err)
	rows, err = w.Store.Offers(ctx, w.B)
	same(t, "foreign list", rows, nil, err)
}

func offerFiles(t *testing.T, w *World) {
	ctx := t.Context()
	o, other := w.offer(w.A), w.offer(w.A)
	file := offer.Hash{1}
	for n := range 2 {
		p := offer.Part{Salt: seal.NewSalt(), Sealed: []byte{byte(n)}}
		for range 2 { // what is there stays
			if err := w.Store.PutOfferPart(ctx, w.A, o.ID, file, n, p); err != nil {
				t.Fatal(err)
			}
			p.Sealed = []byte{9}
		}
	}
	if err := w.Store.CopyOfferParts(ctx, w.A, o.ID, other.ID, file); err != nil {
		t.Fatal(err)
	}
	for _, of := range []offer.ID{o.ID, other.ID} {
		for n := range 3 {
			p, ok, err := w.Store.OfferPart(ctx, w.A, of, file, n)
			if err != nil || ok != (n < 2) || ok && (len(p.Sealed) != 1 || p.Sealed[0] != byte(n) || p.Salt == (seal.Salt{})) {
				t.Errorf("part %d: %v %v, %v", n, p, ok, err)
			}
		}
	}
	if _, ok, err := w.Store.OfferPart(ctx, w.B, o.ID, file, 0); ok || err != nil {
		t.Errorf("another tenant reads it: %v", err)
	}
}

func offerRecipients(t *testing.T, w *World) {
	ctx := t.Context()
	o := w.offer(w.A)
	first, second := w.offerRecipient(o, "Eva@x.example"), w.offerRecipient(o, "max@x.example")
	first.Message, first.Reason, first.Sendings, first.SentAt = message.NewID(w.Clock.Now()), "r", 2, w.Clock.Now()
	first.ExpiresAt, first.RevokedAt, first.Password = w.Clock.Now(), w.Clock.Now(), "hash"
	if err := w.Store.SettleOfferRecipient(ctx, first); err != nil {
		t.Fatal(err)
	}
	got, err := w.Store.OfferRecipient(ctx, w.A, first.ID)
	same(t, "recipient", got, first, err)
	if _, err := w.Store.OfferRecipient(ctx, w.B, first.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant reads it: %v", err)
	}
	list, err := w.Store.OfferRecipients(ctx, w.A, o.ID, 9)
	same(t, "list", list, []offer.Recipient{second, first}, err)
	list, err = w.Store.OfferRecipientsAt(ctx, w.A, Address("eva@X.example"))
	same(t, "by address", list, []offer.Recipient{first}, err)
	like := offer.Like{Tenant: w.A, Offer: o.ID, Recipient: first.ID, Unit: "u1", At: w.Clock.Now()}
	for i, c := range []struct{ on, changed bool }{{false, false}, {true, true}, {true, false}} {
		if changed, err := w.Store.LikeUnit(ctx, like, c.on); err != nil || changed != c.changed {
			t.Errorf("like %d: %v, %v", i, changed, err)
		}
	}
	likes, err := w.Store.OfferLikes(ctx, w.A, o.ID)
	same(t, "likes", likes, []offer.Like{like}, err)
	if changed, err := w.Store.LikeUnit(ctx, like, false); err != nil || !changed {
		t.Errorf("unlike: %v, %v", changed, err)
	}
}

func offerActs(t *testing.T, w *World) {
	ctx := t.Context()
	o := w.offer(w.A)
	r, other := w.offerRecipient(o, "eva@x.example"), w.offerRecipient(o, "max@x.example")
	first, second, third := w.offerAct(r, offer.Confirmed), w.offerAct(r, offer.Withdrawn), w.offerAct(other, offer.Withdrawn)
	if err := w.Store.AddOfferAct(ctx, offer.Act{ID: offer.ActID{1}, Tenant: w.A, Offer: o.ID, Recipient: r.ID}, 2); !fault.IsKind(err, fault.Limited) {
		t.Errorf("one too many: %v", err)
	}
	if n, since, err := w.Store.CountOfferWithdrawals(ctx, w.A); err != nil || n != 2 || !since.Equal(second.At) {
		t.Errorf("%d since %v, %v", n, since, err)
	}
	unanswered, err := w.Store.UnansweredOfferActs(ctx, third.At, 9)
	same(t, "unanswered", unanswered, []offer.Act{first, second}, err)
	second.Answered, second.Receipt, second.Reason, second.HandledAt, second.HandledBy = true, message.NewID(third.At), "x", third.At, "usr_1"
	if err := w.Store.SettleOfferAct(ctx, second); err != nil {
		t.Fatal(err)
	}
	list, err := w.Store.OfferActs(ctx, w.A, o.ID, r.ID)
	same(t, "of one", list, []offer.Act{first, second}, err)
	list, err = w.Store.OfferActs(ctx, w.A, o.ID, offer.RecipientID{})
	if err != nil || len(list) != 3 {
		t.Errorf("of all: %d, %v", len(list), err)
	}
	list, err = w.Store.OfferWithdrawals(ctx, w.A, 9)
	same(t, "waiting", list, []offer.Act{third}, err)
	if n, _, err := w.Store.CountOfferWithdrawals(ctx, w.B); err != nil || n != 0 {
		t.Errorf("another tenant counts %d, %v", n, err)
	}
	if err := w.Store.SettleOfferAct(ctx, offer.Act{ID: second.ID, Tenant: w.B, Offer: o.ID, Recipient: r.ID}); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant settles: %v", err)
	}
}

func offerDropped(t *testing.T, w *World) {
	ctx := t.Context()
	o := w.offer(w.A)
	r := w.offerRecipient(o, "eva@x.example")
	a := w.offerAct(r, offer.Confirmed)
	if err := w.Store.DropOffer(ctx, w.A, o.ID, a.At); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("dropped with proofs: %v", err)
	}
	if err := w.Store.DropOffer(ctx, w.B, o.ID, a.At); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant drops it: %v", err)
	}
	// More than one step deletes.
	many := make([]offer.Recipient, 501)
	for i := range many {
		many[i] = r
		many[i].ID = id.New[offer.RecipientKind](w.Clock.Now())
	}
	w.must(w.Store.AddOfferRecipients(ctx, many))
	if err := w.Store.DropOffer(ctx, w.A, o.ID, a.At.Add(1e9)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.OfferRecipient(ctx, w.A, r.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("its recipient: %v", err)
	}
	if _, err := w.Store.OfferRecipient(ctx, w.A, many[500].ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("its last recipient: %v", err)
	}
	if _, err := w.Store.Offer(ctx, w.A, o.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("the offer: %v", err)
	}
}

// Erasure takes likes and links; who confirmed stays with that alone, restricted.
func offerErased(t *testing.T, w *World) {
	ctx := t.Context()
	o := w.offer(w.A)
	plain, proven, foreign := w.offerRecipient(o, "eva@x.example"), w.offerRecipient(o, "Eva@x.example"), w.offerRecipient(w.offer(w.B), "eva@x.example")
	w.offerAct(proven, offer.Confirmed)
	for _, r := range []offer.Recipient{plain, proven} {
		if _, err := w.Store.LikeUnit(ctx, offer.Like{Tenant: w.A, Offer: o.ID, Recipient: r.ID, Unit: "u1", At: w.Clock.Now()}, true); err != nil {
			t.Fatal(err)
		}
	}
	h := offer.People{Store: w.Store, Now: w.Clock.Now}
	p := privacy.Person{Tenant: w.A, Addresses: []message.Address{Address("EVA@x.example")}}
	for _, want := range []int64{2, 0} {
		if n, err := h.Count(ctx, p); err != nil || n != want {
			t.Errorf("counted %d, %v", n, err)
		}
		var noted int64
		if err := h.Erase(ctx, p, func(n int64) error { noted += n; return nil }); err != nil || noted != want {
			t.Errorf("erased %d, %v", noted, err)
		}
	}
	likes, err := w.Store.OfferLikes(ctx, w.A, o.ID)
	same(t, "likes", likes, nil, err)
	if _, err := w.Store.OfferRecipient(ctx, w.A, plain.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("erased: %v", err)
	}
	kept, err := w.Store.OfferRecipient(ctx, w.A, proven.ID)
	if err != nil || kept.RestrictedAt.IsZero() || kept.RevokedAt.IsZero() {
		t.Errorf("kept %+v, %v", kept, err)
	}
	if r, err := w.Store.OfferRecipient(ctx, w.B, foreign.ID); err != nil || !r.RestrictedAt.IsZero() {
		t.Errorf("another tenant's: %+v, %v", r, err)
	}
}
