package campaign

import "testing"

func TestOnlyAClearDifferenceWins(t *testing.T) {
	for name, c := range map[string]struct {
		a, b   TrialCount
		winner Version
		clear  bool
	}{
		"nobody":      {TrialCount{500, 0}, TrialCount{500, 0}, VersionA, false},
		"few":         {TrialCount{500, 0}, TrialCount{500, 9}, VersionA, false},
		"chance":      {TrialCount{500, 20}, TrialCount{500, 27}, VersionA, false},
		"b":           {TrialCount{500, 20}, TrialCount{500, 40}, VersionB, true},
		"a":           {TrialCount{500, 40}, TrialCount{500, 20}, VersionA, true},
		"everybody":   {TrialCount{20, 20}, TrialCount{20, 20}, VersionA, false},
		"one is none": {TrialCount{0, 0}, TrialCount{500, 40}, VersionA, false},
	} {
		t.Run(name, func(t *testing.T) {
			if winner, clear := judge(c.a, c.b); winner != c.winner || clear != c.clear {
				t.Errorf("judged %q, clear %t", winner, clear)
			}
		})
	}
}
