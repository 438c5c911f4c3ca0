package leadcase

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/openimmo"
	"stafette/internal/tenant"
)

// Evidence is what is known about a case at an instant. It has no addresses of people.
type Evidence struct {
	At time.Time
	// State and Reason are the lead's; "" if the case names none.
	State  lead.State
	Reason string
	Ways   []Way
	XML    XML
	Test   Test
	Others Others
}

// Way is what became of the mail to one recipient.
type Way struct {
	State  event.State
	Reason string // class of a refusal, why it is held
	Host   string // the receiving server
	Source string // the address it came from
	Reply  string // the server's own words, without the recipient's address
	At     time.Time
}

// XML is what is known of the attachment as it left.
type XML struct {
	SHA256 string // in hexadecimal; "" while there is none
	Bytes  int    // 0 once the content is gone
	Valid  bool   // it holds against the rules of its format now
	Same   bool   // its checksum is that of the one that was sent
	Gone   bool   // the content is no longer kept
}

// Test is the newest test lead to the advertiser.
type Test struct {
	Lead lead.ID `json:",omitzero"` // zero: there is none
	At   time.Time
	lead.Proven
}

// Others counts the advertiser's other leads of the two weeks before, the newest twenty.
type Others struct{ Leads, Delivered, Refused, UnderWay int }

const (
	othersWithin = 14 * 24 * time.Hour
	othersMax    = 20
	maxReply     = 400 // characters
)

// gather looks at everything that bears on a case. What is no longer there is left out.
func (s *Service) gather(ctx context.Context, c Case) (Evidence, error) {
	e := Evidence{At: s.now()}
	if !c.Lead.IsZero() {
		l, err := s.c.Leads.Lead(ctx, c.Tenant, c.Lead)
		if err != nil && !gone(err) {
			return e, fmt.Errorf("read lead of case: %w", err)
		}
		if err == nil {
			e.State, e.Reason = l.State, l.Reason
			if e.XML, err = s.attachment(ctx, l); err != nil {
				return e, err
			}
			if e.Ways, err = s.ways(ctx, l); err != nil {
				return e, err
			}
		}
	}
	var err error
	if e.Test, err = s.test(ctx, c.Tenant, c.Advertiser); err != nil {
		return e, err
	}
	e.Others, err = s.others(ctx, c)
	return e, err
}

func (s *Service) attachment(ctx context.Context, l lead.Lead) (x XML, err error) {
	if l.XML != ([32]byte{}) {
		x.SHA256 = hex.EncodeToString(l.XML[:])
	}
	_, raw, err := s.c.Leads.Open(ctx, l)
	switch f := fault.As(err); {
	case f != nil && f.Code == lead.CodeGone:
		x.Gone = true
		return x, nil
	case f != nil && f.Kind == fault.Invalid: // it cannot be written; that is what the lead stopped for
		return x, nil
	case err != nil:
		return x, fmt.Errorf("open lead of case: %w", err)
	}
	_, _, invalid := openimmo.Read(raw)
	x.Bytes, x.Valid, x.Same = len(raw), invalid == nil, sha256.Sum256(raw) == l.XML
	return x, nil
}

func (s *Service) ways(ctx context.Context, l lead.Lead) (list []Way, err error) {
	if l.Message.IsZero() {
		return nil, nil
	}
	m, err := s.c.Mail.Message(ctx, l.Tenant, l.Message)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read mail of case: %w", err)
	}
	events, err := s.c.Mail.Events(ctx, l.Tenant, l.Message)
	if err != nil {
		return nil, fmt.Errorf("read attempts of case: %w", err)
	}
	for _, d := range m.Deliveries {
		list = append(list, way(d, events))
	}
	return list, nil
}

// way is a delivery with the words of its last attempt.
func way(d insight.Delivery, events []event.Event) Way {
	w := Way{State: d.State, Reason: d.Reason, Host: d.Host, At: d.UpdatedAt}
	for _, e := range events {
		if e.Delivery != d.ID || e.Attempt == nil {
			continue
		}
		w.Source, w.Reply = e.Attempt.Source, e.Attempt.Reply
		if e.Attempt.MX != "" {
			w.Host = e.Attempt.MX
		}
	}
	w.Reply = without(w.Reply, d.Recipient.String())
	return w
}

// without takes an address out of a reply, in whatever case the server repeats it.
func without(reply, address string) string {
	low, find := strings.ToLower(reply), strings.ToLower(address)
	if len(low) == len(reply) && find != "" {
		var b strings.Builder
		for {
			at := strings.Index(low, find)
			if at < 0 {
				break
			}
			b.WriteString(reply[:at] + "…")
			reply, low = reply[at+len(find):], low[at+len(find):]
		}
		reply = b.String() + reply
	}
	if r := []rune(reply); len(r) > maxReply {
		reply = string(r[:maxReply]) + "…"
	}
	return reply
}

