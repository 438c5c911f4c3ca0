package storetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/pause"
	"stafette/internal/seal"
	"stafette/internal/series"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

// receiver is a program of a tenant behind a real socket.
type receiver struct {
	mu  sync.Mutex
	got []webhook.Payload
	bad []string // what no signature stood for
}

// hooked gives a tenant a program that is told of the types, and what calls it.
func (w *World) hooked(t tenant.ID, types ...string) (*webhook.Service, *receiver, webhook.Endpoint) {
	w.t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	guard := egress.NewGuard(egress.Rules{LoopbackOnly: true})
	s, err := webhook.New(webhook.Config{Store: w.Store, Keeper: keeper, Now: w.Clock.Now,
		Client: webhook.NewClient(webhook.ClientConfig{Dial: guard.Dialer(egress.Source{}, true), Loopback: true})})
	w.must(err)
	r, secret := &receiver{}, ""
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		var p webhook.Payload
		r.mu.Lock()
		defer r.mu.Unlock()
		want, err := webhook.Sign(secret, q.Header.Get("Webhook-Id"), w.Clock.Now(), body)
		if json.Unmarshal(body, &p) != nil || err != nil || q.Header.Get("Webhook-Signature") != want {
			r.bad = append(r.bad, string(body))
			return
		}
		r.got = append(r.got, p)
	}))
	w.t.Cleanup(server.Close)
	e, secret2, err := s.Add(w.t.Context(), t, webhook.Wish{URL: server.URL + "/hook", Types: types}, "usr_1")
	w.must(err)
	secret = secret2
	w.Clock.Advance(time.Second)
	return s, r, e
}

// told makes the calls and returns what they said, type and data, in order.
func (r *receiver) told(w *World, s *webhook.Service) (list []string) {
	w.t.Helper()
	w.Clock.Advance(time.Second)
	w.must(s.Turn(w.t.Context()))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.got {
		data, err := json.Marshal(p.Data)
		w.must(err)
		list = append(list, string(p.Type)+" "+string(data))
	}
	for _, body := range r.bad {
		w.t.Errorf("not signed: %s", body)
	}
	r.got = nil
	slices.Sort(list)
	return list
}

// What happens to groups and to the account reaches a program once, signed, with what it
// was at that moment, and no word that people wrote.
func accountDeeds(t *testing.T, w *World) {
	ctx := t.Context()
	s, r, _ := w.hooked(w.A)
	foreign, deaf, _ := w.hooked(w.B)
	g := w.Group(w.A, "Käufer")
	row := w.approvalOf(g, approval.InReview)
	row.Due = row.Since.Add(time.Hour)
	act := func(a approval.Act, state approval.State) {
		at := w.Clock.Advance(time.Second)
		row.State = state
		w.must(w.Store.SaveApproval(ctx, row, []approval.Line{{ID: id.New[approval.EntryKind](at), Act: a, Actor: "usr_1", Sealed: []byte("geheim")}}, nil))
		row.Version++
	}
	act(approval.Submit, approval.InReview)
	act(approval.Claim, approval.InReview)
	act(approval.AskAct, approval.Question)
	act(approval.Answer, approval.InReview)
	act(approval.First, approval.InReview)
	act(approval.Approve, approval.Approved)
	act(approval.Reopen, approval.Required)
	act(approval.Submit, approval.InReview)
	act(approval.Reject, approval.Rejected)
	named := `"group":"` + g.ID.String() + `","name":"Käufer"`
	due := row.Due.UTC().Format(time.RFC3339Nano)
	equalDeeds(t, "approval", r.told(w, s),
		`group.answered {"due":"`+due+`",`+named+`,"state":"in_review"}`, `group.approved {`+named+`,"state":"approved"}`,
		`group.question {`+named+`,"state":"question"}`, `group.rejected {`+named+`,"state":"rejected"}`,
		`group.reopened {`+named+`,"state":"required"}`, `group.submitted {"due":"`+due+`",`+named+`,"state":"in_review"}`,
		`group.submitted {"due":"`+due+`",`+named+`,"state":"in_review"}`)

	p := pause.Pause{Tenant: w.A, Group: g.ID, At: w.Clock.Advance(time.Second), Cause: pause.Hard, Figures: pause.Figures{Sent: 100, Hard: 7, Hours: 168}}
	for range 2 { // the second is none
		_, err := w.Store.PutPause(ctx, p)
		w.must(err)
	}
	p.ReleasedAt, p.ReleasedBy, p.Note = w.Clock.Advance(time.Second), "usr_9", "geheim"
	w.must(w.Store.EndPause(ctx, p))
	h := audience.Halt{Tenant: w.A, At: w.Clock.Advance(time.Second), Cause: audience.TooManyBounces, Tally: audience.Tally{Sent: 300, Hard: 20}, Window: 24 * time.Hour}
	_, err := w.Store.Halt(ctx, h)
	w.must(err)
	w.must(w.Store.ReleaseBulk(ctx, w.A, audience.Release{At: w.Clock.Advance(time.Second), Actor: "usr_1", Self: true, Note: "geheim"}))
	for range 2 {
		w.must(w.Store.SetState(ctx, w.A, tenant.Locked, "geheim"))
	}
	w.must(w.Store.SetState(ctx, w.A, tenant.Active, ""))
	account := `"account":"` + w.A.String() + `"`
	equalDeeds(t, "limits", r.told(w, s),
		`account.halted {"cause":"hard_bounces","hard_bounces":20,"hours":24,"sent":300}`, `account.locked {`+account+`,"state":"locked"}`,
		`account.released {"by":"account"}`, `account.unlocked {`+account+`,"state":"active"}`,
		`group.paused {"cause":"hard","figures":{"complaints":0,"hard":7,"hours":168,"sent":100,"unsubscribes":0},`+named+`}`,
		`group.released {"by":"platform","cause":"hard",`+named+`}`)
	equalDeeds(t, "told to another account", deaf.told(w, foreign))
}

