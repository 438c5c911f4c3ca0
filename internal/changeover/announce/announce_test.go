package announce_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/changeover/announce/announcetest"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

var start = time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)

// world is the service over stores in memory; what it sent lies in mails and tests.
type world struct {
	*testing.T
	store *announcetest.Store
	*announce.Service
	plan  changeover.Changeover
	owner tenant.ID

	mu    sync.Mutex
	now   time.Time
	mails []ingest.Submission
	keys  map[string]message.ID
	tests []lead.Enquiry
	// posted are the mails of the tests.
	posted []message.ID
	fail   error
	dead   bool            // all recipients are suppressed
	shut   message.Address // whose mail is refused, as nobody else gets it
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) Accept(_ context.Context, p ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return ingest.Receipt{}, w.fail
	}
	if s.Draft.To[0].Address == w.shut {
		return ingest.Receipt{}, fault.Field("to", ingest.CodeAllSuppressed, "Every recipient is on the suppression list.")
	}
	if first, again := w.keys[s.Idempotency]; again {
		return ingest.Receipt{ID: first, Replayed: true, Deliveries: []ingest.ReceiptLine{{State: event.Queued}}}, nil
	}
	if p.Tenant != w.owner || s.Stream != tenant.System {
		w.Errorf("sent as %+v on %s", p, s.Stream)
	}
	m := message.NewID(w.now)
	w.keys[s.Idempotency] = m
	w.mails = append(w.mails, s)
	state := event.Queued
	if w.dead {
		state = event.Suppressed
	}
	return ingest.Receipt{ID: m, Deliveries: []ingest.ReceiptLine{{State: state}}}, nil
}

func (w *world) AcceptAll(context.Context, ingest.Principal, []ingest.Submission) []ingest.Result {
	return nil
}

// leads are the leads of the world: a code of a test is "XML-" or "TXT-" and its source.
type leads struct{ *world }

func (l leads) Submit(_ context.Context, _ ingest.Principal, e lead.Enquiry) (lead.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tests = append(l.tests, e)
	l.posted = append(l.posted, message.NewID(l.now))
	return lead.Receipt{Lead: lead.Lead{ID: lead.ID{15: byte(len(l.tests))}}}, nil
}

func (l leads) Lead(_ context.Context, t tenant.ID, n lead.ID) (lead.Lead, error) {
	return lead.Lead{ID: n, Tenant: t, Test: true, Object: l.tests[n[15]-1].Source, Message: l.posted[n[15]-1]}, nil
}

func (leads) Prove(l lead.Lead, code string) lead.Proof {
	return lead.Proof{XML: code == "XML-"+l.Object, Body: code == "TXT-"+l.Object}
}

func (leads) Settings(context.Context, tenant.ID) (lead.Settings, error) {
	return lead.Settings{Portal: "Hafenkontor\r\nBcc: x@evil.example", From: "anfragen@hafenkontor.example"}, nil
}

func (leads) KeptFor(context.Context, tenant.ID) (time.Duration, error) {
	return 30 * 24 * time.Hour, nil
}

// Ways are two new sources and an old one.
func (*world) Ways(context.Context) (egress.Ways, error) {
	var list []egress.Source
	for i, name := range []string{"old", "new-a", "new-b"} {
		list = append(list, egress.Source{Name: name, IP: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), EHLO: name + ".mail.example"})
	}
	return egress.Ways{Plan: egress.EqualPlan(list...)}, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, store: &announcetest.Store{}, owner: id.New[tenant.Kind](start), now: start, keys: map[string]message.ID{}}
	w.plan = changeover.Changeover{ID: id.New[changeover.Kind](start), Tenant: w.owner, Name: "Umzug", Stage: changeover.Testing, Old: []string{"old"}, New: []string{"new-a", "new-b"},
		AnnounceAt: start, TestFrom: start, CutoverAt: start.Add(10 * 24 * time.Hour), OverlapUntil: start.Add(50 * 24 * time.Hour)}
	w.store.Plans = []changeover.Changeover{w.plan}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	catalog, err := i18n.Load()
	w.must(err)
	w.Service, err = announce.New(announce.Config{Store: w.store, Customers: w.store, Changeovers: w.store, Ways: w, Leads: leads{w}, Acceptor: w,
		Keeper: keeper, Catalog: catalog, PublicURL: "https://post.example", Now: w.Now, PerTurn: 2})
	w.must(err)
	w.found(affected.Found{Kind: affected.Advertiser, Key: "1", Name: "Lund\r\nBcc: y@evil.example", Emails: []message.Address{{Local: "it", Domain: "lund.example"}},
		Finding: affected.Finding{At: start, Blamed: affected.Blame{Count: 3, At: start, Reply: "554 go away"}}},
		affected.Found{Kind: affected.Advertiser, Key: "2", Name: "Muster", Emails: []message.Address{{Local: "it", Domain: "muster.example"}}},
		affected.Found{Kind: affected.Advertiser, Key: "3", Name: "Ohne Adresse"})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) found(list ...affected.Found) {
	w.Helper()
	w.must(w.store.PutFound(w.Context(), w.owner, w.plan.ID, list, start))
}

