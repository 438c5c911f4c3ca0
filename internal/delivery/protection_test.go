package delivery_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/smtp/smtptest"
	"stafette/internal/tlspolicy"
)

// records are the fake network's names, none of them signed.
type records struct{ *network }

func (records) TLSA(context.Context, string) (dns.TLSAs, error) { return dns.TLSAs{}, nil }
func (records) Alias(_ context.Context, host string) (dns.Alias, error) {
	return dns.Alias{Name: host}, nil
}

// noPolicies is a store that knows nothing.
type noPolicies struct{ tlspolicy.Store }

func (noPolicies) STS(context.Context, string, time.Time) (*tlspolicy.STSPolicy, error) {
	return nil, nil
}

// strict makes policies of rules alone, which trust the pool.
func strict(t testing.TB, n *network, roots *x509.CertPool, rules ...tlspolicy.Rule) *tlspolicy.Policies {
	t.Helper()
	p, err := tlspolicy.New(tlspolicy.Config{Names: records{n}, Store: noPolicies{}, Now: time.Now, Rules: rules, Roots: roots,
		Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSessionsAreHeldToEachDomainsPolicy: two domains share their servers, and only
// one of them demands that these are proven.
func TestSessionsAreHeldToEachDomainsPolicy(t *testing.T) {
	cert, pool, err := smtptest.Certificate("mx1.locker.example")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		mx := &server{plain: true, takes: time.Second}
		w.net.site("locker.example", mx)
		w.net.mx["streng.example"] = w.net.mx["locker.example"]
		w.limits.Connections = 1
		w.cfg.TLSPolicy = strict(t, w.net, pool, tlspolicy.Rule{Domain: "streng.example"})
		w.start()
		mixed := func(n int) (list []queue.Entry) {
			for i := range n {
				list = append(list, w.mail(fmt.Sprintf("r%d@%s", i, []string{"locker.example", "streng.example"}[i%2])))
			}
			return list
		}
		first := mixed(6)
		w.submit(first[:2]...) // from here on both domains are known, and mail keeps its order
		time.Sleep(3 * time.Second)
		w.submit(first[2:]...)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		for i, e := range first {
			if i%2 == 0 {
				w.wantState(e, event.Delivered)
				continue
			}
			w.wantState(e, event.Deferred)
			fact, a := w.attempt(e, 1)
			if fact.Reason != "tls_policy" || a.TLSPolicy != "required" || a.TLSResult != "starttls-not-supported" || a.Scope != "site" || a.Enhanced != "4.7.10" || a.TLS != "" {
				t.Errorf("recorded %s, %+v", fact.Reason, a)
			}
		}
		for _, got := range w.net.received() {
			if strings.HasSuffix(got.to, "streng.example") {
				t.Errorf("%s went out in clear", got.to)
			}
		}
		if w.net.wasted != 0 {
			t.Errorf("%d envelopes were announced to servers they are not for", w.net.wasted)
		}

		w.net.mu.Lock()
		mx.plain, mx.shows = false, []*x509.Certificate{cert.Leaf}
		w.net.mu.Unlock()
		time.Sleep(20 * time.Second) // idle sessions end
		synctest.Wait()
		second := mixed(6)
		before := w.net.dialled()
		w.submit(second...)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		for i, e := range second {
			w.wantState(e, event.Delivered)
			_, a := w.attempt(e, 1)
			if want := []string{"", "verified"}[i%2]; a.TLSResult != want {
				t.Errorf("mail %d: result %q, want %q", i, a.TLSResult, want)
			}
		}
		if n := w.net.dialled() - before; n != 1 {
			t.Errorf("%d sessions for one proven server", n)
		}
		w.end()
	})
}

// TestPolicyNeverGivesWayToTime: what no server can meet expires.
func TestPolicyNeverGivesWayToTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("streng.example", &server{}, &server{plain: true})
		w.cfg.TLSPolicy = strict(t, w.net, x509.NewCertPool(), tlspolicy.Rule{Domain: "*"})
		w.start()
		e := w.mail("r@streng.example")
		w.submit(e)
		time.Sleep(6 * 24 * time.Hour)
		synctest.Wait()
		w.wantState(e, event.Expired)
		for _, fact := range w.store.Row(e.Delivery).Events {
			if a := fact.Attempt; a != nil && a.TLSPolicy != "required" {
				t.Errorf("attempt %d: %+v", a.Number, a)
			}
		}
		if len(w.net.received()) != 0 {
			t.Error("it was sent after all")
		}
		w.end()
	})
}

