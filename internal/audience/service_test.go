package audience_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func newTenant() tenant.ID { return id.New[tenant.Kind](start) }

func address(text string) message.Address {
	a, err := message.ParseAddress(text)
	if err != nil {
		panic(err)
	}
	return a
}

func newService(t *testing.T, store audience.Store, change ...func(*audience.Config)) *audience.Service {
	t.Helper()
	c := audience.Config{Store: store, Key: []byte(audiencetest.Key), Now: time.Now}
	for _, f := range change {
		f(&c)
	}
	s, err := audience.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func started(t *testing.T, s *audience.Service) *audience.Service {
	t.Helper()
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t *testing.T, s *audience.Service, owner tenant.ID, stream tenant.Stream, to string, accepted time.Time) audience.Reason {
	t.Helper()
	reason, err := s.Check(context.Background(), owner, stream, address(to), accepted)
	if err != nil {
		t.Fatal(err)
	}
	return reason
}

// What is suppressed on one node while mail waits on another holds there within moments,
// and lifting it lets the mail go.
func TestTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, owner := &audiencetest.Store{}, newTenant()
		here, there := started(t, newService(t, store)), started(t, newService(t, store))
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		go there.Run(ctx)
		accepted := time.Now()
		e, err := here.Suppress(ctx, owner, audience.Wish{Address: address("Eva@kunde.example"), Stream: tenant.Newsletter, Reason: audience.Complaint}, "usr_1")
		if err != nil {
			t.Fatal(err)
		}
		here.Noted([]audience.Hash{e.Hash}) // as the store does after the commit
		if got := check(t, here, owner, tenant.Newsletter, "eva@kunde.example", accepted); got != audience.Complaint {
			t.Errorf("own node: %q", got)
		}
		time.Sleep(time.Second)
		asked := store.Asked()
		for _, c := range []struct {
			owner  tenant.ID
			stream tenant.Stream
			to     string
			want   audience.Reason
		}{
			{owner, tenant.Newsletter, "eva@kunde.example", audience.Complaint},
			{owner, tenant.Newsletter, "EVA@kunde.example", audience.Complaint},
			{owner, tenant.Transactional, "eva@kunde.example", ""},
			{owner, tenant.Newsletter, "max@kunde.example", ""},
			{newTenant(), tenant.Newsletter, "eva@kunde.example", ""},
		} {
			if got := check(t, there, c.owner, c.stream, c.to, accepted); got != c.want {
				t.Errorf("%s on %s: %q, want %q", c.to, c.stream, got, c.want)
			}
		}
		if n := store.Asked() - asked; n != 3 {
			t.Errorf("the store was asked %d times, want once for each of eva's", n)
		}
		if _, err := here.Lift(ctx, owner, e.ID, "usr_1", "hat es sich überlegt"); err != nil {
			t.Fatal(err)
		}
		if got := check(t, there, owner, tenant.Newsletter, "eva@kunde.example", accepted); got != "" {
			t.Errorf("lifted, but %q", got)
		}
	})
}

// Whatever memory cannot know is asked for: before the start, after too many
// suppressions, and while changes cannot be read.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		store, owner := &audiencetest.Store{Fail: func(method string) error {
			if method == "Marks" && down.Load() {
				return errors.New("down")
			}
			return nil
		}}, newTenant()
		first := newService(t, store)
		suppress := func(n int) {
			for i := range n {
				if _, err := first.Suppress(context.Background(), owner, audience.Wish{Address: address(fmt.Sprintf("r%d@kunde.example", i))}, "usr_1"); err != nil {
					t.Fatal(err)
				}
			}
		}
		suppress(20)
		accepted := time.Now()
		time.Sleep(time.Hour)
		small := func(c *audience.Config) { c.Remember = 10 }
		for name, c := range map[string]struct {
			s     *audience.Service
			since time.Time
			asks  bool
		}{
			"before the start":     {newService(t, store), accepted, true},
			"all loaded":           {started(t, newService(t, store)), accepted, false},
			"more than fit":        {started(t, newService(t, store, small)), accepted, true},
			"accepted afterwards":  {started(t, newService(t, store, small)), time.Now().Add(2 * time.Minute), false},
			"accepted at the time": {started(t, newService(t, store, small)), time.Now(), true},
		} {
			asked := store.Asked()
			check(t, c.s, owner, tenant.Lead, "fine@kunde.example", c.since)
			if asks := store.Asked() > asked; asks != c.asks {
				t.Errorf("%s: asks %v", name, asks)
			}
		}
		s := started(t, newService(t, store, small))
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		go s.Run(ctx)
		time.Sleep(time.Hour)
		late := time.Now()
		for i := range 30 {
			s.Noted([]audience.Hash{{byte(i), 1}})
			time.Sleep(time.Minute)
		}
		asked := store.Asked()
		check(t, s, owner, tenant.Lead, "fine@kunde.example", late)
		if store.Asked() == asked {
			t.Error("two generations later an old mail is let go without asking")
		}
		asked = store.Asked()
		check(t, s, owner, tenant.Lead, "fine@kunde.example", time.Now())
		if store.Asked() != asked {
			t.Error("a new mail is asked for")
		}
		down.Store(true)
		time.Sleep(time.Minute)
		check(t, s, owner, tenant.Lead, "fine@kunde.example", time.Now())
		if store.Asked() == asked {
			t.Error("changes cannot be read, and nobody is asked")
		}
	})
}

