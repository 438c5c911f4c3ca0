package bench

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestMarkdownComparesRoundByRound(t *testing.T) {
	// The second round is three times slower for both: the ratio does not care.
	p := Plan{Name: "P2", Title: "unsigned", Messages: 20000, Size: 10240, Sessions: 20, Rounds: 2}
	text := p.Markdown([]Outcome{
		{Name: "Postfix", Flushes: 1, Rounds: []Measure{{Rate: 900, CPU: 2 * time.Millisecond, Memory: 100 << 20}, {Rate: 300, CPU: 2 * time.Millisecond}}},
		{Name: "Stafette", Flushes: math.NaN(), Rounds: []Measure{{Rate: 4500, CPU: time.Millisecond}, {Rate: 1500, CPU: time.Millisecond}}},
	})
	for _, want := range []string{"20,000 messages of 10,240 bytes", "5.00 (5.00 to 5.00) × the rate, 0.50 (0.50 to 0.50) × the CPU", "| Postfix | 600 (300 to 900)", "| not counted |"} {
		if !strings.Contains(text, want) {
			t.Errorf("misses %q in\n%s", want, text)
		}
	}
}

func TestSpread(t *testing.T) {
	if s := spreadOf([]float64{3, 1, 2}); s != (Spread{2, 1, 3}) {
		t.Errorf("%+v", s)
	}
	if s := spreadOf(nil); !math.IsNaN(s.Middle) {
		t.Errorf("%+v", s)
	}
}

func TestPercentile(t *testing.T) {
	var d []time.Duration
	for i := range 100 {
		d = append(d, time.Duration(i+1))
	}
	if Percentile(d, 0.5) != 50 || Percentile(d, 0.99) != 99 || Percentile(d, 1) != 100 || Percentile(nil, 0.5) != 0 {
		t.Errorf("p50 %d p99 %d p100 %d", Percentile(d, 0.5), Percentile(d, 0.99), Percentile(d, 1))
	}
}