// What series do reaches a program; what is told of a contact is gone with the contact, and
// everything some days after the calls.
func seriesDeeds(t *testing.T, w *World) {
	ctx := t.Context()
	s, r, e := w.hooked(w.A, string(webhook.RunStarted), string(webhook.RunEnded), string(webhook.StepSkipped))
	people := w.readers(w.A, 3)
	v := w.flow(w.A, w.Group(w.A, "Kunden", people...))
	w.enter(v, w.entrants(people...))
	w.enter(v, w.entrants(people...)) // nobody twice
	for _, run := range w.due(v) {
		if run.Contact != people[0].ID {
			continue
		}
		m := series.Move{Run: run, Deed: series.Deed{Contact: run.Contact, Entry: run.Entry, Step: "a", Outcome: series.Excluded, Reason: "frequency", At: w.Clock.Now()}}
		over := m
		over.Run.DueAt, over.Run.EndedAt, over.Run.Reason = time.Time{}, w.Clock.Now(), series.ReasonEnd
		for range 2 {
			w.must(w.Store.MoveRuns(ctx, w.A, v.ID, []series.Move{over}))
		}
	}
	of := func(i int, more string) string {
		return ` {"contact":"` + people[i].ID.String() + `","entry":1,"name":"Willkommen"` + more + `}`
	}
	in := `,"series":"` + v.ID.String() + `"`
	want := []string{"series.run_ended" + of(0, `,"reason":"end"`+in), "series.step_skipped" + of(0, `,"reason":"frequency"`+in+`,"step":"a"`)}
	for i := range people {
		want = append(want, "series.run_started"+of(i, in))
	}
	equalDeeds(t, "runs", r.told(w, s), want...)

	_, err := w.Store.StopRun(ctx, w.A, v.ID, people[1].ID, series.ReasonTaken, w.Clock.Now())
	w.must(err)
	v.State, v.Revision = series.Ended, 3
	w.must(w.Store.ChangeSeries(ctx, v, series.Active, false))
	_, err = w.Store.StopRuns(ctx, v, w.Clock.Now(), 10)
	w.must(err)
	w.must(w.Store.DeleteContact(ctx, w.A, people[1].ID))
	equalDeeds(t, "without who is gone", r.told(w, s), "series.run_ended"+of(2, `,"reason":"series_ended"`+in))

	calls, err := w.Store.Calls(ctx, w.A, e.ID, webhook.CallFilter{State: webhook.Told})
	w.must(err)
	kept := func() (n int) {
		for _, c := range calls {
			if _, err := w.Store.DeedOf(ctx, w.A, c.ID); err == nil {
				n++
			}
		}
		return n
	}
	if _, err := w.Store.DeedOf(ctx, w.B, calls[0].ID); err == nil {
		t.Error("another account reads it")
	}
	equal(t, "calls of who is left", words(kept()), "5")
	w.must(w.Store.DropCalls(ctx, w.Clock.Now()))
	equal(t, "while calls may be tried", words(kept()), "5")
	w.must(w.Store.DropCalls(ctx, w.Clock.Now().Add(5*24*time.Hour)))
	equal(t, "afterwards", words(kept()), "0")
}

// Nothing is written down for nobody.
func deedsUnheard(t *testing.T, w *World) {
	ctx := t.Context()
	w.endpoint(w.A, webhook.TypeOf(event.Completed))
	w.must(w.Store.SetState(ctx, w.A, tenant.Locked, "x"))
	w.Accept(w.Draft(w.B, "eva@x.example"))
	n, err := w.Store.FoldFacts(ctx, 10)
	same(t, "notes", n, 0, err)
}

func equalDeeds(t *testing.T, what string, have []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if strings.Join(have, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}
