package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

func noticeTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"KeptOnceAndClaimed": noticesAreKeptOnce,
		"SenderOf":           senderOfDomain,
	}
}

func noticesAreKeptOnce(t *testing.T, w *World) {
	ctx := context.Background()
	claim := func(limit int) []notice.Due {
		t.Helper()
		list, err := w.Store.ClaimNotices(ctx, notice.Claim{Now: w.Clock.Now(), Lease: time.Minute, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	equal(t, "of nothing", len(claim(10)), 0)
	first := notice.Due{Tenant: w.A, Key: "k", At: w.Clock.Now(), Sealed: []byte("first")}
	w.Clock.Advance(time.Second)
	others := first
	others.Tenant, others.At = tenant.ID{}, w.Clock.Now()
	again := first
	again.Sealed = []byte("again")
	for _, d := range []notice.Due{first, others, again} {
		if err := w.Store.PutNotice(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "oldest", claim(1), []notice.Due{first}, nil)
	same(t, "rest", claim(10), []notice.Due{others}, nil)
	equal(t, "claimed", len(claim(10)), 0)
	if err := w.Store.EndNotice(ctx, w.A, "k", w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Minute)
	same(t, "after the lease", claim(10), []notice.Due{others}, nil)
	if err := w.Store.PutNotice(ctx, first); err != nil {
		t.Fatal(err)
	}
	equal(t, "a used key", len(claim(10)), 0)
	if err := w.Store.Sweep(ctx, w.Clock.Advance(notice.KeysLast+time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.PutNotice(ctx, first); err != nil {
		t.Fatal(err)
	}
	equal(t, "a forgotten key, and one that was never sent", len(claim(10)), 2)
}

func senderOfDomain(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	for name, state := range map[string]tenant.DomainState{"ready.example": tenant.Trusted, "pending.example": tenant.Pending} {
		err := w.Store.AddDomain(ctx, tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: w.B, Name: name, State: state, CreatedAt: now}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	have, err := w.Store.SenderOf(ctx, "ready.example")
	same(t, "sender", have, w.B, err)
	for _, name := range []string{"pending.example", "unknown.example"} {
		_, err := w.Store.SenderOf(ctx, name)
		refused(t, err, fault.NotFound, "domain_not_found")
	}
}