func (w *world) customer(key string) affected.Customer {
	w.Helper()
	c, err := w.store.CustomerOf(w.Context(), w.owner, w.plan.ID, affected.Advertiser, key)
	w.must(err)
	return c
}

func (w *world) turn(d time.Duration) int {
	w.Helper()
	w.mu.Lock()
	w.now = w.now.Add(d)
	w.mu.Unlock()
	n, err := w.Turn(w.Context())
	w.must(err)
	return n
}

func (w *world) token(key string) string {
	return strings.TrimPrefix(w.PageURL(w.owner, w.customer(key).ID), "https://post.example"+announce.Path)
}

func TestLetterIsBilingualAndHarmless(t *testing.T) {
	w := newWorld(t)
	w.must(w.Save(t.Context(), announce.Announcement{Tenant: w.owner, Changeover: w.plan.ID, Contact: "it@hafenkontor.example", Unconcerned: []string{"onOffice"}}))
	w.must(w.Send(t.Context(), w.owner, w.plan.ID, announce.OnlyAffected, "usr_1"))
	if n := w.turn(0); n != 1 || len(w.mails) != 1 {
		t.Fatalf("%d letters", n)
	}
	d := w.mails[0].Draft
	for what, value := range map[string]string{"subject": d.Subject, "name": d.To[0].Name, "portal": d.From.Name} {
		if strings.ContainsAny(value, "\r\n") {
			t.Errorf("%s %q breaks its line", what, value)
		}
	}
	d.MessageID = "1@hafenkontor.example"
	made, err := message.Compose(*d)
	w.must(err)
	if bytes.Contains(made.Bytes, []byte("\nBcc:")) {
		t.Error("a name became a header")
	}
	for _, want := range []string{"Deutsch (English below)", "Guten Tag Lund", "Hello Lund", "192.0.2.2 (new-a.mail.example)", "192.0.2.1 (old.mail.example)", "13.11.2026", "13 November 2026",
		"Leiten Sie diese E-Mail an Ihre IT weiter", "nichts tun: onOffice.", announce.Path + w.token("1"), announce.FAQPath} {
		if !strings.Contains(d.Text, want) {
			t.Errorf("letter lacks %q:\n%s", want, d.Text)
		}
	}
	if !strings.Contains(d.HTML, `lang="en"`) || d.ReplyTo[0].Local != "it" {
		t.Errorf("HTML %s, replies to %v", d.HTML, d.ReplyTo)
	}
	if c := w.customer("1"); c.InformedAt.IsZero() || c.Informed.IsZero() {
		t.Errorf("not noted: %+v", c)
	}
}

func TestEachCustomerIsToldOnce(t *testing.T) {
	w := newWorld(t)
	w.must(w.Send(t.Context(), w.owner, w.plan.ID, announce.Everybody, "usr_1"))
	w.fail = errors.New("database is down")
	if _, err := w.Turn(t.Context()); err == nil {
		t.Error("a failure is not told")
	}
	w.fail = nil
	for range 3 {
		w.turn(time.Minute)
	}
	if len(w.mails) != 2 { // the third has no address
		t.Errorf("%d letters", len(w.mails))
	}
	w.must(w.Stop(t.Context(), w.owner, w.plan.ID))
	w.found(affected.Found{Kind: affected.Advertiser, Key: "4", Emails: []message.Address{{Local: "it", Domain: "neu.example"}}})
	if n := w.turn(time.Minute); n != 0 {
		t.Error("it goes on after it was stopped")
	}
	w.dead = true
	w.must(w.Send(t.Context(), w.owner, w.plan.ID, announce.Everybody, "usr_1"))
	for range 2 {
		w.turn(48 * time.Hour) // longer than the entrance remembers its keys
	}
	if c := w.customer("4"); !c.InformedAt.IsZero() || len(w.mails) != 3 {
		t.Errorf("who cannot be reached counts as told, or is written to again: %+v, %d letters", c, len(w.mails))
	}
}

