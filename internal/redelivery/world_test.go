package redelivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/redelivery"
	"stafette/internal/seal"
	"stafette/internal/smtp"
	"stafette/internal/smtp/smtptest"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

var start = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// world is redelivery over a real store, a real entrance and real leads. A postman takes
// what is due to a real SMTP server.
type world struct {
	*testing.T
	store    *store.Store
	spool    *spool.Spool
	entrance *ingest.Service
	leads    *lead.Service
	service  *redelivery.Service
	archive  *redelivery.Archive
	server   *smtptest.Sink
	shut     atomic.Bool // the server refuses everything
	who      ingest.Principal
	epoch    queue.Epoch
	config   redelivery.Config

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

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: start}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	w.store, err = store.Open(t.Context(), store.Config{DataDir: t.TempDir(), Now: w.Now})
	w.must(err)
	t.Cleanup(func() { w.must(w.store.Close()) })
	owner := tenant.Tenant{ID: id.New[tenant.Kind](start), Name: "Portal", State: tenant.Active, Locale: "de", OfficeTone: tenant.Sie, CreatedAt: start}
	w.who = ingest.Principal{Tenant: owner.ID, Actor: "usr_1", Door: "office"}
	w.must(w.store.Found(t.Context(), tenant.Founding{Tenant: owner, Domains: []tenant.Domain{
		{ID: id.New[tenant.DomainKind](start), Tenant: owner.ID, Name: "portal.example", State: tenant.Trusted, CreatedAt: start},
	}}))
	w.spool = spool.New(w.store.Archive(), keeper)
	w.entrance = ingest.New(ingest.Config{Store: w.store, Tenants: w.store, Keeper: keeper, Now: w.Now})
	w.leads = lead.New(lead.Config{Store: w.store, Acceptor: w.entrance, Tenants: w.store, Keeper: keeper, Now: w.Now,
		Genuine: func(_ tenant.ID, m message.ID) string { return "Code " + m.String() }})
	w.config = redelivery.Config{Store: w.store, Acceptor: w.entrance, Leads: w.leads, Bodies: w.spool, Now: w.Now}
	w.service = redelivery.New(w.config)
	w.archive = redelivery.NewArchive(redelivery.ArchiveConfig{Store: w.store, Tenants: w.store, Audit: w.store, Now: w.Now})
	w.epoch, err = w.store.StartEpoch(t.Context(), "n", start, start.Add(1000*time.Hour))
	w.must(err)
	w.server, err = smtptest.NewSink(smtptest.SinkConfig{Record: true, Refuse: func(string) string {
		if w.shut.Load() {
			return "550 5.7.1 Client host blocked by policy"
		}
		return ""
	}})
	w.must(err)
	t.Cleanup(func() { w.must(w.server.Close()) })
	return w
}

// ask takes a lead for an advertiser and returns its number.
func (w *world) ask(advertiser, object string, to ...string) lead.Lead {
	w.Helper()
	w.pass(time.Second)
	e := lead.Enquiry{
		Advertiser: lead.AdvertiserRef{ID: advertiser, Name: "Makler"},
		Object:     openimmo.Object{AdvertiserRef: object, Title: "Haus"},
		Prospect:   openimmo.Prospect{LastName: "Sommer", Email: "eva@example.org"},
		Message:    "Ist es noch frei?",
	}
	for _, one := range to {
		e.Advertiser.Emails = append(e.Advertiser.Emails, w.address(one))
	}
	r, err := w.leads.Submit(w.Context(), w.who, e)
	w.must(err)
	if r.State != lead.Sent {
		w.Fatalf("lead %+v", r)
	}
	return r.Lead
}

func (w *world) address(text string) message.Address {
	w.Helper()
	a, err := message.ParseAddress(text)
	w.must(err)
	return a
}

// write sends a mail that is no lead.
func (w *world) write(to string) ingest.Receipt {
	w.Helper()
	w.pass(time.Second)
	r, err := w.entrance.Accept(w.Context(), w.who, ingest.Submission{Draft: &message.Draft{
		From: message.Mailbox{Address: w.address("info@portal.example")}, To: []message.Mailbox{{Name: "Eva", Address: w.address(to)}},
		Subject: "Ihre Rechnung für Grüße", Text: "Betrag 4,20", Headers: []message.Header{{Name: "References", Value: "<first@x.example>"}},
	}})
	w.must(err)
	return r
}

