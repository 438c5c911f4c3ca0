package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/blitz"
	"stafette/internal/id"
	"stafette/internal/notice"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func blitzTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Readers": blitzReaders, "Told": blitzTold, "FeedPlaces": feedPlaces}
}

func (w *World) activityAt(at time.Time) tracking.ActivityID {
	return id.New[tracking.ActivityKind](at)
}

func blitzReaders(t *testing.T, w *World) {
	ctx, u, other := context.Background(), id.New[tenant.UserKind](w.Clock.Now()), id.New[tenant.UserKind](w.Clock.Now())
	_, ok, err := w.Store.BlitzReader(ctx, w.A, u)
	same(t, "nobody", ok, false, err)
	first, second := w.activityAt(w.Clock.Advance(time.Second)), w.activityAt(w.Clock.Advance(time.Second))
	w.must(w.Store.ReadBlitz(ctx, w.A, u, first))
	r, ok, err := w.Store.BlitzReader(ctx, w.A, u)
	same(t, "reader", r, blitz.Reader{Tenant: w.A, User: u, Choice: blitz.UsualChoice(), ReadUntil: first}, err)
	same(t, "there", ok, true, nil)
	w.must(w.Store.ReadOne(ctx, w.A, u, second, tracking.ActivityID{}))
	w.must(w.Store.ReadOne(ctx, w.A, u, second, tracking.ActivityID{}))
	list, err := w.Store.ReadBeside(ctx, w.A, u, first)
	same(t, "beside", list, []tracking.ActivityID{second}, err)
	for _, who := range []struct {
		t tenant.ID
		u tenant.UserID
	}{{w.B, u}, {w.A, other}} {
		list, err = w.Store.ReadBeside(ctx, who.t, who.u, first)
		same(t, "somebody else's", len(list), 0, err)
	}
	n, err := w.Store.UnreadBlitz(ctx, w.A, u, first, 10)
	same(t, "nothing happened", n, 0, err)
	w.must(w.Store.ReadBlitz(ctx, w.A, u, second))
	w.must(w.Store.ReadBlitz(ctx, w.A, u, first))
	r, _, err = w.Store.BlitzReader(ctx, w.A, u)
	same(t, "never back", r.ReadUntil, second, err)
	list, err = w.Store.ReadBeside(ctx, w.A, u, tracking.ActivityID{})
	same(t, "forgotten", len(list), 0, err)
}

func blitzTold(t *testing.T, w *World) {
	ctx, u := context.Background(), id.New[tenant.UserKind](w.Clock.Now())
	r := blitz.Reader{Tenant: w.A, User: u, Choice: blitz.Choice{Mail: []blitz.Topic{blitz.Expose}, Office: []blitz.Topic{}, QuietTo: 7}, ToldUntil: w.activityAt(w.Clock.Now())}
	w.must(w.Store.ChooseBlitz(ctx, r))
	list, err := w.Store.BlitzMails(ctx)
	same(t, "readers", list, []blitz.Reader{r}, err)
	later := r
	later.ToldUntil = w.activityAt(w.Clock.Advance(time.Hour))
	w.must(w.Store.ChooseBlitz(ctx, later))
	list, err = w.Store.BlitzMails(ctx)
	same(t, "place stays while there is mail", list, []blitz.Reader{r}, err)
	next := w.activityAt(w.Clock.Advance(time.Second))
	d := notice.Due{Tenant: w.A, Key: "blitz/1", At: w.Clock.Now(), Sealed: []byte("x")}
	for _, want := range []bool{true, false} {
		told, err := w.Store.TellBlitz(ctx, r, next, d)
		same(t, "told", told, want, err)
	}
	due, err := w.Store.ClaimNotices(ctx, notice.Claim{Now: w.Clock.Now(), Lease: time.Minute, Limit: 5})
	same(t, "letters", len(due), 1, err)
	r.ToldUntil = next
	told, err := w.Store.TellBlitz(ctx, r, w.activityAt(w.Clock.Advance(time.Second)), notice.Due{})
	same(t, "moved on", told, true, err)
	due, err = w.Store.ClaimNotices(ctx, notice.Claim{Now: w.Clock.Now(), Lease: time.Minute, Limit: 5})
	same(t, "no letter", len(due), 0, err)
	r.Choice.Mail = nil
	w.must(w.Store.ChooseBlitz(ctx, r))
	list, err = w.Store.BlitzMails(ctx)
	same(t, "no mail", len(list), 0, err)
}

func feedPlaces(t *testing.T, w *World) {
	ctx := context.Background()
	w.endpoint(w.A)
	tenants, err := w.Store.FeedTenants(ctx)
	same(t, "tenants", tenants, []tenant.ID{w.A}, err)
	a, err := w.Store.FeedPlace(ctx, w.A)
	same(t, "no place", a, tracking.ActivityID{}, err)
	first, second := w.activityAt(w.Clock.Now()), w.activityAt(w.Clock.Advance(time.Second))
	for _, one := range []tracking.ActivityID{second, first} {
		w.must(w.Store.SetFeedPlace(ctx, w.A, one))
	}
	a, err = w.Store.FeedPlace(ctx, w.A)
	same(t, "place", a, second, err)
	a, err = w.Store.FeedPlace(ctx, w.B)
	same(t, "another's", a, tracking.ActivityID{}, err)
}
