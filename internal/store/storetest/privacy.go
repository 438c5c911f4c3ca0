package storetest

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/ledger"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/privacy"
	"stafette/internal/redelivery"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

func privacyTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"MailToPerson": mailToPerson,
		"HandedOut":    handedOut,
		"Memberships":  membershipsHandedOut,
		"Erased":       erased,
		"CutShort":     erasureCutShort,
		"UnderWay":     erasureOfMailUnderWay,
		"Folded":       folded,
		"Gathered":     gathered,
		"Foreign":      foreignRequests,
		"AskedTwice":   askedTwice,
		"Threads":      threadsErased,
	}
}

// Keeper is the key of the world's bodies.
func Keeper() *seal.Keeper {
	k, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		panic(err) // the size is right
	}
	return k
}

// Privacy is the service over the world's store; change alters its configuration.
func (w *World) Privacy(change ...func(*privacy.Config)) *privacy.Service {
	w.t.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		w.t.Fatal(err)
	}
	people, err := audience.New(audience.Config{Store: w.Store, Now: w.Clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	c := privacy.Config{
		Store: w.Store, Tenants: w.Store, Contacts: w.Contacts(), Audience: people, Mail: w.Store, Bodies: spool.New(w.Store.Archive(), Keeper()),
		Keeper: Keeper(), Catalog: catalog, Now: w.Clock.Now, Holders: append(w.Store.Holders(w.Clock.Now), privacy.Suppressed{Audience: people, Actor: "system"}, offer.People{Store: w.Store, Now: w.Clock.Now}),
		Shed: w.Store.Shed,
	}
	for _, f := range change {
		f(&c)
	}
	s, err := privacy.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// Letter is a mail whose body can be read.
func (w *World) Letter(t tenant.ID, subject, body string, to ...string) *ingest.Acceptance {
	w.t.Helper()
	a := w.written(t, subject, body, to...)
	w.Accept(a)
	return a
}

// written is a Letter before it is accepted.
func (w *World) written(t tenant.ID, subject, body string, to ...string) *ingest.Acceptance {
	w.t.Helper()
	w.Clock.Advance(time.Millisecond)
	a := w.Draft(t, to...)
	a.Message.Subject = subject
	var err error
	if a.Sealed, err = Keeper().SealBody(nil, []byte(body), a.Message.Salt); err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *World) turn(s *privacy.Service) {
	w.t.Helper()
	if _, err := s.Turn(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *World) person(s *privacy.Service, address string) privacy.Person {
	w.t.Helper()
	p, err := s.PersonAt(context.Background(), w.A, Address(address))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *World) ask(s *privacy.Service, k privacy.Kind, address string) privacy.Request {
	w.t.Helper()
	r, err := s.Ask(context.Background(), privacy.Wish{Kind: k, Person: w.person(s, address), Actor: "usr_1", Locale: "de"})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// A program that asks twice with one key has asked once, for good.
func askedTwice(t *testing.T, w *World) {
	s := w.Privacy()
	ask := func(k privacy.Kind, address string) (privacy.Request, error) {
		return s.Ask(t.Context(), privacy.Wish{Kind: k, Person: w.person(s, address), Actor: "key_1", Locale: "de", Idempotency: "ticket 1"})
	}
	first, err := ask(privacy.Access, "eva@x.example")
	w.must(err)
	w.turn(s)
	again, err := ask(privacy.Access, "eva@x.example")
	if err != nil || again.ID != first.ID || again.State != privacy.Done {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	if _, err := ask(privacy.Access, "max@x.example"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("the key for another person: %v", err)
	}
	if _, err := ask(privacy.Erasure, "eva@x.example"); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("the key for another request: %v", err)
	}
	if _, err := w.Store.RequestByKey(t.Context(), w.B, first.Idempotency); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's key: %v", err)
	}
}

func mailToPerson(t *testing.T, w *World) {
	ctx := t.Context()
	var want []message.DeliveryID
	for i := range 5 {
		to := []string{"eva@x.example", "EVA@y.example"}[i%2]
		a := w.Letter(w.A, "n", "x", "someone@x.example", to)
		want = append([]message.DeliveryID{a.Deliveries[1].ID}, want...)
	}
	news := w.Draft(w.A, "eva@x.example")
	news.Message.Stream = tenant.Newsletter
	w.Accept(news)
	w.Letter(w.B, "n", "x", "eva@x.example")
	both := []message.Address{Address("Eva@x.example"), Address("eva@y.example")}
	f := insight.PersonFilter{Streams: []tenant.Stream{tenant.Transactional, tenant.System}, Limit: 2}
	var have []message.DeliveryID
	for more := true; more; {
		list, m, err := w.Store.To(ctx, w.A, both, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			have, f.After = append(have, a.Delivery.ID), a.Delivery.ID
			if a.Message.ID != message.Of(a.Delivery.ID) || a.Message.Subject != "n" || a.Delivery.Recipient.Domain == "" || a.Delivery.State != event.Queued {
				t.Errorf("read %+v", a)
			}
		}
		more = m
	}
	equal(t, "listed", fmt.Sprint(have), fmt.Sprint(want))
	for limit, want := range map[int]int{100: 6, 3: 3} {
		n, err := w.Store.CountTo(ctx, w.A, both, nil, limit)
		if err != nil || n != want {
			t.Errorf("counted %d up to %d, %v", n, limit, err)
		}
	}
	n, err := w.Store.CountTo(ctx, w.A, both, f.Streams, 100)
	if err != nil || n != 5 {
		t.Errorf("counted %d on two streams, %v", n, err)
	}
}

func (w *World) fetch(s *privacy.Service, r privacy.Request) map[string]string {
	w.t.Helper()
	write, _, err := s.Fetch(context.Background(), r.Tenant, r.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		w.t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		w.t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			w.t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

func handedOut(t *testing.T, w *World) {
	ctx := t.Context()
	s := w.Privacy(func(c *privacy.Config) {
		c.Sections = []privacy.Section{{Name: "consents", Read: func(context.Context, privacy.Person) (any, error) { return []string{"newsletter"}, nil }}}
	})
	c := w.Contact(w.A, "Eva", "Sommer", "", "K-1", []string{"eva@x.example", "eva@y.example"})
	if _, err := w.Contacts().AddNote(ctx, w.A, c.ID, "usr_1", "ruft zurück"); err != nil {
		t.Fatal(err)
	}
	first := w.Letter(w.A, "<b>Angebot</b>", "Subject: Angebot\r\n\r\nWohnung 4.2", "eva@x.example", "other@x.example")
	gone := w.Letter(w.A, "Alt", "x", "eva@y.example")
	w.Suppress(w.Entry(w.A, "eva@x.example", tenant.Newsletter, audience.Complaint, time.Time{}))
	r := w.ask(s, privacy.Access, "eva@y.example")
	if again := w.ask(s, privacy.Access, "eva@x.example"); again.ID != r.ID {
		t.Error("asked twice, two requests")
	}
	if _, _, err := s.Fetch(ctx, w.A, r.ID); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("fetched before it was ready: %v", err)
	}
	w.turn(s)
	done, err := s.Request(ctx, w.A, r.ID)
	if err != nil || done.State != privacy.Done || done.Done != 2 || done.Total != 2 || done.Size == 0 {
		t.Fatalf("request %+v, %v", done, err)
	}
	files := w.fetch(s, r)
	equal(t, "body", files["messages/"+first.Message.ID.String()+".eml"], "Subject: Angebot\r\n\r\nWohnung 4.2")
	var list []map[string]any
	if err := json.Unmarshal([]byte(files["messages.json"]), &list); err != nil || len(list) != 2 {
		t.Fatalf("messages.json: %v: %s", err, files["messages.json"])
	}
	for name, want := range map[string]string{
		"person.json": "ruft zurück", "uebersicht.html": "&lt;b&gt;Angebot&lt;/b&gt;", "overview.html": "Eva Sommer", "messages.json": gone.Message.ID.String(),
	} {
		if !strings.Contains(files[name], want) || strings.Contains(files[name], "other@x.example") || strings.Contains(files[name], "⟦") {
			t.Errorf("%s lacks %q, names another person, or a text is missing:\n%s", name, want, files[name])
		}
	}
	for _, want := range []string{`"complaint"`, `"consents"`, `"K-1"`} {
		if !strings.Contains(files["person.json"], want) {
			t.Errorf("person.json lacks %s", want)
		}
	}
	w.Clock.Advance(8 * 24 * time.Hour)
	if _, _, err := s.Fetch(ctx, w.A, r.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("fetched too late: %v", err)
	}
	if err := s.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	done, err = s.Request(ctx, w.A, r.ID)
	if _, ok, _ := w.Store.Part(ctx, w.A, r.ID, 0); ok || err != nil || done.State != privacy.Expired || len(done.Person.Addresses) > 0 {
		t.Errorf("after expiry: %+v, %v, file %v", done, err, ok)
	}
}

// books are the counts of a tenant's deliveries by state.
func (w *World) books() string {
	w.t.Helper()
	now := w.Clock.Now()
	counts, err := w.Store.Counts(context.Background(), w.A, now.AddDate(-10, 0, 0), now.AddDate(0, 0, 1))
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(counts)
}

// Traces leaves traces of a person everywhere the store keeps some and returns the
// delivery that is under way. Their address is eva.sommer@gmx.example.
func (w *World) Traces(s *privacy.Service) {
	w.t.Helper()
	ctx := context.Background()
	const eva = "eva.sommer@gmx.example"
	c := w.Contact(w.A, "Eva", "Sommer", "", "K-1", []string{"Eva.Sommer@gmx.example", "e.sommer@y.example"}, "vip")
	other := w.Contact(w.A, "Max", "Reuter", "", "", []string{"max@gmx.example"})
	for _, v := range []struct {
		c    audience.ContactID
		text string
	}{{c.ID, "Frau Sommer ruft zurück"}, {other.ID, "gehört zu " + eva}} {
		if _, err := w.Contacts().AddNote(ctx, w.A, v.c, "usr_1", v.text); err != nil {
			w.t.Fatal(err)
		}
	}
	e := w.Epoch("n")
	alone := w.written(w.A, "Für Eva.Sommer@gmx.example", "body", "Eva.Sommer@gmx.example")
	w.tellOf(alone, eva)
	shared := w.Draft(w.A, eva, "max@gmx.example")
	shared.Message.Metadata = map[string]string{"from": "form of " + eva}
	shared.Message.Tags = []string{"lead", eva}
	w.Accept(shared)
	second := w.Letter(w.A, "Zweite", "body", "e.sommer@y.example")
	for _, a := range []*ingest.Acceptance{alone, shared, second} {
		for _, entry := range w.Claim(e, w.A, 10) {
			v := w.Verdict(e, w.A, entry.Delivery, event.Bounced)
			v.Event.Attempt.Reply = "550 <" + eva + ">: unknown; max@gmx.example"
			v.Dialogue = []byte("RCPT TO:<" + entry.Recipient.String() + ">") // sealed elsewhere
			w.Settle(v)
		}
		k := w.Returned(w.A, a.Deliveries[0].ID)
		w.keep(k)
		m := w.take()[0]
		m.Author, m.Subject = eva, "Re: Eva Sommer"
		fact := w.report(a.Deliveries[0].ID, event.Replied, "")
		fact.Report.Recipient, fact.Report.Reply = eva, "said "+eva
		w.conclude(m, fact)
	}
	waits := w.Letter(w.A, "Wartet", "body", eva)
	_ = waits
	mention := w.Letter(w.A, "Anfrage von "+eva, "body", "broker@z.example")
	mention.Message.To = nil
	w.List(w.A, "max@gmx.example", "Eva.Sommer@gmx.example")
	ent := w.Entry(w.A, eva, tenant.Newsletter, audience.Complaint, time.Time{})
	ent.Note = "Eva Sommer rief an"
	w.Suppress(ent)
	job := w.job(w.A, redelivery.Awaiting)
	job.Filter.Recipient, job.Options.To, job.Options.Reason = eva, eva, "Eva Sommer <"+eva+"> rief an"
	w.addJob(job)
	made := w.offerRecipient(w.offer(w.A), "Eva.Sommer@gmx.example")
	if _, err := w.Store.LikeUnit(ctx, offer.Like{Tenant: w.A, Offer: made.Offer, Recipient: made.ID, Unit: "u1", At: w.Clock.Now()}, true); err != nil {
		w.t.Fatal(err)
	}
	w.must(w.plan(100, ledger.Hold).Give(ctx, w.A, ledger.Goodwill, 1, "usr_2", "für die Geduld von "+eva))
	w.ask(s, privacy.Access, eva)
	w.turn(s)
}

func erased(t *testing.T, w *World) {
	ctx := t.Context()
	s := w.Privacy()
	w.Traces(s)
	before, err := w.Store.Usage(ctx, w.A, w.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	p := w.person(s, "e.sommer@y.example")
	v, err := s.Preview(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]int64{}
	for _, h := range v.Goes {
		held[h.Name] = h.Count
	}
	equal(t, "preview", fmt.Sprint(held), "map[contact:2 deliveries:4 files:1 lists:1 mentions:4 offers:1 returns:3 suppressions:1 tracking:4 waiting:1]")
	if _, err := s.ConfirmErasure(ctx, privacy.Wish{Person: p}, "max@gmx.example"); fault.As(err) == nil {
		t.Errorf("confirmed with another's address: %v", err)
	}
	r, err := s.ConfirmErasure(ctx, privacy.Wish{Person: p, Actor: "usr_1", Block: true}, " E.Sommer@y.example"[1:])
	if err != nil {
		t.Fatal(err)
	}
	w.turn(s)
	settling, err := s.Request(ctx, w.A, r.ID)
	if err != nil || settling.State != privacy.Settling {
		t.Fatalf("after the first pass: %+v, %v", settling, err)
	}
	w.Clock.Advance(20 * time.Minute)
	w.turn(s)
	done, err := s.Request(ctx, w.A, r.ID)
	if err != nil || done.State != privacy.Done || len(done.Person.Addresses) > 0 || done.Person.Name != "" || len(done.Hashes) != 2 {
		t.Fatalf("after the second pass: %+v, %v", done, err)
	}
	// Nobody's counts change but by the mail that waited and was cancelled.
	after, err := w.Store.Usage(ctx, w.A, w.Clock.Now())
	if err != nil || after != before {
		t.Errorf("accepted were %d, now %d, %v", before, after, err)
	}
	equal(t, "books", w.books(), "map[bounced:4 cancelled:1 queued:1]")
	for _, a := range []string{"eva.sommer@gmx.example", "e.sommer@y.example"} {
		equal(t, "blocked "+a, w.blocked(w.A, tenant.Transactional, a), "unsubscribed")
	}
	// The other recipient keeps their mail.
	page, err := w.Store.Messages(ctx, w.A, insight.Filter{Recipient: "max@gmx.example"})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Erased() || len(page.Messages[0].To) != 1 || page.Messages[0].Subject != "Ihre Anfrage" {
		t.Errorf("shared message: %+v, %v", page.Messages, err)
	}
	if d := page.Messages[0].Deliveries[0]; d.Recipient.String() != "@gmx.example" || d.State != event.Bounced {
		t.Errorf("erased delivery: %+v", d)
	}
	c, err := s.Certificate(ctx, w.A, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Verify(text); !ok || err != nil {
		t.Errorf("certificate is not believed: %v, %s", err, text)
	}
	if _, ok, _ := s.Verify(bytes.Replace(text, []byte(`"deliveries":4`), []byte(`"deliveries":5`), 1)); ok {
		t.Error("a changed certificate is believed")
	}
	// Return mail may come long after.
	w.keep(w.Returned(w.A, page.Messages[0].Deliveries[0].ID))
	late := w.report(page.Messages[0].Deliveries[0].ID, event.LateBounced, "user_unknown")
	late.Report.Reply = "eva.sommer@gmx.example is gone"
	w.conclude(w.take()[0], late)
	facts, err := w.Store.Events(ctx, w.A, page.Messages[0].ID)
	if text, _ := json.Marshal(facts); err != nil || strings.Contains(string(text), "eva.") {
		t.Errorf("a late report names the person: %s, %v", text, err)
	}
}

// failing lets a holder fail after so many notes: a process that is killed.
type failing struct {
	privacy.Holder
	left *int
}

func (f failing) Erase(ctx context.Context, p privacy.Person, note func(int64) error) error {
	return f.Holder.Erase(ctx, p, func(n int64) error {
		if *f.left--; *f.left < 0 {
			return errors.New("killed")
		}
		return note(n)
	})
}

func erasureCutShort(t *testing.T, w *World) {
	left := 0
	s := w.Privacy(func(c *privacy.Config) {
		for i := range c.Holders {
			c.Holders[i] = failing{c.Holders[i], &left}
		}
	})
	whole := w.Privacy()
	w.Traces(whole)
	r := w.ask(whole, privacy.Erasure, "eva.sommer@gmx.example")
	var done privacy.Request
	for n := range 40 {
		left = n
		w.turn(s)
		var err error
		if done, err = s.Request(t.Context(), w.A, r.ID); err != nil {
			t.Fatal(err)
		}
		if !done.State.Open() {
			break
		}
		w.Clock.Advance(time.Hour)
	}
	if done.State != privacy.Done {
		t.Fatalf("never done: %+v", done)
	}
	n, err := w.Store.CountTo(t.Context(), w.A, []message.Address{Address("eva.sommer@gmx.example"), Address("e.sommer@y.example")}, nil, 100)
	if err != nil || n != 0 {
		t.Errorf("%d deliveries are left, %v", n, err)
	}
	equal(t, "books", w.books(), "map[bounced:4 cancelled:1 queued:1]")
}

// An attempt that is under way when its mail is erased reports afterwards.
func erasureOfMailUnderWay(t *testing.T, w *World) {
	s := w.Privacy()
	e := w.Epoch("n")
	a := w.Letter(w.A, "Hallo", "x", "eva.s@x.example")
	held := w.Claim(e, w.A, 1)
	r := w.ask(s, privacy.Erasure, "eva.s@x.example")
	w.turn(s)
	v := w.Verdict(e, w.A, held[0].Delivery, event.Delivered)
	v.Event.Attempt.Reply = "250 ok eva.s@x.example"
	equal(t, "fenced", len(w.Settle(v)), 0)
	w.Clock.Advance(time.Hour)
	w.turn(s)
	facts, err := w.Store.Events(t.Context(), w.A, a.Message.ID)
	if text, _ := json.Marshal(facts); err != nil || len(facts) != 3 || strings.Contains(string(text), "eva.") {
		t.Errorf("facts name the person: %s, %v", text, err)
	}
	equal(t, "state", w.States(w.A, a.Message.ID), "delivered")
	if done, err := s.Request(t.Context(), w.A, r.ID); err != nil || done.State != privacy.Done {
		t.Errorf("request %+v, %v", done, err)
	}
}

func folded(t *testing.T, w *World) {
	ctx := t.Context()
	s := w.Privacy()
	e := w.Epoch("n")
	end := []event.State{event.Delivered, event.Bounced, event.Delivered, event.Expired}
	for i, state := range end {
		a := w.Letter(w.A, "alt", "x", fmt.Sprintf("r%d@x.example", i))
		a.Message.Tags = []string{"t"}
		w.Claim(e, w.A, 10)
		w.Settle(w.Verdict(e, w.A, a.Deliveries[0].ID, state))
		w.Clock.Advance(40 * time.Minute)
	}
	waits := w.Letter(w.A, "wartet", "x", "held@x.example")
	want := w.books()
	w.Clock.Advance(25 * 31 * 24 * time.Hour)
	young := w.Letter(w.A, "neu", "x", "young@x.example")
	if err := s.Retain(ctx); err != nil {
		t.Fatal(err)
	}
	list, err := s.Retentions(ctx, w.A, 10)
	if err != nil || len(list) != 1 || list[0].Messages != 4 || list[0].Deliveries != 4 || list[0].Events != 8 {
		t.Fatalf("dropped %+v, %v", list, err)
	}
	equal(t, "books", w.books(), strings.Replace(want, "queued:1", "queued:2", 1))
	for m, there := range map[message.ID]bool{waits.Message.ID: true, young.Message.ID: true} {
		if _, err := w.Store.Message(ctx, w.A, m); (err == nil) != there {
			t.Errorf("message: %v", err)
		}
	}
	// Again there is nothing to do, and a tenant that keeps less loses more.
	if err := s.Retain(ctx); err != nil {
		t.Fatal(err)
	}
	if list, err = s.Retentions(ctx, w.A, 10); err != nil || len(list) != 1 {
		t.Errorf("dropped again: %+v, %v", list, err)
	}
	if err := s.SetSettings(ctx, w.A, privacy.Settings{Months: 200}); fault.As(err) == nil {
		t.Errorf("200 months: %v", err)
	}
	// An hour belongs to where it begins, folded or not.
	start := Start()
	for _, span := range [][2]time.Time{{start.Truncate(time.Hour), start.Truncate(time.Hour).Add(time.Hour)}, {start.Truncate(24 * time.Hour), start.AddDate(0, 0, 1)}} {
		counts, err := w.Store.Counts(ctx, w.A, span[0], span[1])
		sum := int64(0)
		for _, n := range counts {
			sum += n
		}
		if err != nil || sum < 1 || counts[event.Delivered] < 1 {
			t.Errorf("%v: %v, %v", span, counts, err)
		}
	}
}

func gathered(t *testing.T, w *World) {
	ctx := t.Context()
	s := w.Privacy()
	w.Letter(w.A, "vorher", "x", "before@x.example")
	w.Clock.Advance(time.Hour)
	if err := s.SetSettings(ctx, w.A, privacy.Settings{Gather: true, Notes: true}); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Hour)
	w.Letter(w.A, "n", "x", "eva@x.example", "eva@x.example", "max@x.example")
	news := w.Draft(w.A, "list@x.example")
	news.Message.Stream = tenant.Newsletter
	w.Accept(news)
	w.Letter(w.B, "n", "x", "b@x.example")
	w.Contact(w.A, "Max", "", "", "", []string{"max@x.example"})
	w.Clock.Advance(time.Hour)
	for range 2 {
		if err := s.Gather(ctx); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "contacts", w.listed(audience.ContactFilter{ByName: true, Ascending: true}), "Herr eva, Max")
	if c, _, err := w.Contacts().Of(ctx, w.A, Address("eva@x.example")); err != nil || c.Origin != audience.OriginMail || c.FamilyName != "eva" {
		t.Errorf("gathered %+v, %v", c, err)
	}
}

func foreignRequests(t *testing.T, w *World) {
	ctx := t.Context()
	s := w.Privacy()
	w.Letter(w.A, "n", "x", "eva@x.example")
	b := w.Letter(w.B, "n", "x", "eva@x.example")
	r := w.ask(s, privacy.Access, "eva@x.example")
	w.turn(s)
	_, _, fetch := s.Fetch(ctx, w.B, r.ID)
	_, certificate := s.Certificate(ctx, w.B, r.ID)
	_, read := s.Request(ctx, w.B, r.ID)
	for what, err := range map[string]error{"fetched": fetch, "certified": certificate, "read": read} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("foreign request is %s: %v", what, err)
		}
	}
	w.ask(s, privacy.Erasure, "eva@x.example")
	w.turn(s)
	w.Clock.Advance(time.Hour)
	w.turn(s)
	m, err := w.Store.Message(ctx, w.B, b.Message.ID)
	if err != nil || m.Erased() || m.Deliveries[0].Recipient.Local != "eva" || m.Deliveries[0].State != event.Queued {
		t.Errorf("another tenant's mail: %+v, %v", m, err)
	}
}