// post takes everything that is due to the server and writes its answers down.
func (w *world) post() (n int) {
	w.Helper()
	ctx := w.Context()
	for {
		list, err := w.store.Claim(ctx, queue.Claim{Epoch: w.epoch, Tenant: w.who.Tenant, Now: w.Now(), Limit: 100})
		w.must(err)
		if len(list) == 0 {
			return n
		}
		conn, err := smtp.Dial(ctx, smtp.Options{Address: w.server.Addr(), EHLO: "mail.portal.example"})
		w.must(err)
		var settled []queue.Settlement
		for _, e := range list {
			n++
			body, err := w.spool.Body(ctx, e.Body)
			w.must(err)
			if e.Stream == tenant.Lead {
				w.must(lead.Gate(body))
			}
			reply, err := conn.Deliver(ctx, smtp.Mail{From: e.Sender, To: e.Recipient.String(), Parts: [][]byte{body}, EightBit: e.EightBit}, nil)
			settled = append(settled, w.verdict(e, reply, err))
		}
		w.must(conn.Close())
		_, err = w.store.Settle(ctx, settled)
		w.must(err)
	}
}

func (w *world) verdict(e queue.Entry, reply smtp.Reply, err error) queue.Settlement {
	w.Helper()
	v := queue.Settlement{Tenant: e.Tenant, Delivery: e.Delivery, Epoch: w.epoch, State: event.Delivered, Attempts: 1, Host: "mx.makler.example",
		Event: event.Event{ID: id.New[event.Kind](w.Now()), Message: message.Of(e.Delivery), Delivery: e.Delivery, Type: event.Completed, At: w.Now(), Actor: "system",
			Attempt: &event.Attempt{Number: 1, Source: "192.0.2.1", Outcome: event.OutcomeDelivered}}}
	var refused *smtp.Error
	if errors.As(err, &refused) && refused.Reply != nil {
		reply = *refused.Reply
		v.State, v.Event.Type, v.Event.Reason, v.Event.Attempt.Outcome, v.Event.Attempt.Class = event.Bounced, event.Refused, "ip_blocked", event.OutcomeBounced, "ip_blocked"
	} else {
		w.must(err)
	}
	v.Event.Attempt.Code, v.Event.Attempt.Reply = reply.Code, strings.Join(reply.Lines, "\n")
	return v
}

// turns lets the worker run for so long, a step at a time.
func (w *world) turns(s *redelivery.Service, d time.Duration) (n int) {
	w.Helper()
	for ; d > 0; d -= 5 * time.Second {
		done, err := s.Turn(w.Context(), w.Now())
		w.must(err)
		n += done
		w.pass(5 * time.Second)
	}
	return n
}

func (w *world) start(f redelivery.Filter, o redelivery.Options, key string) redelivery.Job {
	w.Helper()
	w.pass(time.Second)
	j, _, err := w.service.Start(w.Context(), w.who, f, o, key)
	w.must(err)
	return j
}

func (w *world) job(j redelivery.Job) redelivery.Job {
	w.Helper()
	got, err := w.service.Job(w.Context(), w.who.Tenant, j.ID)
	w.must(err)
	return got
}

func (w *world) items(j redelivery.Job) string {
	w.Helper()
	list, _, err := w.service.Items(w.Context(), w.who.Tenant, j.ID, redelivery.ItemFilter{Limit: 1000})
	w.must(err)
	var words []string
	for _, i := range list {
		words = append(words, strings.TrimSpace(fmt.Sprintf("%s %s", i.State, i.Reason)))
	}
	return strings.Join(words, ", ")
}

// dying is an entrance whose process dies after so many mails: they are accepted, but
// nobody hears of the last.
type dying struct {
	ingest.Acceptor
	left int
}

var errDead = errors.New("the process died")

func (d *dying) Accept(ctx context.Context, p ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	r, err := d.Acceptor.Accept(ctx, p, s)
	if d.left--; d.left < 0 && err == nil {
		return ingest.Receipt{}, errDead
	}
	return r, err
}

// tenantContext keeps the signature of Config.PersonOf short.
type tenantContext = context.Context

// refusing is an entrance that takes nothing.
type refusing struct {
	ingest.Acceptor
	err error
}

func (r refusing) Accept(context.Context, ingest.Principal, ingest.Submission) (ingest.Receipt, error) {
	return ingest.Receipt{}, r.err
}
