package dsn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/dsn"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

// world is a reporter with a real store and a real entrance. Nothing delivers; tests
// settle by hand.
type world struct {
	*testing.T
	store    *store.Store
	spool    *spool.Spool
	entrance *ingest.Service
	reporter *dsn.Reporter
	tenant   tenant.ID
	epoch    queue.Epoch

	mu  sync.Mutex
	now time.Time
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t *testing.T, change func(*tenant.Tenant)) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{T: t, now: now}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	w.store, err = store.Open(ctx, store.Config{DataDir: t.TempDir(), Now: w.Now})
	w.must(err)
	t.Cleanup(func() { w.must(w.store.Close()) })
	owner := tenant.Tenant{ID: id.New[tenant.Kind](now), Name: "Muster", State: tenant.Active, Locale: "de", OfficeTone: tenant.Sie, CreatedAt: now}
	if change != nil {
		change(&owner)
	}
	w.tenant = owner.ID
	w.must(w.store.Found(ctx, tenant.Founding{Tenant: owner, Domains: []tenant.Domain{
		{ID: id.New[tenant.DomainKind](now), Tenant: owner.ID, Name: "muster.example", State: tenant.Trusted, CreatedAt: now},
	}}))
	w.spool = spool.New(w.store.Archive(), keeper)
	w.entrance = ingest.New(ingest.Config{Store: w.store, Tenants: w.store, Keeper: keeper, Now: w.Now})
	w.epoch, err = w.store.StartEpoch(ctx, "n", now, now.Add(time.Hour))
	w.must(err)
	w.reporter = w.newReporter(w.entrance, w.store)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) newReporter(a ingest.Acceptor, s dsn.Store) *dsn.Reporter {
	w.Helper()
	catalog, err := i18n.Load()
	w.must(err)
	reasons, err := bounce.Load()
	w.must(err)
	r, err := dsn.NewReporter(dsn.Config{Store: s, Bodies: w.spool, Acceptor: a, Tenants: w.store, Catalog: catalog, Reasons: reasons,
		Hostname: "mail.stafette.example", Now: w.Now, Gather: -1, Log: slog.New(slog.NewTextHandler(w.Output(), nil))})
	w.must(err)
	return r
}

// submit accepts a letter as the SMTP door does and claims its deliveries.
func (w *world) submit(reports *ingest.Reports, to ...string) []queue.Entry {
	w.Helper()
	sub := ingest.Submission{Raw: []byte(original), Sender: &message.Address{Local: "info", Domain: "muster.example"}, Reports: reports}
	for _, a := range to {
		local, domain, _ := strings.Cut(a, "@")
		sub.Recipients = append(sub.Recipients, message.Address{Local: local, Domain: domain})
	}
	_, err := w.entrance.Accept(w.Context(), ingest.Principal{Tenant: w.tenant, Actor: "key", Door: "smtp"}, sub)
	w.must(err)
	return w.claim()
}

func (w *world) claim() []queue.Entry {
	w.Helper()
	list, err := w.store.Claim(w.Context(), queue.Claim{Epoch: w.epoch, Tenant: w.tenant, Now: w.Now(), Limit: 1000})
	w.must(err)
	return list
}

// settle ends an attempt with a reply and makes the report due.
func (w *world) settle(e queue.Entry, state event.State, reply string, due queue.Report) {
	w.Helper()
	kind := map[event.State]event.Type{event.Bounced: event.Refused, event.Deferred: event.AttemptFailed, event.Delivered: event.Completed, event.Expired: event.GaveUp}[state]
	a := &event.Attempt{Number: e.Attempts + 1, MX: "mx.kunde.example", Class: "user_unknown"}
	if _, err := fmt.Sscanf(reply, "%d %s", &a.Code, &a.Enhanced); err != nil {
		w.Fatal(err)
	}
	a.Reply = strings.SplitN(reply, " ", 3)[2]
	v := queue.Settlement{Tenant: w.tenant, Delivery: e.Delivery, Epoch: w.epoch, State: state, Attempts: a.Number, Report: due,
		Event: event.Event{ID: id.New[event.Kind](w.Now()), Message: message.Of(e.Delivery), Delivery: e.Delivery, Type: kind, At: w.Now(), Actor: "system", Reason: a.Class, Attempt: a}}
	if state == event.Deferred {
		v.DueAt = w.Now().Add(time.Hour)
	}
	fenced, err := w.store.Settle(w.Context(), []queue.Settlement{v})
	w.must(err)
	if len(fenced) > 0 {
		w.Fatalf("fenced %v", fenced)
	}
}