func TestRemindersFollowThePlan(t *testing.T) {
	w := newWorld(t)
	w.must(w.Save(t.Context(), announce.Announcement{Tenant: w.owner, Changeover: w.plan.ID, Remind: true}))
	w.must(w.Send(t.Context(), w.owner, w.plan.ID, announce.Everybody, "usr_1"))
	w.turn(0)
	day := 24 * time.Hour
	for i, c := range []struct {
		after time.Duration
		want  int // letters by then
		about string
	}{
		{day, 2, ""}, {3 * day, 4, "Noch 6 Tage"}, {day, 4, ""}, // nobody answered
		{6 * day, 5, "lehnt unsere neuen Server ab"}, {3 * day, 5, ""}, // the one who refuses
		{31 * day, 6, "Letzte Woche"}, {5 * day, 6, ""}, {3 * day, 6, ""},
	} {
		w.turn(c.after)
		if len(w.mails) != c.want || c.about != "" && !strings.Contains(w.mails[c.want-1].Draft.Subject, c.about) {
			t.Fatalf("step %d: %d letters, last %q", i, len(w.mails), w.mails[len(w.mails)-1].Draft.Subject)
		}
	}
}

// T25: nothing but the key makes a link, and nothing tells what is wrong with one.
func TestLinksCannotBeGuessed(t *testing.T) {
	w := newWorld(t)
	good := w.token("1")
	_, err := w.Open(t.Context(), good)
	w.must(err)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	w.must(err)
	other := w.customer("2").ID
	swapped := append(append(append([]byte{}, raw[:16]...), other[:]...), raw[32:]...)
	for name, token := range map[string]string{"empty": "", "cut": good[:40], "long": good + "AAAA", "not base64": strings.Repeat("!", 64), "all zero": strings.Repeat("A", 64),
		"another's": base64.RawURLEncoding.EncodeToString(swapped), "bit flipped": flipped(raw)} {
		_, err := w.Open(t.Context(), token)
		f := fault.As(err)
		if f == nil || f.Code != "changeover_link_unknown" {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Hear(t.Context(), token, affected.Added); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s is heard: %v", name, err)
		}
	}
	w.store.Plans = nil
	if err := w.Hear(t.Context(), good, affected.Added); fault.As(err) == nil || fault.As(err).Code != "changeover_link_unknown" {
		t.Errorf("without its changeover: %v", err)
	}
}

func flipped(raw []byte) string {
	other := bytes.Clone(raw)
	other[47] ^= 1
	return base64.RawURLEncoding.EncodeToString(other)
}

func TestTestsFromEachNewSource(t *testing.T) {
	w := newWorld(t)
	w.must(w.Order(t.Context(), w.token("1")))
	if len(w.tests) != 2 || w.tests[0].Source != "new-a" || w.tests[1].Source != "new-b" || !w.tests[0].Test || w.tests[0].Advertiser.ID != "1" {
		t.Fatalf("tests %+v", w.tests)
	}
	if err := w.Order(t.Context(), w.token("1")); !fault.IsKind(err, fault.Limited) {
		t.Errorf("again at once: %v", err)
	}
	for _, c := range []struct {
		text string
		want announce.Entered
		n    int // sources whose XML is proven
	}{
		{"TXT-new-a", announce.Entered{Body: 1}, 0},
		{"falsch XML-new-c", announce.Entered{Unknown: 2}, 0},
		{"XML-new-a, TXT-new-b;XML-new-b\nXML-new-b", announce.Entered{Body: 1, XML: 2}, 2},
	} {
		got, err := w.Enter(t.Context(), w.token("1"), c.text)
		w.must(err)
		if proven := w.customer("1").Proven(w.plan.New); got != c.want || proven != c.n {
			t.Errorf("%q: %+v and %d proven", c.text, got, proven)
		}
	}
	w.store.Plans[0].Stage = changeover.Announced
	if err := w.Order(t.Context(), w.token("2")); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("before the new sources may send: %v", err)
	}
}

