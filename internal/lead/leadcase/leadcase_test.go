package leadcase_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadtest"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// world is the cases over leads and mail that the test writes down.
type world struct {
	*testing.T
	cases *leadcase.Service
	store *leadtest.Cases
	now   time.Time
	owner tenant.ID

	leads  []lead.Lead
	proven lead.Proven
	mail   map[message.ID]insight.Message
	facts  []event.Event
	opened error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: &leadtest.Cases{}, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), mail: map[message.ID]insight.Message{}}
	w.owner = id.New[tenant.Kind](w.now)
	w.cases = leadcase.New(leadcase.Config{Store: w.store, Leads: w, Mail: w, Keeper: keeper, Now: func() time.Time { return w.now }})
	return w
}

func (w *world) Lead(_ context.Context, _ tenant.ID, number lead.ID) (lead.Lead, error) {
	for _, l := range w.leads {
		if l.ID == number {
			return l, nil
		}
	}
	return lead.Lead{}, fault.New(fault.NotFound, "lead_not_found", "")
}

func (w *world) Leads(_ context.Context, _ tenant.ID, f lead.Filter) (page lead.Page, err error) {
	for _, l := range w.leads {
		if !l.Test || f.Tests {
			page.Leads = append([]lead.Lead{l}, page.Leads...)
		}
	}
	return page, nil
}

func (w *world) Open(context.Context, lead.Lead) (lead.Enquiry, []byte, error) {
	return lead.Enquiry{}, []byte("<x/>"), w.opened
}

func (w *world) Proven(context.Context, tenant.ID, lead.ID) (lead.Proven, error) {
	return w.proven, nil
}

func (w *world) Message(_ context.Context, _ tenant.ID, m message.ID) (insight.Message, error) {
	one, ok := w.mail[m]
	if !ok {
		return one, fault.New(fault.NotFound, "message_not_found", "")
	}
	return one, nil
}

func (w *world) Events(context.Context, tenant.ID, message.ID) ([]event.Event, error) {
	return w.facts, nil
}

// sent adds a lead whose mail reached a state, with the server's words.
func (w *world) sent(state event.State, reply string) lead.Lead {
	w.now = w.now.Add(time.Minute)
	m := message.NewID(w.now)
	l := lead.Lead{ID: id.New[lead.Kind](w.now), Tenant: w.owner, Advertiser: "4711", Object: "MA-1", State: lead.Sent, Message: m, XML: [32]byte{1}, TakenAt: w.now}
	d := insight.Delivery{ID: message.Delivery(m, 1), Recipient: message.Address{Local: "anfragen", Domain: "makler.example"}, State: state, UpdatedAt: w.now}
	w.mail[m] = insight.Message{ID: m, Deliveries: []insight.Delivery{d}}
	w.facts = append(w.facts, event.Event{Message: m, Delivery: d.ID, Attempt: &event.Attempt{Number: 1, Source: "192.0.2.1", MX: "mx.makler.example", Reply: reply}})
	w.leads = append(w.leads, l)
	return l
}

func (w *world) report(r leadcase.Report) leadcase.Case {
	w.Helper()
	c, err := w.cases.Report(w.Context(), w.owner, r)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func TestReportGathersWhatIsKnown(t *testing.T) {
	w := newWorld(t)
	w.sent(event.Delivered, "250 ok")
	l := w.sent(event.Bounced, "550 5.7.1 <Anfragen@Makler.Example>: 192.0.2.1 not allowed")
	c := w.report(leadcase.Report{Kind: leadcase.Missing, Lead: &l, Advertiser: "4711", Text: "Nichts da."})
	e := c.Evidence
	if c.Number != 1 || c.Object != "MA-1" || !c.ByAdvertiser || e.State != lead.Sent || e.XML.SHA256 == "" || e.XML.Valid || e.XML.Same {
		t.Errorf("case %+v", c)
	}
	if len(e.Ways) != 1 || e.Ways[0].Reply != "550 5.7.1 <…>: 192.0.2.1 not allowed" || e.Ways[0].Host != "mx.makler.example" {
		t.Errorf("ways %+v", e.Ways)
	}
	if e.Others != (leadcase.Others{Leads: 1, Delivered: 1}) || !e.Test.Lead.IsZero() {
		t.Errorf("others %+v, test %+v", e.Others, e.Test)
	}
	again := w.report(leadcase.Report{Kind: leadcase.Missing, Lead: &l, Advertiser: "4711", Text: "Noch immer nichts."})
	got, notes, err := w.cases.Case(t.Context(), w.owner, c.ID)
	if err != nil || again.ID != c.ID || len(notes) != 2 || notes[1].Text != "Noch immer nichts." || got.State != leadcase.Open {
		t.Errorf("reported twice: %v, %+v, %v", again.Number, notes, err)
	}
	if bytes.Contains(notes[0].Sealed, []byte("Nichts")) {
		t.Error("a note is not sealed")
	}
	mine, err := w.cases.CasesOf(t.Context(), w.owner, "4711")
	if err != nil || len(mine) != 1 {
		t.Errorf("of the advertiser: %+v, %v", mine, err)
	}
	list, err := leadcase.Waiting{Store: w.store}.Todos(t.Context(), w.owner, w.now)
	if err != nil || len(list) != 1 || list[0].Kind != "lead_cases" {
		t.Errorf("to do %+v, %v", list, err)
	}
}

func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		kind  leadcase.Kind
		state event.State
		then  func(*world, *lead.Lead)
		want  leadcase.Step
	}{
		"refused": {leadcase.Missing, event.Bounced, nil, leadcase.StepRefused}, "given up": {leadcase.Missing, event.Expired, nil, leadcase.StepRefused},
		"under way": {leadcase.Missing, event.Deferred, nil, leadcase.StepWait}, "held": {leadcase.Refused, event.Held, nil, leadcase.StepHeld},
		"stripped": {leadcase.NoXML, event.Delivered, nil, leadcase.StepStripped}, "damaged": {leadcase.Damaged, event.Delivered, nil, leadcase.StepCompare},
		"vanished": {leadcase.Vanished, event.Delivered, nil, leadcase.StepSearch},
		"gone":     {leadcase.Damaged, event.Delivered, func(w *world, _ *lead.Lead) { w.opened = fault.New(fault.NotFound, lead.CodeGone, "") }, leadcase.StepGone},
		"stopped":  {leadcase.Missing, event.Delivered, func(w *world, l *lead.Lead) { l.State, w.leads[0].State = lead.Stopped, lead.Stopped }, leadcase.StepStopped},
		"erased":   {leadcase.Missing, event.Delivered, func(w *world, _ *lead.Lead) { w.mail = nil }, leadcase.StepTest},
	} {
		w := newWorld(t)
		l := w.sent(c.state, "x")
		if c.then != nil {
			c.then(w, &l)
		}
		if got := w.report(leadcase.Report{Kind: c.kind, Lead: &l, Advertiser: "4711"}); got.Next() != c.want {
			t.Errorf("%s: %s", name, got.Next())
		}
	}
}

