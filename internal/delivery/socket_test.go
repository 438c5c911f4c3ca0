package delivery_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/delivery"
	"stafette/internal/dkim"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/queue/queuetest"
	"stafette/internal/seal"
	"stafette/internal/smtp/smtptest"
	"stafette/internal/spool"
	"stafette/internal/tenant"

	foreign "github.com/emersion/go-msgauth/dkim"
)

// watched is a Store that tells of every settlement.
type watched struct {
	*queuetest.Store
	settled chan queue.Settlement
}

func (w watched) Settle(ctx context.Context, list []queue.Settlement) ([]message.DeliveryID, error) {
	fenced, err := w.Store.Settle(ctx, list)
	if err == nil {
		for _, s := range list {
			w.settled <- s
		}
	}
	return fenced, err
}

// oneBody is the body of every message.
type oneBody []byte

func (b oneBody) Body(context.Context, spool.Handle) ([]byte, error) { return b, nil }

// plant is an engine on real sockets: everything of the floors below is real but
// the store and the bodies.
type plant struct {
	store   watched
	runner  *queue.Runner
	records map[string]string // DKIM records by name
	n       int
}

// newPlant starts an engine that sends each domain to its next hop. It stops with
// the test.
func newPlant(t testing.TB, body []byte, keys []tenant.Algorithm, routes ...egress.Route) *plant {
	t.Helper()
	return newGuardedPlant(t, body, keys, nil, routes...)
}

// newGuardedPlant is newPlant with a TLS policy.
func newGuardedPlant(t testing.TB, body []byte, keys []tenant.Algorithm, policy delivery.TLSPolicy, routes ...egress.Route) *plant {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := &plant{store: watched{queuetest.New(time.Now), make(chan queue.Settlement, 10000)}, records: map[string]string{}}
	p.runner = queue.NewRunner(queue.Config{Store: p.store, Node: "test", Now: time.Now})
	must(p.runner.Start(context.Background()))
	table, err := bounce.Load()
	must(err)
	fleet := newFleet(t, egress.EqualPlan(egress.Source{EHLO: "out.stafette.example"}), egress.Limits{}, "")
	static, err := egress.NewRoutes(routes)
	must(err)
	keeper, err := seal.New(make([]byte, seal.KeySize))
	must(err)
	var stored []tenant.DKIMKey
	for _, a := range keys {
		der, record, err := dkim.GenerateKey(dkim.Algorithm(a))
		must(err)
		k := tenant.DKIMKey{ID: id.New[tenant.DKIMKeyKind](time.Now()), Selector: "s" + string(a), Active: true}
		k.Sealed = keeper.Seal(der, "dkim/"+k.ID.String())
		stored = append(stored, k)
		p.records[k.Selector+"._domainkey.muster.example"] = record
	}
	signer := delivery.NewSigner(delivery.SignerConfig{
		Keys:   func(context.Context, tenant.ID, string) ([]tenant.DKIMKey, error) { return stored, nil },
		Keeper: keeper, Now: time.Now,
	})
	engine, err := delivery.New(delivery.Config{
		Queue: p.runner, Bodies: oneBody(body), Resolver: newNetwork(), Judge: table, Sign: signer.Sign,
		Guard: egress.NewGuard(egress.Rules{LoopbackOnly: true}), Fleet: fleet, Routes: static, Now: time.Now,
		TLSPolicy: policy,
	})
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return p
}

// submit sends one mail; false says that there is no room now.
func (p *plant) submit(to string) bool {
	epoch := p.runner.Reserve(tenantA, 0, 1)
	if epoch == 0 {
		return false
	}
	p.n++
	local, domain, _ := strings.Cut(to, "@")
	now := time.Now()
	e := queue.Entry{
		Tenant: tenantA, Delivery: message.Delivery(message.NewID(now), 1), Stream: tenant.Transactional, Sender: "info@muster.example",
		Recipient: message.Address{Local: local, Domain: domain}, SignDomain: "muster.example",
		AcceptedAt: now, DueAt: now, ExpiresAt: now.Add(5 * 24 * time.Hour),
	}
	p.store.Add(epoch, e)
	p.runner.Offer([]queue.Entry{e})
	return true
}

