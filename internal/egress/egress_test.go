package egress_test

import (
	"net/netip"
	"testing"
	"time"

	"stafette/internal/egress"
)

func TestRoutesFind(t *testing.T) {
	routes, err := egress.NewRoutes([]egress.Route{
		{Domain: "Kunde.example", NextHop: "mail.kunde.example:2525"},
		{Domain: "*", NextHop: "[::1]:25"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]string{"kunde.example": "mail.kunde.example:2525", "sub.kunde.example": "[::1]:25"} {
		if hop, ok := routes.Find(domain); !ok || hop.String() != want {
			t.Errorf("%s: %v %t, want %s", domain, hop, ok, want)
		}
	}
	none, err := egress.NewRoutes(nil)
	if err != nil {
		t.Fatal(err)
	}
	if hop, ok := none.Find("kunde.example"); ok {
		t.Errorf("no routes, found %v", hop)
	}
}

func TestRoutesRefuse(t *testing.T) {
	for name, list := range map[string][]egress.Route{
		"nothing":     {{Domain: "a.example", NextHop: ""}},
		"a blank":     {{Domain: "a.example", NextHop: "mail example"}},
		"port 0":      {{Domain: "a.example", NextHop: "mail.example:0"}},
		"port 65536":  {{Domain: "a.example", NextHop: "mail.example:65536"}},
		"named port":  {{Domain: "a.example", NextHop: "mail.example:smtp"}},
		"no host":     {{Domain: "a.example", NextHop: ":25"}},
		"no domain":   {{Domain: "", NextHop: "mail.example:25"}},
		"twice":       {{Domain: "a.example", NextHop: "b:25"}, {Domain: "A.example.", NextHop: "c:25"}},
		"twice a '*'": {{Domain: "*", NextHop: "b:25"}, {Domain: "*", NextHop: "c:25"}},
	} {
		if _, err := egress.NewRoutes(list); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSourceReaches(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	tests := []struct {
		source       egress.Source
		to           netip.Addr
		want, mapped bool
	}{
		{egress.Source{}, v4, true, true}, {egress.Source{}, v6, true, true},
		{egress.Source{IP: netip.IPv6Unspecified()}, v4, true, true},
		{egress.Source{IP: v4}, v4, true, true}, {egress.Source{IP: v4}, v6, false, true},
		{egress.Source{IP: v6}, v6, true, false}, {egress.Source{IP: v6}, v4, false, false},
	}
	mapped := netip.MustParseAddr("::ffff:192.0.2.7")
	for _, tt := range tests {
		if got := tt.source.Reaches(tt.to); got != tt.want {
			t.Errorf("%s reaches %s: %t", tt.source, tt.to, got)
		}
		if got := tt.source.Reaches(mapped); got != tt.mapped {
			t.Errorf("%s reaches %s: %t", tt.source, mapped, got)
		}
	}
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	want := []time.Duration{1, 2, 4, 8, 16, 30, 30}
	for i, w := range want {
		if got := (egress.Limits{}).Backoff(i + 1); got != w*time.Minute {
			t.Errorf("Backoff(%d) = %s, want %s", i+1, got, w*time.Minute)
		}
	}
	if got := (egress.Limits{}).Backoff(1 << 40); got != 30*time.Minute {
		t.Errorf("Backoff(huge) = %s", got)
	}
}

func TestNextHopWithoutPort(t *testing.T) {
	for text, want := range map[string]string{
		"Mail.example": "mail.example:25", "192.0.2.1": "192.0.2.1:25", "2001:db8::1": "[2001:db8::1]:25", "[2001:db8::1]": "[2001:db8::1]:25",
	} {
		r, err := egress.NewRoutes([]egress.Route{{Domain: "*", NextHop: text}})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if hop, _ := r.Find("kunde.example"); hop.String() != want {
			t.Errorf("%s is %s, want %s", text, hop, want)
		}
	}
}