func (w *world) turn(want int) {
	w.Helper()
	n, err := w.reporter.Turn(w.Context())
	w.must(err)
	if n != want {
		w.Errorf("%d reports were dealt with, want %d", n, want)
	}
}

// sent returns the mails that reports have become, oldest first, and as they can be read.
func (w *world) sent() (list []insight.Message, texts []string) {
	w.Helper()
	page, err := w.store.Messages(w.Context(), w.tenant, insight.Filter{Stream: tenant.System})
	w.must(err)
	for _, m := range slices.Backward(page.Messages) {
		body, err := w.spool.Body(w.Context(), m.Body)
		w.must(err)
		list, texts = append(list, m), append(texts, string(body))
	}
	return list, texts
}

// facts returns what is on record of a message about reports.
func (w *world) facts(e queue.Entry) (reasons []string) {
	w.Helper()
	list, err := w.store.Events(w.Context(), w.tenant, message.Of(e.Delivery))
	w.must(err)
	for _, f := range list {
		if f.Type == event.Reported {
			reasons = append(reasons, f.Reason)
		}
	}
	return reasons
}

func failed(at time.Time) queue.Report { return queue.Report{Action: bounce.ActionFailed, DueAt: at} }

const unknown = "550 5.1.1 User unknown"

func TestFailureIsTold(t *testing.T) {
	w := newWorld(t, nil)
	entries := w.submit(&ingest.Reports{EnvelopeID: "QQ1"}, "eva@kunde.example", "max@kunde.example", "gut@kunde.example")
	w.settle(entries[0], event.Bounced, unknown, failed(w.now))
	w.settle(entries[1], event.Bounced, unknown, failed(w.now))
	w.settle(entries[2], event.Delivered, "250 2.0.0 ok", queue.Report{})
	w.turn(1)
	list, texts := w.sent()
	if len(list) != 1 || list[0].Door != dsn.Door || list[0].From.Address.String() != "MAILER-DAEMON@muster.example" ||
		list[0].Metadata["report_on"] != message.Of(entries[0].Delivery).String() {
		t.Fatalf("sent %+v", list)
	}
	for _, words := range []string{"Ihre E-Mail", "an diese 2 Adressen", "mx.kunde.example: 550 5.1.1"} {
		if !strings.Contains(strings.ReplaceAll(texts[0], "=\r\n", ""), words) {
			t.Errorf("no %q in\n%s", words, texts[0])
		}
	}
	got, err := bounce.ParseReport([]byte(texts[0]), bounce.Limits{})
	if err != nil || len(got.Recipients) != 2 || got.EnvelopeID != "QQ1" || got.MessageID != "1@muster.example" {
		t.Errorf("read as %+v, %v", got, err)
	}
	if strings.Contains(texts[0], "gut@") {
		t.Error("the delivered one is told too")
	}
	// The report itself goes out with the null reverse path, and nobody hears of its fate.
	for _, e := range w.claim() {
		if e.Sender != "" || e.Notify != 0 || e.Recipient.String() != "info@muster.example" || e.SignDomain != "muster.example" {
			t.Errorf("entry %+v", e)
		}
	}
	if have := w.facts(entries[0]); !slices.Equal(have, []string{"failed", "failed"}) {
		t.Errorf("facts %v", have)
	}
	w.turn(0)
}

