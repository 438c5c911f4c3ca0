package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/delivery"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/tenant"

	"github.com/google/go-cmp/cmp"
)

func TestDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{takes: 3 * time.Second})
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		time.Sleep(4 * time.Second)
		synctest.Wait()

		w.wantState(e, event.Delivered)
		ev, got := w.attempt(e, 1)
		want := event.Attempt{
			Number: 1, EHLO: "out.stafette.example", MX: "mx1.kunde.example", Address: "10.1.0.1:25",
			TLS: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Stage: "dot", Code: 250, Enhanced: "2.0.0", Reply: "taken",
			Outcome: event.OutcomeDelivered, Took: 3 * time.Second,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if ev.Type != event.Completed || ev.Message != message.Of(e.Delivery) || ev.Delivery != e.Delivery || ev.Actor != "system" || ev.ID.IsZero() {
			t.Errorf("event %+v", ev)
		}
		if data := w.net.received()[0].data; data != "DKIM-Signature: d=muster.example\r\nSubject: Hallo\r\n\r\nHallo\r\n" {
			t.Errorf("sent %q", data)
		}
		w.end()
	})
}

func TestNextHostWithinTheAttempt(t *testing.T) {
	down := func(smtp.Options) error {
		return &smtp.Error{Stage: smtp.StageConnect, Err: fmt.Errorf("dial: %w", syscall.ECONNREFUSED)}
	}
	busy := func(smtp.Options) error { return refuse(smtp.StageGreeting, 421, "4.3.2", "busy") }
	cut := func(smtp.Mail) (smtp.Reply, error) {
		return smtp.Reply{}, &smtp.Error{Stage: smtp.StageData, Err: io.ErrUnexpectedEOF}
	}
	for name, first := range map[string]*server{
		"refuses connections": {dial: down}, "is busy": {dial: busy}, "breaks off": {answer: cut},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.net.site("kunde.example", first, &server{})
				w.start()
				e := w.mail("eva@kunde.example")
				w.submit(e)
				w.wantState(e, event.Delivered)
				if _, a := w.attempt(e, 1); a.Number != 1 || a.MX != "mx2.kunde.example" {
					t.Errorf("attempt %d at %s, want the first at mx2", a.Number, a.MX)
				}
				w.end()
			})
		})
	}
}

func TestAddressesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.mx["kunde.example"] = []dns.MX{{Host: "mx.kunde.example", Preference: 10}}
		w.net.host("mx.kunde.example", "10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2")
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		var order []string
		for _, o := range w.net.dials {
			order = append(order, o.Address)
		}
		want := []string{"[fd00::1]:25", "10.0.0.1:25", "[fd00::2]:25", "10.0.0.2:25"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Error(diff)
		}
		if _, a := w.attempt(e, 1); a.Class != "connect_failed" || a.Scope != string(bounce.ScopeSite) || a.Local == "" {
			t.Errorf("attempt %+v", a)
		}
		w.end()
	})
}

func TestEncryptionFailureGoesOnInClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{dial: func(o smtp.Options) error {
			if o.TLS != smtp.TLSNone {
				return &smtp.Error{Stage: smtp.StageSTARTTLS, Err: errors.New("handshake failure")}
			}
			return nil
		}})
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		w.wantState(e, event.Delivered)
		_, a := w.attempt(e, 1)
		if a.TLS != "" || !strings.Contains(a.Local, "handshake failure") || w.net.dialled() != 2 {
			t.Errorf("after %d dials: %+v", w.net.dialled(), a)
		}
		w.end()
	})
}

func TestRefusedSourceGivesWayToAnother(t *testing.T) {
	for _, stage := range []smtp.Stage{smtp.StageGreeting, smtp.StageRcpt} {
		t.Run(string(stage), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.plan = egress.EqualPlan(
					egress.Source{IP: netip.MustParseAddr("10.9.9.1"), EHLO: "a.stafette.example"},
					egress.Source{IP: netip.MustParseAddr("10.9.9.2"), EHLO: "b.stafette.example"})
				blocked, _ := newFleet(t, w.plan, w.limits, "").Choose(egress.Wish{Tenant: tenantA})
				blockAtGreeting := func(o smtp.Options) error {
					if o.EHLO == blocked.EHLO && stage == smtp.StageGreeting {
						return refuse(stage, 554, "5.7.1", "blocked using a list")
					}
					return nil
				}
				calls := 0
				w.net.site("kunde.example", &server{dial: blockAtGreeting, answer: func(smtp.Mail) (smtp.Reply, error) {
					if calls++; calls == 1 && stage == smtp.StageRcpt {
						return smtp.Reply{}, refuse(stage, 554, "5.7.1", "blocked using a list")
					}
					return smtp.Reply{Code: 250}, nil
				}})
				w.start()
				e := w.mail("eva@kunde.example")
				w.submit(e)
				w.wantState(e, event.Delivered)
				_, a := w.attempt(e, 1)
				if a.EHLO == blocked.EHLO || a.Source == blocked.IP.String() || !strings.Contains(a.Local, "blocked using a list") {
					t.Errorf("attempt %+v, want the other source and a note of the first", a)
				}
				w.end()
			})
		})
	}
}

func TestBouncedWhenEverySourceIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{dial: func(smtp.Options) error { return refuse(smtp.StageGreeting, 554, "5.7.1", "blocked") }})
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		w.wantState(e, event.Bounced)
		if _, a := w.attempt(e, 1); a.Scope != string(bounce.ScopeSource) || a.Code != 554 || a.Stage != "greeting" {
			t.Errorf("attempt %+v", a)
		}
		w.end()
	})
}

func TestNowhereToGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cfg.Hostnames = []string{"MX.Stafette.example"}
		source := netip.MustParseAddr("10.9.9.9")
		w.plan = egress.EqualPlan(egress.Source{IP: source, EHLO: "out.stafette.example"})
		w.cfg.Guard = egress.NewGuard(egress.Rules{Sources: w.plan.Sources})
		n := w.net
		n.mxErr["nomail.example"] = dns.ErrNoMail
		n.mxErr["nohost.example"] = dns.ErrNoHost
		n.mxErr["silent.example"] = fmt.Errorf("ask: %w", dns.ErrTemporary)
		n.mx["loop.example"] = []dns.MX{{Host: "mx.stafette.example", Preference: 10}, {Host: "backup.example", Preference: 20}}
		n.mx["loopaddr.example"] = []dns.MX{{Host: "mx.loopaddr.example"}}
		n.host("mx.loopaddr.example", source.String())
		n.mx["private.example"] = []dns.MX{{Host: "mx.private.example"}}
		n.host("mx.private.example", "127.0.0.1", "169.254.169.254")
		n.mx["dangling.example"] = []dns.MX{{Host: "mx.dangling.example"}}
		n.mx["v6only.example"] = []dns.MX{{Host: "mx.v6only.example"}}
		n.host("mx.v6only.example", "2a00:1450::1")
		w.start()

		tests := []struct {
			domain, class, enhanced string
			state                   event.State
		}{
			{"unknown.example", "dns_no_domain", "5.1.2", event.Bounced},
			{"nomail.example", "domain_no_mail", "5.1.10", event.Bounced},
			{"nohost.example", "dns_no_host", "5.4.4", event.Bounced},
			{"silent.example", "dns_failed", "4.4.3", event.Deferred},
			{"loop.example", "mail_loop", "5.4.6", event.Bounced},
			{"loopaddr.example", "mail_loop", "5.4.6", event.Bounced},
			{"private.example", "system_error", "5.7.1", event.Bounced},
			{"dangling.example", "dns_no_host", "5.4.4", event.Bounced},
			{"v6only.example", "connect_failed", "4.4.1", event.Deferred},
		}
		for _, tt := range tests {
			e := w.mail("eva@" + tt.domain)
			w.submit(e)
			w.wantState(e, tt.state)
			ev, a := w.attempt(e, 1)
			if a.Class != tt.class || a.Enhanced != tt.enhanced || ev.Reason != tt.class || a.Local == "" {
				t.Errorf("%s: %+v", tt.domain, a)
			}
		}
		if n := w.net.dialled(); n != 0 {
			t.Errorf("%d connections tried", n)
		}
		w.end()
	})
}

func TestNearerHostsBeforeOurselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		w.net.mx["kunde.example"] = append(w.net.mx["kunde.example"], dns.MX{Host: "out.stafette.example", Preference: 20}, dns.MX{Host: "far.example", Preference: 30})
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		w.wantState(e, event.Delivered)
		w.end()
	})
}

func TestLostReplyIsUncertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		lose := true
		w.net.site("kunde.example", &server{answer: func(smtp.Mail) (smtp.Reply, error) {
			if lose {
				lose = false
				return smtp.Reply{}, &smtp.Error{Stage: smtp.StageDot, Uncertain: true, Err: io.EOF}
			}
			return smtp.Reply{Code: 250}, nil
		}}, &server{})
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		w.wantState(e, event.Deferred)
		if _, a := w.attempt(e, 1); a.Outcome != event.OutcomeUncertain || a.NextAt.IsZero() || a.Stage != "dot" {
			t.Errorf("attempt %+v", a)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		w.wantState(e, event.Delivered)
		got := w.net.received()
		if len(got) != 2 || got[0].data != got[1].data {
			t.Errorf("the copy differs from the first: %+v", got)
		}
		w.end()
	})
}

func TestChangedMailNeverLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		w.start()
		gone, corrupt, changed, unreadable := w.mail("gone@kunde.example"), w.mail("corrupt@kunde.example"),
			w.mail("changed@kunde.example"), w.mail("unreadable@kunde.example")
		w.bodies.drop(gone.Body.Message)
		w.bodies.put(corrupt.Body.Message, "corrupt")
		w.bodies.put(unreadable.Body.Message, "unreadable")
		changed.Digests = []message.Digest{{Filename: "Exposé.pdf"}}
		w.submit(gone, corrupt, changed, unreadable)
		for _, tt := range []struct {
			e      queue.Entry
			state  event.State
			reason string
		}{
			{gone, event.Held, "body_gone"}, {corrupt, event.Held, "body_corrupt"},
			{changed, event.Held, "attachment_changed"}, {unreadable, event.Deferred, "local_error"},
		} {
			w.wantState(tt.e, tt.state)
			if ev, _ := w.attempt(tt.e, 1); ev.Reason != tt.reason {
				t.Errorf("%s: reason %q, want %q", tt.e.Recipient.Local, ev.Reason, tt.reason)
			}
		}
		if got := w.net.received(); len(got) != 0 {
			t.Errorf("sent %+v", got)
		}
		w.end()
	})
}

// The gate of a stream is asked at the moment of sending, and of that stream alone.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		w.cfg.Gate = map[tenant.Stream]func([]byte) error{tenant.Lead: func(raw []byte) error {
			if bytes.Contains(raw, []byte("xml")) {
				return nil
			}
			return fault.New(fault.Invalid, "lead_xml_missing", "no XML")
		}}
		w.start()
		good, bad, other := w.mail("good@kunde.example"), w.mail("bad@kunde.example"), w.mail("other@kunde.example")
		good.Stream, bad.Stream = tenant.Lead, tenant.Lead
		w.bodies.put(good.Body.Message, "X-Part: xml\r\n"+mailText)
		w.submit(good, bad, other)
		w.wantState(good, event.Delivered)
		w.wantState(other, event.Delivered)
		w.wantState(bad, event.Held)
		if ev, _ := w.attempt(bad, 1); ev.Reason != "lead_xml_missing" {
			t.Errorf("reason %q", ev.Reason)
		}
		w.end()
	})
}

func TestUnsignableMailWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		w.cfg.Sign = func(context.Context, queue.Entry, []byte) ([]byte, error) {
			return nil, errors.New("key cannot be opened")
		}
		w.start()
		e := w.mail("eva@kunde.example")
		w.submit(e)
		w.wantState(e, event.Deferred)
		if _, a := w.attempt(e, 1); a.Class != "local_error" || strings.Contains(a.Local, "key cannot") {
			t.Errorf("attempt %+v", a)
		}
		w.end()
	})
}

func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.site("kunde.example", &server{})
		w.net.mx["private.example"] = []dns.MX{{Host: "mx.private.example"}}
		w.net.host("mx.private.example", "127.0.0.1")
		w.start()
		w.submit(w.mail("eva@kunde.example"))
		ask := func(domain string) egress.Explanation {
			return w.engine.Explain(t.Context(), delivery.Question{Domain: domain})
		}
		x := ask("kunde.example")
		want := egress.Explanation{
			Domain: "kunde.example", Site: "mx1.kunde.example", Pool: "default", Live: true,
			Hosts:   []egress.HostState{{Host: "mx1.kunde.example", Addresses: []string{"10.1.0.1:25"}}},
			Sources: []egress.SourceChoice{{Source: "any", EHLO: "out.stafette.example", State: egress.StateActive, Share: 1}},
			Lanes:   []egress.LaneState{{Source: "any", Site: "mx1.kunde.example", Connections: 1, Limit: 3, LastReply: "taken"}},
		}
		x.Limits, x.Lanes[0].Limits, x.Lanes[0].Counters = nil, nil, nil // TestExplainLimits
		if diff := cmp.Diff(want, x); diff != "" {
			t.Error(diff)
		}
		if x := ask("private.example"); x.Hosts[0].Problem == "" || len(x.Hosts[0].Addresses) != 0 {
			t.Errorf("private host: %+v", x)
		}
		if x := ask("unknown.example"); x.Problem == "" {
			t.Errorf("unknown domain: %+v", x)
		}
		if w.net.dialled() != 1 {
			t.Error("Explain connected")
		}
		w.end()
	})
}
