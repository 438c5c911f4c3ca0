package diagnosis_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/insight"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	gmx   = "mx00.gmx.net"
	taken = "Requested mail action okay, completed: id=0LzJfk-1tYq2r"
)

// scenario is a delivery with its facts, and the situation they come to.
type scenario struct {
	want     diagnosis.Situation
	age      time.Duration
	to       string
	delivery insight.Delivery
	facts    []event.Event
}

func scenarios() []scenario {
	done := func(s event.State, reason string) insight.Delivery {
		return insight.Delivery{State: s, Reason: reason, Host: gmx, Attempts: 1, UpdatedAt: start.Add(-2 * time.Hour)}
	}
	wait := func(reason string) insight.Delivery {
		return insight.Delivery{State: event.Deferred, Reason: reason, Host: gmx, Attempts: 1, DueAt: start.Add(12 * time.Minute), UpdatedAt: start.Add(-time.Hour)}
	}
	accepted := attempt(2*time.Hour, event.OutcomeDelivered, gmx, 250, taken)
	verified := attempt(2*time.Hour, event.OutcomeDelivered, "mailin00.rx.t-online.de", 250, "ok")
	verified.Attempt.TLSResult = "verified"
	plain := attempt(40*24*time.Hour, event.OutcomeDelivered, "gmail-smtp-in.l.google.com", 250, "2.0.0 OK")
	plain.Attempt.TLS = ""
	old := done(event.Delivered, "")
	old.UpdatedAt = start.Add(-40 * 24 * time.Hour)
	relayed := event.Event{Type: event.ReportedRelayed, At: start.Add(-time.Hour), Report: &event.Report{From: "mx.firma.example"}}
	complaint := event.Event{Type: event.Complained, At: start.Add(-time.Hour), Report: &event.Report{From: "fbl.example", Feedback: "abuse"}}
	back := event.Event{Type: event.LateBounced, At: start.Add(-time.Hour), Reason: "user_unknown", Report: &event.Report{From: gmx, Reply: "550 5.1.1 mailbox unknown"}}
	marked := func(m event.Mark) insight.Delivery {
		d := done(event.Delivered, "")
		d.Marks = []event.Mark{m}
		if m == event.MarkLateBounce {
			d.LateReason = "user_unknown"
		}
		return d
	}
	refused := func(text string) event.Event { return attempt(2*time.Hour, event.OutcomeBounced, gmx, 550, text) }
	failed := func(code int, text string) event.Event {
		return attempt(time.Hour, event.OutcomeDeferred, gmx, code, text)
	}
	return []scenario{
		{diagnosis.Waiting, 3 * time.Minute, "Eva Sommer|eva.sommer@gmx.de", insight.Delivery{State: event.Queued, DueAt: start}, nil},
		{diagnosis.Scheduled, 3 * time.Minute, "|eva.sommer@gmx.de", insight.Delivery{State: event.Queued, DueAt: start.Add(26 * time.Hour)}, nil},
		{diagnosis.Delivered, 2 * time.Hour, "Eva Sommer|eva.sommer@gmx.de", done(event.Delivered, ""), []event.Event{failed(450, "later"), accepted}},
		{diagnosis.Delivered, 2 * time.Hour, "Kai|kai@t-online.de", done(event.Delivered, ""), []event.Event{verified}},
		{diagnosis.Delivered, 40 * 24 * time.Hour, "|post@firma.example", old, []event.Event{plain}},
		{diagnosis.Complained, 2 * time.Hour, "Ida|ida@gmx.de", marked(event.MarkComplained), []event.Event{accepted, complaint}},
		{diagnosis.Forwarded, 2 * time.Hour, "|ich@weiter.example", done(event.Delivered, ""), []event.Event{attempt(2*time.Hour, event.OutcomeDelivered, "mx1.improvmx.com", 250, "ok")}},
		{diagnosis.Forwarded, 2 * time.Hour, "|ich@gmx.de", done(event.Delivered, ""), []event.Event{accepted, relayed}},
		{diagnosis.Greylisted, time.Hour, "|eva@gmx.de", wait("greylisted"), []event.Event{failed(451, "greylisted")}},
		{diagnosis.Limited, time.Hour, "|eva@gmx.de", wait("rate_limited"), []event.Event{failed(421, "too many")}},
		{diagnosis.Full, time.Hour, "Eva|eva@gmx.de", wait("mailbox_full"), []event.Event{failed(452, "4.2.2 full")}},
		{diagnosis.Full, 3 * time.Hour, "Eva|eva@gmx.de", done(event.Bounced, "mailbox_full"), []event.Event{refused("quota exceeded")}},
		{diagnosis.Source, time.Hour, "|eva@gmx.de", wait("ip_blocked"), []event.Event{failed(554, "No SMTP service")}},
		{diagnosis.Source, 3 * time.Hour, "|eva@t-online.de", done(event.Bounced, "ip_blocked"), []event.Event{attempt(2*time.Hour, event.OutcomeBounced, "mx00.t-online.de", 554, "IP=192.0.2.17 - A problem occurred. (Ask your postmaster)")}},
		{diagnosis.Deferred, time.Hour, "|eva@gmx.de", wait("connect_failed"), []event.Event{failed(0, "")}},
		{diagnosis.Uncertain, time.Hour, "|eva@gmx.de", wait("connection_lost"), []event.Event{attempt(time.Hour, event.OutcomeUncertain, gmx, 0, "")}},
		{diagnosis.Unknown, 3 * time.Hour, "|eva@gmx.de", done(event.Bounced, "user_unknown"), []event.Event{refused("mailbox unavailable")}},
		{diagnosis.Disabled, 3 * time.Hour, "|eva@gmx.de", done(event.Bounced, "mailbox_disabled"), []event.Event{refused("inactive")}},
		{diagnosis.NoMail, 3 * time.Hour, "|eva@t-onlin.de", insight.Delivery{State: event.Bounced, Reason: "dns_no_domain", UpdatedAt: start.Add(-2 * time.Hour)}, nil},
		{diagnosis.Domain, 3 * time.Hour, "|eva@gmx.de", done(event.Bounced, "auth_missing"), []event.Event{refused("DKIM required")}},
		{diagnosis.Content, 3 * time.Hour, "|eva@gmx.de", done(event.Bounced, "content_spam"), []event.Event{refused("spam")}},
		{diagnosis.TooBig, 3 * time.Hour, "|eva@gmx.de", done(event.Bounced, "too_large"), []event.Event{refused("too big")}},
		{diagnosis.Refused, 3 * time.Hour, "|eva@gmx.de", done(event.Bounced, "policy"), []event.Event{refused("no")}},
		{diagnosis.Late, 2 * time.Hour, "Ole|ole@gmx.de", marked(event.MarkLateBounce), []event.Event{accepted, back}},
		{diagnosis.Expired, 121 * time.Hour, "|eva@gmx.de", done(event.Expired, "timeout"), []event.Event{attempt(120*time.Hour, event.OutcomeDeferred, gmx, 0, "")}},
		{diagnosis.Held, 3 * time.Hour, "|eva@gmx.de", done(event.Held, "held_by_user"), nil},
		{diagnosis.Damaged, 3 * time.Hour, "|eva@gmx.de", done(event.Held, "attachment_changed"), nil},
		{diagnosis.Cancelled, 3 * time.Hour, "|eva@gmx.de", done(event.Cancelled, ""), nil},
		{diagnosis.SuppressedBounce, 2 * time.Hour, "Eva|eva@gmx.de", done(event.Suppressed, "hard_bounce"), nil},
		{diagnosis.SuppressedComplaint, 2 * time.Hour, "Eva|eva@gmx.de", done(event.Suppressed, "complaint"), nil},
		{diagnosis.SuppressedWish, 2 * time.Hour, "Eva|eva@gmx.de", done(event.Suppressed, "unsubscribed"), nil},
		{diagnosis.SuppressedOther, 2 * time.Hour, "Eva|eva@gmx.de", done(event.Suppressed, "manual"), nil},
	}
}