const letter = "From: Muster GmbH <info@muster.example>\r\nTo: eva@kunde.example\r\nSubject: Hallo\r\n\r\nHallo Eva\r\n.punkt\r\n"

func newSink(t testing.TB, extensions ...string) *smtptest.Sink {
	t.Helper()
	cert, _, err := smtptest.Certificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	sink, err := smtptest.NewSink(smtptest.SinkConfig{Extensions: extensions, Record: true,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Refuse: func(to string) string {
			if strings.HasPrefix(to, "nobody") {
				return "550 5.1.1 <" + to + ">: user unknown"
			}
			return ""
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.Close(); err != nil {
			t.Errorf("close sink: %v", err)
		}
	})
	return sink
}

func TestOverSockets(t *testing.T) {
	for name, extensions := range map[string][]string{
		"bare": nil, "pipelining": {"PIPELINING", "SIZE 100000"},
		"chunking": {"PIPELINING", "CHUNKING"}, "encrypted": {"PIPELINING", "STARTTLS"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := newSink(t, extensions...)
			p := newPlant(t, []byte(letter), []tenant.Algorithm{tenant.RSA, tenant.Ed25519}, egress.Route{Domain: "*", NextHop: sink.Addr()})
			const mails, unknown = 150, 30
			for i := range mails {
				to := fmt.Sprintf("r%d@kunde.example", i)
				if i%(mails/unknown) == 0 {
					to = fmt.Sprintf("nobody%d@kunde.example", i)
				}
				if !p.submit(to) {
					t.Fatal("no room")
				}
			}
			states := map[event.State]int{}
			for range mails {
				s := <-p.store.settled
				states[s.State]++
				a := s.Event.Attempt
				if (a.TLS != "") != (name == "encrypted") || a.Address != sink.Addr() {
					t.Fatalf("attempt %+v", a)
				}
				if s.State == event.Bounced && (a.Class != "user_unknown" || a.Stage != "rcpt" || a.Enhanced != "5.1.1") {
					t.Errorf("refused attempt %+v", a)
				}
			}
			if states[event.Delivered] != mails-unknown || states[event.Bounced] != unknown {
				t.Errorf("states %v", states)
			}
			got := sink.Mails()
			if len(got) != mails-unknown || sink.Connections() > 8 {
				t.Errorf("%d mails over %d connections", len(got), sink.Connections())
			}
			p.verify(t, got[0].Body)
		})
	}
}

// verify checks both signatures with foreign eyes, and that the body is as it was.
func (p *plant) verify(t *testing.T, mail []byte) {
	t.Helper()
	if !bytes.HasSuffix(mail, []byte(letter)) {
		t.Errorf("received %q", mail)
	}
	verdicts, err := foreign.VerifyWithOptions(bytes.NewReader(mail), &foreign.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) {
			if r, ok := p.records[name]; ok {
				return []string{r}, nil
			}
			return nil, errors.New("no such record: " + name)
		},
	})
	if err != nil || len(verdicts) != 2 {
		t.Fatalf("%d signatures, %v", len(verdicts), err)
	}
	for _, v := range verdicts {
		if v.Err != nil || v.Domain != "muster.example" {
			t.Errorf("signature of %s: %v", v.Domain, v.Err)
		}
	}
}

