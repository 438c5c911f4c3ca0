package returns_test

import (
	"strings"
	"testing"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/returns"
)

// FuzzProven: whatever stands in a report, only an address that was made for a delivery
// proves it, and then that one delivery.
func FuzzProven(f *testing.F) {
	key := []byte("0123456789abcdef0123456789abcdef")
	paths, err := bounce.NewReturnPaths(key)
	if err != nil {
		f.Fatal(err)
	}
	unsubscribe, err := bounce.NewUnsubscribePaths([]byte("fedcba9876543210fedcba9876543210"))
	if err != nil {
		f.Fatal(err)
	}
	addresses := returns.NewAddresses(paths, unsubscribe, ourDomain)
	d := message.Delivery(id.Lowest[message.Kind](time.UnixMilli(1_700_000_000_000)), 7)
	verp := paths.Make(bounce.Path{Delivery: d}, ourDomain).String()
	for _, header := range []string{"Return-Path: <" + verp + ">\n", "List-Unsubscribe: <mailto:" + unsubscribe.Make(bounce.Path{Delivery: d}, ourDomain).String() + ">\n", "Return-Path: <b+x@" + ourDomain + ">\n", ""} {
		f.Add([]byte(strings.ReplaceAll(complaint("abuse", header), "{verp}", verp)))
	}
	f.Add([]byte("To: " + strings.ToUpper(verp) + "\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		report, err := bounce.ParseReport(raw, bounce.Limits{})
		if err != nil {
			return
		}
		got, ok := addresses.Proven(report)
		if !ok {
			return
		}
		if got.Delivery != d {
			t.Errorf("proven for %v", got)
		}
		text := strings.ToLower(string(raw))
		// Transfer encodings hide it from a plain look.
		if !strings.Contains(text, "base64") && !strings.Contains(text, "quoted-printable") && !strings.Contains(text, "=?") &&
			!strings.Contains(text, "+") {
			t.Errorf("proven by nothing in %q", raw)
		}
	})
}