// TestVerdicts holds every situation to its words in both languages and tones, to the
// letter for the customer and to the notice of the status page.
func TestVerdicts(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	met := map[diagnosis.Situation]bool{}
	tell := func(v diagnosis.Verdict) {
		met[v.Situation] = true
		fmt.Fprintf(&b, "==== %s\n", v.Situation)
		for _, voice := range []diagnosis.Voice{{Lang: i18n.German, Tone: i18n.Sie}, {Lang: i18n.German, Tone: i18n.Du}, {Lang: i18n.English, Tone: i18n.Sie}} {
			told := w.Tell(voice, v)
			fmt.Fprintf(&b, "-- %s %s\n%s\n%s\n", voice.Lang, voice.Tone, told.Sentence, told.Do)
			letter := w.Letter(voice, v, "Hafenkontor", "")
			fmt.Fprintf(&b, "> %s\n> %s\n", letter.Subject, strings.ReplaceAll(strings.TrimSuffix(letter.Text, "\n"), "\n", "\n> "))
			if v.Query == "" && voice.Tone == i18n.Sie {
				fmt.Fprintf(&b, "* %s\n", w.Notice(voice.Lang, v))
			}
			if safe := strings.Contains(letter.Text, "Künftig:") || strings.Contains(letter.Text, "From now on:"); safe != v.Accepted() {
				t.Errorf("%s: advice to keep the sender: %v, accepted: %v", v.Situation, safe, v.Accepted())
			}
		}
	}
	for _, s := range scenarios() {
		m := w.put(w.a, s.age, "Besichtigung am Samstag", s.to, s.delivery, s.facts...)
		v, err := w.Verdict(t.Context(), w.a, m.Deliveries[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if v.Situation != s.want {
			t.Errorf("%s %s: %s, want %s", s.delivery.State, s.delivery.Reason, v.Situation, s.want)
		}
		tell(v)
	}
	for _, q := range []string{"niemand@kunde.example", "gibt es nicht"} {
		a, err := w.Ask(t.Context(), w.a, q)
		if err != nil || a.Found() || len(a.Verdicts) != 1 {
			t.Fatalf("%s: %+v, %v", q, a, err)
		}
		tell(a.Verdicts[0])
	}
	for _, s := range diagnosis.Situations() {
		if !met[s] {
			t.Errorf("no scenario comes to %s", s)
		}
	}
	if i := strings.Index(b.String(), "⟦"); i >= 0 {
		t.Errorf("a text has a gap: %s", b.String()[i:min(i+60, b.Len())])
	}
	golden(t, "testdata/verdicts.golden", b.String())
}

func golden(t *testing.T, path, have string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, b := strings.Split(string(want), "\n"), strings.Split(have, "\n")
	if string(want) == have {
		return
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s line %d:\nhave %s\nwant %s\n(-update writes it)", path, i+1, b[i], a[i])
		}
	}
	t.Fatalf("%s has %d lines, want %d", path, len(b), len(a))
}
