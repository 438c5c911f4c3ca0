package redelivery_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audit"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// A server refuses sixty leads; it opens; the redelivery brings all of them exactly
// once, although the process dies in the middle, and although it comes back only after
// the day for which ingest knows a repeated key.
func TestRefusedLeadsComeOnce(t *testing.T) {
	w := newWorld(t)
	w.shut.Store(true)
	want := map[string]bool{}
	for i := range 60 {
		want[w.ask("4711", fmt.Sprintf("MA-%d", i), "anfragen@makler.example").ID.String()] = true
	}
	if n := w.post(); n != 60 {
		t.Fatalf("%d posted", n)
	}
	w.shut.Store(false)
	f := redelivery.Filter{Stream: tenant.Lead, Recipient: "anfragen@makler.example", States: []event.State{event.Bounced}, Reply: "BLOCKED by", Class: "ip_blocked", Source: "192.0.2.1", Advertiser: "4711"}
	p, err := w.service.Preview(t.Context(), w.who.Tenant, f, redelivery.Options{})
	w.must(err)
	if p.Matched != 60 || p.Send != 60 || len(p.Samples) != redelivery.Samples || p.Confirm {
		t.Errorf("plan %+v", p)
	}
	if s := p.Samples[0]; s.Subject != "Nachlieferung: Objekt MA-0 (Haus)" || !strings.HasPrefix(s.Text, "Nachlieferung: ursprünglich vom 22.11.2026, 09:30 Uhr. Nummer lead_") || s.Problem != "" {
		t.Errorf("sample %+v", s)
	}
	j := w.start(f, redelivery.Options{PerMinute: 120, Ceiling: 120}, "job-1")
	dead := w.config
	dead.Acceptor = &dying{w.entrance, 23}
	first := redelivery.New(dead)
	died := false
	for range 20 {
		if _, err := first.Turn(t.Context(), w.Now()); errors.Is(err, errDead) {
			died = true
			break
		}
		w.pass(5 * time.Second)
	}
	if !died {
		t.Fatal("it did not die")
	}
	w.pass(30 * time.Hour)
	w.must(w.store.Sweep(t.Context(), w.Now()))
	w.turns(redelivery.New(w.config), 2*time.Minute)
	w.post()
	done := w.job(j)
	if done.State != redelivery.Done || done.Sent != 60 || done.Failed+done.Skipped != 0 {
		t.Errorf("job %+v: %s", done, w.items(j))
	}
	got := map[string]int{}
	for _, m := range w.server.Mails() {
		number := regexp.MustCompile(`X-Lead-ID: (lead_\S+)`).FindSubmatch(m.Body)
		if number == nil {
			t.Fatalf("no number: %s", m.Body)
		}
		got[string(number[1])]++
	}
	for number := range want {
		if got[number] != 1 {
			t.Errorf("%s came %d times", number, got[number])
		}
	}
	if len(got) != 60 {
		t.Errorf("%d leads came", len(got))
	}
	again, replayed, err := w.service.Start(t.Context(), w.who, f, redelivery.Options{PerMinute: 120, Ceiling: 120}, "job-1")
	if err != nil || !replayed || again.ID != j.ID {
		t.Errorf("the same key again: %v %v %v", again.ID, replayed, err)
	}
}

