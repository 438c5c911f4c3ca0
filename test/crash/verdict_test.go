package crash

import (
	"strings"
	"testing"

	"stafette/test/load/ledger"
	"stafette/test/load/sink"
)

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		state    State
		receipts int
		refuse   int // percent refused for good by the sink
		excused  int
		charge   string
	}{
		"delivered and received":         {state: "delivered", receipts: 1},
		"still queued":                   {state: "queued"},
		"deferred":                       {state: "deferred"},
		"held":                           {state: "held"},
		"bounced after a refusal":        {state: "bounced", refuse: 100},
		"twice, excused":                 {state: "delivered", receipts: 2, excused: 1},
		"twice, not excused":             {state: "delivered", receipts: 2, charge: "1 duplicates, 1 more"},
		"unknown and not received":       {charge: "1 lost"},
		"of a state that does not exist": {state: "vanished", charge: "1 lost"},
		"delivered and not received":     {state: "delivered", charge: "never received"},
		"bounced without a refusal":      {state: "bounced", charge: "without a refusal"},
		"expired without a refusal":      {state: "expired", charge: "without a refusal"},
		"received and still queued":      {state: "queued", receipts: 1, charge: "not said to be delivered"},
		"received and unknown":           {receipts: 1, charge: "not said to be delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			e := Evidence{Ledger: []ledger.Entry{{Token: "c.1"}}, States: map[string]State{"c.1": c.state}, Receipts: map[string]int{},
				Sink: sink.Config{Permanent: c.refuse}, Excused: c.excused}
			if c.receipts > 0 {
				e.Receipts["c.1"] = c.receipts
			}
			err := Judge(e).Err()
			if (err == nil) != (c.charge == "") || err != nil && !strings.Contains(err.Error(), c.charge) {
				t.Errorf("verdict %v, want %q", err, c.charge)
			}
		})
	}
}

// What nobody acknowledged may be lost, and may arrive.
func TestJudgeIgnoresUnacknowledged(t *testing.T) {
	v := Judge(Evidence{Receipts: map[string]int{"c.1": 1}, States: map[string]State{}})
	if err := v.Err(); err != nil || v.Acknowledged != 0 || v.Duplicates != 0 {
		t.Errorf("%+v", v)
	}
}
