package storetest

import (
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/feed"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

func feedTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Rows": feedRows, "Looks": feedLooks, "Stuck": stuckFeeds}
}

// feedOf stores one that is due.
func (w *World) feedOf(t tenant.ID) feed.Feed {
	w.t.Helper()
	now := w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
	f := feed.Feed{ID: id.New[feed.Kind](now), Tenant: t, Revision: 1, Name: "Blog", URL: "https://blog.example/feed", Groups: []audience.GroupID{{1}}, From: "info@a.example", Subject: "Neu", Most: 5,
		Schedule: feed.Schedule{Every: feed.Weekly, Hour: 9, Weekday: time.Friday}, Actor: "usr_1", NextAt: now, CreatedAt: now, UpdatedAt: now}
	w.must(w.Store.CreateFeed(w.t.Context(), f, 5))
	return f
}

func (w *World) dueFeeds() int {
	w.t.Helper()
	list, err := w.Store.DueFeeds(w.t.Context(), w.Clock.Now(), 10)
	w.must(err)
	return len(list)
}

func feedRows(t *testing.T, w *World) {
	ctx := t.Context()
	f := w.feedOf(w.A)
	found, err := w.Store.Feed(ctx, w.A, f.ID)
	w.must(err)
	equal(t, "read back", plainJSON(found)+words(found.ID, found.Revision, found.NextAt.Equal(f.NextAt), found.Pending.IsZero()), plainJSON(f)+words(f.ID, 1, true, true))
	for what, err := range map[string]error{
		"feed":   errOf(w.Store.Feed(ctx, w.B, f.ID)),
		"delete": w.Store.DeleteFeed(ctx, w.B, f.ID),
	} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("another tenant's %s: %v", what, err)
		}
	}
	if list, err := w.Store.Feeds(ctx, w.B); err != nil || len(list) != 0 {
		t.Errorf("another tenant's list: %v %v", list, err)
	}
	if err := w.Store.CreateFeed(ctx, f, 1); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("too many: %v", err)
	}
	equal(t, "due", w.dueFeeds(), 1)
	f.Revision, f.Paused = 2, true
	w.must(w.Store.ChangeFeed(ctx, f, true))
	if err := w.Store.ChangeFeed(ctx, f, true); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("changed twice: %v", err)
	}
	equal(t, "due while paused", w.dueFeeds(), 0)
	w.must(w.Store.DeleteFeed(ctx, w.A, f.ID))
	if list, err := w.Store.Feeds(ctx, w.A); err != nil || len(list) != 0 {
		t.Errorf("deleted: %v %v", list, err)
	}
}

func feedLooks(t *testing.T, w *World) {
	ctx := t.Context()
	f := w.feedOf(w.A)
	look := func(outcome string) feed.Look {
		now := w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
		return feed.Look{ID: id.New[feed.LookKind](now), At: now, Outcome: outcome}
	}
	keep := func(l feed.Look, seen []feed.Hash, c campaign.Campaign) bool {
		f.Turn++
		ok, err := w.Store.KeepLook(ctx, f, l, seen, c)
		w.must(err)
		return ok
	}
	c := campaign.Campaign{ID: id.New[campaign.Kind](w.Clock.Now()), Tenant: w.A, Revision: 1, State: campaign.Draft, Name: "Blog", Actor: "usr_1", Letter: campaign.Letter{Subject: "Neu"}}
	f.Primed, f.ETag, f.Pending, f.NextAt = true, `"1"`, c.ID, w.Clock.Now().Add(time.Hour)
	l := look(feed.Drafted)
	l.Campaign, l.New = c.ID, 2
	equal(t, "kept", keep(l, []feed.Hash{{1}, {2}}, c), true)
	// Another process saw the feed in the turn before: nothing of it is kept, its mailing neither.
	f.Turn--
	other := c
	other.ID = id.New[campaign.Kind](w.Clock.Advance(time.Second))
	equal(t, "kept in an old turn", keep(look(feed.Drafted), []feed.Hash{{3}}, other), false)
	if _, err := w.Store.Campaign(ctx, w.A, other.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("a mailing of an old turn: %v", err)
	}
	made, err := w.Store.Campaign(ctx, w.A, c.ID)
	w.must(err)
	equal(t, "made", words(made.State, made.Letter.Subject), "draft Neu")
	known, err := w.Store.KnownEntries(ctx, w.A, f.ID, []feed.Hash{{1}, {3}})
	w.must(err)
	equal(t, "known", words(known[feed.Hash{1}], known[feed.Hash{3}]), "true false")
	foreign, err := w.Store.KnownEntries(ctx, w.B, f.ID, []feed.Hash{{1}})
	w.must(err)
	equal(t, "known to another tenant", len(foreign), 0)
	found, err := w.Store.Feed(ctx, w.A, f.ID)
	w.must(err)
	equal(t, "the feed then", words(found.Turn, found.Primed, found.ETag, found.Pending == c.ID), `1 true "1" true`)
	w.Clock.Advance(feed.Remembered)
	equal(t, "much later", keep(look(feed.Nothing), []feed.Hash{{2}}, campaign.Campaign{}), true)
	known, err = w.Store.KnownEntries(ctx, w.A, f.ID, []feed.Hash{{1}, {2}})
	w.must(err)
	equal(t, "known then", words(known[feed.Hash{1}], known[feed.Hash{2}]), "false true")
	for range feed.KeptLooks {
		keep(look(feed.Nothing), nil, campaign.Campaign{})
	}
	list, err := w.Store.FeedLooks(ctx, w.A, f.ID)
	w.must(err)
	equal(t, "looks", words(len(list), list[len(list)-1].Outcome), words(feed.KeptLooks, feed.Nothing))
	list, err = w.Store.FeedLooks(ctx, w.B, f.ID)
	w.must(err)
	equal(t, "looks of another tenant", len(list), 0)
}