func TestRules(t *testing.T) {
	store, owner := &audiencetest.Store{}, newTenant()
	s := started(t, newService(t, store, func(c *audience.Config) { c.Now = func() time.Time { return start } }))
	for _, c := range []struct {
		class  string
		hard   bool
		stream tenant.Stream
		want   string // count reason stream ends
	}{
		{"user_unknown", true, tenant.Newsletter, "1 hard_bounce  "},
		{"dns_no_domain", true, tenant.Newsletter, "3 hard_bounce  2027-05-21"},
		{"new_hard_class", true, tenant.Lead, "1 hard_bounce  "},
		{"mailbox_full", false, tenant.Reminder, "3 repeated_bounce  2027-02-20"},
		{"rejected", false, tenant.Reminder, "3 repeated_bounce reminder 2027-02-20"},
		{"content_spam", false, tenant.Newsletter, ""},
		{"ip_blocked", false, tenant.Newsletter, ""},
		{"complaint", false, tenant.Newsletter, "1 complaint newsletter "},
		{"complaint", false, tenant.Transactional, ""},
		{"unsubscribe", false, tenant.Reminder, "1 unsubscribed reminder "},
		{"unsubscribe", false, tenant.Lead, ""},
	} {
		k := s.Strike(audience.Report{Tenant: owner, Stream: c.stream, Address: address("eva@kunde.example"), Class: c.class, Hard: c.hard, At: start})
		have := ""
		if k != nil {
			ends := ""
			if !k.Entry.ExpiresAt.IsZero() {
				ends = k.Entry.ExpiresAt.Format(time.DateOnly)
			}
			have = fmt.Sprintf("%d %s %s %s", k.Count, k.Entry.Reason, k.Entry.Stream, ends)
		}
		if have != c.want {
			t.Errorf("%s on %s: %q, want %q", c.class, c.stream, have, c.want)
		}
	}
	own := audience.Rules{{Class: "complaint", Count: 2, Within: 30}}
	if err := s.SetRules(context.Background(), owner, own, audience.By{Staff: true}); err != nil {
		t.Fatal(err)
	}
	report := audience.Report{Tenant: owner, Stream: tenant.Transactional, Address: address("eva@kunde.example"), At: start}
	for n := range 3 {
		report.Delivery = message.Delivery(message.NewID(start), n+1)
		made, err := s.Complained(context.Background(), report)
		if err != nil || made != (n > 0) {
			t.Errorf("complaint %d: %v, %v", n, made, err)
		}
	}
	if k := s.Strike(audience.Report{Tenant: newTenant(), Stream: tenant.Newsletter, Class: "complaint", At: start}); k == nil || k.Count != 1 {
		t.Errorf("another tenant's rules: %+v", k)
	}
	for code, wrong := range map[string]audience.Rule{
		"class_not_suppressing": {Class: "content_spam", Count: 1},
		"rule_malformed":        {Class: "complaint", Count: 2},
		"stream_unknown":        {Class: "complaint", Count: 1, Streams: []tenant.Stream{"x"}},
	} {
		if f := fault.As(s.SetRules(context.Background(), owner, audience.Rules{wrong}, audience.By{})); f == nil || f.Code != code {
			t.Errorf("%+v: %v", wrong, f)
		}
	}
}

func TestRefusedWishes(t *testing.T) {
	s := newService(t, &audiencetest.Store{})
	owner, a := newTenant(), address("eva@kunde.example")
	for code, w := range map[string]audience.Wish{
		"address_missing": {},
		"stream_unknown":  {Address: a, Stream: "x"},
		"reason_unknown":  {Address: a, Reason: "x"},
		"expiry_past":     {Address: a, ExpiresAt: time.Now().Add(-time.Second)},
		"note_malformed":  {Address: a, Note: "a\nb"},
	} {
		if _, err := s.Suppress(context.Background(), owner, w, "usr_1"); fault.As(err) == nil || fault.As(err).Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	for code, why := range map[string]string{"lift_reason_missing": " x", "note_malformed": "abc" + strings.Repeat("x", 500)} {
		if _, err := s.Lift(context.Background(), owner, audience.ID{1}, "usr_1", strings.TrimSpace(why)); fault.As(err) == nil || fault.As(err).Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
}
