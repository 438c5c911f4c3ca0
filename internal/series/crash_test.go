package series_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/ingest"
	"stafette/internal/series"
	"stafette/internal/tenant"
)

// refusing refuses every mail.
type refusing struct {
	ingest.Acceptor
	err error
}

func (r *refusing) AcceptAll(_ context.Context, _ ingest.Principal, list []ingest.Submission) []ingest.Result {
	results := make([]ingest.Result, len(list))
	for i := range results {
		results[i].Err = r.err
	}
	return results
}

var errDead = errors.New("the process died")

// mortal is store and entrance of a process that dies at any call, before or after it did its
// work: what it did then is done, and nobody heard of it.
type mortal struct {
	series.Store
	ingest.Acceptor
	dice *rand.Rand
}

// dies says whether the process dies before a call, and whether after it.
func (m *mortal) dies() (before, after bool) { n := m.dice.IntN(8); return n == 0, n == 1 }

func (m *mortal) call(do func() error) error {
	before, after := m.dies()
	if before {
		return errDead
	}
	if err := do(); err != nil {
		return err
	}
	if after {
		return errDead
	}
	return nil
}

func (m *mortal) EnterSeries(ctx context.Context, v series.Series, list []series.Run, seen []series.SignalID) (n int, err error) {
	err = m.call(func() error { n, err = m.Store.EnterSeries(ctx, v, list, seen); return err })
	return n, err
}

func (m *mortal) NameMails(ctx context.Context, t tenant.ID, v series.ID, list []series.Move) (deeds []series.Deed, err error) {
	err = m.call(func() error { deeds, err = m.Store.NameMails(ctx, t, v, list); return err })
	return deeds, err
}

func (m *mortal) MoveRuns(ctx context.Context, t tenant.ID, v series.ID, list []series.Move) error {
	return m.call(func() error { return m.Store.MoveRuns(ctx, t, v, list) })
}

func (m *mortal) SleepSeries(ctx context.Context, t tenant.ID, v series.ID, now time.Time) error {
	return m.call(func() error { return m.Store.SleepSeries(ctx, t, v, now) })
}

func (m *mortal) AcceptAll(ctx context.Context, p ingest.Principal, list []ingest.Submission) []ingest.Result {
	before, after := m.dies()
	results := make([]ingest.Result, len(list))
	if !before {
		// Some of them are accepted, and not all of those are told of.
		n := len(list)
		if after {
			n = m.dice.IntN(len(list) + 1)
		}
		copy(results, m.Acceptor.AcceptAll(ctx, p, list[:n]))
		for i := n; i < len(results); i++ {
			results[i].Err = errDead
		}
		if !after {
			return results
		}
	}
	for i := range results {
		results[i].Err = errDead
	}
	return results
}

// Whenever processes die, and two of them work at once: everybody gets every mail of their way
// once.
func TestNobodyGetsTwoWhateverDies(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t)
			dice := rand.New(rand.NewPCG(seed, 1))
			v := w.begin(nil, send("eins"), wait("w", time.Hour), send("zwei"), series.Step{Key: "t", Do: series.Tag, Tag: "drin"}, send("drei"))
			want := map[string]int{}
			for i := range 5 {
				c := w.contact(fmt.Sprint("p", i))
				w.tag(c, "neu")
				for _, subject := range []string{"eins", "zwei", "drei"} {
					want[subject+" p"+fmt.Sprint(i)] = 1
				}
			}
			nodes := make([]*series.Service, 2)
			for i := range nodes {
				broken := w.config
				m := &mortal{w.store, w.entrance, dice}
				broken.Store, broken.Acceptor = m, m
				nodes[i] = series.New(broken)
			}
			for i := range 60 {
				// What a process dies of is no matter; what it left is.
				_ = nodes[i%2].Turn(t.Context(), w.Now())
				w.pass(10 * time.Minute)
			}
			for range 3 {
				w.turn()
				w.pass(2 * time.Hour)
			}
			w.expect("mail", fmt.Sprint(w.mails()), fmt.Sprint(want))
			r, err := w.service.Report(t.Context(), w.who.Tenant, v.ID)
			w.must(err)
			w.expect("over", fmt.Sprint(r.Over), "map[end:5]")
		})
	}
}

// slow lets another process do a whole Turn before it hands its mail over.
type slow struct {
	ingest.Acceptor
	between func()
}

func (s *slow) AcceptAll(ctx context.Context, p ingest.Principal, list []ingest.Submission) []ingest.Result {
	s.between()
	return s.Acceptor.AcceptAll(ctx, p, list)
}

func TestTwoAtOnceSendOne(t *testing.T) {
	w := newWorld(t)
	var people []audience.Contact
	for i := range 3 {
		people = append(people, w.contact(fmt.Sprint("p", i)))
	}
	v := w.begin(nil, send("eins"), send("zwei"))
	for _, c := range people {
		w.tag(c, "neu")
	}
	late := w.config
	once := false
	late.Acceptor = &slow{w.entrance, func() {
		if !once {
			once = true
			w.turn()
		}
	}}
	w.must(series.New(late).Turn(t.Context(), w.Now()))
	w.turn()
	w.sent("eins p0:1 eins p1:1 eins p2:1 zwei p0:1 zwei p1:1 zwei p2:1")
	w.expect("runs", w.runs(v), "p0 end, p1 end, p2 end")
}
