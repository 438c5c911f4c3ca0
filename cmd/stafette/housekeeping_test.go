package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/audience/listcheck"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
)

// TestChoresAreDoneByOne: of two nodes one does a chore; when it stops in order, the
// other need not wait for its lease to run out.
func TestChoresAreDoneByOne(t *testing.T) {
	c := defaults()
	c.DataDir = t.TempDir()
	b, err := openBase(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	}()
	b.config.HTTP.PublicURL = "https://mail.example" // letters lead there
	p := &platform{base: b}
	p.guard = c.guard(nil)
	if p.policies, err = newPolicies(b, p.guard, nil); err != nil {
		t.Fatal(err)
	}
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	if p.privacy, err = b.privacy(catalog); err != nil {
		t.Fatal(err)
	}
	p.leads = lead.New(lead.Config{Store: b.store, Keeper: b.keeper, Now: b.store.Now})
	p.redelivery, p.archive = b.newRedelivery(nil, p.leads, time.UTC, nil), b.newArchive()
	p.campaigns = p.newCampaigns(nil, time.UTC)
	p.preflight = p.newPreflight()
	p.leadCases = leadcase.New(leadcase.Config{Store: b.store, Keeper: b.keeper, Now: b.store.Now})
	p.lists = listcheck.New(listcheck.Config{Store: b.store, Now: b.store.Now})
	p.intake = intake.New(intake.Config{Store: b.store, People: b.store, Now: b.store.Now})
	if p.providers, err = insight.LoadProviders(); err != nil {
		t.Fatal(err)
	}
	if p.notices, err = p.newNotices(b.acceptor(nil), catalog); err != nil {
		t.Fatal(err)
	}
	if err := p.openAnnouncements(catalog, time.UTC); err != nil {
		t.Fatal(err)
	}
	p.series = p.newSeries(p.entrance, time.UTC)
	p.feeds = p.newFeeds(time.UTC)
	p.openSignups(catalog)
	validator, err := audience.NewValidator(p.resolver, p.audience)
	if err != nil {
		t.Fatal(err)
	}
	if p.examiner, err = p.newExaminer(validator); err != nil {
		t.Fatal(err)
	}
	if p.offers, err = p.newOffers(catalog, time.UTC); err != nil {
		t.Fatal(err)
	}
	if p.webhooks, err = p.newWebhooks(); err != nil {
		t.Fatal(err)
	}
	p.digester = p.newDigester(catalog, time.UTC)
	by := map[string]int{}
	turn := func(holder string) {
		t.Helper()
		task := chore{"test", time.Hour, func(context.Context, time.Time) error { by[holder]++; return nil }}
		if err := p.turn(t.Context(), holder, task); err != nil {
			t.Fatal(err)
		}
	}
	turn("a")
	turn("b")
	turn("a")
	if by["a"] != 2 || by["b"] != 0 {
		t.Errorf("done by %v", by)
	}
	ctx, stop := context.WithCancel(t.Context())
	p.keep(ctx, "a", chore{"test", time.Hour, func(context.Context, time.Time) error { stop(); return nil }})
	turn("b")
	if by["b"] != 1 {
		t.Error("the chore was not given up")
	}
	for _, task := range p.chores() {
		if err := task.do(t.Context(), b.store.Now()); err != nil {
			t.Errorf("%s: %v", task.name, err)
		}
	}
}
