package audience_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// T43: one tenant's bulk mail is halted on every node, nobody else's, none of its other
// streams; it stays so until staff release it, and then only what comes later counts.
func TestBulkMailIsHalted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noisy, quiet := newTenant(), newTenant()
		var spans []audience.Span
		store := &audiencetest.Store{Held: 1200, Count: func(who tenant.ID, v audience.Span) audience.Tally {
			spans = append(spans, v)
			if who == quiet || !v.Settled.IsZero() {
				return audience.Tally{Sent: 1000, Complaints: 2, Hard: 30}
			}
			return audience.Tally{Sent: 1000, Complaints: 50}
		}}
		told := make(chan audience.Halt, 10) // by each node once: who writes keeps them apart
		tell := func(c *audience.Config) {
			c.OnHalt = func(_ context.Context, h audience.Halt) error {
				told <- h
				return nil
			}
		}
		here, there := started(t, newService(t, store, tell)), started(t, newService(t, store, tell))
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		go here.Run(ctx)
		go there.Run(ctx)
		complaint := func(who tenant.ID, stream tenant.Stream) {
			if _, err := here.Complained(ctx, audience.Report{Tenant: who, Stream: stream, Address: address("eva@kunde.example"), At: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		halted := func(step string, want bool) {
			t.Helper()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			for _, s := range []*audience.Service{here, there} {
				if s.Halted(noisy, tenant.Newsletter) != want || s.Halted(noisy, tenant.Reminder) != want {
					t.Errorf("%s: halted is not %v", step, want)
				}
				if s.Halted(noisy, tenant.Transactional) || s.Halted(quiet, tenant.Newsletter) {
					t.Errorf("%s: others are halted too", step)
				}
			}
		}
		complaint(noisy, tenant.Transactional)
		halted("complaint about other mail", false)
		if len(spans) != 0 {
			t.Errorf("counted for nothing: %+v", spans)
		}
		complaint(noisy, tenant.Newsletter)
		complaint(quiet, tenant.Newsletter)
		halted("complaints", true)
		time.Sleep(25 * time.Hour)
		halted("when the window is over", true)
		if len(told) != 2 || (<-told).Tenant != noisy {
			t.Errorf("told %d times", len(told))
		}
		again := started(t, newService(t, store))
		if !again.Halted(noisy, tenant.Newsletter) {
			t.Error("a restart ends the halt")
		}
		if err := here.ReleaseBulk(ctx, noisy, "usr_1", " "); fault.As(err) == nil || fault.As(err).Code != "release_reason_missing" {
			t.Errorf("without a reason: %v", err)
		}
		if err := here.ReleaseBulk(ctx, noisy, "usr_1", "Liste bereinigt"); err != nil {
			t.Fatal(err)
		}
		halted("released", false)
		if store.Held != 0 {
			t.Errorf("%d are held still", store.Held)
		}
		complaint(noisy, tenant.Newsletter)
		halted("another complaint", false)
		if last := spans[len(spans)-1]; last.Settled.IsZero() {
			t.Errorf("what was released for counts again: %+v", last)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if h, _ := store.LastHalt(ctx, noisy); !h.Freed || h.Note != "Liste bereinigt" || h.Complaints != 50 {
			t.Errorf("halt %+v", h)
		}
		if err := here.ReleaseBulk(ctx, noisy, "usr_1", "noch einmal"); fault.As(err) == nil || fault.As(err).Code != "halt_not_found" {
			t.Errorf("released twice: %v", err)
		}
	})
}

// An account may let its bulk mail go on by itself once in 30 days; a person who wants no more
// makes its mail be counted, an entry that the account writes does not.
func TestAccountsResumeThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who, counted := newTenant(), 0
		store := &audiencetest.Store{Count: func(tenant.ID, audience.Span) audience.Tally {
			counted++
			return audience.Tally{Sent: 1000, Unsubscribes: 40}
		}}
		s := started(t, newService(t, store))
		ctx := t.Context()
		leaves := func(name, actor string) {
			t.Helper()
			w := audience.Wish{Address: address(name + "@kunde.example"), Stream: tenant.Newsletter, Reason: audience.Unsubscribed}
			if _, err := s.Suppress(ctx, who, w, actor); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if err := s.Judge(ctx); err != nil {
				t.Fatal(err)
			}
		}
		code := func(err error) string {
			if f := fault.As(err); f != nil {
				return f.Code
			}
			return ""
		}
		leaves("eva", "usr_1")
		if h, ok, err := s.HaltOf(ctx, who); ok || err != nil || counted != 0 {
			t.Errorf("halted by its own entry: %+v, %v", h, err)
		}
		if err := s.ResumeBulk(ctx, who, "usr_1", "Nichts"); code(err) != "halt_not_found" {
			t.Errorf("resumed what was not halted: %v", err)
		}
		leaves("ada", audience.ByRecipient)
		if h, ok, err := s.HaltOf(ctx, who); !ok || err != nil || h.Cause != audience.TooManyUnsubscribes {
			t.Errorf("halt %+v, %v", h, err)
		}
		if err := s.ResumeBulk(ctx, who, "usr_1", "x"); code(err) != "release_reason_missing" {
			t.Errorf("without a reason: %v", err)
		}
		if err := s.ResumeBulk(ctx, who, "usr_1", "Seltener geschrieben"); err != nil || s.Halted(who, tenant.Newsletter) {
			t.Errorf("resumed: %v", err)
		}
		leaves("ida", audience.ByRecipient)
		if may, err := s.MayResume(ctx, who); may || err != nil {
			t.Errorf("may resume again: %v, %v", may, err)
		}
		if err := s.ResumeBulk(ctx, who, "usr_1", "Noch seltener"); code(err) != "halt_self_used" || !s.Halted(who, tenant.Newsletter) {
			t.Errorf("resumed again: %v", err)
		}
		time.Sleep(audience.SelfAgain)
		if err := s.ResumeBulk(ctx, who, "usr_1", "Noch seltener"); err != nil {
			t.Errorf("resumed after 30 days: %v", err)
		}
	})
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		tally audience.Tally
		want  audience.Cause
	}{
		"little mail says nothing": {audience.Tally{Sent: 199, Hard: 199, Complaints: 199}, ""},
		"few complaints":           {audience.Tally{Sent: 200, Complaints: 4}, ""},
		"complaints":               {audience.Tally{Sent: 200, Complaints: 5}, audience.TooManyComplaints},
		"complaints among many":    {audience.Tally{Sent: 10_000, Complaints: 29}, ""},
		"3 in a thousand":          {audience.Tally{Sent: 10_000, Complaints: 30}, audience.TooManyComplaints},
		"few bounces":              {audience.Tally{Sent: 200, Hard: 19}, ""},
		"bounces":                  {audience.Tally{Sent: 400, Hard: 20}, audience.TooManyBounces},
		"bounces among many":       {audience.Tally{Sent: 10_000, Hard: 499}, ""},
		"few who want no more":     {audience.Tally{Sent: 200, Unsubscribes: 29}, ""},
		"many who want no more":    {audience.Tally{Sent: 1000, Unsubscribes: 30}, audience.TooManyUnsubscribes},
		"of very much mail":        {audience.Tally{Sent: 10_000, Unsubscribes: 299}, ""},
		"the heaviest is told":     {audience.Tally{Sent: 1000, Unsubscribes: 900, Complaints: 10}, audience.TooManyComplaints},
		"5 in a hundred":           {audience.Tally{Sent: 10_000, Hard: 500}, audience.TooManyBounces},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				owner := newTenant()
				s := started(t, newService(t, &audiencetest.Store{Count: func(tenant.ID, audience.Span) audience.Tally { return c.tally }}))
				s.Strike(audience.Report{Tenant: owner, Stream: tenant.Reminder, Address: address("eva@kunde.example"), Class: "user_unknown", Hard: true, At: time.Now()})
				time.Sleep(3 * time.Second)
				if err := s.Judge(context.Background()); err != nil {
					t.Fatal(err)
				}
				h, ok, err := s.HaltOf(context.Background(), owner)
				if err != nil || h.Cause != c.want || ok != (c.want != "") {
					t.Errorf("halt %+v, %v, want %q", h, err, c.want)
				}
			})
		})
	}
}
