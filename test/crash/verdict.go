package crash

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/test/load/ledger"
	"stafette/test/load/sink"
)

// State is what a server says of a delivery, in the words of package event; "" is
// a delivery it does not know.
type State string

// final reports whether nothing more will happen to the delivery.
func (s State) final() bool {
	switch s {
	case "delivered", "bounced", "expired", "suppressed", "cancelled":
		return true
	}
	return false
}

// waiting reports whether the server still keeps the delivery.
func (s State) waiting() bool {
	switch s {
	case "queued", "sending", "deferred", "held":
		return true
	}
	return false
}

// Verdict compares what was acknowledged with what became of it.
type Verdict struct {
	Acknowledged int
	States       map[State]int // what the server says, over all acknowledged
	// Lost were acknowledged, did not arrive and are not kept.
	Lost []string
	// Invented are said to be delivered and did not arrive.
	Invented []string
	// Wronged were given up although nobody refused them for good.
	Wronged []string
	// Unsettled arrived, and the server does not say so.
	Unsettled []string
	// Damaged arrived torn or mixed up.
	Damaged []string
	// Duplicates counts receipts beyond the first; Excess is how many of them are
	// more than crashes excuse.
	Duplicates, Excess int
	// Objections are broken promises that show in behaviour, not in the books.
	Objections []string
	// Healed is the longest that it took until mail was taken again after a disk had
	// been full or a database gone.
	Healed time.Duration
}

// Evidence is what a verdict is made of.
type Evidence struct {
	Ledger   []ledger.Entry
	Receipts map[string]int
	Damaged  []string
	States   map[string]State // by token
	Sink     sink.Config
	// Excused is how many duplicates the crashes of the trial may have caused.
	Excused    int
	Objections []string
	Healed     time.Duration
}

// Judge applies the promises of design, section 5, to the evidence.
func Judge(e Evidence) Verdict {
	v := Verdict{States: map[State]int{}, Damaged: e.Damaged, Objections: e.Objections, Healed: e.Healed}
	for _, entry := range e.Ledger {
		token := entry.Token
		state, arrived := e.States[token], e.Receipts[token] > 0
		v.Acknowledged++
		v.States[state]++
		switch {
		case arrived && state != "delivered":
			v.Unsettled = append(v.Unsettled, token)
		case arrived || state.waiting():
		case state == "delivered":
			v.Invented = append(v.Invented, token)
		case state.final() && e.Sink.FateOf(token) != sink.Refused:
			v.Wronged = append(v.Wronged, token)
		case !state.final():
			v.Lost = append(v.Lost, token)
		}
	}
	for _, n := range e.Receipts {
		v.Duplicates += n - 1
	}
	v.Excess = max(0, v.Duplicates-e.Excused)
	return v
}

// Err is nil if every promise was kept.
func (v Verdict) Err() error {
	var charges []string
	for _, c := range []struct {
		name   string
		tokens []string
	}{{"lost", v.Lost}, {"said to be delivered but never received", v.Invented}, {"given up without a refusal", v.Wronged},
		{"received but not said to be delivered", v.Unsettled}, {"damaged", v.Damaged}} {
		if len(c.tokens) > 0 {
			some := slices.Sorted(slices.Values(c.tokens))
			charges = append(charges, fmt.Sprintf("%d %s (%s)", len(c.tokens), c.name, strings.Join(some[:min(3, len(some))], ", ")))
		}
	}
	if v.Excess > 0 {
		charges = append(charges, fmt.Sprintf("%d duplicates, %d more than crashes excuse", v.Duplicates, v.Excess))
	}
	charges = append(charges, v.Objections...)
	if len(charges) == 0 {
		return nil
	}
	return fmt.Errorf("of %d acknowledged: %s", v.Acknowledged, strings.Join(charges, "; "))
}

// String sums the verdict up in a line.
func (v Verdict) String() string {
	var states []string
	for s, n := range v.States {
		if s == "" {
			s = "unknown"
		}
		states = append(states, fmt.Sprintf("%d %s", n, s))
	}
	slices.Sort(states)
	text := fmt.Sprintf("%d acknowledged: %s; %d lost, %d duplicates", v.Acknowledged, strings.Join(states, ", "), len(v.Lost)+len(v.Invented), v.Duplicates)
	if v.Healed > 0 {
		text += fmt.Sprintf(", mail taken again after %v at most", v.Healed.Round(time.Millisecond))
	}
	return text
}
