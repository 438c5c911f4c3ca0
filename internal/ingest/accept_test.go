package ingest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"

	"github.com/google/go-cmp/cmp"
)

func TestAcceptKeepsADraftAndOffersIt(t *testing.T) {
	w := newWorld(t)
	r := w.mustAccept(draft(func(s *ingest.Submission) {
		s.Draft.Cc = []message.Mailbox{mailbox("Max <max@kunde.example>")}
		s.Bcc = []message.Mailbox{mailbox("still@archiv.example"), mailbox("eva@KUNDE.example")}
		s.Tags, s.Metadata = []string{"rechnung"}, map[string]string{"auftrag": "4711"}
	}))
	stored := w.store.Accepted()
	if len(stored) != 1 {
		t.Fatalf("%d messages stored", len(stored))
	}
	m := stored[0].Message
	if m.SignDomain != "muster.example" || m.Sender != "info@muster.example" || m.Subject != "Grüße" ||
		m.Stream != tenant.Transactional || m.Door != "http" || m.Actor != "key_test" || m.Size != int64(len(w.body(0))) {
		t.Errorf("message row: %+v", m)
	}
	if want := r.ID.String() + "@muster.example"; m.MessageID != want || r.MessageID != want {
		t.Errorf("Message-ID %q and %q, want %q", m.MessageID, r.MessageID, want)
	}
	if !m.ExpiresAt.Equal(start.Add(ingest.DefaultExpiry)) {
		t.Errorf("expires %s", m.ExpiresAt)
	}
	want := []ingest.Delivery{
		{ID: message.Delivery(m.ID, 1), Recipient: addr("eva@kunde.example"), State: event.Queued, DueAt: start},
		{ID: message.Delivery(m.ID, 2), Recipient: addr("max@kunde.example"), State: event.Queued, DueAt: start},
		{ID: message.Delivery(m.ID, 3), Recipient: addr("still@archiv.example"), Hidden: true, State: event.Queued, DueAt: start},
	}
	if d := cmp.Diff(want, stored[0].Deliveries); d != "" {
		t.Errorf("deliveries (-want +have):\n%s", d)
	}
	if w.feed.reserved != 3 || len(w.feed.offered) != 3 || stored[0].Epoch != 3 {
		t.Errorf("reserved %d, offered %d, epoch %d", w.feed.reserved, len(w.feed.offered), stored[0].Epoch)
	}
	if e := w.feed.offered[2]; e.Body.Ref.Length == 0 || e.Body.Salt != m.Salt || e.SignDomain != m.SignDomain || e.Delivery != want[2].ID {
		t.Errorf("offered entry lacks what an attempt needs: %+v", e)
	}
	if ev := stored[0].Events; len(ev) != 1 || ev[0].Type != event.Accepted || ev[0].Message != m.ID {
		t.Errorf("events: %+v", ev)
	}
	if strings.Contains(w.body(0), "still@archiv.example") {
		t.Error("the hidden recipient stands in the message")
	}
}

const rawMail = "Received: from a by b\r\nFrom: Muster <info@muster.example>\r\nTo: eva@kunde.example\r\n" +
	"Bcc: still@archiv.example\r\nX-Stafette-Stream: reminder\r\nX-Stafette-Tag: =?utf-8?q?gr=C3=BCn?=\r\n" +
	"X-Stafette-Tag: zwei\r\nX-Stafette-Metadata-Auftrag: 4711\r\nSubject: Hallo\r\n\r\nText bleibt\r\n"

func TestAcceptKeepsRawBytes(t *testing.T) {
	w := newWorld(t)
	w.mustAccept(ingest.Submission{Raw: []byte(rawMail)})
	m := w.store.Accepted()[0].Message
	if m.Stream != tenant.Reminder || !cmp.Equal(m.Tags, []string{"grün", "zwei"}) || m.Metadata["auftrag"] != "4711" {
		t.Errorf("options: %q %q %q", m.Stream, m.Tags, m.Metadata)
	}
	want := "Message-ID: <" + m.ID.String() + "@muster.example>\r\nDate: Sun, 22 Nov 2026 20:00:00 +0000\r\n" +
		"Received: from a by b\r\nFrom: Muster <info@muster.example>\r\nTo: eva@kunde.example\r\nSubject: Hallo\r\n\r\nText bleibt\r\n"
	if d := cmp.Diff(want, w.body(0)); d != "" {
		t.Errorf("bytes (-want +have):\n%s", d)
	}
	if n := len(w.store.Accepted()[0].Deliveries); n != 2 {
		t.Errorf("%d deliveries, want To and Bcc", n)
	}
}

