package soak

import (
	"errors"
	"testing"

	"stafette/test/load/letter"
	"stafette/test/load/peers"
	"stafette/test/load/sink"
)

// The sampled form of ./run crash -soak.
func TestBooksBalance(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and loads the product")
	}
	binary, err := peers.BuildStafette(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	memory := int64(512 << 20)
	if c, err := newCage(memory); errors.Is(err, errNoCage) {
		t.Log(err)
		memory = 0
	} else if err := errors.Join(err, c.remove()); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Config{Binary: binary, Dir: t.TempDir(), Messages: 3000, Every: 1000, Size: 2048, Batch: 50,
		Memory: memory, Tell: func(line string) { t.Log(line) }})
	if err != nil {
		t.Error(err)
	}
	t.Log(r)
}

func TestBalance(t *testing.T) {
	for name, c := range map[string]struct {
		states                                States
		acknowledged, received, refused, also int
		unbalanced                            bool
	}{
		"all there":               {States{"delivered": 3, "bounced": 1, "queued": 2, "suppressed": 1, "held": 1}, 7, 3, 1, 1, false},
		"received, not settled":   {States{"queued": 2}, 2, 1, 0, 0, false},
		"one is missing":          {States{"delivered": 3}, 4, 3, 0, 0, true},
		"one too many":            {States{"delivered": 3}, 2, 3, 0, 0, true},
		"a state that is none":    {States{"delivered": 3, "gone": 1}, 4, 3, 0, 0, true},
		"delivered, not received": {States{"delivered": 3}, 3, 2, 0, 0, true},
		"bounced, not refused":    {States{"bounced": 1}, 1, 0, 0, 0, true},
		"sent in spite":           {States{"delivered": 2}, 1, 2, 0, 1, true},
	} {
		if err := balance(c.states, c.acknowledged, c.received, c.refused, c.also); (err != nil) != c.unbalanced {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJudge(t *testing.T) {
	taste := sink.Config{Temporary: temporary, Permanent: permanent}
	letters := letter.NewSource(letter.Config{Run: run})
	var plain, refused string
	for n := 1; plain == "" || refused == ""; n++ {
		switch token := letters.At(n).Token; taste.FateOf(token) {
		case sink.Refused:
			refused = token
		case sink.Accepted:
			plain = token
		}
	}
	for name, c := range map[string]struct {
		token, state string
		received     int
		down, wrong  bool
	}{
		"delivered":              {plain, "delivered", 1, false, false},
		"delivered, never came":  {plain, "delivered", 0, false, true},
		"delivered twice":        {plain, "delivered", 2, false, true},
		"bounced":                {refused, "bounced", 0, false, false},
		"bounced, not refused":   {plain, "bounced", 0, false, true},
		"suppressed, by nobody":  {plain, "suppressed", 0, false, true},
		"cancelled, by nobody":   {plain, "cancelled", 0, false, true},
		"left behind":            {plain, "deferred", 0, false, true},
		"waits for a dead sink":  {plain, "deferred", 0, true, false},
		"delivered to a dead":    {plain, "delivered", 1, true, true},
		"in a state that is not": {plain, "vanished", 0, true, true},
	} {
		s := &soaking{Config: Config{Down: c.down}, taste: taste}
		if err := s.judge(c.token, c.state, c.received); (err != nil) != c.wrong {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := &soaking{taste: taste, commanded: map[string]bool{plain: true}}
	if err := errors.Join(s.judge(plain, "cancelled", 0), s.judge(plain, "held", 0), s.judge(plain, "delivered", 1)); err != nil {
		t.Error(err)
	}
	if s.judge(plain, "cancelled", 1) == nil {
		t.Error("cancelled and received passes")
	}
}