// What is sent bears the number of the first mail, its XML to the byte, a name of its own,
// and marks that people and programs see.
func TestMarksOfALead(t *testing.T) {
	w := newWorld(t)
	l := w.ask("4711", "MA-1", "anfragen@makler.example", "zwei@makler.example")
	w.post()
	j := w.start(redelivery.Filter{Message: l.Message}, redelivery.Options{To: "neu@makler.example", Delivered: true}, "")
	w.turns(w.service, 10*time.Second)
	if text := w.items(j); text != "sent, skipped same_address" {
		t.Fatal(text)
	}
	w.post()
	mails := w.server.Mails()
	if len(mails) != 3 || mails[2].To != "neu@makler.example" {
		t.Fatalf("%d mails", len(mails))
	}
	body := string(mails[2].Body)
	first, err := w.store.Message(t.Context(), w.who.Tenant, l.Message)
	w.must(err)
	for _, want := range []string{"X-Lead-ID: " + l.ID.String(), "Subject: Nachlieferung: Objekt MA-1", "References: <" + first.MessageID + ">", redelivery.OriginHeader + ": <" + first.MessageID + ">"} {
		if !strings.Contains(strings.ReplaceAll(body, "\r\n ", " "), want) {
			t.Errorf("lacks %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "Message-ID: <"+first.MessageID) {
		t.Error("it has the first one's Message-ID")
	}
	parts, err := message.Contents(mails[2].Body)
	w.must(err)
	for _, p := range parts {
		if p.ContentType == "application/xml" {
			if x, _, err := openimmo.Read(p.Bytes); err != nil || x.ID != l.ID.String() {
				t.Errorf("XML %+v, %v", x, err)
			}
		}
	}
	page, err := w.store.Messages(t.Context(), w.who.Tenant, insight.Filter{Tag: ingest.AgainTag(l.Message)})
	w.must(err)
	if len(page.Messages) != 1 || len(ingest.OwnTags(page.Messages[0].Tags)) != 0 {
		t.Errorf("not found from the first: %+v", page.Messages)
	}
	if of, ok := ingest.AgainOf(page.Messages[0].Tags); !ok || of != l.Message {
		t.Errorf("the first is not found: %v", of)
	}
}

// Other mail keeps every byte of its body; its subject is marked only where wished.
func TestOtherMail(t *testing.T) {
	w := newWorld(t)
	w.shut.Store(true)
	r := w.write("eva@kunde.example")
	w.post()
	w.shut.Store(false)
	for i, mark := range []bool{false, true} {
		w.start(redelivery.Filter{Delivery: r.Deliveries[0].ID}, redelivery.Options{Mark: mark}, "")
		w.turns(w.service, 10*time.Second)
		w.post()
		mails := w.server.Mails()
		if len(mails) != i+1 {
			t.Fatalf("%d mails", len(mails))
		}
		in, err := message.Inspect(mails[i].Body, message.Limits{})
		w.must(err)
		want := map[bool]string{false: "Ihre Rechnung für Grüße", true: "Nachlieferung: Ihre Rechnung für Grüße"}[mark]
		if in.Subject != want || in.MessageID == r.MessageID || !strings.Contains(string(mails[i].Body), "Betrag 4,20") {
			t.Errorf("mark %v: %q %s", mark, in.Subject, mails[i].Body)
		}
		if text := strings.ReplaceAll(string(mails[i].Body), "\r\n ", " "); !strings.Contains(text, "References: <first@x.example> <"+r.MessageID+">") {
			t.Errorf("references: %s", text)
		}
	}
}

// Each delivery that is not sent has its reason, in the dry run and in the job.
func TestSkips(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	arrived := w.write("a@kunde.example")
	w.post()
	w.shut.Store(true)
	erased, blocked, repeated := w.write("b@kunde.example"), w.write("c@kunde.example"), w.write("d@kunde.example")
	w.post()
	w.shut.Store(false)
	waits := w.write("e@kunde.example")
	w.pass(time.Hour)
	run := redelivery.Run{Tenant: w.who.Tenant, Stream: tenant.Transactional, Before: erased.AcceptedAt.Add(time.Millisecond), BeganAt: w.Now()}
	_, _, err := w.store.DropContent(ctx, run, 10, w.Now())
	w.must(err)
	people, err := audience.New(audience.Config{Store: w.store, Now: w.Now})
	w.must(err)
	_, err = people.Suppress(ctx, w.who.Tenant, audience.Wish{Address: blocked.Deliveries[0].Recipient, Reason: audience.Unnamed}, "usr_1")
	w.must(err)
	w.start(redelivery.Filter{Recipient: "d@kunde.example"}, redelivery.Options{}, "")
	w.turns(w.service, 10*time.Second)
	p, err := w.service.Preview(ctx, w.who.Tenant, redelivery.Filter{Recipient: "@KUNDE.example"}, redelivery.Options{})
	w.must(err)
	// The repetition of d waits in the queue.
	want := fmt.Sprint(map[string]int{redelivery.SkipErased: 2, redelivery.SkipSuppressed: 1, redelivery.SkipRedelivered: 1, redelivery.SkipOnItsWay: 2})
	if fmt.Sprint(p.Skips) != want || p.Send != 0 {
		t.Errorf("skips %v, send %d; want %s", p.Skips, p.Send, want)
	}
	_, _ = waits, repeated
	w.pass(43 * 24 * time.Hour)
	p, err = w.service.Preview(ctx, w.who.Tenant, redelivery.Filter{Message: arrived.ID}, redelivery.Options{Delivered: true})
	w.must(err)
	if p.Skips[redelivery.SkipExpired] != 1 {
		t.Errorf("after its time: %v", p.Skips)
	}
}

// More than the limit needs a second person; one alone, by whatever way, is refused.
func TestSecondPerson(t *testing.T) {
	w := newWorld(t)
	w.config.ConfirmAbove = 2
	w.config.PersonOf = func(_ tenantContext, _ tenant.ID, actor string) (string, error) {
		return map[string]string{"key_1": "usr_1", "key_2": "usr_2", "key_0": "", "usr_1": "usr_1", "usr_2": "usr_2"}[actor], nil
	}
	w.service = redelivery.New(w.config)
	w.shut.Store(true)
	for range 3 {
		w.write("a@kunde.example")
	}
	w.post()
	j := w.start(redelivery.Filter{States: []event.State{event.Bounced}}, redelivery.Options{}, "")
	if j.State != redelivery.Awaiting || w.turns(w.service, time.Minute) != 0 {
		t.Fatalf("it runs alone: %+v", j)
	}
	for _, actor := range []string{"usr_1", "key_1", "key_0"} {
		_, err := w.service.Confirm(t.Context(), ingest.Principal{Tenant: w.who.Tenant, Actor: actor}, j.ID)
		if f := fault.As(err); f == nil || f.Code != redelivery.CodeOther {
			t.Errorf("%s confirms: %v", actor, err)
		}
	}
	got, err := w.service.Confirm(t.Context(), ingest.Principal{Tenant: w.who.Tenant, Actor: "key_2"}, j.ID)
	if err != nil || got.State != redelivery.Running || got.ConfirmedBy != "key_2" {
		t.Errorf("%+v, %v", got, err)
	}
	if w.turns(w.service, time.Minute) != 3 {
		t.Error("it does not run")
	}
}

// A job rests, goes on at its first rate, and ends when it is told to.
func TestPauseResumeCancel(t *testing.T) {
	w := newWorld(t)
	w.shut.Store(true)
	for range 30 {
		w.write("a@kunde.example")
	}
	w.post()
	ctx := t.Context()
	j := w.start(redelivery.Filter{}, redelivery.Options{PerMinute: 12, Ceiling: 24}, "")
	if n := w.turns(w.service, time.Minute); n != 12 {
		t.Errorf("%d in the first minute", n)
	}
	_, err := w.service.Pause(ctx, w.who.Tenant, j.ID)
	w.must(err)
	if n := w.turns(w.service, time.Minute); n != 0 {
		t.Errorf("%d while it rests", n)
	}
	if _, err := w.service.Pause(ctx, w.who.Tenant, j.ID); fault.As(err) == nil || fault.As(err).Code != redelivery.CodeState {
		t.Errorf("paused twice: %v", err)
	}
	_, err = w.service.Resume(ctx, w.who.Tenant, j.ID)
	w.must(err)
	if n := w.turns(w.service, 30*time.Second); n != 6 {
		t.Errorf("%d in half a minute", n)
	}
	_, err = w.service.Cancel(ctx, w.who.Tenant, j.ID)
	w.must(err)
	if n := w.turns(w.service, time.Minute); n != 0 {
		t.Errorf("%d after the end", n)
	}
	if got := w.job(j); got.State != redelivery.Cancelled || got.Sent != 18 || got.Left() != 12 || got.FinishedAt.IsZero() {
		t.Errorf("job %+v", got)
	}
}

// What ingest will take later waits; what only a person can mend rests.
func TestEntranceRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		state redelivery.State
		item  string
	}{
		"storage": {fault.New(fault.Unavailable, "storage_full", "x"), redelivery.Running, "sending"},
		"locked":  {fault.New(fault.Forbidden, ingest.CodeTenantLocked, "x"), redelivery.Paused, "sending"},
		"domain":  {fault.New(fault.Forbidden, ingest.CodeFromDomainLapsed, "x"), redelivery.Done, "failed from_domain_lapsed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.shut.Store(true)
			w.write("a@kunde.example")
			w.post()
			j := w.start(redelivery.Filter{}, redelivery.Options{}, "")
			w.config.Acceptor = refusing{w.entrance, c.err}
			s := redelivery.New(w.config)
			for range 2 {
				_, err := s.Turn(t.Context(), w.Now())
				if errors.Is(err, c.err) != (c.item == "sending") && err != nil {
					t.Error(err)
				}
				w.pass(10 * time.Second)
			}
			if got := w.job(j); got.State != c.state || w.items(j) != c.item || c.item == "sending" && got.Reason == "" {
				t.Errorf("%+v: %s", got, w.items(j))
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	for field, c := range map[string]struct {
		f redelivery.Filter
		o redelivery.Options
	}{
		"stream":     {redelivery.Filter{Stream: "post"}, redelivery.Options{}},
		"states":     {redelivery.Filter{States: []event.State{event.Queued}}, redelivery.Options{}},
		"reply":      {redelivery.Filter{Reply: "a\r\nb"}, redelivery.Options{}},
		"recipient":  {redelivery.Filter{Recipient: "a b"}, redelivery.Options{}},
		"to":         {redelivery.Filter{From: start, To: start}, redelivery.Options{}},
		"to_address": {redelivery.Filter{}, redelivery.Options{To: "a@b.example\r\nBcc: c@d.example"}},
		"reason":     {redelivery.Filter{}, redelivery.Options{Reason: strings.Repeat("x", 501)}},
		"per_minute": {redelivery.Filter{}, redelivery.Options{PerMinute: -1}},
		"ceiling":    {redelivery.Filter{}, redelivery.Options{PerMinute: 10, Ceiling: 5}},
	} {
		_, err := w.service.Preview(t.Context(), w.who.Tenant, c.f, c.o)
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, _, err := w.service.Start(t.Context(), w.who, redelivery.Filter{}, redelivery.Options{}, ""); fault.As(err) == nil || fault.As(err).Code != redelivery.CodeNothing {
		t.Errorf("nothing to send: %v", err)
	}
	if _, _, err := w.service.Start(t.Context(), ingest.Principal{}, redelivery.Filter{}, redelivery.Options{}, ""); !fault.IsKind(err, fault.Forbidden) {
		t.Errorf("without a tenant: %v", err)
	}
}

// Content ends at the tenant's time for its stream, is counted, and the record says so.
func TestArchive(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	l := w.ask("4711", "MA-1", "a@makler.example")
	r := w.write("a@kunde.example")
	w.post()
	w.must(w.archive.SaveTerms(ctx, w.who.Tenant, []redelivery.Term{{Stream: tenant.Lead, Days: 10}, {Stream: tenant.Newsletter, Days: 90}}))
	if err := w.archive.SaveTerms(ctx, w.who.Tenant, []redelivery.Term{{Stream: tenant.System, Days: 366}}); fault.As(err) == nil || fault.As(err).Field != "system" {
		t.Errorf("too long: %v", err)
	}
	if d, err := w.archive.Longest(ctx); err != nil || d != 90*24*time.Hour {
		t.Errorf("longest %v, %v", d, err)
	}
	gone := func(m message.ID) bool {
		got, err := w.store.Message(ctx, w.who.Tenant, m)
		w.must(err)
		return got.Erased()
	}
	w.pass(11 * 24 * time.Hour)
	w.must(w.archive.Drop(ctx, w.Now()))
	if !gone(l.Message) || gone(r.ID) {
		t.Errorf("after eleven days: lead gone %v, mail gone %v", gone(l.Message), gone(r.ID))
	}
	if now, err := w.leads.Lead(ctx, w.who.Tenant, l.ID); err != nil || len(now.Sealed) != 0 || now.XML != l.XML {
		t.Errorf("enquiry %+v, %v", now, err)
	}
	w.pass(32 * 24 * time.Hour)
	w.must(w.archive.Drop(ctx, w.Now()))
	if !gone(r.ID) {
		t.Error("mail outlives 42 days")
	}
	runs, _, err := w.archive.Runs(ctx, w.who.Tenant, redelivery.RunID{}, 10)
	w.must(err)
	if len(runs) != 2 || runs[0].Messages != 1 || runs[1].Leads != 1 || runs[1].Stream != tenant.Lead {
		t.Errorf("runs %+v", runs)
	}
	entries, err := w.store.Audit(ctx, w.who.Tenant, audit.Filter{Action: "archive.drop"})
	if err != nil || len(entries) != 2 || entries[0].Target != runs[0].ID.String() {
		t.Errorf("record %+v, %v", entries, err)
	}
	counts, err := w.store.Counts(ctx, w.who.Tenant, start, w.Now())
	if err != nil || counts[event.Delivered] != 2 {
		t.Errorf("counts %v, %v", counts, err)
	}
}