// TestAcceptKeepsWhatTheSenderSaysOfTLS: RFC 8689, in both doors' forms.
func TestAcceptKeepsWhatTheSenderSaysOfTLS(t *testing.T) {
	w := newWorld(t)
	raw := func(fields string) []byte {
		return []byte(fields + "From: info@muster.example\r\nTo: eva@kunde.example\r\n\r\nText\r\n")
	}
	composed := draft(func(s *ingest.Submission) { s.Draft.Headers = []message.Header{{Name: "TLS-Required", Value: "No"}} })
	for i, tt := range []struct {
		s    ingest.Submission
		want message.TLSNeed
	}{
		{ingest.Submission{Raw: raw("")}, message.TLSByPolicy},
		{ingest.Submission{Raw: raw("tls-required: no\r\n")}, message.TLSWaived},
		{ingest.Submission{Raw: raw("TLS-Required: Yes\r\n")}, message.TLSByPolicy},
		{ingest.Submission{Raw: raw("TLS-Required: No\r\nTLS-Required: No\r\n")}, message.TLSByPolicy},
		{ingest.Submission{Raw: raw("TLS-Required: No\r\n"), RequireTLS: true}, message.TLSDemanded},
		{composed, message.TLSWaived},
	} {
		w.mustAccept(tt.s)
		if have := w.store.Accepted()[i].Message.TLS; have != tt.want {
			t.Errorf("%d: %d, want %d", i, have, tt.want)
		}
	}
}

func TestAcceptEnvelopeWins(t *testing.T) {
	w := newWorld(t)
	bounce := addr("bounce@mail.muster.example")
	w.mustAccept(ingest.Submission{Raw: []byte(rawMail), Sender: &bounce, Recipients: []message.Address{addr("liste@kunde.example")}})
	null := message.Address{}
	w.mustAccept(ingest.Submission{Raw: []byte(rawMail), Sender: &null, Recipients: []message.Address{addr("liste@kunde.example")}})
	list := w.store.Accepted()
	if d := list[0].Deliveries; len(d) != 1 || d[0].Recipient != addr("liste@kunde.example") || !d[0].Hidden {
		t.Errorf("deliveries: %+v", d)
	}
	if list[0].Message.Sender != "bounce@mail.muster.example" || list[1].Message.Sender != "" {
		t.Errorf("envelope senders %q, %q", list[0].Message.Sender, list[1].Message.Sender)
	}
}