// The page tells what the customer's own server said to each test, and after word from the
// customer the next test need not wait for a quarter of an hour.
func TestTestsTellWhatTheServerSaid(t *testing.T) {
	w := newWorld(t)
	w.must(w.Order(t.Context(), w.token("1")))
	to := w.customer("1").Emails[0]
	said := func(test, code int, outcome event.Outcome, reply string) {
		w.store.Steps = append(w.store.Steps, affected.Step{Delivery: message.Delivery(w.posted[test], 0), Recipient: to, At: w.Now(),
			Attempt: event.Attempt{Code: code, Enhanced: "5.7.1", Reply: reply, Outcome: outcome}})
	}
	said(0, 450, event.OutcomeDeferred, "later")
	said(0, 554, event.OutcomeBounced, "Client host\nrejected")
	v, err := w.Open(t.Context(), w.token("1"))
	w.must(err)
	if got := v.Fates["new-a"]; got.Taken || got.Reply != "554 5.7.1 Client host rejected" || len(v.Fates) != 1 {
		t.Errorf("fates %+v", v.Fates)
	}
	w.turn(time.Minute + time.Second)
	if err := w.Order(t.Context(), w.token("1")); !fault.IsKind(err, fault.Limited) {
		t.Errorf("a minute later without a word: %v", err)
	}
	w.must(w.Hear(t.Context(), w.token("1"), affected.Added))
	w.must(w.Order(t.Context(), w.token("1")))
	if err := w.Order(t.Context(), w.token("1")); !fault.IsKind(err, fault.Limited) {
		t.Errorf("again at once: %v", err)
	}
	if v, err := w.Open(t.Context(), w.token("1")); err != nil || len(v.Fates) != 0 {
		t.Errorf("of the new tests: %+v, %v", v.Fates, err)
	}
}

// One customer who may not be written to keeps nobody else from being told, and is told
// when that is over.
func TestASuppressedCustomerHoldsNobodyUp(t *testing.T) {
	w := newWorld(t)
	w.shut = w.customer("1").Emails[0]
	w.must(w.Send(t.Context(), w.owner, w.plan.ID, announce.Everybody, "usr_1"))
	if n := w.turn(0); n == 0 || !w.customer("1").InformedAt.IsZero() || w.customer("2").InformedAt.IsZero() {
		t.Fatalf("%d told: the first %s, the second %s", n, w.customer("1").InformedAt, w.customer("2").InformedAt)
	}
	w.shut = message.Address{}
	if n := w.turn(time.Minute); n != 1 || w.customer("1").InformedAt.IsZero() {
		t.Errorf("%d told later", n)
	}
}

func TestTodosOfSilentCustomers(t *testing.T) {
	w := newWorld(t)
	todo := announce.Unconfirmed{Service: w.Service}
	kinds := func() (text string) {
		list, err := todo.Todos(t.Context(), w.owner, w.Now())
		w.must(err)
		for _, one := range list {
			text += one.Kind + " "
		}
		return text
	}
	if got := kinds(); got != "changeover_tell " {
		t.Errorf("before: %q", got)
	}
	w.must(w.Send(t.Context(), w.owner, w.plan.ID, announce.Everybody, "usr_1"))
	w.turn(0)
	if got := kinds(); got != "" {
		t.Errorf("right after: %q", got)
	}
	w.turn(4 * 24 * time.Hour)
	if got := kinds(); got != "changeover_silent " {
		t.Errorf("days after: %q", got)
	}
	for _, key := range []string{"1", "2"} {
		w.must(w.Hear(t.Context(), w.token(key), affected.NotConcerned))
	}
	if got := kinds(); got != "" {
		t.Errorf("when all answered: %q", got)
	}
}

func TestQuestionsArePublicOnceAnnounced(t *testing.T) {
	w := newWorld(t)
	ask := func() error {
		_, _, err := w.Questions(t.Context(), w.plan.ID.String(), w.owner.String())
		return err
	}
	if err := ask(); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("before: %v", err)
	}
	w.must(w.Send(t.Context(), w.owner, w.plan.ID, announce.OnlyAffected, "usr_1"))
	w.must(ask())
	if _, _, err := w.Questions(t.Context(), w.plan.ID.String(), id.New[tenant.Kind](start).String()); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("of another tenant: %v", err)
	}
}