// A case goes from the report through a test lead to its end.
func TestTestLeadMovesACase(t *testing.T) {
	w := newWorld(t)
	c := w.report(leadcase.Report{Kind: leadcase.NoXML, Advertiser: "4711", Actor: "usr_1"})
	step := func() leadcase.Step {
		t.Helper()
		got, _, err := w.cases.Case(t.Context(), w.owner, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.Next()
	}
	if step() != leadcase.StepTest {
		t.Errorf("first %s", step())
	}
	test := w.sent(event.Delivered, "250 ok")
	w.leads[len(w.leads)-1].Test = true
	if err := w.cases.Tested(t.Context(), w.owner, c.ID, test.ID); err != nil || step() != leadcase.StepConfirm {
		t.Errorf("tested %s, %v", step(), err)
	}
	for _, one := range []struct {
		proven lead.Proven
		want   leadcase.Step
	}{{lead.Proven{Body: w.now}, leadcase.StepStripped}, {lead.Proven{Body: w.now, XML: w.now}, leadcase.StepArrived}} {
		w.proven = one.proven
		if err := w.cases.Look(t.Context(), w.owner, c.ID); err != nil || step() != one.want {
			t.Errorf("%+v: %s, %v", one.proven, step(), err)
		}
	}
	if err := w.cases.Close(t.Context(), w.owner, c.ID, "usr_1", leadcase.Redelivered, "Alles da."); err != nil || step() != leadcase.StepNothing {
		t.Errorf("closed %s, %v", step(), err)
	}
	if err := w.cases.Close(t.Context(), w.owner, c.ID, "usr_1", leadcase.Redelivered, ""); fault.As(err) == nil || fault.As(err).Code != leadcase.CodeClosed {
		t.Errorf("closed again: %v", err)
	}
	w.now = w.now.Add(leadcase.NotesKept + time.Hour)
	if err := w.cases.Drop(t.Context(), w.now); err != nil {
		t.Fatal(err)
	}
	if _, notes, err := w.cases.Case(t.Context(), w.owner, c.ID); err != nil || notes[1].Text != "" || notes[1].Sealed != nil {
		t.Errorf("words outlive their time: %+v, %v", notes, err)
	}
}

func TestRefusedReports(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		r     leadcase.Report
		field string
	}{
		"kind": {leadcase.Report{Kind: "x"}, "kind"}, "object": {leadcase.Report{Kind: leadcase.Missing, Object: "a\r\nb"}, "object"},
		"text": {leadcase.Report{Kind: leadcase.Missing, Text: strings.Repeat("ä", 4001)}, "text"},
		"span": {leadcase.Report{Kind: leadcase.Missing, From: w.now, To: w.now.Add(-time.Hour)}, "from"},
	} {
		if _, err := w.cases.Report(t.Context(), w.owner, c.r); fault.As(err) == nil || fault.As(err).Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.cases.Say(t.Context(), w.owner, leadcase.ID{1}, "usr_1", " "); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("empty note: %v", err)
	}
	if err := w.cases.Close(t.Context(), w.owner, leadcase.ID{1}, "usr_1", "x", ""); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("outcome: %v", err)
	}
}
