package affected

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
)

var start = time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC)

// both is a changeover from 192.0.2.1 to 192.0.2.2.
func both(source string) (isNew, used bool) {
	return source == "192.0.2.2", source == "192.0.2.1" || source == "192.0.2.2"
}

// mails feeds n deliveries over a source: each ends with the outcome after so long.
func mails(l *ledger, n int, source string, outcome event.Outcome, took time.Duration) {
	for range n {
		d := message.Delivery(message.NewID(start), 1)
		to := message.Address{Local: "it", Domain: "makler.example"}
		first := Step{Delivery: d, Recipient: to, At: start.Add(time.Second), Attempt: event.Attempt{Source: source, MX: "mx", Outcome: outcome, Took: time.Second}}
		list := []Step{first}
		if took > 0 {
			list[0].Attempt.Outcome = event.OutcomeDeferred
			again := first
			again.At = start.Add(took)
			list = append(list, again)
		}
		l.add(list)
	}
}

func TestComparison(t *testing.T) {
	const was, is = "192.0.2.1", "192.0.2.2"
	for name, c := range map[string]struct {
		feed func(*ledger)
		want []Verdict
	}{
		"alike": {func(l *ledger) {
			mails(l, 20, was, event.OutcomeDelivered, 0)
			mails(l, 20, is, event.OutcomeDelivered, 0)
		}, []Verdict{Alike}},
		"too few new": {func(l *ledger) {
			mails(l, 90, was, event.OutcomeDelivered, 0)
			mails(l, 19, is, event.OutcomeBounced, 0)
		}, []Verdict{TooFew}},
		"too few old": {func(l *ledger) {
			mails(l, 19, was, event.OutcomeDelivered, 0)
			mails(l, 90, is, event.OutcomeBounced, 0)
		}, []Verdict{TooFew}},
		"refused": {func(l *ledger) {
			mails(l, 40, was, event.OutcomeDelivered, 0)
			mails(l, 30, is, event.OutcomeDelivered, 0)
			mails(l, 2, is, event.OutcomeBounced, 0)
		}, []Verdict{Refused}},
		"refused by both": {func(l *ledger) { mails(l, 40, was, event.OutcomeBounced, 0); mails(l, 40, is, event.OutcomeBounced, 0) }, []Verdict{Alike}},
		"deferred": {func(l *ledger) {
			mails(l, 30, was, event.OutcomeDelivered, 0)
			mails(l, 26, is, event.OutcomeDelivered, 0)
			mails(l, 4, is, event.OutcomeDelivered, 5*time.Second)
		}, []Verdict{Deferred}},
		"slower": {func(l *ledger) {
			mails(l, 20, was, event.OutcomeDelivered, time.Minute)
			mails(l, 20, is, event.OutcomeDelivered, 3*time.Minute)
		}, []Verdict{Slower}},
		"slower by little": {func(l *ledger) {
			mails(l, 20, was, event.OutcomeDelivered, 10*time.Second)
			mails(l, 20, is, event.OutcomeDelivered, 40*time.Second)
		}, []Verdict{Alike}},
		"other sources": {func(l *ledger) { mails(l, 90, "192.0.2.9", event.OutcomeBounced, 0) }, nil},
		"saved by old ones": {func(l *ledger) {
			mails(l, 40, was, event.OutcomeDelivered, 0)
			for range 40 {
				d := message.Delivery(message.NewID(start), 1)
				step := Step{Delivery: d, Recipient: message.Address{Local: "it", Domain: "makler.example"}, At: start}
				refusal, rescue := step, step
				refusal.Attempt = event.Attempt{Source: is, Outcome: event.OutcomeDeferred, Code: 554, Scope: "source", Reply: "no"}
				rescue.Attempt = event.Attempt{Source: was, Outcome: event.OutcomeDelivered, Code: 250}
				l.add([]Step{refusal, rescue})
			}
		}, []Verdict{Refused, Deferred}},
	} {
		l := newLedger(both)
		c.feed(l)
		f := l.finding()
		var got []Verdict
		if len(f.Sites) > 0 {
			got = f.Sites[0].Verdicts
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v (%+v)", name, got, c.want, f.Sites)
		}
		if name == "saved by old ones" && (f.Blamed.Count != 40 || f.Sites[0].New.Accepted != 0 || len(f.Sites[0].Evidence) != 3) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestProblemsStatesAndSteps(t *testing.T) {
	now, fresh := start.Add(48*time.Hour), []string{"a", "b"}
	sent := Test{Source: "a", SentAt: start}
	text, whole := sent, sent
	text.BodyAt = start.Add(time.Hour)
	whole.BodyAt, whole.XMLAt = start.Add(time.Hour), start.Add(time.Hour)
	other := whole
	other.Source = "b"
	blamed := Finding{Blamed: Blame{Count: 1, At: start}}
	told := Customer{InformedAt: start}
	with := func(c Customer, change func(*Customer)) Customer { change(&c); return c }
	for name, c := range map[string]struct {
		Customer
		problem Problem
		state   State
		next    Advice
	}{
		"nothing known":  {Customer{}, NoProblem, NotInformed, Nothing},
		"blamed":         {Customer{Finding: blamed}, BlamesNew, NotInformed, Tell},
		"blamed, told":   {with(told, func(c *Customer) { c.Finding = blamed }), BlamesNew, Informed, AskForIT},
		"blamed, proven": {with(told, func(c *Customer) { c.Finding = blamed; c.Tests = []Test{whole, other} }), NoProblem, Finished, Nothing},
		"half a test":    {with(told, func(c *Customer) { c.Tests = []Test{text} }), XMLMissing, Informed, AskForIT},
		"one of two":     {with(told, func(c *Customer) { c.Tests = []Test{whole} }), NoProblem, Tested, Remind},
		"reported":       {with(told, func(c *Customer) { c.Finding = Finding{Cases: 1, CaseAt: start} }), XMLMissing, Informed, AskForIT},
		"silent test":    {with(told, func(c *Customer) { c.Tests = []Test{sent} }), TestSilent, Informed, Remind},
		"keeps lists":    {Customer{Lists: true}, AdmitsByList, NotInformed, Tell},
		"lists, said so": {with(told, func(c *Customer) { c.Lists, c.Answer = true, Added }), NoProblem, Confirmed, TestNow},
		"not concerned":  {with(told, func(c *Customer) { c.Answer = NotConcerned }), NoProblem, Unconcerned, Nothing},
		"needs old":      {with(told, func(c *Customer) { c.NeedsOld = true }), NoProblem, OnOld, KeepOld},
		"settled":        {with(told, func(c *Customer) { c.NeedsOld, c.Settled = true, now }), NoProblem, Finished, Nothing},
		"slower":         {with(told, func(c *Customer) { c.Finding.Sites = []Comparison{{Verdicts: []Verdict{Slower}}} }), IsSlower, Informed, Watch},
		"too few":        {Customer{Finding: Finding{Sites: []Comparison{{Verdicts: []Verdict{TooFew}}}}}, NoProblem, NotInformed, Nothing},
	} {
		if p, s, n := c.Problem(now), c.State(fresh), c.Next(fresh, now); p != c.problem || s != c.state || n != c.next {
			t.Errorf("%s: %q %q %q, want %q %q %q", name, p, s, n, c.problem, c.state, c.next)
		}
	}
}

func TestParseList(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []Listed
		code string
	}{
		"semicolons": {"\ufeffNummer;Woher\r\n4711;laut Anruf\r\n;leer\r\n", []Listed{{"4711", "laut Anruf"}}, ""},
		"tabs":       {"4711\tnote, with comma\n", []Listed{{"4711", "note, with comma"}}, ""},
		"one column": {"lund.example\n", []Listed{{"lund.example", ""}}, ""},
		"control":    {"4711;a\x1b[31mb\n", []Listed{{"4711", "a [31mb"}}, ""},
		"empty":      {"Nummer\n", nil, "customers_empty"},
		"not text":   {"\xff", nil, "customers_encoding"},
		"long key":   {strings.Repeat("x", 201), nil, "customers_malformed"},
		"many":       {strings.Repeat("1\n", 10_002), nil, "customers_malformed"},
		"large":      {strings.Repeat("1", MaxList+1), nil, "customers_too_large"},
	} {
		got, err := ParseList([]byte(c.text))
		if !slices.Equal(got, c.want) || (err == nil) != (c.code == "") || err != nil && !strings.Contains(err.Error(), c.code) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte("Nummer;Woher\n4711;\"laut \"\"Anruf\"\"\"\n"))
	f.Add([]byte("a\tb\r\n\x00\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := ParseList(raw)
		if err == nil && (len(list) == 0 || len(list) > maxListLines+1) {
			t.Errorf("%d lines without an error", len(list))
		}
		for _, one := range list {
			if Line(one.Key, maxKey) != one.Key || Line(one.Note, maxNote) != one.Note {
				t.Errorf("%q", one)
			}
		}
	})
}
