package webtest

import (
	"context"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/redelivery/redeliverytest"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/redeliveries"
)

// redeliveriesSubject is the real service on a store in memory, with a job in every
// state, and runs of the archive.
func redeliveriesSubject() Subject {
	path := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			jobs, _, err := w.redeliveryDesk().Jobs(context.Background(), t(w), redelivery.ID{}, 10)
			if err != nil || len(jobs) == 0 {
				return nil
			}
			return map[string]string{"/redeliveries/{id}": "/redeliveries/" + jobs[0].ID.String()}
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Redeliveries = redeliveries.Config{Redelivery: w.redeliveryDesk(), Archive: w.shelf, People: accounts{w}}
		},
		Own:     path(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: path(func(w *World) tenant.ID { return w.Other.ID }),
		Pages: func(w *World) []string {
			list := []string{"/redeliveries?after=x", "/redeliveries/rdl_unknown", "/redeliveries/new?state=bounced&reply=%3Cscript%3E", "/redeliveries/preview",
				"/redeliveries/preview?state=undelivered&to_address=neu%40makler.example", "/redeliveries/preview?recipient=a%20b&per_minute=x&from=gestern", "/redeliveries/preview?message=msg_x",
				"/redeliveries/preview?object=gibtsnicht", "/redeliveries/preview?delivered=on", "/archive?done=saved", "/archive?after=x"}
			jobs, _, err := w.redeliveryDesk().Jobs(context.Background(), w.Tenant.ID, redelivery.ID{}, 20)
			if err != nil {
				panic(err) // the store is in memory
			}
			for _, j := range jobs {
				list = append(list, "/redeliveries/"+j.ID.String()+"?done=started", "/redeliveries/"+j.ID.String()+"?state=failed", "/redeliveries/"+j.ID.String()+"?state=x&after=y")
			}
			return list
		},
	}
}

// letters are the bodies of the redeliveries' world.
type letters struct{}

// Body implements redelivery.Bodies.
func (letters) Body(context.Context, spool.Handle) ([]byte, error) {
	return []byte("From: info@muster.example\r\nTo: eva@kunde.example\r\nSubject: Angebot <b>\r\nMessage-ID: <a@muster.example>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\n\r\nGuten Tag <script>alert(1)</script>\r\n"), nil
}

// taking accepts every mail, but for one recipient.
type taking struct {
	ingest.Acceptor
	first message.ID
}

// Accept implements ingest.Acceptor.
func (a taking) Accept(_ context.Context, _ ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	if len(s.Recipients) > 0 && s.Recipients[0].Local == "r2" {
		return ingest.Receipt{}, fault.New(fault.Forbidden, ingest.CodeFromDomainLapsed, "x")
	}
	return ingest.Receipt{ID: a.first}, nil
}

func (w *World) redeliveryDesk() *redelivery.Service {
	w.redeliveriesOnce.Do(func() { w.redeliveries = w.makeRedeliveries() })
	return w.redeliveries
}

// refusedMail are four mails of the tenant, three of which were refused.
func (w *World) refusedMail(t tenant.ID) (list []redelivery.Candidate) {
	for i, state := range []event.State{event.Bounced, event.Delivered, event.Bounced, event.Expired} {
		at := w.Now().Add(time.Duration(i-50) * time.Hour)
		m := id.Lowest[message.Kind](at) // the same in every call
		m[8] = t[15]
		to := message.Address{Local: "r" + string(rune('0'+i)), Domain: "kunde.example"}
		c := redelivery.Candidate{
			Message: insight.Message{ID: m, Tenant: t, Stream: tenant.Transactional, Subject: "Angebot <b>", MessageID: "a@muster.example", AcceptedAt: at,
				From: message.Mailbox{Address: message.Address{Local: "info", Domain: "muster.example"}}, To: []message.Mailbox{{Name: "Eva <i>", Address: to}}},
			Delivery: insight.Delivery{ID: message.Delivery(m, 1), Recipient: to, State: state},
		}
		c.Message.Body.Salt[0] = 1
		list = append(list, c)
	}
	return list
}

func (w *World) makeRedeliveries() *redelivery.Service {
	ctx := context.Background()
	store := &redeliverytest.Store{All: w.refusedMail}
	now := w.Now()
	for i, stream := range []tenant.Stream{tenant.Transactional, tenant.Lead} {
		r := redelivery.Run{ID: id.New[redelivery.RunKind](now), Tenant: w.Tenant.ID, Stream: stream, Before: now.AddDate(0, 0, -42), BeganAt: now, Leads: int64(i)}
		r.Add(message.NewID(now.AddDate(0, 0, -50)), 1234, now.AddDate(0, 0, -50))
		if i == 0 {
			r.EndedAt = now
		}
		store.Runs = append(store.Runs, r)
	}
	w.shelf = redelivery.NewArchive(redelivery.ArchiveConfig{Store: store, Tenants: accounts{w}, Now: w.Now})
	first := w.refusedMail(w.Tenant.ID)[0].Message.ID
	s := redelivery.New(redelivery.Config{Store: store, Acceptor: taking{first: first}, Bodies: letters{}, ConfirmAbove: 1, Now: w.Now})
	start := func(t tenant.ID, f redelivery.Filter, o redelivery.Options) redelivery.ID {
		j, _, err := s.Start(ctx, ingest.Principal{Tenant: t, Actor: "usr_1", Door: "office"}, f, o, "")
		if err != nil {
			panic(err) // there is something to send
		}
		return j.ID
	}
	one := func(t tenant.ID, n int) redelivery.Filter {
		return redelivery.Filter{Delivery: w.refusedMail(t)[n].Delivery.ID}
	}
	start(w.Other.ID, one(w.Other.ID, 0), redelivery.Options{})
	cancelled := start(w.Tenant.ID, one(w.Tenant.ID, 0), redelivery.Options{})
	start(w.Tenant.ID, one(w.Tenant.ID, 2), redelivery.Options{Reason: "Firewall <b>", To: "r2@kunde.example"}) // fails
	for i := range 2 {
		if _, err := s.Turn(ctx, now.Add(time.Duration(i+1)*time.Hour)); err != nil {
			panic(err)
		}
	}
	_, _ = s.Cancel(ctx, w.Tenant.ID, cancelled) // it may be done
	paused := start(w.Tenant.ID, one(w.Tenant.ID, 3), redelivery.Options{})
	if _, err := s.Pause(ctx, w.Tenant.ID, paused); err != nil {
		panic(err)
	}
	start(w.Tenant.ID, redelivery.Filter{}, redelivery.Options{Delivered: true})
	start(w.Tenant.ID, one(w.Tenant.ID, 1), redelivery.Options{Delivered: true})
	return s
}
