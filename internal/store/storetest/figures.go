package storetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/help"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

func figureTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"BooksAgreeWithFacts": booksAgreeWithFacts,
		"FoldedOnceByMany":    foldedOnceByMany,
		"LateOnesCountOnce":   lateOnesCountOnce,
		"SpansAreWhole":       spansAreWhole,
		"TimeFromSendAt":      timeFromSendAt,
		"HeldIsCounted":       heldIsCounted,
		"Dismissals":          dismissals,
		"Digests":             digests,
		"HelpIsCounted":       helpIsCounted,
	}
}

// providerOf is everything before the first dot of a host.
func providerOf(host string) string {
	name, _, _ := strings.Cut(host, ".")
	return name
}

func (w *World) fold() int {
	w.t.Helper()
	sum := 0
	for {
		n, err := w.Store.FoldTallies(context.Background(), providerOf, 3)
		if err != nil {
			w.t.Fatal(err)
		}
		if sum += n; n < 3 {
			return sum
		}
	}
}

func (w *World) cells(t tenant.ID, q insight.TallyQuery) []insight.Cell {
	w.t.Helper()
	if q.To.IsZero() {
		q.From, q.To = Start().Add(-time.Hour), w.Clock.Now().Add(48*time.Hour)
	}
	list, err := w.Store.Sums(context.Background(), t, q)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// verdicts settles deliveries in many ways over two days, some of them twice or too late,
// and returns the messages.
func (w *World) verdicts(t tenant.ID) []message.ID {
	e := w.Epoch("n")
	var ids []message.ID
	for i, states := range [][]event.State{
		{event.Delivered}, {event.Deferred, event.Delivered}, {event.Deferred, event.Deferred, event.Expired}, {event.Bounced},
		{event.Held}, {event.Delivered, event.Bounced}, {event.Cancelled}, {event.Suppressed}, {event.Deferred, event.Bounced},
	} {
		a := w.Draft(t, "r@example.net")
		a.Epoch, a.Message.Stream = e, tenant.Streams()[i%3]
		w.Accept(a)
		ids = append(ids, a.Message.ID)
		for n, state := range states {
			w.Clock.Advance(time.Duration(i*n+1) * 47 * time.Minute)
			if n > 0 {
				w.Claim(e, t, 100)
			}
			v := w.Verdict(e, t, a.Deliveries[0].ID, state)
			v.Host, v.Attempts, v.Event.Attempt.Number, v.Stream = []string{"gmx.x", "web.x", ""}[i%3], n+1, n+1, a.Message.Stream
			w.Settle(v)
			w.Settle(v) // what is repeated is fenced and counts no more
		}
	}
	return ids
}

// facts counts what the events say.
func (w *World) countFacts(t tenant.ID, ids []message.ID) map[insight.Count]int64 {
	w.t.Helper()
	want := map[insight.Count]int64{}
	for _, m := range ids {
		events, err := w.Store.Events(context.Background(), t, m)
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range events {
			for _, c := range insight.CountsOf(&events[i], m.Time()) {
				want[c]++
			}
		}
	}
	return want
}

func total(cells []insight.Cell) map[insight.Count]int64 {
	have := map[insight.Count]int64{}
	for _, c := range cells {
		have[c.Count] += c.N
	}
	return have
}

// The sums are those of the facts, whichever way they are told apart, and belong to
// their tenant and to the platform.
func booksAgreeWithFacts(t *testing.T, w *World) {
	mine := w.verdicts(w.A)
	foreign := w.verdicts(w.B)
	if w.fold() == 0 || w.fold() != 0 {
		t.Fatal("notes are not taken, or taken twice")
	}
	want := w.countFacts(w.A, mine)
	if want[insight.CountDelivered] < 3 || want[insight.CountDelayed] != 3 || want[insight.CountExpired] != 1 {
		t.Fatalf("the world is not what it should be: %v", want)
	}
	for name, q := range map[string]insight.TallyQuery{
		"whole": {}, "hours": {Hours: true}, "providers": {Providers: true}, "streams": {Streams: true}, "all": {Hours: true, Providers: true, Streams: true},
	} {
		same(t, name, total(w.cells(w.A, q)), want, nil)
	}
	both := w.countFacts(w.B, foreign)
	for c, n := range want {
		both[c] += n
	}
	same(t, "platform", total(w.cells(tenant.ID{}, insight.TallyQuery{})), both, nil)
	groups, err := insight.Statistics{Store: w.Store}.Groups(context.Background(), w.A, insight.ByProvider, Start(), w.Clock.Now(), nil)
	if err != nil || len(groups) != 3 || groups[0].Results()+groups[1].Results()+groups[2].Results() != want["delivered"]+want["bounced"]+want["expired"] {
		t.Errorf("groups: %+v, %v", groups, err)
	}
	only := w.cells(w.A, insight.TallyQuery{Counts: []insight.Count{insight.CountBounced}})
	same(t, "one count", total(only), map[insight.Count]int64{insight.CountBounced: want[insight.CountBounced]}, nil)
}

// Several nodes fold while mail goes on.
func foldedOnceByMany(t *testing.T, w *World) {
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			for range 20 {
				if _, err := w.Store.FoldTallies(context.Background(), providerOf, 2); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ids := w.verdicts(w.A)
	work.Wait()
	w.fold()
	same(t, "sums", total(w.cells(w.A, insight.TallyQuery{})), w.countFacts(w.A, ids), nil)
}

// A complaint and a late bounce are found under the provider and stream of the delivery,
// and a second report of the same adds nothing.
func lateOnesCountOnce(t *testing.T, w *World) {
	e := w.Epoch("n")
	a := w.Draft(w.A, "r@example.net")
	a.Epoch, a.Message.Stream = e, tenant.Newsletter
	w.Accept(a)
	d := a.Deliveries[0].ID
	w.Settle(w.Verdict(e, w.A, d, event.Delivered))
	for range 2 {
		k := w.Returned(w.A, d)
		w.keep(k)
		w.conclude(k.Mail, w.report(d, event.Complained, "complaint"), w.report(d, event.LateBounced, "user_unknown"), w.report(d, event.AutoReplied, ""))
		w.Clock.Advance(time.Minute)
	}
	w.fold()
	var have []insight.Cell
	for _, c := range w.cells(w.A, insight.TallyQuery{Providers: true, Streams: true}) {
		if c.Count == insight.CountComplained || c.Count == insight.CountLateBounced {
			have = append(have, c)
		}
	}
	want := insight.Cell{Provider: "mx", Stream: tenant.Newsletter, Count: insight.CountComplained, N: 1}
	late := want
	late.Count = insight.CountLateBounced
	same(t, "late ones", have, []insight.Cell{want, late}, nil)
}

// each7Hours settles 30 deliveries, seven hours apart.
func (w *World) each7Hours(begin time.Time) {
	e := w.Epoch("n")
	for i := range 30 {
		a := w.Draft(w.A, "r@example.net")
		a.Epoch = e
		w.Accept(a)
		v := w.Verdict(e, w.A, a.Deliveries[0].ID, event.Delivered)
		v.Event.At = begin.Add(time.Duration(i) * 7 * time.Hour)
		w.Settle(v)
	}
	w.fold()
}

// A span is put together of days and hours without a gap or an overlap, and days remain
// when hours are gone.
func spansAreWhole(t *testing.T, w *World) {
	count := func(from, to time.Time, hours bool) int64 {
		return total(w.cells(w.A, insight.TallyQuery{From: from, To: to, Hours: hours, Counts: []insight.Count{insight.CountDelivered}}))[insight.CountDelivered]
	}
	now := w.Store.Now().Truncate(24 * time.Hour).UTC()
	recent, old := now.Add(-20*24*time.Hour+5*time.Hour), now.Add(-insight.HoursKept-20*24*time.Hour)
	w.each7Hours(recent)
	for from := range 9 * 24 {
		for _, long := range []int{1, 5, 24, 49, 100} {
			a := recent.Add(time.Duration(from) * time.Hour)
			b := a.Add(time.Duration(long) * time.Hour)
			if have, want := count(a, b, false), count(a, b, true); have != want {
				t.Fatalf("%s to %s: %d, want %d", a, b, have, want)
			}
		}
	}
	w.each7Hours(old)
	if err := w.Store.PruneTallies(context.Background(), now.Add(-insight.HoursKept)); err != nil {
		t.Fatal(err)
	}
	if a, b := count(old, recent.Add(-time.Hour), true), count(recent, now, true); a != 0 || b != 30 {
		t.Errorf("%d and %d left by the hour", a, b)
	}
	if n := count(old.Add(time.Hour), now, false); n != 60 {
		t.Errorf("%d left by days", n)
	}
}

// Mail that was to leave later has not been slow.
func timeFromSendAt(t *testing.T, w *World) {
	a := w.Draft(w.A, "r@example.net")
	a.Message.SendAt = w.Clock.Now().Add(5 * time.Hour)
	a.Deliveries[0].DueAt = a.Message.SendAt
	w.Accept(a)
	e := w.Epoch("n")
	w.Clock.Advance(5*time.Hour + 2*time.Second)
	entry := w.Claim(e, w.A, 1)[0]
	v := w.Verdict(e, w.A, entry.Delivery, event.Delivered)
	v.ReadyAt = entry.ReadyAt()
	w.Settle(v)
	w.fold()
	f := insight.Sum(w.cells(w.A, insight.TallyQuery{}))
	if d, ok := f.Within(1); !ok || d != 2*time.Second {
		t.Errorf("took %s", d)
	}
}

func heldIsCounted(t *testing.T, w *World) {
	e := w.Epoch("n")
	var list []queue.Settlement
	first := w.Clock.Now()
	for i := range 3 {
		a := w.Draft(w.A, "r@example.net")
		a.Epoch = e
		w.Accept(a)
		v := w.Verdict(e, w.A, a.Deliveries[0].ID, event.Held)
		if i == 0 {
			v.Event.Reason = "bulk_halted"
			first = first.Add(time.Minute)
		}
		list = append(list, v)
		w.Clock.Advance(time.Minute)
	}
	w.Settle(list...)
	n, since, err := w.Store.Held(context.Background(), w.A, "bulk_halted")
	if err != nil || n != 2 || !since.Equal(first.Truncate(time.Millisecond)) {
		t.Errorf("held %d since %s (%s), %v", n, since, first, err)
	}
	if n, _, err := w.Store.Held(context.Background(), w.B, ""); n != 0 || err != nil {
		t.Errorf("of another: %d, %v", n, err)
	}
}

func dismissals(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	u := tenant.UserID{1}
	for _, until := range []time.Time{now.Add(time.Hour), now.Add(2 * time.Hour)} {
		if err := w.Store.Dismiss(ctx, w.A, u, "held", until); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		t    tenant.ID
		u    tenant.UserID
		at   time.Time
		want []string
	}{{w.A, u, now.Add(90 * time.Minute), []string{"held"}}, {w.A, u, now.Add(2 * time.Hour), nil}, {w.B, u, now, nil}, {w.A, tenant.UserID{2}, now, nil}} {
		if have, err := w.Store.Dismissed(ctx, c.t, c.u, c.at); err != nil || !slices.Equal(have, c.want) {
			t.Errorf("%v at %s: %v, %v", c.u, c.at, have, err)
		}
	}
}

func helpIsCounted(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	for i := range 5 {
		if err := w.Store.Answer(ctx, now.Add(time.Duration(i)*24*time.Hour), "states", "de", i%2 == 0); err != nil {
			t.Fatal(err)
		}
		if err := w.Store.Missing(ctx, now, "wo ist\x00 der mond"); err != nil {
			t.Fatal(err)
		}
	}
	answers, missing, err := w.Store.HelpCounts(ctx, now.Add(24*time.Hour))
	same(t, "answers", answers, []help.Answers{{Article: "states", Lang: "de", Yes: 2, No: 2}}, err)
	same(t, "missing", len(missing), 0, err)
	_, missing, err = w.Store.HelpCounts(ctx, now)
	same(t, "missing", missing, []help.Question{{Text: "wo ist der mond", N: 5}}, err)
	if err := w.Store.ForgetHelp(ctx, now.Add(72*time.Hour)); err != nil {
		t.Fatal(err)
	}
	answers, missing, err = w.Store.HelpCounts(ctx, now)
	same(t, "left", answers, []help.Answers{{Article: "states", Lang: "de", Yes: 1, No: 1}}, err)
	same(t, "left", len(missing), 0, err)
}

func digests(t *testing.T, w *World) {
	ctx := context.Background()
	u := tenant.User{ID: tenant.UserID{7}, Tenant: w.A, Email: "o@example.net", Name: "O", Role: tenant.Owner, CreatedAt: w.Clock.Now()}
	gone := tenant.User{ID: tenant.UserID{8}, Tenant: w.A, Email: "g@example.net", Name: "G", Role: tenant.Office, CreatedAt: w.Clock.Now(), DisabledAt: w.Clock.Now()}
	if err := w.Store.Found(ctx, tenant.Founding{Users: []tenant.User{u, gone}}); err != nil {
		t.Fatal(err)
	}
	readers, err := w.Store.Readers(ctx, w.A)
	same(t, "usual", readers, []insight.Reader{{User: u, Choice: insight.Choice{Weekly: true, Todos: true}}}, err)
	w.must(w.Store.ChooseDigests(ctx, w.A, u.ID, insight.Choice{Weekly: true}))
	w.recorded("digests", func(ctx context.Context) error {
		return w.Store.ChooseDigests(ctx, w.A, u.ID, insight.Choice{Todos: true})
	})
	readers, err = w.Store.Readers(ctx, w.A)
	same(t, "chosen", readers, []insight.Reader{{User: u, Choice: insight.Choice{Todos: true}}}, err)
	for _, want := range []insight.DigestRun{{Period: "2026-W12", State: "held"}, {Period: "2026-W13"}} {
		if err := w.Store.SetDigestRun(ctx, w.A, insight.Weekly, want, w.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		have, err := w.Store.DigestRun(ctx, w.A, insight.Weekly)
		same(t, "run", have, want, err)
	}
	for _, other := range []struct {
		t tenant.ID
		k insight.DigestKind
	}{{w.A, insight.OpenTodos}, {w.B, insight.Weekly}} {
		have, err := w.Store.DigestRun(ctx, other.t, other.k)
		same(t, "run of another", have, insight.DigestRun{}, err)
	}
}