func TestAcceptRefuses(t *testing.T) {
	from := func(s string) func(*ingest.Submission) {
		return func(sub *ingest.Submission) { sub.Draft.From = mailbox(s) }
	}
	raw := func(header string) func(*ingest.Submission) {
		return func(s *ingest.Submission) {
			*s = ingest.Submission{Raw: []byte("From: info@muster.example\r\nTo: eva@kunde.example\r\n" + header + "\r\nText\r\n")}
		}
	}
	foreign := addr("info@fremd.example")
	for name, c := range map[string]struct {
		change      func(*ingest.Submission)
		kind        fault.Kind
		code, field string
	}{
		"foreign from":         {from("x@fremd.example"), fault.Forbidden, ingest.CodeFromDomainNotYours, "from"},
		"unknown from":         {from("x@nirgendwo.example"), fault.Forbidden, ingest.CodeFromDomainNotYours, "from"},
		"lookalike from":       {from("x@evilmuster.example"), fault.Forbidden, ingest.CodeFromDomainNotYours, "from"},
		"parent from":          {from("x@example.example"), fault.Forbidden, ingest.CodeFromDomainNotYours, "from"},
		"unverified from":      {from("x@wartet-muster.example"), fault.Forbidden, ingest.CodeFromDomainUnverified, "from"},
		"lapsed from":          {from("x@verfallen-muster.example"), fault.Forbidden, ingest.CodeFromDomainLapsed, "from"},
		"no from":              {func(s *ingest.Submission) { s.Draft.From = message.Mailbox{} }, fault.Invalid, ingest.CodeFromMissing, "from"},
		"foreign sender field": {raw("Sender: x@fremd.example\r\n"), fault.Forbidden, ingest.CodeFromDomainNotYours, "sender"},
		"foreign envelope":     {func(s *ingest.Submission) { s.Sender = &foreign }, fault.Forbidden, ingest.CodeFromDomainNotYours, "envelope_sender"},
		"nobody":               {func(s *ingest.Submission) { s.Draft.To = nil }, fault.Invalid, ingest.CodeRecipientsMissing, "to"},
		"too many": {func(s *ingest.Submission) {
			for i := range 1000 {
				s.Bcc = append(s.Bcc, mailbox(fmt.Sprintf("n%d@kunde.example", i)))
			}
		}, fault.TooLarge, ingest.CodeRecipientsTooMany, "to"},
		"too large":          {func(s *ingest.Submission) { s.Draft.Text = strings.Repeat("x", 30_000_001) }, fault.TooLarge, ingest.CodeMessageTooLarge, ""},
		"raw too large":      {raw(strings.Repeat("X-A: "+strings.Repeat("x", 900)+"\r\n", 33_200)), fault.TooLarge, ingest.CodeMessageTooLarge, ""},
		"stream":             {func(s *ingest.Submission) { s.Stream = "werbung" }, fault.Invalid, ingest.CodeStreamUnknown, "stream"},
		"subject line break": {func(s *ingest.Submission) { s.Draft.Subject = "a\r\nBcc: x@y.example" }, fault.Invalid, "header_has_line_break", "subject"},
		"option in draft": {func(s *ingest.Submission) { s.Draft.Headers = []message.Header{{Name: "X-STAFETTE-Tag", Value: "x"}} },
			fault.Invalid, ingest.CodeOptionUnknown, "headers/X-STAFETTE-Tag"},
		"option unknown":    {raw("X-Stafette-Strem: lead\r\n"), fault.Invalid, ingest.CodeOptionUnknown, "headers/X-Stafette-Strem"},
		"option twice":      {raw("X-Stafette-Stream: lead\r\nX-stafette-stream: lead\r\n"), fault.Invalid, ingest.CodeOptionRepeated, "headers/X-stafette-stream"},
		"option time":       {raw("X-Stafette-Send-At: morgen\r\n"), fault.Invalid, ingest.CodeOptionMalformed, "headers/X-Stafette-Send-At"},
		"option metadata":   {raw("X-Stafette-Metadata-a!b: x\r\n"), fault.Invalid, ingest.CodeMetadataMalformed, "metadata/a!b"},
		"tag empty":         {func(s *ingest.Submission) { s.Tags = []string{"gut", ""} }, fault.Invalid, ingest.CodeTagMalformed, "tags/1"},
		"tag line break":    {func(s *ingest.Submission) { s.Tags = []string{"a\nb"} }, fault.Invalid, ingest.CodeTagMalformed, "tags/0"},
		"tag separator":     {func(s *ingest.Submission) { s.Tags = []string{"a\u2028b"} }, fault.Invalid, ingest.CodeTagMalformed, "tags/0"},
		"tag long":          {func(s *ingest.Submission) { s.Tags = []string{strings.Repeat("x", 101)} }, fault.Invalid, ingest.CodeTagMalformed, "tags/0"},
		"tag of ours":       {func(s *ingest.Submission) { s.Tags = []string{queue.SourceTag + "neu-a"} }, fault.Invalid, ingest.CodeTagMalformed, "tags/0"},
		"tags many":         {func(s *ingest.Submission) { s.Tags = make([]string, 21) }, fault.Invalid, ingest.CodeTagsTooMany, "tags"},
		"metadata key":      {func(s *ingest.Submission) { s.Metadata = map[string]string{"a/b": ""} }, fault.Invalid, ingest.CodeMetadataMalformed, "metadata/a~1b"},
		"metadata value":    {func(s *ingest.Submission) { s.Metadata = map[string]string{"a": strings.Repeat("x", 501)} }, fault.Invalid, ingest.CodeMetadataMalformed, "metadata/a"},
		"metadata not text": {func(s *ingest.Submission) { s.Metadata = map[string]string{"a": "\xff"} }, fault.Invalid, ingest.CodeMetadataMalformed, "metadata/a"},
		"metadata many": {func(s *ingest.Submission) {
			s.Metadata = map[string]string{}
			for i := range 51 {
				s.Metadata[fmt.Sprint(i)] = ""
			}
		}, fault.Invalid, ingest.CodeMetadataTooMany, "metadata"},
		"too far":         {func(s *ingest.Submission) { s.SendAt = start.Add(31 * 24 * time.Hour) }, fault.Invalid, ingest.CodeSendAtTooFar, "send_at"},
		"idempotency key": {func(s *ingest.Submission) { s.Idempotency = strings.Repeat("k", 257) }, fault.Invalid, ingest.CodeIdempotencyMalformed, "idempotency_key"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.accept(draft(c.change))
			w.wantRefusal(err, c.kind, c.code, c.field)
			if n := len(w.store.Accepted()); n != 0 || w.feed.reserved != w.feed.canceled {
				t.Errorf("%d messages stored, %d reserved", n, w.feed.reserved-w.feed.canceled)
			}
		})
	}
}