// TestSuppressedIsTold: who answered 250 and leaves a recipient out must say so.
func TestSuppressedIsTold(t *testing.T) {
	w := newWorld(t, nil)
	max := message.Address{Local: "max", Domain: "kunde.example"}
	list, err := audience.New(audience.Config{Store: w.store, Now: func() time.Time { return w.now }})
	w.must(err)
	_, err = list.Suppress(t.Context(), w.tenant, audience.Wish{Address: max, Reason: audience.HardBounce}, "test")
	w.must(err)
	e := w.submit(&ingest.Reports{}, "eva@kunde.example", "max@kunde.example")[0]
	w.turn(1)
	_, texts := w.sent()
	got, err := bounce.ParseReport([]byte(texts[0]), bounce.Limits{})
	if err != nil || len(got.Recipients) != 1 || got.Recipients[0].Final != max.String() || got.Recipients[0].Status != "5.7.1" {
		t.Errorf("read as %+v, %v\n%s", got, err, texts[0])
	}
	if !strings.Contains(strings.ReplaceAll(texts[0], "=\r\n", ""), "E-Mails an diese Adresse kamen endg") {
		t.Errorf("no reason in\n%s", texts[0])
	}
	if have := w.facts(e); !slices.Equal(have, []string{"failed"}) {
		t.Errorf("facts %v", have)
	}
	w.submit(nil, "eva@kunde.example", "max@kunde.example") // not by SMTP
	w.turn(0)
}

func TestDelayIsToldWhileItLasts(t *testing.T) {
	w := newWorld(t, func(o *tenant.Tenant) { o.Locale, o.OfficeTone = "en", tenant.Du })
	entries := w.submit(&ingest.Reports{}, "eva@kunde.example", "max@kunde.example")
	for _, e := range entries {
		w.settle(e, event.Deferred, "450 4.2.1 later", queue.Report{Action: bounce.ActionDelayed, DueAt: w.now.Add(4 * time.Hour)})
	}
	w.turn(0)
	w.pass(time.Hour)
	for _, e := range w.claim() {
		if e.Delivery == entries[0].Delivery {
			w.settle(e, event.Delivered, "250 2.0.0 ok", queue.Report{})
		}
	}
	w.pass(3 * time.Hour)
	w.turn(1)
	_, texts := w.sent()
	if len(texts) != 1 {
		t.Fatalf("%d reports", len(texts))
	}
	got, err := bounce.ParseReport([]byte(texts[0]), bounce.Limits{})
	if err != nil || len(got.Recipients) != 1 || got.Recipients[0].Action != bounce.ActionDelayed || got.Recipients[0].Status != "4.2.1" ||
		got.Recipients[0].Final != "max@kunde.example" || !strings.Contains(texts[0], "Will-Retry-Until: ") || !strings.Contains(strings.ReplaceAll(texts[0], "=\r\n", ""), "could not yet be delivered") {
		t.Errorf("read as %+v, %v\n%s", got, err, texts[0])
	}
	w.pass(24 * time.Hour)
	w.turn(0)
}

func TestRelayedAndReturned(t *testing.T) {
	w := newWorld(t, nil)
	eva := message.Address{Local: "eva", Domain: "kunde.example"}
	e := w.submit(&ingest.Reports{Return: message.ReturnFull, EnvelopeID: "X", Recipients: map[message.Address]ingest.RecipientReports{
		eva: {Notify: message.NotifySuccess | message.NotifyFailure, Original: message.OriginalRecipient{Type: "rfc822", Address: "Eva@Alt.example"}},
	}}, eva.String())[0]
	w.settle(e, event.Delivered, "250 2.0.0 ok", queue.Report{Action: bounce.ActionRelayed, DueAt: w.now})
	w.turn(1)
	w.pass(time.Minute)
	// Later the other server gives up. It is told once, however often the report comes.
	back := dsn.Returned{Tenant: w.tenant, Delivery: e.Delivery, ReportingMTA: "mx.kunde.example", Recipient: bounce.Recipient{
		Final: "eva@intern.example", Action: bounce.ActionFailed, Status: "5.2.2", Reply: "552 5.2.2 Mailbox full", RemoteMTA: "store.intern.example"}}
	for range 2 {
		w.must(w.reporter.Forward(t.Context(), back))
	}
	back.Recipient.Action = bounce.ActionDelayed // not asked for
	w.must(w.reporter.Forward(t.Context(), back))

	_, texts := w.sent()
	if have := w.facts(e); len(texts) != 2 || !slices.Equal(have, []string{"relayed", "failed"}) {
		t.Fatalf("%d reports, facts %v", len(texts), have)
	}
	for i, want := range []struct {
		mta, final, status, part string
		action                   bounce.Action
	}{
		{"mail.stafette.example", "eva@kunde.example", "2.0.0", "Content-Type: text/rfc822-headers", bounce.ActionRelayed},
		{"mx.kunde.example", "eva@intern.example", "5.2.2", "Content-Type: message/rfc822", bounce.ActionFailed},
	} {
		got, err := bounce.ParseReport([]byte(texts[i]), bounce.Limits{})
		if err != nil || len(got.Recipients) != 1 || !strings.Contains(texts[i], want.part) {
			t.Fatalf("%+v, %v\n%s", got, err, texts[i])
		}
		r := got.Recipients[0]
		if got.ReportingMTA != want.mta || got.EnvelopeID != "X" || r.Final != want.final || r.Original != "Eva@Alt.example" || r.Status != want.status || r.Action != want.action {
			t.Errorf("%+v\n%s", got, texts[i])
		}
	}
}

