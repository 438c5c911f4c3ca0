package dns_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/dns/dnstest"
)

const zone = `
plain.test.      MX 20 b.plain.test.
plain.test.      MX 10 a.plain.test.
plain.test.      MX 20 A.Plain.test.
null.test.       MX 0 .
both.test.       MX 0 .
both.test.       MX 10 mx.both.test.
bare.test.       A 192.0.2.1
bare6.test.      AAAA 2001:db8::1
empty.test.      TXT "no mail here"
literal.test.    MX 10 192.0.2.1.
local.test.      MX 10 localhost.
alias.test.      CNAME plain.test.
dangling.test.   CNAME nowhere.test.
a.test.          CNAME b.test.
b.test.          CNAME a.test.
host.test.       A 192.0.2.7
host.test.       A 192.0.2.8
host.test.       AAAA 2001:db8::7
four.test.       A 192.0.2.4
text.test.       TXT "v=spf1 " "-all"
text.test.       TXT "other"
`

// clock is a time that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func start(t *testing.T, text string) (*dnstest.Server, *dns.Client, *clock) {
	t.Helper()
	s, err := dnstest.New(text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	clk := &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	keep := func(int, func(i, j int)) {}
	return s, dns.New(dns.Config{Server: s.Addr(), Timeout: 20 * time.Second, Now: clk.Now, Shuffle: keep}), clk
}

