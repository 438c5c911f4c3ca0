package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/delivery"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/tenant"
)

// What only one delivery bears goes out before its mail and is signed with it, anew at
// each attempt; and mail whose domain is gone does not leave.
func TestOwnFieldsAndGoneDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var got []string
		w.net.site("kunde.example", &server{answer: func(m smtp.Mail) (smtp.Reply, error) {
			got = append(got, string(m.Parts[0])+string(m.Parts[1]))
			if len(got) == 1 {
				return smtp.Reply{}, refuse(smtp.StageRcpt, 450, "4.2.0", "later")
			}
			return smtp.Reply{Code: 250, Lines: []string{"taken"}}, nil
		}})
		w.cfg.OwnFields = func(e queue.Entry, mail []byte) []byte {
			if e.Recipient.Local != "eva" || len(mail) == 0 {
				return nil
			}
			return []byte("X-Own: 1\r\n")
		}
		signed := 0
		w.cfg.SignOwn = func(_ context.Context, _ queue.Entry, mail []byte) ([]byte, error) {
			signed++
			return fmt.Appendf(nil, "Signed: %s%d\r\n", mail[:len("X-Own: 1")], signed), nil
		}
		w.cfg.Sign = func(context.Context, queue.Entry, []byte) ([]byte, error) { return nil, delivery.ErrDomainGone }
		w.start()
		eva := w.mail("eva@kunde.example")
		w.submit(eva)
		time.Sleep(time.Hour)
		synctest.Wait()
		w.wantState(eva, event.Delivered)
		if want := []string{"Signed: X-Own: 11\r\nX-Own: 1\r\n", "Signed: X-Own: 12\r\nX-Own: 1\r\n"}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("sent %q", got)
		}
		gone := w.mail("max@kunde.example")
		w.submit(gone)
		w.wantState(gone, event.Held)
		if len(got) != 2 {
			t.Errorf("unsigned mail left: %q", got)
		}
		w.end()
	})
}

func TestSignerKnowsGoneDomains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there, asked := true, 0
		s := delivery.NewSigner(delivery.SignerConfig{Now: time.Now,
			Keys:   func(context.Context, tenant.ID, string) ([]tenant.DKIMKey, error) { return nil, nil },
			Exists: func(context.Context, tenant.ID, string) (bool, error) { asked++; return there, nil }})
		e := queue.Entry{SignDomain: "muster.example"}
		for range 3 {
			if fields, err := s.SignOwn(t.Context(), e, []byte("x")); err != nil || fields != nil {
				t.Errorf("without keys: %q, %v", fields, err)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times within a second", asked)
		}
		there = false
		time.Sleep(time.Second)
		if _, err := s.Sign(t.Context(), e, []byte("x")); !errors.Is(err, delivery.ErrDomainGone) || fault.As(err) != nil {
			t.Errorf("without a domain: %v", err)
		}
		there = true
		if _, err := s.SignOwn(t.Context(), e, []byte("x")); err != nil {
			t.Errorf("a domain that came back: %v", err)
		}
	})
}