// Who is waiting for a person, what the last looks were, and a feed that is put off.
func stuckFeeds(t *testing.T, w *World) {
	ctx := t.Context()
	stuck := func(of tenant.ID) (text string) {
		list, err := w.Store.StuckFeeds(ctx, of)
		w.must(err)
		for _, s := range list {
			text += s.Name + " " + s.Held.Outcome + " " + s.Held.Why + ";"
		}
		return text
	}
	keep := func(f *feed.Feed, outcome, why string, c campaign.Campaign) {
		now := w.Clock.Advance(time.Second).UTC().Truncate(time.Millisecond)
		f.Turn++
		ok, err := w.Store.KeepLook(ctx, *f, feed.Look{ID: id.New[feed.LookKind](now), At: now, Outcome: outcome, Why: why, Campaign: c.ID}, nil, c)
		w.must(err)
		equal(t, "kept", ok, true)
	}
	f := w.feedOf(w.A)
	c := campaign.Campaign{ID: id.New[campaign.Kind](w.Clock.Now()), Tenant: w.A, Revision: 1, State: campaign.Draft, Name: "Blog", Actor: "usr_1", Letter: campaign.Letter{Subject: "Neu"}}
	keep(&f, feed.Held, "group_not_approved", c)
	keep(&f, feed.Held, "campaign_value", campaign.Campaign{})
	equal(t, "held", stuck(w.A), "Blog held campaign_value;Blog held group_not_approved;")
	f.Failures = 3
	keep(&f, feed.CodeUnreachable, "", campaign.Campaign{})
	equal(t, "held and failing", stuck(w.A), "Blog held group_not_approved;Blog  ;")
	equal(t, "another tenant's", stuck(w.B), "")
	last, err := w.Store.LastLooks(ctx, w.A)
	w.must(err)
	equal(t, "last look", words(len(last), last[f.ID].Outcome), "1 "+feed.CodeUnreachable)
	foreign, err := w.Store.LastLooks(ctx, w.B)
	w.must(err)
	equal(t, "last looks of another tenant", len(foreign), 0)
	equal(t, "due", w.dueFeeds(), 1)
	late := f
	late.NextAt = w.Clock.Now().Add(time.Hour)
	w.must(w.Store.PutOffFeed(ctx, late))
	equal(t, "due when put off in an old turn", w.dueFeeds(), 1)
	late.Turn++
	w.must(w.Store.PutOffFeed(ctx, late))
	equal(t, "due when put off", w.dueFeeds(), 0)
	found, err := w.Store.Feed(ctx, w.A, f.ID)
	w.must(err)
	equal(t, "the feed then", words(found.Turn, found.Failures, found.Failing()), "4 3 true")
	w.must(w.Store.DeleteCampaign(ctx, w.A, c.ID))
	found.Revision, found.Failures = 2, 0
	w.must(w.Store.ChangeFeed(ctx, found, false))
	equal(t, "done", stuck(w.A), "")
}