func TestAcceptNamesEveryWrongOption(t *testing.T) {
	w := newWorld(t)
	_, err := w.accept(draft(func(s *ingest.Submission) {
		s.Stream, s.Tags, s.SendAt = "werbung", []string{""}, start.Add(1000*time.Hour)
	}))
	e := fault.As(err)
	if e == nil || e.Field != "stream" || len(e.Also) != 2 || e.Also[0].Field != "send_at" || e.Also[1].Field != "tags/0" {
		t.Errorf("refusals: %v %v", e, e.Also)
	}
}

func TestAcceptPlansAhead(t *testing.T) {
	w := newWorld(t, func(c *ingest.Config, _ *tenant.Tenant) {
		c.Expiry = map[tenant.Stream]time.Duration{tenant.Lead: time.Hour}
	})
	at := start.Add(48 * time.Hour)
	w.mustAccept(draft(func(s *ingest.Submission) { s.SendAt, s.Stream = at, tenant.Lead }))
	a := w.store.Accepted()[0]
	if d := a.Deliveries[0]; d.State != event.Queued || !d.DueAt.Equal(at) {
		t.Errorf("delivery: %+v", d)
	}
	if !a.Message.SendAt.Equal(at) || !a.Message.ExpiresAt.Equal(at.Add(time.Hour)) {
		t.Errorf("send at %s, expires %s", a.Message.SendAt, a.Message.ExpiresAt)
	}
	if w.feed.reserved != 0 || a.Epoch != 0 {
		t.Error("a planned message took room in memory")
	}
	w.mustAccept(draft(func(s *ingest.Submission) { s.SendAt = start.Add(-time.Hour) }))
	if a := w.store.Accepted()[1]; !a.Message.SendAt.IsZero() || !a.Deliveries[0].DueAt.Equal(start) {
		t.Error("a time in the past does not mean at once")
	}
}

func TestAcceptSubdomainSignsWithItsParent(t *testing.T) {
	w := newWorld(t)
	w.mustAccept(draft(func(s *ingest.Submission) { s.Draft.From = mailbox("x@news.muster.example") }))
	if d := w.store.Accepted()[0].Message.SignDomain; d != "muster.example" {
		t.Errorf("signs as %q", d)
	}
}

func TestAcceptLockedTenant(t *testing.T) {
	w := newWorld(t)
	w.mustAccept(draft())
	if err := w.tenants.SetState(t.Context(), w.tenant, tenant.Locked, "spam"); err != nil {
		t.Fatal(err)
	}
	w.pass(5 * time.Second)
	_, err := w.accept(draft())
	w.wantRefusal(err, fault.Forbidden, ingest.CodeTenantLocked, "")
	_, err = w.service.Accept(t.Context(), ingest.Principal{}, draft())
	w.wantRefusal(err, fault.Forbidden, ingest.CodeTenantMissing, "")
}

func TestAcceptAsksTheTenantStoreSeldom(t *testing.T) {
	w := newWorld(t)
	for range 100 {
		w.mustAccept(draft())
	}
	if n := w.tenants.Calls.Load(); n > 4 { // two foundings, one tenant, its domains
		t.Errorf("%d calls for 100 messages", n)
	}
}

