package store

import (
	"strings"
	"testing"

	"stafette/internal/audience"
)

// Nothing that a filter says reaches the text of the statement (T29): whatever stands in
// it, held to the rules or not, the text is made of a few known words.
func FuzzSegmentsBecomeParameters(f *testing.F) {
	f.Add("tag", "has", "vip")
	f.Add("fields/city", "equals", "'; DROP TABLE contacts; --")
	f.Add("fields/x') OR 1=1 --", "contains", "%_'?$1")
	f.Add("company", "begins", "\x00?")
	f.Add("1=1", "OR", "group")
	f.Fuzz(func(t *testing.T, of, is, value string) {
		for _, d := range []dialect{sqliteDialect{}, postgresDialect{}} {
			written := func(value string) (string, int) {
				args := []any{"tenant"}
				test := audience.Segment{Of: of, Is: audience.Comparison(is), Value: value}
				seg := audience.Segment{All: []audience.Segment{test, {Not: &audience.Segment{Any: []audience.Segment{test}}}}}
				return segmentQuery{dialect: d, args: &args}.tree(seg), len(args)
			}
			text, n := written(value)
			for _, foreign := range []string{value, of} {
				if len(foreign) > 12 && strings.Contains(text, foreign) {
					t.Fatalf("%q stands in %s", foreign, text)
				}
			}
			if strings.ContainsAny(text, ";\"\x00?") && d.name() == "sqlite" || strings.Contains(text, "--") {
				t.Fatalf("foreign signs in %s", text)
			}
			if strings.Count(text, "$") < n-1 {
				t.Fatalf("%d values in %s", n, text)
			}
		}
	})
}