func TestDialogues(t *testing.T) {
	const hello = "S: 220 mx.test\nC: EHLO out.stafette.example\nS: 250 mx.test\n"
	const envelope = "C: MAIL FROM:<info@muster.example>\nS: 250 ok\nC: RCPT TO:<eva@kunde.example>\nS: 250 ok\nC: DATA\nS: 354 go\n"
	const text = "B: \"hi\\r\\n.\\r\\n\"\n"
	tests := []struct {
		name, script string
		state        event.State
		want         event.Attempt // of it: Stage, Code, Enhanced, Outcome, Class, Scope
	}{
		{"accepted", hello + envelope + text + "S: 250 2.0.0 queued as 1\n!end", event.Delivered,
			event.Attempt{Stage: "dot", Code: 250, Enhanced: "2.0.0", Outcome: "delivered"}},
		{"user unknown", hello + "C: *\nS: 250 ok\nC: *\nS: 550 5.1.1 user unknown\n!end", event.Bounced,
			event.Attempt{Stage: "rcpt", Code: 550, Enhanced: "5.1.1", Outcome: "bounced", Class: "user_unknown", Scope: "recipient"}},
		{"mailbox full", hello + "C: *\nS: 250 ok\nC: *\nS: 452 4.2.2 mailbox full\n!end", event.Deferred,
			event.Attempt{Stage: "rcpt", Code: 452, Enhanced: "4.2.2", Outcome: "deferred", Class: "mailbox_full", Scope: "recipient"}},
		{"reply to the dot lost", hello + envelope + text, event.Deferred,
			event.Attempt{Stage: "dot", Outcome: "uncertain", Class: "connection_lost", Scope: "session"}},
		{"cut before the text", hello + "C: *\nS: 250 ok\nC: *\n!reset", event.Deferred,
			event.Attempt{Stage: "rcpt", Outcome: "deferred", Class: "connection_lost", Scope: "session"}},
		{"busy", "S: 421 4.3.2 busy, come back\n!end", event.Deferred,
			event.Attempt{Stage: "greeting", Code: 421, Enhanced: "4.3.2", Outcome: "deferred", Class: "system_error", Scope: "site"}},
		{"no SMTP", "S: HTTP/1.1 400 Bad Request\n!end", event.Deferred,
			event.Attempt{Stage: "greeting", Outcome: "deferred", Class: "protocol_error", Scope: "site"}},
		{"blocked", "S: 554 5.7.1 blocked using zen.spamhaus.org\n!end", event.Bounced,
			event.Attempt{Stage: "greeting", Code: 554, Enhanced: "5.7.1", Outcome: "bounced", Class: "ip_blocked", Scope: "source"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mx, err := smtptest.Play(tt.script)
			if err != nil {
				t.Fatal(err)
			}
			p := newPlant(t, []byte("hi\r\n"), nil, egress.Route{Domain: "kunde.example", NextHop: mx.Addr()})
			p.submit("eva@kunde.example")
			s := <-p.store.settled
			a := s.Event.Attempt
			got := event.Attempt{Stage: a.Stage, Code: a.Code, Enhanced: a.Enhanced, Outcome: a.Outcome, Class: a.Class, Scope: a.Scope}
			if s.State != tt.state || got != tt.want {
				t.Errorf("%s, attempt %+v", s.State, a)
			}
		})
	}
}

// BenchmarkEngine measures everything from the offer to the settlement, against a
// sink on loopback, without a database.
func BenchmarkEngine(b *testing.B) {
	body := []byte(letter + strings.Repeat("Zeile um Zeile um Zeile Text.\r\n", 330)) // 10 KB
	for name, keys := range map[string][]tenant.Algorithm{
		"unsigned": nil, "ed25519": {tenant.Ed25519}, "rsa+ed25519": {tenant.RSA, tenant.Ed25519},
	} {
		b.Run(name, func(b *testing.B) {
			sink, err := smtptest.NewSink(smtptest.SinkConfig{Extensions: []string{"PIPELINING"}})
			if err != nil {
				b.Fatal(err)
			}
			defer sink.Close()
			p := newPlant(b, body, keys, egress.Route{Domain: "*", NextHop: sink.Addr()})
			b.SetBytes(int64(len(body)))
			settled := 0
			for b.Loop() {
				if p.n-settled >= 1000 {
					<-p.store.settled
					settled++
				}
				if !p.submit("eva@kunde.example") {
					b.Fatal("no room")
				}
			}
			for ; settled < p.n; settled++ {
				<-p.store.settled
			}
			b.ReportMetric(float64(p.n)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