func TestAcceptSuppression(t *testing.T) {
	w := newWorld(t)
	w.store.Suppress(w.tenant, addr("eva@kunde.example"), "hard_bounce", start.Add(-time.Hour))
	w.store.Suppress(w.other, addr("max@kunde.example"), "hard_bounce", start.Add(-time.Hour))
	r := w.mustAccept(draft(func(s *ingest.Submission) {
		s.Draft.To = append(s.Draft.To, mailbox("max@kunde.example"))
	}))
	if r.Deliveries[0].State != event.Suppressed || r.Deliveries[0].Reason != "hard_bounce" || r.Deliveries[1].State != event.Queued {
		t.Errorf("deliveries: %+v", r.Deliveries)
	}
	events := w.store.Accepted()[0].Events
	if len(events) != 2 || events[1].Type != event.Withheld || events[1].Delivery != r.Deliveries[0].ID || events[1].Reason != "hard_bounce" {
		t.Errorf("events: %+v", events)
	}
	if len(w.feed.offered) != 1 || w.feed.offered[0].Recipient != addr("max@kunde.example") {
		t.Errorf("offered: %+v", w.feed.offered)
	}
	_, err := w.accept(draft())
	w.wantRefusal(err, fault.Invalid, ingest.CodeAllSuppressed, "to")
}

func TestAcceptStoreFails(t *testing.T) {
	full := fault.New(fault.Unavailable, "storage_full", "There is no room.")
	for name, cause := range map[string]error{"full": full, "down": errors.New("connection refused")} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(_ *ingest.Config, one *tenant.Tenant) { one.DailyQuota = 1 })
			w.store.Fail = func(method string) error {
				if method == "Accept" {
					return cause
				}
				return nil
			}
			if _, err := w.accept(draft()); !errors.Is(err, cause) {
				t.Errorf("error %v", err)
			}
			if w.feed.canceled != 1 || len(w.feed.offered) != 0 {
				t.Errorf("canceled %d, offered %d", w.feed.canceled, len(w.feed.offered))
			}
			w.store.Fail = nil
			w.mustAccept(draft()) // the quota of one was given back
		})
	}
}

func TestAcceptAllJudgesEachByItself(t *testing.T) {
	w := newWorld(t)
	list := make([]ingest.Submission, 300)
	for i := range list {
		list[i] = draft(func(s *ingest.Submission) {
			if i%3 == 1 {
				s.Draft.From = mailbox("x@fremd.example")
			}
			s.Draft.Subject = fmt.Sprint(i)
		})
	}
	for i, r := range w.service.AcceptAll(t.Context(), w.principal(), list) {
		if (r.Err != nil) != (i%3 == 1) {
			t.Errorf("result %d: %v", i, r.Err)
		}
	}
	if n := len(w.store.Accepted()); n != 200 {
		t.Errorf("%d stored", n)
	}
	for _, r := range w.service.AcceptAll(t.Context(), w.principal(), make([]ingest.Submission, 1001)) {
		w.wantRefusal(r.Err, fault.TooLarge, ingest.CodeBatchTooLarge, "")
	}
}

func BenchmarkAccept(b *testing.B) {
	t := &testing.T{}
	w := newWorld(t)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.service.Accept(b.Context(), w.principal(), draft()); err != nil {
				b.Error(err)
			}
		}
	})
}

// FuzzAcceptRaw: whatever comes, what is stored has no field that was for us alone,
// and a refusal stores nothing.
func FuzzAcceptRaw(f *testing.F) {
	f.Add([]byte(rawMail))
	f.Add([]byte("From: info@muster.example\r\nTo: a@b.example\r\nx-stafette-send-at: 2026-11-23T00:00:00Z\r\nBCC: c@d.example\r\n\r\n"))
	f.Add([]byte("X-Stafette-Tag:\r\n =?utf-8?q?a=0D=0Ab?=\r\nFrom: info@muster.example\r\nTo: a@b.example\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w := newWorld(t)
		_, err := w.accept(ingest.Submission{Raw: raw})
		stored := w.store.Accepted()
		if err != nil {
			if len(stored) != 0 || fault.As(err) == nil {
				t.Errorf("%d stored, %v", len(stored), err)
			}
			return
		}
		in, err := message.Inspect([]byte(w.body(0)), message.Limits{})
		if err != nil || in.MessageID == "" || !in.HasDate || len(in.Bcc) != 0 {
			t.Errorf("what was made of it: %+v, %v", in, err)
		}
		for _, field := range in.Fields {
			if strings.HasPrefix(strings.ToLower(field.Name), "x-stafette-") {
				t.Errorf("%s was not taken out", field.Name)
			}
		}
		for _, tag := range stored[0].Message.Tags {
			if strings.ContainsAny(tag, "\r\n") {
				t.Errorf("tag %q", tag)
			}
		}
	})
}