// TestRequireTLSIsPassedOn or the mail is returned.
func TestRequireTLSIsPassedOn(t *testing.T) {
	cert, pool, err := smtptest.Certificate("mx1.kann.example", "mx1.alt.example")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		offers := map[bool]func(m smtp.Mail) (smtp.Reply, error){
			true: func(m smtp.Mail) (smtp.Reply, error) {
				if !m.RequireTLS {
					return smtp.Reply{}, refuse(smtp.StageMail, 550, "5.7.30", "REQUIRETLS is missing")
				}
				return smtp.Reply{Code: 250}, nil
			},
			false: func(smtp.Mail) (smtp.Reply, error) {
				return smtp.Reply{}, &smtp.Error{Stage: smtp.StageMail, Local: true, Err: smtp.ErrNoRequireTLS}
			},
		}
		for domain, offered := range map[string]bool{"kann.example": true, "alt.example": false} {
			w.net.site(domain, &server{shows: []*x509.Certificate{cert.Leaf}, answer: offers[offered]})
			w.net.mx[domain][0].Secure = true
		}
		w.cfg.TLSPolicy = strict(t, w.net, pool)
		w.start()
		for domain, want := range map[string]event.State{"kann.example": event.Delivered, "alt.example": event.Bounced} {
			e := w.mail("r@" + domain)
			e.TLS = message.TLSDemanded
			w.submit(e)
			w.wantState(e, want)
			fact, a := w.attempt(e, 1)
			if a.TLSPolicy != "requiretls" || want == event.Bounced && (fact.Reason != "requiretls" || a.Enhanced != "5.7.30") {
				t.Errorf("%s: %s, %+v", domain, fact.Reason, a)
			}
		}
		w.end()
	})
}

// TestStrippedSTARTTLS is T34: what a server on the way can do to a session that
// must be encrypted, and what it must never see.
func TestStrippedSTARTTLS(t *testing.T) {
	for name, script := range map[string]string{
		"not offered":      "S: 220 mx.test\nC: EHLO out.stafette.example\nS: 250-mx.test\nS: 250 PIPELINING\n!end",
		"HELO only":        "S: 220 mx.test\nC: EHLO out.stafette.example\nS: 502 5.5.1 unknown\nC: HELO out.stafette.example\nS: 250 mx.test\n!end",
		"refused":          "S: 220 mx.test\nC: EHLO out.stafette.example\nS: 250-mx.test\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 4.7.0 TLS not available\n!end",
		"refused for good": "S: 220 mx.test\nC: EHLO out.stafette.example\nS: 250-mx.test\nS: 250 STARTTLS\nC: STARTTLS\nS: 554 5.7.3 no\n!end",
		"injected":         "S: 220 mx.test\nC: EHLO out.stafette.example\nS: 250-mx.test\nS: 250 STARTTLS\nC: STARTTLS\nS~ \"220 go\\r\\n250-mx.test\\r\\n250 AUTH\\r\\n\"\n!end",
	} {
		t.Run(name, func(t *testing.T) {
			mx, err := smtptest.Play(script)
			if err != nil {
				t.Fatal(err)
			}
			p := newGuardedPlant(t, []byte("Subject: Hallo\r\n\r\nGeheim\r\n"), nil,
				strict(t, newNetwork(), mx.Pool(), tlspolicy.Rule{Hop: mx.Addr()}), egress.Route{Domain: "kunde.example", NextHop: mx.Addr()})
			p.submit("r@kunde.example")
			s := <-p.store.settled
			if a := s.Event.Attempt; s.State != event.Deferred || s.Event.Reason != "tls_policy" || a.TLSPolicy != "required" || a.TLSResult == "" || a.TLS != "" {
				t.Errorf("%s, %s, %+v", s.State, s.Event.Reason, a)
			}
			if err := mx.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