// TestWhoIsNotTold: what ingest writes down already silences reports.
func TestWhoIsNotTold(t *testing.T) {
	eva := message.Address{Local: "eva", Domain: "kunde.example"}
	asked := func(n message.Notify) *ingest.Reports {
		return &ingest.Reports{Recipients: map[message.Address]ingest.RecipientReports{eva: {Notify: n}}}
	}
	for _, c := range []struct {
		name    string
		off     bool
		reports *ingest.Reports
		want    message.Notify
	}{
		{"not by SMTP", false, nil, 0},
		{"nothing said", false, &ingest.Reports{}, message.NotifyUnsaid},
		{"nothing said, switched off", true, &ingest.Reports{}, 0},
		{"asked, switched off", true, asked(message.NotifyFailure), message.NotifyFailure},
		{"never", false, asked(message.NotifyNever), message.NotifyNever},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(o *tenant.Tenant) { o.NoFailureReports = c.off })
			if have := w.submit(c.reports, eva.String())[0].Notify; have != c.want {
				t.Errorf("have %b, want %b", have, c.want)
			}
		})
	}
}

// crashing fails in the place a process may die in.
type crashing struct {
	dsn.Store
	ingest.Acceptor
	end, accept bool
}

var errCrash = errors.New("crash")

func (c *crashing) EndReports(ctx context.Context, d dsn.Due, facts []event.Event) error {
	if c.end {
		return errCrash
	}
	return c.Store.EndReports(ctx, d, facts)
}

func (c *crashing) Accept(ctx context.Context, p ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	if c.accept {
		return ingest.Receipt{}, errCrash
	}
	return c.Acceptor.Accept(ctx, p, s)
}

// TestOneReportAfterACrash: whichever step was the last, the next reporter leaves one
// report and one fact.
func TestOneReportAfterACrash(t *testing.T) {
	for name, c := range map[string]*crashing{"before it is accepted": {accept: true}, "after it is accepted": {end: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			e := w.submit(&ingest.Reports{}, "eva@kunde.example")[0]
			w.settle(e, event.Bounced, unknown, failed(w.now))
			c.Store, c.Acceptor = w.store, w.entrance
			w.must(second(w.newReporter(c, c).Turn(t.Context())))
			w.turn(0) // the dead one's lease
			w.pass(time.Minute)
			w.turn(1)
			if list, _ := w.sent(); len(list) != 1 || len(w.facts(e)) != 1 {
				t.Errorf("%d reports, facts %v", len(list), w.facts(e))
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// TestGivenUp: a report that can never be handed in is not tried for ever; one of a
// locked tenant waits.
func TestGivenUp(t *testing.T) {
	w := newWorld(t, nil)
	e := w.submit(&ingest.Reports{}, "eva@kunde.example")[0]
	w.settle(e, event.Bounced, unknown, failed(w.now))
	w.must(w.store.SetState(t.Context(), w.tenant, tenant.Locked, "test"))
	w.pass(10 * time.Second) // what ingest remembers of the tenant
	w.turn(1)
	w.pass(time.Minute)
	w.turn(1)
	w.pass(ingest.DefaultExpiry)
	w.turn(1)
	w.pass(time.Hour)
	w.turn(0)
	if list, _ := w.sent(); len(list) != 0 || len(w.facts(e)) != 0 {
		t.Errorf("sent %v, facts %v", list, w.facts(e))
	}
}