func describe(hosts []dns.MX, err error) string {
	for _, known := range []error{dns.ErrNoDomain, dns.ErrNoMail, dns.ErrNoHost, dns.ErrTemporary} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, h := range hosts {
		s := fmt.Sprintf("%d %s", h.Preference, h.Host)
		if h.Implicit {
			s += " implicit"
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}

func TestMX(t *testing.T) {
	s, c, _ := start(t, zone)
	s.Fail("broken.test", dnstest.ServFail)
	s.Fail("refused.test", dnstest.Refused)
	if err := s.Add("toA.test. MX 10 x.test.\nhalf.test. TXT \"x\""); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"plain.test":    "10 a.plain.test, 20 b.plain.test",
		"PLAIN.test.":   "10 a.plain.test, 20 b.plain.test",
		"null.test":     dns.ErrNoMail.Error(),
		"both.test":     "10 mx.both.test",
		"bare.test":     "0 bare.test implicit",
		"bare6.test":    "0 bare6.test implicit",
		"empty.test":    dns.ErrNoHost.Error(),
		"literal.test":  dns.ErrNoHost.Error(),
		"local.test":    dns.ErrNoHost.Error(),
		"alias.test":    "10 a.plain.test, 20 b.plain.test",
		"dangling.test": dns.ErrNoDomain.Error(),
		"a.test":        dns.ErrTemporary.Error(),
		"nowhere.test":  dns.ErrNoDomain.Error(),
		"broken.test":   dns.ErrTemporary.Error(),
		"refused.test":  dns.ErrTemporary.Error(),
		"":              dns.ErrNoDomain.Error(),
		"a..b":          dns.ErrNoDomain.Error(),
	}
	for domain, want := range tests {
		if got := describe(c.MX(context.Background(), domain)); got != want {
			t.Errorf("%q: got %q, want %q", domain, got, want)
		}
	}
}

func TestMXOrderAndLimit(t *testing.T) {
	var text strings.Builder
	for i := range 30 {
		fmt.Fprintf(&text, "many.test. MX %d h%02d.test.\n", i/15, i)
	}
	s, err := dnstest.New(text.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	shuffled := 0
	turn := func(n int, swap func(i, j int)) {
		shuffled = n
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	c := dns.New(dns.Config{Server: s.Addr(), Shuffle: turn})
	hosts, err := c.MX(context.Background(), "many.test")
	if err != nil || len(hosts) != 20 || shuffled != 30 {
		t.Fatalf("%d hosts, %d shuffled, %v", len(hosts), shuffled, err)
	}
	if !slices.IsSortedFunc(hosts, func(a, b dns.MX) int { return int(a.Preference) - int(b.Preference) }) {
		t.Errorf("not by preference: %v", hosts)
	}
	if hosts[0].Host != "h14.test" {
		t.Errorf("equal hosts are not in the order of the shuffle: %v", hosts)
	}
}

func TestAddrs(t *testing.T) {
	s, c, _ := start(t, zone)
	s.Fail("broken.test", dnstest.ServFail)
	for host, want := range map[string]string{
		"host.test":    "[2001:db8::7 192.0.2.7 192.0.2.8]",
		"four.test":    "[192.0.2.4]",
		"192.0.2.9":    "[192.0.2.9]",
		"empty.test":   dns.ErrNoHost.Error(),
		"nowhere.test": dns.ErrNoDomain.Error(),
		"broken.test":  dns.ErrTemporary.Error(),
	} {
		addrs, err := c.Addrs(context.Background(), host)
		got := fmt.Sprint(addrs)
		if err != nil {
			got = describe(nil, err)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", host, got, want)
		}
	}
}

func TestTXT(t *testing.T) {
	_, c, _ := start(t, zone)
	got, err := c.TXT(context.Background(), "text.test")
	if err != nil || !slices.Equal(got, []string{"v=spf1 -all", "other"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := c.TXT(context.Background(), "bare.test"); err != nil || got != nil {
		t.Errorf("name without TXT: %q, %v", got, err)
	}
	if _, err := c.TXT(context.Background(), "nowhere.test"); !errors.Is(err, dns.ErrNoDomain) {
		t.Errorf("no name: %v", err)
	}
}

// TestTruncated holds that an answer too large for UDP comes over TCP.
func TestTruncated(t *testing.T) {
	long := strings.Repeat("x", 200)
	s, c, _ := start(t, "small.test. TXT \"x\"\nlarge.test. TXT "+strings.Repeat("\""+long+"\" ", 20))
	s.Fail("small.test", dnstest.NoUDP)
	for name, want := range map[string]int{"small.test": 1, "large.test": 4000} {
		got, err := c.TXT(context.Background(), name)
		if err != nil || len(got) != 1 || len(got[0]) != want {
			t.Errorf("%s: %d records, %v", name, len(got), err)
		}
	}
}

func TestCache(t *testing.T) {
	s, c, clk := start(t, `
ttl.test.  100 MX 10 mx.ttl.test.
soa.test. 3600 SOA ns. root. 1 1 1 1 30
y.soa.test. TXT "x"
long.test. 604800 SOA ns. root. 1 1 1 1 604800
y.long.test. TXT "x"
`)
	s.Fail("broken.test", dnstest.ServFail)
	ask := map[string]func(name string){
		"MX":  func(name string) { _, _ = c.MX(context.Background(), name) },
		"TXT": func(name string) { _, _ = c.TXT(context.Background(), name) },
	}
	tests := []struct {
		name, kind string
		holds      time.Duration
		perLookup  int // questions one look-up costs
	}{
		{"ttl.test", "MX", 100 * time.Second, 1},
		{"x.soa.test", "MX", 30 * time.Second, 1},
		{"x.long.test", "MX", 15 * time.Minute, 1},
		{"x.long.test", "TXT", 3 * time.Hour, 1},
		{"broken.test", "MX", 5 * time.Second, 2},
	}
	for _, tt := range tests {
		ask[tt.kind](tt.name)
		clk.pass(tt.holds - time.Millisecond)
		ask[tt.kind](tt.name)
		if n := s.Asked(tt.name, tt.kind); n != tt.perLookup {
			t.Errorf("%s: asked %d times within its time", tt.name, n)
		}
		clk.pass(time.Millisecond)
		ask[tt.kind](tt.name)
		if n := s.Asked(tt.name, tt.kind); n != 2*tt.perLookup {
			t.Errorf("%s: asked %d times after its time", tt.name, n)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	s, err := dnstest.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c := dns.New(dns.Config{Server: s.Addr(), Entries: 10})
	for i := range 50 {
		_, _ = c.TXT(context.Background(), fmt.Sprintf("n%d.test", i))
	}
	again := 0
	for i := range 50 {
		name := fmt.Sprintf("n%d.test", i)
		_, _ = c.TXT(context.Background(), name)
		again += s.Asked(name, "TXT") - 1
	}
	if again < 40 {
		t.Errorf("only %d of 50 answers were forgotten, with room for 10", again)
	}
}

func TestSameQuestionGoesOutOnce(t *testing.T) {
	s, c, _ := start(t, zone)
	s.Fail("quiet.test", dnstest.Silence)
	short := dns.New(dns.Config{Server: s.Addr(), Timeout: 200 * time.Millisecond})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := short.TXT(context.Background(), "quiet.test"); !errors.Is(err, dns.ErrTemporary) {
				t.Errorf("silence: %v", err)
			}
		})
	}
	wg.Wait()
	if n := s.Asked("quiet.test", "TXT"); n > 4 {
		t.Errorf("asked %d times", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.TXT(ctx, "text.test"); !errors.Is(err, context.Canceled) {
		t.Errorf("caller that gave up: %v", err)
	}
}

func TestChangesAtRunTime(t *testing.T) {
	s, c, clk := start(t, "a.test. 10 TXT \"one\"")
	look := func() string {
		got, err := c.TXT(context.Background(), "a.test")
		return fmt.Sprint(got, err != nil)
	}
	first := look()
	if err := s.Set("a.test. 10 TXT \"two\""); err != nil {
		t.Fatal(err)
	}
	clk.pass(10 * time.Second)
	second := look()
	s.Remove("a.test")
	clk.pass(10 * time.Second)
	if third := look(); first != "[one] false" || second != "[two] false" || third != "[] true" {
		t.Errorf("got %s, %s, %s", first, second, third)
	}
	if err := s.Add("nonsense"); err == nil {
		t.Error("nonsense was taken for a record")
	}
}
