package bench

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Spread is a middle value with its extremes.
type Spread struct{ Middle, Low, High float64 }

// spreadOf takes the median of the values.
func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	v := slices.Sorted(slices.Values(values))
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + mid) / 2
	}
	return Spread{mid, v[0], v[len(v)-1]}
}

func (o Outcome) spread(f func(Measure) float64) Spread {
	var v []float64
	for _, m := range o.Rounds {
		v = append(v, f(m))
	}
	return spreadOf(v)
}

func rate(m Measure) float64   { return m.Rate }
func accept(m Measure) float64 { return m.Accept }
func cpu(m Measure) float64    { return m.CPU.Seconds() * 1000 }
func memory(m Measure) float64 { return float64(m.Memory) / (1 << 20) }

// ratios compares two outcomes round by round: each round is one pair that met the
// same noise.
func ratios(a, b Outcome, f func(Measure) float64) Spread {
	var v []float64
	for i := range min(len(a.Rounds), len(b.Rounds)) {
		v = append(v, f(a.Rounds[i])/f(b.Rounds[i]))
	}
	return spreadOf(v)
}

// Markdown writes one comparison as a section; every contestant after the first is
// compared with the first.
func (p Plan) Markdown(outcomes []Outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s\n\n", p.Name, p.Title)
	fmt.Fprintf(&b, "%s messages of %s bytes per round, %d sessions, %d interleaved rounds; median (least to most).\n\n",
		thousands(p.Messages), thousands(p.Size), p.Sessions, p.Rounds)
	b.WriteString("| server | msg/s end to end | msg/s accepted | CPU ms/msg | memory (PSS) MB | flushes/msg |\n|---|---|---|---|---|---|\n")
	for _, o := range outcomes {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", o.Name, o.spread(rate).text("%.0f"), o.spread(accept).text("%.0f"),
			o.spread(cpu).text("%.2f"), o.spread(memory).text("%.0f"), number("%.2f", o.Flushes))
	}
	for _, o := range outcomes[min(1, len(outcomes)):] {
		fmt.Fprintf(&b, "\n**%s against %s, round by round: %s × the rate, %s × the CPU per message.**\n", o.Name, outcomes[0].Name,
			ratios(o, outcomes[0], rate).text("%.2f"), ratios(o, outcomes[0], cpu).text("%.2f"))
	}
	return b.String()
}

func (s Spread) text(format string) string {
	return fmt.Sprintf("%s (%s to %s)", number(format, s.Middle), number(format, s.Low), number(format, s.High))
}

func number(format string, v float64) string {
	if math.IsNaN(v) {
		return "not counted"
	}
	return fmt.Sprintf(format, v)
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Percentile returns the value below which the share q of the sorted durations lies.
func Percentile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// Head is the beginning of a report: when and where it was measured.
func Head(now time.Time) string {
	return fmt.Sprintf(`# Benchmarks

Written by `+"`./run bench`"+` on %s, on %s, %d processors, %s.
Only ratios within one run count: machines are noisy and differ.
Injector and sink are the same for all servers and run beside them; their own processor time is not counted.
How each server is configured stands in `+"`test/load/peers`"+`.

`, now.UTC().Format("2006-01-02 15:04 UTC"), processor(), runtime.NumCPU(), runtime.GOOS)
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