func (s *Service) test(ctx context.Context, t tenant.ID, advertiser string) (Test, error) {
	page, err := s.c.Leads.Leads(ctx, t, lead.Filter{Advertiser: advertiser, Tests: true, Limit: 2 * othersMax})
	if err != nil {
		return Test{}, fmt.Errorf("find test lead of case: %w", err)
	}
	for _, l := range page.Leads {
		if l.Test {
			p, err := s.c.Leads.Proven(ctx, t, l.ID)
			if err != nil {
				return Test{}, fmt.Errorf("read proof of test lead: %w", err)
			}
			return Test{Lead: l.ID, At: l.TakenAt, Proven: p}, nil
		}
	}
	return Test{}, nil
}

// others looks at what else went to the advertiser around the time of the report.
func (s *Service) others(ctx context.Context, c Case) (o Others, err error) {
	page, err := s.c.Leads.Leads(ctx, c.Tenant, lead.Filter{Advertiser: c.Advertiser, From: c.OpenedAt.Add(-othersWithin), Limit: othersMax})
	if err != nil {
		return o, fmt.Errorf("find other leads of case: %w", err)
	}
	for _, l := range page.Leads {
		if l.ID == c.Lead {
			continue
		}
		o.Leads++
		if l.Message.IsZero() {
			o.UnderWay++
			continue
		}
		m, err := s.c.Mail.Message(ctx, c.Tenant, l.Message)
		if gone(err) {
			continue
		}
		if err != nil {
			return o, fmt.Errorf("read other mail of case: %w", err)
		}
		switch worst(m.Deliveries) {
		case event.Delivered:
			o.Delivered++
		case event.Bounced, event.Expired:
			o.Refused++
		default:
			o.UnderWay++
		}
	}
	return o, nil
}

// worst is the state that stands for a mail to several recipients: refused by one, else
// under way to one.
func worst(list []insight.Delivery) event.State {
	state := event.Delivered
	for _, d := range list {
		switch d.State {
		case event.Delivered:
		case event.Bounced, event.Expired:
			return d.State
		default:
			state = d.State
		}
	}
	return state
}

// Step is what to do next in a case.
type Step string

// The steps.
const (
	StepStopped  Step = "stopped"  // put right what stopped the lead
	StepHeld     Step = "held"     // put right what holds the mail
	StepRefused  Step = "refused"  // pass the refusal on to the administrator, then send again
	StepWait     Step = "wait"     // it is still on its way
	StepStripped Step = "stripped" // it left whole; a filter takes attachments away
	StepCompare  Step = "compare"  // ask for the mail as it arrived, compare the checksum
	StepSearch   Step = "search"   // accepted: search there, with the server's own words
	StepTest     Step = "test"     // send a test lead
	StepConfirm  Step = "confirm"  // ask for the codes of the test lead
	StepArrived  Step = "arrived"  // the test lead arrived whole: send again, then close
	StepGone     Step = "gone"     // the content is gone: only new leads can show
	StepNothing  Step = "nothing"  // closed
)

// Next is the step that the evidence suggests.
func (c Case) Next() Step {
	e := c.Evidence
	switch {
	case c.State == Closed:
		return StepNothing
	case e.State == lead.Stopped, e.State == lead.Suspect:
		return StepStopped
	case e.has(event.Held):
		return StepHeld
	case e.has(event.Bounced), e.has(event.Expired):
		return StepRefused
	case e.has(event.Queued), e.has(event.Sending), e.has(event.Deferred):
		return StepWait
	case e.tested(c) && !e.Test.XML.IsZero() && !e.Test.Body.IsZero():
		return StepArrived
	case e.tested(c) && !e.Test.Body.IsZero():
		return StepStripped
	case e.tested(c):
		return StepConfirm
	case c.Kind == NoXML && !c.Lead.IsZero():
		return StepStripped
	case c.Kind == Damaged && e.XML.Gone:
		return StepGone
	case c.Kind == Damaged && !c.Lead.IsZero():
		return StepCompare
	case e.has(event.Delivered):
		return StepSearch
	}
	return StepTest
}

// tested reports whether a test lead was sent for the case, or since it was opened.
func (e Evidence) tested(c Case) bool {
	return !e.Test.Lead.IsZero() && (e.Test.Lead == c.Test || e.Test.At.After(c.OpenedAt))
}

func (e Evidence) has(state event.State) bool {
	for _, w := range e.Ways {
		if w.State == state {
			return true
		}
	}
	return false
}
