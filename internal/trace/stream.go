package trace

import (
	"fmt"
	"strings"
)

// String is the entry as people read it, on one line, or on none for an entry without
// words of its own.
func (e Entry) String() string {
	var b strings.Builder
	switch e.Kind {
	case Lost:
		fmt.Fprintf(&b, "… %d entries lost: reading is slower than sending", e.Lost)
	case Began:
		fmt.Fprintf(&b, "%s %s attempt %d to %s over %s > %s", e.clock(), e.Delivery, e.Number, e.Domain, e.Source, e.Site)
	case Said:
		fmt.Fprintf(&b, "%s %s %s", e.clock(), e.Delivery, strings.TrimLeft(e.Line.String(), " "))
	case Ended:
		fmt.Fprintf(&b, "%s %s attempt %d %s", e.clock(), e.Delivery, e.Number, e.Verdict.Outcome)
		for _, part := range []string{e.Verdict.Class, e.Verdict.Host, e.Verdict.Address, e.Verdict.Words} {
			if part != "" {
				b.WriteString(" " + part)
			}
		}
	}
	return b.String()
}

func (e Entry) clock() string { return e.At.UTC().Format("15:04:05.000") }
